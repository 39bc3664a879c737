//! The audit log: append-only lines, each holding the hash of the one before it, durable before an
//! answer is given. It must never be skipped: what cannot be recorded is not answered. It holds no
//! titles, no text and no query in clear (a query is a keyed hash; keeping its text, encrypted,
//! comes with the compliance work).
//!
//! One file, `log.jsonl`, one record a line:
//! `{"v":1,"seq":7,"prev":"<64 hex>","hash":"<64 hex>","record":{…}}`, where `hash` is SHA-256 over
//! `prev`, `seq` (8 bytes, big-endian) and the record's bytes. A chain shows a change, a gap and a
//! swap by somebody who does not rewrite all lines after it. That the newest lines were cut off, or
//! the whole log was removed, it cannot show: that needs checkpoints kept elsewhere.

mod chain;
mod record;
#[cfg(test)]
mod tests;
mod thread;

pub(crate) use chain::{FILE, copy, verify_live};
pub use chain::{Verified, verify};
pub(crate) use record::{
    Answer, Asked, DecisionPath, LayerTaken, Outcome, Policy, Record, Returned, State, Who,
};

use crate::error::VaultError;
use crate::seams::{Clock, SteadyClock};
use kenward_access::ids::TenantId;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The log of one vault. One thread writes; many wait for the same sync.
pub(crate) struct AuditLog {
    writer: thread::Writer,
    clock: Arc<SteadyClock>,
    written: Arc<AtomicU64>,
    /// The last thing that was to be written could not be.
    failing: Arc<AtomicBool>,
    path: PathBuf,
}

impl AuditLog {
    /// Opens or makes the log in `dir`, checks its chain, and marks answers whose hand-over is not
    /// recorded as unconfirmed. A torn last line is moved aside and noted.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] for any other break, with the way on; [`VaultError::Io`].
    pub(crate) fn open(dir: &Path, tenant: &TenantId, clock: Arc<SteadyClock>) -> Result<Self, VaultError> {
        let opened = chain::open(dir, tenant)?;
        // Whatever was answered is recorded: it has not been later than the last record.
        if let Some(last) = opened.last {
            clock.not_before(last);
        }
        let written = Arc::new(AtomicU64::new(opened.tip.seq));
        let failing = Arc::new(AtomicBool::new(false));
        let writer =
            thread::Writer::start(opened.file, opened.tip, Arc::clone(&written), Arc::clone(&failing));
        let log = Self { writer, clock, written, failing, path: dir.join(FILE) };
        if let Some(bytes) = opened.torn {
            log.write(&Record::TornLine { bytes })?;
        }
        for answer in opened.open_answers {
            log.write(&Record::Unconfirmed { answer })?;
        }
        Ok(log)
    }

    /// Writes a record and returns when it is durable.
    ///
    /// # Errors
    /// [`VaultError::Audit`]: it is not in the log; the log is as before and goes on working.
    pub(crate) fn write(&self, record: &Record) -> Result<(), VaultError> {
        let line = record::line(self.clock.now(), record).map_err(VaultError::Audit)?;
        self.writer.durable(line).map_err(VaultError::Audit)
    }

    /// Writes a small record without waiting for it.
    pub(crate) fn note(&self, record: &Record) {
        if let Ok(line) = record::line(self.clock.now(), record) {
            self.writer.note(line);
        }
    }

    /// Whether the next record could be written, as far as can be told without writing one.
    pub(crate) fn is_writable(&self) -> bool {
        let opens = || std::fs::OpenOptions::new().append(true).open(&self.path).is_ok();
        !self.failing.load(Ordering::Acquire) && opens()
    }

    /// How many records there are.
    pub(crate) fn count(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }
}

impl crate::vault::Vault {
    /// Recomputes the audit log's chain while it is being written. Gives how many records there are.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] at the first record that does not fit.
    pub fn verify_audit(&self) -> Result<u64, VaultError> {
        // Before the file is read: what is written then is whole.
        let written = self.core.audit.count();
        verify_live(&self.data_dir.join("audit"), &self.core.tenant, written).map(|found| found.records)
    }

    /// Whether answers could be recorded, as far as can be told without writing a record.
    #[must_use]
    pub fn audit_is_writable(&self) -> bool {
        self.core.audit.is_writable()
    }

    /// Notes that `count` requests with bad or missing tokens were refused since the last note. The
    /// caller of this gathers them (per address and minute), so that strangers cannot fill the disk.
    pub fn note_refused(&self, address: &str, count: u64) {
        let address: String = address.chars().filter(char::is_ascii_graphic).take(64).collect();
        self.core.audit.note(&Record::Refused { address, count });
    }
}
