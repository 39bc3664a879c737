//! Worker processes: every parser runs in one, with limits on CPU time, memory, output and wall time.
//!
//! The parent sends a header and the document's bytes, and gets blocks back in frames. A worker opens
//! no file, inherits no environment, and says nothing that is not a number, a fixed word, or text of
//! the document, which stays [`UntrustedText`]. A well-behaved worker is used again; one that dies,
//! hangs or talks nonsense is replaced, and its document fails with a reason.
//!
//! [`UntrustedText`]: kenward_access::untrusted::UntrustedText

mod child;
mod frame;
mod parent;

pub use child::main;
pub use parent::{Worker, WorkerError};

/// The one variable that a worker gets: its limits.
const LIMITS_VARIABLE: &str = "KENWARD_WORKER_LIMITS";

/// Limits of one worker process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// CPU seconds.
    pub cpu_seconds: u64,
    /// Address space in bytes.
    pub memory_bytes: u64,
    /// Wall-clock seconds.
    pub wall_seconds: u64,
    /// Bytes of extracted output.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cpu_seconds: 60, memory_bytes: 2 << 30, wall_seconds: 120, output_bytes: 400 << 20 }
    }
}

/// How to start a worker: the program (this very binary) and the arguments that make it one
/// (`["__worker"]`; the command line hides that verb and calls [`main`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The program.
    pub program: std::path::PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}
