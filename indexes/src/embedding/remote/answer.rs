//! What an endpoint answered, as vectors, or what is wrong with it. Nothing of the answer is ever told on.

use serde::Deserialize;

/// What an answer lacks. Nothing of it stands in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error("its answer is no list of embeddings")]
    Form,
    #[error("it answered with {found} vectors for {asked} texts")]
    Count { asked: usize, found: usize },
    #[error("its answer does not say in order which vector is of which text")]
    Index,
    #[error("its vectors have {found} numbers, and `embedding.remote.dimension` is {asked}")]
    Dimension { asked: usize, found: usize },
    #[error("it answered with a vector that has no direction")]
    Direction,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Datum>,
}

#[derive(Deserialize)]
struct Datum {
    index: Option<usize>,
    embedding: Vec<f64>,
}

/// One unit vector per text, in the texts' order.
pub(super) fn vectors(answer: &[u8], texts: usize, dimension: usize) -> Result<Vec<Vec<f32>>, Wrong> {
    let Answer { data } = serde_json::from_slice(answer).map_err(|_| Wrong::Form)?;
    if data.len() != texts {
        return Err(Wrong::Count { asked: texts, found: data.len() });
    }
    let mut placed: Vec<Option<Vec<f32>>> = vec![None; texts];
    for (at, datum) in data.into_iter().enumerate() {
        // INVARIANT: each text has one vector, the one that the endpoint says is its own.
        let place = placed.get_mut(datum.index.unwrap_or(at)).filter(|place| place.is_none());
        *place.ok_or(Wrong::Index)? = Some(unit(&datum.embedding, dimension)?);
    }
    placed.into_iter().collect::<Option<Vec<_>>>().ok_or(Wrong::Index)
}

fn unit(numbers: &[f64], dimension: usize) -> Result<Vec<f32>, Wrong> {
    if numbers.len() != dimension {
        return Err(Wrong::Dimension { asked: dimension, found: numbers.len() });
    }
    let length = numbers.iter().map(|n| n * n).sum::<f64>().sqrt();
    // Also what is not a number, or is too large or too small to be squared.
    if !length.is_normal() || length < 1e-12 {
        return Err(Wrong::Direction);
    }
    Ok(numbers.iter().map(|n| (n / length) as f32).collect())
}
