//! The fastembed engine: all-MiniLM-L6-v2, or a model in a folder, on ONNX Runtime, on the CPU.
//!
//! Every text is one run of one session with one thread, so a vector depends on its text alone and is
//! bitwise the same whatever is embedded before, after or at the same time. A session serves one
//! caller at a time; as many are made as are used at once, at most [`Embedder::workers`].
//! Messages of errors never carry text that was embedded.

use super::described::{self, Described};
use super::graph::{self, Unfit};
use super::model::{self, Config, WEIGHTS_FILE, engine, read};
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
    graph: Graph,
    described: Described,
    tokenizer_files: TokenizerFiles,
    environment: Environment,
}

/// Where the computation stands.
enum Graph {
    /// Written here, over the weights in this file.
    Written { graph: Vec<u8>, weights: PathBuf },
    /// In this file, with its weights.
    File(PathBuf),
}

impl Graph {
    /// The file that must be read for each session.
    fn file(&self) -> &Path {
        match self {
            Self::Written { weights, .. } => weights,
            Self::File(graph) => graph,
        }
    }
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

/// The graph of a folder's model: its weights', if there are weights in safetensors that a BERT encoder computes; else
/// the one that lies there.
fn graph_in(folder: &Path, config: &[u8], precision: Precision) -> Result<Graph, EmbedError> {
    let weights = folder.join(WEIGHTS_FILE);
    let stored = model::graph_file(folder);
    if weights.is_file() {
        let written = Config::parse(config).and_then(|config| graph_of(&config, &file(&weights)?, precision));
        match (written, &stored) {
            (Ok(graph), _) => return Ok(Graph::Written { graph, weights }),
            // Another kind of encoder, whose graph is there, too.
            (Err(_), Some(_)) if precision == Precision::F32 => {}
            (Err(error), _) => return Err(error),
        }
    }
    let unfit = |reason: &str| EmbedError::ModelUnfit { path: folder.to_owned(), reason: reason.into() };
    match stored {
        None if weights.is_file() => Err(unfit("its weights are of another kind of encoder")),
        None => Err(EmbedError::ModelMissing { name: weights.display().to_string().into() }),
        Some(_) if precision == Precision::Int8 => {
            Err(unfit("int8 is made of model.safetensors of a BERT encoder, and there is none"))
        }
        Some(graph) => Ok(Graph::File(graph)),
    }
}

/// Whether a graph names other files for its weights: an entry of `TensorProto.external_data`, whose key is `location`.
fn has_weights_elsewhere(graph: &[u8]) -> bool {
    const KEY: &[u8] = b"\x0a\x08location";
    graph.windows(KEY.len()).any(|bytes| bytes == KEY)
}

/// A file, whole.
fn file(path: &Path) -> Result<Vec<u8>, EmbedError> {
    std::fs::read(path).map_err(|source| model::unreadable(path, source))
}

impl Model {
    /// A session with one thread, of the bytes of the graph's file. While it is made they are there twice, afterwards
    /// only inside ONNX Runtime.
    fn session(&self, file: Vec<u8>) -> Result<TextEmbedding, EmbedError> {
        // INVARIANT: pooling and length are set here; the library's defaults (first token, 512) give
        // other vectors without a word.
        let files = self.tokenizer_files.clone();
        let model = match &self.graph {
            Graph::Written { graph, .. } => UserDefinedEmbeddingModel::new(graph.clone(), files)
                .with_external_initializer(WEIGHTS_FILE.to_owned(), file),
            Graph::File(_) => UserDefinedEmbeddingModel::new(file, files),
        };
        let model = model.with_pooling(match self.described.pooling {
            described::Pooling::Mean => Pooling::Mean,
            described::Pooling::First => Pooling::Cls,
        });
        let options = InitOptionsUserDefined::new()
            .with_environment(self.environment.clone())
            .with_max_length(self.described.max_tokens)
            .with_intra_threads(1);
        TextEmbedding::try_new_from_user_defined(model, options).map_err(|error| failed(&error))
    }
}

impl FastEmbed {
    /// Loads the model in `folder` and makes its first session.
    pub(super) fn open(
        folder: &Path,
        onnxruntime: &Path,
        described: Described,
        precision: Precision,
    ) -> Result<Self, EmbedError> {
        let environment = runtime::environment(onnxruntime)?;
        let tokenizer_files = TokenizerFiles {
            tokenizer_file: read(folder, "tokenizer.json")?,
            config_file: read(folder, "config.json")?,
            // Newer models have none: what stands in it is in the other files, too.
            special_tokens_map_file: match read(folder, "special_tokens_map.json") {
                Err(EmbedError::ModelMissing { .. }) => b"{}".to_vec(),
                read => read?,
            },
            tokenizer_config_file: read(folder, "tokenizer_config.json")?,
        };
        let tokenizer = model::tokenizer(&tokenizer_files.tokenizer_file)?;

        let graph = graph_in(folder, &tokenizer_files.config_file, precision)?;
        let bytes = file(graph.file())?;
        // INVARIANT: the hash in the space is of all that is computed with. Weights beside a graph could be others tomorrow,
        // under the same name, and the library would look for them where this process happens to run.
        if matches!(graph, Graph::File(_)) && has_weights_elsewhere(&bytes) {
            let reason = "its graph has its weights in another file, which is not read here".into();
            return Err(EmbedError::ModelUnfit { path: folder.to_owned(), reason });
        }
        let weights = Sha256::new_with_prefix(&bytes);
        let model = Model { graph, described, tokenizer_files, environment };
        let mut first = model.session(bytes)?;
        // It is asked once: what gives no vector is told now, and how many numbers one has no file says for certain.
        let vector = first.embed(["a"], Some(1)).map_err(|error| failed(&error))?.pop().unwrap_or_default();
        if vector.is_empty() || !vector.iter().all(|number| number.is_finite()) {
            return Err(engine("the model gives no vector"));
        }
        let tokens = &model.tokenizer_files.tokenizer_file;
        let mut space = model::space("fastembed", weights, tokens, &model.described, vector.len());
        space.precision = precision.name().to_owned();
        let sessions = Sessions::new(model::cores().min(MAX_SESSIONS));
        drop(sessions.lend(|| Ok::<_, EmbedError>(first))?);
        Ok(Self { space, tokenizer, model, sessions })
    }

    fn lend(&self) -> Result<Lent<'_, TextEmbedding>, EmbedError> {
        self.sessions.lend(|| self.model.session(file(self.model.graph.file())?))
    }

    fn prefixed(&self, prefix: &str, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let mut lent = self.lend()?;
        let session = lent.session().ok_or_else(|| engine("a session was lost"))?;
        let mut vectors = Vec::with_capacity(texts.len());
        for text in texts {
            let whole = format!("{prefix}{text}");
            // INVARIANT: one text per run. In a batch, padding and kernels chosen by shape would let
            // one text change another's vector.
            let mut one = session.embed([whole.as_str()], Some(1)).map_err(|error| failed(&error))?;
            let vector = one.pop().filter(|v| v.len() == self.space.dimension);
            vectors.push(vector.ok_or_else(|| engine("the model gave another shape than expected"))?);
        }
        Ok(vectors)
    }
}

impl Embedder for FastEmbed {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.prefixed(&self.model.described.passage_prefix, texts)
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let mut one = self.prefixed(&self.model.described.query_prefix, &[text])?;
        one.pop().ok_or_else(|| engine("no vector came"))
    }

    fn count_tokens(&self, text: &str) -> usize {
        let prefix = &self.model.described.passage_prefix;
        if prefix.is_empty() {
            return model::count_tokens(&self.tokenizer, text);
        }
        model::count_tokens(&self.tokenizer, &format!("{prefix}{text}"))
    }

    fn workers(&self) -> usize {
        self.sessions.most()
    }
}
