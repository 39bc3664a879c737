//! A reading of the rights of a source alone: every folder is listed and every rights file read, and of the
//! documents nothing but those whose rights would widen. It must never let a widening act for a file that may
//! have changed since it was last read: it may have been redacted together with its folder's opening.

use super::run::{above, unreadable};
use super::{IngestError, Stop};
use crate::acl_mapping::{parent, place};
use crate::connectors::{FilesConnector, Item, Listing, Rights, SourceConnector, Stamp};
use kenward_vault::Vault;
use kenward_vault::vault::Operator;
use kenward_vault::writer::{RightsNow, SourceSpec, Unsure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;
use std::time::Instant;

/// How often it begins again because the rights changed while it looked.
const ROUNDS: usize = 3;

/// What a reading of rights came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is named by what it counts")]
pub struct RightsReport {
    pub source: String,
    /// Known documents.
    pub documents: u64,
    /// Containers and documents whose rights are others now.
    pub changed: u64,
    /// Files that were hashed.
    pub looked_at: u64,
    /// Documents that came out from under old rights.
    pub widened: u64,
    /// Documents that stay under old AND new rights until their content is read.
    pub waiting: u64,
    /// Documents whose files are gone: hidden until a run removes them or finds them again.
    pub gone: u64,
    /// More than half of the files are gone: nothing was hidden for it.
    pub gone_too_many: bool,
    /// The rights kept changing: only what narrows acts.
    pub unsettled: bool,
    /// It was asked to stop before its end.
    pub stopped: bool,
    /// Why rights hide documents: (place, what).
    pub rights_problems: Vec<(String, String)>,
    /// Files that were meant as rights files by their names, and are none.
    pub rights_not_read: Vec<String>,
    pub seconds: f64,
}

/// Reads the rights of a source, and puts them into force.
///
/// # Errors
/// [`IngestError::Root`], [`IngestError::Vault`].
pub fn sync_rights(
    vault: &Arc<Vault>,
    by: &Operator,
    source: u32,
    spec: &SourceSpec,
    stop: &Stop,
) -> Result<RightsReport, IngestError> {
    let connector = FilesConnector::of(spec);
    sync_rights_through(&connector, vault, by, source, spec, stop)
}

/// Reads the rights of a source through this connector, and puts them into force.
///
/// # Errors
/// [`IngestError::Root`], [`IngestError::Vault`].
pub fn sync_rights_through(
    connector: &dyn SourceConnector,
    vault: &Arc<Vault>,
    by: &Operator,
    source: u32,
    spec: &SourceSpec,
    stop: &Stop,
) -> Result<RightsReport, IngestError> {
    let begun = Instant::now();
    let mut sync = vault.begin_rights(by, source)?;
    let known = sync.known();
    let mut report =
        RightsReport { source: spec.name.clone(), documents: known.len() as u64, ..RightsReport::default() };
    for round in 0..ROUNDS {
        let listing = connector.list().map_err(|error| IngestError::root(spec, &error))?;
        let rights = connector.rights(&listing);
        let mut now = found(&listing, &rights, &known);
        report.gone = now.gone.len() as u64;
        // Rather a source that is not there than one that was emptied: a run refuses that, too.
        report.gone_too_many = now.gone.len() * 2 > known.len();
        if report.gone_too_many {
            stay(&mut now, &rights, |id| sync.container(id).unwrap_or_default());
        }
        let (unsure, changed) = sync.state(&now)?;
        report.changed += changed;
        let items: BTreeMap<&str, &Item> =
            listing.items.iter().map(|item| (item.path.as_str(), item)).collect();
        let mut verified = BTreeMap::new();
        for unsure in &unsure {
            report.stopped = stop.asked().is_some();
            if report.stopped {
                break;
            }
            let Some(item) = items.get(unsure.source_id.as_str()) else { continue };
            report.looked_at += 1;
            if let Some(stamp) = same(connector, item, &rights, unsure) {
                verified.insert(unsure.source_id.clone(), stamp);
            }
        }
        report.rights_problems = problems(&rights, sync.problems(&now)?);
        report.rights_not_read.clone_from(&listing.near_rights);
        // INVARIANT: rights, content, rights again, and the content is still the same: it was there while these rights
        // held.
        let once_more = connector.rights(&listing);
        report.unsettled = once_more.raw != rights.raw;
        verified.retain(|path, stamp| connector.state(path, &once_more) == Some(*stamp));
        report.waiting = (unsure.len() - verified.len()) as u64;
        if !report.unsettled {
            report.widened = sync.widen(&verified.into_keys().collect())?;
        }
        if report.stopped || !report.unsettled || round + 1 == ROUNDS {
            break;
        }
    }
    if !report.unsettled && !report.stopped {
        sync.done()?;
    }
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

/// Where the known documents are now, and the rights there.
fn found(listing: &Listing, rights: &Rights, known: &[String]) -> RightsNow {
    let listed: BTreeSet<&str> = listing
        .items
        .iter()
        .map(|item| item.path.as_str())
        .chain(listing.failures.iter().map(|failure| failure.path.as_str()))
        .collect();
    let mut now = RightsNow::default();
    for id in known {
        if let Some(folder) = above(&listing.unreadable_folders, id) {
            // INVARIANT (I3): of a folder that cannot be read the rights are unknown.
            now.documents.insert(id.clone(), folder.clone());
            now.containers.insert(folder.clone(), unreadable(&folder));
        } else if listed.contains(listing.file_of(id)) {
            put(&mut now, rights, id, listing.file_of(id));
        } else {
            now.gone.insert(id.clone());
        }
    }
    now
}

/// What is gone stays where it is, under what guards it AND the rights that its place has now: those of the file
/// that it is, or of the archive that it stands in.
fn stay<'k>(now: &mut RightsNow, rights: &Rights, container: impl Fn(&str) -> &'k str) {
    for id in std::mem::take(&mut now.gone) {
        let guards = now.missing.entry(id.clone()).or_default();
        for file in stood_in(&id, container(&id)) {
            let of_file = rights.rules.of_file(file);
            guards.insert(of_file.container.clone());
            now.containers.entry(of_file.container).or_insert(of_file.spec);
        }
    }
}

/// The files that a document may have stood in which is not there any more: itself, or an archive above it.
///
/// INVARIANT: the true one is among them. Rights hang on a file's own path or on its folder in every format
/// ([`Rules::of_file`](crate::acl_mapping::Rules::of_file)), and a member hangs where its archive hangs, so the
/// container that the catalog has tells them apart. It does not tell a folder from an archive of the same
/// name with rights of its own: then both are meant, and where it tells nothing, all.
fn stood_in<'i>(id: &'i str, container: &str) -> Vec<&'i str> {
    let above = id.match_indices('/').filter_map(|(at, _)| id.get(..at));
    let all: Vec<&str> = above.chain([id]).collect();
    let hang_there = all.iter().filter(|file| **file == container || parent(file) == container);
    let hang_there: Vec<&str> = hang_there.copied().collect();
    if hang_there.is_empty() { all } else { hang_there }
}

/// A document hangs where its file hangs: what stands in an archive has the archive's rights. It cannot be told
/// to be what is published without unpacking it, so what widens for it waits for a run.
fn put(now: &mut RightsNow, rights: &Rights, id: &str, file: &str) {
    let of_file = rights.rules.of_file(file);
    now.documents.insert(id.to_owned(), of_file.container.clone());
    now.containers.entry(of_file.container).or_insert(of_file.spec);
}

/// The state of a file, if it still has the bytes that the published version came from.
fn same(connector: &dyn SourceConnector, item: &Item, rights: &Rights, unsure: &Unsure) -> Option<Stamp> {
    if item.length != unsure.length {
        return None;
    }
    let mut fetched = connector.fetch(item, rights).ok()?;
    let mut hash = Sha256::new();
    let mut left = unsure.length;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match fetched.file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                left = left.checked_sub(read as u64)?;
                hash.update(buffer.get(..read).unwrap_or_default());
            }
            Err(_) => return None,
        }
    }
    let same = left == 0 && <[u8; 32]>::from(hash.finalize()) == unsure.raw_hash;
    (same && connector.still(&fetched)).then_some(fetched.stamp)
}

fn problems(rights: &Rights, unresolved: Vec<(String, String)>) -> Vec<(String, String)> {
    let files = rights.rules.problems().into_iter().map(|(file, line, what)| (place(&file, line), what));
    let all: BTreeSet<(String, String)> = files.chain(unresolved).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_a_document_stood_in_is_told_by_its_container() {
        for (id, container, files) in [
            ("a.md", "", vec!["a.md"]),
            ("a.md", "a.md", vec!["a.md"]),
            ("in/a.md", "in/a.md", vec!["in/a.md"]),
            // A file in a folder, or a member of an archive with rights of its own.
            ("in/a.md", "in", vec!["in", "in/a.md"]),
            // Members: of what stands in the root, in a folder, or has rights of its own.
            ("pay.zip/a.md", "", vec!["pay.zip"]),
            ("in/pay.zip/a.md", "in", vec!["in", "in/pay.zip"]),
            ("in/pay.zip/deep/a.md", "in/pay.zip", vec!["in/pay.zip", "in/pay.zip/deep"]),
            // Shut, because a rights file was in it.
            ("in/pay.zip/a.md", "in/pay.zip/.access.toml", vec!["in", "in/pay.zip", "in/pay.zip/a.md"]),
        ] {
            assert_eq!(stood_in(id, container), files, "{id} in {container}");
        }
    }
}
