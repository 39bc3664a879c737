//! The fastembed engine: all-MiniLM-L6-v2, or a model in a folder, on ONNX Runtime, on the CPU.
//!
//! Every text is one run of one session with one thread, so a vector depends on its text alone and is
//! bitwise the same whatever is embedded before, after or at the same time. A session serves one
//! caller at a time; as many are made as are used at once, at most [`Embedder::workers`].
//! Messages of errors never carry text that was embedded.

use super::described::{self, Described};
use super::graph::{self, Unfit};
use super::graph_file::{GraphFile, Loaded};
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
    /// Of all that is read for a session.
    hash: String,
    described: Described,
    tokenizer_files: TokenizerFiles,
    environment: Environment,
}

/// Where the computation stands.
enum Graph {
    /// Written here, over the weights in this file.
    Written { graph: Vec<u8>, weights: PathBuf },
    /// In this file, with its weights, or with them beside it.
    File(GraphFile),
}

impl Graph {
    /// Reads what a session is made from, each time anew: it is held twice only for that long.
    fn load(&self) -> Result<Loaded, EmbedError> {
        match self {
            Self::File(graph) => graph.load(),
            Self::Written { graph, weights } => {
                let bytes = file(weights)?;
                let hash = model::short(Sha256::new_with_prefix(&bytes));
                Ok(Loaded { graph: graph.clone(), beside: vec![(WEIGHTS_FILE.to_owned(), bytes)], hash })
            }
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

/// The graph of a folder's model: the one that is known; else its weights', if there are weights in safetensors that a BERT
/// encoder computes; else the one that lies there.
fn graph_in(
    folder: &Path,
    known: Option<&PathBuf>,
    config: &[u8],
    precision: Precision,
) -> Result<Graph, EmbedError> {
    let unfit = |reason: &str| EmbedError::ModelUnfit { path: folder.to_owned(), reason: reason.into() };
    if let Some(known) = known {
        if precision == Precision::Int8 {
            return Err(unfit(
                "int8 is not made of its graph; some models have a smaller one, under a name with `-q`",
            ));
        }
        return GraphFile::open(known.clone()).map(Graph::File);
    }
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
    match stored {
        None if weights.is_file() => Err(unfit("its weights are of another kind of encoder")),
        None => Err(EmbedError::ModelMissing { name: weights.display().to_string().into() }),
        Some(_) if precision == Precision::Int8 => {
            Err(unfit("int8 is made of model.safetensors of a BERT encoder, and there is none"))
        }
        Some(graph) => GraphFile::open(graph).map(Graph::File),
    }
}

/// A file, whole.
fn file(path: &Path) -> Result<Vec<u8>, EmbedError> {
    crate::regular::read(path).map_err(|source| model::unreadable(path, source))
}

impl Model {
    /// A session with one thread. While it is made its bytes are there twice, afterwards only inside ONNX Runtime.
    fn session(&self, loaded: Loaded) -> Result<TextEmbedding, EmbedError> {
        // INVARIANT: the hash in the space is of all that is computed with. What lies there now may be another model.
        if loaded.hash != self.hash {
            return Err(engine("the model's files are other ones than when it was opened; start again"));
        }
        // INVARIANT: pooling and length are set here; the library's defaults (first token, 512) give
        // other vectors without a word.
        let files = self.tokenizer_files.clone();
        let model =
            UserDefinedEmbeddingModel::new(loaded.graph, files).with_pooling(match self.described.pooling {
                described::Pooling::Mean => Pooling::Mean,
                described::Pooling::First => Pooling::Cls,
            });
        let mut model = loaded
            .beside
            .into_iter()
            .fold(model, |model, (name, bytes)| model.with_external_initializer(name, bytes));
        model.output_key.clone_from(&self.described.output);
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

        let graph = graph_in(folder, described.graph.as_ref(), &tokenizer_files.config_file, precision)?;
        let loaded = graph.load()?;
        let model = Model { graph, hash: loaded.hash.clone(), described, tokenizer_files, environment };
        let mut first = model.session(loaded)?;
        // It is asked once: what gives no vector is told now, and how many numbers one has no file says for certain.
        let vector = first.embed(["a"], Some(1)).map_err(|error| failed(&error))?.pop().unwrap_or_default();
        let somewhere = vector.iter().any(|number| *number != 0.0);
        if !somewhere || !vector.iter().all(|number| number.is_finite()) {
            return Err(engine("the model gives no vector"));
        }
        let tokens = &model.tokenizer_files.tokenizer_file;
        let mut space = model::space("fastembed", &model.hash, tokens, &model.described, vector.len());
        let came = if model.described.quantized { "quantized" } else { precision.name() };
        space.precision = came.to_owned();
        let sessions = Sessions::new(model::cores().min(MAX_SESSIONS));
        drop(sessions.lend(|| Ok::<_, EmbedError>(first))?);
        Ok(Self { space, tokenizer, model, sessions })
    }

    fn lend(&self) -> Result<Lent<'_, TextEmbedding>, EmbedError> {
        self.sessions.lend(|| self.model.session(self.model.graph.load()?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::synthetic;

    #[test]
    fn no_session_is_made_of_other_files_than_were_opened() {
        let artifact = crate::models::Artifact::OnnxRuntime;
        let Some(library) = crate::embedding::tests::pulled(artifact) else { return };
        let folder = tempfile::tempdir().unwrap();
        synthetic::write(folder.path());
        let model = FastEmbed::open(folder.path(), &library, Described::minilm(), Precision::F32).unwrap();
        model.model.session(model.model.graph.load().unwrap()).unwrap();
        let mut tensors = synthetic::tensors();
        if let Some(number) = tensors.iter_mut().flat_map(|(_, _, numbers)| numbers).next() {
            *number += 1.0;
        }
        let weights = folder.path().join(WEIGHTS_FILE);
        std::fs::write(&weights, synthetic::safetensors(&tensors)).unwrap();
        let error = model.model.session(model.model.graph.load().unwrap()).err().unwrap();
        assert!(error.to_string().contains("start again"), "{error}");
    }
}
