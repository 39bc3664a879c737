//! Which question it answers: how long from the moment at which a right is taken away until that is acknowledged, which is
//! when no answer by the old right can be given any more, beside writing as many bytes to the same disk and syncing them?
//!
//! `cargo bench --workspace --bench revocation`; writes `target/bench/revocation.json` and `.svg`. Documents of one folder, which one
//! group may read (`KENWARD_BENCH_CHUNKS`, 20,000 of them); a person leaves the group and comes back, `ROUNDS` times. After
//! each acknowledgement the person asks, and must get nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a bench: it stops loudly and prints what it measured, and its documents and its caller need no proof"
)]

mod support;

use kenward_access::acl::{Clearance, Effect, Window};
use kenward_access::caller::{Caller, Credential, Subject};
use kenward_access::ids::{TenantId, Timestamp};
use kenward_access::rights::{Naming, Origin, RightsEntry, RightsSpec};
use kenward_access::untrusted::UntrustedText;
use kenward_indexes::vector::Engine;
use kenward_vault::directory::DirectoryChange;
use kenward_vault::knowledge_base::{Mode, SearchRequest};
use kenward_vault::seams::{SystemClock, SystemEntropy};
use kenward_vault::vault::Operator;
use kenward_vault::writer::{NewChunk, NewDocument, SourceRights, SourceSpec};
use kenward_vault::{OpenOptions, Vault};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use support::bars::{self, Bar};

const ROUNDS: usize = 200;
const PERSON: &str = "dana@harbor.example";

fn by() -> Operator {
    Operator { uid: 1, user: None, reason: None }
}

fn main() {
    let documents: usize =
        std::env::var("KENWARD_BENCH_CHUNKS").ok().and_then(|v| v.parse().ok()).unwrap_or(20_000);
    // On the disk where results go: a folder for temporary files is often memory.
    let folder = tempfile::tempdir_in(support::results()).unwrap();
    let vault = vault(folder.path());
    let add = |change| vault.change_directory(&by(), &[change]).unwrap();
    add(DirectoryChange::AddUser {
        handle: PERSON.into(),
        name: "Dana".into(),
        clearance: Clearance::default(),
    });
    add(DirectoryChange::AddGroup { handle: "crew".into() });
    let member = || ("crew".to_owned(), format!("user:{PERSON}"));
    let joins = || {
        let (group, member) = member();
        DirectoryChange::AddMember { group, member }
    };
    let leaves = || {
        let (group, member) = member();
        DirectoryChange::RemoveMember { group, member }
    };
    add(joins());
    fill(&vault, documents);
    let id = vault.user_by_handle(PERSON).unwrap().id;
    let tenant = TenantId::new("bench").unwrap();
    let caller = Caller::authenticated(tenant, Subject::User(id), None, Credential::Peer { uid: 1 });
    let asks = || {
        let request =
            SearchRequest { query: "harbour dues".into(), mode: Mode::Lexical, ..SearchRequest::default() };
        let answer = vault.knowledge_base().search(&caller, &request).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(answer.as_bytes()).unwrap();
        answer["results"].as_array().unwrap().len()
    };
    assert!(asks() > 0, "nothing is there to be taken away");
    let (mut acknowledged, mut gone, mut bare, mut written) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let before = bytes();
        let began = Instant::now();
        vault.change_directory(&by(), &[leaves()]).unwrap();
        acknowledged.push(began.elapsed().as_secs_f64() * 1e3);
        let size = bytes() - before;
        assert_eq!(asks(), 0, "an answer by the old right");
        gone.push(began.elapsed().as_secs_f64() * 1e3);
        bare.push(synced(&folder.path().join("bare"), size));
        written.push(size as f64);
        vault.change_directory(&by(), &[joins()]).unwrap();
        assert!(asks() > 0);
    }
    tell(documents, [acknowledged, gone, bare, written]);
}

fn tell(documents: usize, measured: [Vec<f64>; 4]) {
    let [acknowledged, gone, bare, written] = measured.map(|mut all| {
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
        [at(0.5), at(0.95)]
    });
    let ratio = acknowledged[0] / bare[0];
    println!("{documents} documents of one group, {ROUNDS} times; ms p50, p95");
    println!(
        "acknowledged {:.3}, {:.3}; a search without it {:.3}, {:.3}",
        acknowledged[0], acknowledged[1], gone[0], gone[1]
    );
    println!(
        "{:.0} bytes written and synced {:.3}, {:.3}; acknowledged / synced {ratio:.2}",
        written[0], bare[0], bare[1]
    );
    let json = serde_json::json!({
        "bench": "revocation", "documents": documents, "rounds": ROUNDS, "acknowledged_ms": acknowledged,
        "searched_without_ms": gone, "bare_ms": bare, "bytes": written[0], "acknowledged_to_bare": ratio,
        "answers_by_the_old_right": 0,
    });
    let results = support::results();
    std::fs::write(results.join("revocation.json"), serde_json::to_string_pretty(&json).unwrap()).unwrap();
    let bar = |name: &str, class, value: f64| Bar {
        name: name.to_owned(),
        value,
        label: format!("{value:.2} ms"),
        class,
    };
    let all = [
        bar("acknowledged", "ours", acknowledged[0]),
        bar("and a search without it", "ours", gone[0]),
        bar("as many bytes written and synced", "stock", bare[0]),
    ];
    let most = all.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let svg = bars::draw_linear("A right is taken away", "ms p50; shorter is better", most, &all);
    std::fs::write(results.join("revocation.svg"), svg).unwrap();
}

/// Appends so many bytes and syncs them; ms.
fn synced(path: &Path, size: u64) -> f64 {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    let bytes = vec![7; usize::try_from(size).unwrap()];
    let began = Instant::now();
    file.write_all(&bytes).unwrap();
    file.sync_data().unwrap();
    began.elapsed().as_secs_f64() * 1e3
}

/// What this process has written so far, as Linux counts it.
fn bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).unwrap()
}

fn vault(folder: &Path) -> Arc<Vault> {
    Vault::open(OpenOptions {
        data_dir: folder.join("data"),
        tenant: TenantId::new("bench").unwrap(),
        embedder: None,
        labels: Vec::new(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        ledger: None,
        vectors: Engine::Flat,
        reranking: None,
    })
    .unwrap()
}

fn fill(vault: &Arc<Vault>, documents: usize) {
    let source = vault
        .source(
            &by(),
            SourceSpec {
                name: "quay".into(),
                kind: "files".into(),
                root: "/srv/quay".into(),
                default_allow: Vec::new(),
                url_template: None,
                tier: 2,
                label: None,
                rights: SourceRights::default(),
            },
        )
        .unwrap();
    let mut run = vault.begin_run(&by(), source).unwrap();
    let entry = RightsEntry {
        effect: Effect::Allow,
        principal: "group:crew".into(),
        naming: Naming::Handle,
        window: Window::ALWAYS,
        origin: Origin { file: ".access.toml".into(), line: 1 },
    };
    let rights = RightsSpec { entries: vec![entry], ..RightsSpec::default() };
    run.set_rights(BTreeMap::from([("quay".to_owned(), rights)])).unwrap();
    for number in 0..documents {
        let text = format!("Harbour dues of berth {number} are paid at quay {}.\n", number % 97);
        run.put(NewDocument {
            source_id: format!("{number}.txt"),
            path: format!("quay/{number}.txt"),
            title: UntrustedText::mint(format!("Berth {number}")),
            kind: "text",
            modified: Timestamp(5),
            dated: false,
            language: Some("en".into()),
            length: text.len() as u64,
            raw_hash: Sha256::digest(&text).into(),
            pipeline: 1,
            container: "quay".into(),
            chunks: vec![NewChunk {
                span: (0, u32::try_from(text.len()).unwrap()),
                body: 0,
                page: None,
                headings: Vec::new(),
                vector: None,
            }],
            text: UntrustedText::mint(text),
            links: Vec::new(),
            flags: Vec::new(),
            removed: BTreeMap::new(),
        })
        .unwrap();
    }
    run.finish().unwrap();
}
