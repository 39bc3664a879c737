//! A cross-encoder that tests make: an ONNX graph of a few nodes that counts the pairs of equal tokens between question and
//! passage, with a tokenizer of given words. It stands for nothing; but it goes through every line that a real one
//! goes through, and what it must score can be counted by hand. It adds a little for each token of a run, padding
//! too, so that two passages in one run are seen.

use crate::embedding::onnx::{self, Attr, Data, Element, Message};
use crate::embedding::wordpiece::SPECIAL;
use std::path::Path;

/// What each token of a run adds; a power of two, so that sums are exact.
pub const TOKEN: f32 = 1.0 / 4096.0;

/// Operator, inputs, output and attributes.
type Node<'a> = (&'a str, Vec<&'a str>, &'a str, &'a [(&'a str, Attr<'a>)]);

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
        ("Shape", vec!["input_ids"], "shape", &none),
        ("Slice", vec!["shape", "one", "two"], "length", &none),
        ("Cast", vec!["length"], "tokens", &f32),
        ("Mul", vec!["tokens", "little"], "padding_too", &none),
        ("Add", vec!["count", "padding_too"], "sum", &none),
        ("Unsqueeze", vec!["sum", "one"], "column", &none),
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
    for (name, value) in [("unit", 1.0), ("little", TOKEN)] {
        let bytes = Data::Inline(f32::to_le_bytes(value).to_vec());
        graph.message(5, &onnx::tensor(name, Element::F32, &[], &bytes));
    }
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
    let known: Vec<&str> = SPECIAL.iter().chain(words).copied().collect();
    let tokenizer = crate::embedding::wordpiece::tokenizer(&known);
    write("tokenizer.json", tokenizer.to_string().as_bytes())?;
    write("tokenizer_config.json", br#"{"model_max_length": 512, "pad_token": "[PAD]"}"#)?;
    write("special_tokens_map.json", br#"{"pad_token": "[PAD]", "unk_token": "[UNK]"}"#)
}
