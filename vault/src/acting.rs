//! What the authenticator has to record before an operator acts as somebody else. Nothing is proven
//! here.

use crate::error::VaultError;
use crate::vault::{Operator, Vault};
use kenward_access::ids::UserId;

impl Vault {
    /// Records, durably, that an operator acts as a person. Only then may it happen.
    ///
    /// # Errors
    /// [`VaultError::Audit`]: it is not recorded, and must not happen.
    pub fn record_acting_as(&self, by: &Operator, person: &UserId) -> Result<(), VaultError> {
        self.core.record_deed(by, "acting_as", serde_json::json!({ "user": person.as_str() }))
    }
}
