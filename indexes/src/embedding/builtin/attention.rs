//! Self-attention over the places of one text. There is no mask: a text is never padded, so every place may look
//! at every other.

use super::numbers::{exp, sum};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, s};

/// What each place takes from all, [tokens, hidden]. `looks` has query, key and value side by side,
/// [tokens, 3 · hidden]; `heads` divides hidden.
pub(super) fn attend(looks: ArrayView2<'_, f32>, heads: usize) -> Array2<f32> {
    let (tokens, hidden) = (looks.nrows(), looks.ncols() / 3);
    let head = hidden / heads;
    let scale = 1.0 / (head as f32).sqrt();
    let mut context = Array2::zeros((tokens, hidden));
    let mut shares = Array2::zeros((tokens, tokens));
    for from in (0..hidden).step_by(head) {
        let of = |part: usize| looks.slice(s![.., part * hidden + from..part * hidden + from + head]);
        general_mat_mul(scale, &of(0), &of(1).t(), 0.0, &mut shares);
        for mut row in shares.rows_mut() {
            if let Some(row) = row.as_slice_mut() {
                softmax(row);
            }
        }
        general_mat_mul(1.0, &shares, &of(2), 0.0, &mut context.slice_mut(s![.., from..from + head]));
    }
    context
}

/// Shares that sum up to one. The largest is taken off first, so that nothing overflows.
fn softmax(row: &mut [f32]) {
    let largest = row.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    for n in row.iter_mut() {
        *n = exp(*n - largest);
    }
    let whole = sum(row, |n| n);
    for n in row {
        *n /= whole;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_up_to_one_and_keep_their_order() {
        let mut row = [1.0, 1_000.0, 999.0, -1_000.0, 1_000.0];
        softmax(&mut row);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(row[1] == row[4] && row[1] > row[2] && row[2] > row[0] && row[3] < 1e-30);
    }

    #[test]
    fn equal_looks_take_the_mean_of_all_values() {
        // Two heads of two; queries and keys are zero, so all shares are the same.
        let mut looks = Array2::zeros((3, 12));
        for (n, value) in looks.slice_mut(s![.., 8..]).iter_mut().enumerate() {
            *value = n as f32;
        }
        let context = attend(looks.view(), 2);
        for row in context.rows() {
            for (got, want) in row.iter().zip([4.0, 5.0, 6.0, 7.0]) {
                assert!((got - want).abs() < 1e-5, "{got} {want}");
            }
        }
    }
}
