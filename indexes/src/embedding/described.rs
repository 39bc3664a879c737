//! What a model is besides its numbers: how tokens become one vector, how long a text may be, what goes before a query and
//! before a passage. For the model that is pulled it is written here; for one of the catalogue, there; for a folder its own
//! files say it, in the layout of sentence-transformers. It must never guess where a file is silent: a model that is used
//! otherwise than it was trained ranks badly, and nothing tells.

use super::EmbedError;
use super::model::{self, MAX_TOKENS, WEIGHTS_FILE, read};
use crate::models::{self, Entry};
use fastembed::OutputKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How tokens' vectors become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first token.
    First,
}

/// What goes before every text, in bytes at most.
const LONGEST_PROMPT: usize = 1_000;

/// A model, as its files describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) pooling: Pooling,
    /// Longest input in tokens, special ones included.
    pub(super) max_tokens: usize,
    pub(super) query_prefix: String,
    pub(super) passage_prefix: String,
    /// The graph, where it is known which; its output, where it has several; and whether it came in whole numbers.
    pub(super) graph: Option<PathBuf>,
    pub(super) output: Option<OutputKey>,
    pub(super) quantized: bool,
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Length {
    max_seq_length: Option<usize>,
}

#[derive(Deserialize)]
struct TokenizerLength {
    model_max_length: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Positions {
    #[serde(default)]
    model_type: String,
    max_position_embeddings: Option<usize>,
}

#[derive(Deserialize)]
struct Prompts {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

impl Described {
    /// all-MiniLM-L6-v2, as it is pulled: its own files are wrong about its length.
    pub(super) fn minilm() -> Self {
        Self {
            name: "all-MiniLM-L6-v2".to_owned(),
            pooling: Pooling::Mean,
            max_tokens: MAX_TOKENS,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            graph: None,
            output: None,
            quantized: false,
        }
    }

    /// A model of the catalogue, whose files are those of its lock.
    ///
    /// # Errors
    /// [`EmbedError::ModelUnfit`]: they are not, or do not say how long a text may be.
    pub(super) fn named(folder: &Path, entry: &Entry) -> Result<Self, EmbedError> {
        let unfit =
            |reason: String| EmbedError::ModelUnfit { path: folder.to_owned(), reason: reason.into() };
        models::check(folder, entry).map_err(|error| damaged(folder, &error))?;
        let usage = entry.usage.as_ref().ok_or_else(|| unfit("it is no embedding model".to_owned()))?;
        Ok(Self {
            name: entry.name.clone(),
            pooling: match usage.pooling {
                fastembed::Pooling::Mean => Pooling::Mean,
                fastembed::Pooling::Cls => Pooling::First,
            },
            max_tokens: max_tokens(folder)?,
            query_prefix: usage.query_prefix.to_owned(),
            passage_prefix: usage.passage_prefix.to_owned(),
            graph: Some(folder.join(&entry.graph)),
            output: usage.output.clone(),
            quantized: usage.quantized,
        })
    }

    /// The model in a folder.
    ///
    /// # Errors
    /// [`EmbedError::ModelUnfit`]: its files do not say what is needed, or say something that is not computed here.
    pub(super) fn read(folder: &Path) -> Result<Self, EmbedError> {
        let unfit =
            |reason: String| EmbedError::ModelUnfit { path: folder.to_owned(), reason: reason.into() };
        if !folder.is_dir() {
            return Err(unfit("there is no such folder".to_owned()));
        }
        let full = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let name =
            full.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned());
        if let Some(modules) = json::<Vec<Module>>(folder, "modules.json")? {
            let known = ["Transformer", "Pooling", "Normalize"];
            let other = modules.iter().find(|module| !known.iter().any(|kind| module.kind.ends_with(kind)));
            if let Some(other) = other {
                return Err(unfit(format!(
                    "its modules.json has a layer that is not computed here: {}",
                    other.kind
                )));
            }
        }
        let needed = ["config.json", "tokenizer.json", "tokenizer_config.json"];
        if let Some(missing) = needed.iter().find(|name| !folder.join(name).is_file()) {
            return Err(unfit(format!("there is no {missing} in it")));
        }
        if !folder.join(WEIGHTS_FILE).is_file() && model::graph_file(folder).is_none() {
            let graphs = model::GRAPH_FILES.join(" nor ");
            return Err(unfit(format!("there is neither {WEIGHTS_FILE} nor {graphs} in it")));
        }
        let max_tokens = max_tokens(folder)?;
        let prompts = json::<Prompts>(folder, "config_sentence_transformers.json")?;
        if let Some(name) = prompts.as_ref().and_then(|said| said.default_prompt_name.as_ref()) {
            return Err(unfit(format!(
                "it puts its prompt `{name}` before every text, which is not done here"
            )));
        }
        let prompts = prompts.map(|said| said.prompts).unwrap_or_default();
        if prompts.values().any(|prompt| prompt.len() > LONGEST_PROMPT) {
            return Err(unfit(format!("it has a prompt of more than {LONGEST_PROMPT} bytes")));
        }
        let prompt =
            |names: &[&str]| names.iter().find_map(|name| prompts.get(*name)).cloned().unwrap_or_default();
        Ok(Self {
            name,
            pooling: pooling(folder)?,
            max_tokens,
            query_prefix: prompt(&["query"]),
            passage_prefix: prompt(&["document", "passage"]),
            graph: None,
            output: None,
            quantized: false,
        })
    }

    /// Pooling and what goes before texts, for the space: with another of these, vectors mean something else.
    pub(super) fn pooled(&self) -> String {
        let pooling = match self.pooling {
            Pooling::Mean => "mean",
            Pooling::First => "first",
        };
        match self.query_prefix.is_empty() && self.passage_prefix.is_empty() {
            true => pooling.to_owned(),
            false => format!("{pooling}; query {:?}, passage {:?}", self.query_prefix, self.passage_prefix),
        }
    }
}

/// How many tokens a text may have.
fn max_tokens(folder: &Path) -> Result<usize, EmbedError> {
    let unfit = |reason: String| EmbedError::ModelUnfit { path: folder.to_owned(), reason: reason.into() };
    let config = json::<Positions>(folder, "config.json")?.unwrap_or_default();
    let positions = config.max_position_embeddings;
    let said = json::<Length>(folder, "sentence_bert_config.json")?.and_then(|said| said.max_seq_length);
    let of_tokenizer = json::<TokenizerLength>(folder, "tokenizer_config.json")?
        .and_then(|said| said.model_max_length)
        // Some files say 10^30 where they mean that they do not know.
        .filter(|length| *length < 1e6)
        .map(|length| length as usize);
    // In other tables than BERT's not every place can be used: RoBERTa's begins with two that are none.
    let of_table = positions.filter(|_| config.model_type == "bert");
    // The least that any of them says: the library cuts at what the tokenizer's file has, whatever the others say.
    let max_tokens = [said, of_tokenizer, of_table].into_iter().flatten().min();
    let max_tokens =
        max_tokens.ok_or_else(|| unfit("none of its files says how long a text may be".to_owned()))?;
    let max_tokens = positions.map_or(max_tokens, |positions| max_tokens.min(positions));
    if max_tokens < 16 {
        return Err(unfit(format!("its texts may have {max_tokens} tokens: too few for a passage")));
    }
    Ok(max_tokens)
}

/// A model of the catalogue that is not what was pulled.
pub(crate) fn damaged(folder: &Path, error: &models::PullError) -> EmbedError {
    EmbedError::ModelDamaged { path: folder.to_owned(), reason: error.reason().into() }
}

fn pooling(folder: &Path) -> Result<Pooling, EmbedError> {
    let unfit = |reason: String| EmbedError::ModelUnfit { path: folder.to_owned(), reason: reason.into() };
    let file = "1_Pooling/config.json";
    let said: BTreeMap<String, serde_json::Value> = json(folder, file)?
        .ok_or_else(|| unfit(format!("there is no {file} in it, which says how it pools")))?;
    if said.get("include_prompt").and_then(serde_json::Value::as_bool) == Some(false) {
        return Err(unfit(format!("its {file} leaves prompts out of the pooling, which is not done here")));
    }
    let modes: Vec<&str> = said
        .iter()
        .filter(|(_, value)| value.as_bool() == Some(true))
        .filter_map(|(key, _)| key.strip_prefix("pooling_mode_"))
        .collect();
    match modes.as_slice() {
        ["mean_tokens"] => Ok(Pooling::Mean),
        ["cls_token"] => Ok(Pooling::First),
        other => Err(unfit(format!(
            "its {file} says `{}`; mean_tokens or cls_token alone is computed",
            other.join(", ")
        ))),
    }
}

/// A file of the folder; `None` if it is not there.
fn json<T: DeserializeOwned>(folder: &Path, file: &str) -> Result<Option<T>, EmbedError> {
    match read(folder, file) {
        Err(EmbedError::ModelMissing { .. }) => Ok(None),
        Err(error) => Err(error),
        Ok(bytes) => {
            let unfit = |_| EmbedError::ModelUnfit {
                path: folder.to_owned(),
                reason: format!("its {file} cannot be read").into(),
            };
            serde_json::from_slice(&bytes).map(Some).map_err(unfit)
        }
    }
}
