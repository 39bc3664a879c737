//! One owner of the data: the process that holds the lock answers for all; every front reaches it
//! through a [`Backend`], in process or over the control socket.

pub mod ops;

use ops::{Op, Reply};

/// What can go wrong in reaching the owner.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Another process holds the lock, and its socket does not answer.
    #[error(
        "another process (pid {pid:?}) holds the lock of {data_dir}, and its control socket does not answer"
    )]
    Silent {
        /// The lock's holder, if it can be told.
        pid: Option<u32>,
        /// The folder.
        data_dir: std::path::PathBuf,
    },
    /// The owner is another version of this program.
    #[error("the owner of the data runs version {theirs}, this is {ours}")]
    Version {
        /// Of the owner.
        theirs: String,
        /// Of this process.
        ours: String,
    },
    /// The data could not be opened.
    #[error(transparent)]
    Vault(#[from] kenward_vault::VaultError),
    /// The socket or a file failed.
    #[error("talking to the owner of the data")]
    Io(#[from] std::io::Error),
}

/// The way to the owner: this process if it holds the lock, else the control socket. When the owner
/// goes, the next call takes the lock or finds the new owner, and is tried again.
#[derive(Clone)]
pub struct Backend {}

impl Backend {
    /// Sends one operation and gives its reply. `progress` gets [`Reply::Progress`] as it comes.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn call(
        &self,
        _op: Op,
        _progress: &mut (dyn FnMut(Reply) + Send),
    ) -> Result<Reply, BackendError> {
        todo!()
    }
}
