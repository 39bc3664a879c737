//! A graph in a file, and the files beside it that its weights lie in. It must never be run with others than those whose
//! hash was told: what lies in a folder may be another model tomorrow, under the same name.

use super::model::{short, unreadable};
use super::{EmbedError, onnx_files};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A graph and what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct GraphFile {
    pub(crate) path: PathBuf,
    /// Names of files in the same folder.
    beside: Vec<String>,
}

/// What was read of one.
pub(crate) struct Loaded {
    pub(crate) graph: Vec<u8>,
    /// By the names that the graph has for them.
    pub(crate) beside: Vec<(String, Vec<u8>)>,
    /// Of all of it.
    pub(crate) hash: String,
}

impl GraphFile {
    /// Looks at a graph.
    ///
    /// # Errors
    /// [`EmbedError::ModelUnfit`]: its weights lie somewhere else than beside it.
    pub(crate) fn open(path: PathBuf) -> Result<Self, EmbedError> {
        let graph = read(&path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let unfit =
            |reason: String| EmbedError::ModelUnfit { path: folder.to_owned(), reason: reason.into() };
        let beside = onnx_files::named(&graph).ok_or_else(|| unfit("its graph cannot be read".to_owned()))?;
        for name in &beside {
            // A path would be looked for where this process happens to run, or anywhere.
            let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
            if !plain || !folder.join(name).is_file() {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
                return Err(unfit(format!("its graph has weights in `{shown}`, which is not beside it")));
            }
        }
        Ok(Self { path, beside: beside.into_iter().collect() })
    }

    fn files(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        self.beside.iter().map(move |name| (name.as_str(), folder.join(name)))
    }

    /// All of it.
    pub(crate) fn load(&self) -> Result<Loaded, EmbedError> {
        let graph = read(&self.path)?;
        let mut hash = Sha256::new_with_prefix(&graph);
        let mut beside = Vec::new();
        for (name, path) in self.files() {
            let bytes = read(&path)?;
            hash.update(&bytes);
            beside.push((name.to_owned(), bytes));
        }
        Ok(Loaded { graph, beside, hash: short(hash) })
    }

    /// The hash that [`GraphFile::load`] would give, in little memory.
    pub(crate) fn hash(&self) -> Result<String, EmbedError> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        for path in std::iter::once(self.path.clone()).chain(self.files().map(|(_, path)| path)) {
            let io = |source| unreadable(&path, source);
            let mut file = std::fs::File::open(&path).map_err(io)?;
            loop {
                let count = file.read(&mut buffer).map_err(io)?;
                let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
                hash.update(bytes);
            }
        }
        Ok(short(hash))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, EmbedError> {
    std::fs::read(path).map_err(|source| unreadable(path, source))
}
