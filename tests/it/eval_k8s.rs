//! kubernetes/community: a real tree of rights over 953 real documents, 195 people, 44 groups.
//!
//! Who reaches what must equal what two separate programs worked out from the same OWNERS files, in
//! all 185,835 decisions; and whoever is denied a document must get, byte for byte, what they would
//! get in a world that holds only what they may see.

use crate::common::{eval, long};
use crate::world::{World, documents, write};
use kenward_access::acl::Clearance;
use kenward_vault::directory::DirectoryChange;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

const OUTSIDER: &str = "zz-outsider";

#[derive(Deserialize)]
pub struct Document {
    #[serde(rename = "_id")]
    pub id: String,
    pub text: String,
}

#[derive(Clone, Deserialize)]
pub struct Folder {
    pub folder: String,
    pub inherit: bool,
    pub allow: Vec<Grant>,
}

#[derive(Clone, Deserialize)]
pub struct Grant {
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    pub principals: Vec<String>,
}

#[derive(Deserialize)]
pub struct Members {
    pub group: String,
    pub members: Vec<String>,
}

#[derive(Deserialize)]
pub struct Expected {
    pub user: String,
    pub docs: Vec<usize>,
}

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "_id")]
    id: String,
    text: String,
}

#[derive(Deserialize)]
struct Permission {
    #[serde(rename = "query-id")]
    query: String,
    relevant: Vec<String>,
    allowed_user: String,
    denied_user: String,
    outsider: String,
}

pub fn lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Vec<T> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    if path.extension().is_some_and(|e| e == "gz") {
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        let mut file = file;
        file.read_to_string(&mut text).unwrap();
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub struct Material {
    pub documents: Vec<Document>,
    pub folders: Vec<Folder>,
    pub groups: Vec<Members>,
    pub expected: Vec<Expected>,
    queries: HashMap<String, String>,
    permissions: Vec<Permission>,
    excluded: HashSet<(String, String)>,
}

impl Material {
    pub fn read() -> Option<Self> {
        let eval = eval()?;
        let (acl, kb) = (eval.join("acl/k8s-community"), eval.join("kb/k8s-community"));
        let queries: Vec<Query> = lines(&kb.join("queries.jsonl"));
        let excluded = std::fs::read_to_string(kb.join("exclude.tsv")).unwrap();
        let pair = |line: &str| {
            let (query, page) = line.split_once('\t')?;
            Some((query.to_owned(), page.trim().to_owned()))
        };
        Some(Self {
            documents: lines(&kb.join("corpus.jsonl.gz")),
            folders: lines(&acl.join("folders.jsonl")),
            groups: lines(&acl.join("groups.jsonl")),
            expected: lines(&acl.join("expected_visibility.jsonl")),
            queries: queries.into_iter().map(|q| (q.id, q.text)).collect(),
            permissions: lines(&acl.join("perm_queries.jsonl")),
            excluded: excluded.lines().filter_map(pair).collect(),
        })
    }

    /// Everybody who is named, as people and groups; nobody has a clearance.
    pub fn directory(&self) -> Vec<DirectoryChange> {
        let mut users: BTreeSet<&str> = self.expected.iter().map(|e| e.user.as_str()).collect();
        users.insert(OUTSIDER);
        let named = self.folders.iter().flat_map(|f| &f.allow).flat_map(|g| &g.principals);
        users.extend(named.filter_map(|name| name.strip_prefix("user:")));
        users.extend(self.groups.iter().flat_map(|g| &g.members).map(String::as_str));
        let mut changes: Vec<DirectoryChange> = users
            .into_iter()
            .map(|user| DirectoryChange::AddUser {
                handle: user.to_owned(),
                name: user.to_owned(),
                clearance: Clearance::default(),
            })
            .collect();
        changes.extend(self.groups.iter().map(|g| DirectoryChange::AddGroup { handle: g.group.clone() }));
        for group in &self.groups {
            changes.extend(group.members.iter().map(|member| DirectoryChange::AddMember {
                group: group.group.clone(),
                member: format!("user:{member}"),
            }));
        }
        changes
    }

    /// The `.access.toml` of a folder; its patterns are written out as the files that they match.
    fn rights_file(&self, folder: &Folder) -> String {
        let list = |principals: &[String]| {
            let quoted: Vec<String> = principals.iter().map(|p| format!("\"{p}\"")).collect();
            format!("allow = [{}]\n", quoted.join(", "))
        };
        let own: Vec<String> = folder
            .allow
            .iter()
            .filter(|grant| grant.pattern.is_none())
            .flat_map(|grant| grant.principals.clone())
            .collect();
        let mut text = format!("inherit = {}\n{}", folder.inherit, list(&own));
        for grant in folder.allow.iter().filter(|grant| !grant.principals.is_empty()) {
            let Some(pattern) = &grant.pattern else { continue };
            for document in &self.documents {
                let below = if folder.folder.is_empty() {
                    Some(document.id.as_str())
                } else {
                    document.id.strip_prefix(&folder.folder).and_then(|rest| rest.strip_prefix('/'))
                };
                if let Some(relative) = below.filter(|relative| matches(pattern, relative)) {
                    // With a slash in front: this very file, not one of that name further down.
                    text += &format!("[[file]]\nmatch = \"/{relative}\"\n{}", list(&grant.principals));
                }
            }
        }
        text
    }

    /// A world of the documents that `keep` takes, under all of the rights files.
    fn world(&self, keep: impl Fn(usize) -> bool) -> World {
        let world = World::new(Some(kenward_indexes::embedding::hashing(256)), &[]);
        world.people(&self.directory());
        let root: PathBuf = world.root();
        for folder in &self.folders {
            let place = Path::new(&folder.folder).join(".access.toml");
            write(&root, place.to_str().unwrap(), self.rights_file(folder).as_bytes(), 0);
        }
        let mut kept = 0;
        for (at, document) in self.documents.iter().enumerate().filter(|(at, _)| keep(*at)) {
            write(&root, &document.id, document.text.as_bytes(), at as u64);
            kept += 1;
        }
        let report = world.ingest("community", &root, &[]);
        assert_eq!(report.summary.added, kept, "{:?}", report.failures);
        assert_eq!(
            (report.summary.failed, report.rights_problems.len()),
            (0, 0),
            "{:?}",
            report.rights_problems
        );
        world
    }

    fn expected_of(&self, user: &str) -> BTreeSet<usize> {
        let found = self.expected.iter().find(|e| e.user == user);
        found.map(|e| e.docs.iter().copied().collect()).unwrap_or_default()
    }
}

/// The two patterns that the tree has; searched for anywhere in the path, as the OWNERS rules have it.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern {
        r"annual-report-.*\.md$" => path.find("annual-report-").is_some_and(|_| path.ends_with(".md")),
        "(?i)charter.md" => {
            let (path, word) = (path.to_lowercase().into_bytes(), b"charter.md");
            path.windows(word.len()).any(|w| w.iter().zip(word).all(|(a, b)| a == b || *b == b'.'))
        }
        other => panic!("no rule for the pattern {other}"),
    }
}

#[test]
fn all_decisions_equal_the_expectation_and_nobody_feels_what_is_hidden() {
    let Some(material) = Material::read() else { return };
    let start = Instant::now();
    let world = material.world(|_| true);
    eprintln!(
        "k8s-community: {} documents in {:.1} s",
        material.documents.len(),
        start.elapsed().as_secs_f64()
    );

    let start = Instant::now();
    let (mut decisions, mut differences) = (0, Vec::new());
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for expected in &material.expected {
        let reached = world.reachable(&expected.user);
        let paths: BTreeSet<&str> = reached.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths.len(), reached.len(), "{}: a document is listed twice", expected.user);
        let wanted: BTreeSet<&str> =
            expected.docs.iter().map(|at| material.documents[*at].id.as_str()).collect();
        differences
            .extend(paths.symmetric_difference(&wanted).map(|path| format!("{} {path}", expected.user)));
        decisions += material.documents.len();
        ids.extend(reached);
    }
    eprintln!(
        "k8s-community: {decisions} decisions, {} differences, {:.1} s",
        differences.len(),
        start.elapsed().as_secs_f64()
    );
    assert_eq!(decisions, 185_835);
    assert_eq!(differences, Vec::<String>::new());
    assert!(world.reachable(OUTSIDER).is_empty());

    permitted(&material, &world, &ids);
    denied(&material, &world, &ids);
}

/// The permitted user can fetch every relevant document; how often search finds one is printed.
fn permitted(material: &Material, world: &World, ids: &BTreeMap<String, String>) {
    let (mut fetched, mut passages, mut first_documents, mut without_links) = (0, 0, 0, 0);
    for permission in &material.permissions {
        let wanted: HashSet<&String> = permission.relevant.iter().map(|path| &ids[path]).collect();
        let readable = wanted.iter().any(|id| world.fetch(&permission.allowed_user, id, 11).is_ok());
        assert!(readable, "{} cannot fetch the answer of {}", permission.allowed_user, permission.query);
        fetched += 1;
        let query = &material.queries[&permission.query];
        let answer = world.search(&permission.allowed_user, query, 40, 12).unwrap();
        let found = documents(&answer);
        let hit = |ids: &[String]| usize::from(ids.iter().any(|id| wanted.contains(id)));
        passages += hit(&found[..found.len().min(10)]);
        let mut seen = HashSet::new();
        let distinct: Vec<String> = found.into_iter().filter(|id| seen.insert(id.clone())).collect();
        first_documents += hit(&distinct[..distinct.len().min(10)]);
        let held: HashSet<&String> = material
            .excluded
            .iter()
            .filter(|(q, _)| *q == permission.query)
            .filter_map(|(_, page)| ids.get(page))
            .collect();
        let left: Vec<String> = distinct.into_iter().filter(|id| !held.contains(id)).take(10).collect();
        without_links += hit(&left);
    }
    let all = material.permissions.len();
    assert_eq!((fetched, all), (198, 198));
    eprintln!(
        "k8s-community: permitted user fetches {fetched} of {all}; the answer is in the first 10 passages for \
         {passages}, in the first 10 documents for {first_documents}, in the first 10 without the pages that \
         link to it with the query's words for {without_links} (hashing vectors; plain BM25 167)"
    );
}

/// The denied user and the outsider, each against a world that holds only what they may see.
fn denied(material: &Material, world: &World, ids: &BTreeMap<String, String>) {
    let users: BTreeSet<&str> = material.permissions.iter().map(|p| p.denied_user.as_str()).collect();
    // A world for each takes its time: every twelfth in the normal run, all of them in the long one.
    let step = if long() { 1 } else { 12 };
    let start = Instant::now();
    let (mut worlds, mut answers) = (0, 0);
    let mut compare = |user: &str, other: &World, permission: &Permission| {
        let query = &material.queries[&permission.query];
        for (what, limit) in [(query.as_str(), 8), (permission.relevant[0].as_str(), 40)] {
            let (a, b) = (world.search(user, what, limit, 21), other.search(user, what, limit, 21));
            assert!(a.is_ok() && a == b, "{user} feels a hidden document in `{what}`");
            answers += 1;
        }
        for path in &permission.relevant {
            let id = &ids[path];
            let (a, b) = (world.fetch(user, id, 22), other.fetch(user, id, 22));
            assert!(a == b, "{user} feels that {path} exists");
            assert_eq!(a.is_err(), !visible(material, user, path), "{user} {path}");
            answers += 1;
        }
    };
    for user in users.iter().copied().step_by(step) {
        let seen = material.expected_of(user);
        let other = material.world(|at| seen.contains(&at));
        worlds += 1;
        assert!(world.reachable(user) == other.reachable(user), "{user}: another list");
        for permission in material.permissions.iter().filter(|p| p.denied_user == user) {
            compare(user, &other, permission);
        }
    }
    let nothing = material.world(|_| false);
    for permission in &material.permissions {
        compare(&permission.outsider, &nothing, permission);
    }
    eprintln!(
        "k8s-community: {answers} answers of {worlds} of {} denied users and of an outsider, each equal to that of \
         a world without the hidden documents, byte for byte, {:.1} s",
        users.len(),
        start.elapsed().as_secs_f64()
    );
}

fn visible(material: &Material, user: &str, path: &str) -> bool {
    material.expected_of(user).iter().any(|at| material.documents[*at].id == path)
}
