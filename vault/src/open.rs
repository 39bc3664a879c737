//! Opening a `data_dir`: made or recognised, swept, its engines brought up to the catalog. Another
//! tenant, version or embedding space is refused. It must never take a folder for a new one, and
//! sweep it, because its catalog is missing; nor publish what a killed run had put: the rights may
//! have moved with it, so that is for the next run of its source.

use crate::audit::{AuditLog, Record};
use crate::catalog::{
    Catalog, Readers, Tx, anew, content, json, lost, outbox, people, rights as rights_sql, sources, to_json,
};
use crate::core::Core;
use crate::error::VaultError;
use crate::folder::{CATALOG, Start, VECTORS, check_version, private_dir, set_version, start};
use crate::keys::Keys;
use crate::ledger::{self, Ledger, Since};
use crate::paged::Paged;
use crate::published::{ContentImage, Published, Rights};
use crate::seams::{Clock, Entropy as _, SteadyClock, SystemEntropy};
use crate::text::TextStore;
use crate::vault::{OpenOptions, Operator, Vault};
use crate::writer::engines::{Engines, Lost, empty};
use crate::writer::publish::{Ask, Retirement, snapshots};
use arc_swap::ArcSwap;
use kenward_access::ids::{RightsEpoch, Timestamp};
use kenward_indexes::embedding::EmbeddingSpace;
use parking_lot::{Mutex, RwLock};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Milliseconds that a clock may be late without a word.
const A_LITTLE: u64 = 5_000;

impl Vault {
    /// Opens or creates the folder: catalog, keys, text, engines, audit log; replays the outbox.
    ///
    /// # Errors
    /// [`VaultError`]: another tenant, version or embedding space; damage; an audit log that breaks.
    pub fn open(options: OpenOptions) -> Result<Arc<Self>, VaultError> {
        let (vault, behind) = Self::open_behind(options, false)?;
        // INVARIANT: what the ledger has was acknowledged, or was about to be: it acts before anybody is answered.
        vault.catch_up(behind)?;
        Ok(vault)
    }

    /// Opens it, and gives what its catalog lacks of the rights ledger. Nobody may be answered before that acts.
    /// `restored`: it is a backup that was just put back, and knows other data's ledger.
    pub(crate) fn open_behind(
        options: OpenOptions,
        restored: bool,
    ) -> Result<(Arc<Self>, Since), VaultError> {
        let dir = &options.data_dir;
        private_dir(dir)?;
        let older = check_version(dir)?;
        let catalog_path = dir.join(CATALOG);
        // INVARIANT: before the catalog is known to be whole, nothing is made anew and nothing removed.
        let start = start(dir)?;
        let keys_dir = dir.join("keys");
        let mut keys = Keys::open(&keys_dir, options.entropy.as_ref(), start == Start::Anew)?;
        let mut catalog = Catalog::open(&catalog_path, &options.tenant, start != Start::GoesOn)?;
        if older {
            // After the migration: a crash between leaves an older number on a newer catalog, which is
            // opened like this one again, and refused by an older program.
            set_version(dir)?;
        }
        catalog.transaction("checking the keys", |tx| {
            let recorded = tx.meta("keys")?;
            match keys.check(&keys_dir, options.entropy.as_ref(), recorded.as_deref())? {
                true => Ok(()),
                false => tx.set_meta("keys", &keys.fingerprint()),
            }
        })?;
        let readers = Readers::new(&catalog_path);
        let text = TextStore::open(&dir.join("text"))?;
        sweep(&mut catalog, &text)?;

        let space = options.embedder.as_ref().map(|e| e.space());
        let (space, vectors_dir) = catalog.transaction("choosing the embedding space", |tx| {
            anew::settle(tx, dir)?;
            anew::sweep(tx, dir)?;
            let vectors_dir = dir.join(VECTORS);
            Ok((choose_space(tx, space, &vectors_dir)?, vectors_dir))
        })?;
        let bounds = catalog.transaction("reading the outbox", outbox::bounds)?;
        let (mut engines, anew) = Engines::open(
            (dir.join("lexical"), vectors_dir),
            space,
            options.embedder,
            options.vectors.clone(),
            bounds,
        )?;
        // A backup leaves the lexical index out.
        let expected = dir.join(crate::backup::UNFINISHED).exists();
        recover((&mut catalog, expected), &mut engines, anew, &readers, &text, bounds.0)?;

        let clock = Arc::new(SteadyClock::new(options.clock));
        let audit = AuditLog::open(&dir.join("audit"), &options.tenant, Arc::clone(&clock))?;
        if clock.behind() > A_LITTLE {
            tracing::warn!(
                milliseconds = clock.behind(),
                "the clock is behind what is recorded: time stands still until it has caught up"
            );
        }
        let (ledger, behind) =
            open_ledger(&mut catalog, (options.ledger, restored), &keys_dir, &keys, clock.now())?;
        let mut image = ContentImage { generation: 1, ..ContentImage::default() };
        let rights = catalog.transaction("loading the catalog", |tx| {
            content::load(tx, &mut image)?;
            image.sources = sources::metas(tx)?;
            load_rights(tx, &options.labels, &audit, dir)
        })?;
        let (lexical, vectors) = snapshots(&engines)?;
        // Not of `options.entropy`, which tests let repeat itself: it is in no answer.
        let mut opened = [0; 8];
        SystemEntropy.fill(&mut opened);
        let core = Core {
            tenant: options.tenant,
            opened: u64::from_le_bytes(opened),
            labels: options.labels,
            clock: Arc::<SteadyClock>::clone(&clock),
            entropy: options.entropy,
            keys,
            published: ArcSwap::from_pointee(Published { image, lexical, vectors }),
            rights: ArcSwap::from_pointee(rights),
            release: RwLock::new(()),
            text,
            audit,
            catalog: readers,
            reranking: options.reranking,
            views: crate::knowledge_base::Views::default(),
            list_marks: crate::knowledge_base::ListMarks::default(),
        };
        let vault = Arc::new(Self {
            core: Arc::new(core),
            engines: Mutex::new(engines),
            catalog: Mutex::new(catalog),
            retirement: Mutex::new(Retirement::default()),
            ledger: Mutex::new(ledger),
            backups: AtomicUsize::new(0),
            clock,
            data_dir: options.data_dir,
            vectors: options.vectors,
            running: Mutex::new(HashSet::new()),
            embedding_anew: Mutex::new(()),
        });
        vault.publish(&Ask::default())?;
        vault.drop_replaced()?;
        vault.sweep_retired()?;
        vault.engines.lock().opened();
        vault.tell_classes();
        Ok((vault, behind))
    }
}

/// The space that the documents in a folder are embedded in; `None` if nothing there is embedded, so that any
/// will do. Ask before opening it, to choose the embedder by it; the caller holds its lock. What cannot be read
/// here is told by the opening.
#[must_use]
pub fn recorded_space(data_dir: &Path) -> Option<EmbeddingSpace> {
    let (space, vectors_dir) = crate::catalog::open::space_in(&data_dir.join(CATALOG))?;
    let there = |name: &str| data_dir.join(name).exists();
    (there(VECTORS) || vectors_dir.is_some_and(|name| there(&name))).then_some(space)
}

/// Opens the rights ledger where the catalog left it.
fn open_ledger(
    catalog: &mut Catalog,
    (given, restored): (Option<PathBuf>, bool),
    keys_dir: &Path,
    keys: &Keys,
    now: Timestamp,
) -> Result<(Ledger, Since), VaultError> {
    let with_keys = keys_dir.join(ledger::FILE);
    let path = given.unwrap_or_else(|| with_keys.clone());
    catalog.transaction("opening the rights ledger", |tx| {
        let recorded = tx.meta("ledger")?.filter(|place| !place.is_empty());
        let recorded = recorded.map(|place| json(&place)).transpose()?;
        let goes_on = recorded.is_some() && !restored;
        if goes_on {
            ledger::carry(&with_keys, &path)?;
            ledger::left_behind(tx.meta("ledger_at")?.map(PathBuf::from), &path)?;
        }
        let (ledger, begins, behind) = Ledger::open(&path, &keys.ledger, recorded.as_ref(), now)?;
        ledger::put_aside(&with_keys, &path)?;
        if begins {
            tx.set_meta("ledger", &to_json(&ledger.place())?)?;
            if goes_on {
                tx.set_meta("ledger_anew", "yes")?;
            }
        }
        // A name that is no text cannot be told again.
        tx.set_meta("ledger_at", path.to_str().unwrap_or_default())?;
        Ok((ledger, behind))
    })
}

/// Removes versions and texts that nobody can name any more, and marks what has lost its text. Nobody
/// reads yet.
fn sweep(catalog: &mut Catalog, text: &TextStore) -> Result<(), VaultError> {
    let keep = catalog.transaction("sweeping replaced versions", |tx| {
        for (row, _) in content::retired(tx)? {
            content::forget(tx, row)?;
        }
        lost::texts(tx)
    })?;
    let rows = text.sweep(&keep)?;
    if !rows.is_empty() {
        crate::lost::say(catalog.transaction("marking lost texts", |tx| lost::mark(tx, &rows))?);
    }
    Ok(())
}

/// The embedding space of this vault. Two are never mixed.
fn choose_space(
    tx: &Tx<'_>,
    given: Option<&EmbeddingSpace>,
    vectors_dir: &Path,
) -> Result<Option<EmbeddingSpace>, VaultError> {
    let recorded: Option<EmbeddingSpace> = tx.meta("space")?.map(|space| json(&space)).transpose()?;
    let Some(given) = given else { return Ok(recorded) };
    if recorded.as_ref() == Some(given) {
        return Ok(recorded);
    }
    if let Some(recorded) = recorded {
        if vectors_dir.exists() && content::any_embedded(tx)? {
            return Err(VaultError::mismatch(
                format!(
                    "the documents here were embedded by `{}` {}, and the embedder given is `{}` {} (or another edition of it)",
                    recorded.engine, recorded.model, given.engine, given.model
                ),
                format!(
                    "use the engine and the model they were embedded by; or `kenward ingest --re-embed`, which embeds everything anew; or remove the folder {} and ingest the sources again",
                    vectors_dir.display()
                ),
            ));
        }
        content::drop_waiting_vectors(tx)?;
        content::forget_embeddings(tx)?;
        empty(vectors_dir)?;
    }
    tx.set_meta("space", &to_json(given)?)?;
    Ok(Some(given.clone()))
}

/// Brings an engine that had to start anew up to the catalog.
fn recover(
    (catalog, expected): (&mut Catalog, bool),
    engines: &mut Engines,
    anew: Lost,
    readers: &Readers,
    text: &TextStore,
    applied: u64,
) -> Result<(), VaultError> {
    if anew.lexical {
        match expected {
            true => tracing::info!("the lexical index is built from catalog and text"),
            false => tracing::warn!("the lexical index is built anew from catalog and text"),
        }
        engines.rebuild_lexical(readers, text, applied)?;
    }
    if anew.vectors {
        let documents = catalog.transaction("forgetting lost vectors", content::forget_embeddings)?;
        if documents > 0 {
            tracing::warn!(
                documents,
                "the vectors of these documents are lost; ingest their sources again to embed them"
            );
        }
        engines.restart_vectors(applied)?;
    }
    Ok(())
}

fn load_rights(tx: &Tx<'_>, labels: &[String], audit: &AuditLog, dir: &Path) -> Result<Rights, VaultError> {
    let mut rights = Rights {
        epoch: RightsEpoch(tx.meta_number("epoch")?),
        classes: Arc::default(),
        containers: Paged::default(),
        documents: Paged::default(),
        labels: Paged::default(),
        groups: Arc::default(),
        users: Arc::default(),
        handles: Arc::default(),
        group_handles: Arc::default(),
        any_case: Arc::default(),
        tokens: Arc::default(),
        identities: Arc::default(),
    };
    people::load(tx, &mut rights)?;
    rights_sql::load(tx, &mut rights, labels)?;
    let recorded = tx.meta("labels")?;
    let names = to_json(&labels)?;
    if recorded.as_deref() != Some(&names) {
        if let Some(recorded) = recorded {
            let before: Vec<String> = json(&recorded)?;
            let order = tx.meta("labels_order")?.map(|order| json(&order)).transpose()?;
            let order: Vec<String> = order.unwrap_or_else(|| before.clone());
            if let Some((one, other)) = turned(&order, labels) {
                return Err(VaultError::mismatch(
                    format!(
                        "`labels` says that `{one}` is more sensitive than `{other}`; so far it was the other way round"
                    ),
                    "least sensitive first: put them back, or everybody who may read the one could read the other at once; \
                     what is meant to be of another sensitivity gets a label of another name",
                ));
            }
            tx.set_meta("labels_order", &to_json(&with_gone(&order, labels))?)?;
            // It may widen: its record comes first.
            relabelled(audit, dir, &before, labels)?;
            people::relabel(tx, &mut rights, &before, labels)?;
            rights_sql::hide_old(tx, &mut rights)?;
        }
        for container in rights_sql::containers(tx)? {
            rights_sql::resolve_again(tx, &mut rights, labels, &container)?;
        }
        tx.set_meta("labels", &names)?;
        rights.epoch = tx.next_epoch()?;
    }
    Ok(rights)
}

/// Two labels that stand the other way round than before: a label that was hidden from those who may read the other one
/// would be open to them. The first is the more sensitive one now.
fn turned<'l>(before: &'l [String], now: &[String]) -> Option<(&'l str, &'l str)> {
    let place = |name: &String| now.iter().position(|label| label == name);
    let kept: Vec<(&String, usize)> = before.iter().filter_map(|name| Some((name, place(name)?))).collect();
    let pair = kept.iter().zip(kept.iter().skip(1)).find(|((_, one), (_, other))| one > other)?;
    Some((pair.0.0.as_str(), pair.1.0.as_str()))
}

/// The labels in their order, with those that are gone where they stood: they may come back, and not elsewhere.
fn with_gone(order: &[String], now: &[String]) -> Vec<String> {
    let mut all = now.to_vec();
    for (at, gone) in order.iter().enumerate().filter(|(_, name)| !now.contains(name)) {
        let before = order.iter().take(at).rev().find_map(|name| all.iter().position(|known| known == name));
        all.insert(before.map_or(0, |place| place + 1), gone.clone());
    }
    all
}

/// Records that the configuration has other labels, as done by the one whom the folder belongs to.
fn relabelled(audit: &AuditLog, dir: &Path, before: &[String], labels: &[String]) -> Result<(), VaultError> {
    let uid = std::fs::metadata(dir).map_err(VaultError::io("reading", dir))?.uid();
    let by = Operator { uid, user: None, reason: Some("the configuration has other labels".to_owned()) };
    let details = serde_json::json!({ "before": before, "labels": labels });
    audit.write(&Record::Change { by, act: "labels_changed".to_owned(), details })
}
