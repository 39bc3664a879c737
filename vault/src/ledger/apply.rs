//! What a restore does with the ledger: whatever narrowed since the backup is narrowed again, at once; where that
//! cannot be told by ids, it is hidden until its source is read anew. It must never widen, and never reckon
//! with what the ledger does not say: without one, everything is hidden and everybody is out.

use super::{Membership, Narrowed, Since, UserState, link_name};
use crate::catalog::{Tx, people, rights as rights_sql, sources, to_json};
use crate::directory::DirectoryChange;
use crate::error::VaultError;
use crate::published::Rights;
use crate::vault::{Operator, Vault};
use crate::writer::change::RightsChange;
use kenward_access::acl::{Acl, AclLayer, Clearance, Effect, Level};
use kenward_access::groups::Member;
use kenward_access::ids::{ContainerNo, DocNo, GroupId, Timestamp, UserId};
use kenward_access::principal::Principal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;

/// What is known of the time since the backup.
pub(crate) enum After {
    /// What narrowed since a backup.
    Ledger(Box<Narrowed>),
    /// What narrowed, and the catalog does not have; `None` = there is a gap in it.
    Behind(Option<Box<Narrowed>>),
    /// Nothing.
    Nothing,
}

/// What was narrowed after a restore.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    /// Documents that are hidden until their source is ingested anew.
    pub documents: u64,
    /// Documents that are gone since.
    pub removed: u64,
    /// People who were removed, disabled or lost clearance.
    pub people: u64,
    /// Groups that were removed.
    pub groups: u64,
    /// Memberships that came or went.
    pub memberships: u64,
    /// Tokens that were revoked.
    pub tokens: u64,
    /// Links between subjects of issuers and people that went.
    #[serde(default)]
    pub links: u64,
    /// Sources whose record changed.
    pub sources: u64,
}

impl Vault {
    /// Narrows a restored vault. Nobody asks it yet.
    pub(crate) fn narrow_restored(&self, by: &Operator, after: &After) -> Result<Hidden, VaultError> {
        let hidden = self.change_rights("narrowing what was restored", |tx, change| {
            // It is what the ledger says, or all there is.
            change.is_told();
            change.narrows();
            let mut hidden = Hidden::default();
            match after {
                After::Ledger(since) | After::Behind(Some(since)) => {
                    self.as_since(tx, change, since, &mut hidden)?
                }
                After::Behind(None) | After::Nothing => {
                    everything(tx, change.rights_mut(), self.core.now(), &mut hidden)?
                }
            }
            people::load(tx, change.rights_mut())?;
            let mut ledger = self.ledger.lock();
            if matches!(after, After::Ledger(_)) {
                // INVARIANT: two folders never write one ledger: what the one gave would be given in the other.
                ledger.take(&self.core.keys.ledger, self.core.now())?;
            }
            tx.set_meta("ledger", &to_json(&ledger.place())?)?;
            let (act, told) = match after {
                After::Ledger(_) => ("restored", true),
                After::Behind(since) => ("caught_up_with_the_ledger", since.is_some()),
                After::Nothing => ("restored", false),
            };
            self.core.record_deed(by, act, serde_json::json!({ "ledger": told, "narrowed": hidden }))?;
            Ok(hidden)
        })?;
        self.publish(&crate::writer::publish::Ask::default())?;
        self.drop_replaced()?;
        Ok(hidden)
    }

    /// Narrows a vault whose catalog lacks what its ledger has. Nobody asks it yet.
    pub(crate) fn catch_up(&self, since: Since) -> Result<(), VaultError> {
        if since.entries == 0 {
            return Ok(());
        }
        if let Some(last) = since.last {
            self.clock.not_before(last);
        }
        let uid = std::fs::metadata(&self.data_dir).map_err(VaultError::io("reading", &self.data_dir))?.uid();
        let reason = "the catalog lacked changes that the rights ledger has".to_owned();
        let by = Operator { uid, user: None, reason: Some(reason) };
        // INVARIANT: what could not be written is not in it. It acted, and must not be given back.
        let whole = (!since.gap).then(|| Box::new(since.narrowed));
        if whole.is_none() {
            tracing::warn!(
                "the rights ledger began anew since this catalog was written: everything is hidden until its source is ingested, \
                 and everybody is disabled"
            );
        }
        let hidden = self.narrow_restored(&by, &After::Behind(whole))?;
        tracing::warn!(
            changes = since.entries,
            documents = hidden.documents,
            "the catalog lacked changes of rights that the ledger has: they act; what is hidden for them comes back when its \
             source is ingested"
        );
        Ok(())
    }

    fn as_since(
        &self,
        tx: &Tx<'_>,
        change: &mut RightsChange,
        since: &Narrowed,
        hidden: &mut Hidden,
    ) -> Result<(), VaultError> {
        for hash in &since.tokens {
            let id = hash.get(..12).unwrap_or_default();
            hidden.tokens += people::revoke_token(tx, id, self.core.now())? as u64;
        }
        if !since.links.is_empty() {
            let links: BTreeSet<&String> = since.links.iter().collect();
            let gone = change.rights().identities.iter();
            let gone = gone.filter(|(identity, user)| links.contains(&link_name(identity, user)));
            for (identity, user) in gone {
                hidden.links += u64::from(people::unlink(tx, user, identity)?);
            }
            people::load(tx, change.rights_mut())?;
        }
        let wider = Wider::of(change.rights(), &since.members).documents(change.rights());
        let changes = directory_changes(change.rights(), since, &self.core.labels, hidden);
        self.apply_changes(tx, change, &changes)?;
        for (no, spec) in &since.sources {
            let Some(now) = sources::one(tx, *no)? else { continue };
            match spec {
                Some(spec) if *spec == now => continue,
                Some(spec) => sources::set(tx, *no, spec)?,
                None => hidden.removed += self.take_source(tx, change, *no)?,
            }
            hidden.sources += 1;
        }
        let gone: Vec<DocNo> = since.gone.clone();
        hidden.removed += self.remove_numbers(tx, change, &gone)?;
        let containers: BTreeSet<ContainerNo> = since.containers.iter().copied().collect();
        let documents: BTreeSet<DocNo> = since.documents.iter().copied().collect();
        hidden.documents += rights_sql::hide_until_read(tx, change.rights_mut(), &|no, container| {
            documents.contains(&no) || containers.contains(&container) || wider.contains(&no)
        })?;
        Ok(())
    }
}

/// Groups by which memberships that changed since may show more than at the backup's moment. What a backup holds
/// may have been redacted since, before somebody was let in: it is not for them.
#[derive(Default)]
struct Wider {
    /// Somebody came into these, or into a group within them: an allow for them may reach further.
    allows: BTreeSet<GroupId>,
    /// Somebody went from these: a deny for them may reach less far.
    denies: BTreeSet<GroupId>,
}

impl Wider {
    fn of(rights: &Rights, changed: &[Membership]) -> Self {
        let mut wider = Self::default();
        for one in changed {
            let groups = if one.there { &mut wider.allows } else { &mut wider.denies };
            groups.insert(one.group.clone());
        }
        let nested: Vec<(GroupId, GroupId)> = rights
            .groups
            .edges()
            .map(|(group, member)| (group.clone(), member.clone()))
            .chain(changed.iter().map(|one| (one.group.clone(), Member::from(&one.member))))
            .filter_map(|(group, member)| match member {
                Member::Group(inner) => Some((inner, group)),
                Member::User(_) => None,
            })
            .collect();
        for groups in [&mut wider.allows, &mut wider.denies] {
            // What is within a group is within those that it is in.
            while nested.iter().any(|(inner, outer)| groups.contains(inner) && groups.insert(outer.clone())) {
            }
        }
        wider
    }

    /// The documents whose rights name such a group.
    fn documents(&self, rights: &Rights) -> BTreeSet<DocNo> {
        if self.allows.is_empty() && self.denies.is_empty() {
            return BTreeSet::new();
        }
        let reached = |acl: &Acl| {
            let entries = acl.layers().iter().filter_map(|layer| match layer {
                AclLayer::FirstMatch(entries) => Some(entries),
                AclLayer::Label { .. } => None,
            });
            entries.flatten().any(|entry| match (&entry.principal, entry.effect) {
                (Principal::Group(group), Effect::Allow) => self.allows.contains(group),
                (Principal::Group(group), Effect::Deny) => self.denies.contains(group),
                _ => false,
            })
        };
        let of = |no: &DocNo| rights.class_of(*no).and_then(|class| rights.classes.get(class));
        rights.documents.iter().map(|(no, _)| no).filter(|no| of(no).is_some_and(reached)).collect()
    }
}

/// Nothing is known: all documents wait for their sources, and nobody is let in before an operator says so.
fn everything(
    tx: &Tx<'_>,
    rights: &mut Rights,
    now: Timestamp,
    hidden: &mut Hidden,
) -> Result<(), VaultError> {
    hidden.documents = rights_sql::hide_until_read(tx, rights, &|_, _| true)?;
    let people: Vec<UserId> = rights.users.values().filter(|u| !u.disabled).map(|u| u.id.clone()).collect();
    for id in &people {
        people::set_disabled(tx, id, true)?;
    }
    hidden.people = people.len() as u64;
    hidden.tokens = people::revoke_all(tx, now)? as u64;
    hidden.links = people::unlink_all(tx)? as u64;
    for (no, spec) in sources::all(tx)? {
        // Who may read what carries no rights of its own may have been narrowed, too: it is asked again.
        sources::set(tx, no, &crate::writer::SourceSpec { default_allow: Vec::new(), ..spec })?;
        hidden.sources += 1;
    }
    Ok(())
}

/// The changes of the directory that bring it to what the ledger says, in an order in which each can be made.
fn directory_changes(
    rights: &Rights,
    since: &Narrowed,
    labels: &[String],
    hidden: &mut Hidden,
) -> Vec<DirectoryChange> {
    let groups: BTreeMap<_, _> = rights.group_handles.iter().map(|(handle, id)| (id, handle)).collect();
    let edges: BTreeSet<_> = rights.groups.edges().collect();
    let mut changes = Vec::new();
    // Of a membership or a person the last word counts.
    let mut last: Vec<&Membership> = Vec::new();
    for one in &since.members {
        last.retain(|before| (&before.group, &before.member) != (&one.group, &one.member));
        last.push(one);
    }
    for one in last {
        let member = Member::from(&one.member);
        let name = match &member {
            Member::User(id) => rights.users.get(id).map(|user| format!("user:{}", user.handle)),
            Member::Group(id) => groups.get(id).map(|handle| format!("group:{handle}")),
        };
        let (Some(group), Some(name)) = (groups.get(&one.group), name) else { continue };
        let group = (*group).clone();
        match (edges.contains(&(&one.group, &member)), one.there) {
            (true, false) => changes.push(DirectoryChange::RemoveMember { group, member: name }),
            (false, true) => changes.push(DirectoryChange::AddMember { group, member: name }),
            _ => continue,
        }
        hidden.memberships += 1;
    }
    let people: BTreeMap<&UserId, &Option<UserState>> =
        since.users.iter().map(|(id, now)| (id, now)).collect();
    for (id, now) in people {
        let Some(user) = rights.users.get(id) else { continue };
        let handle = user.handle.clone();
        let before = changes.len();
        match now {
            None => changes.push(DirectoryChange::RemoveUser { handle }),
            Some(now) => {
                if now.disabled && !user.disabled {
                    changes.push(DirectoryChange::SetDisabled { handle: handle.clone(), disabled: true });
                }
                let clearance = lower(&user.clearance, now, labels);
                if clearance != user.clearance {
                    changes.push(DirectoryChange::SetClearance { handle, clearance });
                }
            }
        }
        hidden.people += u64::from(changes.len() > before);
    }
    for id in since.groups.iter().collect::<BTreeSet<_>>() {
        if let Some(handle) = groups.get(id) {
            changes.push(DirectoryChange::RemoveGroup { handle: (*handle).clone() });
            hidden.groups += 1;
        }
    }
    changes
}

/// What both clearances allow. A label that the list does not have any more is the lowest.
fn lower(was: &Clearance, now: &UserState, labels: &[String]) -> Clearance {
    let place = |label: &String| labels.iter().position(|known| known == label);
    let level = match &now.label {
        Some(label) => Level(place(label).and_then(|at| u16::try_from(at).ok()).unwrap_or_default()),
        None => now.clearance.level,
    };
    Clearance {
        level: was.level.min(level),
        compartments: was.compartments.intersection(&now.clearance.compartments).cloned().collect(),
    }
}
