//! Weights in one byte a number, for products in whole numbers. Each output has a step of its own, made of its own weights
//! alone; nothing is learned from any text.
//!
//! The numbers are from -63 to 63: on processors without VNNI two products, each of an unsigned byte and a signed one, are added in 16
//! bits, which saturate at 255 · 127 · 2 and not at 255 · 63 · 2. A model must not mean something else on another machine.

use super::weights::Tensor;

/// The largest number.
const MOST: f32 = 63.0;

/// A matrix in whole numbers.
pub(super) struct Weight {
    /// [in, out], one signed byte each.
    pub(super) numbers: Vec<u8>,
    /// What one is worth, by output, as little-endian f32.
    pub(super) steps: Vec<u8>,
    /// Inputs and outputs.
    pub(super) shape: [u64; 2],
}

/// Of a tensor [out, in] of f32 in a file; `None` if it is no matrix of finite numbers.
pub(super) fn weight(tensor: &Tensor, file: &[u8]) -> Option<Weight> {
    let &[outputs, inputs] = tensor.shape.as_slice() else { return None };
    let from = usize::try_from(tensor.offset).ok()?;
    let bytes = file.get(from..from.checked_add(usize::try_from(tensor.length).ok()?)?)?;
    let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let (rows, columns) = (usize::try_from(outputs).ok()?, usize::try_from(inputs).ok()?);
    if columns == 0 || values.len() != rows.checked_mul(columns)? || !values.iter().all(|v| v.is_finite()) {
        return None;
    }
    let mut numbers = vec![0; values.len()];
    let mut steps = Vec::with_capacity(rows * 4);
    for (output, row) in values.chunks_exact(columns).enumerate() {
        let step = row.iter().fold(0.0f32, |most, value| most.max(value.abs())) / MOST;
        steps.extend_from_slice(&step.to_le_bytes());
        for (input, value) in row.iter().enumerate() {
            let whole = if step > 0.0 { (value / step).round().clamp(-MOST, MOST) } else { 0.0 };
            *numbers.get_mut(input * rows + output)? = (whole as i8).cast_unsigned();
        }
    }
    Some(Weight { numbers, steps, shape: [inputs, outputs] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32], shape: &[u64]) -> Option<Weight> {
        let file: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        weight(&Tensor { shape: shape.to_vec(), offset: 0, length: file.len() as u64 }, &file)
    }

    #[test]
    fn each_output_has_its_step_and_the_matrix_is_turned() {
        let made = of(&[1.2, -2.0, 0.0, 0.0, 0.0, 0.5], &[2, 3]).unwrap();
        let signed: Vec<i8> = made.numbers.iter().map(|n| n.cast_signed()).collect();
        // 1.2 is 37.8 steps of the first.
        assert_eq!(signed, [38, 0, -63, 0, 0, 63]);
        assert_eq!(made.shape, [3, 2]);
        let steps: Vec<f32> = made.steps.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        assert_eq!(steps, [2.0 / 63.0, 0.5 / 63.0]);
        assert_eq!(of(&[0.0; 4], &[2, 2]).unwrap().numbers, [0; 4]);
    }

    #[test]
    fn what_is_no_matrix_of_numbers_is_none() {
        assert!(of(&[1.0, 2.0], &[2]).is_none());
        assert!(of(&[1.0, f32::NAN], &[1, 2]).is_none());
        assert!(of(&[1.0, 2.0], &[2, 2]).is_none());
        assert!(of(&[], &[1, 0]).is_none());
    }
}
