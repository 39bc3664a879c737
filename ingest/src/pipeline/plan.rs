//! What a run would do, before it does anything: every file is listed, read and hashed, every rights file
//! is read, archives are unpacked (in a worker process), and nothing is extracted, kept or written. What only a parser can tell (a broken or encrypted
//! document) it does not tell.

use super::places::Places;
use super::run::{BELOW_UNREADABLE, above, unreadable};
use super::{IngestError, IngestOptions, PIPELINE, rights_are_in};
use crate::acl_mapping::{Fidelity, place};
use crate::archives::Entry;
use crate::connectors::{FilesConnector, Item, Listing, RIGHTS_FILE, Rights, SourceConnector};
use crate::formats::{FailReason, HEAD, Packed, Sniffed, identify, sniff};
use crate::worker::{Worker, WorkerError};
use kenward_access::rights::{Origin, RightsSpec};
use kenward_vault::Vault;
use kenward_vault::preview::{Preview, Stated};
use kenward_vault::runs::RunState;
use kenward_vault::vault::Operator;
use kenward_vault::writer::{Failure, Known, RightsFormat, SourceSpec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::io::Read;

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
    /// How faithfully the rights of the source would be mapped.
    #[serde(default)]
    pub fidelity: Fidelity,
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
    let connector = FilesConnector::of(spec);
    let listing = connector.list().map_err(|error| IngestError::root(spec, &error))?;
    let rights = connector.rights(&listing);
    let places = Places::of_all(&rights.rules, &listing);
    let known = vault.known(number)?;
    let mut plan = Plan { source: spec.name.clone(), files: listing.items.len() as u64, ..Plan::default() };
    let mut stated = Stated::default();
    let mut worker = Worker::new(options.worker.clone(), options.limits);
    for (item, of_file) in listing.items.iter().zip(places.files()) {
        plan.without_rights += u64::from(of_file.unsaid && spec.default_allow.is_empty());
        let there = match look(&connector, item, &rights, options) {
            Ok(Found::Archive(packed, bytes)) => {
                let opener = (&mut worker, spec.rights.format);
                plan.archive(&item.path, packed, bytes, &known, options, opener)?
            }
            found => plan.document(&item.path, found, &known, options),
        };
        let (mut container, mut rights) = (of_file.container.clone(), of_file.spec.clone());
        if there.shut {
            container = format!("{}/{RIGHTS_FILE}", item.path);
            let origin = Origin { file: item.path.clone(), line: 0 };
            let problem = (FailReason::RightsInside.to_string(), origin);
            rights = RightsSpec { problem: Some(problem), ..RightsSpec::default() };
        }
        for id in there.documents {
            stated.documents.insert(id, container.clone());
            stated.containers.entry(container.clone()).or_insert_with(|| rights.clone());
        }
        stated.failing.extend(there.failing);
    }
    plan.unlisted(&listing, &known, &mut stated, &rights);
    let mut gone: Vec<&String> = known.keys().filter(|id| !stated.documents.contains_key(*id)).collect();
    gone.sort();
    gone.into_iter().for_each(|path| plan.removed.add(path));
    plan.mass_delete = plan.removed.count * 2 > known.len() as u64;
    plan.view = vault.preview(by, &spec.name, number, &stated)?;
    for path in &listing.near_rights {
        let what = format!("is not read: {}", rights_are_in(spec.rights.format));
        plan.view.problems.push((path.clone(), what));
    }
    for (file, line, what) in rights.rules.problems() {
        plan.view.problems.push((place(&file, line), what));
    }
    plan.view.problems.sort();
    plan.view.problems.dedup();
    if listing.unreadable_folders.is_empty() {
        let unmatched = rights.rules.unmatched(listing.items.iter().map(|item| item.path.as_str()));
        plan.rules_unmatched = unmatched.into_iter().map(|(file, line)| place(&file, line)).collect();
    }
    plan.fidelity = super::fidelity::of(vault, &rights.rules, places.files());
    plan.about = about(vault, plan.added.count + plan.changed.count)?;
    Ok(plan)
}

impl Plan {
    /// Counts a file and what was read of it when it was an archive, which stays if it fails now.
    fn document(
        &mut self,
        path: &str,
        found: Result<Found, FailReason>,
        known: &HashMap<String, Known>,
        options: &IngestOptions,
    ) -> There {
        let mut there = There::default();
        let failed = found.is_err();
        if failed && !matches!(found, Err(FailReason::Empty)) {
            there.keep(inside(known, path));
        }
        if self.judge(path, found, known.get(path), options) {
            if failed {
                there.failing.push(path.to_owned());
            }
            there.documents.push(path.to_owned());
        }
        there
    }

    /// Counts what is in an archive.
    fn archive(
        &mut self,
        path: &str,
        packed: Packed,
        bytes: Vec<u8>,
        known: &HashMap<String, Known>,
        options: &IngestOptions,
        (worker, rights): (&mut Worker, RightsFormat),
    ) -> Result<There, IngestError> {
        let mut there = There::default();
        let unpacked = worker.unpack(packed, rights, bytes, &mut |entry| {
            let (id, found) = match entry {
                Entry::File { path: below, bytes, .. } => {
                    (format!("{path}/{below}"), whole(&bytes, &below, options))
                }
                Entry::Failed { path: below, reason } => (format!("{path}/{below}"), Err(reason)),
            };
            there.add(self.document(&id, found, known, options));
            true
        });
        match unpacked {
            Ok(_) => {}
            Err(WorkerError::Document(FailReason::NoArchive)) => self.skipped.add(path),
            Err(WorkerError::Document(reason)) => {
                self.fail(path, reason.code(), &reason.to_string());
                there.keep(inside(known, path));
                there.shut = reason == FailReason::RightsInside;
            }
            Err(WorkerError::Start(error)) => return Err(IngestError::Worker(error)),
        }
        Ok(there)
    }

    /// Counts one document; gives whether it would be there.
    fn judge(
        &mut self,
        path: &str,
        found: Result<Found, FailReason>,
        known: Option<&Known>,
        options: &IngestOptions,
    ) -> bool {
        match found {
            Ok(Found::Nothing | Found::Archive(..)) => {
                self.skipped.add(path);
                false
            }
            Ok(Found::Document(hash, bytes)) => {
                let embeds = options.embedder.is_some();
                let same = |known: &&Known| {
                    known.raw_hash == hash && known.pipeline == PIPELINE && (known.embedded || !embeds)
                };
                match (known, known.filter(same)) {
                    (_, Some(_)) => self.unchanged += 1,
                    (Some(_), None) => self.changed.add(path),
                    (None, None) => self.added.add(path),
                }
                self.bytes += if known.filter(same).is_some() { 0 } else { bytes };
                true
            }
            Err(reason) => {
                self.fail(path, reason.code(), &reason.to_string());
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

    /// What could not even be listed stays what it is; below a folder that cannot be read nobody sees it.
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
        let failed: BTreeSet<&str> = listing.failures.iter().map(|failure| failure.path.as_str()).collect();
        let mut ids: Vec<&String> = known.keys().collect();
        ids.sort();
        for id in ids {
            let file = listing.file_of(id);
            let (container, spec) = if let Some(folder) = above(&listing.unreadable_folders, id) {
                self.fail(id, FailReason::Unreadable.code(), BELOW_UNREADABLE);
                let nobody = unreadable(&folder);
                (folder, nobody)
            } else if failed.contains(file) {
                let of_file = rights.rules.of_file(file);
                (of_file.container, of_file.spec)
            } else {
                continue;
            };
            stated.documents.insert(id.clone(), container.clone());
            stated.containers.entry(container).or_insert(spec);
            stated.failing.insert(id.clone());
        }
    }
}

/// What would be there of one file.
#[derive(Default)]
struct There {
    documents: Vec<String>,
    /// Those of them that stay as they were, because they cannot be read.
    failing: Vec<String>,
    /// Nobody would see them: the archive has a rights file inside.
    shut: bool,
}

impl There {
    fn keep(&mut self, ids: Vec<String>) {
        self.failing.extend(ids.iter().cloned());
        self.documents.extend(ids);
    }

    fn add(&mut self, other: Self) {
        self.documents.extend(other.documents);
        self.failing.extend(other.failing);
    }
}

/// What a file is.
enum Found {
    /// Of no known format.
    Nothing,
    /// A document: hash and length.
    Document([u8; 32], u64),
    /// An archive, all of it.
    Archive(Packed, Vec<u8>),
}

/// The known documents in an archive.
fn inside(known: &HashMap<String, Known>, archive: &str) -> Vec<String> {
    let within = |id: &&String| id.strip_prefix(archive).is_some_and(|rest| rest.starts_with('/'));
    known.keys().filter(within).cloned().collect()
}

/// What so many bytes are.
fn whole(bytes: &[u8], path: &str, options: &IngestOptions) -> Result<Found, FailReason> {
    match identify(bytes, path) {
        Sniffed::Known(_) if bytes.len() as u64 > options.max_text_bytes => Err(FailReason::TooLarge),
        Sniffed::Known(_) => Ok(Found::Document(Sha256::digest(bytes).into(), bytes.len() as u64)),
        Sniffed::Refused(reason) => Err(reason),
        Sniffed::Empty => Err(FailReason::Empty),
        Sniffed::Container | Sniffed::Archive(_) | Sniffed::Unknown => Ok(Found::Nothing),
    }
}

/// Reads a file.
fn look(
    connector: &FilesConnector,
    item: &Item,
    rights: &Rights,
    options: &IngestOptions,
) -> Result<Found, FailReason> {
    let mut file = connector.fetch(item, rights).map_err(|_| FailReason::Unreadable)?.file;
    let mut head = Vec::new();
    (&mut file).take(HEAD as u64).read_to_end(&mut head).map_err(|_| FailReason::Unreadable)?;
    match sniff(&head, &item.path) {
        Sniffed::Unknown => return Ok(Found::Nothing),
        Sniffed::Empty => return Err(FailReason::Empty),
        Sniffed::Refused(reason) => return Err(reason),
        Sniffed::Known(_) => {}
        Sniffed::Container | Sniffed::Archive(_) => {
            let rest = options.max_text_bytes.saturating_sub(head.len() as u64).saturating_add(1);
            file.take(rest).read_to_end(&mut head).map_err(|_| FailReason::Unreadable)?;
            if head.len() as u64 > options.max_text_bytes {
                return Err(FailReason::TooLarge);
            }
            return match identify(&head, &item.path) {
                Sniffed::Archive(packed) => Ok(Found::Archive(packed, head)),
                _ => whole(&head, &item.path, options),
            };
        }
    }
    let mut hash = Sha256::new_with_prefix(&head);
    let mut length = head.len() as u64;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(|_| FailReason::Unreadable)? {
            0 => return Ok(Found::Document(hash.finalize().into(), length)),
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
