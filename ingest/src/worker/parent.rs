//! The outside of a worker process: starts it, feeds it one document at a time, enforces the wall
//! clock and the size of what comes back. It must never wait for a worker without a deadline, and
//! never believe one: reasons are an enum, titles and texts are untrusted.

use super::frame::{self, Job, Reply, Request};
use super::{LIMITS_VARIABLE, Limits, WorkerCommand};
use crate::archives::names::{Place, place};
use crate::archives::{Contents, Entry};
use crate::doors::mint;
use crate::formats::{Block, FailReason, Format, Meta, Packed};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use kenward_vault::writer::RightsFormat;
use std::io::{BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After a document of this size a worker is let go: its memory went up with it.
const LARGE: usize = 16 << 20;

/// Why a document was not read.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The document's own fault: recorded as a failure of it.
    #[error(transparent)]
    Document(#[from] FailReason),
    /// No worker could be started.
    #[error("starting a worker process")]
    Start(#[source] std::io::Error),
}

/// A place for one worker process, started when it is first needed.
#[derive(Debug)]
pub struct Worker {
    command: WorkerCommand,
    limits: Limits,
    process: Option<Process>,
    used: bool,
}

#[derive(Debug)]
struct Process {
    child: Child,
    jobs: Sender<Sent>,
    frames: Receiver<Frame>,
    errors: Receiver<Vec<u8>>,
    busy: Duration,
}

type Sent = (Job, Arc<Vec<u8>>);
type Frame = std::io::Result<Option<Vec<u8>>>;

impl Worker {
    /// A place for a worker; nothing is started yet.
    #[must_use]
    pub fn new(command: WorkerCommand, limits: Limits) -> Self {
        Self { command, limits, process: None, used: false }
    }

    /// Whether the process that its last document was given to had read others before, and is gone.
    #[must_use]
    pub fn lost_a_used_one(&self) -> bool {
        self.used && self.process.is_none()
    }

    /// The process that stands ready, if one does: for `doctor` and tests.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    /// Reads one document; blocks go to `take` as they come.
    ///
    /// # Errors
    /// [`WorkerError`]. After a failure some blocks may have been given: throw them away.
    pub fn extract(
        &mut self,
        format: Format,
        bytes: &Arc<Vec<u8>>,
        take: &mut dyn FnMut(Block),
    ) -> Result<Meta, WorkerError> {
        let output = self.limits.output_bytes;
        self.give(Job::Extract(format), Arc::clone(bytes), |process, deadline| {
            process.collect(deadline, output, take)
        })
    }

    /// Unpacks an archive; what is in it goes to `take` as it comes, which may end it by `false`.
    ///
    /// # Errors
    /// [`WorkerError`]; [`FailReason::NoArchive`] for what is none. Unless a worker died in the middle, nothing was given
    /// before.
    pub(crate) fn unpack(
        &mut self,
        packed: Packed,
        rights: RightsFormat,
        bytes: Vec<u8>,
        take: &mut dyn FnMut(Entry) -> bool,
    ) -> Result<Contents, WorkerError> {
        let mut bytes = Some(Arc::new(bytes));
        while let Some(all) = bytes.clone() {
            let unpacked = self.give(Job::Unpack(packed, rights), all, |process, deadline| {
                process.collect_members(deadline, rights, &mut |entry| {
                    bytes = None;
                    take(entry)
                })
            });
            match unpacked {
                // As with documents: once more in a fresh one, if nothing was given yet.
                Err(WorkerError::Document(reason))
                    if reason.is_of_limits() && self.lost_a_used_one() && bytes.is_some() => {}
                unpacked => return unpacked,
            }
        }
        Err(FailReason::CrashedParser.into())
    }

    /// Gives a process something to do, and keeps the process if it did it well.
    fn give<T>(
        &mut self,
        job: Job,
        bytes: Arc<Vec<u8>>,
        collect: impl FnOnce(&mut Process, Instant) -> Result<Result<T, FailReason>, Trouble>,
    ) -> Result<T, WorkerError> {
        self.used = self.process.is_some();
        let mut process = match self.process.take() {
            Some(process) => process,
            None => self.start().map_err(WorkerError::Start)?,
        };
        let length = bytes.len();
        let begun = Instant::now();
        let deadline = begun + Duration::from_secs(self.limits.wall_seconds);
        let outcome = match process.jobs.send((job, bytes)) {
            Ok(()) => collect(&mut process, deadline),
            Err(_) => Err(Trouble::Gone),
        };
        process.busy += begun.elapsed();
        match outcome {
            Ok(result) => {
                self.keep(process, length);
                Ok(result?)
            }
            Err(trouble) => Err(process.end(trouble).into()),
        }
    }

    /// Keeps a well-behaved process, unless it has used much of its time or memory: so that what a
    /// document may use does not depend on what was read before it.
    fn keep(&mut self, mut process: Process, size: usize) {
        if size < LARGE && process.busy < Duration::from_secs(self.limits.cpu_seconds) / 8 {
            self.process = Some(process);
        } else {
            process.stop();
        }
    }

    fn start(&self) -> std::io::Result<Process> {
        let mut child = Command::new(&self.command.program)
            .args(&self.command.args)
            .env_clear()
            .env(LIMITS_VARIABLE, format!("{},{}", self.limits.cpu_seconds, self.limits.memory_bytes))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let missing = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let (jobs, to_send) = bounded(1);
        let (received, frames) = bounded(2);
        let (said, errors) = bounded(1);
        // Three small threads end when the process does: its pipes close.
        std::thread::spawn(move || feed(stdin, &to_send));
        std::thread::spawn(move || listen(stdout, &received));
        std::thread::spawn(move || overhear(stderr, &said));
        Ok(Process { child, jobs, frames, errors, busy: Duration::ZERO })
    }
}

/// Something that costs the process its life.
enum Trouble {
    Late,
    Gone,
    Nonsense,
    TooMuch,
    Stopped,
}

impl Process {
    fn collect(
        &mut self,
        deadline: Instant,
        mut output: u64,
        take: &mut dyn FnMut(Block),
    ) -> Result<Result<Meta, FailReason>, Trouble> {
        loop {
            let bytes = self.next(deadline)?;
            output = output.checked_sub(bytes.len() as u64).ok_or(Trouble::TooMuch)?;
            match serde_json::from_slice::<Reply<'_>>(&bytes) {
                Ok(Reply::Blocks(blocks)) => blocks.into_iter().for_each(|block| take(block.mint())),
                Ok(Reply::Done { title, modified, signals }) => {
                    let title = title.map(|title| mint(title.into_owned()));
                    return Ok(Ok(Meta { title, modified, signals: signals.into_iter().collect() }));
                }
                Ok(Reply::Failed(reason)) => return Ok(Err(reason)),
                _ => return Err(Trouble::Nonsense),
            }
        }
    }

    fn collect_members(
        &mut self,
        mut deadline: Instant,
        rights: RightsFormat,
        take: &mut dyn FnMut(Entry) -> bool,
    ) -> Result<Result<Contents, FailReason>, Trouble> {
        loop {
            let reply = self.next(deadline)?;
            let entry = match serde_json::from_slice::<Reply<'_>>(&reply) {
                Ok(Reply::Member { path, modified, length }) => {
                    // INVARIANT: whatever a worker says, no path leads out of the archive.
                    if place(path.as_bytes(), rights) != Place::Document(path.to_string()) {
                        return Err(Trouble::Nonsense);
                    }
                    let path = path.into_owned();
                    Entry::File { path, modified, bytes: self.bytes(length, deadline)? }
                }
                Ok(Reply::MemberFailed { path, reason }) => Entry::Failed { path: path.into_owned(), reason },
                Ok(Reply::Unpacked { entries, links }) => return Ok(Ok(Contents { entries, links })),
                Ok(Reply::Failed(reason)) => return Ok(Err(reason)),
                _ => return Err(Trouble::Nonsense),
            };
            // Whoever takes it may have to wait for others: that time is not the worker's.
            let begun = Instant::now();
            if !take(entry) {
                return Err(Trouble::Stopped);
            }
            deadline += begun.elapsed();
        }
    }

    fn bytes(&mut self, length: u64, deadline: Instant) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < length {
            bytes.append(&mut self.next(deadline)?);
        }
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(Trouble::Nonsense) }
    }

    fn next(&mut self, deadline: Instant) -> Result<Vec<u8>, Trouble> {
        match self.frames.recv_deadline(deadline) {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => Err(Trouble::Nonsense),
            Ok(Ok(None) | Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(Trouble::Gone),
            Err(RecvTimeoutError::Timeout) => Err(Trouble::Late),
        }
    }

    /// Ends the process and says what its document's failure is called.
    fn end(mut self, trouble: Trouble) -> FailReason {
        match trouble {
            Trouble::Late => {
                self.stop();
                FailReason::Timeout
            }
            Trouble::TooMuch => {
                self.stop();
                FailReason::TooMuchText
            }
            Trouble::Stopped => {
                self.stop();
                FailReason::Changed
            }
            Trouble::Nonsense => {
                self.stop();
                FailReason::CrashedParser
            }
            Trouble::Gone => {
                // It closed its pipe: it is ending, or hangs without one.
                let last_words = self.errors.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
                let status = self.wait(Duration::from_secs(2));
                self.stop();
                status.map_or(FailReason::CrashedParser, |status| reason_of(status, &last_words))
            }
        }
    }

    fn wait(&mut self, most: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + most;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    fn stop(&mut self) {
        // Already gone is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Linux numbers; the same on the BSDs.
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

fn reason_of(status: ExitStatus, last_words: &[u8]) -> FailReason {
    // The allocator's own words before it aborts, which hold numbers only.
    if last_words.windows(20).any(|words| words == b"memory allocation of") {
        return FailReason::OutOfMemory;
    }
    match status.signal() {
        Some(SIGXCPU) => FailReason::Timeout,
        // Nobody else kills it: the CPU limit's hard end, or the system out of memory.
        Some(SIGKILL) => FailReason::OutOfMemory,
        _ => FailReason::CrashedParser,
    }
}

fn feed(mut to: ChildStdin, jobs: &Receiver<Sent>) {
    for (job, bytes) in jobs {
        let sent = frame::write(&mut to, &Request { job, length: bytes.len() as u64 })
            .and_then(|()| to.write_all(&bytes))
            .and_then(|()| to.flush());
        if sent.is_err() {
            return;
        }
    }
}

fn listen(from: ChildStdout, frames: &Sender<Frame>) {
    let mut from = BufReader::with_capacity(1 << 16, from);
    loop {
        let next = frame::read_bytes(&mut from);
        let last = !matches!(next, Ok(Some(_)));
        if frames.send(next).is_err() || last {
            return;
        }
    }
}

/// Keeps the first words of standard error and drains the rest. They are only compared, never shown.
fn overhear(mut from: ChildStderr, said: &Sender<Vec<u8>>) {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if kept.len() < 4096 {
            kept.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
    }
    // The process is gone if nobody listens any more.
    let _ = said.send(kept);
}
