//! Looking at everything that is kept, byte by byte, while it is used: catalog, texts, passages, both engines, the audit log,
//! the rights ledger; and mending what can be built or read again. It reads stored text to hash it, and
//! tells counts. It must never tell what a document is, nor mend what only its source can.

use crate::catalog::{check, lost};
use crate::error::VaultError;
use crate::vault::Vault;
use crate::writer::publish::Ask;
use kenward_access::ids::Timestamp;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many versions are looked at between two questions to the catalog.
const BATCH: u32 = 256;

/// What a look at everything found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// What SQLite finds wrong with its file, in its words (they name tables, not rows' contents).
    pub catalog: Vec<String>,
    /// Stored texts that were read and hashed.
    pub texts: u64,
    /// By source: texts that are missing, damaged, or not what the catalog says. They are marked, and read again by the
    /// next run of their source.
    pub texts_wrong: BTreeMap<String, u64>,
    /// Versions whose passages do not fit their text. They are marked, too.
    pub passages_wrong: u64,
    /// The lexical index.
    pub lexical: EngineCheck,
    /// The vectors.
    pub vectors: EngineCheck,
    /// Records of the audit log, if its chain holds.
    pub audit: Option<u64>,
    /// What does not hold, else.
    pub audit_wrong: Option<String>,
    /// Entries of the rights ledger, if its chain holds.
    pub ledger: Option<u64>,
    /// What does not hold, else.
    pub ledger_wrong: Option<String>,
    /// Whether what can be mended was mended.
    pub repaired: bool,
}

/// What an engine holds beside what it should.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineCheck {
    /// Passages that it holds.
    pub passages: u64,
    /// That it should hold, and does not.
    pub missing: u64,
    /// That it holds, and nothing names.
    pub stray: u64,
    /// A file that is not what was written.
    pub damaged: Option<String>,
}

impl EngineCheck {
    /// Whether it is as it should be.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.missing == 0 && self.stray == 0 && self.damaged.is_none()
    }
}

impl Verified {
    /// How many things are wrong.
    #[must_use]
    pub fn problems(&self) -> u64 {
        let flags = [
            !self.lexical.holds(),
            !self.vectors.holds(),
            self.audit_wrong.is_some(),
            self.ledger_wrong.is_some(),
            self.passages_wrong > 0,
        ];
        (self.catalog.len() + self.texts_wrong.len() + flags.iter().filter(|wrong| **wrong).count()) as u64
    }
}

/// The last look at everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastVerify {
    /// When.
    pub at: Timestamp,
    /// How many things were wrong.
    pub problems: u64,
}

impl Vault {
    /// Looks at everything. With `repair`, what can be built again is built again.
    ///
    /// # Errors
    /// [`VaultError`] if something could not be looked at; what is wrong is no error.
    pub fn verify(&self, repair: bool) -> Result<Verified, VaultError> {
        let mut found = Verified { catalog: check::integrity(&self.core.catalog)?, ..Verified::default() };
        self.verify_texts(&mut found)?;
        let (lexical, missing_vectors, stray_vectors) = self.verify_engines(&mut found)?;
        match self.verify_audit() {
            Ok(records) => found.audit = Some(records),
            Err(error) => found.audit_wrong = Some(error.to_string()),
        }
        match self.ledger.lock().verify(&self.core.keys.ledger) {
            Ok(entries) => found.ledger = Some(entries),
            Err(error) => found.ledger_wrong = Some(error.to_string()),
        }
        if repair {
            if found.ledger_wrong.is_some() {
                let mut catalog = self.catalog.lock();
                if let Err(error) = self.settle_ledger(&mut catalog, &mut self.ledger.lock()) {
                    tracing::warn!(%error, "the rights ledger cannot be put back");
                }
            }
            self.repair(&found, lexical, &missing_vectors, &stray_vectors)?;
            found.repaired = true;
        }
        let last = LastVerify { at: self.core.now(), problems: found.problems() };
        let last = crate::catalog::to_json(&last)?;
        self.catalog.lock().transaction("noting a check", |tx| tx.set_meta("last_verify", &last))?;
        Ok(found)
    }

    /// The last look at everything.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn last_verify(&self) -> Result<Option<LastVerify>, VaultError> {
        let text = self.catalog.lock().transaction("reading of a check", |tx| tx.meta("last_verify"))?;
        text.map(|text| crate::catalog::json(&text)).transpose()
    }

    fn verify_texts(&self, found: &mut Verified) -> Result<(), VaultError> {
        let (mut wrong, mut after) = (Vec::new(), 0);
        loop {
            let rows = check::versions(&self.core.catalog, after, BATCH)?;
            let Some(last) = rows.last() else { break };
            after = last.row;
            for version in rows {
                found.texts += 1;
                let text_wrong =
                    !self.core.text.is_version(&version.text, &version.version, version.length)?;
                let passages_wrong = !version.passages_fit;
                if !text_wrong && !passages_wrong {
                    continue;
                }
                // Replaced or removed while it was looked at: nothing is wrong.
                if !check::is_kept(&self.core.catalog, version.row)? {
                    continue;
                }
                if text_wrong {
                    *found.texts_wrong.entry(version.source).or_default() += 1;
                } else {
                    found.passages_wrong += 1;
                }
                wrong.push(version.row);
            }
        }
        if !wrong.is_empty() {
            let marked =
                self.catalog.lock().transaction("marking lost texts", |tx| lost::mark(tx, &wrong))?;
            crate::lost::say(marked);
        }
        Ok(())
    }

    /// Compares both engines with the catalog. Gives whether the lexical index differs, and which vectors are missing
    /// or stray.
    fn verify_engines(
        &self,
        found: &mut Verified,
    ) -> Result<(bool, RoaringBitmap, RoaringBitmap), VaultError> {
        // Held: nothing is applied or published meanwhile. Answers do not wait for it.
        let engines = self.engines.lock();
        let lexical: RoaringBitmap = engines.lexical_snapshot()?.chunks().map(|chunk| chunk.0).collect();
        let vectors: Option<RoaringBitmap> =
            engines.vector_snapshot().map(|vectors| vectors.snapshot.chunks().map(|chunk| chunk.0).collect());
        let damaged = engines.verify_vectors()?;
        let expected = check::expected(&self.core.catalog)?;
        let compare = |holds: &RoaringBitmap, should: &RoaringBitmap| {
            (should - holds, holds - &(should | &expected.passing))
        };
        let (missing, stray) = compare(&lexical, &expected.lexical);
        found.lexical = EngineCheck {
            passages: lexical.len(),
            missing: missing.len(),
            stray: stray.len(),
            damaged: None,
        };
        let Some(vectors) = vectors else {
            return Ok((!found.lexical.holds(), RoaringBitmap::new(), RoaringBitmap::new()));
        };
        // A vector more than the catalog counts on (of a version that is not wholly embedded) is no stray.
        let (missing, _) = compare(&vectors, &expected.vectors);
        let (_, stray) = compare(&vectors, &expected.any);
        found.vectors =
            EngineCheck { passages: vectors.len(), missing: missing.len(), stray: stray.len(), damaged };
        Ok((!found.lexical.holds(), missing, stray))
    }

    fn repair(
        &self,
        found: &Verified,
        lexical: bool,
        missing: &RoaringBitmap,
        stray: &RoaringBitmap,
    ) -> Result<(), VaultError> {
        {
            let mut engines = self.engines.lock();
            if lexical {
                tracing::warn!("the lexical index is built anew from catalog and text");
                engines.restart_lexical(&self.core.catalog, &self.core.text)?;
            }
            let surviving = match found.vectors.damaged {
                Some(_) => engines.surviving_vectors()?,
                None => RoaringBitmap::new(),
            };
            if found.vectors.damaged.is_some() && surviving.is_empty() {
                tracing::warn!(
                    "the vectors are damaged and begin anew; ingest the sources again to embed them"
                );
                let applied = crate::catalog::outbox::applied(&self.core.catalog)?;
                // INVARIANT: the catalog forgets first: cut off in between, documents are embedded once more.
                let mut catalog = self.catalog.lock();
                catalog.transaction("forgetting damaged vectors", |tx| {
                    crate::catalog::content::forget_embeddings(tx).map(drop)
                })?;
                engines.empty_vectors(applied)?;
            } else if found.vectors.damaged.is_some() {
                let lost = check::expected(&self.core.catalog)?.vectors - &surviving;
                tracing::warn!(
                    passages = lost.len(),
                    "some vectors are damaged; ingest the sources again to embed those passages"
                );
                // The catalog first, as above.
                let mut catalog = self.catalog.lock();
                catalog.transaction("forgetting damaged vectors", |tx| check::forget_vectors(tx, &lost))?;
                engines.salvage_vectors()?;
                engines.drop_vectors(stray)?;
            } else {
                let mut catalog = self.catalog.lock();
                catalog.transaction("forgetting lost vectors", |tx| check::forget_vectors(tx, missing))?;
                engines.drop_vectors(stray)?;
            }
        }
        self.publish(&Ask { always: true, ..Ask::default() })?;
        self.drop_replaced()
    }
}
