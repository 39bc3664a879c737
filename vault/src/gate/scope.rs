//! From a proven caller to a scope, under given rights. It must never take a membership, a clearance
//! or a name from anything but those rights; what a token claims of groups counts only as far as they know the groups.

use crate::core::Core;
use crate::published::{Linked, Rights};
use kenward_access::acl::Clearance;
use kenward_access::caller::{Caller, Claimed, Credential, IssuedTo, Membership, Subject, service};
use kenward_access::groups::Memberships;
use kenward_access::ids::{Timestamp, UserId};
use kenward_access::scope::AccessScope;

/// `None` if the person is unknown or disabled, the token revoked, expired or another's, the link to an
/// issuer's subject gone, or the caller of another tenant.
pub(crate) fn resolve(core: &Core, caller: &Caller, rights: &Rights, now: Timestamp) -> Option<AccessScope> {
    if *caller.tenant() != core.tenant {
        return None;
    }
    let (memberships, clearance) = match caller.subject() {
        Subject::User(id) => {
            let user = rights.active(id)?;
            match caller.credential() {
                Credential::Token(hash) => {
                    rights.token(hash, now).filter(|token| token.user == *id)?;
                }
                Credential::Issued(issued) => {
                    // INVARIANT: an issuer's token is a person's through a link that stands now, and until it ends.
                    let Linked::Entry(linked) = rights.holder(&issued.issuer, &issued.holder) else {
                        return None;
                    };
                    (now < issued.expires && linked.id == *id).then_some(())?;
                }
                Credential::Peer { .. } => {}
            }
            (memberships(caller.membership(), rights, id), user.clearance.clone())
        }
        Subject::Service(id) => {
            match caller.credential() {
                // Tokens of the directory are people's: none stands for a service.
                Credential::Token(_) => return None,
                Credential::Issued(issued) => {
                    let own = match &issued.holder {
                        IssuedTo::Service(client) => service(&issued.issuer, client).as_ref() == Ok(id),
                        IssuedTo::Person(_) => false,
                    };
                    // One that has an entry of its own asks as that, or not at all.
                    let own = own && rights.holder(&issued.issuer, &issued.holder) == Linked::Nobody;
                    (own && now < issued.expires).then_some(())?;
                }
                Credential::Peer { .. } => {}
            }
            (Memberships::none(), Clearance::default())
        }
    };
    Some(AccessScope::resolve(caller, memberships, clearance, rights.epoch, now))
}

/// A person's groups.
fn memberships(from: &Membership, rights: &Rights, id: &UserId) -> Memberships {
    let claimed = |claimed: &Claimed| match claimed {
        Claimed::All(handles) => {
            let known = handles.iter().filter_map(|handle| rights.group_handles.get(&**handle));
            rights.groups.closure_from(id, known.cloned())
        }
        Claimed::Incomplete => rights.groups.closure_from(id, []).incomplete(),
    };
    match from {
        Membership::Directory => rights.groups.closure(id),
        Membership::Claims(groups) => claimed(groups),
        // INVARIANT: never a union: a token must not bring back a membership that the directory took.
        Membership::Intersect(groups) => rights.groups.closure(id).intersect(&claimed(groups)),
    }
}
