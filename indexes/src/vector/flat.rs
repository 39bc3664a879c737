//! The embedded engine: its one writer, and its snapshots, which [`nearest`](super::nearest) looks through.

use super::compaction::{self, Compaction, Written};
use super::manifest::{Manifest, SegmentEntry, chunks_path, coarse_path, vectors_path};
use super::nearest::{Wanted, nearest, threads};
use super::scan::dot;
use super::segment::{self, Segment};
use super::{Accept, VectorError, VectorIndex, VectorSnapshot};
use crate::embedding::EmbeddingSpace;
use crate::{Scored, TieOrder};
use kenward_access::ids::ChunkNo;
use kenward_access::scope::VisibleChunks;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How large segments become. The product has one size; tests take small ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Rows after which a new segment is begun.
    pub segment: u32,
    /// Deleted rows from which on compaction is worth its writes.
    pub waste: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { segment: 65_536, waste: 1_024 }
    }
}

/// Commits after a compaction that failed: a disk that is full, or damage, is so for a while.
const REST: u32 = 100;

/// Batches of a segment after which they are summed up as one, so that the manifest stays small.
const MOST_BATCHES: usize = 128;

/// Where a live chunk's vector lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub chunk: u32,
    segment: u32,
    row: u32,
}

/// The engine's one writer.
pub(super) struct FlatIndex {
    dir: PathBuf,
    manifest: Manifest,
    /// The last word on each chunk since the last commit: its vector, or that it is deleted.
    pending: BTreeMap<u32, Option<Vec<f32>>>,
    snapshot: Arc<FlatSnapshot>,
    sizes: Sizes,
    compaction: Option<Compaction>,
    /// Commits until one may begin again, after one that failed.
    rest: u32,
}

/// One commit of the engine.
pub(super) struct FlatSnapshot {
    dimension: usize,
    segments: Vec<Arc<Segment>>,
    /// Live chunks, ascending.
    places: Vec<Place>,
}

impl FlatIndex {
    pub(super) fn open(
        dir: &Path,
        dimension: usize,
        space: Option<&EmbeddingSpace>,
        sizes: Sizes,
    ) -> Result<Self, VectorError> {
        std::fs::create_dir_all(dir).map_err(|source| VectorError::Io { path: dir.to_owned(), source })?;
        let mut manifest = match Manifest::load(dir)? {
            Some(manifest) => manifest,
            None => {
                let manifest = Manifest::new(dimension);
                manifest.store(dir)?;
                manifest
            }
        };
        if manifest.dimension != dimension {
            return Err(VectorError::Dimension { expected: manifest.dimension, got: dimension });
        }
        match (&manifest.space, space) {
            // INVARIANT: vectors of two spaces are never in one index.
            (Some(recorded), Some(given)) if recorded != given => {
                let (recorded, given) = (recorded.to_string().into(), given.to_string().into());
                return Err(VectorError::Space { path: dir.to_owned(), recorded, given });
            }
            (None, Some(given)) => {
                manifest.space = Some(given.clone());
                manifest.store(dir)?;
            }
            _ => {}
        }
        remove_unnamed(dir, &manifest)?;
        let mut segments = Vec::new();
        let mut places = Vec::new();
        for (number, entry) in (0u32..).zip(&manifest.segments) {
            let damaged = || VectorError::Damaged { path: dir.join("manifest") };
            let dead = entry.dead().ok_or_else(damaged)?;
            let chunks = segment::recover(dir, entry, dimension)?;
            let live = (0u32..).zip(&chunks).filter(|(row, _)| !dead.contains(*row));
            places.extend(live.map(|(row, chunk)| Place { chunk: *chunk, segment: number, row }));
            let last = number as usize + 1 == manifest.segments.len();
            segments.push(Arc::new(segment::open(dir, entry, dimension, last)?));
        }
        places.sort_by_key(|place| place.chunk);
        if places.windows(2).any(|pair| matches!(pair, [a, b] if a.chunk == b.chunk)) {
            return Err(VectorError::Damaged { path: dir.join("manifest") });
        }
        let snapshot = Arc::new(FlatSnapshot { dimension, segments, places });
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            pending: BTreeMap::new(),
            snapshot,
            sizes,
            compaction: None,
            rest: 0,
        })
    }

    pub(super) fn flat_snapshot(&self) -> Arc<FlatSnapshot> {
        Arc::clone(&self.snapshot)
    }

    /// The manifest with the pending chunks' old rows marked dead, and the places that stay.
    fn bury(&self, manifest: &mut Manifest) -> Result<Vec<Place>, VectorError> {
        let damaged = || VectorError::Damaged { path: self.dir.join("manifest") };
        let mut graves: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut staying = Vec::with_capacity(self.snapshot.places.len() + self.pending.len());
        for place in &self.snapshot.places {
            if self.pending.contains_key(&place.chunk) {
                graves.entry(place.segment).or_default().push(place.row);
            } else {
                staying.push(*place);
            }
        }
        for (number, rows) in graves {
            let entry = manifest.segments.get_mut(number as usize).ok_or_else(damaged)?;
            let mut dead = entry.dead().ok_or_else(damaged)?;
            dead.extend(rows);
            entry.set_dead(&dead).map_err(|source| VectorError::Io { path: self.dir.clone(), source })?;
        }
        Ok(staying)
    }

    /// Writes rows (ascending by chunk) behind the last segment or into new ones.
    fn write<'v>(
        &self,
        manifest: &mut Manifest,
        rows: impl Iterator<Item = (u32, &'v [f32])>,
    ) -> Result<Vec<Place>, VectorError> {
        let mut places = Vec::new();
        let mut rows = rows.peekable();
        // INVARIANT: nothing is appended to a segment that is being written anew; it would be lost with it.
        let closed =
            |last: &SegmentEntry| self.compaction.as_ref().is_some_and(|c| c.of.contains(&last.number));
        while rows.peek().is_some() {
            let full = |last: &SegmentEntry| last.rows() >= self.sizes.segment;
            if manifest.segments.last().is_none_or(|last| full(last) || closed(last)) {
                manifest.segments.push(SegmentEntry::new(manifest.next));
                manifest.next += 1;
            }
            let segment = manifest.segments.len().saturating_sub(1) as u32;
            let Some(entry) = manifest.segments.last_mut() else { break };
            let first = entry.rows();
            let (mut chunks, mut vectors) = (Vec::new(), Vec::new());
            for (row, (chunk, vector)) in (first..self.sizes.segment).zip(&mut rows) {
                chunks.extend_from_slice(&chunk.to_le_bytes());
                vectors.extend(vector.iter().flat_map(|n| n.to_le_bytes()));
                places.push(Place { chunk, segment, row });
            }
            let batch =
                segment::append(&self.dir, entry.number, first, manifest.dimension, &chunks, &vectors)?;
            entry.batches.push(batch);
        }
        Ok(places)
    }

    /// Takes what a compaction wrote in the place of what it was made from, without what was deleted meanwhile.
    fn adopt(
        &self,
        manifest: &mut Manifest,
        places: &mut [Place],
        of: &[u64],
        written: Written,
    ) -> Result<(), VectorError> {
        let damaged = || VectorError::Damaged { path: self.dir.join("manifest") };
        let mut new = Some(written.entry).filter(|new| new.rows() > 0);
        let mut dead: RoaringBitmap = (0..new.as_ref().map_or(0, SegmentEntry::rows)).collect();
        let mut segments = Vec::with_capacity(manifest.segments.len());
        // Where each segment is now; None for those that are replaced.
        let mut moved = Vec::with_capacity(manifest.segments.len());
        let mut at_new = 0;
        for entry in manifest.segments.drain(..) {
            let replaced = of.contains(&entry.number);
            moved.push((!replaced).then_some(segments.len() as u32));
            if !replaced {
                segments.push(entry);
            } else if let Some(new) = new.take() {
                at_new = segments.len();
                segments.push(new);
            }
        }
        for place in places {
            match moved.get(place.segment as usize).ok_or_else(damaged)? {
                Some(segment) => place.segment = *segment,
                None => {
                    let row = written.chunks.binary_search(&place.chunk).map_err(|_| damaged())? as u32;
                    dead.remove(row);
                    (place.segment, place.row) = (at_new as u32, row);
                }
            }
        }
        if let Some(new) = segments.get_mut(at_new).filter(|new| new.number == written.number) {
            new.set_dead(&dead).map_err(|source| VectorError::Io { path: self.dir.clone(), source })?;
        }
        manifest.segments = segments;
        Ok(())
    }

    /// Begins to write anew what is worth it.
    fn compact(&mut self) {
        let segments = &self.manifest.segments;
        let mut live = vec![0u32; segments.len()];
        for place in &self.snapshot.places {
            if let Some(live) = live.get_mut(place.segment as usize) {
                *live += 1;
            }
        }
        let of = compaction::worth_it(segments, &live, self.sizes);
        if of.is_empty() {
            return;
        }
        let rows = self.snapshot.places.iter().filter(|place| of.contains(&(place.segment as usize)));
        let rows = rows.copied().collect();
        let of = of.iter().filter_map(|at| segments.get(*at).cloned()).collect();
        let number = self.manifest.next;
        self.manifest.next += 1;
        self.compaction = Some(Compaction::begin(&self.dir, number, of, Arc::clone(&self.snapshot), rows));
    }
}

impl VectorIndex for FlatIndex {
    fn append(&mut self, vectors: &[(ChunkNo, Vec<f32>)]) -> Result<(), VectorError> {
        let unit: Vec<_> = vectors
            .iter()
            .map(|(chunk, vector)| Ok((chunk.0, Some(unit(vector, self.manifest.dimension)?))))
            .collect::<Result<_, VectorError>>()?;
        self.pending.extend(unit);
        Ok(())
    }

    fn delete(&mut self, chunks: &[ChunkNo]) -> Result<(), VectorError> {
        self.pending.extend(chunks.iter().map(|chunk| (chunk.0, None)));
        Ok(())
    }

    fn commit(&mut self, position: u64) -> Result<(), VectorError> {
        let mut manifest = self.manifest.clone();
        manifest.position = position;
        let mut places = self.bury(&mut manifest)?;
        let over = self.compaction.take_if(|compaction| compaction.is_over());
        let of = over.as_ref().map(|compaction| compaction.of.clone()).unwrap_or_default();
        let (failed, written) = match over.map(Compaction::end) {
            None => (false, None),
            Some(written) => (written.is_none(), written),
        };
        let compacted = written.is_some();
        if let Some(written) = written {
            self.adopt(&mut manifest, &mut places, &of, written)?;
        }
        let new = self.pending.iter().filter_map(|(chunk, vector)| Some((*chunk, vector.as_deref()?)));
        places.extend(self.write(&mut manifest, new)?);
        places.sort_by_key(|place| place.chunk);
        let mut segments = Vec::with_capacity(manifest.segments.len());
        for entry in &manifest.segments {
            let before = self.manifest.segments.iter().position(|old| old.number == entry.number);
            let same = before
                .filter(|at| self.manifest.segments.get(*at).is_some_and(|old| old.rows() == entry.rows()));
            segments.push(match same.and_then(|at| self.snapshot.segments.get(at)) {
                Some(mapped) => Arc::clone(mapped),
                None => Arc::new(Segment::map(&self.dir, entry, manifest.dimension)?),
            });
        }
        for (entry, segment) in manifest.segments.iter_mut().zip(&segments) {
            let full = entry.rows() >= self.sizes.segment && entry.batches.len() > 1;
            if full || entry.batches.len() > MOST_BATCHES {
                entry.batches = vec![segment::whole(&self.dir, entry, segment, manifest.dimension)?];
            }
        }
        // INVARIANT: from here on the commit stands; nothing before it changed what a reader sees.
        manifest.store(&self.dir)?;
        self.snapshot = Arc::new(FlatSnapshot { dimension: manifest.dimension, segments, places });
        self.manifest = manifest;
        self.pending.clear();
        if compacted {
            remove_unnamed(&self.dir, &self.manifest)?;
        }
        self.rest = if failed { REST } else { self.rest.saturating_sub(1) };
        if self.compaction.is_none() && self.rest == 0 {
            self.compact();
        }
        Ok(())
    }

    fn position(&self) -> u64 {
        self.manifest.position
    }

    fn snapshot(&self) -> Arc<dyn VectorSnapshot> {
        Arc::clone(&self.snapshot) as Arc<dyn VectorSnapshot>
    }
}

impl FlatSnapshot {
    /// Live chunks, ascending.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    /// The row as it is kept.
    pub(super) fn vector(&self, place: Place) -> Option<Vec<f32>> {
        let (numbers, _) = self.row(place)?.as_chunks::<4>();
        Some(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
    }

    /// Where a live chunk lies.
    pub(super) fn place(&self, chunk: u32) -> Option<Place> {
        let at = self.places.binary_search_by_key(&chunk, |place| place.chunk).ok()?;
        self.places.get(at).copied()
    }

    pub(super) fn row(&self, place: Place) -> Option<&[u8]> {
        self.segments.get(place.segment as usize)?.row(place.row)
    }

    /// The row in whole numbers.
    pub(super) fn coarse(&self, place: Place) -> Option<&[u8]> {
        self.segments.get(place.segment as usize)?.coarse(place.row)
    }

    pub(super) fn score(&self, query: &[f32], place: Place) -> Result<Scored, VectorError> {
        let score = self.row(place).map_or(f64::NAN, |row| dot(query, row));
        // Only finite vectors are written, so anything else is damage.
        if !score.is_finite() {
            return Err(Self::damaged());
        }
        Ok(Scored { chunk: ChunkNo(place.chunk), score })
    }

    pub(super) fn damaged() -> VectorError {
        VectorError::Damaged { path: PathBuf::from("vectors") }
    }
}

impl VectorSnapshot for FlatSnapshot {
    fn search(
        &self,
        query: &[f32],
        visible: VisibleChunks<'_>,
        accept: &Accept<'_>,
        depth: usize,
        ties: &dyn TieOrder,
    ) -> Result<Vec<Scored>, VectorError> {
        let query = unit(query, self.dimension)?;
        #[cfg(feature = "faults")]
        if crate::faults::on(&crate::faults::POST_FILTER) {
            let mut top = crate::order::Top::new(depth, ties);
            for place in self.places.iter().filter(|place| accept(ChunkNo(place.chunk))) {
                top.push(self.score(&query, *place)?);
            }
            return Ok(top.finish().into_iter().filter(|c| visible.contains(c.chunk)).collect());
        }
        nearest(self, &visible, &Wanted { query: &query, accept, depth, ties }, threads(visible.len()))
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn chunks(&self) -> Box<dyn Iterator<Item = ChunkNo> + '_> {
        Box::new(self.places.iter().map(|place| ChunkNo(place.chunk)))
    }
}

/// The vector at unit length; as it is, to the bit, if it has that already.
pub(super) fn unit(vector: &[f32], dimension: usize) -> Result<Vec<f32>, VectorError> {
    if vector.len() != dimension {
        return Err(VectorError::Dimension { expected: dimension, got: vector.len() });
    }
    if vector.iter().any(|n| !n.is_finite()) {
        return Err(VectorError::NotFinite);
    }
    let length = vector.iter().map(|n| f64::from(*n) * f64::from(*n)).sum::<f64>().sqrt();
    if length < f64::from(f32::MIN_POSITIVE) {
        return Err(VectorError::Zero);
    }
    if (length - 1.0).abs() < 1e-5 {
        return Ok(vector.to_vec());
    }
    Ok(vector.iter().map(|n| (f64::from(*n) / length) as f32).collect())
}

/// Removes segment files that the manifest does not name: of a commit that never was, or compacted.
fn remove_unnamed(dir: &Path, manifest: &Manifest) -> Result<(), VectorError> {
    let failed = |source| VectorError::Io { path: dir.to_owned(), source };
    let named: Vec<PathBuf> = manifest
        .segments
        .iter()
        .flat_map(|entry| [vectors_path, chunks_path, coarse_path].map(|path| path(dir, entry.number)))
        .collect();
    for file in std::fs::read_dir(dir).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        let ours = path.extension().is_some_and(|e| e == "f32" || e == "chunks" || e == "i8");
        let half = path.to_string_lossy().ends_with(".i8.new");
        if half || ours && !named.contains(&path) {
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

/// Checks every byte that the manifest names.
pub(super) fn verify(dir: &Path, dimension: usize) -> Result<(), VectorError> {
    let Some(manifest) = Manifest::load(dir)? else { return Ok(()) };
    if manifest.dimension != dimension {
        return Err(VectorError::Dimension { expected: manifest.dimension, got: dimension });
    }
    for entry in &manifest.segments {
        segment::inspect(dir, entry, dimension)?;
    }
    Ok(())
}

/// The live chunks whose vectors are what was written.
pub(super) fn surviving(dir: &Path, dimension: usize) -> Result<Vec<ChunkNo>, VectorError> {
    let Some(manifest) = Manifest::load(dir)? else { return Ok(Vec::new()) };
    let mut surviving = Vec::new();
    for entry in &manifest.segments {
        let survey = segment::survey(dir, entry, dimension)?;
        let Some(dead) = lost_rows(entry, &survey) else { continue };
        let rows = (0u32..).zip(survey.chunks.unwrap_or_default());
        surviving.extend(rows.filter(|(row, _)| !dead.contains(*row)).map(|(_, chunk)| ChunkNo(chunk)));
    }
    surviving.sort_unstable();
    Ok(surviving)
}

/// The rows of a segment that are deleted or lost; `None` if all are.
fn lost_rows(entry: &SegmentEntry, survey: &segment::Survey) -> Option<RoaringBitmap> {
    survey.chunks.as_ref()?;
    let mut dead = entry.dead()?;
    let mut from = 0u32;
    for (at, batch) in entry.batches.iter().enumerate() {
        let next = from.saturating_add(batch.rows);
        if survey.lost.contains(&at) {
            dead.insert_range(from..next);
        }
        from = next;
    }
    Some(dead)
}

/// Lets go of what is damaged: its rows count as deleted, and its whole numbers are made again at the next opening.
pub(super) fn salvage(dir: &Path, dimension: usize) -> Result<(), VectorError> {
    let Some(mut manifest) = Manifest::load(dir)? else { return Ok(()) };
    let io = |source| VectorError::Io { path: dir.to_owned(), source };
    let mut kept = Vec::with_capacity(manifest.segments.len());
    for mut entry in std::mem::take(&mut manifest.segments) {
        let survey = segment::survey(dir, &entry, dimension)?;
        let Some(dead) = lost_rows(&entry, &survey) else { continue };
        entry.set_dead(&dead).map_err(io)?;
        let (mut from, before) = (0u32, entry.clone());
        for (at, batch) in entry.batches.iter_mut().enumerate() {
            if survey.lost.contains(&at) {
                batch.vectors = segment::sum_again(dir, &before, dimension, from, batch.rows)?;
            }
            from = from.saturating_add(batch.rows);
        }
        if !survey.coarse || !survey.lost.is_empty() {
            match std::fs::remove_file(coarse_path(dir, entry.number)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
                _ => {}
            }
        }
        kept.push(entry);
    }
    manifest.segments = kept;
    manifest.store(dir)
}
