//! One snapshot of the index, and what one caller may see of it. A view must only ever be used with
//! the visible chunks that it was made from; a segment that it does not know holds nothing.

use super::LexicalError;
use super::bits::Bits;
use super::language::Languages;
use super::scorer::{self, Parameters};
use super::writer::Fields;
use crate::places::skip_to;
use crate::{Scored, TieOrder};
use kenward_access::ids::ChunkNo;
use kenward_access::scope::VisibleChunks;
use std::sync::{Arc, OnceLock};
use tantivy::error::DataCorruption;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::SegmentId;
use tantivy::{Searcher, SegmentReader};

/// Which chunk each document of a segment is, and its fields' lengths as stored (one byte each).
/// Segments never change, so this is read once.
pub(super) struct SegmentChunks {
    id: SegmentId,
    chunks: Box<[u32]>,
    languages: Box<[u8]>,
    wordings: Box<[(u64, u64)]>,
    lengths: [Box<[u8]>; 3],
}

impl SegmentChunks {
    fn read(reader: &SegmentReader, fields: Fields) -> tantivy::Result<Self> {
        let column = |name: &str| -> tantivy::Result<Vec<u64>> {
            let column = reader.fast_fields().u64(name)?.first_or_default_col(u64::MAX);
            let mut values = vec![0u64; reader.max_doc() as usize];
            if !values.is_empty() {
                column.get_range(0, &mut values);
            }
            Ok(values)
        };
        let chunks =
            column(Fields::CHUNK)?.into_iter().map(|v| u32::try_from(v).unwrap_or(u32::MAX)).collect();
        let languages =
            column(Fields::LANGUAGE)?.into_iter().map(|v| u8::try_from(v).unwrap_or(u8::MAX)).collect();
        let [first, second] = Fields::WORDING;
        let wordings = column(first)?.into_iter().zip(column(second)?).collect();
        let mut lengths = [const { Vec::new() }; 3];
        for (lengths, field) in lengths.iter_mut().zip(fields.text) {
            let stored = reader.get_fieldnorms_reader(field)?;
            if stored.num_docs() < reader.max_doc() {
                return Err(DataCorruption::comment_only("a segment lacks lengths of fields").into());
            }
            *lengths = (0..reader.max_doc()).map(|document| stored.fieldnorm_id(document)).collect();
        }
        let lengths = lengths.map(Vec::into_boxed_slice);
        Ok(Self { id: reader.segment_id(), chunks, languages, wordings, lengths })
    }
}

/// A segment of the snapshot, with everything that scoring reads.
pub(super) struct Segment {
    pub reader: SegmentReader,
    chunks: Arc<SegmentChunks>,
}

impl Segment {
    pub(super) fn chunk(&self, document: u32) -> Option<ChunkNo> {
        self.chunks.chunks.get(document as usize).map(|chunk| ChunkNo(*chunk))
    }

    /// The stored lengths of each field, by document.
    pub(super) fn lengths(&self) -> &[Box<[u8]>; 3] {
        &self.chunks.lengths
    }

    pub(super) fn alive(&self, document: u32) -> bool {
        self.reader.alive_bitset().is_none_or(|alive| alive.is_alive(document))
    }
}

/// Where a live chunk lies.
#[derive(Clone, Copy)]
struct Place {
    chunk: u32,
    segment: u32,
    document: u32,
}

struct Inner {
    fields: Fields,
    segments: Vec<Segment>,
    places: OnceLock<Box<[Place]>>,
}

/// An immutable snapshot.
#[derive(Clone)]
pub struct LexicalSearcher(Arc<Inner>);

/// Per-caller statistics and bitsets of one snapshot; may be cached under the key of the
/// [`VisibleChunks`] it was made from, and is only ever used together with them.
pub struct LexicalView {
    pub(super) segments: Vec<(SegmentId, SegmentView)>,
    /// Visible live chunks.
    pub(super) count: u64,
    /// The languages that they are in.
    pub(super) languages: Languages,
    /// Length norms that follow from their count and from the visible chunks' lengths.
    pub(super) norms: Box<scorer::Norms>,
    pub(super) parameters: Parameters,
}

/// What may be seen of one segment.
pub(super) struct SegmentView {
    /// The documents that are scored.
    pub scored: Bits,
    /// The documents that statistics are over, where a switch makes them others than the scored ones.
    #[cfg(feature = "faults")]
    pub counted: Option<Bits>,
}

impl SegmentView {
    /// The documents that statistics are over.
    #[cfg(not(feature = "faults"))]
    pub(super) fn counted(&self) -> &Bits {
        &self.scored
    }

    #[cfg(feature = "faults")]
    pub(super) fn counted(&self) -> &Bits {
        self.counted.as_ref().unwrap_or(&self.scored)
    }
}

impl LexicalSearcher {
    pub(super) fn new(
        searcher: Searcher,
        fields: Fields,
        known: &[Arc<SegmentChunks>],
    ) -> tantivy::Result<Self> {
        let mut segments = Vec::new();
        for reader in searcher.segment_readers() {
            let chunks = match known.iter().find(|k| k.id == reader.segment_id()) {
                Some(chunks) => Arc::clone(chunks),
                None => Arc::new(SegmentChunks::read(reader, fields)?),
            };
            segments.push(Segment { reader: reader.clone(), chunks });
        }
        Ok(Self(Arc::new(Inner { fields, segments, places: OnceLock::new() })))
    }

    pub(super) fn segments(&self) -> Vec<Arc<SegmentChunks>> {
        self.0.segments.iter().map(|s| Arc::clone(&s.chunks)).collect()
    }

    /// All live chunks, ascending by their number.
    fn places(&self) -> &[Place] {
        self.0.places.get_or_init(|| {
            let mut places: Vec<Place> = Vec::new();
            for (segment, s) in (0u32..).zip(&self.0.segments) {
                let documents = (0u32..).zip(&s.chunks.chunks).filter(|(document, _)| s.alive(*document));
                places.extend(documents.map(|(document, chunk)| Place { chunk: *chunk, segment, document }));
            }
            // Mostly a few ascending runs, which the stable sort merges.
            places.sort_by_key(|place| place.chunk);
            places.into_boxed_slice()
        })
    }

    /// All live chunks, ascending (for checks by operators; never for an answer).
    pub fn chunks(&self) -> impl Iterator<Item = ChunkNo> {
        self.places().iter().map(|place| ChunkNo(place.chunk))
    }

    /// The wording of a live chunk: equal for two of the same text, but for its layout. `None` for a blank one.
    #[must_use]
    pub fn wording(&self, chunk: ChunkNo) -> Option<(u64, u64)> {
        let places = self.places();
        let at = places.binary_search_by_key(&chunk.0, |place| place.chunk).ok()?;
        let place = places.get(at)?;
        let wordings = &self.0.segments.get(place.segment as usize)?.chunks.wordings;
        wordings.get(place.document as usize).copied().filter(|wording| *wording != (0, 0))
    }

    /// Counts and lengths over the visible chunks: the caller's own statistics. Takes time for the
    /// visible chunks only.
    ///
    /// # Errors
    /// [`LexicalError::Read`].
    pub fn view(&self, visible: &VisibleChunks<'_>) -> Result<Arc<LexicalView>, LexicalError> {
        self.view_with(visible, Parameters::default())
    }

    /// [`LexicalSearcher::view`] with other numbers in the formula, for measuring them.
    ///
    /// # Errors
    /// [`LexicalError::Read`].
    pub fn view_with(
        &self,
        visible: &VisibleChunks<'_>,
        parameters: Parameters,
    ) -> Result<Arc<LexicalView>, LexicalError> {
        let mut seen: Vec<Vec<u32>> = self.0.segments.iter().map(|_| Vec::new()).collect();
        let mut places = self.places();
        for chunk in visible.iter() {
            places = skip_to(places, chunk.0, |place| place.chunk);
            let Some(place) = places.first() else { break };
            if place.chunk == chunk.0
                && let Some(documents) = seen.get_mut(place.segment as usize)
            {
                documents.push(place.document);
            }
        }
        Ok(Arc::new(self.view_of(seen, parameters)))
    }

    fn view_of(&self, seen: Vec<Vec<u32>>, parameters: Parameters) -> LexicalView {
        let mut known = Vec::with_capacity(self.0.segments.len());
        let (mut count, mut lengths) = (0, [0; 3]);
        let mut languages = Languages::default();
        for (segment, documents) in self.0.segments.iter().zip(seen) {
            let scored = Bits::new(segment.reader.max_doc(), documents);
            #[cfg(not(feature = "faults"))]
            let of = SegmentView { scored };
            #[cfg(feature = "faults")]
            let of = faulty(segment, scored);
            let counted = of.counted();
            count += u64::from(counted.len());
            for document in counted.iter() {
                languages.insert(segment.chunks.languages.get(document as usize).copied().unwrap_or(u8::MAX));
            }
            for (length, stored) in lengths.iter_mut().zip(segment.lengths()) {
                let of = |document: u32| stored.get(document as usize).copied().unwrap_or(0);
                let length_of = |document| u64::from(FieldNormReader::id_to_fieldnorm(of(document)));
                *length += counted.iter().map(length_of).sum::<u64>();
            }
            known.push((segment.reader.segment_id(), of));
        }
        let norms = scorer::norms(&parameters, count, lengths);
        LexicalView { segments: known, count, languages, norms, parameters }
    }

    /// The best `depth` visible chunks for `query`, among those that `accept` takes (typed filters;
    /// statistics are over all visible ones).
    ///
    /// # Errors
    /// [`LexicalError::Read`].
    pub fn search(
        &self,
        query: &str,
        visible: VisibleChunks<'_>,
        view: &LexicalView,
        accept: &dyn Fn(ChunkNo) -> bool,
        depth: usize,
        ties: &dyn TieOrder,
    ) -> Result<Vec<Scored>, LexicalError> {
        let inner = &self.0;
        let mut best = scorer::search(&inner.segments, inner.fields, query, view, accept, depth, ties)
            .map_err(|source| LexicalError::Read(source.into()))?;
        // INVARIANT (I9): also if a view of somebody else is passed by mistake, nothing that this
        // caller may not see comes out.
        best.retain(|candidate| visible.contains(candidate.chunk));
        Ok(best)
    }
}

#[cfg(feature = "faults")]
fn faulty(segment: &Segment, seen: Bits) -> SegmentView {
    use crate::faults::{GLOBAL_STATISTICS, POST_FILTER, on};
    let live = || {
        let max = segment.reader.max_doc();
        Bits::new(max, (0..max).filter(|document| segment.alive(*document)))
    };
    match (on(&POST_FILTER), on(&GLOBAL_STATISTICS)) {
        (false, false) => SegmentView { scored: seen, counted: None },
        (false, true) => SegmentView { scored: seen, counted: Some(live()) },
        (true, false) => SegmentView { scored: live(), counted: Some(seen) },
        (true, true) => SegmentView { scored: live(), counted: None },
    }
}
