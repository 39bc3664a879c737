//! Which embedder runs: the one that the documents here were embedded by, if it can be had; where there are none
//! yet, the one that the configuration asks for. It must never put vectors of two engines side by side: where the
//! engine that an index names cannot be had, words alone are searched, and it is said.

use crate::config::model::{Model, meant};
use crate::config::{Config, Engine};
use crate::outgoing::Outgoing;
use crate::owner::ops::{EmbeddingState, Otherwise};
use kenward_indexes::embedding::{self, EmbedError, Embedder, EmbeddingSpace, Precision, remote};
use kenward_indexes::models::{self, Artifact, Entry, Kind};
use std::path::PathBuf;
use std::sync::Arc;

/// Numbers per vector of the hashing embedder, which is for tests.
const HASHING_DIMENSION: usize = 256;

/// What was chosen.
pub(super) struct Chosen {
    pub embedder: Option<Arc<dyn Embedder>>,
    pub state: EmbeddingState,
    /// What would have to come for one to run.
    pub lacking: Vec<Artifact>,
}

/// An embedder that is not the one the documents here were embedded by.
const ANEW: &str = "`kenward ingest --re-embed` embeds the documents anew by what there is";

/// Chooses, given the space that the documents here are embedded in, if any is.
///
/// # Errors
/// [`EmbedError`] if the configuration insists on an engine that cannot be had.
pub(super) fn choose(config: &Config, recorded: Option<EmbeddingSpace>) -> Result<Chosen, EmbedError> {
    if config.engine == Engine::None {
        let reason = "`embedding.engine` is `none`".to_owned();
        let state = EmbeddingState::LexicalOnly { reason, hint: None };
        return Ok(Chosen { embedder: None, state, lacking: Vec::new() });
    }
    let Some(recorded) = recorded else { return wanted(config) };
    let Some(engine) =
        Engine::of_space(&recorded.engine).filter(|e| !by_name_alone(*e) || config.engine == *e)
    else {
        return Ok(cannot_go_on(&recorded, "which the configuration does not ask for"));
    };
    let precision = Precision::named(&recorded.precision).unwrap_or_default();
    let (found, of_configured) = of_space(config, engine, precision, &recorded);
    match found {
        Ok(embedder) if *embedder.space() == recorded => {
            let asked = if config.engine != Engine::Auto && config.engine != engine {
                Some(format!("`embedding.engine` is `{}`", config.engine.name()))
            } else if !of_configured {
                let asked = config.model.as_ref().map_or("all-MiniLM-L6-v2".to_owned(), ToString::to_string);
                Some(format!("`embedding.model` is {asked}"))
            } else if engine == Engine::Fastembed && config.precision != precision {
                Some(format!("`embedding.precision` is `{}`", config.precision.name()))
            } else {
                None
            };
            let otherwise = asked.map(|asked| Otherwise {
                what: format!("{asked}, and the documents are embedded by this one"),
                hint: ANEW.to_owned(),
            });
            Ok(running(embedder, otherwise))
        }
        Ok(embedder) => {
            let name = |space: &EmbeddingSpace| space.model.split('@').next().map(ToOwned::to_owned);
            let same = name(embedder.space()) == name(&recorded);
            let what = if same {
                "of which there is another edition here"
            } else {
                "which the configuration does not name"
            };
            Ok(cannot_go_on(&recorded, what))
        }
        Err(error) if config.engine == engine || config.model.is_some() => Err(error),
        Err(error) => {
            let (reason, _) = crate::owner::words(&error);
            let reason = format!("the documents were embedded by `{}`: {reason}", recorded.engine);
            let hint = Some(format!("{}; or {ANEW}", way_to_an_embedder(&error)));
            Ok(Chosen {
                embedder: None,
                state: EmbeddingState::LexicalOnly { reason, hint },
                lacking: needs(engine).to_vec(),
            })
        }
    }
}

/// What never goes on because documents were embedded by it once: the configuration must name it.
fn by_name_alone(engine: Engine) -> bool {
    matches!(engine, Engine::Hashing | Engine::Remote)
}

/// Where what is embedded goes, if it leaves this machine, and what that costs.
pub(super) fn leaves(space: &EmbeddingSpace) -> Option<String> {
    let host = space.model.rsplit_once(" at ").map_or("the endpoint", |(_, host)| host);
    (space.engine == remote::ENGINE)
        .then(|| format!("TEXTS AND QUERIES LEAVE THIS MACHINE, to {host}; non-interference is not promised"))
}

fn cannot_go_on(recorded: &EmbeddingSpace, what: &str) -> Chosen {
    let reason = format!("the documents were embedded by `{}` {}, {what}", recorded.engine, recorded.model);
    let state = EmbeddingState::LexicalOnly { reason, hint: Some(ANEW.to_owned()) };
    Chosen { embedder: None, state, lacking: Vec::new() }
}

fn running(embedder: Arc<dyn Embedder>, otherwise: Option<Otherwise>) -> Chosen {
    let (engine, leaves) = (embedder.space().to_string(), leaves(embedder.space()));
    let state = EmbeddingState::Running { engine, otherwise, leaves };
    Chosen { embedder: Some(embedder), state, lacking: Vec::new() }
}

/// What the configuration asks for, whatever the documents here are embedded by.
fn wanted(config: &Config) -> Result<Chosen, EmbedError> {
    let engine = if config.model.is_some() { Engine::Fastembed } else { config.engine };
    if engine != Engine::Auto {
        return load(config, engine, config.precision).map(|embedder| running(embedder, None));
    }
    let first = match load(config, Engine::Fastembed, config.precision) {
        Ok(embedder) => return Ok(running(embedder, None)),
        Err(error) => error,
    };
    let (reason, _) = crate::owner::words(&first);
    let hint = way_to_an_embedder(&first);
    match load(config, Engine::Builtin, Precision::F32) {
        Ok(embedder) => {
            let what = format!("the slower engine, because fastembed cannot be used: {reason}");
            Ok(running(embedder, Some(Otherwise { what, hint })))
        }
        Err(_) => Ok(Chosen {
            embedder: None,
            state: EmbeddingState::LexicalOnly { reason, hint: Some(hint) },
            lacking: needs(Engine::Builtin).to_vec(),
        }),
    }
}

/// What documents are to be embedded anew by: what the configuration asks for, whatever embedded them before.
///
/// # Errors
/// What is wrong, and what to do.
pub fn target(config: &Config) -> Result<Arc<dyn Embedder>, (String, String)> {
    if config.engine == Engine::None {
        let hint = "set it to `auto`, `fastembed` or `builtin`".to_owned();
        return Err(("`embedding.engine` is `none`: there is nothing to embed by".to_owned(), hint));
    }
    match wanted(config) {
        Ok(Chosen { embedder: Some(embedder), .. }) => Ok(embedder),
        Ok(Chosen { state: EmbeddingState::LexicalOnly { reason, hint }, .. }) => {
            Err((reason, hint.unwrap_or_default()))
        }
        Ok(Chosen { .. }) => Err(("no embedder can be had".to_owned(), "see `kenward doctor`".to_owned())),
        Err(error) => Err((crate::owner::words(&error).0, way_to_an_embedder(&error))),
    }
}

/// What to do about an embedder that cannot be had.
#[must_use]
pub fn way_to_an_embedder(error: &EmbedError) -> String {
    let named = std::env::var_os("ORT_DYLIB_PATH").is_some_and(|value| !value.is_empty());
    let of_library = matches!(error, EmbedError::RuntimeMissing { .. } | EmbedError::RuntimeUnusable { .. });
    // A library that the environment names goes before ours: fetching one would change nothing.
    if named && of_library {
        return "unset `ORT_DYLIB_PATH`, or set it to an ONNX Runtime of version 1.24 or newer".to_owned();
    }
    if let EmbedError::ModelDamaged { path, .. } = error {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
        return format!("`kenward models pull {name}` fetches it anew");
    }
    if let EmbedError::ModelUnfit { path, .. } = error {
        if let Some(meant) = meant(path, Kind::Embedding).filter(|_| !path.exists()) {
            return format!("did you mean `{meant}`? (`kenward models list --all` has all names)");
        }
        return "name the folder of a model that computes text embeddings, or leave `embedding.model` out"
            .to_owned();
    }
    "fetch what is missing with `kenward models pull`".to_owned()
}

/// The embedder of a space, and whether it is of the model that the configuration asks for: documents go on with the one
/// that embedded them after another was named, if it has a name itself. Where none is of the space, what is asked for.
fn of_space(
    config: &Config,
    engine: Engine,
    precision: Precision,
    space: &EmbeddingSpace,
) -> (Result<Arc<dyn Embedder>, EmbedError>, bool) {
    let found = load(config, engine, precision);
    let is_of_it = |found: &Result<Arc<dyn Embedder>, EmbedError>| {
        found.as_ref().is_ok_and(|embedder| embedder.space() == space)
    };
    if is_of_it(&found) {
        return (found, config.model.is_none() || engine == Engine::Fastembed);
    }
    let known = space.model.split('@').next().and_then(models::find);
    let other = match known.filter(|_| engine == Engine::Fastembed) {
        Some(entry) => named(config, entry, precision),
        None if config.model.is_some() => pulled(config, engine, precision),
        None => return (found, true),
    };
    if is_of_it(&other) { (other, false) } else { (found, true) }
}

fn load(config: &Config, engine: Engine, precision: Precision) -> Result<Arc<dyn Embedder>, EmbedError> {
    match config.model.as_ref().filter(|_| engine == Engine::Fastembed) {
        None => pulled(config, engine, precision),
        Some(Model::Folder(folder)) => embedding::fastembed_of_folder(folder, &library(config)?, precision),
        Some(Model::Named(entry)) => named(config, entry, precision),
    }
}

/// An engine over a model of the catalogue.
fn named(
    config: &Config,
    entry: &'static Entry,
    precision: Precision,
) -> Result<Arc<dyn Embedder>, EmbedError> {
    let folder = models::installed(&config.models_dir, Artifact::Named(entry))
        .ok_or_else(|| EmbedError::ModelMissing { name: entry.name.as_str().into() })?;
    embedding::fastembed_named(entry, &folder, &library(config)?, precision)
}

/// The library, which runs inside this process: one that is not the pinned one is not loaded.
pub(super) fn library(config: &Config) -> Result<PathBuf, EmbedError> {
    let path = models::installed(&config.models_dir, Artifact::OnnxRuntime)
        .ok_or_else(|| EmbedError::RuntimeMissing { path: config.models_dir.clone() })?;
    models::verify(&config.models_dir, Artifact::OnnxRuntime)
        .map_err(|error| EmbedError::RuntimeUnusable { path: path.clone(), reason: error.reason().into() })?;
    Ok(path)
}

/// An engine over the model that is pulled.
fn pulled(config: &Config, engine: Engine, precision: Precision) -> Result<Arc<dyn Embedder>, EmbedError> {
    if engine == Engine::Hashing {
        return Ok(embedding::hashing(HASHING_DIMENSION));
    }
    if engine == Engine::Remote {
        let door = Outgoing::of(config).embedding();
        let named = config.remote.as_ref().zip(door);
        let (remote, door) = named.ok_or_else(|| EmbedError::Engine {
            reason: "no `[embedding.remote]` names an endpoint".into(),
        })?;
        return Ok(remote::remote(remote.asked.clone(), Box::new(door)));
    }
    let here = |artifact| models::installed(&config.models_dir, artifact);
    let model = here(Artifact::MiniLm)
        .ok_or_else(|| EmbedError::ModelMissing { name: "all-MiniLM-L6-v2".into() })
        .and_then(|path| match models::verify(&config.models_dir, Artifact::MiniLm) {
            Ok(()) => Ok(path),
            Err(error) => Err(EmbedError::ModelDamaged { path, reason: error.reason().into() }),
        });
    if engine == Engine::Builtin {
        return embedding::builtin(&model?);
    }
    embedding::fastembed(&model?, &library(config)?, precision)
}

/// What an engine is made of.
fn needs(engine: Engine) -> &'static [Artifact] {
    match engine {
        Engine::None | Engine::Hashing | Engine::Remote => &[],
        Engine::Builtin => &[Artifact::MiniLm],
        Engine::Auto | Engine::Fastembed => &[Artifact::OnnxRuntime, Artifact::MiniLm],
    }
}

/// What has still to be pulled for the engine and the reranker that the configuration asks for; empty if it asks for none.
/// [`Engine::Auto`] does without the library if it cannot be had.
#[must_use]
pub fn missing_artifacts(config: &Config) -> Vec<Artifact> {
    let missing = |artifact: &Artifact| models::installed(&config.models_dir, *artifact).is_none();
    needed(config).into_iter().filter(missing).collect()
}

/// Whether nothing is opened without it: what is named must be had, and what that runs on.
#[must_use]
pub fn insists_on(config: &Config, artifact: Artifact) -> bool {
    config.engine.insists()
        || match artifact {
            Artifact::Named(_) => true,
            Artifact::OnnxRuntime => config.model.is_some() || config.reranking.is_some(),
            Artifact::MiniLm => false,
        }
}

/// What the engine and the reranker that the configuration asks for are made of.
#[must_use]
pub fn needed(config: &Config) -> Vec<Artifact> {
    let of_name = |model: &Model| match model {
        Model::Named(entry) => Some(Artifact::Named(entry)),
        Model::Folder(_) => None,
    };
    let library = config.reranking.iter().map(|_| Artifact::OnnxRuntime);
    // Another model takes the place of the one that is always known.
    let wanted = |artifact: &Artifact| config.model.is_none() || *artifact != Artifact::MiniLm;
    let of_engine = needs(config.engine).iter().copied().filter(wanted);
    let model = config.model.as_ref().and_then(of_name);
    let reranker = config.reranking.as_ref().and_then(|asked| of_name(&asked.model));
    let mut all = Vec::new();
    for artifact in library.chain(of_engine).chain(model).chain(reranker) {
        if !all.contains(&artifact) {
            all.push(artifact);
        }
    }
    all
}
