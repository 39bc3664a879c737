//! Models in a folder of one's own: used as their files say, and refused where these are silent.

use super::*;
use crate::embedding::synthetic::{lookup, table};

/// The tiny model with the files that say how it is used.
fn folder_of_ones_own() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    synthetic::write(folder.path());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    write(
        "1_Pooling/config.json",
        r#"{"word_embedding_dimension": 32, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}"#,
    );
    write("sentence_bert_config.json", r#"{"max_seq_length": 64, "do_lower_case": false}"#);
    write(
        "modules.json",
        r#"[{"idx": 0, "type": "sentence_transformers.models.Transformer"}, {"idx": 1, "type": "sentence_transformers.models.Pooling"}]"#,
    );
    folder
}

#[test]
fn a_folder_of_ones_own_is_used_as_its_files_say() {
    let Some(library) = pulled(Artifact::OnnxRuntime) else { return };
    let folder = folder_of_ones_own();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let open = |precision| fastembed_of_folder(folder.path(), &library, precision);
    let mean = open(Precision::F32).unwrap();
    conformance::run(mean.as_ref(), 12);
    assert_eq!((mean.space().max_tokens, mean.space().dimension), (64, 32));
    assert!(!mean.space().model.starts_with("all-MiniLM"), "{:?}", mean.space());
    let pulled = builtin(folder.path()).unwrap();
    let near = |a: &[f32], b: &[f32]| dot(a, b) > 0.999_99;
    let text = "the harbour master signs";
    assert!(near(&mean.embed(&[text]).unwrap()[0], &pulled.embed(&[text]).unwrap()[0]));
    conformance::run(open(Precision::Int8).unwrap().as_ref(), 4);

    write("1_Pooling/config.json", r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#);
    let first = open(Precision::F32).unwrap();
    conformance::run(first.as_ref(), 4);
    assert_eq!(first.space().pooling, "first");
    assert!(!near(&first.embed(&[text]).unwrap()[0], &mean.embed(&[text]).unwrap()[0]));

    write("config_sentence_transformers.json", r#"{"prompts": {"query": "night ", "document": "tide "}}"#);
    let prompted = open(Precision::F32).unwrap();
    assert_ne!(prompted.space(), first.space());
    let bare = |text: &str| first.embed(&[text]).unwrap().remove(0);
    assert_eq!(prompted.embed(&["rope"]).unwrap()[0], bare("tide rope"));
    assert_eq!(prompted.embed_query("rope").unwrap(), bare("night rope"));
    assert_eq!(prompted.count_tokens("rope"), first.count_tokens("tide rope"));
    assert_eq!(first.embed_query("rope").unwrap(), bare("rope"));
}

#[test]
fn a_folder_whose_files_are_silent_or_say_something_else_is_refused() {
    let Some(library) = pulled(Artifact::OnnxRuntime) else { return };
    let says = |change: &dyn Fn(&Path)| {
        let folder = folder_of_ones_own();
        change(folder.path());
        let found = fastembed_of_folder(folder.path(), &library, Precision::F32);
        found.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let write = |name: &'static str, text: &'static str| {
        move |folder: &Path| std::fs::write(folder.join(name), text).unwrap()
    };
    let gone = |name: &'static str| move |folder: &Path| std::fs::remove_file(folder.join(name)).unwrap();
    assert_eq!(says(&|_| ()), "");
    let pooling = "1_Pooling/config.json";
    assert!(says(&gone(pooling)).contains("how it pools"));
    assert!(says(&write(pooling, r#"{"pooling_mode_max_tokens": true}"#)).contains("`max_tokens`"));
    assert!(
        says(&write(pooling, r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#))
            .contains("alone")
    );
    assert!(
        says(&write("modules.json", r#"[{"type": "sentence_transformers.models.Dense"}]"#)).contains("Dense")
    );
    assert!(says(&write("modules.json", "[")).contains("modules.json"));
    assert!(
        says(&write(pooling, r#"{"pooling_mode_mean_tokens": true, "include_prompt": false}"#))
            .contains("prompts")
    );
    let every = r#"{"prompts": {"s": "night "}, "default_prompt_name": "s"}"#;
    assert!(says(&write("config_sentence_transformers.json", every)).contains("every text"));
    assert!(says(&write("sentence_bert_config.json", r#"{"max_seq_length": 8}"#)).contains("8 tokens"));
    assert!(says(&gone("tokenizer.json")).contains("tokenizer.json"));
    assert!(says(&gone("model.safetensors")).contains("model.safetensors"));
    assert!(says(&write("model.safetensors", "short")).contains("damaged"));
    let roberta = |folder: &Path| {
        let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
        std::fs::write(folder.join("config.json"), config.replace("\"bert\"", "\"roberta\"")).unwrap();
    };
    assert!(says(&roberta).contains("BERT"), "its places are counted otherwise");
    let nowhere = fastembed_of_folder(Path::new("no/such/folder"), &library, Precision::F32).err().unwrap();
    assert!(nowhere.to_string().contains("no such folder"), "{nowhere}");
    assert!(!nowhere.to_string().contains("models pull"), "nothing that is pulled helps: {nowhere}");
    assert!(!says(&gone("tokenizer.json")).contains("models pull"));
    assert!(!says(&gone("model.safetensors")).contains("models pull"));
    // The library cuts at what the tokenizer's file says, whatever the other file has.
    let short = r#"{"model_max_length": 8, "pad_token": "[PAD]"}"#;
    assert!(says(&write("tokenizer_config.json", short)).contains("8 tokens"));
    assert!(says(&write("tokenizer_config.json", &short.replace('8', "-1").leak()[..])).contains("0 tokens"));
    let long: &str = format!(r#"{{"prompts": {{"query": "{}"}}}}"#, "x".repeat(1_001)).leak();
    assert!(says(&write("config_sentence_transformers.json", long)).contains("1000 bytes"));
    // Without a length anywhere, a model is not used at some length or other.
    let silent = |folder: &Path| {
        std::fs::remove_file(folder.join("sentence_bert_config.json")).unwrap();
        let tokenizer = r#"{"model_max_length": 1000000000000000019884624838656, "pad_token": "[PAD]"}"#;
        std::fs::write(folder.join("tokenizer_config.json"), tokenizer).unwrap();
    };
    assert!(says(&silent).contains("how long a text may be"));
    let table = |kind: &'static str| {
        move |folder: &Path| {
            silent(folder);
            let file = folder.join("config.json");
            let mut config: serde_json::Value =
                serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            config["model_type"] = kind.into();
            config["max_position_embeddings"] = 256.into();
            std::fs::write(file, config.to_string()).unwrap();
        }
    };
    assert_eq!(says(&table("bert")), "", "the places of BERT's table can all be used");
    assert!(says(&table("roberta")).contains("how long a text may be"));
}

#[test]
fn a_graph_in_the_folder_is_run_where_its_weights_are_of_another_kind() {
    let Some(library) = pulled(Artifact::OnnxRuntime) else { return };
    let folder = folder_of_ones_own();
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    std::fs::create_dir(folder.path().join("onnx")).unwrap();
    let whole = table(8, &onnx::Data::Inline(lookup(8)));
    std::fs::write(folder.path().join("onnx/model.onnx"), whole).unwrap();
    let model = fastembed_of_folder(folder.path(), &library, Precision::F32).unwrap();
    conformance::run(model.as_ref(), 12);
    assert_eq!(model.space().dimension, 8);
    let error = fastembed_of_folder(folder.path(), &library, Precision::Int8).err().unwrap();
    assert!(error.to_string().contains("int8"), "{error}");
    // Weights in files that are not there, or not beside it, wherever that is.
    std::fs::write(folder.path().join("weights.bin"), lookup(8)).unwrap();
    let long = "w".repeat(200);
    for file in ["weights.bin", "../weights.bin", "/etc/passwd", ".", "", &long] {
        let beside = onnx::Data::External { file, offset: 0, length: 512 };
        std::fs::write(folder.path().join("onnx/model.onnx"), table(8, &beside)).unwrap();
        let error = fastembed_of_folder(folder.path(), &library, Precision::F32).err().unwrap();
        assert!(error.to_string().contains("its graph"), "{file}: {error}");
    }
    std::fs::rename(folder.path().join("weights.bin"), folder.path().join("onnx/weights.bin")).unwrap();
    let beside = onnx::Data::External { file: "weights.bin", offset: 0, length: 512 };
    std::fs::write(folder.path().join("onnx/model.onnx"), table(8, &beside)).unwrap();
    let in_two = fastembed_of_folder(folder.path(), &library, Precision::F32).unwrap();
    assert_eq!(in_two.embed(&["rope"]).unwrap(), model.embed(&["rope"]).unwrap());
    assert_ne!(in_two.space(), model.space());
    std::fs::write(folder.path().join("onnx/model.onnx"), b"nothing").unwrap();
    assert!(fastembed_of_folder(folder.path(), &library, Precision::F32).is_err());
}
