//! The manifest: which segments, rows and deletions the last commit has. It is replaced as a whole by
//! a rename; what it does not name does not exist, so a crash at any point leaves the commit before.

use super::VectorError;
use crate::embedding::EmbeddingSpace;
use data_encoding::{BASE64, HEXLOWER};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const NAME: &str = "manifest";
const FORMAT: u32 = 1;

/// The rows that one commit added to a segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Batch {
    pub rows: u32,
    /// BLAKE3 of their chunk numbers.
    pub chunks: String,
    /// BLAKE3 of their vectors.
    pub vectors: String,
}

/// One segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SegmentEntry {
    pub number: u64,
    pub batches: Vec<Batch>,
    /// Deleted rows, as a serialized bitmap in base64.
    dead: String,
}

impl SegmentEntry {
    pub(super) fn new(number: u64) -> Self {
        Self { number, batches: Vec::new(), dead: String::new() }
    }

    pub(super) fn rows(&self) -> u32 {
        self.batches.iter().fold(0, |sum, batch| sum.saturating_add(batch.rows))
    }

    pub(super) fn dead(&self) -> Option<RoaringBitmap> {
        if self.dead.is_empty() {
            return Some(RoaringBitmap::new());
        }
        let bytes = BASE64.decode(self.dead.as_bytes()).ok()?;
        RoaringBitmap::deserialize_from(bytes.as_slice()).ok()
    }

    pub(super) fn set_dead(&mut self, dead: &RoaringBitmap) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(dead.serialized_size());
        dead.serialize_into(&mut bytes)?;
        self.dead = if dead.is_empty() { String::new() } else { BASE64.encode(&bytes) };
        Ok(())
    }
}

/// The whole state of one commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    pub dimension: usize,
    /// What its vectors mean, if it was opened for a space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<EmbeddingSpace>,
    pub position: u64,
    /// Number that the next segment gets; numbers are never used again.
    pub next: u64,
    pub segments: Vec<SegmentEntry>,
}

impl Manifest {
    pub(super) fn new(dimension: usize) -> Self {
        Self { format: FORMAT, dimension, space: None, position: 0, next: 1, segments: Vec::new() }
    }

    /// Reads the manifest of `dir`; `None` if there is none.
    pub(super) fn load(dir: &Path) -> Result<Option<Self>, VectorError> {
        let path = dir.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(VectorError::Io { path, source }),
        };
        let parsed = bytes.iter().position(|b| *b == b'\n').and_then(|end| {
            let (sum, body) = (bytes.get(..end)?, bytes.get(end + 1..)?);
            (sum == checksum(body).as_bytes()).then(|| serde_json::from_slice::<Self>(body).ok())?
        });
        match parsed {
            Some(manifest) if manifest.format == FORMAT => Ok(Some(manifest)),
            _ => Err(VectorError::Damaged { path }),
        }
    }

    /// Replaces the manifest of `dir`, durably.
    pub(super) fn store(&self, dir: &Path) -> Result<(), VectorError> {
        let path = dir.join(NAME);
        let new = dir.join("manifest.new");
        let write = || -> io::Result<()> {
            let body = serde_json::to_vec(self)?;
            let mut file = File::create(&new)?;
            file.write_all(checksum(&body).as_bytes())?;
            file.write_all(b"\n")?;
            file.write_all(&body)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(dir)?.sync_all()
        };
        write().map_err(|source| VectorError::Io { path: path.clone(), source })
    }
}

/// BLAKE3 in hex.
pub(super) fn checksum(bytes: &[u8]) -> String {
    HEXLOWER.encode(blake3::hash(bytes).as_bytes())
}

/// Name of a segment's file with vectors.
pub(super) fn vectors_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.f32"))
}

/// Name of a segment's file with chunk numbers.
pub(super) fn chunks_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.chunks"))
}

/// Name of a segment's file with vectors in whole numbers.
pub(super) fn coarse_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.i8"))
}
