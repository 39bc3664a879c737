//! The scorer: one pass over the postings of each group of terms, in f64, groups, terms and fields in one
//! fixed order. It must never read a statistic that tantivy keeps (they count hidden and deleted chunks),
//! and never skip a posting because of a score.
//!
//! The formula is BM25F (Robertson, Zaragoza, Taylor, CIKM 2004): a term's frequencies in the
//! fields are added up, each divided by its field's length norm and multiplied by its weight, before
//! they saturate; document frequency counts chunks that have the term in any field. A group of terms (a word in several
//! languages, the visible terms that begin alike, a phrase, an identifier as a whole) is one term to the formula. A chunk's score
//! therefore depends on the chunk, the query, and the count, lengths and document frequencies of the
//! visible chunks: segments, merges and hidden chunks are not in it.

use super::bits::Bits;
use super::query::{Group, groups};
use super::snapshot::{LexicalView, Segment};
use super::writer::Fields;
use super::{beginning, phrase};
use crate::order::Top;
use crate::{Scored, TieOrder};
use kenward_access::ids::ChunkNo;
use std::io;
use tantivy::Term;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::BlockSegmentPostings;
use tantivy::schema::{Field, IndexRecordOption};

/// The numbers of the formula. Fields are title, headings, body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// How soon repetitions of a term stop to count.
    pub k1: f64,
    /// How much each field's length counts, 0 to 1.
    pub b: [f64; 3],
    /// What each field's occurrences weigh.
    pub weight: [f64; 3],
    /// What an identifier as a whole weighs, wherever it stands; lengths do not matter to it.
    pub identifier: f64,
}

impl Default for Parameters {
    /// As measured; the sweep is in `benches/README.md`.
    fn default() -> Self {
        Self { k1: 1.2, b: [0.6, 0.6, 0.6], weight: [3.0, 2.0, 1.0], identifier: 1.0 }
    }
}

/// What one occurrence in a field weighs, by the field's stored length (one byte).
pub(super) type Norms = [[f64; 256]; 3];

/// The length norms that follow from a caller's count and lengths.
pub(super) fn norms(parameters: &Parameters, count: u64, lengths: [u64; 3]) -> Box<Norms> {
    let mut norms = Box::new([[0.0; 256]; 3]);
    for (((table, length), weight), b) in
        norms.iter_mut().zip(lengths).zip(parameters.weight).zip(parameters.b)
    {
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

/// Scores that are compared with the floor at once.
const BLOCK: usize = 32;

/// A visible chunk that has the term: its place among the visible ones, and its weighted frequency.
#[derive(Clone, Copy)]
pub(super) struct Hit {
    pub slot: u32,
    pub frequency: f64,
}

/// One segment of the snapshot with what the view knows of it.
pub(super) struct Part<'a> {
    pub segment: &'a Segment,
    pub scored: &'a Bits,
    #[cfg(feature = "faults")]
    counted: Option<&'a Bits>,
    /// Slot of the segment's first visible chunk.
    pub base: u32,
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
    let k1 = view.parameters.k1;
    let mut scores = vec![0.0f64; slots as usize];
    let mut gather = Gather::default();
    let identifier = [view.parameters.identifier; 256];
    for (group, occurrences) in groups(query, view.languages) {
        gather.hits.clear();
        let terms = match &group {
            Group::Word(stems) => stems.clone(),
            Group::Identifier(name) => vec![name.clone()],
            Group::Beginning(beginning) => beginning::terms(&parts, fields, beginning, view.languages)?,
            Group::Phrase(_) => Vec::new(),
        };
        for part in &parts {
            match &group {
                Group::Word(_) | Group::Beginning(_) => gather.fields(&view.norms, |at, norm, found| {
                    let Some((field, lengths)) = fields.text.get(at).zip(part.segment.lengths().get(at))
                    else {
                        return Ok(());
                    };
                    scan_all(part, *field, &terms, lengths, norm, found)
                })?,
                Group::Identifier(_) => {
                    scan_all(part, fields.identifiers, &terms, &[], &identifier, &mut gather.hits)?;
                }
                Group::Phrase(words) => gather.fields(&view.norms, |at, norm, found| {
                    let Some(field) = fields.text.get(at) else { return Ok(()) };
                    let lengths = part.segment.lengths().get(at).map_or(&[][..], |lengths| lengths);
                    phrase::scan(
                        part,
                        *field,
                        words,
                        |document, occurrences| Hit {
                            slot: part.base + document.rank,
                            frequency: weighed(lengths, norm, document.number, occurrences),
                        },
                        found,
                    )
                })?,
            }
        }
        let frequency = gather.hits.len() as u64;
        #[cfg(feature = "faults")]
        let frequency = faulty_frequency(&parts, fields, &group, &terms)?.unwrap_or(frequency);
        let weight = f64::from(occurrences) * (k1 + 1.0) * inverse_document_frequency(view.count, frequency);
        for hit in &gather.hits {
            if let Some(score) = scores.get_mut(hit.slot as usize) {
                *score += weight * (hit.frequency / (k1 + hit.frequency));
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
        for (first, block) in (0u32..).step_by(BLOCK).zip(of.chunks(BLOCK)) {
            // Every term adds something above zero, so zero means that no term was there.
            let floor = top.floor().max(f64::MIN_POSITIVE);
            if !block.iter().fold(false, |any, score| any | (*score >= floor)) {
                continue;
            }
            for (rank, score) in (first..).zip(block).filter(|(_, score)| **score >= floor) {
                let chunk = part.scored.select(rank).and_then(|document| part.segment.chunk(document));
                if let Some(chunk) = chunk.filter(|chunk| accept(*chunk)) {
                    top.push(Scored { chunk, score: *score });
                }
            }
        }
    }
    top.finish()
}

/// Collects the hits of one term, reusing its memory from term to term.
#[derive(Default)]
struct Gather {
    /// One per visible chunk that has the term, in no promised order.
    hits: Vec<Hit>,
    title: Vec<Hit>,
    headings: Vec<Hit>,
    both: Vec<Hit>,
}

impl Gather {
    /// Adds the hits of one segment, which `fill` finds in one field. A chunk's frequency is (title + headings) + body,
    /// always: sums of floats depend on their order.
    fn fields(
        &mut self,
        norms: &Norms,
        mut fill: impl FnMut(usize, &[f64; 256], &mut Vec<Hit>) -> io::Result<()>,
    ) -> io::Result<()> {
        let [title_norm, headings_norm, body_norm] = norms;
        self.title.clear();
        self.headings.clear();
        fill(0, title_norm, &mut self.title)?;
        fill(1, headings_norm, &mut self.headings)?;
        let small = match (self.title.is_empty(), self.headings.is_empty()) {
            (_, true) => &self.title,
            (true, false) => &self.headings,
            (false, false) => {
                add(&self.title, &self.headings, &mut self.both);
                &self.both
            }
        };
        let start = self.hits.len();
        fill(2, body_norm, &mut self.hits)?;
        let end = self.hits.len();
        // The body's list is mostly the longest by far: look the others up in it.
        let mut from = start;
        for hit in small {
            from += first_from(self.hits.get(from..end).unwrap_or_default(), hit.slot);
            match self.hits.get_mut(from..end).and_then(<[Hit]>::first_mut) {
                Some(same) if same.slot == hit.slot => same.frequency += hit.frequency,
                _ => self.hits.push(*hit),
            }
        }
        Ok(())
    }
}

/// Merges two ascending lists, adding the frequencies of a chunk that is in both.
fn add(one: &[Hit], other: &[Hit], sum: &mut Vec<Hit>) {
    sum.clear();
    let (mut one, mut other) = (one.iter().copied().peekable(), other.iter().copied().peekable());
    loop {
        let next = match (one.peek(), other.peek()) {
            (Some(a), Some(b)) if a.slot == b.slot => {
                let both = Hit { slot: a.slot, frequency: a.frequency + b.frequency };
                one.next();
                other.next();
                Some(both)
            }
            (Some(a), Some(b)) if b.slot < a.slot => other.next(),
            (Some(_), _) => one.next(),
            (None, _) => other.next(),
        };
        let Some(hit) = next else { break };
        sum.push(hit);
    }
}

/// How many of the ascending hits lie before the slot: doubling steps, then halving ones.
fn first_from(hits: &[Hit], slot: u32) -> usize {
    let mut step = 1;
    while hits.get(step).is_some_and(|hit| hit.slot < slot) {
        step *= 2;
    }
    let end = hits.len().min(step.saturating_add(1));
    hits.get(..end).map_or(0, |head| head.partition_point(|hit| hit.slot < slot))
}

/// The hits of several terms in one field, ascending; the frequencies of a chunk that has several are added in their
/// order.
fn scan_all(
    part: &Part<'_>,
    field: Field,
    terms: &[String],
    lengths: &[u8],
    norm: &[f64; 256],
    found: &mut Vec<Hit>,
) -> io::Result<()> {
    let start = found.len();
    let mut lists = 0;
    for term in terms {
        let before = found.len();
        scan(part, field, term, lengths, norm, found)?;
        lists += usize::from(found.len() > before);
    }
    if lists > 1 {
        let mut own = found.split_off(start);
        own.sort_by_key(|hit| hit.slot);
        for hit in own {
            match found.get_mut(start..).and_then(<[Hit]>::last_mut) {
                Some(last) if last.slot == hit.slot => last.frequency += hit.frequency,
                _ => found.push(hit),
            }
        }
    }
    Ok(())
}

/// What so many occurrences weigh in a field of the document's length.
fn weighed(lengths: &[u8], norm: &[f64; 256], document: u32, occurrences: u32) -> f64 {
    let length = lengths.get(document as usize).copied().unwrap_or(0);
    norm.get(usize::from(length)).copied().unwrap_or(0.0) * f64::from(occurrences)
}

fn postings(segment: &Segment, field: Field, term: &str) -> io::Result<Option<BlockSegmentPostings>> {
    let inverted = segment.reader.inverted_index(field).map_err(io::Error::other)?;
    inverted.read_block_postings(&Term::from_field_text(field, term), IndexRecordOption::WithFreqs)
}

/// One pass over a posting list: blocks without a visible document are skipped, unread.
fn scan(
    part: &Part<'_>,
    field: Field,
    term: &str,
    lengths: &[u8],
    norm: &[f64; 256],
    found: &mut Vec<Hit>,
) -> io::Result<()> {
    let Some(mut postings) = postings(part.segment, field, term)? else { return Ok(()) };
    let frequency = |document: u32, occurrences: u32| weighed(lengths, norm, document, occurrences);
    if part.scored.is_full() {
        while !postings.docs().is_empty() {
            found.extend(postings.docs().iter().zip(postings.freqs()).map(|(document, occurrences)| Hit {
                slot: part.base + document,
                frequency: frequency(*document, *occurrences),
            }));
            postings.advance();
        }
        return Ok(());
    }
    let mut from = 0;
    while let Some(target) = part.scored.next_from(from) {
        let start = postings.seek(target);
        let documents = postings.docs();
        for (document, occurrences) in documents.iter().zip(postings.freqs()).skip(start) {
            if let Some(rank) = part.scored.rank(*document) {
                found.push(Hit { slot: part.base + rank, frequency: frequency(*document, *occurrences) });
            }
        }
        match documents.last() {
            Some(last) if *last >= target => from = last + 1,
            _ => break,
        }
    }
    Ok(())
}

/// Document frequency over the counted documents, where a switch makes them others than the scored.
#[cfg(feature = "faults")]
fn faulty_frequency(
    parts: &[Part<'_>],
    fields: Fields,
    group: &Group,
    terms: &[String],
) -> io::Result<Option<u64>> {
    let mut total = None;
    let identifiers = [fields.identifiers];
    let of = if matches!(group, Group::Identifier(_)) { &identifiers[..] } else { &fields.text[..] };
    for part in parts.iter().filter(|_| !matches!(group, Group::Phrase(_))) {
        let Some(counted) = part.counted else { continue };
        let mut having = std::collections::BTreeSet::new();
        for (field, term) in of.iter().flat_map(|field| terms.iter().map(move |term| (*field, term))) {
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
