//! Cross-encoders on ONNX Runtime by fastembed, from a folder in the layout of the hub. The folder is looked at when it is
//! opened, and loaded when it is first asked. One pair is one run of one session with one thread: it must never put two
//! passages into one run, where padding would let one change another's score.

use super::{RerankError, Reranker};
use crate::embedding::graph_file::GraphFile;
use crate::embedding::{EmbedError, described, model, runtime};
use crate::models::{self, Entry};
use crate::sessions::Sessions;
use fastembed::{
    OnnxSource, RerankInitOptionsUserDefined, TextRerank, TokenizerFiles, UserDefinedRerankingModel,
};
use ort::environment::Environment;
use ort::session::Session;
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the `config.json` of a cross-encoder names among its architectures, at the end of a name.
const ARCHITECTURE: &str = "ForSequenceClassification";
/// Tokens of a question and a passage together; models that take more are slow on a processor.
const MAX_TOKENS: usize = 512;
/// Fewer hold no question and passage.
const LEAST_TOKENS: usize = 64;
/// Each session holds its own copy of the weights, which may be a gigabyte.
const MAX_SESSIONS: usize = 4;

/// What of `config.json` says whether a model is one.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    id2label: BTreeMap<String, serde::de::IgnoredAny>,
    max_position_embeddings: Option<usize>,
}

/// What of `tokenizer_config.json` says where it cuts.
#[derive(Deserialize)]
struct Lengths {
    model_max_length: Option<f64>,
}

/// What sessions are made from.
#[derive(Clone)]
struct Model {
    files: TokenizerFiles,
    environment: Environment,
    max_tokens: usize,
}

struct CrossEncoder {
    /// With the hash of what it computes with.
    name: String,
    hash: String,
    folder: PathBuf,
    graph: GraphFile,
    onnxruntime: PathBuf,
    max_tokens: usize,
    parts: Mutex<Option<Model>>,
    sessions: Sessions<TextRerank>,
}

/// The cross-encoder in a folder, which is looked at and not yet loaded.
///
/// # Errors
/// [`RerankError`]: files are missing, or are of another kind of model.
pub fn cross_encoder(folder: &Path, onnxruntime: &Path) -> Result<Arc<dyn Reranker>, RerankError> {
    let full = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = full.file_name().map_or("model".into(), |name| name.to_string_lossy());
    open(&name, folder, None, onnxruntime)
}

/// One of the catalogue, in the folder where it was [pulled](crate::models::pull). Every file is compared with its hash first.
///
/// # Errors
/// [`RerankError`].
pub fn cross_encoder_named(
    entry: &Entry,
    folder: &Path,
    onnxruntime: &Path,
) -> Result<Arc<dyn Reranker>, RerankError> {
    models::check(folder, entry).map_err(|error| described::damaged(folder, &error))?;
    open(&entry.name, folder, Some(folder.join(&entry.graph)), onnxruntime)
}

fn open(
    name: &str,
    folder: &Path,
    graph: Option<PathBuf>,
    onnxruntime: &Path,
) -> Result<Arc<dyn Reranker>, RerankError> {
    let unfit = |reason: String| RerankError::Unfit { path: folder.to_owned(), reason: reason.into() };
    let needed = ["config.json", "tokenizer.json", "tokenizer_config.json"];
    if let Some(missing) = needed.iter().find(|name| !folder.join(name).is_file()) {
        return Err(unfit(format!("there is no {missing} in it")));
    }
    let config: Config = serde_json::from_slice(&model::read(folder, "config.json")?)
        .map_err(|_| unfit("its config.json cannot be read".to_owned()))?;
    if !config.architectures.iter().any(|name| name.ends_with(ARCHITECTURE)) {
        return Err(unfit(format!("its config.json names no architecture `…{ARCHITECTURE}`")));
    }
    if config.id2label.len() != 1 {
        let found =
            if config.id2label.is_empty() { "none".to_owned() } else { config.id2label.len().to_string() };
        return Err(unfit(format!("its config.json must have one label in `id2label`, and has {found}")));
    }
    // What the tokenizer's file says cuts as well, in the library.
    let of_tokenizer = serde_json::from_slice::<Lengths>(&model::read(folder, "tokenizer_config.json")?)
        .map_err(|_| unfit("its tokenizer_config.json cannot be read".to_owned()))?
        .model_max_length
        .filter(|length| *length < 1e6)
        .map(|length| length as usize);
    let max_tokens = [config.max_position_embeddings, of_tokenizer].into_iter().flatten().min();
    let max_tokens = max_tokens.unwrap_or(MAX_TOKENS).min(MAX_TOKENS);
    if max_tokens < LEAST_TOKENS {
        return Err(unfit(format!("it reads {max_tokens} tokens: too few for a question and a passage")));
    }
    let none = || unfit(format!("there is neither {} in it", model::GRAPH_FILES.join(" nor ")));
    let graph = graph.or_else(|| model::graph_file(folder)).ok_or_else(none)?;
    let graph = GraphFile::open(graph).map_err(|error| match error {
        EmbedError::ModelUnfit { reason, .. } => unfit(reason.into()),
        other => other.into(),
    })?;
    let hash = graph.hash()?;
    Ok(Arc::new(CrossEncoder {
        name: format!("{name}@{hash}"),
        hash,
        folder: folder.to_owned(),
        graph,
        onnxruntime: onnxruntime.to_owned(),
        max_tokens,
        parts: Mutex::new(None),
        sessions: Sessions::new(model::cores().min(MAX_SESSIONS)),
    }))
}

fn failed(error: &fastembed::Error) -> RerankError {
    RerankError::Engine {
        reason: match error {
            // Its words could hold what was tokenized.
            fastembed::Error::Tokenization(_) | fastembed::Error::EmptyTokenizations => {
                "a text could not be tokenized".into()
            }
            other => other.to_string().into(),
        },
    }
}

impl CrossEncoder {
    /// What sessions are made from; read on first use.
    fn parts(&self) -> Result<Model, RerankError> {
        let mut known = self.parts.lock();
        if let Some(model) = &*known {
            return Ok(model.clone());
        }
        let environment = runtime::environment(&self.onnxruntime)?;
        let optional = |name| match model::read(&self.folder, name) {
            Err(EmbedError::ModelMissing { .. }) => Ok(b"{}".to_vec()),
            read => read,
        };
        let files = TokenizerFiles {
            tokenizer_file: model::read(&self.folder, "tokenizer.json")?,
            config_file: model::read(&self.folder, "config.json")?,
            special_tokens_map_file: optional("special_tokens_map.json")?,
            tokenizer_config_file: model::read(&self.folder, "tokenizer_config.json")?,
        };
        self.check(&environment)?;
        let model = Model { files, environment, max_tokens: self.max_tokens };
        *known = Some(model.clone());
        Ok(model)
    }

    /// Whether the graph gives one number per pair under the name that is read: where it does not, the library would
    /// panic, or take the first of several.
    fn check(&self, environment: &Environment) -> Result<(), RerankError> {
        let engine = |error: String| RerankError::Engine { reason: error.into() };
        let mut builder = Session::builder(environment).map_err(|error| engine(error.to_string()))?;
        let session =
            builder.commit_from_file(&self.graph.path).map_err(|error| engine(error.to_string()))?;
        let output = session.outputs().iter().find(|output| output.name() == "logits");
        let shape = output.and_then(|output| output.dtype().tensor_shape());
        let one = shape.is_some_and(|shape| shape.len() == 2 && matches!(shape.get(1), Some(1 | -1)));
        if one {
            return Ok(());
        }
        let reason = "its graph has no output `logits` of one number for each pair".into();
        Err(RerankError::Unfit { path: self.folder.clone(), reason })
    }

    fn session(&self) -> Result<TextRerank, RerankError> {
        // INVARIANT: the hash in the name, which stands in every record of a search, is of what it computes with.
        if self.graph.hash()? != self.hash {
            return Err(RerankError::Engine {
                reason: "the model's files are other ones than when it was opened; start again".into(),
            });
        }
        let Model { files, environment, max_tokens } = self.parts()?;
        let options = RerankInitOptionsUserDefined::new()
            .with_environment(environment)
            .with_max_length(max_tokens)
            .with_intra_threads(1);
        let model = UserDefinedRerankingModel::new(OnnxSource::File(self.graph.path.clone()), files);
        TextRerank::try_new_from_user_defined(model, options).map_err(|error| failed(&error))
    }

    fn score_some(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let lost = || RerankError::Engine { reason: "the model gave another shape than expected".into() };
        let mut lent = self.sessions.lend(|| self.session())?;
        let session = lent.session().ok_or_else(lost)?;
        let mut scores = Vec::with_capacity(passages.len());
        for passage in passages {
            // INVARIANT: one pair per run; see the head of this file.
            let result =
                session.rerank(question, [*passage], false, Some(1)).map_err(|error| failed(&error))?;
            let score = result.first().map(|one| one.score).ok_or_else(lost)?;
            if !score.is_finite() {
                tracing::warn!(model = self.name, "the reranker gave a score that is no number");
            }
            // One passage must not end the searches that find it: it is the last of those that were read.
            scores.push(if score.is_finite() { score } else { f32::MIN });
        }
        Ok(scores)
    }
}

impl Reranker for CrossEncoder {
    fn model(&self) -> &str {
        &self.name
    }

    fn score(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let each = passages.len().div_ceil(self.sessions.most()).max(1);
        let mut parts = passages.chunks(each);
        // One part here, the others each on a thread of its own: a pair's score does not know which.
        let first = parts.next().unwrap_or_default();
        std::thread::scope(|scope| {
            let others: Vec<_> = parts.map(|part| scope.spawn(|| self.score_some(question, part))).collect();
            let mut scores = self.score_some(question, first);
            for other in others {
                let panicked = || RerankError::Engine { reason: "it ended in the middle".into() };
                let part = other.join().map_err(|_| panicked()).and_then(|part| part);
                scores = scores.and_then(|mut all| {
                    all.extend(part?);
                    Ok(all)
                });
            }
            scores
        })
    }
}
