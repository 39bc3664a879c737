//! Bytes to blocks. A sniffer decides by content; one extractor per format walks the bytes and gives
//! blocks of text in reading order, hidden text left out and counted. All of this runs in a worker
//! process ([`crate::worker`]): nothing here may open a file, and nothing here is trusted to end.

mod dates;
mod docx;
mod html;
mod links;
mod markdown;
pub(crate) mod package;
mod pdf;
mod sniff;
mod text;

pub use sniff::{Format, HEAD, Packed, Sniffed, identify, sniff};
pub(crate) use text::cut_point;

use kenward_access::untrusted::UntrustedText;
use kenward_vault::writer::Again;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// A heading of level 1 to 6.
    Heading(u8),
    /// Running text.
    Paragraph,
    /// One item of a list, with its bullet.
    ListItem,
    /// The head row of a table, cells joined by ` | `.
    TableHead,
    /// A row of a table.
    TableRow,
    /// Code or other text whose line breaks count.
    Code,
}

/// A piece of a document, in reading order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Page from 1, where the format has pages.
    pub page: Option<u32>,
    /// Its text, not sanitized yet. Links stand in it as `[text](<url>)`.
    pub text: UntrustedText,
}

/// A signal about a document, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Bytes that were no valid text and became U+FFFD.
    ReplacementCharacters,
    /// Bytes that were no UTF-8, of a text that states no encoding: taken for Windows-1252.
    GuessedEncoding,
    /// Runs of text that a reader would not have seen; left out.
    HiddenText,
    /// Comments; left out.
    Comments,
    /// Pages that could not be read; the others were kept.
    PagesFailed,
    /// Passages that were deleted while changes were tracked; left out.
    Deletions,
    /// Parts of a document in a form that is not read.
    PartsNotRead,
}

impl Signal {
    /// The flag in a document's `trust.flags`, for signals that a reader should know of.
    #[must_use]
    pub fn flag(self) -> Option<&'static str> {
        match self {
            Self::ReplacementCharacters => Some("replacement_characters"),
            Self::GuessedEncoding => Some("encoding_guessed"),
            Self::HiddenText => Some("hidden_text_removed"),
            Self::PagesFailed => Some("pages_failed"),
            Self::PartsNotRead => Some("parts_not_read"),
            Self::Comments | Self::Deletions => None,
        }
    }

    /// The name under which it is counted in `trust.removed`, for signals that removed text.
    #[must_use]
    pub fn removed(self) -> Option<&'static str> {
        match self {
            Self::HiddenText => Some("hidden_text"),
            Self::Comments => Some("comment"),
            Self::Deletions => Some("tracked_deletion"),
            Self::ReplacementCharacters | Self::GuessedEncoding | Self::PagesFailed | Self::PartsNotRead => {
                None
            }
        }
    }
}

/// What an extractor knows at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// The document's own title.
    pub title: Option<UntrustedText>,
    /// When it was last changed, as the document states it: milliseconds UTC, plausible or not.
    pub modified: Option<i64>,
    /// Signals and how often.
    pub signals: BTreeMap<Signal, u64>,
}

impl Meta {
    fn count(&mut self, signal: Signal, times: u64) {
        if times > 0 {
            *self.signals.entry(signal).or_default() += times;
        }
    }
}

/// Why a document gives no text. The fixed taxonomy of failures; each has fixed words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// It could not be read from its source.
    #[error("the source refused to give it")]
    Unreadable,
    /// It went away or changed while it was read.
    #[error("it changed or went away while it was read; the next run tries again")]
    Changed,
    /// A password is needed.
    #[error("it is encrypted; store a copy without a password")]
    Encrypted,
    /// Not what its format demands.
    #[error("its structure is damaged; open and save it again with the program that made it")]
    Broken,
    /// Text in an encoding that is not UTF-8.
    #[error("more than a tenth of it is not valid UTF-8; save it as UTF-8")]
    Encoding,
    /// No bytes, or no text in them.
    #[error("there is no text in it")]
    Empty,
    /// Larger than the limit.
    #[error("it is larger than the limit for one document")]
    TooLarge,
    /// More text came out than the limit allows.
    #[error("more text came out of it than the limit for one document")]
    TooMuchText,
    /// More would be unpacked than the limit allows.
    #[error("it unpacks to more than the limit, as files made to do harm do")]
    Expands,
    /// Packed by a method that is not read.
    #[error("it is packed by a method that is not read; pack it again with deflate, as most programs do")]
    Packing,
    /// It looks like an archive and is none.
    #[error("it is of no known format")]
    NoArchive,
    /// An archive with a rights file in it.
    #[error(
        "it holds a rights file, which is not read inside an archive, so that nobody sees any of it; unpack it into the source, or take the rights file out"
    )]
    RightsInside,
    /// An archive within archives beyond the limit.
    #[error("it is an archive within an archive within an archive; unpack the outer ones")]
    Nested,
    /// A member's name that leads out of the archive, or that programs read differently.
    #[error(
        "its name in the archive is absolute, leads upwards, is not UTF-8, or holds a backslash or control characters; rename it"
    )]
    Name,
    /// Two members of one name.
    #[error("its name stands in the archive more than once; rename or remove one")]
    Twice,
    /// Documents under way may not hold so much memory.
    #[error("it needs more memory than `ingest.memory` allows; raise that")]
    TooMuchMemory,
    /// Elements within elements beyond the limit.
    #[error("its elements are nested deeper than the limit")]
    TooDeep,
    /// Too much time.
    #[error("reading it took longer than the limit")]
    Timeout,
    /// Too much memory.
    #[error("reading it took more memory than the limit")]
    OutOfMemory,
    /// The parser died or answered nonsense.
    #[error("the parser crashed on it")]
    CrashedParser,
    /// Its rights kept changing while it was read.
    #[error("its rights kept changing while it was read; the next run tries again")]
    RightsChanging,
}

impl FailReason {
    /// Whether a worker came to its limits over it, or died.
    pub(crate) fn is_of_limits(self) -> bool {
        matches!(self, Self::Timeout | Self::OutOfMemory | Self::CrashedParser)
    }

    /// The word that is recorded.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Changed => "changed_while_read",
            Self::Encrypted => "encrypted",
            Self::Broken | Self::Encoding | Self::Packing => "broken",
            Self::Empty => "empty",
            Self::TooLarge | Self::TooMuchText | Self::TooMuchMemory | Self::TooDeep => "too_large",
            Self::Expands => "unpacks_too_large",
            Self::Nested => "nested_archive",
            Self::Name | Self::Twice => "bad_name",
            Self::NoArchive => "unknown_format",
            Self::Timeout => "timeout",
            Self::OutOfMemory => "out_of_memory",
            Self::CrashedParser => "crashed_parser",
            Self::RightsChanging => "rights_unresolved",
            Self::RightsInside => "rights_inside",
        }
    }

    /// When a document that failed so is worth another try. What the machine's load, another program or the
    /// source itself may have caused is tried again by itself.
    #[must_use]
    pub fn again(self) -> Again {
        match self {
            Self::Encrypted
            | Self::Broken
            | Self::Encoding
            | Self::Empty
            | Self::TooLarge
            | Self::TooMuchText
            | Self::TooMuchMemory
            | Self::TooDeep
            | Self::Expands
            | Self::Packing
            | Self::NoArchive
            | Self::RightsInside
            | Self::Nested
            | Self::Name
            | Self::Twice => Again::WhenChanged,
            Self::Unreadable
            | Self::Changed
            | Self::Timeout
            | Self::OutOfMemory
            | Self::CrashedParser
            | Self::RightsChanging => Again::Later,
        }
    }
}

/// Takes blocks as they come.
pub type Sink<'a> = dyn FnMut(Block) + 'a;

/// One format.
pub trait Extractor: Sync {
    /// Reads the bytes and gives blocks in reading order.
    ///
    /// # Errors
    /// [`FailReason`].
    fn extract(&self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Meta, FailReason>;
}

/// All formats: a new one is a file beside this one and a line here.
const EXTRACTORS: [(Format, &dyn Extractor); 5] = [
    (Format::Markdown, &markdown::Markdown),
    (Format::Text, &text::PlainText),
    (Format::Html, &html::Html),
    (Format::Pdf, &pdf::Pdf),
    (Format::Docx, &docx::Docx),
];

/// Reads a document of this format.
///
/// # Errors
/// [`FailReason`].
pub fn extract(format: Format, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Meta, FailReason> {
    let extractor = EXTRACTORS.iter().find(|(of, _)| *of == format).map(|(_, extractor)| *extractor);
    let Some(extractor) = extractor else { return Err(FailReason::Broken) };
    let mut any = false;
    let meta = extractor.extract(bytes, &mut |block| {
        any |= !block.text.is_empty();
        sink(block);
    })?;
    if any { Ok(meta) } else { Err(FailReason::Empty) }
}

#[cfg(test)]
pub(crate) fn extract_for_test(
    format: Format,
    bytes: &[u8],
) -> Result<(Vec<(BlockKind, String)>, Meta), FailReason> {
    let mut blocks = Vec::new();
    let meta = extract(format, bytes, &mut |block| {
        blocks.push((block.kind, crate::doors::for_pipe(&block.text).to_owned()));
    })?;
    Ok((blocks, meta))
}
