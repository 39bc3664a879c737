//! What is known to be at the cluster: which passages, under which class. It may say too little, and must never say
//! too much: a passage goes in when the cluster has acknowledged it, and is out, durably, before anything is sent that
//! makes it other than it says here. So a crash at any moment leaves a state that can be gone by.

use super::ids::{Ids, Point, Secret};
use crate::vector::VectorError;
use kenward_access::ids::ChunkNo;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Of the file's form.
const VERSION: u32 = 1;

/// The state. Classes are numbers here: nothing of rights is known of them.
#[derive(Clone)]
pub(super) struct State {
    pub secret: Secret,
    /// Of a collection that was ours and is to be dropped, if it is still there.
    pub former: Option<Secret>,
    /// Who held that: in the hands of a copy of this data it is not ours any more.
    pub former_holders: Vec<String>,
    /// The folder of vectors, and the embedding space, that it is true of.
    pub of: String,
    /// The last names that were written, or may have been, into the collection as who holds it.
    pub holders: Vec<String>,
    /// Whether questions are put to the cluster.
    pub asked: bool,
    /// By class; no passage is in two.
    pub tags: BTreeMap<u32, RoaringBitmap>,
    /// The same passages by the life of their point.
    pub lives: BTreeMap<u32, RoaringBitmap>,
    /// The same passages.
    pub all: RoaringBitmap,
    /// The life that points are written in now. Another one begins with every opening, and whenever it is not known
    /// what became of a change: what arrives late then changes a point that nobody asks for.
    pub life: u32,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    secret: String,
    former: Option<String>,
    #[serde(default)]
    former_holders: Vec<String>,
    of: String,
    holders: Vec<String>,
    asked: bool,
    tags: Vec<(u32, String)>,
    lives: Vec<(u32, String)>,
    life: u32,
}

impl State {
    /// Of a collection that is not made yet.
    pub(super) fn new(secret: Secret, of: &str, asked: bool) -> Self {
        Self {
            secret,
            former: None,
            former_holders: Vec::new(),
            of: of.to_owned(),
            holders: Vec::new(),
            asked,
            tags: BTreeMap::new(),
            lives: BTreeMap::new(),
            all: RoaringBitmap::new(),
            life: 0,
        }
    }

    /// Begins anew with another collection; the one so far is to be dropped.
    pub(super) fn begin_anew(&mut self, secret: Secret, of: &str) {
        // INVARIANT: what was ours stays known as ours until it is gone.
        let (former, former_holders) = match self.former {
            Some(former) => (former, std::mem::take(&mut self.former_holders)),
            None => (self.secret, std::mem::take(&mut self.holders)),
        };
        *self = Self { former: Some(former), former_holders, ..Self::new(secret, of, self.asked) };
    }

    pub(super) fn ids(&self) -> Ids {
        Ids::new(&self.secret)
    }

    /// The point of a passage; `None` = it cannot be counted on.
    pub(super) fn point(&self, chunk: u32) -> Option<Point> {
        let (life, _) = self.lives.iter().find(|(_, chunks)| chunks.contains(chunk))?;
        Some(Point { chunk: ChunkNo(chunk), life: *life })
    }

    /// Whether this is the point of its passage.
    pub(super) fn is_point(&self, point: Point) -> bool {
        self.lives.get(&point.life).is_some_and(|chunks| chunks.contains(point.chunk.0))
    }

    /// Puts passages in.
    pub(super) fn insert(&mut self, tag: u32, life: u32, chunks: &RoaringBitmap) {
        *self.tags.entry(tag).or_default() |= chunks;
        *self.lives.entry(life).or_default() |= chunks;
        self.all |= chunks;
    }

    /// Takes passages out; whether any was in.
    pub(super) fn remove(&mut self, chunks: &RoaringBitmap) -> bool {
        if self.all.is_disjoint(chunks) {
            return false;
        }
        for sets in [&mut self.tags, &mut self.lives] {
            sets.retain(|_, there| {
                *there -= chunks;
                !there.is_empty()
            });
        }
        self.all -= chunks;
        true
    }

    /// Reads the file. `None` if there is none, or it is not what was written: then nothing is known.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, VectorError> {
        let bytes = match crate::regular::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| VectorError::State { path: path.to_owned(), source })?,
        };
        let text = String::from_utf8(bytes).unwrap_or_default();
        let state = text.split_once('\n').and_then(|(sum, body)| {
            let same = blake3::hash(body.as_bytes()).to_hex().as_str() == sum;
            same.then(|| serde_json::from_str::<Written>(body).ok()).flatten().and_then(Self::read)
        });
        if state.is_none() {
            tracing::warn!(path = %path.display(), "what is at the cluster is not known any more: the file is damaged");
        }
        Ok(state)
    }

    fn read(written: Written) -> Option<Self> {
        let secret =
            |hex: &str| Some(Secret(data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()?));
        (written.version == VERSION).then_some(())?;
        let (tags, lives) = (sets(&written.tags)?, sets(&written.lives)?);
        let all = union(&tags);
        (all == union(&lives)).then_some(())?;
        Some(Self {
            secret: secret(&written.secret)?,
            former: written.former.as_deref().and_then(secret),
            former_holders: written.former_holders,
            of: written.of,
            holders: written.holders,
            asked: written.asked,
            tags,
            lives,
            all,
            life: written.life,
        })
    }

    /// Writes the file: beside, and renamed, so that a crash leaves the one or the other.
    pub(super) fn store(&self, path: &Path) -> Result<(), VectorError> {
        self.write(path).map_err(|source| VectorError::State { path: path.to_owned(), source })
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let hex = |secret: &Secret| data_encoding::HEXLOWER.encode(&secret.0);
        let written = Written {
            version: VERSION,
            secret: hex(&self.secret),
            former: self.former.as_ref().map(hex),
            former_holders: self.former_holders.clone(),
            of: self.of.clone(),
            holders: self.holders.clone(),
            asked: self.asked,
            tags: texts(&self.tags)?,
            lives: texts(&self.lives)?,
            life: self.life,
        };
        let body = serde_json::to_string(&written)?;
        let sum = blake3::hash(body.as_bytes()).to_hex();
        let beside = path.with_extension("new");
        let mut file = private(&beside)?;
        writeln!(file, "{sum}")?;
        file.write_all(body.as_bytes())?;
        file.sync_all()?;
        keep_owner(&beside, path);
        fs::rename(&beside, path)?;
        match path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    }
}

fn union(sets: &BTreeMap<u32, RoaringBitmap>) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    sets.values().for_each(|chunks| all |= chunks);
    all
}

fn sets(texts: &[(u32, String)]) -> Option<BTreeMap<u32, RoaringBitmap>> {
    let set = |(number, text): &(u32, String)| {
        let bytes = data_encoding::BASE64.decode(text.as_bytes()).ok()?;
        Some((*number, RoaringBitmap::deserialize_from(bytes.as_slice()).ok()?))
    };
    texts.iter().map(set).collect()
}

fn texts(sets: &BTreeMap<u32, RoaringBitmap>) -> std::io::Result<Vec<(u32, String)>> {
    let text = |(number, chunks): (&u32, &RoaringBitmap)| {
        let mut bytes = Vec::with_capacity(chunks.serialized_size());
        chunks.serialize_into(&mut bytes)?;
        Ok((*number, data_encoding::BASE64.encode(&bytes)))
    };
    sets.iter().map(text).collect()
}

/// Gives a new file to whoever has the folder, if this process may: one command of root's takes it from nobody.
fn keep_owner(new: &Path, path: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    let Some(Ok(folder)) = path.parent().map(fs::metadata) else { return };
    // Only root may, and for all others it is theirs already.
    let _ = std::os::unix::fs::chown(new, Some(folder.uid()), Some(folder.gid()));
}

/// A file that its owner alone may read: it holds the secret.
fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::folder;

    fn filled() -> State {
        let mut state = State::new(Secret([7; 32]), "folder", true);
        state.insert(3, 0, &(0..1_000).collect());
        state.insert(9, 2, &(5_000..5_003).collect());
        state
    }

    #[test]
    fn what_is_stored_is_read_and_what_is_damaged_is_not() {
        let folder = folder();
        let path = folder.path().join("state");
        assert!(State::load(&path).unwrap().is_none());
        filled().store(&path).unwrap();
        let read = State::load(&path).unwrap().unwrap();
        assert_eq!((read.tags, read.lives, read.all), (filled().tags, filled().lives, filled().all));
        let bytes = fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(97) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(State::load(&path).is_err() || State::load(&path).unwrap().is_none(), "at {at}");
        }
    }

    #[test]
    fn what_root_writes_stays_the_folders_owners() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = folder();
        if std::os::unix::fs::chown(folder.path(), Some(12_345), Some(12_345)).is_err() {
            eprintln!("this user gives nothing away: not tried");
            return;
        }
        let path = folder.path().join("state");
        filled().store(&path).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (12_345, 12_345, 0o600));
    }

    #[test]
    fn a_passage_has_one_point_or_none() {
        let mut state = filled();
        assert_eq!(state.point(5_001).map(|point| point.life), Some(2));
        assert_eq!((state.point(6_000), state.all.len()), (None, 1_003));
        assert!(state.is_point(Point { chunk: ChunkNo(5_001), life: 2 }));
        assert!(!state.is_point(Point { chunk: ChunkNo(5_001), life: 0 }));
        assert!(state.remove(&[5_001, 999].into_iter().collect()));
        assert!(!state.remove(&[5_001, 999].into_iter().collect()));
        assert_eq!((state.point(5_001), state.point(999), state.all.len()), (None, None, 1_001));
        assert_eq!(state.tags[&9].len() + state.lives[&2].len(), 4);
        let old = state.secret;
        state.begin_anew(Secret([8; 32]), "other");
        state.begin_anew(Secret([9; 32]), "other");
        assert_eq!((state.former.map(|secret| secret.0), state.all.len()), (Some(old.0), 0));
        assert!(state.asked, "as before");
    }
}
