//! The hashing embedder: words hashed into buckets with a sign. For tests and for measuring the rest of
//! the path without a model; it knows nothing of meaning and must never be chosen silently.

use super::{EmbedError, Embedder, EmbeddingSpace};
use std::sync::Arc;
use unicode_segmentation::UnicodeSegmentation;

struct Hashing {
    space: EmbeddingSpace,
}

/// The hashing embedder for tests: words hashed into `dimension` buckets, unit length. A text without
/// words gives one fixed vector. A dimension of 0 is taken as 1.
#[must_use]
pub fn hashing(dimension: usize) -> Arc<dyn Embedder> {
    Arc::new(Hashing {
        space: EmbeddingSpace {
            model: "hashing-1".to_owned(),
            tokenizer: "words".to_owned(),
            pooling: "sum".to_owned(),
            max_tokens: 256,
            dimension: dimension.max(1),
            precision: "f32".to_owned(),
            engine: "hashing".to_owned(),
        },
    })
}

impl Hashing {
    fn one(&self, text: &str) -> Vec<f32> {
        // Whole numbers in f64: the sum is the same in any order of words.
        let mut sums = vec![0.0f64; self.space.dimension];
        for word in text.unicode_words() {
            let hash = blake3::hash(word.to_lowercase().as_bytes());
            let number = hash.as_bytes().iter().take(8).fold(0u64, |n, b| (n << 8) | u64::from(*b));
            let bucket = ((number >> 1) % self.space.dimension as u64) as usize;
            if let Some(sum) = sums.get_mut(bucket) {
                *sum += if number & 1 == 0 { 1.0 } else { -1.0 };
            }
        }
        let length = sums.iter().map(|s| s * s).sum::<f64>().sqrt();
        if length == 0.0 {
            // No word, or words that cancel out: still a direction, and always the same one.
            return (0..self.space.dimension).map(|at| if at == 0 { 1.0 } else { 0.0 }).collect();
        }
        sums.into_iter().map(|s| (s / length) as f32).collect()
    }
}

impl Embedder for Hashing {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(texts.iter().map(|text| self.one(text)).collect())
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.unicode_words().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_does_what_every_embedder_does() {
        super::super::conformance::run(hashing(64).as_ref(), 64);
    }

    #[test]
    fn words_shared_bring_texts_nearer() {
        let vectors =
            hashing(384).embed(&["the night shift roster", "Night shift!", "pension fund"]).unwrap();
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        assert!(near(&vectors[0], &vectors[1]) > 0.6);
        assert!(near(&vectors[0], &vectors[2]).abs() < 0.3);
        assert_eq!(hashing(384).count_tokens("the night-shift roster"), 4);
    }

    proptest! {
        #[test]
        fn unit_length_and_the_same_alone_or_in_company(text in "\\PC{0,60}", other in "\\PC{0,60}", dimension in 1usize..70) {
            let embedder = hashing(dimension);
            let alone = embedder.embed(&[&text]).unwrap();
            let company = embedder.embed(&[&other, &text]).unwrap();
            prop_assert_eq!(&alone[0], &company[1]);
            let length: f32 = alone[0].iter().map(|n| n * n).sum();
            prop_assert!((length - 1.0).abs() < 1e-5);
        }
    }
}
