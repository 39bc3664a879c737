//! The reading stage: bytes and rights from the connector, the format by content, text from a worker
//! process, canonical text and chunks. One reader has a worker, and another that unpacks archives, whose
//! members it reads as documents under the archive's rights. It must never give up the run for a document.

use super::budget::{Budget, Permit, Short, cost};
use super::{IngestError, IngestOptions, PIPELINE};
use crate::archives::Entry;
use crate::chunking::{Assembled, Assembler, Chunk, Sizer, title_line};
use crate::connectors::{FetchError, Fetched, Item, ItemRights, Rights, SourceConnector, Stamp};
use crate::doors::mint;
use crate::formats::{FailReason, Format, HEAD, Meta, Packed, Sniffed, identify, sniff};
use crate::language;
use crate::worker::{Worker, WorkerError};
use kenward_access::ids::Timestamp;
use kenward_vault::writer::{Known, Link, Standing, Under};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
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
pub(super) struct Task<'l> {
    pub item: &'l Item,
    /// Its place in the listing.
    pub index: usize,
    /// Its rights, by the reading that this pass goes by.
    pub rights: Arc<ItemRights>,
    pub known: Option<Arc<Known>>,
    /// What is recorded of its last failure.
    pub failed: Option<Box<Standing>>,
}

/// A document as it leaves the reading stage.
#[derive(Debug)]
pub(super) struct Arrival {
    pub path: String,
    pub hangs: Hangs,
    /// It is a member of an archive.
    pub archive: bool,
    pub outcome: Outcome,
    /// Held until the document is put.
    pub permit: Option<Permit>,
}

/// The file that a document is read from: its place in the listing, the container that it hangs on, and the state in
/// which it was.
#[derive(Debug, Clone)]
pub(super) struct Hangs {
    pub index: usize,
    pub container: String,
    /// None before it was opened.
    pub stamp: Option<Stamp>,
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
    /// An archive that was gone through: what is in it came before, and links were left out.
    Unpacked { links: u64 },
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
    /// `modified` is what the document itself says.
    pub dated: bool,
    pub language: Option<&'static str>,
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
    pub under: &'a Under,
    /// When the run began: failures that are due by then are tried again.
    pub now: Timestamp,
    /// What is known of members of archives, by their paths, and what is recorded of their last failures.
    pub members: &'a HashMap<String, Arc<Known>>,
    pub failed_members: &'a HashMap<String, Standing>,
    pub worker: Worker,
    pub opener: Worker,
}

/// What a file turned out to be.
enum File {
    One(Outcome),
    Archive { packed: Packed, bytes: Vec<u8>, modified: Timestamp },
}

/// Bytes that did not change while they were read.
struct Stable {
    fetched: Fetched,
    bytes: Vec<u8>,
}

/// A document before it is read.
struct Unread<'a> {
    path: &'a str,
    known: Option<&'a Known>,
    failed: Option<&'a Standing>,
    sniffed: Sniffed,
    modified: Timestamp,
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
    /// Reads a file; what it comes to goes to `give`, which may end it by `false`.
    pub(super) fn read(&mut self, task: &Task<'_>, give: &mut dyn FnMut(Arrival) -> bool) -> bool {
        let path = task.item.path.clone();
        let container = task.rights.container.clone();
        let mut hangs = Hangs { index: task.index, container, stamp: None };
        let mut needs = 0;
        loop {
            let mut raw_hash = None;
            let Some(mut permit) = self.budget.take(needs) else {
                let outcome = Outcome::Failed(FailReason::TooMuchMemory, raw_hash);
                return give(Arrival { path, hangs, archive: false, outcome, permit: None });
            };
            let outcome = match self.file(task, &mut hangs, &mut raw_hash, &mut permit) {
                Ok(File::Archive { packed, bytes, modified }) => {
                    return self.archive(&path, &hangs, (packed, bytes, modified), permit, give);
                }
                Ok(File::One(outcome)) => outcome,
                Err(Trouble::Worker(error)) => failed(error, raw_hash),
                Err(Trouble::Short(short)) => {
                    // Nothing is held while it waits for more.
                    drop(permit);
                    needs = self.budget.more(needs, short);
                    continue;
                }
            };
            return give(Arrival { path, hangs, archive: false, outcome, permit: Some(permit) });
        }
    }

    fn file(
        &mut self,
        task: &Task<'_>,
        hangs: &mut Hangs,
        hashed: &mut Option<[u8; 32]>,
        permit: &mut Permit,
    ) -> Result<File, Trouble> {
        let Some(stable) = self.stable(task.item, permit)? else { return Ok(File::One(Outcome::Unknown)) };
        let Stable { fetched, bytes } = stable;
        hangs.container = fetched.rights.container;
        hangs.stamp = Some(fetched.stamp);
        let modified = fetched.modified;
        match identify(&bytes, &task.item.path) {
            Sniffed::Archive(packed) => Ok(File::Archive { packed, bytes, modified }),
            sniffed => {
                let (known, failed) = (task.known.as_deref(), task.failed.as_deref());
                let unread = Unread { path: &task.item.path, known, failed, sniffed, modified };
                self.document(unread, Arc::new(bytes), hashed, permit).map(File::One)
            }
        }
    }

    /// Unpacks an archive and reads what is in it, each as a document under the archive's rights.
    fn archive(
        &mut self,
        path: &str,
        hangs: &Hangs,
        (packed, bytes, modified): (Packed, Vec<u8>, Timestamp),
        permit: Permit,
        give: &mut dyn FnMut(Arrival) -> bool,
    ) -> bool {
        let idle = self.idle();
        let mut opener = std::mem::replace(&mut self.opener, idle);
        let mut permit = Some(permit);
        let mut goes_on = true;
        let unpacked = opener.unpack(packed, self.rights.rules.format(), bytes, &mut |entry| {
            // The worker answers when it has all of the archive: it is not held here any more.
            permit = None;
            goes_on = give(self.member(path, hangs, entry, modified));
            goes_on
        });
        self.opener = opener;
        let outcome = match unpacked {
            Ok(contents) if contents.entries == 0 && contents.links == 0 => Outcome::Blank,
            Ok(contents) => Outcome::Unpacked { links: contents.links },
            Err(WorkerError::Document(FailReason::NoArchive)) => Outcome::Unknown,
            Err(error) => failed(error, None),
        };
        let (path, hangs) = (path.to_owned(), hangs.clone());
        goes_on && give(Arrival { path, hangs, archive: false, outcome, permit })
    }

    /// A place for a worker that is not started.
    fn idle(&self) -> Worker {
        Worker::new(self.options.worker.clone(), self.options.limits)
    }

    fn member(&mut self, archive: &str, hangs: &Hangs, entry: Entry, changed: Timestamp) -> Arrival {
        // INVARIANT: a member hangs where its archive hangs.
        let arrival = |path: &str, outcome, permit| Arrival {
            path: format!("{archive}/{path}"),
            hangs: hangs.clone(),
            archive: true,
            outcome,
            permit,
        };
        let (path, modified, bytes) = match entry {
            Entry::Failed { path, reason } => return arrival(&path, Outcome::Failed(reason, None), None),
            Entry::File { path, modified, bytes } => (path, modified, Arc::new(bytes)),
        };
        let whole = format!("{archive}/{path}");
        let modified = modified.map_or(changed, |own| member_time(Timestamp(own), changed));
        let (known, recorded) = (self.members.get(&whole).map(Arc::as_ref), self.failed_members.get(&whole));
        let length = bytes.len() as u64;
        let mut needs = length;
        loop {
            let mut raw_hash = None;
            let sniffed = identify(&bytes, &path);
            // Its bytes came with the others': only what is made of them can wait.
            let Some(mut permit) = self.budget.take(needs) else {
                return arrival(&path, Outcome::Failed(FailReason::TooMuchMemory, raw_hash), None);
            };
            let outcome = if length > self.options.max_text_bytes && sniffed != Sniffed::Unknown {
                Outcome::Failed(FailReason::TooLarge, None)
            } else {
                let unread = Unread { path: &whole, known, failed: recorded, sniffed, modified };
                match self.document(unread, Arc::clone(&bytes), &mut raw_hash, &mut permit) {
                    Ok(outcome) => outcome,
                    Err(Trouble::Worker(error)) => failed(error, raw_hash),
                    Err(Trouble::Short(short)) => {
                        drop(permit);
                        needs = self.budget.more(needs, short);
                        continue;
                    }
                }
            };
            return arrival(&path, outcome, Some(permit));
        }
    }

    /// Reads one document, unless its bytes are those that are known.
    fn document(
        &mut self,
        unread: Unread<'_>,
        bytes: Arc<Vec<u8>>,
        hashed: &mut Option<[u8; 32]>,
        permit: &mut Permit,
    ) -> Result<Outcome, Trouble> {
        let Unread { path, known, failed, sniffed, modified } = unread;
        let mut format = match sniffed {
            Sniffed::Empty => return Ok(Outcome::Blank),
            Sniffed::Unknown | Sniffed::Container | Sniffed::Archive(_) => return Ok(Outcome::Unknown),
            Sniffed::Refused(reason) => return Err(reason.into()),
            Sniffed::Known(format) => format,
        };
        let raw_hash: [u8; 32] = Sha256::digest(bytes.as_slice()).into();
        *hashed = Some(raw_hash);
        let embeds = self.options.embedder.is_some();
        let same = known.is_some_and(|known| {
            known.raw_hash == raw_hash && known.pipeline == PIPELINE && (known.embedded || !embeds)
        });
        if same {
            let own = known.filter(|known| known.dated).map(|known| known.modified);
            return Ok(Outcome::Unchanged(own.unwrap_or(modified)));
        }
        let stands = |failed: &Standing| failed.stands(&raw_hash, self.under, self.now);
        if !self.options.retry_failed && failed.is_some_and(stands) {
            return Ok(Outcome::StillFailed);
        }
        let length = bytes.len() as u64;
        if length > WINDOWED && format.is_text() {
            format = Format::Text;
        }
        let (meta, assembled) = self.extract(format, bytes, permit)?;
        let title = meta.title.as_ref().map(title_line).filter(|title| !title.is_empty());
        let title = title.unwrap_or_else(|| title_line(&mint(stem(path).to_owned())));
        let mut removed = assembled.removed;
        for (signal, times) in &meta.signals {
            if let Some(kind) = signal.removed() {
                *removed.entry(kind.to_owned()).or_default() += times;
            }
        }
        let own = meta.modified.map(Timestamp).filter(|own| plausible(*own, self.now));
        Ok(Outcome::Ready(Box::new(Prepared {
            title,
            format,
            modified: own.unwrap_or(modified),
            dated: own.is_some(),
            language: language::of(&assembled.text),
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
        bytes: Arc<Vec<u8>>,
        permit: &mut Permit,
    ) -> Result<(Meta, Assembled), Trouble> {
        let raw = bytes.len() as u64;
        let most = usize::try_from(self.options.max_text_bytes).unwrap_or(usize::MAX);
        let (meta, assembler, short) = loop {
            let mut assembler = Assembler::new(self.sizer.clone());
            let mut short = None;
            let mut granted = 0;
            let read = self.worker.extract(format, &bytes, &mut |block| {
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
            });
            match read {
                // INVARIANT (I9): whether a document is read does not depend on what its worker read before it.
                Err(WorkerError::Document(reason))
                    if reason.is_of_limits() && self.worker.lost_a_used_one() => {}
                read => break (read?, assembler, short),
            }
        };
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
            let mut fetched = match self.connector.fetch(item, self.rights) {
                Err(FetchError::Moving) => continue,
                fetched => fetched.map_err(|error| reason(&error))?,
            };
            let mut bytes = Vec::new();
            let head = (&mut fetched.file).take(HEAD as u64).read_to_end(&mut bytes);
            head.map_err(|_| FailReason::Unreadable)?;
            if sniff(&bytes, &item.path) == Sniffed::Unknown {
                // Half of something else may look like nothing that is read.
                if self.connector.still(&fetched) {
                    return Ok(None);
                }
                continue;
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

fn failed(error: WorkerError, raw_hash: Option<[u8; 32]>) -> Outcome {
    match error {
        WorkerError::Document(reason) => Outcome::Failed(reason, raw_hash),
        WorkerError::Start(error) => Outcome::Fatal(IngestError::Worker(error)),
    }
}

/// Whether a document may say of itself that it was changed then: not before there were documents, and not
/// later than now, but for a clock that is a day off.
fn plausible(own: Timestamp, now: Timestamp) -> bool {
    own.0 >= FIRST && own.0 <= now.0.saturating_add(DAY)
}

/// 1980-01-02, the day after which ZIP files have times.
const FIRST: i64 = 315_619_200_000;
const DAY: i64 = 86_400_000;

/// When a member was changed: as the archive states it, unless that is absurd or later than the archive's own
/// change, which it cannot be by more than the zone that a ZIP file does not write down.
fn member_time(own: Timestamp, archive: Timestamp) -> Timestamp {
    let fits = own.0 >= FIRST && own.0 <= archive.0.saturating_add(DAY);
    if fits { own } else { archive }
}

fn reason(error: &FetchError) -> FailReason {
    match error {
        FetchError::Vanished | FetchError::RightsMoved | FetchError::Moving => FailReason::Changed,
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
