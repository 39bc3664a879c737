//! How it is doing, for one screen and for metrics: counts, sizes, last times. For operators only, since it counts everything;
//! it names sources, and nothing of documents or people.

use super::operations::{SourceStatus, Status};
use super::ops::Otherwise;
use super::perform::{Asked, words};
use kenward_vault::VaultError;
use std::path::Path;

/// The vectors' store, and how their folders' names begin.
const VECTORS: &str = "vectors";

/// Folders and files of the data, by store.
const STORES: [(&str, &[&str]); 6] = [
    ("catalog", &["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"]),
    ("text", &["text"]),
    ("lexical", &["lexical"]),
    (VECTORS, &[VECTORS]),
    ("audit", &["audit"]),
    ("keys", &["keys"]),
];

pub(super) fn status(asked: &Asked<'_>) -> Result<Status, VaultError> {
    let vault = &asked.opened.vault;
    let mut sources = Vec::new();
    for source in vault.source_infos()? {
        let mut rows = vault.runs(Some(&source.spec.name), 1)?;
        asked.opened.live.overlay(&mut rows);
        let reachable = Path::new(&source.spec.root).is_dir();
        sources.push(SourceStatus { source, last_run: rows.into_iter().next(), reachable });
    }
    let dir = &asked.config.data_dir;
    let size = |names: &[&str]| names.iter().map(|name| bytes(&dir.join(name))).sum::<u64>();
    Ok(Status {
        version: super::wire::VERSION.to_owned(),
        pid: std::process::id(),
        uptime_seconds: asked.opened.since.elapsed().as_secs(),
        data_dir: dir.clone(),
        tenant: asked.config.tenant.as_str().to_owned(),
        embedding: asked.opened.embedding(),
        reranking: asked.opened.reranking.clone(),
        no_search: asked.opened.broken.for_search().map(|(what, hint)| Otherwise {
            what: what.clone(),
            hint: hint.clone().unwrap_or_else(|| "see `kenward doctor`".to_owned()),
        }),
        stats: vault.stats()?,
        vectors: vault.vectors_elsewhere(),
        sources,
        disk: STORES
            .iter()
            .map(|(name, parts)| {
                ((*name).to_owned(), size(parts) + if *name == VECTORS { anew(dir) } else { 0 })
            })
            .collect(),
        free: rustix::fs::statvfs(dir).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        last_verify: vault.last_verify()?,
        last_backup: vault.last_backup()?,
        clock_behind: vault.clock_behind(),
        ledger_wrong: vault
            .ledger_standing()
            .and_then(|()| vault.ledger_is_whole())
            .err()
            .map(|error| otherwise(&error)),
    })
}

/// Bytes of the vectors that lie under another name: those of an embedding anew, and until the next opening those that it
/// has switched to.
fn anew(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let ours = |name: &str| name.strip_prefix(VECTORS).is_some_and(|rest| rest.starts_with('-'));
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(ours))
        .map(|entry| bytes(&entry.path()))
        .sum()
}

/// An error as something that is to be mended.
pub(super) fn otherwise(error: &VaultError) -> Otherwise {
    let (what, hint) = words(error, None);
    Otherwise { what, hint: hint.unwrap_or_else(|| "the log has more (`--log debug`)".to_owned()) }
}

/// Bytes of a file, or of all files below a folder. What goes meanwhile is not counted.
fn bytes(path: &Path) -> u64 {
    let Ok(found) = path.symlink_metadata() else { return 0 };
    if !found.is_dir() {
        return found.len();
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| bytes(&entry.path())).sum()
}
