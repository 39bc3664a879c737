//! The embedding model as the benches find it: in Kenward's own cache. None is fetched here.

use kenward_indexes::embedding;
use kenward_indexes::models::{self, Artifact};
use std::path::{Path, PathBuf};

/// Folders of the model and of ONNX Runtime; `None`, and why is said, where they are not.
pub fn installed() -> Option<(PathBuf, PathBuf)> {
    let cache = models::cache_dir();
    let here = |artifact| models::installed(&cache, artifact);
    let found = here(Artifact::MiniLm).zip(here(Artifact::OnnxRuntime));
    if found.is_none() {
        eprintln!("no model: nothing is measured (run `kenward models pull`)");
    }
    found
}

/// A folder with the model as Python's fastembed reads it: the same weights and tokenizer, and the graph.
pub fn for_python(model: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), embedding::onnx_graph(model).unwrap()).unwrap();
    for file in std::fs::read_dir(model).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}
