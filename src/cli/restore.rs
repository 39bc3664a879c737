//! `kenward restore`: a backup back into an empty folder, with its keys and what tells which rights narrowed since. It
//! talks to no owner: the folder is nobody's yet. It must never begin without a word about the rights ledger.

use super::fail::Fix;
use super::{Context, Outcome, out};
use crate::app;
use crate::cli::words;
use crate::config::{Config, ConfiguredSource, Role, place};
use crate::identity::Refusal;
use crate::owner::real;
use kenward_vault::backup::{self, LedgerGiven, Restore, Restored};
use kenward_vault::keys::KeyMaterial;
use kenward_vault::vault::Operator;
use kenward_vault::{OpenOptions, VaultError};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What rights come back, for `--help`.
const ABOUT: &str = "\
Answers are then those of the moment of the backup, except that what was taken away since stays away. That is told by the
rights ledger, the file `keys/rights.ledger` in the folder of data (or where `backup.ledger` of the configuration says): give the
newest copy of it. Documents whose rights changed since are hidden until their source is ingested again; memberships are those
that the ledger tells last. Without a ledger nothing of this can be told: then all documents are hidden until their source
is ingested again, all people are disabled and all tokens revoked until an operator says otherwise.";

#[derive(clap::Args)]
#[command(after_help = ABOUT)]
#[command(group = clap::ArgGroup::new("since").required(true).args(["ledger", "without_ledger"]))]
pub(crate) struct Args {
    /// The folder that `kenward backup` wrote
    backup: PathBuf,
    /// The keys: what `kenward keys export` wrote, or a copy of the folder `keys`
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// The folder that the data becomes: missing or empty
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// The newest copy of the rights ledger
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// There is no rights ledger: hide everything until it is read again, let nobody in
    #[arg(long)]
    without_ledger: bool,
    /// What was restored, as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let config = std::sync::Arc::clone(&context.config);
    let json = args.json;
    let begun = Instant::now();
    let restored = tokio::task::spawn_blocking(move || {
        let uid = rustix::process::geteuid().as_raw();
        let person = config.operators.get(&uid).ok_or(Refusal::NotNamed { uid });
        let refused = |refusal: Refusal| Fix::new(refusal.to_string(), refusal.hint().unwrap_or_default());
        if person.map_err(refused)?.role != Role::Operator {
            return Err(refused(Refusal::NotOperator { uid }).into());
        }
        apart(&config, &place::absolute(&args.to))?;
        let open = OpenOptions { data_dir: place::absolute(&args.to), ..app::options(&config, None) };
        let ledger = match args.ledger {
            Some(file) => LedgerGiven::File(file),
            None => LedgerGiven::Nothing,
        };
        let by = Operator { uid, user: None, reason: None };
        let keys = KeyMaterial::read(&args.keys).map_err(told)?;
        backup::restore(Restore { backup: args.backup, keys, ledger, open, by }).map_err(told)
    })
    .await??;
    let seconds = begun.elapsed().as_secs_f64();
    if json {
        out::json(&serde_json::json!({ "restored": restored, "seconds": seconds }))?;
    }
    say(&restored, seconds, context.config.ledger.as_deref());
    Ok(Outcome::Done)
}

/// Refuses the folder of a configured source; those that the backup has are looked at when it is open.
fn apart(config: &Config, to: &Path) -> anyhow::Result<()> {
    let to = real(to);
    let overlaps = |source: &&ConfiguredSource| {
        let root = real(&source.path);
        to.starts_with(&root) || root.starts_with(&to)
    };
    match config.sources.iter().find(overlaps) {
        Some(source) => Err(Fix::new(
            format!(
                "`{}` and the folder `{}` of the source `{}` overlap",
                to.display(),
                source.path.display(),
                source.name
            ),
            "give a folder outside of all sources",
        )
        .into()),
        None => Ok(()),
    }
}

fn told(error: VaultError) -> anyhow::Error {
    let (message, hint) = crate::owner::words(&error);
    Fix::new(message, hint.unwrap_or_else(|| "see `kenward restore --help`".to_owned())).into()
}

fn say(restored: &Restored, seconds: f64, elsewhere: Option<&Path>) {
    let (counts, narrowed) = (&restored.counts, &restored.narrowed);
    out::say(&format!(
        "restored {} and {} of {} into {} ({seconds:.1} s)",
        words::count(counts.documents, "document"),
        words::count(counts.audit_records, "audit record"),
        out::time(restored.made),
        restored.folder.display()
    ));
    match restored.ledger_entries {
        Some(entries) => out::say(&format!("the rights ledger has {} since", words::count(entries, "entry"))),
        None => out::say(
            "WITHOUT A RIGHTS LEDGER: nobody can tell which rights were taken away since. Everything is hidden and everybody is \
             out until you have checked it",
        ),
    }
    let said = [
        (narrowed.documents, "document", "hidden until the source is ingested again"),
        (narrowed.removed, "document", "gone: removed since"),
        (narrowed.people, "account", "as the ledger tells it last: removed, disabled or with less clearance"),
        (narrowed.groups, "group", "gone: removed since"),
        (narrowed.memberships, "membership", "as the ledger tells it last"),
        (narrowed.tokens, "token", "revoked"),
        (narrowed.links, "link", "gone: taken away since (to a subject of an issuer)"),
        (narrowed.sources, "source", "recorded otherwise"),
    ];
    for (count, one, what) in said.into_iter().filter(|(count, ..)| *count > 0) {
        out::say(&format!("  {} {what}", words::are(count, one)));
    }
    if restored.ledger_entries.is_none() {
        out::say("then, in this order:");
        out::say(
            "  kenward groups list, kenward users list     are memberships and clearances what they should be now?",
        );
        out::say("  kenward users import directory.toml         if you have them in a file");
        out::say(
            "  kenward ingest SOURCE --default-allow …     each source anew, with who may read what carries no rights",
        );
        out::say(
            "  kenward users enable HANDLE                 each person whom you have checked; then new tokens",
        );
    } else if narrowed.documents > 0 {
        out::say("`kenward ingest` reads the sources again; what is hidden comes back with that");
    }
    out::say(&format!("start it with `--data-dir {}`, or set `data_dir` to it", restored.folder.display()));
    if let Some(ledger) = elsewhere.filter(|_| restored.ledger_entries.is_some()) {
        // INVARIANT: two folders never write one ledger; the vault refuses it, and this says why.
        out::say(&format!(
            "its rights ledger is {}: copy that to {} (`backup.ledger`) if this folder takes the place of the data that it was \
             restored from; to try something out, start it with another `backup.ledger`",
            restored.folder.join("keys/rights.ledger").display(),
            ledger.display()
        ));
    }
}
