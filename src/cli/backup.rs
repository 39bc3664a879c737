//! `kenward backup`: all of the data into a folder, while it is used. The owner of the data writes it; keys are not in it.

use super::fail::{unexpected, want};
use super::{Context, Outcome, out, words};
use crate::config::place;
use crate::owner::ops::{Op, Operate, Operated, Reply};
use std::path::PathBuf;
use std::time::Instant;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder that it becomes; nothing may be there yet
    folder: PathBuf,
    /// What was backed up, as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let to = place::absolute(&args.folder);
    let begun = Instant::now();
    let backend = context.backend().await?;
    let op = Op::Operate(Operate::Backup { to, id: crate::telemetry::request_id() });
    let reply = backend.ask(op).await;
    backend.close().await;
    let made = match *want!(reply?, Reply::Operated(done) => done) {
        Operated::BackedUp(made) => made,
        other => return Err(unexpected(Reply::Operated(Box::new(other)))),
    };
    let seconds = begun.elapsed().as_secs_f64();
    if args.json {
        out::json(&serde_json::json!({ "backup": made, "seconds": seconds }))?;
    }
    let c = &made.counts;
    out::say(&format!(
        "backed up {}, {} and {} to {} ({:.1} MB, {seconds:.1} s)",
        words::count(c.documents, "document"),
        words::count(c.chunks, "passage"),
        words::count(c.audit_records, "audit record"),
        made.folder.display(),
        c.bytes as f64 / 1e6
    ));
    if c.texts_lost > 0 {
        let lost = words::are(c.texts_lost, "stored text");
        out::say(&format!("{lost} lost and not in it; see `kenward doctor`"));
    }
    out::hint(
        "keys are not in it: keep what `kenward keys export FILE` writes elsewhere; and keep a copy of the rights ledger, see `kenward restore --help`",
    );
    Ok(Outcome::Done)
}
