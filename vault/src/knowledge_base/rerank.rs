//! The best candidates in the order of a model that reads question and passage together. It must never be given a text that
//! the gate did not open for this caller, nor look at how many candidates there are beyond the visible ones.

use super::ask::Attempt;
use super::candidates::Candidate;
use super::errors;
use crate::gate::Stop;
use crate::gate::envelope::Labels;
use crate::vault::Reranking;
use kenward_indexes::reranking::MOST;

/// Puts the first candidates in order by their score for the question; the others stay behind them as they are. What
/// cannot be read is left where it is, and told of when its turn comes.
///
/// INVARIANT: always the first ones of the whole list, whatever page is asked for: the order must not change between pages.
pub(super) fn rerank(
    attempt: &Attempt<'_>,
    reranking: &Reranking,
    question: &str,
    candidates: &mut [Candidate<'_>],
) -> Result<(), Stop> {
    let first = reranking.depth.min(MOST).min(candidates.len());
    let first = crate::faults::read_again(first, attempt.gate.pin.published.image.documents.iter());
    let Some(best) = candidates.get_mut(..first) else { return Ok(()) };
    let mut texts = Vec::with_capacity(first);
    for (at, candidate) in best.iter().enumerate() {
        if let Some(text) = text(attempt, candidate)? {
            texts.push((at, text));
        }
    }
    let passages: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    let scores = reranking.by.score(question, &passages).map_err(|error| {
        tracing::error!(%error, "passages could not be put in order by the reranker");
        Stop::ToldOf(errors::reranking_failed())
    })?;
    for ((at, _), score) in texts.iter().zip(scores) {
        if let Some(candidate) = best.get_mut(*at) {
            candidate.fit = Some(score);
        }
    }
    candidates.sort_by_key(Candidate::place);
    Ok(())
}

/// What of a candidate is scored: its title, headings and text, after the late check. Where its text is lost, that of its
/// first copy that can be read, which takes its place when it is shown.
fn text(attempt: &Attempt<'_>, candidate: &Candidate<'_>) -> Result<Option<String>, Stop> {
    let gate = attempt.gate;
    let own = (candidate.chunk, candidate.meta, candidate.document);
    for (chunk, meta, document) in std::iter::once(&own).chain(&candidate.copies) {
        let opened = gate.open(document.no)?;
        let (start, end) = meta.span;
        if let Some(shown) = gate.read(&opened, document, start..end, Some(*chunk))? {
            let mut lines = vec![Labels::of(gate, document).title];
            lines.extend(shown.headings);
            // A title is often the first heading, too.
            lines.dedup();
            lines.push(shown.text);
            return Ok(Some(lines.join("\n")));
        }
    }
    Ok(None)
}
