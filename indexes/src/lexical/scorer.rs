//! The scorer: one pass over the postings of each query term, in f64, terms and fields in one fixed
//! order. It must never read a statistic that tantivy keeps (they count hidden and deleted chunks),
//! and never skip a posting because of a score.
//!
//! The formula is BM25F (Robertson, Zaragoza, Taylor, CIKM 2004): a term's frequencies in the
//! fields are added up, each divided by its field's length norm and multiplied by its weight, before
//! they saturate; document frequency counts chunks that have the term in any field. A chunk's score
//! therefore depends on the chunk, the query, and the count, lengths and document frequencies of the
//! visible chunks: segments, merges and hidden chunks are not in it.

use super::analysis;
use super::bits::Bits;
use super::snapshot::{LexicalView, Segment};
use super::writer::Fields;
use crate::order::Top;
use crate::{Scored, TieOrder};
use kenward_access::ids::ChunkNo;
use std::collections::BTreeMap;
use std::io;
use tantivy::Term;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::BlockSegmentPostings;
use tantivy::schema::IndexRecordOption;

/// How soon repetitions of a term stop to count.
pub(super) const K1: f64 = 0.9;
/// What a field's frequencies weigh, in the order of [`Fields::text`]: title, headings, body.
pub(super) const WEIGHT: [f64; 3] = [1.0, 0.5, 1.0];
/// How much a field's length counts, in the same order.
pub(super) const B: [f64; 3] = [0.4, 0.4, 0.4];
/// Distinct terms of a query that are looked at; the first ones, whatever is stored.
pub(super) const MOST_TERMS: usize = 1024;

/// What one occurrence in a field weighs, by the field's stored length (one byte).
pub(super) type Norms = [[f64; 256]; 3];

/// The length norms that follow from a caller's count and lengths.
pub(super) fn norms(count: u64, lengths: [u64; 3]) -> Box<Norms> {
    let mut norms = Box::new([[0.0; 256]; 3]);
    for (((table, length), weight), b) in norms.iter_mut().zip(lengths).zip(WEIGHT).zip(B) {
        let average = length as f64 / count.max(1) as f64;
        for (id, norm) in (0u8..=255).zip(table) {
            let length = f64::from(FieldNormReader::id_to_fieldnorm(id));
            // A field that is empty in all visible chunks has no postings among them either.
            *norm = if average > 0.0 { weight / (1.0 - b + b * length / average) } else { 0.0 };
        }
    }
    norms
}

pub(super) fn inverse_document_frequency(count: u64, frequency: u64) -> f64 {
    let (count, frequency) = (count as f64, frequency as f64);
    ((count - frequency + 0.5) / (frequency + 0.5)).ln_1p()
}

/// The distinct terms in the one order in which scores are summed, and how often each occurs.
pub(super) fn query_terms(query: &str) -> BTreeMap<String, u32> {
    let mut terms: BTreeMap<String, u32> = BTreeMap::new();
    analysis::terms(query, |term| {
        if let Some(occurrences) = terms.get_mut(term) {
            *occurrences = occurrences.saturating_add(1);
        } else if terms.len() < MOST_TERMS {
            terms.insert(term.to_owned(), 1);
        }
    });
    terms
}

/// A visible chunk that has the term: its place among the visible ones, and its weighted frequency.
#[derive(Clone, Copy)]
struct Hit {
    slot: u32,
    frequency: f64,
}

/// One segment of the snapshot with what the view knows of it.
struct Part<'a> {
    segment: &'a Segment,
    scored: &'a Bits,
    #[cfg(feature = "faults")]
    counted: Option<&'a Bits>,
    /// Slot of the segment's first visible chunk.
    base: u32,
}

pub(super) fn search(
    segments: &[Segment],
    fields: Fields,
    query: &str,
    view: &LexicalView,
    accept: &dyn Fn(ChunkNo) -> bool,
    depth: usize,
    ties: &dyn TieOrder,
) -> io::Result<Vec<Scored>> {
    let mut parts = Vec::with_capacity(segments.len());
    let mut slots = 0u32;
    for segment in segments {
        // INVARIANT: a segment that the view does not know holds nothing.
        let known = view.segments.iter().find(|(id, _)| *id == segment.reader.segment_id());
        let Some((_, of)) = known.filter(|(_, of)| of.scored.len() > 0) else { continue };
        parts.push(Part {
            segment,
            scored: &of.scored,
            #[cfg(feature = "faults")]
            counted: of.counted.as_ref(),
            base: slots,
        });
        slots = slots.saturating_add(of.scored.len());
    }
    let mut scores = vec![0.0f64; slots as usize];
    let mut gather = Gather::default();
    for (term, occurrences) in query_terms(query) {
        gather.hits.clear();
        for part in &parts {
            gather.term(part, fields, &term, &view.norms)?;
        }
        let frequency = gather.hits.len() as u64;
        #[cfg(feature = "faults")]
        let frequency = faulty_frequency(&parts, fields, &term)?.unwrap_or(frequency);
        let weight =
            f64::from(occurrences) * (K1 + 1.0) * inverse_document_frequency(view.count, frequency);
        for hit in &gather.hits {
            if let Some(score) = scores.get_mut(hit.slot as usize) {
                *score += weight * (hit.frequency / (K1 + hit.frequency));
            }
        }
    }
    Ok(cut(&parts, &scores, accept, depth, ties))
}

fn cut(
    parts: &[Part<'_>],
    scores: &[f64],
    accept: &dyn Fn(ChunkNo) -> bool,
    depth: usize,
    ties: &dyn TieOrder,
) -> Vec<Scored> {
    let mut top = Top::new(depth, ties);
    for part in parts {
        let base = part.base as usize;
        let of = scores.get(base..base + part.scored.len() as usize).unwrap_or_default();
        for (rank, score) in (0u32..).zip(of) {
            // Every term adds something above zero, so zero means that no term was there.
            if *score <= 0.0 || *score < top.floor() {
                continue;
            }
            let chunk = part.scored.select(rank).and_then(|document| part.segment.chunk(document));
            if let Some(chunk) = chunk.filter(|chunk| accept(*chunk)) {
                top.push(Scored { chunk, score: *score });
            }
        }
    }
    top.finish()
}

/// Collects the hits of one term, reusing its memory from term to term.
#[derive(Default)]
struct Gather {
    /// Ascending by slot.
    hits: Vec<Hit>,
    found: Vec<Hit>,
    merged: Vec<Hit>,
}

impl Gather {
    fn term(&mut self, part: &Part<'_>, fields: Fields, term: &str, norms: &Norms) -> io::Result<()> {
        let start = self.hits.len();
        for ((field, lengths), norm) in fields.text.into_iter().zip(&part.segment.norms).zip(norms) {
            let Some(postings) = postings(part.segment, field, term)? else { continue };
            self.found.clear();
            scan(postings, part, lengths, norm, &mut self.found);
            self.add_found(start);
        }
        Ok(())
    }

    /// Merges what was found in one field into the hits from `start` on. Fields come in their fixed
    /// order, so the sum of a chunk's frequencies is always the same float.
    fn add_found(&mut self, start: usize) {
        if self.hits.len() == start {
            self.hits.append(&mut self.found);
            return;
        }
        self.merged.clear();
        {
            let mut before = self.hits.iter().skip(start).copied().peekable();
            let mut found = self.found.iter().copied().peekable();
            loop {
                let next = match (before.peek(), found.peek()) {
                    (Some(a), Some(b)) if a.slot == b.slot => {
                        let sum = Hit { slot: a.slot, frequency: a.frequency + b.frequency };
                        before.next();
                        found.next();
                        Some(sum)
                    }
                    (Some(a), Some(b)) if b.slot < a.slot => found.next(),
                    (Some(_), _) => before.next(),
                    (None, _) => found.next(),
                };
                let Some(hit) = next else { break };
                self.merged.push(hit);
            }
        }
        self.hits.truncate(start);
        self.hits.append(&mut self.merged);
    }
}

fn postings(
    segment: &Segment,
    field: tantivy::schema::Field,
    term: &str,
) -> io::Result<Option<BlockSegmentPostings>> {
    let inverted = segment.reader.inverted_index(field).map_err(io::Error::other)?;
    inverted.read_block_postings(&Term::from_field_text(field, term), IndexRecordOption::WithFreqs)
}

/// One pass over a posting list: blocks without a visible document are skipped, unread.
fn scan(
    mut postings: BlockSegmentPostings,
    part: &Part<'_>,
    lengths: &FieldNormReader,
    norm: &[f64; 256],
    found: &mut Vec<Hit>,
) {
    let mut from = 0;
    while let Some(target) = part.scored.next_from(from) {
        let start = postings.seek(target);
        let documents = postings.docs();
        for (document, frequency) in documents.iter().zip(postings.freqs()).skip(start) {
            if let Some(rank) = part.scored.rank(*document) {
                let norm = norm.get(usize::from(lengths.fieldnorm_id(*document))).copied().unwrap_or(0.0);
                found.push(Hit { slot: part.base + rank, frequency: norm * f64::from(*frequency) });
            }
        }
        match documents.last() {
            Some(last) if *last >= target => from = last + 1,
            _ => break,
        }
    }
}

/// Document frequency over the counted documents, where a switch makes them others than the scored.
#[cfg(feature = "faults")]
fn faulty_frequency(parts: &[Part<'_>], fields: Fields, term: &str) -> io::Result<Option<u64>> {
    let mut total = None;
    for part in parts {
        let Some(counted) = part.counted else { continue };
        let mut having = std::collections::BTreeSet::new();
        for field in fields.text {
            let Some(mut postings) = postings(part.segment, field, term)? else { continue };
            while !postings.docs().is_empty() {
                having.extend(postings.docs().iter().filter(|d| counted.rank(**d).is_some()).copied());
                postings.advance();
            }
        }
        total = Some(total.unwrap_or(0) + having.len() as u64);
    }
    Ok(total)
}
