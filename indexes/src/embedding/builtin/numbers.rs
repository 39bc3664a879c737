//! Sums and exponentials written so that the compiler computes several at once: the order of operations is fixed,
//! and depends on the length of the input alone.

/// Lanes of a sum.
const LANES: usize = 16;

/// The sum of `of` over all numbers, in lanes.
#[inline]
pub(super) fn sum(numbers: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (rows, rest) = numbers.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for row in rows {
        for (lane, n) in lanes.iter_mut().zip(row) {
            *lane += of(*n);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|n| of(*n)).sum::<f32>()
}

/// `2^f` on [-½, ½], lowest power first: fitted like the error function, 2e-9 at most before rounding.
const POWERS: [f32; 7] = [
    1.0,
    std::f32::consts::LN_2,
    0.240_226_46,
    0.055_503_286,
    0.009_618_489,
    0.001_339_993_2,
    0.000_153_458_1,
];
/// Adding this to a small number leaves its nearest whole number in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// `e^x` for x ≤ 0; what is too small for an f32 becomes nearly nothing.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    let scaled = (x * std::f32::consts::LOG2_E).max(-126.0);
    let shifted = scaled + ROUND;
    let whole = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let fraction = scaled - (shifted - ROUND);
    let power = POWERS.iter().rev().fold(0.0, |sum, c| sum * fraction + c);
    // 2^whole, made of its exponent.
    power * f32::from_bits(whole.wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_that_of_the_library() {
        for step in 0..=87_000 {
            let x = -(step as f32) / 1_000.0;
            let want = f64::from(x).exp();
            assert!((f64::from(exp(x)) - want).abs() <= want * 6e-6, "{x}: {} {want}", exp(x));
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e30) < 2e-38 && exp(f32::NEG_INFINITY) < 2e-38);
    }

    #[test]
    fn sums_of_every_length() {
        for length in 0..100 {
            let numbers: Vec<f32> = (0..length).map(|n| n as f32).collect();
            assert_eq!(sum(&numbers, |n| n), (length * (length - 1) / 2) as f32);
        }
    }
}
