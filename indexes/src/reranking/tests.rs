//! Cross-encoders by a tiny one that tests make: what they score, and what is refused.

use super::*;
use crate::models::Artifact;
use std::path::Path;
use std::sync::Arc;

const WORDS: [&str; 6] = ["rope", "anchor", "tide", "night", "who", "signs"];

/// The library, fetched on first use; `None`, and said, where it cannot be had.
fn onnxruntime() -> Option<PathBuf> {
    crate::embedding::tests::pulled(Artifact::OnnxRuntime)
}

fn tiny() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path(), &WORDS).unwrap();
    folder
}

fn open(folder: &Path) -> Result<Arc<dyn Reranker>, RerankError> {
    cross_encoder(folder, &onnxruntime().unwrap_or_else(|| "no-library.so".into()))
}

#[test]
fn a_pair_is_read_together_and_scored_as_counted_by_hand() {
    if onnxruntime().is_none() {
        return;
    }
    let folder = tiny();
    let model = open(folder.path()).unwrap();
    let scores = model.score("who signs rope", &["rope rope tide", "night", "who signs the rope"]).unwrap();
    // One more each: the separator stands on both sides. `the` is unknown, and nothing of the question is. And the tokens:
    // three around both, three of the question, and the passage's.
    let counted = [(3.0, 3), (1.0, 1), (4.0, 4)];
    assert_eq!(scores, counted.map(|(pairs, words)| pairs + tiny::TOKEN * (6 + words) as f32));
    assert_eq!(model.score("who", &[]).unwrap(), Vec::<f32>::new());
    let (name, hash) = model.model().rsplit_once('@').unwrap();
    assert!(!name.is_empty() && hash.len() == 16, "{}", model.model());
}

#[test]
fn a_score_is_the_same_alone_and_among_others_and_from_many_threads() {
    if onnxruntime().is_none() {
        return;
    }
    let folder = tiny();
    let model = open(folder.path()).unwrap();
    let texts: Vec<String> = (0..23).map(|n| "rope tide night ".repeat(n)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together: Vec<u32> =
        model.score("rope at night", &texts).unwrap().iter().map(|s| s.to_bits()).collect();
    let alone = |text: &&str| model.score("rope at night", &[text]).unwrap()[0].to_bits();
    assert_eq!(texts.iter().map(alone).collect::<Vec<_>>(), together);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let scores = model.score("rope at night", &texts).unwrap();
                assert_eq!(scores.iter().map(|s| s.to_bits()).collect::<Vec<_>>(), together);
            });
        }
    });
}

#[test]
fn a_passage_that_is_too_long_is_cut_and_the_question_stays() {
    if onnxruntime().is_none() {
        return;
    }
    let folder = tiny();
    let model = open(folder.path()).unwrap();
    // 512 tokens: three special ones, one of the question, 508 of the passage.
    assert_eq!(model.score("rope", &[&"rope ".repeat(2_000)]).unwrap(), [509.0 + tiny::TOKEN * 512.0]);
    let odd = model.score("rope", &["", "🪢", "\u{202e}rope"]).unwrap();
    assert_eq!((odd[0], odd.len()), (1.0 + tiny::TOKEN * 4.0, 3));
}

#[test]
fn what_is_no_cross_encoder_is_refused_and_it_is_said_why() {
    let says = |folder: &Path| open(folder).err().map(|error| error.to_string()).unwrap_or_default();
    let folder = tiny();
    assert_eq!(says(folder.path()), "");
    let config = folder.path().join("config.json");
    for (text, why) in [
        ("{", "cannot be read"),
        (r#"{"architectures": ["BertModel"], "id2label": {"0": "a"}}"#, "ForSequenceClassification"),
        (r#"{"architectures": ["BertForSequenceClassification"]}"#, "has none"),
        (
            r#"{"architectures": ["BertForSequenceClassification"], "id2label": {"0": "a", "1": "b", "2": "c"}}"#,
            "has 3",
        ),
    ] {
        std::fs::write(&config, text).unwrap();
        assert!(says(folder.path()).contains(why), "{text}: {}", says(folder.path()));
    }
    for name in ["model.onnx", "tokenizer.json", "tokenizer_config.json"] {
        let folder = tiny();
        std::fs::remove_file(folder.path().join(name)).unwrap();
        assert!(says(folder.path()).contains(name), "{}", says(folder.path()));
    }
    assert!(says(&folder.path().join("nowhere")).contains("config.json"));
}

#[test]
fn a_graph_that_is_damaged_or_gives_something_else_is_an_error_and_no_panic() {
    if onnxruntime().is_none() {
        return;
    }
    let folder = tiny();
    let scored = |folder: &Path| open(folder).unwrap().score("rope", &["rope"]).map_err(|e| e.to_string());
    for (output, columns) in [("last_hidden_state", 1), ("logits", 3)] {
        let config = std::fs::read(folder.path().join("config.json")).unwrap();
        tiny::write_with(folder.path(), &WORDS, output, columns).unwrap();
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        assert!(scored(folder.path()).unwrap_err().contains("`logits`"), "{output} {columns}");
    }
    std::fs::write(folder.path().join("model.onnx"), b"no graph at all").unwrap();
    assert!(open(folder.path()).err().unwrap().to_string().contains("cannot be read"));
    std::fs::write(folder.path().join("model.onnx"), b"").unwrap();
    assert!(scored(folder.path()).unwrap_err().contains("engine failed"));
    let folder = tiny();
    std::fs::write(folder.path().join("tokenizer.json"), b"{}").unwrap();
    let error = scored(folder.path()).unwrap_err();
    assert!(error.contains("tokenizer.json"), "{error}");
}

#[test]
fn a_model_that_reads_hardly_anything_is_refused() {
    let folder = tiny();
    let file = folder.path().join("tokenizer_config.json");
    for length in ["1", "0", "-1", "63"] {
        std::fs::write(&file, format!(r#"{{"model_max_length": {length}, "pad_token": "[PAD]"}}"#)).unwrap();
        let error = open(folder.path()).err().unwrap();
        assert!(error.to_string().contains("too few"), "{length}: {error}");
    }
    std::fs::write(&file, r#"{"model_max_length": 64, "pad_token": "[PAD]"}"#).unwrap();
    open(folder.path()).unwrap();
}

#[test]
fn a_graph_that_changes_after_it_was_opened_scores_nothing() {
    if onnxruntime().is_none() {
        return;
    }
    let folder = tiny();
    let model = open(folder.path()).unwrap();
    let config = std::fs::read(folder.path().join("config.json")).unwrap();
    tiny::write_with(folder.path(), &WORDS, "logits", 2).unwrap();
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let error = model.score("rope", &["rope"]).unwrap_err();
    assert!(error.to_string().contains("start again"), "{error}");
}

#[test]
fn a_model_of_the_catalogue_is_the_one_that_was_pulled() {
    use crate::models::{ModelSource, find, pull};
    let Some(library) = onnxruntime() else { return };
    let (cache, folder) = (tempfile::tempdir().unwrap(), tiny());
    std::fs::create_dir(folder.path().join("onnx")).unwrap();
    std::fs::rename(folder.path().join("model.onnx"), folder.path().join("onnx/model.onnx")).unwrap();
    let entry = find("bge-reranker-base").unwrap();
    let source = ModelSource::Dir(folder.path().to_owned());
    let place = pull(cache.path(), Artifact::Named(entry), &source, None, &mut |_| ()).unwrap();
    let model = cross_encoder_named(entry, &place, &library).unwrap();
    assert!(model.model().starts_with("bge-reranker-base@"), "{}", model.model());
    assert_eq!(model.score("rope", &["rope"]).unwrap(), [2.0 + tiny::TOKEN * 5.0]);
    let file = place.join("tokenizer.json");
    let text = std::fs::read_to_string(&file).unwrap().replace("rope", "ropa");
    std::fs::write(file, text).unwrap();
    let error = cross_encoder_named(entry, &place, &library).err().unwrap();
    assert!(error.to_string().contains("tokenizer.json"), "{error}");
}

#[test]
fn without_the_library_it_is_said_how_to_get_one() {
    let folder = tiny();
    let error = cross_encoder(folder.path(), Path::new("no/such/library.so")).unwrap();
    let error = error.score("rope", &["rope"]).unwrap_err();
    assert!(error.to_string().contains("models pull onnxruntime"), "{error}");
}
