//! One question's way: pin, resolve the scope, build under the gate, release; begin again when a
//! right of this caller narrowed meanwhile, three times at most. Errors are recorded like answers.

use super::{KnowledgeBase, errors};
use crate::audit::Asked;
use crate::cursor::Cursors;
use crate::error::{AnswerError, VaultError};
use crate::gate::{Disclosure, Gate, Pin, Released, Stop, record_error};
use crate::receipt::{self, RecordId};
use kenward_access::caller::{Caller, Subject};
use kenward_access::ids::{AgentId, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

const ATTEMPTS: u32 = 3;

/// What was asked, as the record and the cursors need it.
pub(super) struct Asking {
    pub(super) tool: &'static str,
    /// The query or the id.
    pub(super) text: String,
    /// Filters that are set, and whatever else makes another request of it.
    pub(super) filters: BTreeMap<&'static str, String>,
    pub(super) limit: Option<u64>,
    pub(super) cursor: Option<String>,
}

impl Asking {
    /// For the record of a question that this caller's agent may not ask.
    pub(super) fn of_another_tool(question: &super::Question) -> Self {
        let (text, filters) = (String::new(), BTreeMap::new());
        Self { tool: question.name(), text, filters, limit: None, cursor: None }
    }

    /// Hash of the request without cursor and limit.
    fn hash(&self) -> [u8; 32] {
        let mut hash = blake3::Hasher::new_derive_key("kenward 2026 request v1");
        let mut field = |text: &str| {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        field(self.tool);
        field(&self.text);
        for (name, value) in &self.filters {
            field(name);
            field(value);
        }
        *hash.finalize().as_bytes()
    }

    /// For the record: values as keyed hashes.
    fn asked(&self, key: &[u8; 32]) -> Asked {
        let keyed = |text: &str| {
            let hash = blake3::keyed_hash(key, text.as_bytes());
            data_encoding::HEXLOWER.encode(hash.as_bytes().get(..16).unwrap_or_default())
        };
        Asked {
            tool: self.tool,
            hash: keyed(&self.text),
            filters: self.filters.iter().map(|(name, value)| (*name, keyed(value))).collect(),
            limit: self.limit,
            continued: self.cursor.is_some(),
        }
    }
}

/// What a builder works with.
pub(super) struct Attempt<'a> {
    pub(super) gate: &'a Gate<'a>,
    pub(super) receipt: &'a str,
    question: &'a Asking,
}

impl Attempt<'_> {
    fn cursors<'k>(&'k self, keys: &'k [[u8; 32]]) -> Cursors<'k> {
        Cursors {
            keys,
            tenant: &self.gate.core.tenant,
            now: self.gate.pin.now,
            caller: caller_hash(self.gate.caller),
            request: self.question.hash(),
        }
    }

    /// The sort key that this request goes on behind; `None` at the beginning.
    pub(super) fn last(&self) -> Result<Option<Vec<u8>>, Stop> {
        let Some(cursor) = &self.question.cursor else { return Ok(None) };
        self.cursors(&self.gate.core.keys.cursors.all())
            .read(cursor)
            .map(Some)
            .ok_or_else(|| Stop::Told(errors::cursor()))
    }

    /// A cursor that goes on behind `last`.
    pub(super) fn next(&self, last: &[u8]) -> Option<String> {
        self.cursors(&self.gate.core.keys.cursors.all()).make(self.gate.core.entropy.as_ref(), last)
    }
}

fn caller_hash(caller: &Caller) -> [u8; 32] {
    let mut hash = blake3::Hasher::new_derive_key("kenward 2026 caller v1");
    let (kind, id) = match caller.subject() {
        Subject::User(id) => ("user", id.as_str()),
        Subject::Service(id) => ("service", id.as_str()),
    };
    for text in [kind, id, caller.agent().map_or("", AgentId::as_str)] {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    *hash.finalize().as_bytes()
}

impl KnowledgeBase {
    /// Answers `question` with what `build` makes of it.
    pub(super) fn answer<T: Serialize>(
        &self,
        caller: &Caller,
        question: &Asking,
        build: impl Fn(&Attempt<'_>) -> Result<T, Stop>,
    ) -> Result<Disclosure, AnswerError> {
        for attempt in 1..=ATTEMPTS {
            match self.attempt(caller, question, attempt, &build) {
                Ok(answer) => return answer,
                Err(Stop::Again) => {}
                // An attempt hands `ToldOf` over by itself.
                Err(Stop::Told(error) | Stop::ToldOf(error)) => {
                    return Err(self.told(caller, question, error));
                }
                Err(Stop::Failed(failure)) => {
                    return Err(self.told(caller, question, errors::failed(&failure)));
                }
            }
        }
        Err(self.told(caller, question, errors::try_again()))
    }

    /// Checks the receipt of an answer that the next one must not be older than. Every answer is of what is
    /// published when it is asked for, so none of ours can be; one that is not ours says nothing.
    pub(super) fn not_before(&self, receipt: Option<&str>) -> Result<(), AnswerError> {
        let Some(text) = receipt else { return Ok(()) };
        let keys = self.core.keys.receipts.all();
        let known = keys.iter().any(|key| receipt::read(key, &self.core.tenant, text.trim()).is_some());
        if known { Ok(()) } else { Err(errors::receipt()) }
    }

    /// Refuses a request that is wrong in itself; recorded like any other error.
    pub(super) fn refuse(&self, caller: &Caller, question: &Asking, error: AnswerError) -> AnswerError {
        let rights = self.core.rights.load_full();
        let known = Gate::scope(&self.core, caller, &rights, self.core.now()).is_some();
        // Who is no caller learns nothing about arguments either.
        self.told(caller, question, if known { error } else { errors::unauthenticated() })
    }

    /// One attempt: an answer, or an error about something that the caller may see. Both are recorded
    /// and checked at the hand-over.
    fn attempt<T: Serialize>(
        &self,
        caller: &Caller,
        question: &Asking,
        attempt: u32,
        build: &impl Fn(&Attempt<'_>) -> Result<T, Stop>,
    ) -> Result<Result<Disclosure, AnswerError>, Stop> {
        let core = self.core.as_ref();
        let pin = Pin::take(core);
        let scope = Gate::scope(core, caller, &pin.rights, pin.now)
            .ok_or_else(|| Stop::Told(errors::unauthenticated()))?;
        let record = RecordId::draw(core.entropy.as_ref());
        let receipt =
            receipt::make(&core.keys.receipts.current(), core.entropy.as_ref(), &core.tenant, record)
                .ok_or_else(|| VaultError::damaged("the receipt key", "put `keys/` back from a backup"))?;
        let gate = Gate::new(core, caller, &pin, &scope, record);
        let built = match build(&Attempt { gate: &gate, receipt: &receipt, question }) {
            Err(Stop::ToldOf(error)) => Err(error),
            built => Ok(built?),
        };
        let (code, rendered) = match &built {
            Ok(body) => ("ok", serde_json::to_vec(body)),
            Err(error) => (error.code.name(), serde_json::to_vec(error)),
        };
        let bytes = rendered
            .map_err(|_| VaultError::damaged("an answer's rendering", "report it with the request id"))?;
        let asked = question.asked(&core.keys.audit);
        match gate.release((code, bytes), asked, attempt, &|| self.gap())? {
            Released::Given(disclosure) => Ok(built.map(|_| disclosure)),
            Released::Again => Err(Stop::Again),
            Released::Gone => Err(Stop::Told(errors::unauthenticated())),
        }
    }

    /// Records the error; if that fails, the error becomes "try again", which says nothing.
    fn told(&self, caller: &Caller, question: &Asking, error: AnswerError) -> AnswerError {
        let core = self.core.as_ref();
        let now: Timestamp = core.now();
        let rights = core.rights.load_full();
        let scope = Gate::scope(core, caller, &rights, now);
        let bytes = serde_json::to_vec(&error).unwrap_or_default();
        let outcome = (error.code.name(), bytes.as_slice());
        match record_error(core, caller, scope.as_ref(), question.asked(&core.keys.audit), now, outcome) {
            Ok(()) => error,
            Err(failure) => errors::failed(&failure),
        }
    }
}
