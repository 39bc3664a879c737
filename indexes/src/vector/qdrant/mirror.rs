//! The engine: the embedded one, which keeps everything, and beside it a cluster that is told what changes and asked
//! what it has. Without the cluster it is the embedded engine; with it, the same answers from other machines' work.

use super::ask::{Question, Why, ask};
use super::site::Site;
use super::standing::Condition;
use crate::embedding::EmbeddingSpace;
use crate::vector::flat::{FlatIndex, FlatSnapshot, Sizes, unit};
use crate::vector::{Accept, Compared, VectorError, VectorIndex, VectorSnapshot};
use crate::{Scored, TieOrder};
use kenward_access::ids::ChunkNo;
use kenward_access::scope::VisibleChunks;
use roaring::RoaringBitmap;
use std::path::Path;
use std::sync::Arc;

/// The file that names a folder of vectors: it goes with them.
const NAME: &str = "mirror.name";

/// The engine's one writer.
pub(super) struct MirrorIndex {
    flat: FlatIndex,
    site: Arc<Site>,
    generation: u64,
    brought: RoaringBitmap,
    gone: RoaringBitmap,
    snapshot: Arc<MirrorSnapshot>,
}

/// One commit of the engine.
pub(super) struct MirrorSnapshot {
    pub flat: Arc<FlatSnapshot>,
    pub live: Arc<RoaringBitmap>,
    pub site: Arc<Site>,
    pub generation: u64,
    commit: u64,
}

impl MirrorSnapshot {
    /// By what the site knows it.
    pub(super) fn at(&self) -> (u64, u64) {
        (self.generation, self.commit)
    }
}

impl MirrorIndex {
    pub(super) fn open(
        dir: &Path,
        dimension: usize,
        space: Option<&EmbeddingSpace>,
        sizes: Sizes,
        site: Arc<Site>,
    ) -> Result<Self, VectorError> {
        let flat = FlatIndex::open(dir, dimension, space, sizes)?;
        let (kept, live) = (flat.flat_snapshot(), live(&flat));
        let generation = site.attach(name(dir), Arc::clone(&kept), Arc::clone(&live));
        let snapshot =
            Arc::new(MirrorSnapshot { flat: kept, live, site: Arc::clone(&site), generation, commit: 0 });
        let (brought, gone) = (RoaringBitmap::new(), RoaringBitmap::new());
        Ok(Self { flat, site, generation, brought, gone, snapshot })
    }
}

fn live(flat: &FlatIndex) -> Arc<RoaringBitmap> {
    Arc::new(flat.flat_snapshot().places().iter().map(|place| place.chunk).collect())
}

/// What a folder of vectors is known by; made when it is first asked for.
fn name(dir: &Path) -> Result<String, VectorError> {
    let path = dir.join(NAME);
    let io = |source| VectorError::State { path: path.clone(), source };
    match crate::regular::read(&path).map(|name| String::from_utf8_lossy(&name).into_owned()) {
        Ok(name) if !name.is_empty() => return Ok(name),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io(error.into()))?;
    let name = data_encoding::HEXLOWER.encode(&bytes);
    std::fs::write(&path, &name).map_err(io)?;
    std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(io)?;
    Ok(name)
}

impl VectorIndex for MirrorIndex {
    fn append(&mut self, vectors: &[(ChunkNo, Vec<f32>)]) -> Result<(), VectorError> {
        self.flat.append(vectors)?;
        for (chunk, _) in vectors {
            self.brought.insert(chunk.0);
            self.gone.remove(chunk.0);
        }
        Ok(())
    }

    fn delete(&mut self, chunks: &[ChunkNo]) -> Result<(), VectorError> {
        self.flat.delete(chunks)?;
        for chunk in chunks {
            self.gone.insert(chunk.0);
            self.brought.remove(chunk.0);
        }
        Ok(())
    }

    fn commit(&mut self, position: u64) -> Result<(), VectorError> {
        self.site.before_commit(self.generation, &self.brought, &self.gone)?;
        self.flat.commit(position)?;
        let (kept, live) = (self.flat.flat_snapshot(), live(&self.flat));
        let brought = std::mem::take(&mut self.brought);
        self.gone.clear();
        let commit = self.site.committed(self.generation, brought, Arc::clone(&kept), Arc::clone(&live));
        let (site, generation) = (Arc::clone(&self.site), self.generation);
        self.snapshot = Arc::new(MirrorSnapshot { flat: kept, live, site, generation, commit });
        Ok(())
    }

    fn position(&self) -> u64 {
        self.flat.position()
    }

    fn snapshot(&self) -> Arc<dyn VectorSnapshot> {
        Arc::clone(&self.snapshot) as Arc<dyn VectorSnapshot>
    }
}

impl VectorSnapshot for MirrorSnapshot {
    fn search(
        &self,
        query: &[f32],
        visible: VisibleChunks<'_>,
        accept: &Accept<'_>,
        depth: usize,
        ties: &dyn TieOrder,
    ) -> Result<Vec<Scored>, VectorError> {
        let unit = unit(query, self.flat.dimension())?;
        let question = Question { query: &unit, visible: &visible, accept, depth, ties, forced: false };
        match ask(self, &question)? {
            Ok(best) => Ok(best),
            Err(_) => self.flat.search(query, visible, accept, depth, ties),
        }
    }

    fn len(&self) -> usize {
        self.flat.len()
    }

    fn chunks(&self) -> Box<dyn Iterator<Item = ChunkNo> + '_> {
        self.flat.chunks()
    }

    fn compare(
        &self,
        like: ChunkNo,
        visible: VisibleChunks<'_>,
        depth: usize,
        ties: &dyn TieOrder,
    ) -> Result<Compared, VectorError> {
        let Some(unit) = self.flat.place(like.0).and_then(|place| self.flat.vector(place)) else {
            return Ok(Compared::NotAsked);
        };
        let question =
            Question { query: &unit, visible: &visible, accept: &|_| true, depth, ties, forced: true };
        let there = match ask(self, &question)? {
            Ok(there) => there,
            Err(Why::Fault(fault)) => return Ok(Compared::Unanswered(fault.to_string())),
            Err(Why::Disagree) => {
                return Ok(Compared::Unanswered("its replicas do not agree".to_owned()));
            }
            Err(Why::Wrong) => return Ok(Compared::Differs),
            Err(Why::NotAsked | Why::TooMuch) => {
                // Nothing to ask for is another thing than nobody to ask.
                return Ok(match self.site.standing().condition {
                    Condition::Well => Compared::NotAsked,
                    Condition::Starting => Compared::Unanswered("it is being looked at".to_owned()),
                    Condition::Down { what } | Condition::Refused { what, .. } => Compared::Unanswered(what),
                });
            }
        };
        let here = self.flat.search(&unit, visible, &|_| true, depth, ties)?;
        let bits = |list: &[Scored]| -> Vec<(u32, u64)> {
            list.iter().map(|scored| (scored.chunk.0, scored.score.to_bits())).collect()
        };
        Ok(if bits(&there) == bits(&here) { Compared::Same } else { Compared::Differs })
    }
}
