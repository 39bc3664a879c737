//! A change of rights: one transaction, one swap, and the release lock once free before it is
//! acknowledged. Rights are never changed in any other way.

use crate::catalog::{Tx, to_json};
use crate::core::Core;
use crate::error::VaultError;
use crate::ledger::{self, Narrowed};
use crate::published::Rights;
use crate::vault::{Operator, Vault};
use crate::writer::SourceSpec;
use serde_json::Value;
use std::sync::Arc;

/// Rights as a transaction will leave them.
pub(crate) struct RightsChange {
    base: Arc<Rights>,
    /// A copy, made when it is first written to: what only adds content copies nothing.
    new: Option<Rights>,
    counts: bool,
    recorded: Option<(Operator, &'static str)>,
    /// Sources of which something else is recorded: their next run goes by it.
    sources: Vec<(u32, Option<SourceSpec>)>,
    /// The ledger says it already.
    told: bool,
    untold: Option<VaultError>,
    /// It has an entry in the ledger.
    entered: bool,
}

impl RightsChange {
    /// The rights so far.
    pub(crate) fn rights(&self) -> &Rights {
        self.new.as_ref().unwrap_or(&self.base)
    }

    /// The rights so far, to be changed.
    pub(crate) fn rights_mut(&mut self) -> &mut Rights {
        self.new.get_or_insert_with(|| (*self.base).clone())
    }

    /// States that this changes what somebody may see: a new epoch, and the lock is waited for.
    pub(crate) fn narrows(&mut self) {
        self.counts = true;
    }

    /// States that something else is recorded of a source.
    pub(crate) fn source(&mut self, no: u32, spec: &SourceSpec) {
        self.sources.push((no, Some(spec.clone())));
    }

    /// States that a source is gone.
    pub(crate) fn source_gone(&mut self, no: u32) {
        self.sources.push((no, None));
    }

    /// States that the ledger says it already.
    pub(crate) fn is_told(&mut self) {
        self.told = true;
    }

    /// States that this widens what somebody may see, and makes the record of it durable first.
    pub(crate) fn widens(
        &mut self,
        core: &Core,
        by: &Operator,
        act: &'static str,
        details: Value,
    ) -> Result<(), VaultError> {
        // INVARIANT: a widening acts only after its record is durable.
        core.record_deed(by, act, details)?;
        self.counts = true;
        self.recorded = Some((by.clone(), act));
        Ok(())
    }
}

impl Vault {
    /// Runs a transaction that may change rights. After its commit the new rights are swapped in,
    /// and it returns when no answer with the old ones can be given any more.
    pub(crate) fn change_rights<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Tx<'_>, &mut RightsChange) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let mut catalog = self.catalog.lock();
        let mut change = RightsChange {
            base: self.core.rights.load_full(),
            new: None,
            counts: false,
            recorded: None,
            sources: Vec::new(),
            told: false,
            untold: None,
            entered: false,
        };
        let done = catalog.transaction(action, |tx| {
            let result = work(tx, &mut change)?;
            if change.counts {
                change.rights_mut().epoch = tx.next_epoch()?;
            }
            self.tell_ledger(tx, &mut change)?;
            Ok(result)
        });
        let result = match (done, change.recorded) {
            (Ok(result), _) => result,
            (Err(error), Some((by, act))) => {
                // The log says that it is about to be done; it was not.
                self.core.note_deed(&by, "not_done", serde_json::json!({ "act": act }));
                return Err(error);
            }
            (Err(error), None) => return Err(error),
        };
        if change.entered {
            self.ledger.lock().done(&self.core.keys.ledger, self.core.now());
        }
        if let Some(rights) = change.new {
            self.core.rights.store(Arc::new(rights));
        }
        if change.counts {
            // INVARIANT: whoever released before this saw the old rights before the acknowledgement;
            // whoever releases after it sees the new ones.
            drop(self.core.release.write());
        }
        match change.untold {
            // It acts, and is not acknowledged.
            Some(error) => Err(error),
            None => Ok(result),
        }
    }

    /// Notes in the ledger what may be narrower now, before it is committed.
    ///
    /// INVARIANT: what is acknowledged is in the ledger. A narrowing does not wait for it: where it cannot be
    /// written, the narrowing acts, is not acknowledged, and the ledger begins anew.
    fn tell_ledger(&self, tx: &Tx<'_>, change: &mut RightsChange) -> Result<(), VaultError> {
        let mut narrowed = match &change.new {
            Some(new) if !change.told => ledger::between(&change.base, new, &self.core.labels),
            _ => Narrowed::default(),
        };
        narrowed.sources.append(&mut change.sources);
        let mut ledger = self.ledger.lock();
        if narrowed.is_empty() && !ledger.is_broken() {
            return Ok(());
        }
        match ledger.append(&self.core.keys.ledger, self.core.now(), narrowed) {
            Ok(()) => {
                change.entered = true;
                tx.set_meta("ledger", &to_json(&ledger.place())?)
            }
            Err(error) => {
                tracing::error!(%error, "the rights ledger cannot be written; it begins anew when it can");
                change.untold = Some(error);
                // Told until there is a backup after it.
                tx.set_meta("ledger_anew", "yes")?;
                tx.set_meta("ledger", "")
            }
        }
    }
}
