//! Pooling: the mean over all places, special ones included, at unit length.

use super::{EmbedError, engine};
use ndarray::{ArrayView2, Axis};

/// The unit vector of [tokens, hidden].
///
/// # Errors
/// [`EmbedError::Engine`] if there is no direction, or a number that is none: the weights are broken.
pub(super) fn mean(x: ArrayView2<'_, f32>) -> Result<Vec<f32>, EmbedError> {
    let nothing = || engine("the model gave a vector without a direction");
    let mean = x.mean_axis(Axis(0)).ok_or_else(nothing)?;
    let length = mean.iter().map(|n| f64::from(*n) * f64::from(*n)).sum::<f64>().sqrt();
    if !length.is_finite() || length < f64::from(f32::MIN_POSITIVE) {
        return Err(nothing());
    }
    Ok(mean.iter().map(|n| (f64::from(*n) / length) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn the_mean_at_unit_length() {
        assert_eq!(mean(array![[6.0, 0.0], [0.0, 8.0]].view()).unwrap(), [0.6, 0.8]);
        for broken in [Array2::zeros((0, 2)), Array2::zeros((3, 2)), array![[f32::NAN, 1.0]]] {
            assert!(matches!(mean(broken.view()), Err(EmbedError::Engine { .. })));
        }
    }
}
