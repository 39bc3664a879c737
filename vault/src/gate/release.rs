//! The release: record durable, then the final check and the hand-over under one read lock.
//! Nothing under that lock syncs a file or waits for anything.

use super::{Disclosure, Gate, Leaving, scope};
use crate::audit::{Answer, Asked, Outcome, Policy, Record, State, Who};
use crate::core::Core;
use crate::error::VaultError;
use crate::published::Rights;
use data_encoding::HEXLOWER;
use kenward_access::caller::{Caller, Credential, Subject};
use kenward_access::groups::Completeness;
use kenward_access::ids::Timestamp;
use kenward_access::scope::AccessScope;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How a release ended.
#[derive(Debug)]
pub(crate) enum Released {
    /// The answer.
    Given(Disclosure),
    /// A right of this caller narrowed since the pin: the record is withdrawn, begin again.
    Again,
    /// The caller is no caller any more.
    Gone,
}

/// What the final check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    Narrowed,
    Gone,
}

impl Gate<'_> {
    /// Makes the record durable, then checks and hands over. `code` is `ok`, or the code of an error
    /// that speaks of something that the caller may see. `between` runs after the record and before
    /// the check: tests revoke there.
    pub(crate) fn release(
        self,
        (code, bytes): (&str, Vec<u8>),
        asked: Asked,
        attempt: u32,
        between: &dyn Fn(),
    ) -> Result<Released, VaultError> {
        let leaving = std::mem::take(&mut *self.leaving.lock());
        let answer = record(&self, leaving, asked, attempt, code, &bytes);
        let id = self.record.text();
        // INVARIANT (I6): durable before anything is handed over; an error here is no answer.
        self.core.audit.write(&Record::Answer(Box::new(answer)))?;
        between();
        // Rights that moved are compared before the lock, so that under it there is, unless they
        // move again meanwhile, only one pointer to look at.
        let mut known = Arc::clone(&self.pin.rights);
        let mut verdict = self.compare(&known);
        for _ in 0..3 {
            let now = self.core.rights.load_full();
            if Arc::ptr_eq(&now, &known) || verdict != Verdict::Same {
                break;
            }
            verdict = self.compare(&now);
            known = now;
        }
        let guard = self.core.release.read();
        let now = self.core.rights.load_full();
        if verdict == Verdict::Same {
            verdict = if Arc::ptr_eq(&now, &known) { self.time(&now) } else { self.compare(&now) };
        }
        let released = match verdict {
            Verdict::Same => Released::Given(Disclosure { bytes }),
            Verdict::Narrowed => Released::Again,
            Verdict::Gone => Released::Gone,
        };
        drop(guard);
        self.core.audit.note(&match verdict {
            Verdict::Same => Record::HandedOver { answer: id },
            Verdict::Narrowed | Verdict::Gone => Record::Withdrawn { answer: id },
        });
        Ok(released)
    }

    /// Whether time alone has ended the credential, or closed a window that the answer rests on.
    fn time(&self, rights: &Rights) -> Verdict {
        let now = self.core.now();
        if scope::resolve(self.core, self.caller, rights, now).is_none() {
            return Verdict::Gone;
        }
        match self.filter.void_from() {
            Some(edge) if edge <= now => Verdict::Narrowed,
            _ => Verdict::Same,
        }
    }

    /// Compares what the caller could see at the pin with what they may see under `rights`.
    fn compare(&self, rights: &Arc<Rights>) -> Verdict {
        let time = self.time(rights);
        if time != Verdict::Same || Arc::ptr_eq(rights, &self.pin.rights) {
            return time;
        }
        let Some(scope) = scope::resolve(self.core, self.caller, rights, self.pin.now) else {
            return Verdict::Gone;
        };
        let filter = scope.filter(&rights.classes);
        let place =
            |rights: &Rights, document| rights.documents.get(&document).map(|(container, _)| *container);
        // INVARIANT (I9): only what was visible at the pin is compared; an epoch is never.
        let narrowed = self.pin.published.image.documents.iter().any(|(document, _)| {
            self.sees(document)
                && (!self.class_in(rights, document).is_some_and(|class| filter.sees(class))
                    || place(rights, document) != place(&self.pin.rights, document))
        });
        if narrowed { Verdict::Narrowed } else { Verdict::Same }
    }
}

fn record(gate: &Gate<'_>, leaving: Leaving, asked: Asked, attempt: u32, code: &str, bytes: &[u8]) -> Answer {
    Answer {
        schema: 1,
        id: gate.record.text(),
        started: gate.pin.now,
        attempt,
        who: who(gate.core, gate.caller),
        state: Some(state(gate.scope)),
        asked,
        policy: policy(gate.core, &gate.pin.rights),
        returned: leaving.returned,
        gone: leaving.gone,
        decisions: leaving.decisions,
        outcome: outcome(code, bytes),
    }
}

/// Records an error that a caller is going to be told. It says nothing of any document, so there is no
/// final check.
pub(crate) fn record_error(
    core: &Core,
    caller: &Caller,
    scope: Option<&AccessScope>,
    asked: Asked,
    started: Timestamp,
    (code, bytes): (&str, &[u8]),
) -> Result<(), VaultError> {
    let id = crate::receipt::RecordId::draw(core.entropy.as_ref()).text();
    let answer = Answer {
        schema: 1,
        id: id.clone(),
        started,
        attempt: 1,
        who: who(core, caller),
        state: scope.map(state),
        asked,
        policy: policy(core, &core.rights.load()),
        returned: Vec::new(),
        gone: Vec::new(),
        decisions: std::collections::BTreeMap::new(),
        outcome: outcome(code, bytes),
    };
    core.audit.write(&Record::Answer(Box::new(answer)))?;
    core.audit.note(&Record::HandedOver { answer: id });
    Ok(())
}

fn who(core: &Core, caller: &Caller) -> Who {
    let short = |hash: &[u8; 32]| Some(HEXLOWER.encode(hash.get(..6).unwrap_or_default()));
    let (issuer, token, uid) = match caller.credential() {
        Credential::Token(hash) => ("local", short(hash), None),
        Credential::Issued(issued) => (&*issued.issuer, short(&issued.hash), None),
        Credential::Peer { uid } => ("local", None, Some(*uid)),
    };
    Who {
        tenant: core.tenant.as_str().to_owned(),
        issuer: issuer.to_owned(),
        subject: match caller.subject() {
            Subject::User(id) => format!("user:{id}"),
            Subject::Service(id) => format!("service:{id}"),
        },
        client: caller.agent().map(ToString::to_string),
        token,
        uid,
    }
}

fn state(scope: &AccessScope) -> State {
    let memberships = scope.holder().memberships();
    State {
        right_set: HEXLOWER.encode(&scope.right_set().0),
        groups: memberships.groups().count(),
        complete: memberships.completeness() == Completeness::Complete,
    }
}

fn policy(core: &Core, rights: &Rights) -> Policy {
    let published = core.published.load();
    let space = published.vectors.as_ref().map(|v| v.embedder.space());
    Policy {
        rights_epoch: rights.epoch.0,
        model: space.map(|space| {
            let other =
                if space.precision == "f32" { String::new() } else { format!("/{}", space.precision) };
            format!("{}/{}{other}", space.engine, space.model)
        }),
        reranker: core.reranking.as_ref().map(|reranking| reranking.by.model().to_owned()),
    }
}

fn outcome(code: &str, bytes: &[u8]) -> Outcome {
    Outcome {
        code: code.to_owned(),
        bytes: bytes.len() as u64,
        sha256: HEXLOWER.encode(&Sha256::digest(bytes)),
    }
}
