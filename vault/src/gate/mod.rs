//! The gate: the only door out. It decides again with the rights as they are now, reads the text,
//! fences and labels it, has the record made durable, and releases the answer under the lock.
//! Nothing else may read stored text for a caller, and nothing else can make a [`Disclosure`].
//!
//! One attempt at an answer is one [`Gate`]: it pins content and rights once. If a right of this
//! caller narrowed between the pin and the release, the record is marked withdrawn and the facade
//! begins a new attempt.

pub(crate) mod envelope;
pub(crate) mod fence;
mod paths;
mod release;
mod scope;

pub(crate) use release::{Released, record_error};
pub(crate) use scope::resolve as scope_of;

use crate::audit::{DecisionPath, Returned};
use crate::core::{Core, Details};
use crate::error::{AnswerError, VaultError};
use crate::published::{DocMeta, Published, Rights};
use crate::receipt::RecordId;
use crate::sanitize;
use kenward_access::caller::Caller;
use kenward_access::ids::{ChunkNo, ClassId, DocNo, Timestamp};
use kenward_access::scope::{AccessFilter, AccessScope};
use kenward_access::untrusted::{UntrustedText, expose_to_gate};
use kenward_access::visible::{Grant, OfDocument, Visible};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A rendered answer, as JSON bytes: recorded, labelled, final. Minted by `Gate::release` only.
#[derive(Debug)]
pub struct Disclosure {
    bytes: Vec<u8>,
}

impl Disclosure {
    /// The final bytes (one JSON object). Transports never alter them.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
    /// The final bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why an attempt ends without an answer.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something that was pinned is no more so: begin again.
    Again,
    /// The caller is told this. It holds whatever they may see.
    Told(AnswerError),
    /// The caller is told this of something that they may see, if they still may at the hand-over.
    ToldOf(AnswerError),
    /// Something failed inside.
    Failed(VaultError),
}

impl From<VaultError> for Stop {
    fn from(error: VaultError) -> Self {
        Self::Failed(error)
    }
}

/// What an attempt pins: content and rights of one moment. Rights of a later moment than the content
/// may have been widened for newer content.
pub(crate) struct Pin {
    pub(crate) published: Arc<Published>,
    pub(crate) rights: Arc<Rights>,
    /// The request's fixed clock.
    pub(crate) now: Timestamp,
}

impl Pin {
    pub(crate) fn take(core: &Core) -> Self {
        let (published, rights) = core.pin();
        Self { published, rights, now: core.now() }
    }
}

/// What is going to leave, for the record.
#[derive(Default)]
pub(crate) struct Leaving {
    pub(crate) returned: Vec<Returned>,
    pub(crate) gone: Vec<String>,
    pub(crate) decisions: BTreeMap<u32, DecisionPath>,
}

/// One attempt at one answer.
pub(crate) struct Gate<'a> {
    pub(crate) core: &'a Core,
    pub(crate) caller: &'a Caller,
    pub(crate) pin: &'a Pin,
    pub(crate) scope: &'a AccessScope,
    pub(crate) filter: AccessFilter<'a>,
    /// By index of the pinned image's sources: whether anything of it may be seen through this agent.
    sources: Vec<bool>,
    pub(crate) record: RecordId,
    leaving: Mutex<Leaving>,
}

/// A part of a document's text.
pub(crate) struct Part {
    document: DocNo,
    text: UntrustedText,
    details: Details,
    headings: Vec<UntrustedText>,
}

impl OfDocument for Part {
    fn document(&self) -> DocNo {
        self.document
    }
}

/// A document that was opened.
pub(crate) struct Opened<'a> {
    grant: Grant<'a>,
    pub(crate) class: ClassId,
}

/// A part's text, sanitized once more, not yet fenced.
pub(crate) struct Shown {
    pub(crate) text: String,
    pub(crate) headings: Vec<String>,
    pub(crate) details: Details,
}

impl<'a> Gate<'a> {
    pub(crate) fn new(
        core: &'a Core,
        caller: &'a Caller,
        pin: &'a Pin,
        scope: &'a AccessScope,
        record: RecordId,
    ) -> Self {
        let filter = scope.filter(&pin.rights.classes);
        let sources = pin.published.image.sources.iter().map(|source| scope.sources().holds(&source.name));
        let sources = sources.collect();
        Self { core, caller, pin, scope, filter, sources, record, leaving: Mutex::default() }
    }

    /// Resolves what a proven caller holds under these rights; `None` if the person was disabled, or
    /// the credential has gone.
    pub(crate) fn scope(
        core: &Core,
        caller: &Caller,
        rights: &Rights,
        now: Timestamp,
    ) -> Option<AccessScope> {
        scope::resolve(core, caller, rights, now)
    }

    /// The class that guards a document under these rights, if it is in a source that this caller's agent may see
    /// anything of. `None` = nobody, for this caller.
    ///
    /// INVARIANT: answers ask for a class here and nowhere else; a tidy test holds that.
    pub(crate) fn class_in(&self, rights: &Rights, document: DocNo) -> Option<ClassId> {
        let source = self.pin.published.image.documents.get(&document)?.source;
        let may = self.sources.get(source as usize).copied().unwrap_or_default();
        may.then(|| rights.class_of(document)).flatten()
    }

    /// Whether this document may be seen, by the pinned rights.
    pub(crate) fn sees(&self, document: DocNo) -> bool {
        self.class_in(&self.pin.rights, document).is_some_and(|class| self.filter.sees(class))
    }

    /// The late check: decides again with the rights as they are now. Everything about a document
    /// that goes into an answer, its title included, is taken after this.
    pub(crate) fn open(&self, document: DocNo) -> Result<Opened<'a>, Stop> {
        let rights = self.core.rights.load();
        // Not visible now, though it was at the pin: it has narrowed since.
        let class = self.class_in(&rights, document).ok_or(Stop::Again)?;
        #[expect(clippy::disallowed_methods, reason = "the gate is the one place that opens documents")]
        let (decision, grant) = self.scope.check(document, class, &rights.classes);
        let grant = grant.ok_or(Stop::Again)?;
        let mut leaving = self.leaving.lock();
        leaving
            .decisions
            .entry(class.0)
            .or_insert_with(|| paths::taken(rights.classes.get(class), self.scope.holder(), &decision));
        Ok(Opened { grant, class })
    }

    /// Reads a span of an opened document's text (Unicode scalars), and what the catalog keeps beside it.
    /// `None` if the stored text is lost or damaged: trying again would not help.
    pub(crate) fn read(
        &self,
        opened: &Opened<'a>,
        document: &DocMeta,
        span: Range<u32>,
        chunk: Option<ChunkNo>,
    ) -> Result<Option<Shown>, Stop> {
        let Some(text) = self.core.text_span(document, span)? else {
            // What is no more the current version was replaced or removed since the pin.
            return if self.core.is_current(document) { Ok(None) } else { Err(Stop::Again) };
        };
        let details = self.core.details(document)?.ok_or(Stop::Again)?;
        let headings = match chunk {
            Some(chunk) => self.core.headings(chunk)?.ok_or(Stop::Again)?,
            None => Vec::new(),
        };
        let part = Part { document: document.no, text, details, headings };
        // INVARIANT (I4): a text that is not this grant's document's cannot pass here.
        let visible = opened.grant.admit(part).ok_or(Stop::Again)?;
        Ok(Some(show(&visible)))
    }

    /// Notes for the record that this is going to leave.
    pub(crate) fn leaves(&self, returned: Returned) {
        self.leaving.lock().returned.push(returned);
    }

    /// Notes for the record that its caller is told that this document, which they saw, is gone.
    pub(crate) fn told_gone(&self, document: String) {
        self.leaving.lock().gone.push(document);
    }
}

#[expect(clippy::disallowed_methods, reason = "the gate is the one place that shows text")]
fn show(part: &Visible<'_, Part>) -> Shown {
    let part = part.get();
    let clean = sanitize::emitted(expose_to_gate(&part.text));
    let mut details = part.details.clone();
    for (kind, n) in clean.removed {
        sanitize::count(&mut details.removed, &kind, n);
    }
    let headings = part.headings.iter().map(|h| sanitize::line(expose_to_gate(h), 200).text).collect();
    Shown { text: clean.text, headings, details }
}
