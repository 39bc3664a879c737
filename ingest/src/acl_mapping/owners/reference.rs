//! An independent reading of `OWNERS`, written from Prow's description of it: per person and per file,
//! walking up, without entries and containers. Compared with the mapping on random trees, both ways.

use super::*;
use kenward_access::acl::Effect;
use proptest::prelude::*;
use std::fmt::Write as _;

const FOLDERS: [&str; 6] = ["", "a", "a/b", "a/b/a", "b", "b/b"];
const FILES: [&str; 3] = ["x.md", "charter.md", "b"];
/// Names: people, and aliases (the last two).
const NAMES: [&str; 6] = ["ann", "Bob", "@cleo", "DOV", "crew", "Leads"];
const PATTERNS: [&str; 5] = [".*", r"charter\.md$", "^a/", "(?i)X", "b"];

#[derive(Debug, Clone, Default)]
struct People {
    approvers: Vec<usize>,
    reviewers: Vec<usize>,
    emeritus: Vec<usize>,
    required: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Owners {
    top: People,
    labels: bool,
    filters: BTreeMap<usize, People>,
    no_parent: bool,
    typo: bool,
}

/// Whether a pattern is found in a path, by hand.
fn found(pattern: usize, path: &str) -> bool {
    match pattern {
        0 => true,
        1 => path.ends_with("charter.md"),
        2 => path.starts_with("a/"),
        3 => path.contains('x') || path.contains('X'),
        _ => path.contains('b'),
    }
}

fn expand(names: &[usize], aliases: &BTreeMap<usize, Vec<usize>>) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for name in names {
        match aliases.get(name) {
            // An alias within an alias: Prow looks for a person of that name; here it is nobody.
            Some(members) => all.extend(members.iter().filter(|member| !aliases.contains_key(member))),
            None => {
                all.insert(*name);
            }
        }
    }
    all
}

/// Who may read a file; `None` = nothing says.
fn readers(
    tree: &BTreeMap<&str, Owners>,
    aliases: &BTreeMap<usize, Vec<usize>>,
    path: &str,
) -> Option<BTreeSet<usize>> {
    let mut at = path;
    let (mut all, mut spoken) = (BTreeSet::new(), false);
    while !at.is_empty() {
        at = at.rsplit_once('/').map_or("", |(folder, _)| folder);
        let Some(owners) = tree.get(at) else { continue };
        if owners.typo {
            return Some(BTreeSet::new());
        }
        spoken = true;
        let relative = if at.is_empty() { path } else { &path[at.len() + 1..] };
        let top = &owners.top;
        let simple = owners.labels
            || [&top.approvers, &top.reviewers, &top.required].iter().any(|names| !names.is_empty());
        if simple {
            all.extend(expand(&top.approvers, aliases));
            all.extend(expand(&top.reviewers, aliases));
        } else {
            for (_, people) in owners.filters.iter().filter(|(pattern, _)| found(**pattern, relative)) {
                all.extend(expand(&people.approvers, aliases));
                all.extend(expand(&people.reviewers, aliases));
            }
        }
        if owners.no_parent {
            break;
        }
    }
    spoken.then_some(all)
}

fn lists(text: &mut String, indent: &str, people: &People) {
    for (key, names) in [
        ("approvers", &people.approvers),
        ("reviewers", &people.reviewers),
        ("emeritus_approvers", &people.emeritus),
        ("required_reviewers", &people.required),
    ] {
        if !names.is_empty() {
            writeln!(text, "{indent}{key}:").unwrap();
            for name in names {
                writeln!(text, "{indent}  - \"{}\"", NAMES[*name]).unwrap();
            }
        }
    }
}

fn yaml(owners: &Owners) -> String {
    let mut text = String::new();
    lists(&mut text, "", &owners.top);
    if owners.labels {
        text += "labels: [sig/a]\n";
    }
    if owners.no_parent {
        text += "options:\n  no_parent_owners: true\n";
    }
    if !owners.filters.is_empty() {
        text += "filters:\n";
        for (pattern, people) in &owners.filters {
            writeln!(text, "  '{}':", PATTERNS[*pattern]).unwrap();
            text += "    labels: []\n";
            lists(&mut text, "    ", people);
        }
    }
    if owners.typo {
        text += "aprovers: []\n";
    }
    text
}

fn names() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec(0..NAMES.len(), 1..3)]
}

fn people() -> impl Strategy<Value = People> {
    let seldom = || prop_oneof![6 => Just(Vec::new()), 1 => prop::collection::vec(0..NAMES.len(), 1..3)];
    (names(), names(), seldom(), seldom()).prop_map(|(approvers, reviewers, emeritus, required)| People {
        approvers,
        reviewers,
        emeritus,
        required,
    })
}

fn owners() -> impl Strategy<Value = Owners> {
    let top = prop_oneof![1 => Just(People::default()), 1 => people()];
    let filters = prop_oneof![
        1 => Just(BTreeMap::new()),
        1 => prop::collection::btree_map(0..PATTERNS.len(), people(), 1..4)
    ];
    (top, prop::bool::weighted(0.1), filters, prop::bool::weighted(0.2), prop::bool::weighted(0.05))
        .prop_map(|(top, labels, filters, no_parent, typo)| Owners { top, labels, filters, no_parent, typo })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_mapping_is_exactly_the_rules(
        tree in prop::collection::btree_map(prop::sample::select(FOLDERS.to_vec()), owners(), 0..5),
        aliases in prop::collection::btree_map(4_usize..6, prop::collection::vec(0..NAMES.len(), 0..4), 0..3),
        default_allow: bool,
    ) {
        let mut raw: BTreeMap<String, Vec<u8>> =
            tree.iter().map(|(at, owners)| (owners_file(at), yaml(owners).into_bytes())).collect();
        let mut text = "aliases:\n".to_owned();
        for (alias, members) in &aliases {
            let members: Vec<String> = members.iter().map(|name| format!("'{}'", NAMES[*name])).collect();
            writeln!(text, "  {}: [{}]", NAMES[*alias].to_uppercase(), members.join(", ")).unwrap();
        }
        raw.insert(ALIASES.to_owned(), text.into_bytes());
        let allow = if default_allow { vec!["everyone".to_owned()] } else { Vec::new() };
        let rules =
            OwnersRules::read(&raw, &SourceIdentity::default(), Defaults { allow, label: None });
        for at in FOLDERS {
            for file in FILES {
                let path = if at.is_empty() { file.to_owned() } else { format!("{at}/{file}") };
                let rights = rules.of_file(&path);
                let mapped: BTreeSet<String> =
                    rights.spec.entries.iter().map(|entry| entry.principal.clone()).collect();
                // What stands for nobody names nobody.
                let mapped: BTreeSet<String> =
                    mapped.into_iter().filter(|name| !name.starts_with("unmapped:")).collect();
                let expected: BTreeSet<String> = match readers(&tree, &aliases, &path) {
                    None if default_allow => BTreeSet::from(["everyone".to_owned()]),
                    None => BTreeSet::new(),
                    Some(readers) => {
                        let login = |name: &usize| NAMES[*name].trim_start_matches('@').to_lowercase();
                        readers.iter().map(|name| format!("user:{}", login(name))).collect()
                    }
                };
                prop_assert_eq!(&mapped, &expected, "{} {:?}", path, rights);
                prop_assert!(rights.spec.problem.is_none() || mapped.is_empty());
                prop_assert!(rights.spec.entries.iter().all(|entry| entry.effect == Effect::Allow));
                // What hangs on its folder has its folder's rights, whatever its name.
                if rights.container == at && rights.spec.problem.is_none() {
                    let other = rules.of_file(&if at.is_empty() { "?".into() } else { format!("{at}/?") });
                    prop_assert_eq!(&other.spec.entries, &rights.spec.entries);
                } else if rights.spec.problem.is_none() {
                    prop_assert_eq!(&rights.container, &path);
                }
            }
        }
    }
}
