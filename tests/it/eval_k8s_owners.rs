//! kubernetes/community under its own kind of rights: `OWNERS` files written out from the same tree.
//!
//! All 185,835 decisions must equal the expectation, and each change of the tree or of an alias must take
//! from and give to exactly whom it should, while the knowledge base goes on running. The documents' words do
//! not matter here, so each has a line.

use crate::common::{eval, long};
use crate::eval_k8s::{Folder, Material, lines};
use crate::world::{World, write};
use kenward_ingest::pipeline::RunReport;
use kenward_vault::directory::DirectoryChange;
use kenward_vault::vault::Operator;
use kenward_vault::writer::{RightsFormat, SourceRights};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

const BY: Operator = Operator { uid: 0, user: None, reason: None };

#[derive(Deserialize)]
struct Scenario {
    scenario: String,
    op: Change,
    delta: BTreeMap<String, Delta>,
}

#[derive(Clone, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Change {
    GroupRemove { group: String, user: String },
    SetInherit { folder: String, inherit: bool },
    DeleteAcl { folder: String },
}

#[derive(Deserialize)]
struct Delta {
    gain: BTreeSet<usize>,
    lose: BTreeSet<usize>,
}

/// Who sees which documents, by their places in the corpus.
type Views = BTreeMap<String, BTreeSet<usize>>;

struct Tree {
    material: Material,
    world: World,
    root: PathBuf,
    places: BTreeMap<String, usize>,
    rights: SourceRights,
}

/// A name as an OWNERS file has it: some in capitals, some with `@`; case does not matter there.
fn name(principal: &str) -> String {
    let name = principal.split_once(':').map_or(principal, |(_, name)| name);
    match name.len() % 3 {
        0 => name.to_uppercase(),
        1 => format!("@{name}"),
        _ => name.to_owned(),
    }
}

fn people(text: &mut String, indent: &str, principals: &[String]) {
    // Approvers and reviewers may read alike.
    let (approvers, reviewers) = principals.split_at(principals.len().div_ceil(2));
    for (role, names) in [("approvers", approvers), ("reviewers", reviewers)] {
        if !names.is_empty() {
            writeln!(text, "{indent}{role}:").unwrap();
            for principal in names {
                writeln!(text, "{indent}- \"{}\"", name(principal)).unwrap();
            }
        }
    }
}

fn owners(folder: &Folder) -> String {
    let mut text = "# See the OWNERS docs at https://go.k8s.io/owners\n\n".to_owned();
    if !folder.inherit {
        text += "options:\n  no_parent_owners: true\n";
    }
    if folder.allow.iter().all(|grant| grant.pattern.is_none()) {
        folder.allow.iter().for_each(|grant| people(&mut text, "", &grant.principals));
        text += "emeritus_approvers:\n- zz-outsider\n";
        return text;
    }
    text += "filters:\n";
    for grant in &folder.allow {
        writeln!(text, "  '{}':", grant.pattern.as_deref().unwrap_or(".*")).unwrap();
        text += "    labels: [area/x]\n";
        people(&mut text, "    ", &grant.principals);
    }
    text
}

impl Tree {
    fn plant(rights: SourceRights) -> Option<Self> {
        let material = Material::read()?;
        let world = World::new(None, &[]);
        let root = world.root();
        for (at, document) in material.documents.iter().enumerate() {
            write(&root, &document.id, format!("page {at}\n").as_bytes(), at as u64);
        }
        let places = material.documents.iter().enumerate().map(|(at, doc)| (doc.id.clone(), at)).collect();
        let tree = Self { material, world, root, places, rights };
        for folder in &tree.material.folders {
            tree.folder(folder);
        }
        tree.aliases(None);
        Some(tree)
    }

    fn folder(&self, folder: &Folder) {
        let path = Path::new(&folder.folder).join("OWNERS");
        write(&self.root, path.to_str().unwrap(), owners(folder).as_bytes(), 0);
    }

    /// `OWNERS_ALIASES`, without one member of one of them.
    fn aliases(&self, without: Option<(&str, &str)>) {
        let mut text = "aliases:\n".to_owned();
        for group in &self.material.groups {
            writeln!(text, "  {}:", group.group).unwrap();
            let members = group.members.iter().filter(|member| without != Some((&group.group, member)));
            members.for_each(|member| writeln!(text, "  - \"{}\"", name(member)).unwrap());
        }
        write(&self.root, "OWNERS_ALIASES", text.as_bytes(), 0);
    }

    fn ingest(&self) -> RunReport {
        let report = self.world.ingest_under("community", &self.root, &[], self.rights.clone());
        assert_eq!(report.summary.failed, 0, "{:?}", report.failures);
        assert_eq!(report.rights_problems, Vec::<(String, String)>::new());
        assert_eq!(report.rights_not_read, Vec::<String>::new());
        report
    }

    fn views(&self) -> Views {
        let see = |user: &str| self.world.reachable(user).iter().map(|(path, _)| self.places[path]).collect();
        self.material.expected.iter().map(|e| (e.user.clone(), see(&e.user))).collect()
    }

    fn apply(&self, change: &Change, undo: bool) {
        let folder_of = |name: &str| self.material.folders.iter().find(|f| f.folder == name).unwrap();
        match change {
            Change::GroupRemove { group, user } => self.aliases((!undo).then_some((group, user))),
            Change::SetInherit { folder, inherit } => {
                let mut folder = folder_of(folder).clone();
                folder.inherit = if undo { folder.inherit } else { *inherit };
                self.folder(&folder);
            }
            Change::DeleteAcl { folder } if undo => self.folder(folder_of(folder)),
            Change::DeleteAcl { folder } => {
                std::fs::remove_file(self.root.join(folder).join("OWNERS")).unwrap();
            }
        }
    }
}

/// Exactly these gains and losses, and nothing for anybody else.
fn compare(scenario: &Scenario, before: &Views, after: &Views) -> (usize, usize) {
    let (mut gained, mut lost) = (0, 0);
    for (user, old) in before {
        let new = &after[user];
        let gain: BTreeSet<usize> = new.difference(old).copied().collect();
        let lose: BTreeSet<usize> = old.difference(new).copied().collect();
        let (wanted_gain, wanted_lose) =
            scenario.delta.get(user).map(|d| (d.gain.clone(), d.lose.clone())).unwrap_or_default();
        assert_eq!((&gain, &lose), (&wanted_gain, &wanted_lose), "{}: {user}", scenario.scenario);
        (gained, lost) = (gained + gain.len(), lost + lose.len());
    }
    (gained, lost)
}

/// All of them in the long run, the first of each kind in the normal one.
fn scenarios() -> Vec<Scenario> {
    let file = eval().unwrap().join("acl/k8s-community/change_scenarios.jsonl");
    let mut kinds = BTreeSet::new();
    let mut all: Vec<Scenario> = lines(&file);
    all.retain(|one| {
        let kind = match one.op {
            Change::GroupRemove { .. } => 0,
            Change::SetInherit { .. } => 1,
            Change::DeleteAcl { .. } => 2,
        };
        kinds.insert(kind) || long()
    });
    all
}

#[test]
fn owners_files_decide_as_expected_and_changes_take_exactly_what_they_should() {
    let rights = SourceRights { format: RightsFormat::Owners, ..SourceRights::default() };
    let Some(tree) = Tree::plant(rights) else { return };
    // Aliases are of the source: the directory has no groups.
    let people: Vec<DirectoryChange> = tree.material.directory();
    let people: Vec<_> =
        people.into_iter().filter(|change| matches!(change, DirectoryChange::AddUser { .. })).collect();
    tree.world.people(&people);
    let start = Instant::now();
    let report = tree.ingest();
    assert_eq!(report.summary.added as usize, tree.material.documents.len());
    let fidelity = &report.fidelity;
    assert!(fidelity.is_exact() && fidelity.unmapped == 0, "{fidelity:?}");
    eprintln!("k8s-community, OWNERS: {:.1} s; {:?}", start.elapsed().as_secs_f64(), fidelity.constructs);

    let before = tree.views();
    let wanted: Views =
        tree.material.expected.iter().map(|e| (e.user.clone(), e.docs.iter().copied().collect())).collect();
    assert_eq!(before.len() * tree.material.documents.len(), 185_835);
    assert!(before == wanted, "not what is expected");
    assert!(tree.world.reachable("zz-outsider").is_empty());

    let start = Instant::now();
    let (mut gained, mut lost, mut count) = (0, 0, 0);
    for scenario in scenarios() {
        tree.apply(&scenario.op, false);
        let report = tree.ingest();
        assert_eq!(report.summary.changed + report.summary.added + report.summary.removed, 0);
        let (gain, lose) = compare(&scenario, &before, &tree.views());
        (gained, lost, count) = (gained + gain, lost + lose, count + 1);
        tree.apply(&scenario.op, true);
        tree.ingest();
        assert!(tree.views() == before, "{} is not undone", scenario.scenario);
    }
    eprintln!(
        "k8s-community, OWNERS: {count} changes and back, {gained} gains and {lost} losses, each as stated, {:.1} s",
        start.elapsed().as_secs_f64()
    );
}

#[test]
fn aliases_that_stand_for_groups_of_the_directory_change_with_the_directory() {
    let mut rights = SourceRights { format: RightsFormat::Owners, ..SourceRights::default() };
    let Some(material) = Material::read() else { return };
    for group in &material.groups {
        rights.identity.names.insert(group.group.clone(), format!("group:{}", group.group));
    }
    let tree = Tree::plant(rights).unwrap();
    tree.world.people(&tree.material.directory());
    tree.ingest();
    let before = tree.views();
    let wanted: Views =
        tree.material.expected.iter().map(|e| (e.user.clone(), e.docs.iter().copied().collect())).collect();
    assert!(before == wanted, "not what is expected");
    for scenario in scenarios() {
        let Change::GroupRemove { group, user } = &scenario.op else { continue };
        let (group, member) = (group.clone(), format!("user:{user}"));
        let remove = DirectoryChange::RemoveMember { group: group.clone(), member: member.clone() };
        tree.world.vault.change_directory(&BY, &[remove]).unwrap();
        compare(&scenario, &before, &tree.views());
        tree.world.vault.change_directory(&BY, &[DirectoryChange::AddMember { group, member }]).unwrap();
    }
    assert!(tree.views() == before, "not undone");
}
