//! What a run would do, before it does anything: every file is listed, read and hashed, every rights file
//! is read, and nothing is extracted, kept or written. What only a parser can tell (a broken or encrypted
//! document) it does not tell.

use super::{IngestError, IngestOptions, PIPELINE};
use crate::acl_mapping::Defaults;
use crate::connectors::{FilesConnector, Item, Listing, Rights, SourceConnector};
use crate::formats::{FailReason, HEAD, Sniffed, sniff};
use kenward_vault::Vault;
use kenward_vault::preview::{Preview, Stated};
use kenward_vault::runs::RunState;
use kenward_vault::vault::Operator;
use kenward_vault::writer::{Failure, Known, SourceSpec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;

/// Of each list of paths, so many are kept; the counts are of all.
const KEPT: usize = 1_000;

/// What a run would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is named by what it counts")]
pub struct Plan {
    pub source: String,
    pub files: u64,
    pub added: Paths,
    pub changed: Paths,
    pub unchanged: u64,
    pub removed: Paths,
    /// Of unknown format: left out.
    pub skipped: Paths,
    /// What fails before any parser sees it.
    pub failed: Vec<Failure>,
    /// Bytes of what would be read again.
    pub bytes: u64,
    /// Files that nothing in the tree and no default gives rights: a run is refused until somebody says.
    pub without_rights: u64,
    /// More than half of the source would go: a run is refused without `--allow-mass-delete`.
    pub mass_delete: bool,
    /// Whose view would change.
    pub view: Preview,
    /// `[[file]]` rules that match no file, by the line of their `match`.
    pub rules_unmatched: Vec<String>,
    /// About how long, and the run that this goes by; `None` if there is none to go by.
    pub about: Option<(f64, i64)>,
}

/// Paths, and how many there are of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// How many.
    pub count: u64,
    /// The first of them, in order.
    pub first: Vec<String>,
}

impl Paths {
    fn add(&mut self, path: &str) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(path.to_owned());
        }
    }
}

/// Plans a run over a source; `number` is `None` for one that is not recorded.
///
/// # Errors
/// [`IngestError::Root`], [`IngestError::Vault`].
pub fn plan(
    vault: &Vault,
    by: &Operator,
    number: Option<u32>,
    spec: &SourceSpec,
    options: &IngestOptions,
) -> Result<Plan, IngestError> {
    let defaults = Defaults { allow: spec.default_allow.clone(), label: spec.label.clone() };
    let connector = FilesConnector::new(PathBuf::from(&spec.root), defaults);
    let listing = connector.list().map_err(|error| IngestError::root(spec, &error))?;
    let rights = connector.rights(&listing);
    let known = vault.known(number)?;
    let mut plan = Plan { source: spec.name.clone(), files: listing.items.len() as u64, ..Plan::default() };
    let mut stated = Stated::default();
    for item in &listing.items {
        let of_file = rights.rules.of_file(&item.path);
        plan.without_rights += u64::from(of_file.unsaid && spec.default_allow.is_empty());
        let fails = plan.failed.len();
        if plan.judge(&connector, item, &rights, known.get(&item.path), options) {
            if plan.failed.len() > fails {
                stated.failing.insert(item.path.clone());
            }
            stated.documents.insert(item.path.clone(), of_file.container.clone());
            stated.containers.entry(of_file.container).or_insert(of_file.spec);
        }
    }
    plan.unlisted(&listing, &known, &mut stated, &rights);
    let mut gone: Vec<&String> = known.keys().filter(|id| !stated.documents.contains_key(*id)).collect();
    gone.sort();
    gone.into_iter().for_each(|path| plan.removed.add(path));
    plan.mass_delete = plan.removed.count * 2 > known.len() as u64;
    plan.view = vault.preview(by, &spec.name, number, &stated)?;
    for path in &listing.near_rights {
        let what = "is not read: a rights file is named exactly `.access.toml`";
        plan.view.problems.push((path.clone(), what.to_owned()));
    }
    for (file, line, what) in rights.rules.problems() {
        plan.view.problems.push((super::run::place(&file, line), what.to_owned()));
    }
    plan.view.problems.sort();
    plan.view.problems.dedup();
    if listing.unreadable_folders.is_empty() {
        let unmatched = rights.rules.unmatched(listing.items.iter().map(|item| item.path.as_str()));
        plan.rules_unmatched =
            unmatched.into_iter().map(|(file, line)| super::run::place(&file, line)).collect();
    }
    plan.about = about(vault, plan.added.count + plan.changed.count)?;
    Ok(plan)
}

impl Plan {
    /// Counts one file; gives whether a document would be there.
    fn judge(
        &mut self,
        connector: &FilesConnector,
        item: &Item,
        rights: &Rights,
        known: Option<&Known>,
        options: &IngestOptions,
    ) -> bool {
        match look(connector, item, rights, options) {
            Ok(None) => {
                self.skipped.add(&item.path);
                false
            }
            Ok(Some((hash, bytes))) => {
                let embeds = options.embedder.is_some();
                let same = |known: &&Known| {
                    known.raw_hash == hash && known.pipeline == PIPELINE && (known.embedded || !embeds)
                };
                match (known, known.filter(same)) {
                    (_, Some(_)) => self.unchanged += 1,
                    (Some(_), None) => self.changed.add(&item.path),
                    (None, None) => self.added.add(&item.path),
                }
                self.bytes += if known.filter(same).is_some() { 0 } else { bytes };
                true
            }
            Err(reason) => {
                self.fail(&item.path, reason.code(), &reason.to_string());
                // What was read before stays, unless the file has no byte any more.
                known.is_some() && !matches!(reason, FailReason::Empty)
            }
        }
    }

    fn fail(&mut self, path: &str, reason: &str, detail: &str) {
        let (reason, detail) = (reason.to_owned(), detail.to_owned());
        self.failed.push(Failure {
            path: path.to_owned(),
            reason,
            detail,
            attempts: 0,
            tried: None,
            next: None,
        });
    }

    /// What could not even be listed stays what it is.
    fn unlisted(
        &mut self,
        listing: &Listing,
        known: &HashMap<String, Known>,
        stated: &mut Stated,
        rights: &Rights,
    ) {
        for failure in &listing.failures {
            self.fail(&failure.path, failure.reason, failure.detail);
        }
        let below = |id: &String| {
            let folders = &listing.unreadable_folders;
            folders.iter().any(|folder| id.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
        };
        for id in known.keys().filter(|id| below(id)) {
            let of_file = rights.rules.of_file(id);
            stated.documents.insert(id.clone(), of_file.container.clone());
            stated.containers.entry(of_file.container).or_insert(of_file.spec);
        }
    }
}

/// Hash and length of a file of a known format; `None` for one of none.
fn look(
    connector: &FilesConnector,
    item: &Item,
    rights: &Rights,
    options: &IngestOptions,
) -> Result<Option<([u8; 32], u64)>, FailReason> {
    let mut file = connector.fetch(item, rights).map_err(|_| FailReason::Unreadable)?.file;
    let mut head = Vec::new();
    (&mut file).take(HEAD as u64).read_to_end(&mut head).map_err(|_| FailReason::Unreadable)?;
    match sniff(&head, &item.path) {
        Sniffed::Unknown => return Ok(None),
        Sniffed::Empty => return Err(FailReason::Empty),
        Sniffed::Known(_) => {}
    }
    let mut hash = Sha256::new_with_prefix(&head);
    let mut length = head.len() as u64;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(|_| FailReason::Unreadable)? {
            0 => return Ok(Some((hash.finalize().into(), length))),
            read => {
                hash.update(buffer.get(..read).unwrap_or_default());
                length += read as u64;
            }
        }
        if length > options.max_text_bytes {
            return Err(FailReason::TooLarge);
        }
    }
}

/// How long so many documents take, going by the last run that read enough of them.
fn about(vault: &Vault, documents: u64) -> Result<Option<(f64, i64)>, IngestError> {
    const ENOUGH: u64 = 5;
    for row in vault.runs(None, 50)? {
        let read = row.summary.added + row.summary.changed;
        if row.state != RunState::Done || read < ENOUGH || row.legs > 1 {
            continue;
        }
        let Some(ended) = row.ended else { continue };
        let seconds = (ended.0 - row.started.0).max(0) as f64 / 1_000.0;
        return Ok(Some((seconds / read as f64 * documents as f64, row.no)));
    }
    Ok(None)
}
