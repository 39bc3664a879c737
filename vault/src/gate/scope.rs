//! From a proven caller to a scope, under given rights. It must never take a membership, a clearance
//! or a name from anything but those rights.

use crate::core::Core;
use crate::published::Rights;
use kenward_access::acl::Clearance;
use kenward_access::caller::{Caller, Credential, Subject};
use kenward_access::groups::Memberships;
use kenward_access::ids::Timestamp;
use kenward_access::scope::AccessScope;

/// `None` if the person is unknown or disabled, the token revoked, expired or another's, or the
/// caller of another tenant.
pub(super) fn resolve(core: &Core, caller: &Caller, rights: &Rights, now: Timestamp) -> Option<AccessScope> {
    if *caller.tenant() != core.tenant {
        return None;
    }
    let (memberships, clearance) = match caller.subject() {
        Subject::User(id) => {
            let user = rights.active(id)?;
            if let Credential::Token(hash) = caller.credential() {
                rights.token(&hash, now).filter(|token| token.user == *id)?;
            }
            (rights.groups.closure(id), user.clearance.clone())
        }
        Subject::Service(_) => match caller.credential() {
            // Tokens are people's: none stands for a service.
            Credential::Token(_) => return None,
            Credential::Peer { .. } => (Memberships::none(), Clearance::default()),
        },
    };
    Some(AccessScope::resolve(caller, memberships, clearance, rights.epoch, now))
}
