//! A plan's preview, held against what people see before and after the run that was planned.

use crate::world::{World, by};
use kenward_access::acl::{Clearance, Level};
use kenward_ingest::pipeline::plan::{Plan, plan};
use kenward_vault::directory::DirectoryChange;
use kenward_vault::preview::View;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const FOLDERS: [&str; 4] = ["", "a/", "a/b/", "c/"];
const FILES: [&str; 3] = ["one.md", "two.md", "three.txt"];
/// Rights files that a folder may have; the empty one is none.
const RIGHTS: [&str; 10] = [
    "",
    "allow = [\"everyone\"]\n",
    "allow = [\"group:staff\"]\n",
    "inherit = false\nallow = [\"user:bob\"]\n",
    "deny = [\"user:bob\"]\n",
    "inherit = false\nallow = []\n",
    "label = \"internal\"\n",
    "allow = [\"group:nobody-knows\"]\n",
    "[[file]]\nmatch = \"two.md\"\nonly = true\nallow = [\"user:ann\", \"group:staff\"]\n",
    "[[file]]\nmatch = \"one.md\"\nlabel = \"confidential\"\nallow = [\"everyone\"]\n",
];
const PEOPLE: [&str; 3] = ["ann", "bob", "cleo"];
/// Longer than what is read.
const LONG: usize = 5_000;

/// One thing that happens to the tree between two runs.
#[derive(Debug, Clone)]
enum Deed {
    Rights(usize, usize),
    Write(usize, usize, u8),
    TooLong(usize, usize),
    Blank(usize, usize),
    Remove(usize, usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let at = || (0..FOLDERS.len(), 0..FILES.len());
    prop_oneof![
        4 => (0..FOLDERS.len(), 0..RIGHTS.len()).prop_map(|(folder, rights)| Deed::Rights(folder, rights)),
        4 => (at(), any::<u8>()).prop_map(|((folder, file), text)| Deed::Write(folder, file, text)),
        1 => at().prop_map(|(folder, file)| Deed::TooLong(folder, file)),
        1 => at().prop_map(|(folder, file)| Deed::Blank(folder, file)),
        2 => at().prop_map(|(folder, file)| Deed::Remove(folder, file)),
    ]
}

fn world() -> World {
    let mut world = World::new();
    world.options.max_text_bytes = LONG as u64 - 1;
    world.options.allow_mass_delete = true;
    let clearance = Clearance { level: Level(1), compartments: BTreeSet::new() };
    let cleo = DirectoryChange::AddUser { handle: "cleo".into(), name: "cleo".into(), clearance };
    world.vault.change_directory(&by(), &[cleo]).unwrap();
    for folder in FOLDERS {
        for file in FILES {
            world.write(&format!("{folder}{file}"), "the first words");
        }
    }
    world
}

fn perform(world: &World, deed: &Deed) {
    let path = |folder: &usize, file: &usize| format!("{}{}", FOLDERS[*folder], FILES[*file]);
    let gone = |path: &str| drop(std::fs::remove_file(world.root.join(path)));
    match deed {
        Deed::Rights(folder, 0) => gone(&format!("{}.access.toml", FOLDERS[*folder])),
        Deed::Rights(folder, rights) => {
            world.write(&format!("{}.access.toml", FOLDERS[*folder]), RIGHTS[*rights]);
        }
        Deed::Write(folder, file, text) => world.write(&path(folder, file), format!("words {text}")),
        Deed::TooLong(folder, file) => world.write(&path(folder, file), "w ".repeat(LONG)),
        Deed::Blank(folder, file) => world.write(&path(folder, file), ""),
        Deed::Remove(folder, file) => gone(&path(folder, file)),
    }
}

/// By person and path: the principal through which they may read it.
fn seen(world: &World) -> BTreeMap<(&'static str, String), String> {
    let mut seen = BTreeMap::new();
    for person in PEOPLE {
        for path in FOLDERS.iter().flat_map(|folder| FILES.map(|file| format!("{folder}{file}"))) {
            let Ok(why) = world.vault.why(&by(), person, &format!("handbook/{path}")) else { continue };
            if !why.allowed {
                continue;
            }
            // `allow group:staff (entry 2)`; where both old and new rights guard it, the old ones come first.
            let because = &why.steps.iter().find(|step| step.because.starts_with("allow ")).unwrap().because;
            let through = because.split(" (entry").next().unwrap().rsplit(' ').next().unwrap();
            seen.insert((person, path), through.to_owned());
        }
    }
    seen
}

type Seen = BTreeMap<(&'static str, String), String>;

/// What is in one and not in the other, as a preview counts it.
fn difference(here: &Seen, there: &Seen) -> BTreeMap<String, View> {
    let mut found: BTreeMap<String, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for ((person, path), through) in here.iter().filter(|(key, _)| !there.contains_key(*key)) {
        let (documents, people) = found.entry(through.clone()).or_default();
        documents.insert(path);
        people.insert(person);
    }
    let view = |(documents, people): (BTreeSet<&str>, BTreeSet<&str>)| View {
        documents: documents.len() as u64,
        people: people.len() as u64,
    };
    found.into_iter().map(|(through, seen)| (through, view(seen))).collect()
}

pub fn planned(world: &World) -> Plan {
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    plan(&world.vault, &by(), Some(source), &world.spec, &world.options).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn the_preview_is_what_people_then_see(
        steps in proptest::collection::vec(proptest::collection::vec(deed(), 1..6), 1..6)
    ) {
        let world = world();
        world.ingest().unwrap();
        for step in steps {
            step.iter().for_each(|deed| perform(&world, deed));
            let (before, plan) = (seen(&world), planned(&world));
            prop_assert_eq!(&before, &seen(&world), "a plan changed what people see");
            let report = world.ingest().unwrap();
            let after = seen(&world);
            prop_assert_eq!(&plan.view.gains, &difference(&after, &before), "gains of {:?}", step);
            prop_assert_eq!(&plan.view.losses, &difference(&before, &after), "losses of {:?}", step);
            let summary = &report.summary;
            let counts = (plan.added.count, plan.changed.count, plan.removed.count, plan.failed.len() as u64);
            let came = (summary.added, summary.changed, summary.removed, summary.failed);
            prop_assert_eq!(counts, came, "counts of {:?}", step);
            prop_assert_eq!(plan.view.quarantined, summary.hidden_for_unresolved_rights);
            let again = planned(&world);
            prop_assert!(again.view.gains.is_empty() && again.view.losses.is_empty(), "{:?}", again.view);
        }
    }
}

#[test]
fn labels_that_change_and_rights_that_cannot_be_used_are_counts_of_their_own() {
    let world = world();
    world.ingest().unwrap();
    world.write("a/b/.access.toml", "label = \"internal\"\n");
    world.write("c/.access.toml", "allow = [\"user:nobody-knows\"]\n");
    let view = planned(&world).view;
    assert_eq!((view.rights_changed, view.relabelled, view.quarantined), (6, 3, 3), "{view:?}");
    let log = std::fs::read_to_string(world.data().join("audit/log.jsonl")).unwrap();
    assert!(log.contains("\"act\":\"plan\""), "a plan is not in the audit log");
}
