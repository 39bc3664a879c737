//! The loop over rows in whole numbers, by the processor's own instructions, chosen when the program runs. Whole numbers
//! have no order of summing, so every version gives the same as [`plain`], which it is tested against. It must read
//! nothing but the rows that it is given: `unsafe` is here for loads from references to arrays of the very length, for
//! calls after the processor was asked, and for hints, which read nothing.

use super::int8::ROW_HEADER;

/// Numbers that are multiplied at once. Products of 14 by 8 bits, two in a lane and 16 lanes: a lane's i32 holds the
/// sums of 32,000 numbers and more.
const BLOCK: usize = 32;

/// Rows that are fetched into the cache before they are needed. Visible rows lie anywhere, which processors do not guess.
pub(super) const AHEAD: usize = 8;

/// For each row (with its header), the sum of the products of its numbers with the query's.
pub(super) fn sums(query: &[i16], rows: &[&[u8]], sums: &mut [i64]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") {
            #[expect(unsafe_code, reason = "the processor was asked")]
            // SAFETY: the processor has AVX-512BW, and with it AVX-512F.
            return unsafe { x86::sums_avx512(query, rows, sums) };
        }
        if is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "the processor was asked")]
            // SAFETY: the processor has AVX2.
            return unsafe { x86::sums_avx2(query, rows, sums) };
        }
    }
    each(query, rows, sums, plain);
}

/// Applies `products` to each row, and fetches the rows to come.
#[inline(always)]
fn each(query: &[i16], rows: &[&[u8]], sums: &mut [i64], products: impl Fn(&[i16], &[u8]) -> i64) {
    for (at, (sum, row)) in sums.iter_mut().zip(rows).enumerate() {
        if let Some(later) = rows.get(at + AHEAD) {
            fetch(later);
        }
        *sum = products(query, row.get(ROW_HEADER..).unwrap_or_default());
    }
}

/// The safe twin of the others. NEON, which every 64-bit ARM processor has, is what the compiler makes of it there.
#[inline(always)]
fn plain(query: &[i16], row: &[u8]) -> i64 {
    let mut lanes = [0i32; BLOCK / 2];
    let (query_blocks, query_rest) = query.as_chunks::<{ BLOCK / 2 }>();
    let (row_blocks, row_rest) = row.as_chunks::<{ BLOCK / 2 }>();
    for (q, r) in query_blocks.iter().zip(row_blocks) {
        for ((lane, q), r) in lanes.iter_mut().zip(q).zip(r) {
            *lane += product(*q, *r);
        }
    }
    lanes.iter().map(|lane| i64::from(*lane)).sum::<i64>() + rest(query_rest, row_rest)
}

#[inline(always)]
fn rest(query: &[i16], row: &[u8]) -> i64 {
    query.iter().zip(row).map(|(q, r)| i64::from(product(*q, *r))).sum()
}

#[inline(always)]
fn product(query: i16, row: u8) -> i32 {
    i32::from(query) * i32::from(row.cast_signed())
}

/// Asks for a row's bytes, which will be read soon.
#[inline(always)]
pub(super) fn fetch(row: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[expect(unsafe_code, reason = "a hint to the processor takes a pointer")]
        // SAFETY: the pointer is of a slice that is there; a hint reads nothing that the program sees.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{BLOCK, each, rest};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512bw,avx2")]
    pub(super) fn sums_avx512(query: &[i16], rows: &[&[u8]], sums: &mut [i64]) {
        each(query, rows, sums, |query, row| {
            let (query_blocks, query_rest) = query.as_chunks::<BLOCK>();
            let (row_blocks, row_rest) = row.as_chunks::<BLOCK>();
            let mut lanes = _mm512_setzero_si512();
            for (q, r) in query_blocks.iter().zip(row_blocks) {
                #[expect(unsafe_code, reason = "loads take pointers")]
                // SAFETY: both are references to arrays of exactly 64 and 32 bytes; unaligned loads.
                let (q, r) =
                    unsafe { (_mm512_loadu_si512(q.as_ptr().cast()), _mm256_loadu_si256(r.as_ptr().cast())) };
                lanes = _mm512_add_epi32(lanes, _mm512_madd_epi16(q, _mm512_cvtepi8_epi16(r)));
            }
            let low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(lanes));
            let high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64::<1>(lanes));
            _mm512_reduce_add_epi64(_mm512_add_epi64(low, high)) + rest(query_rest, row_rest)
        });
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn sums_avx2(query: &[i16], rows: &[&[u8]], sums: &mut [i64]) {
        each(query, rows, sums, |query, row| {
            let (query_blocks, query_rest) = query.as_chunks::<BLOCK>();
            let (row_blocks, row_rest) = row.as_chunks::<BLOCK>();
            let (mut one, mut other) = (_mm256_setzero_si256(), _mm256_setzero_si256());
            for (q, r) in query_blocks.iter().zip(row_blocks) {
                #[expect(unsafe_code, reason = "loads take pointers")]
                // SAFETY: both are references to arrays, of exactly 64 and 32 bytes, read in halves; unaligned loads.
                let (q0, q1, r0, r1) = unsafe {
                    let (q, r) = (q.as_ptr().cast::<__m256i>(), r.as_ptr().cast::<__m128i>());
                    (
                        _mm256_loadu_si256(q),
                        _mm256_loadu_si256(q.add(1)),
                        _mm_loadu_si128(r),
                        _mm_loadu_si128(r.add(1)),
                    )
                };
                one = _mm256_add_epi32(one, _mm256_madd_epi16(q0, _mm256_cvtepi8_epi16(r0)));
                other = _mm256_add_epi32(other, _mm256_madd_epi16(q1, _mm256_cvtepi8_epi16(r1)));
            }
            let wide = |lanes: __m256i| {
                _mm256_add_epi64(
                    _mm256_cvtepi32_epi64(_mm256_castsi256_si128(lanes)),
                    _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(lanes)),
                )
            };
            let four = _mm256_add_epi64(wide(one), wide(other));
            let two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four));
            _mm_extract_epi64::<0>(two) + _mm_extract_epi64::<1>(two) + rest(query_rest, row_rest)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A version of [`sums`], and its name.
    type Version = (&'static str, fn(&[i16], &[&[u8]], &mut [i64]));

    /// Every version that this processor can run, by name.
    fn versions() -> Vec<Version> {
        let mut all: Vec<Version> =
            vec![("chosen", sums), ("plain", |query, rows, sums| each(query, rows, sums, plain))];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                #[expect(unsafe_code, reason = "the processor was asked")]
                // SAFETY: the processor has AVX2.
                all.push(("avx2", |query, rows, sums| unsafe { x86::sums_avx2(query, rows, sums) }));
            }
            if is_x86_feature_detected!("avx512bw") {
                #[expect(unsafe_code, reason = "the processor was asked")]
                // SAFETY: the processor has AVX-512BW.
                all.push(("avx512", |query, rows, sums| unsafe { x86::sums_avx512(query, rows, sums) }));
            }
        }
        all
    }

    fn exact(query: &[i16], row: &[u8]) -> i64 {
        query.iter().zip(row).map(|(q, r)| i64::from(*q) * i64::from(r.cast_signed())).sum()
    }

    proptest! {
        #[test]
        fn every_version_gives_the_same(
            query in prop::collection::vec(-8191i16..=8191, 1..1100),
            bytes in prop::collection::vec(any::<u8>(), 3300..3400),
        ) {
            let rows: Vec<&[u8]> = bytes.chunks_exact(query.len() + ROW_HEADER).take(12).collect();
            let right: Vec<i64> = rows.iter().map(|row| exact(&query, &row[ROW_HEADER..])).collect();
            for (name, version) in versions() {
                let mut found = vec![0; rows.len()];
                version(&query, &rows, &mut found);
                prop_assert_eq!(&found, &right, "{}", name);
            }
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let query = vec![8191; 16_384];
        let row = vec![128; 16_384 + ROW_HEADER];
        for (name, version) in versions() {
            let mut sum = [0];
            version(&query, &[&row], &mut sum);
            assert_eq!(sum[0], -128 * 8191 * 16_384, "{name}");
        }
    }
}
