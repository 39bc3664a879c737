//! The fastembed engine: all-MiniLM-L6-v2 on ONNX Runtime, on the CPU.
//!
//! Every text is one run of one session with one thread, so a vector depends on its text alone and is
//! bitwise the same whatever is embedded before, after or at the same time. A session serves one
//! caller at a time; as many are made as are used at once, at most [`Embedder::workers`].
//! Messages of errors never carry text that was embedded.

use super::graph::{self, Unfit};
use super::model::{self, Config, MAX_TOKENS, WEIGHTS_FILE, engine, read};
use super::{EmbedError, Embedder, EmbeddingSpace, Precision, runtime, weights};
use crate::sessions::{Lent, Sessions};
use fastembed::{InitOptionsUserDefined, Pooling, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use ort::environment::Environment;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

/// Each session holds its own copy of the weights (90 MB): beyond this many, memory is better spent.
const MAX_SESSIONS: usize = 16;

/// Everything that a session is made from.
struct Model {
    folder: PathBuf,
    graph: Vec<u8>,
    tokenizer_files: TokenizerFiles,
    environment: Environment,
}

pub(super) struct FastEmbed {
    space: EmbeddingSpace,
    tokenizer: Tokenizer,
    model: Model,
    sessions: Sessions<TextEmbedding>,
}

/// What a failure of the library may say. Words about a tokenization are not repeated: they could
/// hold what was tokenized.
fn failed(error: &fastembed::Error) -> EmbedError {
    match error {
        fastembed::Error::Tokenization(_) | fastembed::Error::EmptyTokenizations => {
            engine("a text could not be tokenized")
        }
        other => engine(other.to_string()),
    }
}

/// The graph over a file of weights.
pub(super) fn graph_of(config: &Config, weights: &[u8], precision: Precision) -> Result<Vec<u8>, EmbedError> {
    let tensors = weights::tensors(weights, weights.len() as u64);
    let tensors = tensors.ok_or_else(|| engine("the weights are damaged"))?;
    let whole = (precision == Precision::Int8).then_some(weights);
    graph::write(config, &tensors, whole).map_err(|unfit| match unfit {
        Unfit::Kind => engine("config.json is not that of a BERT encoder"),
        Unfit::Tensor(name) => engine(format!("the weights lack `{name}`")),
    })
}

impl Model {
    /// A session with one thread. Reads the weights again: while it is made they are there twice,
    /// afterwards only inside ONNX Runtime.
    fn session(&self, weights: Vec<u8>) -> Result<TextEmbedding, EmbedError> {
        // INVARIANT: pooling and length are set here; the library's defaults (first token, 512) give
        // other vectors without a word.
        let model = UserDefinedEmbeddingModel::new(self.graph.clone(), self.tokenizer_files.clone())
            .with_pooling(Pooling::Mean)
            .with_external_initializer(WEIGHTS_FILE.to_owned(), weights);
        let options = InitOptionsUserDefined::new()
            .with_environment(self.environment.clone())
            .with_max_length(MAX_TOKENS)
            .with_intra_threads(1);
        TextEmbedding::try_new_from_user_defined(model, options).map_err(|error| failed(&error))
    }
}

impl FastEmbed {
    /// Loads the model in `folder` and makes its first session.
    pub(super) fn open(folder: &Path, onnxruntime: &Path, precision: Precision) -> Result<Self, EmbedError> {
        let environment = runtime::environment(onnxruntime)?;
        let tokenizer_files = TokenizerFiles {
            tokenizer_file: read(folder, "tokenizer.json")?,
            config_file: read(folder, "config.json")?,
            special_tokens_map_file: read(folder, "special_tokens_map.json")?,
            tokenizer_config_file: read(folder, "tokenizer_config.json")?,
        };
        let config = Config::parse(&tokenizer_files.config_file)?;
        let tokenizer = model::tokenizer(&tokenizer_files.tokenizer_file)?;

        let bytes = read(folder, WEIGHTS_FILE)?;
        let graph = graph_of(&config, &bytes, precision)?;
        let mut space = model::space(
            "fastembed",
            Sha256::new_with_prefix(&bytes),
            &tokenizer_files.tokenizer_file,
            &config,
        );
        space.precision = precision.name().to_owned();
        let model = Model { folder: folder.to_owned(), graph, tokenizer_files, environment };
        let first = model.session(bytes)?;
        let sessions = Sessions::new(model::cores().min(MAX_SESSIONS));
        drop(sessions.lend(|| Ok::<_, EmbedError>(first))?);
        Ok(Self { space, tokenizer, model, sessions })
    }

    fn lend(&self) -> Result<Lent<'_, TextEmbedding>, EmbedError> {
        self.sessions.lend(|| self.model.session(read(&self.model.folder, WEIGHTS_FILE)?))
    }
}

impl Embedder for FastEmbed {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let mut lent = self.lend()?;
        let session = lent.session().ok_or_else(|| engine("a session was lost"))?;
        let mut vectors = Vec::with_capacity(texts.len());
        for text in texts {
            // INVARIANT: one text per run. In a batch, padding and kernels chosen by shape would let
            // one text change another's vector.
            let mut one = session.embed([text], Some(1)).map_err(|error| failed(&error))?;
            let vector = one.pop().filter(|v| v.len() == self.space.dimension);
            vectors.push(vector.ok_or_else(|| engine("the model gave another shape than expected"))?);
        }
        Ok(vectors)
    }

    fn count_tokens(&self, text: &str) -> usize {
        model::count_tokens(&self.tokenizer, text)
    }

    fn workers(&self) -> usize {
        self.sessions.most()
    }
}
