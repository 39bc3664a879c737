//! What has changed of what a caller watches: the difference between what they saw and what they see. A watched
//! thing that is hidden is like one that is not there; what happens to it is never told, and what is told goes
//! through the gate and into the record like any answer.
//!
//! The memory of what was seen is the front's to keep; it must never leave to the caller.

use super::ask::{Asking, Attempt};
use super::list::{note, visible_sources};
use super::target::Target;
use super::{KnowledgeBase, errors, resources};
use crate::error::AnswerError;
use crate::gate::envelope::{WatchAnswer, time_text};
use crate::gate::{Disclosure, Gate, Pin, Stop};
use crate::published::{ContentImage, DocMeta};
use crate::receipt::RecordId;
use kenward_access::caller::Caller;
use kenward_access::ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Most URIs that one subscription may name.
pub const MOST_WATCHED: usize = 100;
/// Longest of them in bytes: none of ours is longer.
pub const LONGEST_WATCHED: usize = 512;

/// What is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Resources.
    pub uris: BTreeSet<String>,
    /// And whether the list of resources changes.
    pub list: bool,
}

/// What was seen of it. For the front alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which opening of which content under which rights: while it is the same, nothing can have changed.
    state: (u64, u64, u64),
    /// When time alone may change what is seen.
    void_from: Option<Timestamp>,
    marks: Marks,
}

/// One mark for each thing; equal marks, equal things.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marks {
    /// `None` = not there, or not to be seen.
    uris: BTreeMap<String, Option<[u8; 16]>>,
    list: Option<[u8; 16]>,
}

impl Watch {
    /// The tools that an agent must have to hear of this.
    fn tools(&self) -> impl Iterator<Item = &'static str> {
        let sources = self.uris.iter().filter(|uri| resources::source_name(uri).is_some()).count();
        let needed = [
            ("fetch", sources < self.uris.len()),
            ("list_sources", self.list || sources > 0),
            ("list_documents", self.list),
        ];
        needed.into_iter().filter(|(_, needed)| *needed).map(|(tool, _)| tool)
    }
}

pub(super) fn watch(
    kb: &KnowledgeBase,
    caller: &Caller,
    watch: &Watch,
    seen: Option<&Seen>,
) -> Result<(Seen, Option<Disclosure>), AnswerError> {
    let asking = Asking {
        tool: "watch",
        text: watch.uris.iter().map(String::as_str).collect::<Vec<_>>().join("\n"),
        filters: BTreeMap::new(),
        limit: None,
        cursor: None,
    };
    // Whoever may not ask for it hears nothing of it, like of what is not there.
    let nothing;
    let caller = if watch.tools().all(|tool| caller.limits().tools.holds(tool)) {
        caller
    } else {
        nothing = caller.seeing_nothing();
        &nothing
    };
    if watch.uris.len() > MOST_WATCHED || watch.uris.iter().any(|uri| uri.len() > LONGEST_WATCHED) {
        return Err(kb.refuse(caller, &asking, errors::too_many_watched()));
    }
    // Most looks find nothing: they cost no record, because nothing leaves.
    let core = kb.core.as_ref();
    let pin = Pin::take(core);
    let Some(scope) = Gate::scope(core, caller, &pin.rights, pin.now) else {
        return Err(kb.refuse(caller, &asking, errors::unauthenticated()));
    };
    let gate = Gate::new(core, caller, &pin, &scope, RecordId([0; 16]));
    let state = state(&gate);
    let holds = |seen: &&Seen| seen.state == state && seen.void_from.is_none_or(|edge| pin.now < edge);
    if let Some(seen) = seen.filter(holds) {
        return Ok((seen.clone(), None));
    }
    let now = Seen { state, void_from: gate.filter.void_from(), marks: marks(&gate, watch) };
    let Some(before) = seen.filter(|seen| seen.marks != now.marks) else {
        return Ok((now, None));
    };
    let last = RefCell::new(now);
    let told = kb.answer(caller, &asking, |attempt| {
        let (now, answer) = difference(attempt, watch, before)?;
        *last.borrow_mut() = now;
        Ok(answer)
    })?;
    Ok((last.into_inner(), Some(told)))
}

fn state(gate: &Gate<'_>) -> (u64, u64, u64) {
    (gate.core.opened, gate.pin.published.image.generation, gate.pin.rights.epoch.0)
}

/// What is told, and what is seen then.
fn difference(attempt: &Attempt<'_>, watch: &Watch, before: &Seen) -> Result<(Seen, WatchAnswer), Stop> {
    let gate = attempt.gate;
    let marks = marks(gate, watch);
    let image = &gate.pin.published.image;
    let changed = marks.uris.iter().filter(|(uri, mark)| before.marks.uris.get(*uri) != Some(mark));
    let updated: Vec<String> = changed.map(|(uri, _)| uri.clone()).collect();
    for (rank, uri) in (1..).zip(&updated) {
        let id = Target::of(uri).id;
        match document(gate, image, &id) {
            Some(document) => note(gate, document, &crate::keys::document_id(&document.key), rank)?,
            // A source has no record of its own anywhere: its name is no document's.
            None if resources::source_name(uri).is_none() => gate.told_gone(id),
            None => {}
        }
    }
    let list_changed = marks.list != before.marks.list;
    let receipt = attempt.receipt.to_owned();
    let answer = WatchAnswer { updated, list_changed, receipt };
    Ok((Seen { state: state(gate), void_from: gate.filter.void_from(), marks }, answer))
}

fn document<'a>(gate: &Gate<'_>, image: &'a ContentImage, id: &str) -> Option<&'a DocMeta> {
    named(image, id).filter(|document| gate.sees(document.no))
}

/// Whoever may see it.
fn named<'a>(image: &'a ContentImage, id: &str) -> Option<&'a DocMeta> {
    let number = image.by_id.get(id)?;
    Some(image.documents.get(&number)?)
}

fn marks(gate: &Gate<'_>, watch: &Watch) -> Marks {
    let image = &gate.pin.published.image;
    let needs_sources = watch.list || watch.uris.iter().any(|uri| resources::source_name(uri).is_some());
    let sources = if needs_sources { visible_sources(gate) } else { Vec::new() };
    let one = |uri: &String| {
        if let Some(name) = resources::source_name(uri) {
            let row = sources.iter().find(|row| *row.source.name == *name)?;
            let fresh = row.source.fresh.map(time_text).unwrap_or_default();
            return Some(mark(&[&name, &row.documents.to_string(), &fresh, &row.source.tier.to_string()]));
        }
        let target = Target::of(uri);
        let document =
            named(image, &target.id).filter(|document| crate::faults::watched(gate.sees(document.no)))?;
        // A passage that is not there is as absent as its document.
        let passage = target.passage.map(|number| super::fetch::passage(image, document, number));
        let passage = match passage {
            None => String::new(),
            Some(None) => return None,
            Some(Some(chunk)) => format!("{:?}", chunk.span),
        };
        Some(mark(&[&read_mark(gate, document), &passage]))
    };
    let uris = watch.uris.iter().map(|uri| (uri.clone(), one(uri))).collect();
    let list = watch.list.then(|| gate.core.list_marks.of(gate, &sources));
    Marks { uris, list }
}

/// Everything that a reading of the document would show.
fn read_mark(gate: &Gate<'_>, document: &DocMeta) -> String {
    let source = gate.pin.published.image.sources.get(document.source as usize);
    let sensitivity = gate.core.sensitivity(&gate.pin.published, &gate.pin.rights, document);
    format!(
        "{:?}",
        (
            (&document.version, &document.title, &document.path, document.modified, document.ingested),
            source.map(|source| (&source.name, source.tier, &source.url_template)),
            sensitivity,
        )
    )
}

pub(super) fn mark(parts: &[&str]) -> [u8; 16] {
    let mut hash = blake3::Hasher::new_derive_key("kenward 2026 watched v1");
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let mut mark = [0; 16];
    mark.copy_from_slice(hash.finalize().as_bytes().get(..16).unwrap_or(&[0; 16]));
    mark
}
