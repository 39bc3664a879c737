//! Rights as a source wrote them, and their resolution into an ACL against the directory.
//! A principal or label that the directory does not know makes the item visible to nobody.

use crate::acl::{Ace, Acl, AclLayer, Effect, Level, Window};
use crate::ids::{GroupId, UserId};
use crate::principal::Principal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where in the source an entry was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Path of the rights file relative to the source's root, or a word such as `default_allow`.
    pub file: String,
    /// Line from 1; 0 = no line.
    pub line: u32,
}

/// How a name is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// A handle, to the letter. Whoever writes one that the directory does not know made a slip: what the
    /// entry guards is visible to nobody.
    #[default]
    Handle,
    /// A name of another system, which knows people whom the directory does not: case does not matter,
    /// and an allow for somebody unknown grants nobody. A deny for somebody unknown may mean anybody.
    Foreign,
}

impl Naming {
    fn is_handle(&self) -> bool {
        *self == Self::Handle
    }
}

/// One entry as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RightsEntry {
    /// Allow or deny.
    pub effect: Effect,
    /// `everyone`, `user:HANDLE` or `group:HANDLE`.
    pub principal: String,
    /// How `principal` is taken.
    #[serde(default, skip_serializing_if = "Naming::is_handle")]
    pub naming: Naming,
    /// When it holds.
    pub window: Window,
    /// Where it was written.
    pub origin: Origin,
}

/// The rights of one container as its source states them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RightsSpec {
    /// First match decides.
    pub entries: Vec<RightsEntry>,
    /// Further lists, in each of which the first match must allow as well: search permission on a
    /// folder above, for example. An empty list is nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Vec<RightsEntry>>,
    /// Labels in force, each one a layer of its own.
    pub labels: Vec<(String, Origin)>,
    /// Principals that the rights files in force name elsewhere (for other files). They grant and
    /// deny nothing here, but a rights file that names somebody unknown hides all that it governs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentioned: Vec<(String, Origin)>,
    /// Why the rights could not be read at all; then nobody sees the item.
    pub problem: Option<(String, Origin)>,
}

/// The directory's names, as far as resolution needs them.
pub trait PrincipalNames {
    /// The immutable id behind a person's handle.
    fn user(&self, handle: &str) -> Option<UserId>;
    /// The immutable id behind a group's handle.
    fn group(&self, handle: &str) -> Option<GroupId>;
    /// The person whose handle this is but for the case of ASCII letters, if there is exactly one.
    fn user_any_case(&self, handle: &str) -> Option<UserId>;
    /// The group whose handle this is but for the case of ASCII letters, if there is exactly one.
    fn group_any_case(&self, handle: &str) -> Option<GroupId>;
    /// The level behind a label's name.
    fn level(&self, label: &str) -> Option<Level>;
}

/// Why a name stands for nobody, for operators.
fn nobody_of(name: &str, names: &dyn PrincipalNames) -> String {
    let kind = match name.split_once(':') {
        Some(("user", handle)) => return format!("there is no person `{handle}`"),
        Some(("group", handle)) => return format!("there is no group `{handle}`"),
        _ if names.group(name).is_some() => "group",
        _ if names.user(name).is_some() => "user",
        _ => return format!("`{name}` is neither `everyone`, `user:HANDLE` nor `group:HANDLE`"),
    };
    format!("`{name}` names nobody; did you mean `{kind}:{name}`?")
}

/// What rights came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRights {
    /// The ACL. Its first layer has the entries of the spec, index for index, those after it the further
    /// lists, then the labels, unless something is unknown.
    pub acl: Acl,
    /// What could not be resolved, and where it was written; if not empty the ACL is nobody.
    pub unknown: Vec<(String, Origin)>,
}

impl RightsSpec {
    /// Resolves names into ids. Anything unknown, or a problem, gives [`Acl::nobody`].
    #[must_use]
    pub fn resolve(&self, names: &dyn PrincipalNames) -> ResolvedRights {
        let mut unknown = Vec::new();
        if let Some((problem, origin)) = &self.problem {
            unknown.push((problem.clone(), origin.clone()));
        }
        let mut layers = Vec::with_capacity(1 + self.also.len() + self.labels.len());
        for list in std::iter::once(&self.entries).chain(&self.also) {
            layers.push(AclLayer::FirstMatch(aces(list, names, &mut unknown)));
        }
        for (mentioned, origin) in &self.mentioned {
            if principal(mentioned, names).is_none() {
                unknown.push((nobody_of(mentioned, names), origin.clone()));
            }
        }
        for (label, origin) in &self.labels {
            match names.level(label) {
                Some(level) => layers.push(AclLayer::Label { level, compartments: BTreeSet::new() }),
                None => unknown.push((format!("there is no label `{label}`"), origin.clone())),
            }
        }
        // INVARIANT (I3): unknown rights = nobody.
        let acl = if unknown.is_empty() { Acl::new(layers) } else { Acl::nobody() };
        ResolvedRights { acl, unknown }
    }
}

fn aces(list: &[RightsEntry], names: &dyn PrincipalNames, unknown: &mut Vec<(String, Origin)>) -> Vec<Ace> {
    let mut aces = Vec::with_capacity(list.len());
    for entry in list {
        let found = match entry.naming {
            Naming::Handle => principal(&entry.principal, names),
            // INVARIANT (I3): held by nobody; a deny for it is taken to mean everybody.
            Naming::Foreign => Some(
                foreign(&entry.principal, names)
                    .unwrap_or_else(|| Principal::Unresolved(entry.principal.clone())),
            ),
        };
        match found {
            Some(principal) => aces.push(Ace { effect: entry.effect, principal, window: entry.window }),
            None => unknown.push((nobody_of(&entry.principal, names), entry.origin.clone())),
        }
    }
    aces
}

/// Whom a name of another system stands for; `None` = nobody whom the directory knows.
#[must_use]
pub fn foreign(text: &str, names: &dyn PrincipalNames) -> Option<Principal> {
    if let Some(handle) = text.strip_prefix("user:") {
        return names.user_any_case(handle).map(Principal::User);
    }
    if let Some(handle) = text.strip_prefix("group:") {
        return names.group_any_case(handle).map(Principal::Group);
    }
    (text == "everyone").then_some(Principal::Everyone)
}

fn principal(text: &str, names: &dyn PrincipalNames) -> Option<Principal> {
    if text == "everyone" {
        return Some(Principal::Everyone);
    }
    if let Some(handle) = text.strip_prefix("user:") {
        return names.user(handle).map(Principal::User);
    }
    if let Some(handle) = text.strip_prefix("group:") {
        return names.group(handle).map(Principal::Group);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names;
    impl PrincipalNames for Names {
        fn user(&self, handle: &str) -> Option<UserId> {
            (handle == "dana").then(|| UserId::new("u_1").ok()).flatten()
        }
        fn group(&self, handle: &str) -> Option<GroupId> {
            (handle == "hr").then(|| GroupId::new("g_1").ok()).flatten()
        }
        fn user_any_case(&self, handle: &str) -> Option<UserId> {
            self.user(&handle.to_ascii_lowercase())
        }
        fn group_any_case(&self, handle: &str) -> Option<GroupId> {
            self.group(&handle.to_ascii_lowercase())
        }
        fn level(&self, label: &str) -> Option<Level> {
            (label == "secret").then_some(Level(2))
        }
    }

    fn origin() -> Origin {
        Origin { file: "a/.access.toml".into(), line: 4 }
    }
    fn entry(effect: Effect, principal: &str) -> RightsEntry {
        let (naming, window) = (Naming::Handle, Window::ALWAYS);
        RightsEntry { effect, principal: principal.into(), naming, window, origin: origin() }
    }
    fn spec(entries: &[(Effect, &str)]) -> RightsSpec {
        RightsSpec { entries: entries.iter().map(|(e, p)| entry(*e, p)).collect(), ..RightsSpec::default() }
    }

    #[test]
    fn entries_keep_their_places() {
        let known =
            spec(&[(Effect::Deny, "user:dana"), (Effect::Allow, "group:hr"), (Effect::Allow, "everyone")]);
        let resolved = known.resolve(&Names);
        assert!(resolved.unknown.is_empty());
        let [AclLayer::FirstMatch(entries)] = resolved.acl.layers() else { panic!("{resolved:?}") };
        let principals: Vec<_> = entries.iter().map(|e| e.principal.clone()).collect();
        assert_eq!(
            principals,
            [
                Principal::User(UserId::new("u_1").unwrap()),
                Principal::Group(GroupId::new("g_1").unwrap()),
                Principal::Everyone
            ]
        );
    }

    #[test]
    fn anything_unknown_is_nobody_and_is_reported() {
        for (name, told) in [
            ("user:omar", "there is no person `omar`"),
            ("group:sales", "there is no group `sales`"),
            ("dana", "`dana` names nobody; did you mean `user:dana`?"),
            ("hr", "`hr` names nobody; did you mean `group:hr`?"),
            ("zoe", "`zoe` is neither `everyone`, `user:HANDLE` nor `group:HANDLE`"),
            ("Everyone", "`Everyone` is neither `everyone`, `user:HANDLE` nor `group:HANDLE`"),
            ("everyone ", "`everyone ` is neither `everyone`, `user:HANDLE` nor `group:HANDLE`"),
            ("user:", "there is no person ``"),
            ("role:x", "`role:x` is neither `everyone`, `user:HANDLE` nor `group:HANDLE`"),
            ("", "`` is neither `everyone`, `user:HANDLE` nor `group:HANDLE`"),
        ] {
            for effect in [Effect::Allow, Effect::Deny] {
                let resolved = spec(&[(Effect::Allow, "everyone"), (effect, name)]).resolve(&Names);
                assert_eq!(resolved.acl, Acl::nobody(), "{name}");
                assert_eq!(resolved.unknown, [(told.to_owned(), origin())], "{name}");
            }
        }
    }

    #[test]
    fn a_foreign_name_is_taken_in_any_case_and_grants_nobody_where_it_is_unknown() {
        let mut foreign = spec(&[
            (Effect::Allow, "user:Dana"),
            (Effect::Allow, "group:HR"),
            (Effect::Deny, "user:omar"),
            (Effect::Allow, "everyone"),
        ]);
        foreign.entries.iter_mut().for_each(|entry| entry.naming = Naming::Foreign);
        let resolved = foreign.resolve(&Names);
        assert!(resolved.unknown.is_empty());
        let [AclLayer::FirstMatch(aces)] = resolved.acl.layers() else { panic!("{resolved:?}") };
        assert_eq!(aces[0].principal, Principal::User(UserId::new("u_1").unwrap()));
        assert_eq!(aces[1].principal, Principal::Group(GroupId::new("g_1").unwrap()));
        assert_eq!(aces[2].principal, Principal::Unresolved("user:omar".into()));
        // What was kept before there were foreign names is a handle, and is written as it was.
        let old = r#"{"effect":"allow","principal":"everyone","window":{},"origin":{"file":"f","line":1}}"#;
        let entry: RightsEntry = serde_json::from_str(old).unwrap();
        assert_eq!(entry.naming, Naming::Handle);
        assert_eq!(serde_json::to_string(&entry).unwrap(), old);
    }

    #[test]
    fn further_lists_are_layers_before_the_labels() {
        let mut above = spec(&[(Effect::Allow, "everyone")]);
        above.also = vec![vec![entry(Effect::Allow, "group:hr")], Vec::new()];
        above.labels = vec![("secret".into(), origin())];
        let resolved = above.resolve(&Names);
        let [AclLayer::FirstMatch(first), AclLayer::FirstMatch(second), AclLayer::FirstMatch(third), _] =
            resolved.acl.layers()
        else {
            panic!("{resolved:?}")
        };
        assert_eq!((first.len(), second.len(), third.len()), (1, 1, 0));
        above.also[0][0].principal = "group:nobody-knows".into();
        assert_eq!(above.resolve(&Names).acl, Acl::nobody());
    }

    #[test]
    fn an_unknown_label_or_a_problem_is_nobody() {
        let mut labelled = spec(&[(Effect::Allow, "everyone")]);
        labelled.labels = vec![("secret".into(), origin())];
        assert_eq!(labelled.resolve(&Names).acl.layers().len(), 2);
        labelled.labels.push(("sceret".into(), origin()));
        assert_eq!(labelled.resolve(&Names).acl, Acl::nobody());
        let mut broken = spec(&[(Effect::Allow, "everyone")]);
        broken.problem = Some(("line 3: unknown key".into(), origin()));
        assert_eq!(broken.resolve(&Names).acl, Acl::nobody());
        assert_eq!(RightsSpec::default().resolve(&Names).acl, Acl::nobody());
    }
}
