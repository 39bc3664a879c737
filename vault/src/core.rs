//! What the two halves of the vault share: the writer puts things in and swaps the published state
//! and the rights; the gate and the facade read them. Reading stored text goes through here, by
//! document, and is asked for by the gate alone, after a grant. Nothing here decides.

use crate::audit::AuditLog;
use crate::catalog::Readers;
use crate::error::VaultError;
use crate::keys::Keys;
use crate::published::{DocMeta, Published, Rights};
use crate::seams::{Clock, Entropy};
use crate::text::TextStore;
use crate::vault::Reranking;
use crate::writer::Link;
use arc_swap::ArcSwap;
use kenward_access::ids::{ChunkNo, TenantId, Timestamp};
use kenward_access::untrusted::UntrustedText;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Everything an opened vault holds but its one writer.
pub(crate) struct Core {
    pub(crate) tenant: TenantId,
    /// Drawn when the data is opened: numbers that count from there mean something with it alone.
    pub(crate) opened: u64,
    /// Sensitivity labels, least sensitive first.
    pub(crate) labels: Vec<String>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) keys: Keys,
    /// Content now. Pin it with [`Core::pin`], never alone.
    pub(crate) published: ArcSwap<Published>,
    /// Rights now. Pin them with [`Core::pin`], and load them again at the late and the final check,
    /// which must both allow what the pinned ones allowed.
    pub(crate) rights: ArcSwap<Rights>,
    /// Held for reading over the final check and the hand-over; taken for writing once, and let go
    /// at once, by every change that narrows, after its swap. Nothing waits under it: no fsync.
    pub(crate) release: RwLock<()>,
    pub(crate) text: TextStore,
    pub(crate) audit: AuditLog,
    pub(crate) catalog: Readers,
    /// What reads the best candidates of a search again.
    pub(crate) reranking: Option<Reranking>,
    /// Callers' views of the published content, kept for their next request.
    pub(crate) views: crate::knowledge_base::Views,
    /// Marks of what callers would be listed, for those who watch it.
    pub(crate) list_marks: crate::knowledge_base::ListMarks,
}

/// What the catalog keeps of a published version beside its text. Ask for it under a grant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Details {
    /// Untrusted URLs.
    pub(crate) links: Vec<Link>,
    /// Signals.
    pub(crate) flags: Vec<String>,
    /// What the sanitizer removed, by kind.
    pub(crate) removed: BTreeMap<String, u64>,
}

impl Core {
    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Content and rights of one moment, for one request.
    ///
    /// INVARIANT: rights widen only after the content they came with is published, so content of a
    /// moment goes with rights of the same moment or of an earlier one, never with later ones: old
    /// content under rights that were widened for new content would show what was never granted.
    pub(crate) fn pin(&self) -> (Arc<Published>, Arc<Rights>) {
        let mut rights = self.rights.load_full();
        loop {
            let published = self.published.load_full();
            let again = self.rights.load_full();
            if Arc::ptr_eq(&rights, &again) {
                return (published, rights);
            }
            rights = again;
        }
    }

    /// The canonical text of a span (Unicode scalars) of a version, cut to what there is. `None` if it
    /// is not there, or not as it was written: [`Core::is_current`] tells which of the two it is, a
    /// version that was replaced or removed meanwhile, or a text that is lost.
    pub(crate) fn text_span(
        &self,
        document: &DocMeta,
        span: Range<u32>,
    ) -> Result<Option<UntrustedText>, VaultError> {
        let read = match self.text.reader(&document.text) {
            Ok(Some(mut reader)) => reader.span(span).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match read {
            Err(VaultError::Damaged { .. }) => Ok(None),
            read => read,
        }
    }

    /// Whether this version is what is published now.
    pub(crate) fn is_current(&self, document: &DocMeta) -> bool {
        let published = self.published.load();
        published.image.documents.get(&document.no).is_some_and(|now| now.row == document.row)
    }

    /// Links, flags and counts of a version; `None` if it is gone: start the request again.
    pub(crate) fn details(&self, document: &DocMeta) -> Result<Option<Details>, VaultError> {
        self.catalog.details(document.row)
    }

    /// The heading path of a chunk; `None` if it is gone: start the request again.
    pub(crate) fn headings(&self, chunk: ChunkNo) -> Result<Option<Vec<UntrustedText>>, VaultError> {
        self.catalog.headings(chunk)
    }

    /// The document's sensitivity: the highest label of its container as the catalog has it now,
    /// else its source's default label, else the lowest label, if labels are configured at all.
    pub(crate) fn sensitivity(
        &self,
        published: &Published,
        rights: &Rights,
        document: &DocMeta,
    ) -> Option<String> {
        let container = rights.documents.get(&document.no).map(|(container, _)| *container)?;
        let own = rights.labels.get(&container).map(ToString::to_string);
        let default = || {
            let source = published.image.sources.get(document.source as usize)?;
            source.label.as_ref().map(ToString::to_string)
        };
        own.or_else(default).or_else(|| self.labels.first().cloned())
    }
}
