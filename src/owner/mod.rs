//! One owner of the data: the process that holds the lock answers for all; every front reaches it
//! through a [`Backend`], in process or over the control socket.
//!
//! Three stdio servers, an HTTP server and an ingestion start at once on one `data_dir`: one of them
//! gets the `lock`, opens the vault (`owned`) and listens (`place`, `listen`); the others send
//! their typed operations ([`ops`], `wire`, `client`). The owner is killed: the lock falls, the
//! next call of any front takes it, the others find the new owner, and every operation that was
//! under way is sent again. Nothing here decides who may see what: `crate::identity` proves who
//! asks, the vault decides.

mod apart;
mod client;
mod listen;
mod live;
mod lock;
mod operate;
pub mod operations;
pub mod ops;
mod owned;
mod perform;
mod place;
mod stages;
mod status;
mod wire;

use crate::config::Config;
use crate::config::marks::{Marks, differing};
pub(crate) use apart::real;
use client::Attempt;
use kenward_indexes::embedding::EmbedError;
pub use live::Live;
use ops::{Op, Reply};
use owned::Owned;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// How long the lock may be held by somebody who does not listen (who is just starting, for instance).
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// How many owners one operation may outlive: one that kills its owners must not kill them all.
const MOST_OWNERS: u32 = 4;

/// What can go wrong in reaching the owner.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Another process holds the lock, and its socket does not answer.
    #[error(
        "another process{} holds the lock of `{}`, and its control socket does not answer",
        named(*pid), data_dir.display()
    )]
    Silent {
        /// The lock's holder, if it can be told.
        pid: Option<u32>,
        /// The folder.
        data_dir: PathBuf,
    },
    /// The owner is another version of this program.
    #[error("the owner of the data{} runs version {theirs}, this is {ours}", named(*pid))]
    Version {
        /// Of the owner.
        theirs: String,
        /// Of this process.
        ours: String,
        /// The owner, if it can be told.
        pid: Option<u32>,
    },
    /// The folder of the data cannot be used.
    #[error("the data folder `{}` {problem}", data_dir.display())]
    DataDir {
        /// The folder.
        data_dir: PathBuf,
        /// What is wrong with it.
        problem: Box<str>,
        /// What to do.
        hint: &'static str,
    },
    /// The data could not be opened.
    #[error(transparent)]
    Vault(#[from] kenward_vault::VaultError),
    /// The embedder that the configuration insists on cannot be had.
    #[error("the model or the engine that `[embedding]` names cannot be used")]
    Embed(#[from] EmbedError),
    /// The reranker that the configuration names cannot be had.
    #[error("the model that `reranking.model` names cannot be used")]
    Rerank(#[from] kenward_indexes::reranking::RerankError),
    /// The operation ended one owner after the other.
    #[error("the owner of the data stopped {MOST_OWNERS} times while doing this")]
    OwnersLost,
    /// This process is letting go of the data.
    #[error("this process is shutting down")]
    Closed,
    /// The socket or a file failed.
    #[error("talking to the owner of the data")]
    Io(#[from] std::io::Error),
}

fn named(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

impl BackendError {
    /// What to do, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Silent { pid: Some(pid), .. } => Some(format!(
                "look at it with `ps -p {pid}`; if it hangs, end it with `kill {pid}` and run this again"
            )),
            Self::Silent { pid: None, data_dir } => Some(format!(
                "find it with `fuser {}`, and end it if it hangs",
                data_dir.join("lock").display()
            )),
            Self::Version { pid, .. } => Some(format!(
                "restart the older one{}; nothing was changed",
                pid.map(|pid| format!(" (`kill {pid}` ends the owner cleanly)")).unwrap_or_default()
            )),
            Self::DataDir { hint, .. } => Some((*hint).to_owned()),
            // What lies in a folder is not mended by another engine.
            Self::Embed(error @ EmbedError::ModelUnfit { .. }) => Some(crate::app::way_to_an_embedder(error)),
            Self::Embed(error) => Some(format!(
                "{}, or set `embedding.engine` to `auto` or `none`",
                crate::app::way_to_an_embedder(error)
            )),
            Self::Rerank(error) => Some(crate::app::way_to_a_reranker(error)),
            Self::OwnersLost => Some("`kenward doctor` may tell why; its log has more".to_owned()),
            Self::Vault(_) | Self::Closed | Self::Io(_) => None,
        }
    }
}

/// The way to the owner: this process if it holds the lock, else the control socket. When the owner
/// goes, the next call takes the lock or finds the new owner, and is tried again.
#[derive(Clone)]
pub struct Backend {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<Config>,
    own: Mutex<Own>,
    /// Of the owner's configuration.
    marks: OnceLock<Marks>,
}

enum Own {
    No,
    Yes(Holding),
    Closed,
}

struct Holding {
    owned: Arc<Owned>,
    accept: JoinHandle<()>,
    bound: place::Bound,
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Backend {
    /// Reaches the owner of `config.data_dir`, or becomes it. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn open(config: Arc<Config>) -> Result<Self, BackendError> {
        let inner = Inner { config, own: Mutex::new(Own::No), marks: OnceLock::new() };
        let backend = Self { inner: Arc::new(inner) };
        if let Reply::Pong { marks, .. } = backend.ask(Op::Ping).await? {
            // Asked once: it is for a word of warning.
            let _ = backend.inner.marks.set(marks);
        }
        Ok(backend)
    }

    /// In which parts the owner that was found at the opening goes by another configuration than this process.
    #[must_use]
    pub fn goes_by_another(&self) -> Vec<String> {
        let theirs = self.inner.marks.get();
        theirs.map_or_else(Vec::new, |theirs| differing(theirs, &self.inner.config.marks()))
    }

    /// The process that owns the data, as far as can be told.
    #[must_use]
    pub fn owner_pid(&self) -> Option<u32> {
        lock::holder(&self.inner.config.data_dir)
    }

    /// The configuration it was opened with.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.inner.config
    }

    /// Whether this process owns the data now.
    pub async fn is_owner(&self) -> bool {
        matches!(*self.inner.own.lock().await, Own::Yes(_))
    }

    /// [`Backend::call`] for an operation whose progress nobody watches.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn ask(&self, op: Op) -> Result<Reply, BackendError> {
        self.call(op, &mut |_| {}).await
    }

    /// Sends one operation and gives its reply. `progress` gets [`Reply::Progress`] as it comes;
    /// after a change of owner it starts again. Dropping the future stops a run.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn call(
        &self,
        op: Op,
        progress: &mut (dyn FnMut(Reply) + Send),
    ) -> Result<Reply, BackendError> {
        let data_dir = &self.inner.config.data_dir;
        let mut unheard_since = Instant::now();
        let mut broken = 0;
        loop {
            if let Some(owned) = self.owned().await? {
                return owned.call(own_uid(), op, progress).await.ok_or(BackendError::Closed);
            }
            match client::attempt(&place::find(data_dir), &op, progress).await? {
                Attempt::Done(reply) => return Ok(*reply),
                Attempt::Going => unheard_since = Instant::now(),
                Attempt::Broken => {
                    broken += 1;
                    unheard_since = Instant::now();
                    if broken >= MOST_OWNERS {
                        return Err(BackendError::OwnersLost);
                    }
                }
                Attempt::Version(theirs) => {
                    let pid = lock::holder(data_dir);
                    return Err(BackendError::Version { theirs, ours: wire::VERSION.to_owned(), pid });
                }
                Attempt::Silent => return Err(self.silent()),
                Attempt::NotThere => {
                    if self.take_over().await? {
                        continue;
                    }
                    if unheard_since.elapsed() > PATIENCE {
                        return Err(self.silent());
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Lets go of the data, if this process owns it: operations under way end, runs of other fronts
    /// go on at the next owner.
    pub async fn close(&self) {
        let own = std::mem::replace(&mut *self.inner.own.lock().await, Own::Closed);
        if let Own::Yes(holding) = own {
            holding.owned.let_go().await;
            // The socket's files go before the lock: the next owner's must not be removed.
            let owned = Arc::clone(&holding.owned);
            drop(holding);
            owned.unlock();
        }
    }

    fn silent(&self) -> BackendError {
        let data_dir = self.inner.config.data_dir.clone();
        BackendError::Silent { pid: lock::holder(&data_dir), data_dir }
    }

    async fn owned(&self) -> Result<Option<Arc<Owned>>, BackendError> {
        match &*self.inner.own.lock().await {
            Own::No => Ok(None),
            Own::Yes(holding) => Ok(Some(Arc::clone(&holding.owned))),
            Own::Closed => Err(BackendError::Closed),
        }
    }

    /// Takes the lock, listens and opens the data; `false` = somebody else holds the lock.
    async fn take_over(&self) -> Result<bool, BackendError> {
        let mut own = self.inner.own.lock().await;
        match &*own {
            Own::No => {}
            Own::Yes(_) => return Ok(true),
            Own::Closed => return Err(BackendError::Closed),
        }
        let config = &self.inner.config;
        let Some(lock) = lock::DataLock::try_take(&config.data_dir)? else { return Ok(false) };
        let (bound, listener) = place::bind(&config.data_dir)?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        let (owned, opening) = Owned::new(Arc::clone(config), lock);
        // Listen first: fronts that come while the data is being opened wait instead of giving up.
        let accept = tokio::spawn(listen::accept(listener, Arc::clone(&owned)));
        let holding = Holding { owned, accept, bound };
        if let Err(error) = holding.owned.open(opening).await {
            let owned = Arc::clone(&holding.owned);
            drop(holding);
            owned.unlock();
            return Err(error);
        }
        tracing::info!(socket = %holding.bound.socket().display(), "owns the data");
        *own = Own::Yes(holding);
        Ok(true)
    }
}

/// An error's chain in one line, and the hint that its own words give, if they do.
#[must_use]
pub fn words(error: &(dyn std::error::Error + 'static)) -> (String, Option<String>) {
    perform::words(error, None)
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
