//! Receipts: every answer carries one; it seals the random id of its audit record, from which a
//! reviewer finds what was given under which rights. It says nothing to anybody else.

use crate::cursor::{seal, unseal};
use crate::seams::Entropy;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use kenward_access::ids::TenantId;

/// Random id of an audit record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordId(pub(crate) [u8; 16]);

impl RecordId {
    pub(crate) fn draw(entropy: &dyn Entropy) -> Self {
        let mut id = [0; 16];
        entropy.fill(&mut id);
        Self(id)
    }

    /// As the log writes it.
    pub(crate) fn text(self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

/// The receipt of a record: `kr_` and 90 characters.
pub(crate) fn make(key: &[u8; 32], entropy: &dyn Entropy, tenant: &TenantId, id: RecordId) -> Option<String> {
    let sealed = seal(key, entropy, tenant, "receipt", &id.0)?;
    Some(format!("kr_{}", BASE32_NOPAD.encode(&sealed).to_ascii_lowercase()))
}

/// The record of a receipt, as the log writes its id; `None` if the receipt is not one of ours.
pub(crate) fn read(key: &[u8; 32], tenant: &TenantId, receipt: &str) -> Option<String> {
    let sealed = BASE32_NOPAD.decode(receipt.strip_prefix("kr_")?.to_ascii_uppercase().as_bytes()).ok()?;
    let id = unseal(key, tenant, "receipt", &sealed)?.try_into().ok()?;
    Some(RecordId(id).text())
}

impl crate::vault::Vault {
    /// For reviewers: the id of the audit record that a receipt stands for; `None` if it is not ours.
    #[must_use]
    pub fn receipt_record(&self, receipt: &str) -> Option<String> {
        let keys = self.core.keys.receipts.all();
        keys.iter().find_map(|key| read(key, &self.core.tenant, receipt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::SystemEntropy;

    #[test]
    fn a_receipt_opens_for_its_tenant_alone() {
        let tenant = TenantId::new("a").unwrap();
        let id = RecordId::draw(&SystemEntropy);
        let receipt = make(&[1; 32], &SystemEntropy, &tenant, id).unwrap();
        assert_eq!(receipt.len(), 93);
        assert_eq!(read(&[1; 32], &tenant, &receipt), Some(id.text()));
        assert_eq!(read(&[1; 32], &TenantId::new("b").unwrap(), &receipt), None);
        assert_eq!(read(&[2; 32], &tenant, &receipt), None);
        assert_eq!(read(&[1; 32], &tenant, "kr_x"), None);
    }
}
