//! The rights of a source, read without its content: what narrows acts at once; what widens acts only for
//! documents of which it is known that the source still has what is published. It must never touch content,
//! an engine or the outbox, and never remove anything.

use super::change::RightsChange;
use super::put::In;
use crate::catalog::{Tx, content, rights as rights_sql, sources};
use crate::error::VaultError;
use crate::vault::{Operator, Vault};
use kenward_access::acl::Acl;
use kenward_access::ids::{ContainerNo, DocNo, Timestamp};
use kenward_access::rights::RightsSpec;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The rights of a source as they were read, and where its documents are.
#[derive(Debug, Clone, Default)]
pub struct RightsNow {
    /// Rights by container.
    pub containers: BTreeMap<String, RightsSpec>,
    /// Container of each known document that is there.
    pub documents: BTreeMap<String, String>,
    /// Known documents that are not there any more: nobody's, until a run removes them or finds them again.
    pub gone: BTreeSet<String>,
    /// Known documents that are not there, and so many that it is not believed: they stay where they are, and these
    /// containers guard them as well until they are found again.
    pub missing: BTreeMap<String, BTreeSet<String>>,
}

/// A document whose rights widen if its content is what is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsure {
    /// Its id in its source.
    pub source_id: String,
    /// SHA-256 of the bytes that the published version came from.
    pub raw_hash: [u8; 32],
    /// Their length.
    pub length: u64,
}

/// How recent what is known of a source is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// Name of the source.
    pub source: String,
    /// Start of the last run that read all of it.
    pub listed: Option<Timestamp>,
    /// When its rights were last read, all of them, and put into force.
    pub rights_as_of: Option<Timestamp>,
}

/// One reading of a source's rights. No run of the source is under way while this is held.
pub struct RightsSync {
    vault: Arc<Vault>,
    by: Operator,
    place: In,
    started: Timestamp,
    known: HashMap<String, String>,
}

impl Drop for RightsSync {
    fn drop(&mut self) {
        self.vault.running.lock().remove(&self.place.source);
    }
}

impl Vault {
    /// Begins to read a source's rights. A run over it must not be under way.
    ///
    /// # Errors
    /// [`VaultError::Name`] for an unknown source, or one that is being ingested.
    pub fn begin_rights(self: &Arc<Self>, by: &Operator, source: u32) -> Result<RightsSync, VaultError> {
        let started = self.core.now();
        let place = self.occupy(source)?;
        // From here on dropping it lets the source go.
        let mut sync =
            RightsSync { vault: Arc::clone(self), by: by.clone(), place, started, known: HashMap::new() };
        let known = self.catalog.lock().transaction("reading documents", |tx| content::known(tx, source))?;
        sync.known =
            known.into_iter().map(|(id, known)| (id, Arc::unwrap_or_clone(known.known).container)).collect();
        Ok(sync)
    }

    /// Lets the rights of these containers act for documents of which it is known that the source has what is
    /// published; the others stay under old AND new. Gives how many came out from under old rights.
    pub(crate) fn widen_what_is_sure(
        &self,
        by: &Operator,
        place: &In,
        of: &dyn Fn(&str) -> bool,
        verified: &BTreeSet<String>,
    ) -> Result<u64, VaultError> {
        self.change_rights("widening rights", |tx, change| {
            let (mut containers, mut documents) = (Vec::new(), Vec::new());
            for (no, key) in rights_sql::waiting_to_widen(tx, place.source)? {
                if !of(&key) {
                    continue;
                }
                let inside = content::in_container(tx, no)?;
                let sure = |id: &String, waits: bool| verified.contains(id) && !waits;
                let unsure: Vec<DocNo> = inside
                    .iter()
                    .filter(|inside| !inside.held && !sure(&inside.source_id, inside.waits))
                    .map(|inside| inside.no)
                    .collect();
                if inside.iter().any(|inside| !inside.held)
                    && !inside.iter().any(|inside| sure(&inside.source_id, inside.waits))
                {
                    continue;
                }
                // INVARIANT: what is not known to be what is published stays under old AND new.
                hold(tx, change, no, &unsure)?;
                rights_sql::widen(tx, change.rights_mut(), no)?;
                documents.extend(
                    inside.into_iter().filter(|i| !i.held && !unsure.contains(&i.no)).map(|i| i.source_id),
                );
                containers.push(key);
            }
            for id in verified {
                let Some(old) = content::document(tx, place.source, id)? else { continue };
                if old.held.is_some() && content::free(tx, old.no)? {
                    change.rights_mut().documents.insert(old.no, (old.container, None));
                    documents.push(id.clone());
                }
            }
            if containers.is_empty() && documents.is_empty() {
                return Ok(0);
            }
            let count = documents.len() as u64;
            let details = serde_json::json!({
                "source": place.name, "containers": containers, "documents": documents,
            });
            change.widens(&self.core, by, "rights_widened", details)?;
            Ok(count)
        })
    }

    /// How recent the sources are.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn freshness(&self) -> Result<Vec<Freshness>, VaultError> {
        self.catalog.lock().transaction("reading sources", sources::freshness)
    }
}

impl RightsSync {
    /// The ids of the documents that are known.
    #[must_use]
    pub fn known(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.known.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// The container that a document hangs on.
    #[must_use]
    pub fn container(&self, id: &str) -> Option<&str> {
        self.known.get(id).map(String::as_str)
    }

    /// States the rights as they are now. What narrows acts, and this returns when no answer with the old
    /// rights can be given; what would widen is under old AND new. Gives what is to be looked at for it to
    /// widen, and how many containers and documents changed their rights.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn state(&mut self, now: &RightsNow) -> Result<(Vec<Unsure>, u64), VaultError> {
        let (vault, source) = (&self.vault, self.place.source);
        let moved =
            |(id, container): &(&String, &String)| self.known.get(*id).is_some_and(|was| was != *container);
        let (unsure, containers, documents) = vault.change_rights("stating rights", |tx, change| {
            let (mut containers, mut documents) = (Vec::new(), Vec::new());
            for (key, spec) in &now.containers {
                if rights_sql::state(tx, change.rights_mut(), &vault.core.labels, source, key, spec)? {
                    containers.push(key.clone());
                }
            }
            for (id, container) in now.documents.iter().filter(moved) {
                let Some(old) = content::document(tx, source, id)? else { continue };
                let container = vault.stated(tx, change, source, container)?;
                vault.guard(tx, change, &old, &container, content::HELD_FOR_CONTENT)?;
                documents.push(id.clone());
            }
            for id in &now.gone {
                if let Some(old) = content::document(tx, source, id)?
                    && hide(tx, change, &old)?
                {
                    documents.push(id.clone());
                }
            }
            for (id, guards) in &now.missing {
                let mut narrowed = false;
                for key in guards {
                    let Some(old) = content::document(tx, source, id)? else { continue };
                    let container = vault.stated(tx, change, source, key)?;
                    narrowed |= narrow(tx, change, &old, &container)?;
                }
                documents.extend(narrowed.then(|| id.clone()));
            }
            if !containers.is_empty() {
                change.narrows();
            }
            let unsure = content::unsure(tx, source)?;
            Ok((unsure, containers, documents))
        })?;
        let changed = (containers.len() + documents.len()) as u64;
        if changed > 0 {
            let about = serde_json::json!({
                "source": self.place.name, "containers": containers, "documents": documents,
            });
            vault.core.note_deed(&self.by, "rights_narrowed", about);
        }
        for (id, container) in &now.documents {
            if let Some(known) = self.known.get_mut(id) {
                known.clone_from(container);
            }
        }
        let there = |unsure: &Unsure| now.documents.contains_key(&unsure.source_id);
        Ok((unsure.into_iter().filter(there).collect(), changed))
    }

    /// Lets the rights as they were stated act for documents whose content was found to be what is
    /// published; the others stay under old AND new until a run has read them. Call it only if the rights
    /// are still what was stated, read after the content. Gives how many documents came out from under old
    /// rights.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn widen(&mut self, verified: &BTreeSet<String>) -> Result<u64, VaultError> {
        self.vault.widen_what_is_sure(&self.by, &self.place, &|_| true, verified)
    }

    /// Why the rights in force hide documents: (place where it is written, what is wrong).
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn problems(&self, now: &RightsNow) -> Result<Vec<(String, String)>, VaultError> {
        let source = self.place.source;
        let unresolved = self
            .vault
            .catalog
            .lock()
            .transaction("reading rights", |tx| rights_sql::unresolved(tx, source))?;
        let stated = unresolved.into_iter().filter(|(key, _, _)| now.containers.contains_key(key));
        let problems: BTreeSet<(String, String)> =
            stated.map(|(_, origin, what)| (super::place(&origin.file, origin.line), what)).collect();
        Ok(problems.into_iter().collect())
    }

    /// Notes that the rights were read, all of them.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn done(self) -> Result<(), VaultError> {
        let (source, started) = (self.place.source, self.started);
        self.vault
            .catalog
            .lock()
            .transaction("noting a reading of rights", |tx| sources::set_rights_read(tx, source, started))
    }
}

/// Puts documents of a container that is about to widen under what guards them now.
fn hold(
    tx: &Tx<'_>,
    change: &mut RightsChange,
    container: ContainerNo,
    documents: &[DocNo],
) -> Result<(), VaultError> {
    let now = change.rights().containers.get(&container).copied();
    let class = match now {
        Some(class) => class,
        None => rights_sql::intern(tx, change.rights_mut(), Acl::nobody())?,
    };
    for no in documents {
        content::guard(tx, *no, container, Some(class), content::HELD_FOR_CONTENT)?;
        change.rights_mut().documents.insert(*no, (container, Some(class)));
    }
    Ok(())
}

/// Makes a document nobody's. Gives whether it was somebody's.
fn hide(tx: &Tx<'_>, change: &mut RightsChange, old: &content::Document) -> Result<bool, VaultError> {
    let nobody = rights_sql::intern(tx, change.rights_mut(), Acl::nobody())?;
    if old.held == Some(nobody) {
        return Ok(false);
    }
    content::guard(tx, old.no, old.container, Some(nobody), content::HELD_FOR_CONTENT)?;
    change.rights_mut().documents.insert(old.no, (old.container, Some(nobody)));
    change.narrows();
    Ok(true)
}

/// Lets a container guard a document that does not hang on it, beside what does. Gives whether that narrowed it.
fn narrow(
    tx: &Tx<'_>,
    change: &mut RightsChange,
    old: &content::Document,
    also: &rights_sql::Container,
) -> Result<bool, VaultError> {
    // INVARIANT: what guards it beside its container is kept with the document even where it comes to the same now:
    // its container's names are resolved again when the directory changes.
    let kept = old.held.is_some() || old.container == also.no;
    let rights = change.rights();
    let now = rights.class_of(old.no).or(old.held).or_else(|| rights.containers.get(&old.container).copied());
    let narrower = Some(rights_sql::both(tx, change.rights_mut(), now, Some(also.wanted))?);
    if kept && narrower == now {
        return Ok(false);
    }
    content::guard(tx, old.no, old.container, narrower, content::HELD_FOR_CONTENT)?;
    change.rights_mut().documents.insert(old.no, (old.container, narrower));
    change.narrows();
    Ok(narrower != now)
}
