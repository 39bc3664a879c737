//! Administrative acts in the audit log: who did what. They name sources, containers, people and
//! counts, never titles, texts or secrets.

use crate::audit::Record;
use crate::core::Core;
use crate::error::VaultError;
use crate::vault::Operator;
use serde_json::Value;

impl Core {
    /// Records an act durably before it is done. What widens a right goes through here.
    pub(crate) fn record_deed(
        &self,
        by: &Operator,
        act: &'static str,
        details: Value,
    ) -> Result<(), VaultError> {
        self.audit.write(&Record::Change { by: by.clone(), act: act.to_owned(), details })
    }

    /// Records an act that was done: narrowings never wait for the log. Where it cannot be written,
    /// answers stop, because they need the same log.
    pub(crate) fn note_deed(&self, by: &Operator, act: &'static str, details: Value) {
        self.audit.note(&Record::Change { by: by.clone(), act: act.to_owned(), details });
    }

    /// Records what a run did.
    pub(crate) fn note_run(&self, source: &str, state: &'static str, counts: Value) {
        self.audit.note(&Record::Run { source: source.to_owned(), state: state.to_owned(), counts });
    }
}
