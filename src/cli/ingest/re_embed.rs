//! `kenward ingest --re-embed`: all documents are embedded anew by what the configuration asks for, while questions
//! go on being answered from the old vectors; then the data switches over. The owner of the data does it, from the
//! stored texts; no source is read.

use super::super::fail::{self, Fix};
use super::super::{Context, Outcome, models, out};
use super::progress::Shown;
use super::report;
use crate::cli::words;
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use kenward_vault::reembed::Ended;

/// What of the configuration says by what documents are embedded.
const PART: &str = "[embedding]";

pub(super) async fn run(json: bool, context: &Context, backend: &Backend) -> anyhow::Result<Outcome> {
    models::ensure(&context.config)?;
    let mut shown = Shown::new(json);
    let mut tell = |reply: Reply| {
        if let Reply::Progress(event) = reply {
            shown.tell(&event);
        }
    };
    let reply = tokio::select! {
        reply = backend.call(Op::ReEmbed, &mut tell) => Some(reply?),
        // Dropping the call stops it; what was made stays.
        _ = tokio::signal::ctrl_c() => None,
    };
    shown.end();
    let ended = match reply {
        None => return Ok(stopped()),
        Some(Reply::ReEmbedded(ended)) => ended,
        Some(Reply::Failed { message, hint }) => {
            // What was made is not lost, and no answer has changed.
            let hint = hint.map_or_else(String::new, |hint| format!("{hint}; "));
            let hint = format!("{hint}the documents answer as before, and the same command goes on");
            return Err(Fix::new(message, hint).into());
        }
        Some(other) => return Err(fail::unexpected(other)),
    };
    if json {
        out::print(&format!("{}\n", serde_json::to_string(&ended)?))?;
    }
    match ended {
        Ended::Stopped { .. } => return Ok(stopped()),
        Ended::Already { .. } if backend.goes_by_another().iter().any(|part| part == PART) => {
            return Err(Fix::new(
                format!("nothing was done: the process that owns the data goes by another `{PART}` than this configuration"),
                "restart that process, and run this again",
            )
            .into());
        }
        Ended::Already { engine } => {
            out::say(&format!("the documents are embedded by {engine} already: nothing was done"));
        }
        Ended::Switched { engine, documents, passages, unreadable, seconds } => {
            out::say(&format!(
                "embedded anew by {engine}: {}, {}, {seconds:.1} s; searches use it now",
                words::count(documents, "document"),
                words::count(passages, "passage")
            ));
            if report::is_remote(&engine) {
                report::say_that_texts_left();
            }
            if unreadable > 0 {
                out::say(&format!(
                    "warning: {} could not be embedded: the stored text is lost",
                    words::count(unreadable, "document")
                ));
                out::hint("`kenward ingest` reads them again");
            }
        }
    }
    Ok(Outcome::Done)
}

fn stopped() -> Outcome {
    out::say("stopped: the documents answer as before; the same command goes on from where it was");
    Outcome::NotAllWell
}
