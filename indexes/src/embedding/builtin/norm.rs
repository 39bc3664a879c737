//! Layer normalisation: each place to mean zero and variance one, then scaled and moved as was learned.

use super::EmbedError;
use super::numbers::sum;
use super::parameters::Parameters;
use ndarray::{Array1, Array2};

pub(super) struct Norm {
    scale: Array1<f32>,
    shift: Array1<f32>,
    eps: f32,
}

impl Norm {
    /// From the weights.
    pub(super) fn read(
        parameters: &mut Parameters,
        layer: &str,
        hidden: usize,
        eps: f32,
    ) -> Result<Self, EmbedError> {
        let scale = parameters.vector(&format!("{layer}.weight"), hidden)?;
        let shift = parameters.vector(&format!("{layer}.bias"), hidden)?;
        Ok(Self { scale, shift, eps })
    }

    /// Normalises every row.
    pub(super) fn apply(&self, x: &mut Array2<f32>) {
        for mut row in x.rows_mut() {
            let Some(row) = row.as_slice_mut() else { continue };
            let count = row.len() as f32;
            let mean = sum(row, |n| n) / count;
            let variance = sum(row, |n| (n - mean) * (n - mean)) / count;
            let by = 1.0 / (variance + self.eps).sqrt();
            for ((n, scale), shift) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
                *n = (*n - mean) * by * scale + shift;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn mean_zero_variance_one_then_scale_and_shift() {
        let norm = Norm { scale: array![1.0, 1.0, 2.0, 1.0], shift: array![0.0, 0.0, 0.0, 5.0], eps: 0.0 };
        let mut x = array![[1.0, 3.0, 3.0, 1.0], [10.0, 30.0, 30.0, 10.0]];
        norm.apply(&mut x);
        for row in x.rows() {
            for (got, want) in row.iter().zip([-1.0, 1.0, 2.0, 4.0]) {
                assert!((got - want).abs() < 1e-6, "{got} {want}");
            }
        }
    }
}
