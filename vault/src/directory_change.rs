//! Changing the directory: all or none, and acknowledged only when no answer with the old rights can
//! be given any more. A change that can widen waits for its record; one that only narrows never does.

use crate::catalog::{Tx, operations, people, rights as rights_sql};
use crate::directory::{DirectoryChange, Group, Identity, OperationId, User};
use crate::error::VaultError;
use crate::published::{Linked, Rights};
use crate::vault::{Operator, Vault};
use crate::writer::change::RightsChange;
use kenward_access::acl::{AclLayer, Effect};
use kenward_access::caller::IssuedTo;
use kenward_access::groups::Member;
use kenward_access::ids::{GroupId, UserId};
use kenward_access::principal::Principal;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Handles longer than this are refused.
const LONGEST_HANDLE: usize = 200;
/// Issuers longer than this are refused.
const LONGEST_ISSUER: usize = 2000;
/// Subjects longer than this are refused (OpenID Connect's bound).
const LONGEST_SUBJECT: usize = 255;

impl Vault {
    /// Applies changes to the directory in one transaction, re-resolves rights that name what
    /// changed, and returns when no answer with the old rights can be given any more.
    ///
    /// # Errors
    /// [`VaultError::Name`] for unknown or duplicate names; nothing is then changed.
    pub fn change_directory(&self, by: &Operator, changes: &[DirectoryChange]) -> Result<(), VaultError> {
        self.change_unless_done(by, None, changes)
    }

    /// [`Vault::change_directory`] for whoever may have to ask again because no reply came: what was
    /// done under this name is not done twice, and is acknowledged like the first time.
    ///
    /// # Errors
    /// As [`Vault::change_directory`].
    pub fn change_directory_once(
        &self,
        by: &Operator,
        operation: &OperationId,
        changes: &[DirectoryChange],
    ) -> Result<(), VaultError> {
        self.change_unless_done(by, Some(operation), changes)
    }

    fn change_unless_done(
        &self,
        by: &Operator,
        operation: Option<&OperationId>,
        changes: &[DirectoryChange],
    ) -> Result<(), VaultError> {
        if changes.is_empty() {
            return Ok(());
        }
        let about = serde_json::json!({ "changes": changes });
        let widening = self.change_rights("changing the directory", |tx, change| {
            // INVARIANT: noted in the transaction that does it. Whoever is told so here waited for the
            // writer's lock, which the first time held until no answer with the old rights could be given.
            if let Some(operation) = operation
                && !operations::first_time(tx, operation)?
            {
                return Ok(None);
            }
            let widening = self.apply_changes(tx, change, changes)?;
            change.narrows();
            if widening {
                change.widens(&self.core, by, "directory_changed", about.clone())?;
            }
            Ok(Some(widening))
        })?;
        if widening == Some(false) {
            self.core.note_deed(by, "directory_changed", about);
        }
        Ok(())
    }

    /// Applies changes, and gives whether they may widen.
    pub(crate) fn apply_changes(
        &self,
        tx: &Tx<'_>,
        change: &mut RightsChange,
        changes: &[DirectoryChange],
    ) -> Result<bool, VaultError> {
        let mut widening = false;
        let mut names = BTreeSet::new();
        let mut gone = Vec::new();
        for one in changes {
            widening |= may_widen(change.rights(), one);
            gone.extend(goes(change.rights(), one));
            names.extend(self.apply_change(tx, change.rights_mut(), one)?);
        }
        people::load(tx, change.rights_mut())?;
        self.resolve_again(tx, change.rights_mut(), &names)?;
        rights_sql::hide_what_names(tx, change.rights_mut(), &gone)?;
        Ok(widening)
    }

    /// Applies one change to the catalog and to the names in `rights`, so that the next change of the
    /// same list can use them. Gives the names that rights may spell.
    fn apply_change(
        &self,
        tx: &Tx<'_>,
        rights: &mut Rights,
        change: &DirectoryChange,
    ) -> Result<Option<String>, VaultError> {
        match change {
            DirectoryChange::AddUser { handle, name, clearance } => {
                check_handle("person", handle)?;
                if rights.handles.contains_key(handle) {
                    return Err(exists("person", handle, "kenward users list"));
                }
                let id = self.new_id(tx, "u_", UserId::new)?;
                people::add_user(tx, &id, handle, name, clearance, &self.core.labels)?;
                Arc::make_mut(&mut rights.handles).insert(handle.clone(), id);
                Ok(Some(format!("user:{handle}")))
            }
            DirectoryChange::SetClearance { handle, clearance } => {
                people::set_clearance(tx, &user(rights, handle)?, clearance, &self.core.labels).map(|()| None)
            }
            DirectoryChange::SetDisabled { handle, disabled } => {
                people::set_disabled(tx, &user(rights, handle)?, *disabled).map(|()| None)
            }
            DirectoryChange::RemoveUser { handle } => {
                people::remove_user(tx, &user(rights, handle)?)?;
                Arc::make_mut(&mut rights.handles).remove(handle);
                Ok(Some(format!("user:{handle}")))
            }
            DirectoryChange::AddGroup { handle } => {
                check_handle("group", handle)?;
                if rights.group_handles.contains_key(handle) {
                    return Err(exists("group", handle, "kenward groups list"));
                }
                let id = self.new_id(tx, "g_", GroupId::new)?;
                people::add_group(tx, &id, handle)?;
                Arc::make_mut(&mut rights.group_handles).insert(handle.clone(), id);
                Ok(Some(format!("group:{handle}")))
            }
            DirectoryChange::RemoveGroup { handle } => {
                people::remove_group(tx, &group(rights, handle)?)?;
                Arc::make_mut(&mut rights.group_handles).remove(handle);
                Ok(Some(format!("group:{handle}")))
            }
            DirectoryChange::AddMember { group: handle, member: name } => {
                people::add_member(tx, &group(rights, handle)?, &member(rights, name)?).map(|()| None)
            }
            DirectoryChange::RemoveMember { group: handle, member: name } => {
                if !people::remove_member(tx, &group(rights, handle)?, &member(rights, name)?)? {
                    return Err(VaultError::name(
                        format!("`{name}` is not directly in the group `{handle}`"),
                        "see `kenward groups list`",
                    ));
                }
                Ok(None)
            }
            DirectoryChange::Link { handle, identity } => {
                self.link(tx, rights, handle, identity).map(|()| None)
            }
            DirectoryChange::Unlink { handle, identity } => {
                let id = user(rights, handle)?;
                if !people::unlink(tx, &id, identity)? {
                    return Err(VaultError::name(
                        format!("no such subject is linked to `{handle}`"),
                        "see `kenward users list`",
                    ));
                }
                Arc::make_mut(&mut rights.identities).remove(identity);
                Ok(None)
            }
            DirectoryChange::RevokeToken { id } => {
                match people::revoke_token(tx, &id.to_ascii_lowercase(), self.core.now())? {
                    1 => Ok(None),
                    _ => Err(VaultError::name(
                        format!("there is no token `{id}`"),
                        "give the 12 hex digits that `kenward tokens list` shows",
                    )),
                }
            }
        }
    }

    /// Links a subject that is nobody yet.
    fn link(
        &self,
        tx: &Tx<'_>,
        rights: &mut Rights,
        handle: &str,
        identity: &Identity,
    ) -> Result<(), VaultError> {
        let id = user(rights, handle)?;
        check_identity(identity)?;
        if let Some(other) = rights.identities.get(identity) {
            if *other == id {
                return Err(VaultError::name(
                    format!("that subject is `{handle}` already"),
                    "see `kenward users list`",
                ));
            }
            let other = rights.users.get(other).map(|user| user.handle.clone()).unwrap_or_default();
            return Err(VaultError::name(
                format!("that subject is `{other}`"),
                "take that link away first, with `kenward users unlink`",
            ));
        }
        people::link(tx, &id, identity, self.core.now())?;
        Arc::make_mut(&mut rights.identities).insert(identity.clone(), id);
        Ok(())
    }

    /// Resolves again what names something that appeared or went, and what could not be resolved.
    fn resolve_again(
        &self,
        tx: &Tx<'_>,
        rights: &mut Rights,
        names: &BTreeSet<String>,
    ) -> Result<(), VaultError> {
        if names.is_empty() {
            return Ok(());
        }
        // Names of other systems are taken in any case.
        let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let in_any_case = |spec: &str| {
            let spec = spec.to_ascii_lowercase();
            lower.iter().any(|name| spec.contains(name))
        };
        for container in rights_sql::containers(tx)? {
            let spec = &container.spec;
            let named = names.iter().any(|name| spec.contains(name.as_str()))
                || (spec.contains("\"foreign\"") && in_any_case(spec));
            if container.unknown != "[]" || named {
                rights_sql::resolve_again(tx, rights, &self.core.labels, &container)?;
            }
        }
        Ok(())
    }

    fn new_id<T: IdText, E>(
        &self,
        tx: &Tx<'_>,
        prefix: &str,
        make: impl Fn(String) -> Result<T, E>,
    ) -> Result<T, VaultError> {
        // A fixed source of randomness (in tests) may begin again: a taken id is mixed on.
        for round in 0u32..1000 {
            let mut random = [0u8; 16];
            self.core.entropy.fill(&mut random);
            let mixed = blake3::hash(&[&random[..], &round.to_le_bytes()].concat());
            let text = data_encoding::BASE32_NOPAD
                .encode(mixed.as_bytes().get(..16).unwrap_or_default())
                .to_ascii_lowercase();
            if let Ok(id) = make(format!("{prefix}{text}"))
                && !people::id_taken(tx, id.text())?
            {
                return Ok(id);
            }
        }
        Err(VaultError::damaged("the source of randomness (it repeats itself)", "check the system"))
    }

    /// All people, by handle.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn users(&self) -> Result<Vec<User>, VaultError> {
        let mut users: Vec<User> = self.core.rights.load().users.values().cloned().collect();
        users.sort_by(|a, b| a.handle.cmp(&b.handle));
        Ok(users)
    }

    /// All groups, by handle.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn groups(&self) -> Result<Vec<Group>, VaultError> {
        let (rights, edges) = {
            let mut catalog = self.catalog.lock();
            let edges = catalog.transaction("listing groups", people::edges)?;
            (self.core.rights.load_full(), edges)
        };
        let people: HashMap<&str, &str> =
            rights.handles.iter().map(|(handle, id)| (id.as_str(), handle.as_str())).collect();
        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        let mut handles: HashMap<&str, &str> = HashMap::new();
        for (handle, id) in rights.group_handles.iter() {
            handles.insert(id.as_str(), handle);
            let group = Group { id: id.clone(), handle: handle.clone(), members: Vec::new() };
            groups.insert(id.as_str(), group);
        }
        for (group, user, inner) in &edges {
            let user = user.as_deref().and_then(|u| people.get(u)).map(|h| format!("user:{h}"));
            let inner = inner.as_deref().and_then(|g| handles.get(g)).map(|h| format!("group:{h}"));
            if let Some(group) = groups.get_mut(group.as_str()) {
                group.members.extend(user.or(inner));
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.iter_mut().for_each(|g| g.members.sort());
        groups.sort_by(|a, b| a.handle.cmp(&b.handle));
        Ok(groups)
    }

    /// The person whom an issuer's subject stands for, if one is linked and not disabled. Whether the issuer said so is
    /// the authenticator's to know.
    #[must_use]
    pub fn linked(&self, issuer: &str, subject: &str) -> Option<User> {
        self.core.rights.load().linked(issuer, subject).cloned()
    }

    /// Whose entry in the directory an issuer's token is for: `Ok(None)` = nobody's, `Err` = of somebody who may not
    /// ask any more.
    ///
    /// # Errors
    /// `()`: the entry is disabled.
    #[expect(clippy::result_unit_err, reason = "there is nothing more to say of somebody who is disabled")]
    pub fn holder(&self, issuer: &str, holder: &IssuedTo) -> Result<Option<User>, ()> {
        match self.core.rights.load().holder(issuer, holder) {
            Linked::Nobody => Ok(None),
            Linked::Disabled => Err(()),
            Linked::Entry(user) => Ok(Some(user.clone())),
        }
    }

    /// The person with this handle, if there is one and they are not disabled.
    #[must_use]
    pub fn user_by_handle(&self, handle: &str) -> Option<User> {
        let rights = self.core.rights.load();
        rights.handles.get(handle).and_then(|id| rights.active(id)).cloned()
    }
}

/// Whether a change may let somebody see more than before. Where that is not certain, it may.
fn may_widen(rights: &Rights, change: &DirectoryChange) -> bool {
    match change {
        DirectoryChange::AddUser { .. }
        | DirectoryChange::AddGroup { .. }
        | DirectoryChange::AddMember { .. }
        | DirectoryChange::Link { .. }
        | DirectoryChange::SetDisabled { disabled: false, .. } => true,
        DirectoryChange::SetDisabled { disabled: true, .. }
        | DirectoryChange::Unlink { .. }
        | DirectoryChange::RevokeToken { .. } => false,
        // A name of another system that meant one of two means the other one from then on.
        DirectoryChange::RemoveUser { handle } => {
            matches!(rights.any_case.users.get(&handle.to_ascii_lowercase()), Some(None))
        }
        DirectoryChange::SetClearance { handle, clearance } => {
            let now = rights.handles.get(handle).and_then(|id| rights.users.get(id));
            now.is_none_or(|u| !u.clearance.dominates(clearance.level, &clearance.compartments))
        }
        // Who leaves a group leaves the groups around it too, and a deny for any of these ends.
        DirectoryChange::RemoveMember { .. } => denies_a_group(rights),
        DirectoryChange::RemoveGroup { handle } => {
            let several = rights.any_case.groups.get(&handle.to_ascii_lowercase());
            matches!(several, Some(None)) || denies_a_group(rights)
        }
    }
}

/// Who is removed by a change.
fn goes(rights: &Rights, change: &DirectoryChange) -> Option<Principal> {
    match change {
        DirectoryChange::RemoveUser { handle } => rights.handles.get(handle).cloned().map(Principal::User),
        DirectoryChange::RemoveGroup { handle } => {
            rights.group_handles.get(handle).cloned().map(Principal::Group)
        }
        _ => None,
    }
}

fn denies_a_group(rights: &Rights) -> bool {
    rights.classes.iter().flat_map(|(_, acl)| acl.layers()).any(|layer| match layer {
        AclLayer::FirstMatch(entries) => {
            entries.iter().any(|e| e.effect == Effect::Deny && matches!(e.principal, Principal::Group(_)))
        }
        AclLayer::Label { .. } => false,
    })
}

/// The id behind a person's handle.
pub(crate) fn user(rights: &Rights, handle: &str) -> Result<UserId, VaultError> {
    rights
        .handles
        .get(handle)
        .cloned()
        .ok_or_else(|| VaultError::name(format!("there is no person `{handle}`"), "see `kenward users list`"))
}

fn group(rights: &Rights, handle: &str) -> Result<GroupId, VaultError> {
    rights
        .group_handles
        .get(handle)
        .cloned()
        .ok_or_else(|| VaultError::name(format!("there is no group `{handle}`"), "see `kenward groups list`"))
}

fn member(rights: &Rights, name: &str) -> Result<Member, VaultError> {
    if let Some(handle) = name.strip_prefix("user:") {
        user(rights, handle).map(Member::User)
    } else if let Some(handle) = name.strip_prefix("group:") {
        group(rights, handle).map(Member::Group)
    } else {
        Err(VaultError::name(
            format!("`{name}` is not a member's name"),
            "write `user:HANDLE` or `group:HANDLE`",
        ))
    }
}

fn exists(kind: &str, handle: &str, list: &str) -> VaultError {
    VaultError::name(format!("there is a {kind} `{handle}` already"), format!("see `{list}`"))
}

/// What a token may say of its issuer and subject, and no more.
fn check_identity(identity: &Identity) -> Result<(), VaultError> {
    let fits = |text: &str, most: usize| {
        !text.is_empty() && text.len() <= most && !text.chars().any(|c| c.is_control() || c == '\u{feff}')
    };
    if !fits(&identity.issuer, LONGEST_ISSUER) || identity.issuer.contains(char::is_whitespace) {
        let hint = "give the issuer as its tokens say it (`iss`), such as `https://login.example.com`";
        return Err(VaultError::name("that is no issuer", hint));
    }
    if !fits(&identity.subject, LONGEST_SUBJECT) {
        let hint = "give the subject as the issuer's tokens say it (`sub`), 1 to 255 bytes";
        return Err(VaultError::name("that is no subject", hint));
    }
    Ok(())
}

/// Handles are written in rights files and on the command line.
fn check_handle(kind: &str, handle: &str) -> Result<(), VaultError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\' | '`');
    if handle.is_empty() || handle.len() > LONGEST_HANDLE || handle.contains(bad) {
        return Err(VaultError::name(
            format!("`{}` is no handle for a {kind}", handle.escape_debug()),
            "a handle has 1 to 200 bytes, without spaces, quotes, backslashes and control characters",
        ));
    }
    // Rights files say `everyone` for all.
    if handle.eq_ignore_ascii_case("everyone") {
        return Err(VaultError::name(
            format!("`{handle}` means all people, and names no {kind}"),
            "give another name",
        ));
    }
    Ok(())
}

/// An id's text.
trait IdText {
    fn text(&self) -> &str;
}

impl IdText for UserId {
    fn text(&self) -> &str {
        self.as_str()
    }
}

impl IdText for GroupId {
    fn text(&self) -> &str {
        self.as_str()
    }
}
