//! Keeping documents: their texts durably, then one transaction with everything else. What guards
//! them meanwhile is never wider than both their old and their new rights.

use super::change::RightsChange;
use super::{NewDocument, Standing, engines};
use crate::catalog::{Tx, content, outbox, rights as rights_sql, sources};
use crate::error::VaultError;
use crate::text::Written;
use crate::vault::Vault;
use kenward_access::ids::{DocNo, Timestamp};
use kenward_access::rights::{Origin, RightsSpec};
use kenward_indexes::vector::VectorError;
use std::collections::BTreeMap;

/// A document's source, by number and name.
#[derive(Debug, Clone)]
pub(crate) struct In {
    pub(crate) source: u32,
    pub(crate) name: String,
    /// The name that its documents' ids are made with.
    pub(crate) born: String,
}

/// A document whose text is written, on its way into the catalog.
struct New<'a> {
    document: &'a NewDocument,
    key: &'a [u8; 32],
    vectors: Option<&'a [u8]>,
    text: &'a Written,
    ingested: Timestamp,
}

impl Vault {
    /// Keeps new or changed documents, all of them or none; they wait for publication. Gives their numbers.
    pub(crate) fn keep(
        &self,
        place: &In,
        documents: &[NewDocument],
        ingested: Timestamp,
    ) -> Result<Vec<DocNo>, VaultError> {
        let core = &self.core;
        let key = |new: &NewDocument| core.keys.document_key(&core.tenant, &place.born, &new.source_id);
        let keys: Vec<[u8; 32]> = documents.iter().map(key).collect();
        let vectors = documents.iter().map(|new| self.vectors_of(new)).collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<_> = keys.iter().copied().zip(documents.iter().map(|new| &new.text)).collect();
        let written = core.text.write_all(&texts)?;
        let kept = self.change_rights("keeping documents", |tx, change| {
            let parts = keys.iter().zip(&vectors).zip(&written);
            let each = documents.iter().zip(parts).map(|(document, ((key, vectors), text))| {
                let new = New { document, key, vectors: vectors.as_deref(), text, ingested };
                self.keep_one(tx, change, place, &new)
            });
            each.collect::<Result<Vec<_>, _>>()
        });
        if kept.is_err() {
            core.text.give_up(&written);
        }
        kept
    }

    fn keep_one(
        &self,
        tx: &Tx<'_>,
        change: &mut RightsChange,
        place: &In,
        new: &New<'_>,
    ) -> Result<DocNo, VaultError> {
        let document = new.document;
        let container = self.stated(tx, change, place.source, &document.container)?;
        let old = content::document(tx, place.source, &document.source_id)?;
        let no = match &old {
            Some(old) => {
                self.guard(tx, change, old, &container, content::HELD_FOR_CONTENT)?;
                if let Some(waiting) = old.waiting {
                    content::set_state(tx, waiting, content::RETIRED)?;
                    let range = content::chunk_range(tx, waiting)?;
                    outbox::push(tx, outbox::DROP, old.no, waiting, range, None)?;
                }
                old.no
            }
            None => content::add_document(tx, place.source, &document.source_id, new.key, container.no)?,
        };
        let stored = content::Stored {
            document: no,
            version: &new.text.version,
            text: &new.text.name,
            length: new.text.length,
            ingested: new.ingested,
            embedded: new.vectors.is_some() || document.chunks.is_empty(),
        };
        let (row, first) = content::add_version(tx, document, &stored)?;
        let count = u32::try_from(document.chunks.len()).unwrap_or(u32::MAX);
        outbox::push(tx, outbox::PUT, no, row, (first, count), new.vectors)?;
        sources::unfail(tx, place.source, &document.source_id)?;
        Ok(no)
    }

    /// All vectors of a document, or none: half a document is as good as not embedded.
    fn vectors_of(&self, document: &NewDocument) -> Result<Option<Vec<u8>>, VaultError> {
        let Some(expected) = self.embedder().map(|embedder| embedder.space().dimension) else {
            return Ok(None);
        };
        if document.chunks.is_empty() || document.chunks.iter().any(|c| c.vector.is_none()) {
            return Ok(None);
        }
        let wrong = document.chunks.iter().filter_map(|c| c.vector.as_ref()).find(|v| v.len() != expected);
        if let Some(wrong) = wrong {
            return Err(VaultError::Vector(VectorError::Dimension { expected, got: wrong.len() }));
        }
        Ok(Some(engines::blob(document.chunks.iter().filter_map(|c| c.vector.as_ref()))))
    }

    /// The container that a document names. One whose rights nobody stated is nobody's (I3).
    pub(crate) fn stated(
        &self,
        tx: &Tx<'_>,
        change: &mut RightsChange,
        source: u32,
        key: &str,
    ) -> Result<rights_sql::Container, VaultError> {
        if let Some(container) = rights_sql::container(tx, source, key)? {
            return Ok(container);
        }
        let origin = Origin { file: key.to_owned(), line: 0 };
        let spec = RightsSpec {
            problem: Some(("no rights were stated".to_owned(), origin)),
            ..RightsSpec::default()
        };
        rights_sql::state(tx, change.rights_mut(), &self.core.labels, source, key, &spec)?;
        rights_sql::container(tx, source, key)?
            .ok_or_else(|| VaultError::damaged("the catalog's table `containers`", "report this as a defect"))
    }

    /// Puts a document under a container. A published one stays under old AND new rights; where both
    /// are simply its container's, that container says so itself.
    pub(crate) fn guard(
        &self,
        tx: &Tx<'_>,
        change: &mut RightsChange,
        old: &content::Document,
        new: &rights_sql::Container,
        held_for: u8,
    ) -> Result<(), VaultError> {
        // After a failure the old version stays when the container widens at the end of the run.
        let settled = held_for == content::HELD_FOR_CONTENT || new.class == new.wanted;
        if old.container == new.no && old.held.is_none() && settled {
            return Ok(());
        }
        // A version that only waits was read under the old rights too.
        let held = match old.published.or(old.waiting) {
            Some(_) => {
                let container = || change.rights().containers.get(&old.container).copied();
                let now = change.rights().class_of(old.no).or(old.held).or_else(container);
                Some(rights_sql::both(tx, change.rights_mut(), now, Some(new.wanted))?)
            }
            None => None,
        };
        content::guard(tx, old.no, new.no, held, if held.is_some() { held_for } else { 0 })?;
        change.rights_mut().documents.insert(old.no, (new.no, held));
        change.narrows();
        Ok(())
    }

    /// Records a failed document. What is published of it stays, under old AND new rights. Gives its
    /// number, if it has one.
    pub(crate) fn keep_failure(
        &self,
        place: &In,
        container: &str,
        standing: &Standing,
    ) -> Result<Option<DocNo>, VaultError> {
        self.change_rights("recording a failure", |tx, change| {
            let old = content::document(tx, place.source, &standing.failure.path)?;
            if let Some(old) = &old {
                let container = self.stated(tx, change, place.source, container)?;
                self.guard(tx, change, old, &container, content::HELD_FOR_FAILURE)?;
            }
            sources::fail(tx, place.source, standing)?;
            Ok(old.map(|old| old.no))
        })
    }

    /// A document that could not be read for the sake of the file it stands in: what is published of it stays,
    /// under old AND new rights, and a failure of its own is none any more.
    pub(crate) fn keep_unread(
        &self,
        place: &In,
        source_id: &str,
        container: &str,
    ) -> Result<Option<DocNo>, VaultError> {
        self.change_rights("keeping a document of a file that failed", |tx, change| {
            let Some(old) = content::document(tx, place.source, source_id)? else { return Ok(None) };
            let container = self.stated(tx, change, place.source, container)?;
            self.guard(tx, change, &old, &container, content::HELD_FOR_FAILURE)?;
            sources::unfail(tx, place.source, source_id)?;
            Ok(Some(old.no))
        })
    }

    /// Records that a document is unchanged in content. If it moved, or was held, it is under old AND
    /// new rights until the next publication.
    pub(crate) fn keep_unchanged(
        &self,
        place: &In,
        source_id: &str,
        container: &str,
        modified: Timestamp,
    ) -> Result<Option<DocNo>, VaultError> {
        self.change_rights("recording an unchanged document", |tx, change| {
            let Some(old) = content::document(tx, place.source, source_id)? else { return Ok(None) };
            let container = self.stated(tx, change, place.source, container)?;
            self.guard(tx, change, &old, &container, content::HELD_FOR_CONTENT)?;
            content::set_modified(tx, old.no, modified)?;
            sources::unfail(tx, place.source, source_id)?;
            Ok(Some(old.no))
        })
    }

    /// Notes that documents hang on other containers (id → container), of which nothing else is known.
    pub(crate) fn move_unread(&self, place: &In, moved: &BTreeMap<String, String>) -> Result<(), VaultError> {
        self.guard_unread(place, moved, content::HELD_FOR_CONTENT)
    }

    /// Notes that documents (id → container) cannot be looked at: what is published of them stays, under old AND new rights,
    /// also when their containers widen.
    pub(crate) fn hold_unread(&self, place: &In, held: &BTreeMap<String, String>) -> Result<(), VaultError> {
        self.guard_unread(place, held, content::HELD_FOR_FAILURE)
    }

    fn guard_unread(
        &self,
        place: &In,
        documents: &BTreeMap<String, String>,
        held_for: u8,
    ) -> Result<(), VaultError> {
        self.change_rights("guarding documents that are not read", |tx, change| {
            for (source_id, container) in documents {
                let Some(old) = content::document(tx, place.source, source_id)? else { continue };
                let container = self.stated(tx, change, place.source, container)?;
                self.guard(tx, change, &old, &container, held_for)?;
            }
            Ok(())
        })
    }

    /// Removes documents: at once for whoever asks, later from the engines.
    pub(crate) fn remove(&self, place: &In, source_ids: &[String]) -> Result<u64, VaultError> {
        self.change_rights("removing documents", |tx, change| {
            let mut removed = 0;
            for source_id in source_ids {
                let Some(old) = content::document(tx, place.source, source_id)? else { continue };
                take_out(tx, change, &old)?;
                removed += 1;
            }
            Ok(removed)
        })
    }

    /// Removes documents by their numbers, in a change that is under way. Gives how many there were.
    pub(crate) fn remove_numbers(
        &self,
        tx: &Tx<'_>,
        change: &mut RightsChange,
        numbers: &[DocNo],
    ) -> Result<u64, VaultError> {
        let mut removed = 0;
        for no in numbers {
            let Some(old) = content::document_by_number(tx, *no)? else { continue };
            take_out(tx, change, &old)?;
            removed += 1;
        }
        Ok(removed)
    }
}

fn take_out(tx: &Tx<'_>, change: &mut RightsChange, old: &content::Document) -> Result<(), VaultError> {
    for row in [old.published, old.waiting].into_iter().flatten() {
        outbox::push(tx, outbox::GONE, old.no, row, content::chunk_range(tx, row)?, None)?;
    }
    content::remove(tx, old)?;
    change.rights_mut().documents.remove(&old.no);
    change.narrows();
    Ok(())
}
