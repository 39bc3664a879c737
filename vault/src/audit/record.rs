//! What a record says: schema version 1. Field names and meanings are promises from the first
//! release on; a new one may be added, none may change.

use crate::vault::Operator;
use kenward_access::ids::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One record.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Record {
    /// An answer, or an error, that is about to be given.
    Answer(Box<Answer>),
    /// It was given.
    HandedOver { answer: String },
    /// It was not given: a right of its caller had narrowed meanwhile.
    Withdrawn { answer: String },
    /// Found at start-up: nobody knows whether it was given.
    Unconfirmed { answer: String },
    /// Requests without a valid token, gathered.
    Refused { address: String, count: u64 },
    /// An administrative act: of rights, the directory, sources, tokens, or a reading of `why`.
    Change {
        by: Operator,
        /// What kind of act (`add_user`, `set_rights`, `why`, …).
        act: String,
        /// Ids and counts; names of people and groups where the act gives them; no content.
        details: Value,
    },
    /// An ingestion run.
    Run {
        source: String,
        /// `began`, `finished`, `interrupted`.
        state: String,
        counts: Value,
    },
    /// Found at start-up: so many bytes of an unfinished last line, moved aside.
    TornLine { bytes: u64 },
}

/// An answer.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) schema: u32,
    /// Random; what a receipt seals.
    pub(crate) id: String,
    /// The request's fixed clock.
    pub(crate) started: Timestamp,
    pub(crate) attempt: u32,
    pub(crate) who: Who,
    /// `None` if the caller had no scope any more.
    pub(crate) state: Option<State>,
    pub(crate) asked: Asked,
    pub(crate) policy: Policy,
    pub(crate) returned: Vec<Returned>,
    /// Ids of documents of which somebody who watched them was told that they are gone, for them at least.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gone: Vec<String>,
    /// The path of the decision of each class that was opened, by class number: of what was returned,
    /// left out, read by the reranker to be put in order, or spoken of by an error.
    pub(crate) decisions: BTreeMap<u32, DecisionPath>,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Serialize)]
pub(crate) struct Who {
    pub(crate) tenant: String,
    /// `local`, or the issuer of the token as it names itself.
    pub(crate) issuer: String,
    /// `user:u_…` or `service:…`.
    pub(crate) subject: String,
    pub(crate) client: Option<String>,
    /// First 12 hex digits of the token's SHA-256.
    pub(crate) token: Option<String>,
    /// The operating system's user, for a local person.
    pub(crate) uid: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(crate) struct State {
    pub(crate) right_set: String,
    pub(crate) groups: usize,
    pub(crate) complete: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Asked {
    pub(crate) tool: &'static str,
    /// Keyed hash of the query, or of the id that was asked for.
    pub(crate) hash: String,
    /// Keyed hashes of the filters' values, by name.
    pub(crate) filters: BTreeMap<&'static str, String>,
    pub(crate) limit: Option<u64>,
    /// Whether it goes on from a cursor.
    pub(crate) continued: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Policy {
    pub(crate) rights_epoch: u64,
    /// The embedding model, if one was there.
    pub(crate) model: Option<String>,
    /// The reranking model, if one was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reranker: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Returned {
    pub(crate) document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chunk: Option<u32>,
    pub(crate) version: String,
    pub(crate) rank: u64,
    pub(crate) class: u32,
    /// The window, in Unicode scalars, for a fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) span: Option<(u32, u32)>,
}

/// Why a class was visible: one element per layer.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct DecisionPath(pub(crate) Vec<LayerTaken>);

#[derive(Debug, Serialize)]
pub(crate) struct LayerTaken {
    pub(crate) layer: usize,
    /// Entry from 1; `None` for a label.
    pub(crate) entry: Option<usize>,
    /// `user`, `group`, `everyone`, …; `label` for a label.
    pub(crate) principal: &'static str,
    /// The chain of groups by their ids, through which the principal is held.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) chain: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// `ok`, or the code of the error.
    pub(crate) code: String,
    pub(crate) bytes: u64,
    /// SHA-256 of the bytes that leave.
    pub(crate) sha256: String,
}

/// The record's bytes as they are hashed and written, with the time of writing. `kind` comes first:
/// opening the log reads it without parsing the rest.
pub(super) fn line(at: Timestamp, record: &Record) -> std::io::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Timed<'a> {
        #[serde(flatten)]
        record: &'a Record,
        at: Timestamp,
    }
    Ok(serde_json::to_vec(&Timed { record, at })?)
}
