//! Why two answers differ: the best passage that only one of two people got, and how the rights of
//! both were decided for its document. It must never decide anything itself: it asks what `access why`
//! asks.

use super::agent::Passage;
use crate::owner::ops::{Op, Reply};
use crate::owner::{Backend, BackendError};
use kenward_vault::vault::Why;

/// Why no decision could be had.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The owner of the data was not reached.
    #[error("asking why a person may read a document")]
    Ask(#[source] BackendError),
    /// It did not explain.
    #[error("the owner of the data did not say why a person may read a document")]
    Unexplained,
}

/// A document that one of two people may read.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The passage that one of them got.
    pub passage: Passage,
    /// The decisions, in the order of the people.
    pub decisions: [Why; 2],
}

/// The best passage that only one of the two got, and may see. `None`: none.
///
/// # Errors
/// [`CompareError`].
pub async fn difference(
    backend: &Backend,
    people: [&str; 2],
    answers: [&[Passage]; 2],
) -> Result<Option<Difference>, CompareError> {
    let [left, right] = answers;
    let [a, b] = people;
    for passage in only_one_got(left, right) {
        let decisions = [why(backend, a, passage).await?, why(backend, b, passage).await?];
        // With equal rights it fell out of one answer for its rank.
        if decisions.iter().any(|why| why.allowed) && decisions.iter().any(|why| !why.allowed) {
            return Ok(Some(Difference { passage: passage.clone(), decisions }));
        }
    }
    Ok(None)
}

async fn why(backend: &Backend, handle: &str, passage: &Passage) -> Result<Why, CompareError> {
    let op = Op::Why { user: handle.to_owned(), document: passage.id.clone() };
    match backend.ask(op).await.map_err(CompareError::Ask)? {
        Reply::Why(why) => Ok(why),
        _ => Err(CompareError::Unexplained),
    }
}

/// Passages of documents that only one of them got, best first.
fn only_one_got<'a>(left: &'a [Passage], right: &'a [Passage]) -> Vec<&'a Passage> {
    let only = |one: &'a [Passage], other: &[Passage]| -> Vec<(usize, &'a Passage)> {
        one.iter().enumerate().filter(|(_, mine)| !other.iter().any(|theirs| theirs.id == mine.id)).collect()
    };
    let mut found = only(left, right);
    found.extend(only(right, left));
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, passage)| passage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_got_is_no_difference_and_the_best_comes_first() {
        let passages = |ids: &[&str]| -> Vec<Passage> {
            ids.iter().map(|id| Passage { id: (*id).to_owned(), ..Passage::default() }).collect()
        };
        let (left, right) = (passages(&["both", "l1", "l2"]), passages(&["r0", "both"]));
        let found: Vec<&str> = only_one_got(&left, &right).iter().map(|p| p.id.as_str()).collect();
        assert_eq!(found, ["r0", "l1", "l2"]);
    }
}
