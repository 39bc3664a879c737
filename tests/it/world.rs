//! A whole knowledge base in a temporary folder, over the real pipeline and the real worker, with a
//! clock that stands and randomness that can be wound back: so that two worlds can be compared
//! byte by byte.

use kenward_access::caller::{Caller, Credential, Subject};
use kenward_access::ids::{TenantId, Timestamp};
use kenward_indexes::embedding::Embedder;
use kenward_ingest::pipeline::{self, IngestOptions, RunReport, Stop};
use kenward_ingest::worker::{Limits, WorkerCommand};
use kenward_vault::directory::DirectoryChange;
use kenward_vault::knowledge_base::{FetchRequest, KnowledgeBase, ListDocumentsRequest, SearchRequest};
use kenward_vault::seams::{Clock, Entropy};
use kenward_vault::vault::{OpenOptions, Operator};
use kenward_vault::writer::{SourceRights, SourceSpec};
use kenward_vault::{AnswerError, Vault};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// When everything happens: 2026-03-03T12:00:00Z.
pub const NOW: i64 = 1_772_539_200_000;

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp(NOW)
    }
}

/// SplitMix64 from a state that can be set: the same bytes after the same setting.
#[derive(Default)]
pub struct Wound(AtomicU64);

impl Wound {
    pub fn back_to(&self, state: u64) {
        self.0.store(state, Ordering::SeqCst);
    }
}

impl Entropy for Wound {
    fn fill(&self, buffer: &mut [u8]) {
        for piece in buffer.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            piece.copy_from_slice(&z.to_le_bytes()[..piece.len()]);
        }
    }
}

/// A file to be written before an ingest. The same place in the list gives the same time.
pub fn write(root: &Path, name: &str, content: &[u8], second: u64) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second);
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
}

pub struct World {
    folder: tempfile::TempDir,
    pub vault: Arc<Vault>,
    embedder: Option<Arc<dyn Embedder>>,
    entropy: Arc<Wound>,
    tenant: TenantId,
}

const BY: Operator = Operator { uid: 0, user: None, reason: None };

impl World {
    /// An empty knowledge base. Every world has the same keys, because they come from the same bytes.
    pub fn new(embedder: Option<Arc<dyn Embedder>>, labels: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let entropy = Arc::new(Wound::default());
        entropy.back_to(1);
        let tenant = TenantId::new("eval").unwrap();
        let options = OpenOptions {
            data_dir: folder.path().join("data"),
            tenant: tenant.clone(),
            embedder: embedder.clone(),
            labels: labels.iter().map(|l| (*l).to_owned()).collect(),
            clock: Arc::new(Standing),
            entropy: Arc::clone(&entropy) as Arc<dyn Entropy>,
            ledger: None,
            vectors: kenward_indexes::vector::Engine::Flat,
            reranking: None,
        };
        let vault = Vault::open(options).unwrap();
        Self { folder, vault, embedder, entropy, tenant }
    }

    /// Where documents are put before they are ingested.
    pub fn root(&self) -> PathBuf {
        let root = self.folder.path().join("documents");
        std::fs::create_dir_all(&root).unwrap();
        root
    }

    /// Fills the directory.
    pub fn people(&self, changes: &[DirectoryChange]) {
        self.entropy.back_to(2);
        self.vault.change_directory(&BY, changes).unwrap();
    }

    /// Ingests `folder` as the source `name`.
    pub fn ingest(&self, name: &str, folder: &Path, default_allow: &[&str]) -> RunReport {
        self.ingest_under(name, folder, default_allow, SourceRights::default())
    }

    /// Ingests `folder` as the source `name`, whose rights are written so.
    pub fn ingest_under(
        &self,
        name: &str,
        folder: &Path,
        default_allow: &[&str],
        rights: SourceRights,
    ) -> RunReport {
        let spec = SourceSpec {
            name: name.to_owned(),
            kind: "files".to_owned(),
            root: folder.to_str().unwrap().to_owned(),
            default_allow: default_allow.iter().map(|p| (*p).to_owned()).collect(),
            url_template: None,
            tier: 2,
            label: None,
            rights,
        };
        self.entropy.back_to(3);
        let source = self.vault.source(&BY, spec.clone()).unwrap();
        let options = IngestOptions {
            worker: WorkerCommand {
                program: env!("CARGO_BIN_EXE_kenward").into(),
                args: vec!["__worker".to_owned()],
            },
            limits: Limits::default(),
            embedder: self.embedder.clone(),
            max_text_bytes: 200 << 20,
            memory_bytes: kenward_ingest::pipeline::MEMORY_BYTES,
            allow_mass_delete: false,
            retry_failed: false,
            only: None,
            stop: Stop::default(),
        };
        pipeline::ingest(&self.vault, &BY, source, &spec, &options, &|_| {}).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a test states who asks, as the authenticator would")]
    fn caller(&self, handle: &str) -> Caller {
        let user = self.vault.user_by_handle(handle).unwrap_or_else(|| panic!("nobody is called {handle}"));
        Caller::authenticated(self.tenant.clone(), Subject::User(user.id), None, Credential::Peer { uid: 0 })
    }

    /// The bytes of an answer or of its error; randomness begins at `wind`.
    fn answer(
        &self,
        handle: &str,
        wind: u64,
        ask: impl FnOnce(&KnowledgeBase, &Caller) -> Result<kenward_vault::Disclosure, AnswerError>,
    ) -> Result<Vec<u8>, Vec<u8>> {
        let caller = self.caller(handle);
        self.entropy.back_to(wind);
        match ask(&self.vault.knowledge_base(), &caller) {
            Ok(disclosure) => Ok(disclosure.into_bytes()),
            Err(error) => Err(serde_json::to_vec(&error).unwrap()),
        }
    }

    pub fn search(&self, handle: &str, query: &str, limit: i64, wind: u64) -> Result<Vec<u8>, Vec<u8>> {
        let request =
            SearchRequest { query: query.to_owned(), limit: Some(limit), ..SearchRequest::default() };
        self.answer(handle, wind, |kb, caller| kb.search(caller, &request))
    }

    pub fn fetch(&self, handle: &str, id: &str, wind: u64) -> Result<Vec<u8>, Vec<u8>> {
        let request = FetchRequest { id: id.to_owned(), ..FetchRequest::default() };
        self.answer(handle, wind, |kb, caller| kb.fetch(caller, &request))
    }

    /// All documents that the person reaches by paging through `list_documents`: (path, id), in order.
    pub fn reachable(&self, handle: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut request = ListDocumentsRequest::default();
        loop {
            let bytes = self.answer(handle, 9, |kb, caller| kb.list_documents(caller, &request)).unwrap();
            let page: Value = serde_json::from_slice(&bytes).unwrap();
            let rows = page["documents"].as_array().unwrap();
            let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
            found.extend(rows.iter().map(|row| (text(row, "path"), text(row, "id"))));
            match page["next_cursor"].as_str() {
                Some(cursor) => request.cursor = Some(cursor.to_owned()),
                None => return found,
            }
        }
    }
}

/// Ids of the documents of a search's passages, best first, repeated as the passages are.
pub fn documents(answer: &[u8]) -> Vec<String> {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|r| r["id"].as_str().unwrap().split('#').next().unwrap().to_owned()).collect()
}
