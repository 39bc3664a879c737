//! The encoder: embeddings, then layers of attention and of a wide step, each added to what was there and
//! normalised. Shapes are checked when the weights are read; nothing here may look at another text.

use super::attention::attend;
use super::norm::Norm;
use super::parameters::{Parameters, misshapen};
use super::{Config, EmbedError, MAX_TOKENS, engine, gelu, pool};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

/// `x · W + b`. The weights lie as [in, out], which is the order that the multiplication reads.
struct Linear {
    weight: Array2<f32>,
    bias: Array1<f32>,
}

impl Linear {
    /// Several layers of the same input side by side, as one: one multiplication instead of several.
    fn read(
        parameters: &mut Parameters,
        layers: &[String],
        input: usize,
        output: usize,
    ) -> Result<Self, EmbedError> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for layer in layers {
            let name = format!("{layer}.weight");
            let weight = parameters.table(&name, output, input)?;
            if weight.nrows() != output {
                return Err(misshapen(&name));
            }
            weights.push(weight);
            biases.push(parameters.vector(&format!("{layer}.bias"), output)?);
        }
        let views: Vec<_> = weights.iter().map(|w| w.t()).collect();
        let joined = concatenate(Axis(1), &views).map_err(|_| misshapen("weight"))?;
        let weight = joined.as_standard_layout().into_owned();
        let bias = biases.into_iter().flatten().collect();
        Ok(Self { weight, bias })
    }

    fn of(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut out = Array2::zeros((x.nrows(), self.weight.ncols()));
        out += &self.bias;
        general_mat_mul(1.0, &x, &self.weight, 1.0, &mut out);
        out
    }
}

struct Layer {
    /// Query, key and value side by side.
    looks: Linear,
    attended: Linear,
    after_attention: Norm,
    wide: Linear,
    narrow: Linear,
    after: Norm,
}

impl Layer {
    fn read(parameters: &mut Parameters, number: u64, config: &Sizes) -> Result<Self, EmbedError> {
        let name = format!("encoder.layer.{number}");
        let hidden = config.hidden;
        let looks = ["query", "key", "value"].map(|part| format!("{name}.attention.self.{part}"));
        let wide = parameters.rows(&format!("{name}.intermediate.dense.weight"))?;
        let one = |layer: &str| [format!("{name}.{layer}")];
        let norm = |layer: &str, parameters: &mut Parameters| {
            Norm::read(parameters, &format!("{name}.{layer}"), hidden, config.eps)
        };
        Ok(Self {
            looks: Linear::read(parameters, &looks, hidden, hidden)?,
            attended: Linear::read(parameters, &one("attention.output.dense"), hidden, hidden)?,
            after_attention: norm("attention.output.LayerNorm", parameters)?,
            wide: Linear::read(parameters, &one("intermediate.dense"), hidden, wide)?,
            narrow: Linear::read(parameters, &one("output.dense"), wide, hidden)?,
            after: norm("output.LayerNorm", parameters)?,
        })
    }

    fn of(&self, x: Array2<f32>, heads: usize) -> Array2<f32> {
        let context = attend(self.looks.of(x.view()).view(), heads);
        let mut attended = self.attended.of(context.view());
        attended += &x;
        self.after_attention.apply(&mut attended);
        let mut wide = self.wide.of(attended.view());
        gelu::apply(&mut wide);
        let mut narrow = self.narrow.of(wide.view());
        narrow += &attended;
        self.after.apply(&mut narrow);
        narrow
    }
}

struct Sizes {
    hidden: usize,
    heads: usize,
    eps: f32,
}

pub(super) struct Encoder {
    words: Array2<f32>,
    /// Embeddings of the places, with the one kind of text that there is here added to each.
    places: Array2<f32>,
    embedded: Norm,
    layers: Vec<Layer>,
    sizes: Sizes,
}

impl Encoder {
    /// Takes what it needs out of the weights.
    pub(super) fn new(config: &Config, parameters: &mut Parameters) -> Result<Self, EmbedError> {
        let size = |n: u64| usize::try_from(n).map_err(|_| engine("config.json has a size that is none"));
        let (hidden, heads) = (size(config.hidden_size)?, size(config.num_attention_heads)?);
        let sizes = Sizes { hidden, heads, eps: config.layer_norm_eps };
        let words = parameters.table("embeddings.word_embeddings.weight", 1, hidden)?;
        let kinds = parameters.table("embeddings.token_type_embeddings.weight", 1, hidden)?;
        let mut places = parameters.table("embeddings.position_embeddings.weight", MAX_TOKENS, hidden)?;
        places += &kinds.row(0);
        let embedded = Norm::read(parameters, "embeddings.LayerNorm", hidden, sizes.eps)?;
        let layers = (0..config.num_hidden_layers).map(|number| Layer::read(parameters, number, &sizes));
        let layers = layers.collect::<Result<_, _>>()?;
        Ok(Self { words, places, embedded, layers, sizes })
    }

    /// The unit vector of a text, given its tokens.
    ///
    /// # Errors
    /// [`EmbedError::Engine`] for more tokens than the model has places, or one that it does not know.
    pub(super) fn embed(&self, tokens: &[u32]) -> Result<Vec<f32>, EmbedError> {
        let fits = tokens.len() <= self.places.nrows();
        let known = tokens.iter().all(|token| (*token as usize) < self.words.nrows());
        if !fits || !known || tokens.is_empty() {
            return Err(engine("the tokenizer does not go with the weights"));
        }
        let mut x = Array2::zeros((tokens.len(), self.sizes.hidden));
        for ((mut row, token), place) in x.rows_mut().into_iter().zip(tokens).zip(self.places.rows()) {
            row += &self.words.row(*token as usize);
            row += &place;
        }
        self.embedded.apply(&mut x);
        let x = self.layers.iter().fold(x, |x, layer| layer.of(x, self.sizes.heads));
        pool::mean(x.view())
    }
}
