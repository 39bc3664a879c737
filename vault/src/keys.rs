//! Keys of a tenant: document ids, cursors, receipts. Files of mode 0600 under `keys/`, made on
//! first use, never printed. Ids depend on the id key alone, so they survive everything but its loss.

use kenward_access::ids::TenantId;
use std::path::Path;

use crate::error::VaultError;

/// The keys of one tenant.
pub struct Keys {
    /// For document ids and tie keys.
    pub(crate) ids: [u8; 32],
    /// For cursors.
    pub(crate) cursors: [u8; 32],
    /// For receipts.
    pub(crate) receipts: [u8; 32],
    /// For hashes of queries in the audit log.
    pub(crate) audit: [u8; 32],
}

impl Keys {
    /// Reads the keys in `dir`, making those that are not there (0700 / 0600).
    ///
    /// # Errors
    /// [`VaultError::Io`]; [`VaultError::Damaged`] for a file of another length or readable by others.
    pub fn open(_dir: &Path) -> Result<Self, VaultError> {
        todo!()
    }

    /// The full keyed hash of a document's source identity: its tie key, and what its id is cut from.
    #[must_use]
    pub fn document_key(&self, _tenant: &TenantId, _source: &str, _source_id: &str) -> [u8; 32] {
        todo!()
    }
}

/// The public id of a document: `kd_` and 26 characters of base32 (lower case, no padding).
#[must_use]
pub fn document_id(_key: &[u8; 32]) -> String {
    todo!()
}
