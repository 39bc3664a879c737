//! A vault in a temporary folder, a source folder beside it, and short words for what tests do.

use kenward_access::acl::Clearance;
use kenward_access::ids::TenantId;
use kenward_indexes::embedding::{Embedder, hashing};
use kenward_ingest::pipeline::{
    IngestError, IngestOptions, MAX_TEXT_BYTES, Progress, RunReport, Stop, ingest,
};
use kenward_ingest::worker::{Limits, WorkerCommand};
use kenward_vault::directory::DirectoryChange;
use kenward_vault::seams::{SystemClock, SystemEntropy};
use kenward_vault::vault::Operator;
use kenward_vault::writer::{SourceRights, SourceSpec};
use kenward_vault::{OpenOptions, Vault};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use tempfile::TempDir;

pub struct World {
    pub vault: Arc<Vault>,
    pub root: PathBuf,
    pub spec: SourceSpec,
    pub options: IngestOptions,
    pub progress: Mutex<Vec<Progress>>,
    dir: TempDir,
}

pub fn worker() -> WorkerCommand {
    WorkerCommand { program: env!("CARGO_BIN_EXE_kenward-worker").into(), args: Vec::new() }
}

pub fn by() -> Operator {
    Operator { uid: 0, user: None, reason: None }
}

impl World {
    /// With the hashing embedder, and everyone as the default.
    pub fn new() -> Self {
        Self::with(Some(hashing(64)), &["everyone"])
    }

    pub fn with(embedder: Option<Arc<dyn Embedder>>, default_allow: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("source");
        fs::create_dir(&root).unwrap();
        let vault = Vault::open(OpenOptions {
            data_dir: dir.path().join("data"),
            tenant: TenantId::new("harbor").unwrap(),
            embedder: embedder.clone(),
            labels: vec!["public".into(), "internal".into(), "confidential".into()],
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            ledger: None,
            vectors: kenward_indexes::vector::Engine::Flat,
            reranking: None,
        })
        .unwrap();
        let spec = SourceSpec {
            name: "handbook".into(),
            kind: "files".into(),
            root: root.to_str().unwrap().into(),
            default_allow: default_allow.iter().map(|who| (*who).to_owned()).collect(),
            url_template: None,
            tier: 2,
            label: None,
            rights: SourceRights::default(),
        };
        let options = IngestOptions {
            worker: worker(),
            limits: Limits::default(),
            embedder,
            max_text_bytes: MAX_TEXT_BYTES,
            memory_bytes: kenward_ingest::pipeline::MEMORY_BYTES,
            allow_mass_delete: false,
            retry_failed: false,
            only: None,
            stop: Stop::default(),
        };
        let world = Self { vault, root, spec, options, progress: Mutex::new(Vec::new()), dir };
        let mut changes: Vec<_> = ["ann", "bob"]
            .into_iter()
            .map(|handle| DirectoryChange::AddUser {
                handle: handle.into(),
                name: handle.into(),
                clearance: Clearance::default(),
            })
            .collect();
        changes.push(DirectoryChange::AddGroup { handle: "staff".into() });
        changes.push(DirectoryChange::AddMember { group: "staff".into(), member: "user:ann".into() });
        world.vault.change_directory(&by(), &changes).unwrap();
        world
    }

    /// The folder of the vault.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.root.join(path)).unwrap();
    }

    pub fn ingest(&self) -> Result<RunReport, IngestError> {
        let source = self.vault.source(&by(), self.spec.clone()).unwrap();
        self.progress.lock().unwrap().clear();
        ingest(&self.vault, &by(), source, &self.spec, &self.options, &|event| {
            self.progress.lock().unwrap().push(event);
        })
    }

    /// Whether a person may read a document now; `None` if it is not there.
    pub fn may(&self, handle: &str, path: &str) -> Option<bool> {
        self.vault.why(&by(), handle, &format!("handbook/{path}")).ok().map(|why| why.allowed)
    }

    /// The failures of the last run, as (path, reason).
    pub fn failures(report: &RunReport) -> Vec<(String, String)> {
        report.failures.iter().map(|failure| (failure.path.clone(), failure.reason.clone())).collect()
    }
}
