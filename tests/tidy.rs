//! What holds the architecture: the arrows between the five rooms, the purity of the rules, and who
//! may call the few functions that the promise hangs on. Lists of allowed files may only shrink: a
//! file that is listed and needs it no more fails as well.
//!
//! It reads the sources and the manifests and runs nothing of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const PLATFORM: &str = "x86_64-unknown-linux-gnu";

fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            // Of the machine that we build for: packages of other systems need not be here.
            .other_options(
                ["--offline", "--locked", "--filter-platform", PLATFORM].map(ToOwned::to_owned).to_vec(),
            )
            .exec()
            .unwrap()
    })
}

fn package(name: &str) -> &'static Package {
    metadata()
        .packages
        .iter()
        .find(|p| p.name.as_str() == name)
        .unwrap_or_else(|| panic!("no package {name}"))
}

/// Direct dependencies of normal builds (build scripts included).
fn direct(name: &str) -> BTreeSet<&'static str> {
    package(name)
        .dependencies
        .iter()
        .filter(|d| d.kind != DependencyKind::Development)
        .map(|d| d.name.as_str())
        .collect()
}

/// Everything that a normal build of the package links or runs.
fn closure(name: &str) -> BTreeSet<&'static str> {
    closure_beside(name, "")
}

/// The same, but for what is there through one package alone.
fn closure_beside(name: &str, past: &str) -> BTreeSet<&'static str> {
    let nodes: BTreeMap<_, _> =
        metadata().resolve.as_ref().unwrap().nodes.iter().map(|node| (&node.id, node)).collect();
    let names: BTreeMap<_, _> = metadata().packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let mut found = BTreeSet::new();
    let mut waiting = vec![&package(name).id];
    while let Some(id) = waiting.pop() {
        for dep in &nodes[id].deps {
            let normal = dep.dep_kinds.iter().any(|k| k.kind != DependencyKind::Development);
            if normal && names[&dep.pkg] != past && found.insert(names[&dep.pkg]) {
                waiting.push(&dep.pkg);
            }
        }
    }
    found
}

const ROOMS: [(&str, &[&str]); 5] = [
    ("kenward-access", &[]),
    ("kenward-indexes", &["kenward-access"]),
    ("kenward-vault", &["kenward-access", "kenward-indexes"]),
    ("kenward-ingest", &["kenward-access", "kenward-indexes", "kenward-vault"]),
    ("kenward", &["kenward-access", "kenward-indexes", "kenward-vault", "kenward-ingest"]),
];

#[test]
fn arrows_point_one_way() {
    let members: BTreeSet<&str> = metadata().workspace_packages().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(members, ROOMS.iter().map(|(name, _)| *name).collect(), "a room that nobody drew");
    for (name, below) in ROOMS {
        let ours: BTreeSet<&str> = direct(name).into_iter().filter(|d| d.starts_with("kenward")).collect();
        assert_eq!(ours, below.iter().copied().collect(), "arrows of {name}");
    }
}

#[test]
fn the_rules_are_pure() {
    assert_eq!(direct("kenward-access"), BTreeSet::from(["blake3", "roaring", "serde", "thiserror"]));
    let all = closure("kenward-access");
    for impure in [
        "tokio",
        "rusqlite",
        "tantivy",
        "axum",
        "rmcp",
        "clap",
        "reqwest",
        "hyper",
        "mio",
        "socket2",
        "memmap2",
        "rustix",
        "rayon",
        "tempfile",
        "getrandom",
        "time",
        "chrono",
        "tracing",
        "parking_lot",
    ] {
        assert!(!all.contains(impure), "the rules reach `{impure}`");
    }
}

#[test]
fn protocol_and_command_line_stay_at_the_top() {
    for room in ["kenward-access", "kenward-indexes", "kenward-vault", "kenward-ingest"] {
        // The vector cluster's protocol is gRPC; its library brings a server that nothing here starts.
        let all = closure_beside(room, "tonic");
        for top in ["rmcp", "axum", "clap", "indicatif"] {
            assert!(!all.contains(top), "{room} reaches `{top}`");
        }
    }
    for room in ["kenward-access", "kenward-vault"] {
        assert!(!direct(room).contains("tokio"), "{room} knows an async runtime");
    }
    // The one engine that has something elsewhere keeps a runtime to itself.
    let asynchronous = users(&["tokio::", "async ", "tonic::"]);
    let below = asynchronous.into_iter().filter(|file| file.starts_with("indexes/"));
    for file in below {
        assert!(file.starts_with("indexes/src/vector/qdrant/"), "{file} knows an async runtime");
    }
}

#[test]
fn faults_are_in_no_normal_build() {
    for (name, _) in ROOMS {
        let package = package(name);
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Development {
                let faults = dependency.features.iter().any(|f| f.contains("faults"));
                assert!(!faults, "{name} turns on the faults of {}", dependency.name);
            }
        }
        for (feature, enables) in &package.features {
            if feature != "faults" {
                let faults = enables.iter().any(|f| f.contains("faults"));
                assert!(!faults, "feature `{feature}` of {name} turns on faults");
            }
        }
    }
    assert!(!package("kenward").features.contains_key("faults"), "the product has no such feature");
}

// ---- sources ----

/// A source file by its path from the root, with its text.
struct Source {
    path: String,
    text: String,
}

fn read(dir: &Path, into: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                read(&path, into);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            into.push(Source { path, text });
        }
    }
}

/// Every Rust file of the repository.
fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let mut all = Vec::new();
        read(root(), &mut all);
        assert!(all.len() > 50, "only {} files found", all.len());
        all
    })
}

/// Whether a path is product code: not a test, a bench or an example.
fn is_product(path: &str) -> bool {
    path.contains("src/")
        && !path.ends_with("tests.rs")
        && !path.contains("/tests/")
        && !path.ends_with("testing.rs")
}

/// Lines of product code: comments and test modules left out.
fn product_lines(source: &Source) -> impl Iterator<Item = &str> {
    let body = source.text.split("\n#[cfg(test)]").next().unwrap_or_default();
    body.lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
}

/// Product files with a line that holds one of the patterns.
fn users(patterns: &[&str]) -> BTreeSet<&'static str> {
    sources()
        .iter()
        .filter(|s| is_product(&s.path))
        .filter(|s| product_lines(s).any(|line| patterns.iter().any(|p| line.contains(p))))
        .map(|s| s.path.as_str())
        .collect()
}

/// The files that do it are the files that may: one more is a hole, one less shortens the list.
fn exactly(what: &str, patterns: &[&str], allowed: &[&str]) {
    let users = users(patterns);
    for user in &users {
        assert!(allowed.contains(user), "{user} {what}, and is not in the list of files that may");
    }
    for file in allowed {
        assert!(users.contains(file), "{file} no longer {what}: take it off the list");
    }
}

#[test]
fn only_the_authenticator_makes_callers() {
    exactly("makes a caller", &["Caller::authenticated("], &["src/identity/authenticator.rs"]);
}

#[test]
fn only_the_gate_opens_documents() {
    exactly("decides about a document", &["scope.check(", "AccessScope::check"], &["vault/src/gate/mod.rs"]);
}

/// Else an agent that is limited to some sources could reach another's documents.
#[test]
fn answers_ask_for_a_class_in_one_place() {
    let users = users(&[".class_of("]);
    let answering = users
        .into_iter()
        .filter(|file| file.starts_with("vault/src/gate/") || file.starts_with("vault/src/knowledge_base/"));
    assert_eq!(answering.collect::<Vec<_>>(), ["vault/src/gate/mod.rs"]);
}

#[test]
fn scopes_are_resolved_in_one_place() {
    exactly("resolves a scope", &["AccessScope::resolve("], SCOPES);
}
const SCOPES: &[&str] = &["vault/src/gate/scope.rs"];

#[test]
fn text_is_exposed_where_it_is_said() {
    exactly(
        "exposes text to the gate",
        &["expose_to_gate("],
        &["access/src/untrusted.rs", "vault/src/gate/mod.rs"],
    );
    exactly("exposes text to the pipe", &["expose_for_pipe("], PIPE);
    exactly("exposes text for indexing", &["expose_for_indexing("], INDEXING);
}
const PIPE: &[&str] = &["access/src/untrusted.rs", "ingest/src/doors.rs"];
const INDEXING: &[&str] = &[
    "access/src/untrusted.rs",
    "ingest/src/doors.rs",
    "vault/src/catalog/content/versions.rs",
    "vault/src/text/mod.rs",
    "vault/src/writer/engines.rs",
];

#[test]
fn text_is_minted_where_it_comes_in() {
    exactly("mints text", &["UntrustedText::mint"], MINT);
}
const MINT: &[&str] = &["ingest/src/doors.rs", "vault/src/catalog/readers.rs", "vault/src/text/mod.rs"];

#[test]
fn the_protocol_library_stays_in_its_rooms() {
    for user in users(&["rmcp::", "use rmcp"]) {
        let may = user.starts_with("src/mcp/") || user.starts_with("src/http/") || RMCP.contains(&user);
        assert!(may, "{user} names rmcp");
    }
    let named = users(&["rmcp::", "use rmcp"]);
    for file in RMCP {
        assert!(named.contains(file), "{file} no longer names rmcp: take it off the list");
    }
}
/// The client of the demo, and the verb that gives standard input to the server.
const RMCP: &[&str] = &["src/cli/serve.rs", "src/demo/agent.rs"];

#[test]
fn unsafe_code_is_where_maps_are_opened_and_rows_are_multiplied() {
    exactly("has unsafe code", &["unsafe {", "unsafe fn", "unsafe impl"], UNSAFE);
}
const UNSAFE: &[&str] = &["indexes/src/vector/kernel.rs", "indexes/src/vector/map.rs"];

#[test]
fn every_module_says_what_it_is() {
    for source in sources() {
        if source.path.contains("compile_fail/") && !source.text.starts_with("//!") {
            panic!("{} does not say what it holds", source.path);
        }
        assert!(source.text.starts_with("//!"), "{} has no opening paragraph", source.path);
        let opening: usize = source.text.lines().take_while(|l| l.starts_with("//!")).map(str::len).sum();
        assert!(opening > 30, "the opening paragraph of {} says nothing", source.path);
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("See lib", ".rs"),
    ];
    for source in sources() {
        for mark in marks {
            assert!(!source.text.contains(mark), "{} holds `{mark}`", source.path);
        }
    }
}

#[test]
fn no_place_of_a_machine_is_named() {
    let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    for source in sources() {
        for place in places {
            assert!(!source.text.contains(place), "{} names a place of one machine", source.path);
        }
    }
}

#[test]
fn files_hold_one_idea() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines: split it", source.path);
    }
}

#[test]
fn logs_name_no_content() {
    // What is recorded of a request or document in a log is a count, a code or an id of a request.
    let content = [
        "query =", "title =", "text =", "%query", "%title", "?query", "?title", "secret =", "?text", "%text",
    ];
    for source in sources().iter().filter(|s| is_product(&s.path)) {
        for line in product_lines(source).filter(|l| l.contains("tracing::") || l.contains("_span!(")) {
            for word in content {
                assert!(!line.contains(word), "{}: `{line}`", source.path);
            }
        }
    }
}
