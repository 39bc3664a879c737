//! Generated vectors that lie as those of text do: around the middle of a topic, and there around that of a document.
//! The same on every machine; never what quality is measured with.

use crate::support::Numbers;

pub const DIMENSION: usize = 384;

/// How far apart the parts of a vector stand, beside a topic's middle of length 1.
const DOCUMENT: f32 = 0.9;
const CHUNK: f32 = 0.7;

/// The vector of a passage: the same numbers whenever the same are given.
pub fn vector(topic: usize, document: u64, passage: u64) -> Vec<f32> {
    let mut own = vec![0.0; DIMENSION];
    for (seed, apart) in
        [(topic as u64 ^ 0x746f_7069, 1.0), (document ^ (1 << 40), DOCUMENT), (passage ^ (1 << 41), CHUNK)]
    {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        numbers.next();
        let apart = apart / (DIMENSION as f32).sqrt();
        own.iter_mut().for_each(|number| *number += apart * bell(&mut numbers));
    }
    let length = own.iter().map(|n| n * n).sum::<f32>().sqrt();
    own.iter_mut().for_each(|number| *number /= length);
    own
}

/// About the normal distribution: four even ones.
fn bell(numbers: &mut Numbers) -> f32 {
    let sum: f64 = (0..4).map(|_| numbers.unit()).sum();
    ((sum - 2.0) * 3f64.sqrt()) as f32
}
