//! Worker processes: every parser runs in one, with limits on CPU time, memory, output and wall time.

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

/// Body of a worker process: reads requests from standard input, writes results to standard output,
/// until standard input ends. Sets its own limits first.
///
/// # Errors
/// An I/O error of the pipes.
pub fn main() -> std::io::Result<()> {
    todo!()
}
