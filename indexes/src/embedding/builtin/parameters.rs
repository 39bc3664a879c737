//! The weights' numbers: read from a safetensors file piece by piece, hashed on the way, given out once each and
//! checked against the shape that is asked for. It must never hold a tensor twice.

use super::super::model::{engine, unreadable};
use super::super::weights::{self, Tensor};
use super::EmbedError;
use ndarray::{Array1, Array2};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A header is some KB; a file that says otherwise is none of ours.
const LONGEST_HEADER: u64 = 16 << 20;
/// Bytes that are turned into numbers at a time.
const PIECE: usize = 256 << 10;

/// All f32 tensors of a file, by name.
pub(super) struct Parameters {
    tensors: BTreeMap<String, (Vec<u64>, Vec<f32>)>,
    hash: Sha256,
}

/// A file that is hashed while it is read forwards.
struct Hashed {
    file: File,
    hash: Sha256,
    at: u64,
    piece: Vec<u8>,
}

impl Hashed {
    /// Reads so many bytes and hands them on in pieces, each of a whole number of f32s but the last.
    fn forwards(&mut self, mut bytes: u64, mut then: impl FnMut(&[u8])) -> io::Result<()> {
        while bytes > 0 {
            let now = usize::try_from(bytes).unwrap_or(PIECE).min(PIECE);
            self.piece.resize(now, 0);
            self.file.read_exact(&mut self.piece)?;
            self.hash.update(&self.piece);
            then(&self.piece);
            self.at += now as u64;
            bytes -= now as u64;
        }
        Ok(())
    }

    /// The numbers of a tensor that lies ahead; `None` if it lies behind.
    fn numbers(&mut self, tensor: &Tensor) -> io::Result<Option<Vec<f32>>> {
        let Some(gap) = tensor.offset.checked_sub(self.at) else { return Ok(None) };
        self.forwards(gap, |_| {})?;
        let mut numbers = Vec::with_capacity(usize::try_from(tensor.length / 4).unwrap_or(0));
        self.forwards(tensor.length, |piece| {
            let words = piece.chunks_exact(4).map(|w| <[u8; 4]>::try_from(w).unwrap_or_default());
            numbers.extend(words.map(f32::from_le_bytes));
        })?;
        Ok(Some(numbers))
    }
}

impl Parameters {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, EmbedError> {
        let failed = |source| unreadable(path, source);
        let damaged = || engine("the weights are damaged");
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut file = Hashed { file, hash: Sha256::new(), at: 0, piece: Vec::new() };
        let mut start = Vec::new();
        if length < 8 {
            return Err(damaged());
        }
        file.forwards(8, |piece| start.extend_from_slice(piece)).map_err(failed)?;
        let end = weights::header_end(&start).filter(|end| *end <= length.min(LONGEST_HEADER));
        let rest = end.ok_or_else(damaged)?.saturating_sub(file.at);
        file.forwards(rest, |piece| start.extend_from_slice(piece)).map_err(failed)?;
        let spans = weights::tensors(&start, length).ok_or_else(damaged)?;
        let mut spans: Vec<(String, Tensor)> = spans.into_iter().collect();
        spans.sort_by_key(|(_, tensor)| tensor.offset);
        let mut tensors = BTreeMap::new();
        for (name, tensor) in spans {
            let numbers = file.numbers(&tensor).map_err(failed)?.ok_or_else(damaged)?;
            tensors.insert(name, (tensor.shape, numbers));
        }
        file.forwards(length.saturating_sub(file.at), |_| {}).map_err(failed)?;
        Ok(Self { tensors, hash: file.hash })
    }

    /// The hash of the whole file.
    pub(super) fn hash(&self) -> Sha256 {
        self.hash.clone()
    }

    fn take(&mut self, name: &str) -> Result<(Vec<u64>, Vec<f32>), EmbedError> {
        self.tensors.remove(name).ok_or_else(|| lacking(name))
    }

    /// Rows of a matrix that is still here.
    pub(super) fn rows(&self, name: &str) -> Result<usize, EmbedError> {
        let (shape, _) = self.tensors.get(name).ok_or_else(|| lacking(name))?;
        shape.first().and_then(|rows| usize::try_from(*rows).ok()).ok_or_else(|| misshapen(name))
    }

    /// A vector of this length.
    pub(super) fn vector(&mut self, name: &str, length: usize) -> Result<Array1<f32>, EmbedError> {
        let (shape, numbers) = self.take(name)?;
        if shape != [length as u64] {
            return Err(misshapen(name));
        }
        Ok(Array1::from_vec(numbers))
    }

    /// A matrix with this many columns, and at least this many rows.
    pub(super) fn table(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Array2<f32>, EmbedError> {
        let (shape, numbers) = self.take(name)?;
        let [has, wide] = shape.as_slice() else { return Err(misshapen(name)) };
        if *wide != columns as u64 || *has < rows as u64 {
            return Err(misshapen(name));
        }
        let has = usize::try_from(*has).map_err(|_| misshapen(name))?;
        Array2::from_shape_vec((has, columns), numbers).map_err(|_| misshapen(name))
    }
}

fn lacking(name: &str) -> EmbedError {
    engine(format!("the weights lack `{name}`"))
}

/// A tensor of another shape than the model's configuration says.
pub(super) fn misshapen(name: &str) -> EmbedError {
    engine(format!("`{name}` in the weights has another shape than config.json says"))
}
