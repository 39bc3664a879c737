//! The dot product. A row's value must depend on the row and the query alone: lanes are summed in
//! one fixed order, whatever lies beside the row and wherever it is stored.

/// Independent sums; a multiple of what the machine's registers hold.
const LANES: usize = 16;

/// Bytes of one number.
pub(super) const WIDTH: usize = 4;

/// Dot product of the query with a row of little-endian f32.
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
    }
}
