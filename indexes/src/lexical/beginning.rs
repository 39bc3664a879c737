//! Words that begin alike: the terms of visible chunks that do. A term that occurs in hidden chunks alone must take nobody's
//! place, so each is looked for in a visible one before any is left out.

use super::bits::Bits;
use super::language::Languages;
use super::scorer::Part;
use super::writer::Fields;
use std::collections::BTreeSet;
use std::io;
use tantivy::postings::BlockSegmentPostings;
use tantivy::schema::IndexRecordOption;

/// Terms of one beginning: the first ones in their order.
pub(super) const MOST: usize = 128;
/// Terms are stems: of a beginning that is longer than its word's stem so many letters are taken away at most, and so
/// many stay at least.
const ENDING: usize = 6;
const STEM: usize = 4;

/// The visible terms that begin so, ascending, and the stems that the beginning itself may have.
pub(super) fn terms(
    parts: &[Part<'_>],
    fields: Fields,
    beginning: &str,
    languages: Languages,
) -> io::Result<Vec<String>> {
    let mut visible: BTreeSet<String> = BTreeSet::new();
    for part in parts {
        for field in fields.text {
            let inverted = part.segment.reader.inverted_index(field).map_err(io::Error::other)?;
            let mut stream = inverted.terms().range().ge(beginning).into_stream()?;
            while stream.advance() {
                let Ok(term) = std::str::from_utf8(stream.key()) else { continue };
                if !term.starts_with(beginning) {
                    break;
                }
                if visible.contains(term) {
                    continue;
                }
                let postings =
                    inverted.read_block_postings_from_terminfo(stream.value(), IndexRecordOption::Basic)?;
                if in_any(part.scored, postings) {
                    visible.insert(term.to_owned());
                }
            }
        }
    }
    let mut terms: BTreeSet<String> = visible.into_iter().take(MOST).collect();
    terms.extend(stems(beginning, languages));
    Ok(terms.into_iter().collect())
}

/// What a stemmer may have left of a word with this beginning.
pub(super) fn stems(beginning: &str, languages: Languages) -> impl Iterator<Item = String> + '_ {
    let ends = beginning.char_indices().map(|(at, _)| at).skip(STEM);
    let count = beginning.chars().count();
    let stems = ends.skip(count.saturating_sub(STEM + ENDING)).filter_map(|end| beginning.get(..end));
    stems.flat_map(move |stem| languages.iter().map(move |language| language.marked(stem)))
}

/// Whether any of the postings is in the set.
fn in_any(set: &Bits, mut postings: BlockSegmentPostings) -> bool {
    let mut from = 0;
    while let Some(target) = set.next_from(from) {
        let start = postings.seek(target);
        let documents = postings.docs();
        if documents.iter().skip(start).any(|document| set.rank(*document).is_some()) {
            return true;
        }
        match documents.last() {
            Some(last) if *last >= target => from = last + 1,
            _ => break,
        }
    }
    false
}
