//! What rights and deletions of a source would change, before anything is changed: through which
//! principal people would come to see documents, or cease to. For operators; it names no document, writes
//! nothing but its audit record, and decides with the very function that guards the documents.

use crate::catalog::content;
use crate::catalog::rights::Names;
use crate::error::VaultError;
use crate::published::Rights;
use crate::vault::{Operator, Vault};
use crate::writer::{Known, place};
use kenward_access::acl::{Acl, AclLayer};
use kenward_access::decision::{Holder, LayerReason, decide};
use kenward_access::ids::{ClassId, DocNo, Timestamp};
use kenward_access::principal::Principal;
use kenward_access::rights::{RightsSpec, foreign};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Documents and people of one principal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// How many documents.
    pub documents: u64,
    /// How many people see, or cease to see, at least one of them through this principal.
    pub people: u64,
}

/// What would change. Principals as rights files write them: `group:finance`, `user:HANDLE`, `everyone`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// What people would come to see, by the principal through which they would.
    pub gains: BTreeMap<String, View>,
    /// What people would cease to see, by the principal through which they see it now.
    pub losses: BTreeMap<String, View>,
    /// Documents whose place in the rights changes, seen by anybody or not.
    pub rights_changed: u64,
    /// Documents, of those, whose labels change.
    pub relabelled: u64,
    /// Documents that nobody would see, because their rights cannot be resolved.
    pub quarantined: u64,
    /// Why: (place where it is written, what is wrong).
    pub problems: Vec<(String, String)>,
}

/// A source as it would be: where each of its documents hangs, and the rights there.
#[derive(Debug, Default)]
pub struct Stated {
    /// Rights by container.
    pub containers: BTreeMap<String, RightsSpec>,
    /// Container of each document that would be there.
    pub documents: BTreeMap<String, String>,
    /// Documents, of those, that cannot be read: what is published of them stays, under old AND new rights.
    pub failing: BTreeSet<String>,
}

/// One way in which documents change: the class in force now, the container that they would hang on, and
/// whether both guard them.
type Change<'a> = (Option<ClassId>, Option<&'a str>, bool);

/// What guards the documents of a source at a moment, to tell later whose view has changed.
pub struct Guarded(Vec<(DocNo, Option<ClassId>)>);

/// Documents whose view has changed, by how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewsChanged {
    /// That somebody may not see any more.
    pub seen_by_fewer: u64,
    /// That somebody may see who could not before.
    pub seen_by_more: u64,
}

impl Vault {
    /// What guards the documents of a source now.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn guarded(&self, source: u32) -> Result<Guarded, VaultError> {
        let mut catalog = self.catalog.lock();
        let known = catalog.transaction("reading documents", |tx| content::known(tx, source))?;
        let rights = self.core.rights.load();
        let published = known.values().filter(|known| known.known.published);
        Ok(Guarded(published.map(|known| (known.no, rights.class_of(known.no))).collect()))
    }

    /// Whose view of these has changed since, for the people that the directory has now.
    #[must_use]
    pub fn views_changed(&self, before: &Guarded) -> ViewsChanged {
        let rights = self.core.rights.load_full();
        let mut changes: BTreeMap<(Option<ClassId>, Option<ClassId>), u64> = BTreeMap::new();
        for (no, was) in &before.0 {
            *changes.entry((*was, rights.class_of(*no))).or_default() += 1;
        }
        let people = People::of(&rights, self.core.now());
        let nobody = Acl::nobody();
        let acl = |class: Option<ClassId>| class.and_then(|c| rights.classes.get(c)).unwrap_or(&nobody);
        let mut changed = ViewsChanged::default();
        for ((was, is), documents) in changes.into_iter().filter(|((was, is), _)| was != is) {
            let (fewer, more) = people.differ(acl(was), acl(is));
            changed.seen_by_fewer += documents * u64::from(fewer);
            changed.seen_by_more += documents * u64::from(more);
        }
        changed
    }

    /// What is known of the documents of a source, by id; nothing of one that is not recorded.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn known(&self, source: Option<u32>) -> Result<HashMap<String, Known>, VaultError> {
        let Some(source) = source else { return Ok(HashMap::new()) };
        let known = self.catalog.lock().transaction("reading documents", |tx| content::known(tx, source))?;
        Ok(known.into_iter().map(|(id, known)| (id, Arc::unwrap_or_clone(known.known))).collect())
    }

    /// Those of these names of another system that stand for nobody whom the directory knows.
    #[must_use]
    pub fn unmapped<'n>(&self, principals: &[&'n str]) -> Vec<&'n str> {
        let rights = self.core.rights.load_full();
        let names = Names { rights: &rights, labels: &self.core.labels };
        principals.iter().filter(|principal| foreign(principal, &names).is_none()).copied().collect()
    }

    /// Previews what a source would come to. `source` is its number, and `None` for one that is not
    /// recorded yet; `name` is for the audit record, which is written before anything is told.
    ///
    /// # Errors
    /// [`VaultError::Catalog`], [`VaultError::Audit`].
    pub fn preview(
        &self,
        by: &Operator,
        name: &str,
        source: Option<u32>,
        stated: &Stated,
    ) -> Result<Preview, VaultError> {
        let (known, rights) = {
            // Under the writer's lock, so that the rights and the documents are of one moment.
            let mut catalog = self.catalog.lock();
            let known = match source {
                Some(source) => catalog.transaction("previewing", |tx| content::known(tx, source))?,
                None => HashMap::new(),
            };
            (known, self.core.rights.load_full())
        };
        let names = Names { rights: &rights, labels: &self.core.labels };
        let resolved: BTreeMap<&str, _> =
            stated.containers.iter().map(|(key, spec)| (key.as_str(), spec.resolve(&names))).collect();
        let mut preview = Preview::default();
        let mut changes: BTreeMap<Change<'_>, u64> = BTreeMap::new();
        let gone = known.keys().filter(|id| !stated.documents.contains_key(*id)).map(|id| (id, None));
        let there = stated.documents.iter().map(|(id, container)| (id, Some(container.as_str())));
        for (id, container) in there.chain(gone) {
            let before = known.get(id).filter(|known| known.known.published);
            let class = before.and_then(|known| rights.class_of(known.no));
            *changes.entry((class, container, stated.failing.contains(id))).or_default() += 1;
            let Some(after) = container.and_then(|key| resolved.get(key)) else { continue };
            preview.quarantined += u64::from(!after.unknown.is_empty());
            let Some(acl) = class.and_then(|class| rights.classes.get(class)) else { continue };
            preview.rights_changed += u64::from(before.is_some() && after.acl != *acl);
            // What hides a document altogether is no other label.
            let labels = before.is_some() && after.unknown.is_empty() && labels(&after.acl) != labels(acl);
            preview.relabelled += u64::from(labels);
        }
        let mut problems = BTreeSet::new();
        for (what, origin) in resolved.values().flat_map(|resolved| &resolved.unknown) {
            problems.insert((place(&origin.file, origin.line), what.clone()));
        }
        preview.problems = problems.into_iter().collect();
        let people = People::of(&rights, self.core.now());
        let nobody = Acl::nobody();
        let mut tally = Tally::default();
        for ((class, container, failing), documents) in changes {
            let old = class.and_then(|class| rights.classes.get(class)).unwrap_or(&nobody);
            let new = container.and_then(|key| resolved.get(key)).map_or(&nobody, |resolved| &resolved.acl);
            let new = if failing { &old.and(new) } else { new };
            if old != new {
                people.compare(old, new, documents, &mut tally);
            }
        }
        (preview.gains, preview.losses) = (views(tally.gains), views(tally.losses));
        let counts = json!({
            "source": name, "rights_changed": preview.rights_changed, "quarantined": preview.quarantined,
            "gains": preview.gains.len(), "losses": preview.losses.len(),
        });
        self.core.record_deed(by, "plan", counts)?;
        Ok(preview)
    }
}

fn labels(acl: &Acl) -> BTreeSet<&AclLayer> {
    acl.layers().iter().filter(|layer| matches!(layer, AclLayer::Label { .. })).collect()
}

/// By principal: documents, and who.
type Seen = BTreeMap<String, (u64, BTreeSet<String>)>;

#[derive(Default)]
struct Tally {
    gains: Seen,
    losses: Seen,
}

fn views(seen: Seen) -> BTreeMap<String, View> {
    let view = |(documents, people): (u64, BTreeSet<String>)| View { documents, people: people.len() as u64 };
    seen.into_iter().map(|(principal, seen)| (principal, view(seen))).collect()
}

/// Everybody in the directory, and how rights files name them and their groups.
struct People {
    holders: Vec<(String, Holder)>,
    names: HashMap<Principal, String>,
    now: Timestamp,
}

impl People {
    fn of(rights: &Rights, now: Timestamp) -> Self {
        let users = rights.users.values();
        let holders = users.clone().filter(|user| !user.disabled).map(|user| {
            let principals = [Principal::User(user.id.clone()), Principal::Everyone];
            let groups = rights.groups.closure(&user.id);
            (user.handle.clone(), Holder::new(principals, groups, user.clearance.clone()))
        });
        let named = users.map(|user| (Principal::User(user.id.clone()), format!("user:{}", user.handle)));
        let groups = rights.group_handles.iter();
        let groups = groups.map(|(handle, id)| (Principal::Group(id.clone()), format!("group:{handle}")));
        let everyone = (Principal::Everyone, "everyone".to_owned());
        Self { holders: holders.collect(), names: named.chain(groups).chain([everyone]).collect(), now }
    }

    /// Counts so many documents for everybody whose view of them changes.
    fn compare(&self, old: &Acl, new: &Acl, documents: u64, tally: &mut Tally) {
        let (mut gaining, mut losing) = (BTreeMap::new(), BTreeMap::new());
        for (handle, holder) in &self.holders {
            match (self.through(old, holder), self.through(new, holder)) {
                (None, Some(principal)) => gaining.entry(principal).or_insert_with(Vec::new).push(handle),
                (Some(principal), None) => losing.entry(principal).or_insert_with(Vec::new).push(handle),
                _ => {}
            }
        }
        for (changed, seen) in [(gaining, &mut tally.gains), (losing, &mut tally.losses)] {
            for (principal, handles) in changed {
                let (count, people) = seen.entry(principal).or_default();
                *count += documents;
                people.extend(handles.into_iter().cloned());
            }
        }
    }

    /// Whether somebody ceases to see it, and whether somebody comes to.
    fn differ(&self, old: &Acl, new: &Acl) -> (bool, bool) {
        let sees = |acl: &Acl, holder: &Holder| decide(acl, holder, self.now).allowed;
        self.holders.iter().fold((false, false), |(fewer, more), (_, holder)| {
            let (was, is) = (sees(old, holder), sees(new, holder));
            (fewer || (was && !is), more || (is && !was))
        })
    }

    /// The principal through which somebody may see it; `None` if they may not.
    fn through(&self, acl: &Acl, holder: &Holder) -> Option<String> {
        let decision = decide(acl, holder, self.now);
        if !decision.allowed {
            return None;
        }
        let entry =
            acl.layers().iter().zip(&decision.path).find_map(|(layer, reason)| match (layer, reason) {
                (AclLayer::FirstMatch(entries), LayerReason::Entry(at, _)) => entries.get(*at),
                _ => None,
            })?;
        Some(self.names.get(&entry.principal).cloned().unwrap_or_else(|| "somebody unknown".to_owned()))
    }
}
