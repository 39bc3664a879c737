//! Sources as operators see and change them: listed with what they hold, renamed, moved, removed. A source that is renamed
//! keeps the ids of its documents, which are made with the name that it was first recorded under. It must never
//! give a number to another source: what is removed leaves its number behind.

use crate::catalog::sources;
use crate::error::VaultError;
use crate::vault::{Operator, Vault};
use crate::writer::SourceSpec;
use crate::writer::publish::Ask;
use kenward_access::ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A source, and what it holds. For operators only: it counts everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// As it is recorded.
    pub spec: SourceSpec,
    /// `ks_…`
    pub id: String,
    /// Documents that are published.
    pub documents: u64,
    /// Files that failed.
    pub failures: u64,
    /// Documents that are hidden from everybody, by rights that cannot be resolved or until it is ingested again.
    pub hidden: u64,
    /// Documents, of those, that its next run shows again.
    pub hidden_until_ingested: u64,
    /// Start of the last full listing.
    pub fresh: Option<Timestamp>,
}

/// Documents of a source that are hidden from everybody, and why. For operators only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HiddenDocuments {
    /// Name of the source.
    pub source: String,
    /// By rights that cannot be resolved.
    pub by_rights: u64,
    /// Where those are written, and what is wrong with them.
    pub problems: Vec<(String, String)>,
    /// Until the source is ingested again.
    pub until_ingested: u64,
}

impl Vault {
    /// What is hidden of the sources; nothing of those of which nothing is.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn hidden(&self) -> Result<Vec<HiddenDocuments>, VaultError> {
        self.catalog.lock().transaction("counting what is hidden", |tx| {
            let counts = crate::catalog::hidden::counts(tx)?;
            let mut all = Vec::new();
            for (no, count) in counts {
                let Some(spec) = sources::one(tx, no)? else { continue };
                let unresolved = crate::catalog::rights::unresolved(tx, no)?;
                let problems: BTreeSet<(String, String)> = unresolved
                    .into_iter()
                    .map(|(_, origin, what)| (crate::writer::place(&origin.file, origin.line), what))
                    .collect();
                all.push(HiddenDocuments {
                    source: spec.name,
                    by_rights: count.by_rights,
                    problems: problems.into_iter().collect(),
                    until_ingested: count.until_ingested,
                });
            }
            Ok(all)
        })
    }

    /// All sources with what they hold.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn source_infos(&self) -> Result<Vec<SourceInfo>, VaultError> {
        self.catalog.lock().transaction("listing sources", sources::infos)
    }

    /// Gives a source another name. Its documents keep their ids.
    ///
    /// # Errors
    /// [`VaultError::Name`] for an unknown source, a name that is taken, or a source that is being ingested.
    pub fn rename_source(&self, by: &Operator, id: &str, new: &str) -> Result<(), VaultError> {
        if new.trim().is_empty() || new.chars().any(char::is_control) {
            return Err(VaultError::name("a source needs a name", "give one"));
        }
        self.change_source(by, "source_renamed", id, &|tx, spec| {
            if spec.name != new && sources::all(tx)?.iter().any(|(_, other)| other.name == new) {
                return Err(VaultError::name(
                    format!("there is a source `{new}` already"),
                    "see `kenward sources list`",
                ));
            }
            Ok(SourceSpec { name: new.to_owned(), ..spec })
        })
    }

    /// States that a source lies elsewhere now. What is there is read by its next run.
    ///
    /// # Errors
    /// As [`Vault::rename_source`].
    pub fn move_source(&self, by: &Operator, id: &str, root: &str) -> Result<(), VaultError> {
        self.change_source(by, "source_moved", id, &|_, spec| {
            Ok(SourceSpec { root: root.to_owned(), ..spec })
        })
    }

    fn change_source(
        &self,
        by: &Operator,
        act: &'static str,
        id: &str,
        new: &dyn Fn(&crate::catalog::Tx<'_>, SourceSpec) -> Result<SourceSpec, VaultError>,
    ) -> Result<(), VaultError> {
        self.change_rights("changing a source", |tx, change| {
            let (no, spec) = sources::with_id(tx, id)?.ok_or_else(gone)?;
            self.not_running(no, &spec.name)?;
            let now = new(tx, spec.clone())?;
            if now == spec {
                return Ok(());
            }
            let about = serde_json::json!({ "source": spec.name, "name": now.name, "root": now.root });
            self.core.record_deed(by, act, about)?;
            sources::set(tx, no, &now)?;
            change.source(no, &now);
            Ok(())
        })?;
        self.publish(&Ask { always: true, ..Ask::default() })
    }

    /// Removes a source with all its documents: at once for whoever asks, then from every store. Gives how many there were;
    /// one that is gone had none.
    ///
    /// # Errors
    /// [`VaultError::Name`] for one that is being ingested.
    pub fn remove_source(&self, by: &Operator, id: &str) -> Result<u64, VaultError> {
        let removed = self.change_rights("removing a source", |tx, change| {
            let Some((no, spec)) = sources::with_id(tx, id)? else { return Ok(None) };
            self.not_running(no, &spec.name)?;
            let removed = self.take_source(tx, change, no)?;
            // It narrows: it does not wait for its record.
            change.narrows();
            Ok(Some((removed, spec.name)))
        })?;
        let Some((removed, name)) = removed else { return Ok(0) };
        self.core.note_deed(
            by,
            "source_removed",
            serde_json::json!({ "source": name, "documents": removed }),
        );
        self.publish(&Ask { always: true, ..Ask::default() })?;
        self.drop_replaced()?;
        self.sweep_retired()?;
        Ok(removed)
    }

    /// Takes a source out, in a change that is under way.
    pub(crate) fn take_source(
        &self,
        tx: &crate::catalog::Tx<'_>,
        change: &mut crate::writer::change::RightsChange,
        no: u32,
    ) -> Result<u64, VaultError> {
        let numbers = sources::documents(tx, no)?;
        let removed = self.remove_numbers(tx, change, &numbers)?;
        crate::catalog::rights::forget_empty(tx, change.rights_mut(), no, &|_| false)?;
        sources::remove(tx, no)?;
        change.source_gone(no);
        Ok(removed)
    }

    fn not_running(&self, no: u32, name: &str) -> Result<(), VaultError> {
        if self.running.lock().contains(&no) {
            return Err(VaultError::name(
                format!("source `{name}` is being ingested"),
                format!("wait for that run to end, or stop it: `kenward runs cancel {name}`"),
            ));
        }
        Ok(())
    }
}

fn gone() -> VaultError {
    VaultError::name("this source is gone", "see `kenward sources list`")
}
