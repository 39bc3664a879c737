//! A cross-encoder that tests make: an ONNX graph of a dozen nodes that counts the pairs of equal tokens between question
//! and passage, with a tokenizer of given words. It stands for nothing; but it goes through every line that a real one
//! goes through, and what it must score can be counted by hand.

use crate::embedding::onnx::{self, Attr, Data, Element, Message};
use std::path::Path;

/// Operator, inputs, output and attributes.
type Node<'a> = (&'a str, Vec<&'a str>, &'a str, &'a [(&'a str, Attr<'a>)]);

const SPECIAL: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

fn whole(name: &str, values: &[i64]) -> Message {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    onnx::tensor(name, Element::I64, &[values.len() as u64], &Data::Inline(bytes))
}

/// The graph. `output` is `logits` in a cross-encoder; `columns` 1.
fn graph(output: &str, columns: i64) -> Vec<u8> {
    let f32 = [("to", Attr::Int(Element::F32 as i64))];
    let none: [(&str, Attr<'_>); 0] = [];
    let nodes: Vec<Node<'_>> = vec![
        ("Unsqueeze", vec!["input_ids", "two"], "down", &none),
        ("Unsqueeze", vec!["input_ids", "one"], "across", &none),
        ("Equal", vec!["down", "across"], "same", &none),
        ("Cast", vec!["same"], "equal", &f32),
        ("Cast", vec!["token_type_ids"], "second", &f32),
        ("Unsqueeze", vec!["second", "one"], "passage", &none),
        ("Unsqueeze", vec!["second", "two"], "not_question", &none),
        ("Sub", vec!["unit", "not_question"], "question", &none),
        ("Mul", vec!["equal", "passage"], "of_passage", &none),
        ("Mul", vec!["of_passage", "question"], "pairs", &none),
        ("ReduceSum", vec!["pairs", "one_two"], "count", &[("keepdims", Attr::Int(0))]),
        ("Unsqueeze", vec!["count", "one"], "column", &none),
        ("Expand", vec!["column", "columns"], output, &none),
    ];
    let mut graph = Message::default();
    for (at, (op, inputs, result, attributes)) in nodes.iter().enumerate() {
        graph.message(1, &onnx::node(op, &format!("node_{at}"), inputs, &[*result], attributes));
    }
    graph.text(2, "pairs");
    for (name, values) in [("one", &[1][..]), ("two", &[2]), ("one_two", &[1, 2]), ("columns", &[1, columns])]
    {
        graph.message(5, &whole(name, values));
    }
    let unit = Data::Inline(1.0f32.to_le_bytes().to_vec());
    graph.message(5, &onnx::tensor("unit", Element::F32, &[], &unit));
    for input in ["input_ids", "attention_mask", "token_type_ids"] {
        graph.message(11, &onnx::value_info(input, Element::I64, &[Err("batch"), Err("seq")]));
    }
    let shape = [Err("batch"), Ok(columns.unsigned_abs())];
    graph.message(12, &onnx::value_info(output, Element::F32, &shape));
    onnx::model(&graph, 17)
}

/// Writes the model, which knows these words (lower-case letters), into a folder.
///
/// # Errors
/// Of writing.
pub fn write(folder: &Path, words: &[&str]) -> std::io::Result<()> {
    write_with(folder, words, "logits", 1)
}

/// The same with another output, or more than one score: what no cross-encoder has.
///
/// # Errors
/// Of writing.
pub fn write_with(folder: &Path, words: &[&str], output: &str, columns: i64) -> std::io::Result<()> {
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes);
    write("model.onnx", &graph(output, columns))?;
    let labels: serde_json::Map<_, _> =
        (0..columns).map(|at| (at.to_string(), format!("LABEL_{at}").into())).collect();
    let config = serde_json::json!({
        "architectures": ["BertForSequenceClassification"], "id2label": labels,
        "max_position_embeddings": 512, "pad_token_id": 0,
    });
    write("config.json", config.to_string().as_bytes())?;
    let special = |(id, content): (usize, &&str)| {
        serde_json::json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true })
    };
    let vocabulary: serde_json::Map<_, _> =
        SPECIAL.iter().chain(words).enumerate().map(|(at, word)| ((*word).to_owned(), at.into())).collect();
    let token =
        |token: &str, kind: u8| serde_json::json!({ "SpecialToken": { "id": token, "type_id": kind } });
    let text = |name: &str, kind: u8| serde_json::json!({ "Sequence": { "id": name, "type_id": kind } });
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": SPECIAL.iter().enumerate().map(special).collect::<Vec<_>>(),
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "TemplateProcessing",
            "single": [token("[CLS]", 0), text("A", 0), token("[SEP]", 0)],
            "pair": [token("[CLS]", 0), text("A", 0), token("[SEP]", 0), text("B", 1), token("[SEP]", 1)],
            "special_tokens": {
                "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] } } },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary },
    });
    write("tokenizer.json", tokenizer.to_string().as_bytes())?;
    write("tokenizer_config.json", br#"{"model_max_length": 512, "pad_token": "[PAD]"}"#)?;
    write("special_tokens_map.json", br#"{"pad_token": "[PAD]", "unk_token": "[UNK]"}"#)
}
