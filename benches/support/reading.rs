//! How fast the machine reads memory: what a scan is held against. It must read more than any cache holds, which is its
//! caller's care.

use multiversion::multiversion;
use std::hint::black_box;
use std::time::Instant;

/// What one thread reads at most, in GB/s: the sum of all there is, the best of five.
pub fn limit(rows: &[f32]) -> f64 {
    #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "aarch64+neon"))]
    fn sum(rows: &[f32]) -> u32 {
        let mut lanes = [0u32; 64];
        for block in rows.as_chunks::<64>().0 {
            for (lane, number) in lanes.iter_mut().zip(block) {
                *lane = lane.wrapping_add(number.to_bits());
            }
        }
        lanes.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
    }
    let one = || {
        let began = Instant::now();
        black_box(sum(black_box(rows)));
        size_of_val(rows) as f64 / began.elapsed().as_secs_f64() / 1e9
    };
    (0..5).map(|_| one()).fold(0.0, f64::max)
}
