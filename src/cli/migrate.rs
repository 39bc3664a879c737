//! `kenward migrate`: where questions for what is near are put: to the embedded vectors, or to the cluster beside them. The
//! way there goes over a comparison of both ways' answers, and is not gone where one differs; the way back is open always.

use super::fail::{Fix, unexpected};
use super::{Context, Outcome, out, words};
use crate::owner::Backend;
use crate::owner::ops::{Op, Operate, Operated, Reply};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kenward_indexes::vector::qdrant::{Condition, Standing};
use kenward_vault::mirrored::Comparison;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Between two looks how far it is.
const LOOK: Duration = Duration::from_millis(250);
/// How long it may be out of reach.
const OUT_OF_REACH: Duration = Duration::from_secs(15);
/// How long nothing may get further.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where questions are put from then on: qdrant, once everything is there and answers agree; or flat
    #[arg(long, value_name = "ENGINE", value_parser = kenward_indexes::vector::Engine::NAMES)]
    to: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let backend = context.backend().await?;
    let outcome = match args.to.as_str() {
        "flat" => to_flat(&backend, args.json).await,
        _ => to_cluster(&backend, args.json).await,
    };
    backend.close().await;
    outcome
}

async fn ask(backend: &Backend, operate: Operate) -> anyhow::Result<Operated> {
    match backend.ask(Op::Operate(operate)).await? {
        Reply::Operated(done) => Ok(*done),
        other => Err(unexpected(other)),
    }
}

async fn standing(backend: &Backend) -> anyhow::Result<Standing> {
    match ask(backend, Operate::VectorsElsewhere).await? {
        Operated::VectorsElsewhere(Some(standing)) => Ok(standing),
        Operated::VectorsElsewhere(None) => Err(Fix::new(
            "no cluster is configured: vectors are kept here alone",
            "name one: `engine = \"qdrant\"` and `url` under `[vectors]` in kenward.toml, and restart what serves",
        )
        .into()),
        other => Err(unexpected(Reply::Operated(Box::new(other)))),
    }
}

async fn to_flat(backend: &Backend, json: bool) -> anyhow::Result<Outcome> {
    let before = standing(backend).await?;
    ask(backend, Operate::AskElsewhere { asked: false }).await?;
    if json {
        out::json(&serde_json::json!({ "asked": false, "there": before.there }))?;
        return Ok(Outcome::Done);
    }
    out::print("questions are answered from the embedded vectors; answers are the same\n")?;
    out::hint(&format!(
        "the cluster is still kept up to date: set `engine = \"flat\"` under `[vectors]` to end that, and then drop its collection \
         `{}` there",
        before.collection
    ));
    Ok(Outcome::Done)
}

async fn to_cluster(backend: &Backend, json: bool) -> anyhow::Result<Outcome> {
    let standing = filled(backend).await?;
    let compared = match ask(backend, Operate::AskElsewhere { asked: true }).await? {
        Operated::AskedElsewhere(comparison) => comparison,
        other => return Err(unexpected(Reply::Operated(Box::new(other)))),
    };
    let switched = compared.agrees();
    if json {
        out::json(&serde_json::json!({ "asked": switched, "compared": compared, "standing": standing }))?;
    } else {
        let from = backend.config().vectors.as_ref().map(|options| options.least);
        out::print(&format!("{}\n", said(&compared, &standing, from)))?;
    }
    if switched {
        return Ok(Outcome::Done);
    }
    out::hint(if compared.same + compared.differing == 0 {
        "bring documents in that somebody in the directory may read, and try once more"
    } else {
        "no question goes there; everything is brought there again: run this once more. If answers differ again, drop the collection there"
    });
    Ok(Outcome::NotAllWell)
}

fn said(compared: &Comparison, standing: &Standing, from: Option<u64>) -> String {
    let answers = words::count(compared.same + compared.differing, "answer");
    let callers = words::people(compared.callers);
    if !compared.agrees() {
        let why = match &compared.unanswered {
            Some(why) => format!("the cluster did not answer: {why}"),
            None if compared.same + compared.differing == 0 => {
                "there was nothing to compare: nobody in the directory sees a passage that is there"
                    .to_owned()
            }
            None => format!("{} of {answers} differ", compared.differing),
        };
        return format!("not switched: {why}; questions are answered from the embedded vectors");
    }
    let from = from.filter(|from| *from > 1).map_or_else(String::new, |from| {
        format!(" that concern {from} passages or more (`vectors.ask_from`)")
    });
    format!(
        "switched: {answers} to {callers} are the same both ways; questions{from} go to the cluster now, which has {}",
        words::count(standing.there, "passage")
    )
}

/// Waits until everything is there.
async fn filled(backend: &Backend) -> anyhow::Result<Standing> {
    let bar = bar();
    let (mut further, mut there, mut well) = (Instant::now(), 0, false);
    loop {
        let standing = standing(backend).await?;
        bar.set_length(standing.of);
        bar.set_position(standing.there);
        match &standing.condition {
            // What a run has put and not published yet is brought when it is.
            Condition::Well if standing.told && standing.waiting == 0 => {
                bar.finish_and_clear();
                return Ok(standing);
            }
            Condition::Refused { what, hint } => return Err(Fix::new(what.clone(), hint.clone()).into()),
            _ => {}
        }
        if standing.there != there || well != (standing.condition == Condition::Well) {
            (further, there, well) = (Instant::now(), standing.there, standing.condition == Condition::Well);
        }
        let down = matches!(standing.condition, Condition::Down { .. });
        if further.elapsed() > if down { OUT_OF_REACH } else { PATIENCE } {
            let why = match standing.condition {
                Condition::Down { what } => format!("the cluster at {}: {what}", standing.place),
                _ => format!("{} of {} are there, and no more come", standing.there, standing.of),
            };
            return Err(Fix::new(
                why,
                "`kenward doctor` says how it is doing; questions are answered as before",
            )
            .into());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn bar() -> ProgressBar {
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} passages are there") {
        bar.set_style(style);
    }
    bar
}
