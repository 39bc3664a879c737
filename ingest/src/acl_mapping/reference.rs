//! An independent reading of the rules of `.access.toml`, written straight from their description:
//! per person, per document, without lists of entries. Compared with the mapping on random trees, both
//! ways: never wider, never narrower.

use super::{Defaults, TomlRules};
use kenward_access::acl::Effect;
use kenward_access::ids::Timestamp;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400_000;
/// 2027-01-01T00:00:00Z
const START: i64 = 1_798_761_600_000;

#[derive(Debug, Clone)]
struct Rule {
    pattern: &'static str,
    /// `None` = the key is not written at all.
    allow: Option<Vec<u8>>,
    deny: Option<Vec<u8>>,
    only: Option<bool>,
    until: Option<i64>,
    label: bool,
}

#[derive(Debug, Clone)]
struct Folder {
    inherit: Option<bool>,
    /// `None` = the key is not written at all.
    allow: Option<Vec<u8>>,
    deny: Option<Vec<u8>>,
    until: Option<i64>,
    label: bool,
    rules: Vec<Rule>,
    typo: bool,
}

const FOLDERS: [&str; 6] = ["", "a", "a/b", "a/b/a", "b", "b/b"];
const NAMES: [&str; 4] = ["x.md", "xy.md", "y.txt", "b"];
const PATTERNS: [&str; 9] = ["*.md", "x*", "b/*", "a/**", "**/b", "?.md", "**", "b/b/x.md", "*/*"];

fn name(id: u8) -> String {
    match id {
        0 => "everyone".to_owned(),
        id => format!("group:g{id}"),
    }
}

/// Matches by trying; `*` and `?` stop at `/`, `**` as a whole part does not.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', b'/', rest @ ..] => {
            glob(rest, text) || (0..text.len()).any(|at| text[at] == b'/' && glob(rest, &text[at + 1..]))
        }
        [b'*', b'*'] => !text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len())
            .take_while(|end| !text[..*end].contains(&b'/'))
            .any(|end| glob(rest, &text[end..])),
        [b'?', rest @ ..] => text.first().is_some_and(|c| *c != b'/') && glob(rest, &text[1..]),
        [c, rest @ ..] => text.first() == Some(c) && glob(rest, &text[1..]),
    }
}

fn hits(rule: &Rule, folder: &str, path: &str) -> bool {
    let relative = if folder.is_empty() { path } else { &path[folder.len() + 1..] };
    if rule.pattern.contains('/') {
        glob(rule.pattern.as_bytes(), relative.as_bytes())
    } else {
        let last = relative.rsplit('/').next().unwrap();
        if rule.pattern == "**" { true } else { glob(rule.pattern.as_bytes(), last.as_bytes()) }
    }
}

fn in_time(until: Option<i64>, now: i64) -> bool {
    // Inclusive: day `n` lasts to the last millisecond before day `n + 1`.
    until.is_none_or(|day| now < START + (day + 1) * DAY)
}

/// `None` = the source's default decides.
fn may(
    tree: &BTreeMap<&str, Folder>,
    path: &str,
    held: &BTreeSet<u8>,
    cleared: bool,
    now: i64,
) -> Option<bool> {
    let parent = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut above: Vec<&str> = FOLDERS
        .into_iter()
        .filter(|folder| folder.is_empty() || *folder == parent || parent.starts_with(&format!("{folder}/")))
        .filter(|folder| tree.contains_key(folder))
        .collect();
    above.sort_by_key(|folder| folder.len());
    if above.iter().any(|folder| tree[folder].typo) {
        return Some(false);
    }
    let labelled = above.iter().any(|folder| {
        tree[folder].label || tree[folder].rules.iter().any(|rule| rule.label && hits(rule, folder, path))
    });
    if labelled && !cleared {
        return Some(false);
    }
    let stop = above.iter().rev().find(|folder| tree[*folder].inherit == Some(false)).copied();
    let live: Vec<&str> =
        above.iter().copied().filter(|folder| stop.is_none_or(|stop| folder.len() >= stop.len())).collect();
    let matching: Vec<&Rule> = live
        .iter()
        .flat_map(|folder| tree[folder].rules.iter().filter(|rule| hits(rule, folder, path)))
        .collect();
    let only: Vec<&&Rule> = matching.iter().filter(|rule| rule.only == Some(true)).collect();
    let names = |list: &Option<Vec<u8>>| list.iter().flatten().any(|id| held.contains(id));
    let denied = live.iter().any(|folder| names(&tree[folder].deny) && in_time(tree[folder].until, now))
        || matching.iter().any(|rule| names(&rule.deny) && in_time(rule.until, now));
    let allowed = if only.is_empty() {
        live.iter().any(|folder| names(&tree[folder].allow) && in_time(tree[folder].until, now))
            || matching.iter().any(|rule| names(&rule.allow) && in_time(rule.until, now))
    } else {
        held.iter().any(|id| {
            only.iter().all(|rule| {
                rule.allow.as_ref().is_some_and(|list| list.contains(id)) && in_time(rule.until, now)
            })
        })
    };
    // Whoever writes `allow`, `deny` or `until`, with whatever in it, has spoken of readers; so has
    // whoever cuts off what is above, and whoever names the file in a rule, unless all that the rule
    // gives it is a label.
    let spoken = live.iter().any(|folder| {
        let Folder { allow, deny, until, .. } = &tree[folder];
        allow.is_some() || deny.is_some() || until.is_some()
    });
    let named = matching.iter().any(|rule| {
        let only_a_label = matches!(
            rule,
            Rule { allow: None, deny: None, only: None | Some(false), until: None, label: true, .. }
        );
        !only_a_label
    });
    if !spoken && !named && stop.is_none() {
        return None;
    }
    Some(allowed && !denied)
}

/// Whether a rule gives the file a label that its folder lacks.
fn labelled(tree: &BTreeMap<&str, Folder>, path: &str) -> bool {
    tree.iter().any(|(at, folder)| {
        let below = at.is_empty() || path.starts_with(&format!("{at}/"));
        below && folder.rules.iter().any(|rule| rule.label && hits(rule, at, path))
    })
}

fn toml_of(folder: &Folder) -> String {
    use std::fmt::Write as _;
    let list = |ids: &[u8]| {
        format!("[{}]", ids.iter().map(|id| format!("\"{}\"", name(*id))).collect::<Vec<_>>().join(", "))
    };
    let date = |day: i64| format!("2027-01-{:02}", day + 1);
    let mut text = String::new();
    if let Some(inherit) = folder.inherit {
        writeln!(text, "inherit = {inherit}").unwrap();
    }
    for (key, ids) in [("allow", &folder.allow), ("deny", &folder.deny)] {
        if let Some(ids) = ids {
            writeln!(text, "{key} = {}", list(ids)).unwrap();
        }
    }
    if let Some(day) = folder.until {
        writeln!(text, "until = {}", date(day)).unwrap();
    }
    if folder.label {
        writeln!(text, "label = \"secret\"").unwrap();
    }
    if folder.typo {
        writeln!(text, "alow = []").unwrap();
    }
    for rule in &folder.rules {
        writeln!(text, "[[file]]\nmatch = '{}'", rule.pattern).unwrap();
        if let Some(only) = rule.only {
            writeln!(text, "only = {only}").unwrap();
        }
        for (key, ids) in [("allow", &rule.allow), ("deny", &rule.deny)] {
            if let Some(ids) = ids {
                writeln!(text, "{key} = {}", list(ids)).unwrap();
            }
        }
        if let Some(day) = rule.until {
            writeln!(text, "until = {}", date(day)).unwrap();
        }
        if rule.label {
            writeln!(text, "label = \"secret\"").unwrap();
        }
    }
    text
}

fn ids() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![1 => Just(None), 1 => prop::collection::vec(0_u8..4, 0..3).prop_map(Some)]
}

fn days() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![3 => Just(None), 1 => (0_i64..4).prop_map(Some)]
}

fn rule() -> impl Strategy<Value = Rule> {
    let pattern = prop::sample::select(PATTERNS.to_vec());
    let only = prop_oneof![5 => Just(None), 2 => Just(Some(false)), 3 => Just(Some(true))];
    (pattern, ids(), ids(), only, days(), prop::bool::weighted(0.4)).prop_map(
        |(pattern, allow, deny, only, until, label)| Rule { pattern, allow, deny, only, until, label },
    )
}

fn folder() -> impl Strategy<Value = Folder> {
    let inherit = prop_oneof![3 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))];
    let rules = prop::collection::vec(rule(), 0..3);
    (inherit, ids(), ids(), days(), prop::bool::weighted(0.15), rules, prop::bool::weighted(0.05)).prop_map(
        |(inherit, allow, deny, until, label, rules, typo)| Folder {
            inherit,
            allow,
            deny,
            until,
            label,
            rules,
            typo,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn the_mapping_is_exactly_the_rules(
        tree in prop::collection::btree_map(prop::sample::select(FOLDERS.to_vec()), folder(), 0..5),
        held in prop::collection::btree_set(1_u8..4, 0..3),
        cleared: bool,
        now in 0_i64..6,
        edge in 0_i64..2,
        default_allow: bool,
    ) {
        let raw = tree.iter().map(|(at, rules)| ((*at).to_owned(), toml_of(rules).into_bytes())).collect();
        let allow = if default_allow { vec!["everyone".to_owned()] } else { Vec::new() };
        let rules = TomlRules::parse(&raw, Defaults { allow, label: None });
        let now = START + now * DAY - edge;
        let mut holds = held.clone();
        holds.insert(0);
        for at in FOLDERS {
            for file in NAMES {
                let path = if at.is_empty() { file.to_owned() } else { format!("{at}/{file}") };
                let rights = rules.of_file(&path);
                let first = rights.spec.entries.iter().find(|entry| {
                    entry.window.contains(Timestamp(now)) && holds.iter().any(|id| name(*id) == entry.principal)
                });
                let mapped = rights.spec.problem.is_none()
                    && first.is_some_and(|entry| entry.effect == Effect::Allow)
                    && (rights.spec.labels.is_empty() || cleared);
                let expected = may(&tree, &path, &holds, cleared, now).unwrap_or(default_allow);
                prop_assert_eq!(mapped, expected, "{} {:?}", path, rights);
                if rights.container == at {
                    // Nothing of its own: the same as its folder.
                    prop_assert_eq!(&rights.spec, &rules.of_folder(at).spec);
                } else {
                    prop_assert_eq!(&rights.container, &path);
                }
                prop_assert!(rights.spec.problem.is_some() || rights.container == path || !labelled(&tree, &path));
            }
        }
    }
}
