//! Models of the catalogue, by tiny graphs under their names: used as the catalogue says, with the weights that lie beside
//! the graph, and with no others than were opened.

use super::*;
use crate::embedding::synthetic::{lookup, table};
use crate::models::{Entry, ModelSource, find, pull};
use std::path::PathBuf;

/// Puts the tiny model under a name into a cache, with this graph and what belongs to it.
fn named(name: &str, files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, PathBuf, &'static Entry) {
    let (cache, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    synthetic::write(from.path());
    for (name, bytes) in files {
        let path = from.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let entry = find(name).unwrap();
    let source = ModelSource::Dir(from.path().to_owned());
    let folder = pull(cache.path(), Artifact::Named(entry), &source, None, &mut |_| ()).unwrap();
    (cache, folder, entry)
}

/// The table's numbers in a file beside the graph.
fn in_two(file: &str) -> (Vec<u8>, Vec<u8>) {
    let numbers = lookup(8);
    let beside = onnx::Data::External { file, offset: 0, length: numbers.len() as u64 };
    (table(8, &beside), numbers)
}

fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn a_named_model_is_used_as_the_catalogue_says() {
    let Some(library) = pulled(Artifact::OnnxRuntime) else { return };
    let graph = table(8, &onnx::Data::Inline(lookup(8)));
    let (_cache, folder, entry) = named("bge-small-en-v1.5", &[("onnx/model.onnx", graph.clone())]);
    let model = fastembed_named(entry, &folder, &library, Precision::F32).unwrap();
    let space = model.space();
    assert!(space.model.starts_with("bge-small-en-v1.5@"), "{space:?}");
    assert!(space.pooling.starts_with("first; query \"Represent this"), "{space:?}");
    assert_eq!((space.dimension, space.max_tokens, &*space.precision), (8, 512, "f32"));
    // The first token is the same in all texts, and this graph looks at nothing else for it.
    assert_eq!(model.embed(&["rope"]).unwrap(), model.embed(&["anchor"]).unwrap());

    let (_cache, folder, e5) = named("multilingual-e5-small", &[("onnx/model.onnx", graph.clone())]);
    let model = fastembed_named(e5, &folder, &library, Precision::F32).unwrap();
    assert_eq!(model.space().pooling, r#"mean; query "query: ", passage "passage: ""#);
    let (_cache, folder, bare) =
        named("paraphrase-multilingual-minilm-l12-v2", &[("onnx/model.onnx", graph.clone())]);
    let bare = fastembed_named(bare, &folder, &library, Precision::F32).unwrap();
    conformance::run(bare.as_ref(), 12);
    let texts = ["query: rope", "passage: rope"].map(|text| bare.embed(&[text]).unwrap().remove(0));
    assert_eq!([model.embed_query("rope").unwrap(), model.embed(&["rope"]).unwrap().remove(0)], texts);

    let (_cache, folder, small) = named("bge-small-en-v1.5-q", &[("model_optimized.onnx", graph)]);
    let model = fastembed_named(small, &folder, &library, Precision::F32).unwrap();
    assert_eq!(model.space().precision, "quantized");
    let error = fastembed_named(small, &folder, &library, Precision::Int8).err().unwrap();
    assert!(error.to_string().contains("int8"), "{error}");
    let reranker = find("bge-reranker-base").unwrap();
    assert!(fastembed_named(reranker, &folder, &library, Precision::F32).is_err());
}

#[test]
fn weights_beside_a_graph_are_its_own_and_are_hashed() {
    let Some(library) = pulled(Artifact::OnnxRuntime) else { return };
    let (graph, numbers) = in_two("model.onnx_data");
    let files = [("model.onnx", graph.clone()), ("model.onnx_data", numbers.clone())];
    let (_cache, folder, entry) = named("multilingual-e5-large", &files);
    let model = fastembed_named(entry, &folder, &library, Precision::F32).unwrap();
    let (inline, _keep) = {
        let (cache, folder, _) = named(
            "multilingual-e5-small",
            &[("onnx/model.onnx", table(8, &onnx::Data::Inline(numbers.clone())))],
        );
        (
            fastembed_named(find("multilingual-e5-small").unwrap(), &folder, &library, Precision::F32)
                .unwrap(),
            cache,
        )
    };
    let text = "the harbour master signs";
    assert_eq!(bits(&model.embed(&[text]).unwrap()[0]), bits(&inline.embed(&[text]).unwrap()[0]));
    // Other weights beside the same graph are another space.
    let mut others = numbers;
    others.reverse();
    let files = [("model.onnx", graph), ("model.onnx_data", others)];
    let (_cache, folder, entry) = named("multilingual-e5-large", &files);
    let other = fastembed_named(entry, &folder, &library, Precision::F32).unwrap();
    assert_ne!(model.space().model, other.space().model);
}

#[test]
fn a_file_that_changes_after_the_pull_ends_its_use() {
    let Some(library) = pulled(Artifact::OnnxRuntime) else { return };
    let (graph, numbers) = in_two("model.onnx_data");
    let files = [("model.onnx", graph), ("model.onnx_data", numbers.clone())];
    let (_cache, folder, entry) = named("multilingual-e5-large", &files);
    let mut others = numbers;
    others.reverse();
    std::fs::write(folder.join("model.onnx_data"), others).unwrap();
    let error = fastembed_named(entry, &folder, &library, Precision::F32).err().unwrap();
    assert!(error.to_string().contains("model.onnx_data"), "{error}");
}
