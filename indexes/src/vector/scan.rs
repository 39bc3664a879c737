//! The loop over rows in f32, which makes scores. A row's value must depend on the row and the query alone: lanes are
//! summed in one fixed order, whatever lies beside the row, wherever it is stored and whatever the processor can do.

use super::kernel::fetch;
use multiversion::multiversion;

/// Independent sums; a multiple of what the machine's registers hold.
pub(super) const LANES: usize = 16;

/// Bytes of one number.
pub(super) const WIDTH: usize = 4;

/// Dot product of the query with a row of little-endian f32.
#[inline(always)]
pub(super) fn dot(query: &[f32], row: &[u8]) -> f64 {
    let mut lanes = [0.0f32; LANES];
    let (query_blocks, query_rest) = query.as_chunks::<LANES>();
    let (row_blocks, _) = row.as_chunks::<{ LANES * WIDTH }>();
    for (q, r) in query_blocks.iter().zip(row_blocks) {
        let (numbers, _) = r.as_chunks::<WIDTH>();
        for ((lane, q), r) in lanes.iter_mut().zip(q).zip(numbers) {
            *lane += q * f32::from_le_bytes(*r);
        }
    }
    let rest = row.get(query_blocks.len() * LANES * WIDTH..).unwrap_or_default();
    let (numbers, _) = rest.as_chunks::<WIDTH>();
    for ((lane, q), r) in lanes.iter_mut().zip(query_rest).zip(numbers) {
        *lane += q * f32::from_le_bytes(*r);
    }
    lanes.iter().map(|lane| f64::from(*lane)).sum()
}

/// The scores of rows, by what the processor can do; each is that of [`dot`], to the bit: lanes are added in one order.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2", "aarch64+neon"))]
pub(super) fn dots(query: &[f32], rows: &[&[u8]], scores: &mut [f64]) {
    for (at, (score, row)) in scores.iter_mut().zip(rows).enumerate() {
        if let Some(later) = rows.get(at + AHEAD) {
            fetch(later);
        }
        *score = dot(query, row);
    }
}

/// Rows that are fetched into the cache before they are needed.
pub(super) const AHEAD: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn near_the_sum_in_f64(pairs in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 1..100)) {
            let query: Vec<f32> = pairs.iter().map(|p| p.0).collect();
            let row: Vec<u8> = pairs.iter().flat_map(|p| p.1.to_le_bytes()).collect();
            let exact: f64 = pairs.iter().map(|p| f64::from(p.0) * f64::from(p.1)).sum();
            prop_assert!((dot(&query, &row) - exact).abs() < 1e-5);
        }

        #[test]
        fn many_rows_score_as_each_alone(
            numbers in prop::collection::vec(-1.0f32..1.0, 1..2000),
            dimension in 1usize..200,
        ) {
            let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
            let query: Vec<f32> = numbers.iter().copied().cycle().skip(7).take(dimension).collect();
            let rows: Vec<&[u8]> = bytes.chunks_exact(dimension * WIDTH).collect();
            let mut scores = vec![0.0; rows.len()];
            dots(&query, &rows, &mut scores);
            let alone: Vec<f64> = rows.iter().map(|row| dot(&query, row)).collect();
            prop_assert_eq!(scores, alone);
        }
    }
}
