//! Phrases: words that follow each other within one field. Only visible documents are looked into.

use super::query::Stemmed;
use super::scorer::{Hit, Part};
use std::io;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, TERMINATED, Term};

/// A visible document of a segment.
#[derive(Clone, Copy)]
pub(super) struct Document {
    pub number: u32,
    /// Its place among the visible ones of the segment.
    pub rank: u32,
}

/// Adds a hit for each visible document of the segment that has the phrase in the field, ascending.
pub(super) fn scan(
    part: &Part<'_>,
    field: Field,
    phrase: &[Stemmed],
    hit: impl Fn(Document, u32) -> Hit,
    found: &mut Vec<Hit>,
) -> io::Result<()> {
    let Some((first, rest)) = phrase.split_first() else { return Ok(()) };
    let start = found.len();
    // Stems of one word by several languages are of different documents, mostly: each is gone through by itself.
    for stem in first {
        let Some(mut leading) = postings(part, field, stem)? else { continue };
        let mut following = Vec::with_capacity(rest.len());
        for stems in rest {
            let mut lists = Vec::new();
            for stem in stems {
                lists.extend(postings(part, field, stem)?);
            }
            following.push(lists);
        }
        let mut document = leading.doc();
        while let Some(visible) = part.scored.next_from(document).filter(|_| document != TERMINATED) {
            if visible != document {
                document = leading.seek(visible);
                continue;
            }
            if let Some(rank) = part.scored.rank(document) {
                let times = occurrences(&mut leading, &mut following, document);
                if times > 0 {
                    found.push(hit(Document { number: document, rank }, times));
                }
            }
            document = leading.advance();
        }
    }
    let mut own = found.split_off(start);
    own.sort_by_key(|hit| hit.slot);
    found.append(&mut own);
    Ok(())
}

fn postings(part: &Part<'_>, field: Field, term: &str) -> io::Result<Option<SegmentPostings>> {
    let inverted = part.segment.reader.inverted_index(field).map_err(io::Error::other)?;
    inverted.read_postings(&Term::from_field_text(field, term), IndexRecordOption::WithFreqsAndPositions)
}

/// How often the words follow each other in the document.
fn occurrences(leading: &mut SegmentPostings, following: &mut [Vec<SegmentPostings>], document: u32) -> u32 {
    let (mut ends, mut next, mut all) = (Vec::new(), Vec::new(), Vec::new());
    leading.positions(&mut ends);
    for lists in following {
        all.clear();
        for list in lists.iter_mut() {
            // A list may be past the document already: it stands where an earlier one sent it.
            let at = if list.doc() < document { list.seek(document) } else { list.doc() };
            if at == document {
                list.positions(&mut next);
                all.append(&mut next);
            }
        }
        all.sort_unstable();
        ends.retain_mut(|end| {
            *end = end.saturating_add(1);
            all.binary_search(end).is_ok()
        });
        if ends.is_empty() {
            return 0;
        }
    }
    u32::try_from(ends.len()).unwrap_or(u32::MAX)
}
