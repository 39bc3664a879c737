//! The reading stage: bytes and rights from the connector, the format by content, text from a worker
//! process, canonical text and chunks. One reader has one worker. It must never give up the run for
//! a document.

use super::budget::{Budget, Permit, Short, cost};
use super::{IngestError, IngestOptions, PIPELINE};
use crate::chunking::{Assembled, Assembler, Chunk, Sizer, title_line};
use crate::connectors::{FetchError, Fetched, Item, Rights, SourceConnector};
use crate::doors::mint;
use crate::formats::{FailReason, Format, HEAD, Meta, Sniffed, sniff};
use crate::worker::{Worker, WorkerError};
use kenward_access::ids::Timestamp;
use kenward_vault::writer::{Known, Link, Standing, Under};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

/// Text above this size is read as plain text, in windows, whatever its name says.
const WINDOWED: u64 = 50 << 20;
/// Memory for text is asked for in steps of so many bytes.
const AHEAD: u64 = 256 << 10;
/// How often a file that changes while it is read is read again.
const TRIES: usize = 3;

/// One document to read.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub item: Item,
    pub known: Option<Known>,
    /// What is recorded of its last failure.
    pub failed: Option<Standing>,
}

/// A document as it leaves the reading stage.
#[derive(Debug)]
pub(super) struct Arrival {
    pub path: String,
    pub container: String,
    pub outcome: Outcome,
    /// Held until the document is put.
    pub permit: Option<Permit>,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The same bytes as before.
    Unchanged(Timestamp),
    /// Not a format that is read.
    Unknown,
    /// It failed; with the hash of its bytes, if all of them were read.
    Failed(FailReason, Option<[u8; 32]>),
    /// The same bytes failed before, under the same limits, and it is too early to try again.
    StillFailed,
    /// It was read and has no byte: a state of its own, unlike a failure to see its state.
    Blank,
    /// It was read.
    Ready(Box<Prepared>),
    /// The run cannot go on.
    Fatal(IngestError),
}

/// A document that was read and cut.
#[derive(Debug)]
pub(super) struct Prepared {
    pub title: String,
    pub format: Format,
    pub modified: Timestamp,
    pub length: u64,
    pub raw_hash: [u8; 32],
    pub text: String,
    pub chunks: Vec<Chunk>,
    pub links: Vec<Link>,
    pub flags: Vec<String>,
    pub removed: BTreeMap<String, u64>,
}

/// A reader: its worker and what it needs to know.
pub(super) struct Reader<'a> {
    pub connector: &'a dyn SourceConnector,
    pub rights: &'a Rights,
    pub options: &'a IngestOptions,
    pub sizer: Sizer,
    pub budget: Budget,
    pub worker: Worker,
    pub under: &'a Under,
    /// When the run began: failures that are due by then are tried again.
    pub now: Timestamp,
}

/// Bytes that did not change while they were read.
struct Stable {
    fetched: Fetched,
    bytes: Vec<u8>,
}

/// Why a reading came to no end.
enum Trouble {
    Worker(WorkerError),
    /// It needs more memory than it got: once more, with more.
    Short(Short),
}

impl From<WorkerError> for Trouble {
    fn from(error: WorkerError) -> Self {
        Self::Worker(error)
    }
}

impl From<FailReason> for Trouble {
    fn from(reason: FailReason) -> Self {
        Self::Worker(reason.into())
    }
}

impl From<Short> for Trouble {
    fn from(short: Short) -> Self {
        Self::Short(short)
    }
}

impl Reader<'_> {
    pub(super) fn read(&mut self, task: &Task) -> Arrival {
        let mut read = Arrival {
            path: task.item.path.clone(),
            container: self.rights.rules.of_file(&task.item.path).container,
            outcome: Outcome::Unknown,
            permit: None,
        };
        let mut needs = 0;
        loop {
            let mut raw_hash = None;
            let Some(mut permit) = self.budget.take(needs) else {
                read.outcome = Outcome::Failed(FailReason::TooMuchMemory, raw_hash);
                return read;
            };
            read.outcome = match self.outcome(task, &mut read.container, &mut raw_hash, &mut permit) {
                Ok(outcome) => outcome,
                Err(Trouble::Worker(WorkerError::Document(reason))) => Outcome::Failed(reason, raw_hash),
                Err(Trouble::Worker(WorkerError::Start(error))) => Outcome::Fatal(IngestError::Worker(error)),
                Err(Trouble::Short(short)) => {
                    // Nothing is held while it waits for more.
                    drop(permit);
                    needs = self.budget.more(needs, short);
                    continue;
                }
            };
            read.permit = Some(permit);
            return read;
        }
    }

    fn outcome(
        &mut self,
        task: &Task,
        container: &mut String,
        hashed: &mut Option<[u8; 32]>,
        permit: &mut Permit,
    ) -> Result<Outcome, Trouble> {
        let Some(stable) = self.stable(&task.item, permit)? else { return Ok(Outcome::Unknown) };
        let Stable { fetched, bytes } = stable;
        container.clone_from(&fetched.rights.container);
        let mut format = match sniff(&bytes, &task.item.path) {
            Sniffed::Empty => return Ok(Outcome::Blank),
            Sniffed::Unknown => return Ok(Outcome::Unknown),
            Sniffed::Known(format) => format,
        };
        let raw_hash: [u8; 32] = Sha256::digest(&bytes).into();
        *hashed = Some(raw_hash);
        let embeds = self.options.embedder.is_some();
        let same = task.known.as_ref().is_some_and(|known| {
            known.raw_hash == raw_hash && known.pipeline == PIPELINE && (known.embedded || !embeds)
        });
        if same {
            return Ok(Outcome::Unchanged(fetched.modified));
        }
        let stands = |failed: &Standing| failed.stands(&raw_hash, self.under, self.now);
        if !self.options.retry_failed && task.failed.as_ref().is_some_and(stands) {
            return Ok(Outcome::StillFailed);
        }
        let length = bytes.len() as u64;
        if length > WINDOWED && format != Format::Pdf {
            format = Format::Text;
        }
        let (meta, assembled) = self.extract(format, bytes, permit)?;
        let title = meta.title.as_ref().map(title_line).filter(|title| !title.is_empty());
        let title = title.unwrap_or_else(|| title_line(&mint(stem(&task.item.path).to_owned())));
        let mut removed = assembled.removed;
        for (signal, times) in &meta.signals {
            if let Some(kind) = signal.removed() {
                *removed.entry(kind.to_owned()).or_default() += times;
            }
        }
        Ok(Outcome::Ready(Box::new(Prepared {
            title,
            format,
            modified: fetched.modified,
            length,
            raw_hash,
            flags: flags(&meta, &removed),
            text: assembled.text,
            chunks: assembled.chunks,
            links: assembled.links,
            removed,
        })))
    }

    fn extract(
        &mut self,
        format: Format,
        bytes: Vec<u8>,
        permit: &mut Permit,
    ) -> Result<(Meta, Assembled), Trouble> {
        let bytes = Arc::new(bytes);
        let raw = bytes.len() as u64;
        let most = usize::try_from(self.options.max_text_bytes).unwrap_or(usize::MAX);
        let mut assembler = Assembler::new(self.sizer.clone());
        let mut short = None;
        let mut granted = 0;
        let meta = self.worker.extract(format, &bytes, &mut |block| {
            if assembler.len() > most || short.is_some() {
                return;
            }
            let text = assembler.len() as u64;
            if text >= granted {
                granted = text + AHEAD;
                // The text, and what is known of its passages so far.
                short = permit.grow_to(raw + granted + granted / 4).err();
            }
            assembler.push(&block);
        })?;
        drop(bytes);
        if assembler.len() > most {
            return Err(FailReason::TooMuchText.into());
        }
        if let Some(short) = short {
            return Err(short.into());
        }
        let assembled = assembler.finish();
        // The sanitizer may have taken all there was.
        if assembled.chunks.is_empty() {
            return Err(FailReason::Empty.into());
        }
        let dimension = self.options.embedder.as_ref().map_or(0, |embedder| embedder.space().dimension);
        let cost = cost(&assembled, dimension);
        permit.grow_to(cost)?;
        permit.shrink_to(cost);
        Ok((meta, assembled))
    }

    /// Reads the file; `None` = not a format that is read, told by its head alone.
    fn stable(&self, item: &Item, permit: &mut Permit) -> Result<Option<Stable>, Trouble> {
        for _ in 0..TRIES {
            let mut fetched = self.connector.fetch(item, self.rights).map_err(|error| reason(&error))?;
            let mut bytes = Vec::new();
            let head = (&mut fetched.file).take(HEAD as u64).read_to_end(&mut bytes);
            head.map_err(|_| FailReason::Unreadable)?;
            if sniff(&bytes, &item.path) == Sniffed::Unknown {
                return Ok(None);
            }
            if fetched.length > self.options.max_text_bytes {
                return Err(FailReason::TooLarge.into());
            }
            permit.grow_to(fetched.length)?;
            // One more than its length tells that it grew.
            let rest = fetched.length.saturating_sub(bytes.len() as u64).saturating_add(1);
            bytes.reserve(usize::try_from(fetched.length).unwrap_or(0).saturating_sub(bytes.len()));
            (&mut fetched.file).take(rest).read_to_end(&mut bytes).map_err(|_| FailReason::Unreadable)?;
            let after = self.connector.still(&fetched);
            if after && bytes.len() as u64 == fetched.length {
                return Ok(Some(Stable { fetched, bytes }));
            }
        }
        Err(FailReason::Changed.into())
    }
}

fn reason(error: &FetchError) -> FailReason {
    match error {
        FetchError::Vanished => FailReason::Changed,
        FetchError::NotAFile | FetchError::Io(_) => FailReason::Unreadable,
    }
}

/// The file's name without its ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Signals that a reader should know of.
fn flags(meta: &Meta, removed: &BTreeMap<String, u64>) -> Vec<String> {
    const HIDDEN: [&str; 9] = [
        "tags",
        "variation_selector",
        "bidi",
        "zero_width",
        "soft_hyphen",
        "filler",
        "interlinear",
        "noncharacter",
        "control",
    ];
    let mut flags: Vec<String> =
        meta.signals.keys().filter_map(|signal| signal.flag()).map(str::to_owned).collect();
    if HIDDEN.iter().any(|kind| removed.contains_key(*kind)) {
        flags.push("hidden_characters_removed".to_owned());
    }
    if ["role_token", "role_header", "fence", "forced", "link_marker"]
        .iter()
        .any(|kind| removed.contains_key(*kind))
    {
        flags.push("forged_marks_broken".to_owned());
    }
    flags.sort();
    flags
}
