//! The vault: the one owner of a `data_dir`, and what operators may do with it.

use crate::catalog::Catalog;
use crate::catalog::sources::{self, Counted};
use crate::core::Core;
use crate::error::VaultError;
use crate::knowledge_base::KnowledgeBase;
use crate::ledger::{Ledger, Narrowed};
use crate::reembed::Anew;
use crate::seams::{Clock, Entropy, SteadyClock};
use crate::writer::engines::Engines;
use crate::writer::publish::{Ask, Retirement};
use crate::writer::{Failure, SourceSpec};
use kenward_access::ids::{TenantId, Timestamp, UserId};
use kenward_indexes::embedding::{Embedder, EmbeddingSpace};
use kenward_indexes::reranking::Reranker;
use kenward_indexes::vector::Engine;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// How to open a vault.
pub struct OpenOptions {
    /// The folder; made (0700) if it is not there. The caller holds its lock.
    pub data_dir: PathBuf,
    /// The tenant; another one than the folder's is refused.
    pub tenant: TenantId,
    /// Embedder for queries; documents bring their vectors. `None` = lexical only.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Sensitivity labels, least sensitive first (level = place in the list).
    pub labels: Vec<String>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness (boundaries, receipts, salts, tokens).
    pub entropy: Arc<dyn Entropy>,
    /// Where the rights ledger is kept; `None` = `keys/rights.ledger` in the folder.
    pub ledger: Option<PathBuf>,
    /// What keeps the vectors.
    pub vectors: Engine,
    /// What reads the best candidates of a search again; `None` = nothing does.
    pub reranking: Option<Reranking>,
}

/// How the best candidates of a search are put in order anew.
#[derive(Clone)]
pub struct Reranking {
    /// What scores a passage for a question.
    pub by: Arc<dyn Reranker>,
    /// How many candidates are scored, the best first; at most [`kenward_indexes::reranking::MOST`].
    pub depth: usize,
}

/// One `data_dir`, opened. Cheap to share behind an `Arc`.
///
/// Locks are taken in this order: `embedding_anew`, `running`, `engines`, `catalog`, `ledger`, `retirement`; the
/// release lock last, and only to let it go.
pub struct Vault {
    pub(crate) core: Arc<Core>,
    pub(crate) engines: Mutex<Engines>,
    pub(crate) catalog: Mutex<Catalog>,
    pub(crate) retirement: Mutex<Retirement>,
    /// Which rights narrowed; written under the catalog's lock.
    pub(crate) ledger: Mutex<Ledger>,
    /// How many backups are being written: what they name is not removed meanwhile.
    pub(crate) backups: AtomicUsize,
    pub(crate) clock: Arc<SteadyClock>,
    pub(crate) data_dir: PathBuf,
    /// What keeps the vectors.
    pub(crate) vectors: Engine,
    /// Sources that a run is on.
    pub(crate) running: Mutex<HashSet<u32>>,
    /// Held while documents are embedded anew.
    pub(crate) embedding_anew: Mutex<()>,
}

/// Who did an administrative act, for the audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Operating-system user id.
    pub uid: u32,
    /// Directory user, if mapped.
    pub user: Option<UserId>,
    /// The reason given, if any.
    pub reason: Option<String>,
}

/// The answer of `access why`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Why {
    /// Whether the person may read the document now.
    pub allowed: bool,
    /// The person's handle.
    pub user: String,
    /// Document id, source and path.
    pub document: String,
    /// Name of its source.
    pub source: String,
    /// Path in its source.
    pub path: String,
    /// The container whose rights decide.
    pub container: String,
    /// The path of the decision.
    pub steps: Vec<WhyStep>,
    /// What could not be resolved (the document is then visible to nobody).
    pub unresolved: Vec<String>,
}

/// One step of [`Why`]: a step of the decision's explanation, group ids replaced by handles.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the explanation's step")]
pub struct WhyStep {
    pub layer: usize,
    pub allows: bool,
    pub because: String,
    pub origin: Option<String>,
    pub chain: Vec<String>,
}

/// Counts for `doctor` and `status`. For operators only: they count everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is named by what it counts")]
pub struct Stats {
    pub sources: u64,
    pub documents: u64,
    pub chunks: u64,
    pub vectors: u64,
    pub failures: u64,
    /// Folders and files whose rights cannot be resolved.
    pub rights_unresolved: u64,
    /// Documents that are hidden from everybody, for that or until their source is ingested again.
    pub hidden: u64,
    /// Documents, of those, that the next run of their source shows again.
    pub hidden_until_ingested: u64,
    pub users: u64,
    pub groups: u64,
    pub tokens: u64,
    pub audit_records: u64,
    pub outbox_waiting: u64,
    pub embedding: Option<String>,
    /// An embedding anew that has not come to its end.
    #[serde(default)]
    pub anew: Option<Anew>,
}

impl Vault {
    /// What embeds queries now, and so what is to embed documents. It changes only while no run is under way.
    #[must_use]
    pub fn embedder(&self) -> Option<Arc<dyn Embedder>> {
        self.core.published.load().vectors.as_ref().map(|vectors| Arc::clone(&vectors.embedder))
    }

    /// What agents ask.
    #[must_use]
    pub fn knowledge_base(self: &Arc<Self>) -> KnowledgeBase {
        KnowledgeBase::new(Arc::clone(&self.core))
    }

    /// Records a source, or finds it again by name; what is said of it now replaces what was said.
    ///
    /// # Errors
    /// [`VaultError::Name`] if the name is taken by another root.
    pub fn source(&self, by: &Operator, spec: SourceSpec) -> Result<u32, VaultError> {
        if spec.name.trim().is_empty() || spec.name.chars().any(char::is_control) {
            return Err(VaultError::name("a source needs a name", "give one with `--name`"));
        }
        let about = serde_json::json!({
            "source": spec.name,
            "default_allow": spec.default_allow,
            "rights": spec.rights.format,
            "identity": spec.rights.identity.file,
            "identity_names": spec.rights.identity.names.len(),
        });
        let (no, changed) = self.change_rights("recording a source", |tx, change| {
            let known = sources::all(tx)?.into_iter().find(|(_, known)| known.name == spec.name);
            let Some((no, known)) = known else {
                // INVARIANT: a folder is not read twice because its source was renamed: the renamed one would not be
                // read any more, and what the folder takes away would not reach it.
                if let Some(now) = sources::formerly(tx, &spec)? {
                    return Err(VaultError::name(
                        format!("the source `{}` was renamed to `{now}`", spec.name),
                        format!(
                            "name it so in the configuration, too, or `kenward sources rename {now} {}`",
                            spec.name
                        ),
                    ));
                }
                self.core.record_deed(by, "source_recorded", about.clone())?;
                let born = sources::new_born(tx, &spec.name)?;
                let id = self.core.keys.source_id(&self.core.tenant, &born);
                return Ok((sources::add(tx, &id, &born, &spec)?, true));
            };
            if (&known.kind, &known.root) != (&spec.kind, &spec.root) {
                return Err(VaultError::name(
                    format!("the name `{}` is taken by the source at {}", known.name, known.root),
                    "give this one a name of its own with `--name`",
                ));
            }
            if known == spec {
                return Ok((no, false));
            }
            // It may widen at the next run: its record comes first.
            self.core.record_deed(by, "source_changed", about.clone())?;
            sources::set(tx, no, &spec)?;
            change.source(no, &spec);
            Ok((no, true))
        })?;
        if changed {
            self.publish(&Ask { always: true, ..Ask::default() })?;
        }
        Ok(no)
    }

    /// The recorded sources.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn sources(&self) -> Result<Vec<(u32, SourceSpec)>, VaultError> {
        self.catalog.lock().transaction("listing sources", sources::all)
    }

    /// Counts for operators.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn stats(&self) -> Result<Stats, VaultError> {
        let vectors = self.engines.lock().vector_count();
        let under_way = self.embedding_anew.is_locked();
        self.catalog.lock().transaction("counting", |tx| {
            let count = |what| sources::count(tx, what);
            let hidden = crate::catalog::hidden::counts(tx)?;
            let until_ingested = hidden.values().map(|count| count.until_ingested).sum::<u64>();
            let space: Option<EmbeddingSpace> =
                tx.meta("space")?.map(|space| crate::catalog::json(&space)).transpose()?;
            Ok(Stats {
                sources: count(Counted::Sources)?,
                documents: count(Counted::Documents)?,
                chunks: count(Counted::Chunks)?,
                vectors,
                failures: count(Counted::Failures)?,
                rights_unresolved: count(Counted::Unresolved)?,
                hidden: until_ingested + hidden.values().map(|count| count.by_rights).sum::<u64>(),
                hidden_until_ingested: until_ingested,
                users: count(Counted::Users)?,
                groups: count(Counted::Groups)?,
                tokens: count(Counted::Tokens)?,
                audit_records: self.core.audit.count(),
                outbox_waiting: count(Counted::Outbox)?,
                embedding: space.map(|s| s.model),
                anew: crate::catalog::anew::going(tx)?.map(|going| Anew { under_way, ..going.told() }),
            })
        })
    }

    /// Checks the rights ledger's whole chain. Gives how many entries there are.
    ///
    /// # Errors
    /// [`VaultError::Damaged`].
    pub fn verify_ledger(&self) -> Result<u64, VaultError> {
        self.ledger.lock().verify(&self.core.keys.ledger)
    }

    /// Whether the ledger reaches back to the last backup: it does not if it was lost and began anew since.
    ///
    /// # Errors
    /// [`VaultError::Mismatch`] if it does not, and what to do.
    pub fn ledger_is_whole(&self) -> Result<(), VaultError> {
        let anew =
            self.catalog.lock().transaction("reading of the rights ledger", |tx| tx.meta("ledger_anew"))?;
        if anew.is_none_or(|anew| anew.is_empty()) {
            return Ok(());
        }
        Err(VaultError::mismatch(
            "the rights ledger was missing, or could not be written, and begins anew: what was backed up before is restored without it, all of it hidden",
            "make a backup (`kenward backup`)",
        ))
    }

    /// Whether the rights ledger lies where it belongs and can be written, as far as a look at its file tells.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn ledger_standing(&self) -> Result<(), VaultError> {
        self.ledger.lock().standing()
    }

    /// Puts the ledger back where it belongs, and begins it anew if something could not be written to it.
    pub(crate) fn settle_ledger(&self, catalog: &mut Catalog, ledger: &mut Ledger) -> Result<(), VaultError> {
        let before = ledger.place();
        ledger.append(&self.core.keys.ledger, self.core.now(), Narrowed::default())?;
        if ledger.place() == before {
            return Ok(());
        }
        let place = crate::catalog::to_json(&ledger.place())?;
        catalog.transaction("beginning the ledger anew", |tx| tx.set_meta("ledger", &place))
    }

    /// Now, by the clock that never goes backwards: what a token's times are held against.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// By how many milliseconds the system's clock is behind what is recorded; time stands still meanwhile.
    #[must_use]
    pub fn clock_behind(&self) -> u64 {
        self.clock.behind()
    }

    /// Takes the system's clock for right although it is behind what is recorded: it was wrong before, in the future. What
    /// ended only by that clock begins again, so this is recorded like a widening.
    ///
    /// # Errors
    /// [`VaultError::Audit`]: it is not recorded, and not done.
    pub fn accept_clock(&self, by: &Operator) -> Result<(), VaultError> {
        let behind = self.clock.behind();
        if behind == 0 {
            return Ok(());
        }
        self.change_rights("accepting the clock", |_, change| {
            // Another epoch: what was decided for another time is used no more.
            change.widens(&self.core, by, "clock_accepted", serde_json::json!({ "behind_ms": behind }))
        })?;
        self.clock.forget();
        // Openings go by the last record.
        self.core.record_deed(by, "clock_accepted", serde_json::json!({ "behind_ms": 0 }))
    }

    /// Failed documents of a source, by path.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn failures(&self, source: u32) -> Result<Vec<Failure>, VaultError> {
        self.catalog.lock().transaction("listing failures", |tx| {
            Ok(sources::failures(tx, source)?.into_iter().map(|standing| standing.failure).collect())
        })
    }
}
