//! The two inner loops: products in f32, which are scores, and in whole numbers, which only bound them. A row's value
//! must depend on the row and the query alone: lanes are summed in one fixed order, whatever lies beside the row,
//! wherever it is stored and whatever the processor can do.

use multiversion::multiversion;

/// Independent sums; a multiple of what the machine's registers hold.
pub(super) const LANES: usize = 16;

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

/// For each row of signed bytes, the sum of its products with the query's numbers. Whole numbers have no order of
/// summing, so every version gives the same; the processor's best is chosen when the program runs.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "aarch64+neon"))]
pub(super) fn sums(query: &[i16], rows: &[&[u8]], sums: &mut [i64]) {
    for (sum, row) in sums.iter_mut().zip(rows) {
        *sum = products(query, row);
    }
}

/// Numbers that are multiplied at once.
const BLOCK: usize = 32;

/// The one row of [`sums`]. Neighbours are added first: that is what processors have an instruction for.
#[inline(always)]
fn products(query: &[i16], row: &[u8]) -> i64 {
    let mut lanes = [0i32; BLOCK / 2];
    let (query_blocks, query_rest) = query.as_chunks::<BLOCK>();
    let (row_blocks, row_rest) = row.as_chunks::<BLOCK>();
    for (q, r) in query_blocks.iter().zip(row_blocks) {
        let (q, _) = q.as_chunks::<2>();
        let (r, _) = r.as_chunks::<2>();
        for ((lane, [q0, q1]), [r0, r1]) in lanes.iter_mut().zip(q).zip(r) {
            *lane += product(*q0, *r0) + product(*q1, *r1);
        }
    }
    let rest: i64 = query_rest.iter().zip(row_rest).map(|(q, r)| i64::from(product(*q, *r))).sum();
    lanes.iter().map(|lane| i64::from(*lane)).sum::<i64>() + rest
}

#[inline(always)]
fn product(query: i16, row: u8) -> i32 {
    i32::from(query) * i32::from(row.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The safe twin: the same loop for the least processor.
    fn plain(query: &[i16], rows: &[&[u8]]) -> Vec<i64> {
        rows.iter().map(|row| products(query, row)).collect()
    }

    proptest! {
        #[test]
        fn near_the_sum_in_f64(pairs in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 1..100)) {
            let query: Vec<f32> = pairs.iter().map(|p| p.0).collect();
            let row: Vec<u8> = pairs.iter().flat_map(|p| p.1.to_le_bytes()).collect();
            let exact: f64 = pairs.iter().map(|p| f64::from(p.0) * f64::from(p.1)).sum();
            prop_assert!((dot(&query, &row) - exact).abs() < 1e-5);
        }

        #[test]
        fn whole_numbers_are_summed_alike_by_every_processor(
            query in prop::collection::vec(-8191i16..=8191, 1..1100),
            bytes in prop::collection::vec(any::<u8>(), 3300..3400),
        ) {
            let rows: Vec<&[u8]> = bytes.chunks_exact(query.len()).take(3).collect();
            let mut found = vec![0; rows.len()];
            sums(&query, &rows, &mut found);
            prop_assert_eq!(&found, &plain(&query, &rows));
            let exact = rows.iter().map(|row| {
                query.iter().zip(*row).map(|(q, r)| i64::from(*q) * i64::from(r.cast_signed())).sum::<i64>()
            });
            prop_assert!(exact.eq(found));
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let query = vec![8191; 16_384];
        let row = vec![128; 16_384];
        let mut sum = [0];
        sums(&query, &[&row], &mut sum);
        assert_eq!(sum[0], -128 * 8191 * 16_384);
    }
}
