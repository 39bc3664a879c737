//! A tiny model for tests: weights from a counter, sixteen words, two layers. It stands for nothing; but an engine
//! that reads it wrong, or computes it wrong, gives other numbers than the reference that was made apart.

use super::onnx::{self, Attr, Data, Element, Message};
use std::path::Path;

/// The words that it knows.
const WORDS: [&str; 16] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "harbour", "master", "signs", "rope", "anchor", "tide",
    "night", "##s", "un", "##tie", ".",
];
const HIDDEN: usize = 32;
#[cfg(test)]
const WIDE: usize = 64;

/// Numbers from a counter.
#[cfg(test)]
struct Numbers(u64);

#[cfg(test)]
impl Numbers {
    fn tensor(&mut self, count: usize, scale: f32, base: f32) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            base + ((self.0 >> 40) as f32 / (1 << 24) as f32 - 0.5) * scale
        };
        (0..count).map(|_| next()).collect()
    }
}

/// Takes a tensor's name, shape, and the scale and base of its numbers.
#[cfg(test)]
type Add<'a> = dyn FnMut(String, &[usize], f32, f32) + 'a;

/// Tensors by name, in the order in which their numbers are drawn.
#[cfg(test)]
pub(super) fn tensors() -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let mut numbers = Numbers(20_251_117);
    let mut all = Vec::new();
    let mut add = |name: String, shape: &[usize], scale: f32, base: f32| {
        let drawn = numbers.tensor(shape.iter().product(), scale, base);
        all.push((name, shape.to_vec(), drawn));
    };
    add("embeddings.word_embeddings.weight".into(), &[WORDS.len(), HIDDEN], 2.0, 0.0);
    add("embeddings.position_embeddings.weight".into(), &[256, HIDDEN], 1.0, 0.0);
    add("embeddings.token_type_embeddings.weight".into(), &[2, HIDDEN], 1.0, 0.0);
    let norm = |add: &mut Add<'_>, name: String| {
        add(format!("{name}.weight"), &[HIDDEN], 0.5, 1.0);
        add(format!("{name}.bias"), &[HIDDEN], 0.2, 0.0);
    };
    let linear = |add: &mut Add<'_>, name: String, out: usize, input: usize| {
        add(format!("{name}.weight"), &[out, input], 0.5, 0.0);
        add(format!("{name}.bias"), &[out], 0.2, 0.0);
    };
    norm(&mut add, "embeddings.LayerNorm".into());
    for layer in 0..2 {
        let layer = format!("encoder.layer.{layer}");
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            linear(&mut add, format!("{layer}.attention.{part}"), HIDDEN, HIDDEN);
        }
        norm(&mut add, format!("{layer}.attention.output.LayerNorm"));
        linear(&mut add, format!("{layer}.intermediate.dense"), WIDE, HIDDEN);
        linear(&mut add, format!("{layer}.output.dense"), HIDDEN, WIDE);
        norm(&mut add, format!("{layer}.output.LayerNorm"));
    }
    all
}

/// A safetensors file of these tensors.
#[cfg(test)]
pub(super) fn safetensors(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, shape, numbers) in tensors {
        let start = data.len();
        data.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
        let entry =
            serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(name.clone(), entry);
    }
    let mut header = serde_json::to_string(&header).unwrap();
    header.extend(std::iter::repeat_n(' ', (8 - header.len() % 8) % 8));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&data);
    file
}

/// Writes the whole model.
#[cfg(test)]
pub(super) fn write(folder: &Path) {
    std::fs::write(folder.join("model.safetensors"), safetensors(&tensors())).unwrap();
    write_files(folder).unwrap();
}

/// Writes a model that hardly is one into a folder: a graph in `onnx/model.onnx` that looks its tokens' vectors up.
///
/// # Errors
/// Of writing.
pub fn write_table(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder.join("onnx"))?;
    std::fs::write(folder.join("onnx/model.onnx"), table(8, &Data::Inline(lookup(8))))?;
    write_files(folder)
}

/// What both have besides their numbers.
fn write_files(folder: &Path) -> std::io::Result<()> {
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes);
    let config = serde_json::json!({
        "hidden_size": HIDDEN, "num_attention_heads": 4, "num_hidden_layers": 2, "layer_norm_eps": 1e-12,
        "hidden_act": "gelu", "model_type": "bert", "position_embedding_type": "absolute", "pad_token_id": 0,
    });
    write("config.json", config.to_string().as_bytes())?;
    let mut tokenizer = super::wordpiece::tokenizer(&WORDS);
    // Cuts and pads at 128, as the real one's file says, and wrongly so.
    let cut = serde_json::json!({
        "direction": "Right", "max_length": 128, "strategy": "LongestFirst", "stride": 0,
    });
    let pad = serde_json::json!({
        "strategy": { "Fixed": 128 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "[PAD]",
    });
    if let Some(fields) = tokenizer.as_object_mut() {
        fields.insert("truncation".to_owned(), cut);
        fields.insert("padding".to_owned(), pad);
    }
    write("tokenizer.json", tokenizer.to_string().as_bytes())?;
    write("tokenizer_config.json", br#"{"model_max_length": 512, "pad_token": "[PAD]"}"#)?;
    let map = r#"{"cls_token": "[CLS]", "pad_token": "[PAD]", "sep_token": "[SEP]", "unk_token": "[UNK]"}"#;
    write("special_tokens_map.json", map.as_bytes())
}

/// Numbers of a table for sixteen tokens.
pub(crate) fn lookup(width: u64) -> Vec<u8> {
    (0..16 * width).flat_map(|n| ((n * 37 % 101) as f32 - 50.0).to_le_bytes()).collect()
}

/// A graph that looks its tokens' vectors up, which is an encoder, if hardly one.
pub(crate) fn table(width: u64, numbers: &Data<'_>) -> Vec<u8> {
    let mut graph = Message::default();
    let axis = [("axis", Attr::Int(0))];
    graph.message(1, &onnx::node("Gather", "n", &["table", "input_ids"], &["last_hidden_state"], &axis));
    graph.text(2, "table");
    graph.message(5, &onnx::tensor("table", Element::F32, &[16, width], numbers));
    for input in ["input_ids", "attention_mask", "token_type_ids"] {
        graph.message(11, &onnx::value_info(input, Element::I64, &[Err("batch"), Err("seq")]));
    }
    let shape = [Err("batch"), Err("seq"), Ok(width)];
    graph.message(12, &onnx::value_info("last_hidden_state", Element::F32, &shape));
    onnx::model(&graph, 17)
}
