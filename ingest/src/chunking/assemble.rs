//! Takes blocks as they come from a worker: sanitizes each, appends it to the canonical text, and
//! packs neighbours under the same heading into chunks. It holds no more than the text, the chunks,
//! and the blocks of the chunk that is open.

use super::Chunk;
use super::cut::cut;
use crate::doors::for_sanitizing;
use crate::formats::{Block, BlockKind};
use kenward_access::untrusted::UntrustedText;
use kenward_indexes::embedding::Sizer;
use kenward_vault::sanitize;
use kenward_vault::writer::Link;
use std::collections::BTreeMap;
use std::ops::Range;

/// Longest heading and title, in characters.
const LINE_MAX: usize = 200;

/// A block in its place.
#[derive(Debug, Clone)]
struct Placed {
    bytes: Range<usize>,
    kind: BlockKind,
}

/// Puts a document together.
#[derive(Debug)]
pub struct Assembler {
    sizer: Sizer,
    text: String,
    chunks: Vec<Chunk>,
    links: Vec<Link>,
    removed: BTreeMap<String, u64>,
    headings: Vec<(u8, String)>,
    table_head: Option<String>,
    last: Option<BlockKind>,
    page: Option<u32>,
    open: Vec<Placed>,
    open_tokens: usize,
    path: Vec<String>,
    room: usize,
    scalars: Scalars,
}

/// A document put together: sanitized, cut.
#[derive(Debug)]
pub struct Assembled {
    /// Canonical text.
    pub text: String,
    /// Its chunks, in order.
    pub chunks: Vec<Chunk>,
    /// Links, numbered through the document.
    pub links: Vec<Link>,
    /// What the sanitizer removed.
    pub removed: BTreeMap<String, u64>,
}

impl Assembler {
    /// An empty document.
    #[must_use]
    pub fn new(sizer: Sizer) -> Self {
        Self {
            sizer,
            text: String::new(),
            chunks: Vec::new(),
            links: Vec::new(),
            removed: BTreeMap::new(),
            headings: Vec::new(),
            table_head: None,
            last: None,
            page: None,
            open: Vec::new(),
            open_tokens: 0,
            path: Vec::new(),
            room: 0,
            scalars: Scalars::default(),
        }
    }

    /// Appends a block.
    pub fn push(&mut self, block: &Block) {
        let raw = for_sanitizing(&block.text);
        let next_link = u32::try_from(self.links.len()).unwrap_or(u32::MAX).saturating_add(1);
        let raw = if block.kind == BlockKind::Code { fenced(raw) } else { marked(block.kind, raw) };
        let clean = sanitize::text(&raw, next_link);
        for (kind, times) in clean.removed {
            *self.removed.entry(kind).or_default() += times;
        }
        self.links.extend((next_link..).zip(clean.links).map(|(n, url)| Link { n, url }));
        let text = clean.text.trim_end().trim_start_matches('\n');
        if text.trim().is_empty() {
            return;
        }
        self.boundary(block, text);
        let bytes = self.append(block.kind, text);
        self.place(bytes, block.kind);
    }

    /// Ends the document.
    #[must_use]
    pub fn finish(mut self) -> Assembled {
        self.close();
        Assembled { text: self.text, chunks: self.chunks, links: self.links, removed: self.removed }
    }

    /// Bytes of text so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Ends the open chunk where structure says so, and moves the heading path on.
    fn boundary(&mut self, block: &Block, text: &str) {
        if block.page != self.page {
            self.close();
            self.page = block.page;
        }
        match block.kind {
            BlockKind::Heading(level) => {
                // A heading alone waits for what it is the heading of.
                if self.open.iter().any(|placed| !matches!(placed.kind, BlockKind::Heading(_))) {
                    self.close();
                }
                self.headings.retain(|(above, _)| *above < level);
                let line = sanitize::line(text.trim_start_matches('#'), LINE_MAX).text;
                self.headings.push((level, line));
                self.table_head = None;
            }
            BlockKind::TableHead => {
                let head = sanitize::line(text, LINE_MAX).text;
                self.table_head = Some(head);
            }
            BlockKind::TableRow => {}
            BlockKind::Paragraph | BlockKind::ListItem | BlockKind::Code => self.table_head = None,
        }
        if self.open.is_empty() || matches!(block.kind, BlockKind::Heading(_)) {
            self.set_path(block.kind);
        }
    }

    fn set_path(&mut self, kind: BlockKind) {
        self.path = self.headings.iter().map(|(_, text)| text.clone()).collect();
        if kind == BlockKind::TableRow
            && let Some(head) = &self.table_head
        {
            self.path.push(head.clone());
        }
        // The title that goes before the path is known only at the end: room is kept for the longest
        // prefix there can be.
        self.room = self.sizer.room_after_longest_prefix();
    }

    fn append(&mut self, kind: BlockKind, text: &str) -> Range<usize> {
        if let Some(last) = self.last {
            let tight = matches!(
                (last, kind),
                (BlockKind::ListItem, BlockKind::ListItem)
                    | (BlockKind::TableHead | BlockKind::TableRow, BlockKind::TableRow)
            );
            self.text.push_str(if tight { "\n" } else { "\n\n" });
        }
        self.last = Some(kind);
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Adds a block to the open chunk, or cuts it if it fits in none.
    fn place(&mut self, bytes: Range<usize>, kind: BlockKind) {
        let text = self.text.get(bytes.clone()).unwrap_or_default();
        // A heading's text is in the prefix already and is left out of the body.
        let in_prefix = matches!(kind, BlockKind::Heading(_));
        let tokens = if in_prefix { 0 } else { self.sizer.tokens(text) + 1 };
        if tokens > self.room {
            self.place_cut(&bytes, kind);
            return;
        }
        if self.open_tokens + tokens > self.room {
            self.close();
            self.set_path(kind);
        }
        self.open_tokens += tokens;
        self.open.push(Placed { bytes, kind });
    }

    fn place_cut(&mut self, bytes: &Range<usize>, kind: BlockKind) {
        // Headings that wait go with the first piece.
        if self.open.iter().any(|placed| !matches!(placed.kind, BlockKind::Heading(_))) {
            self.close();
            self.set_path(kind);
        }
        let text = self.text.get(bytes.clone()).unwrap_or_default();
        for piece in cut(text, self.room, &self.sizer) {
            let bytes = bytes.start + piece.start..bytes.start + piece.end;
            self.open.push(Placed { bytes, kind });
            self.close();
        }
    }

    /// Makes a chunk of what is open.
    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.open_tokens = 0;
        let (Some(first), Some(last)) = (open.first(), open.last()) else { return };
        let whole = first.bytes.start..last.bytes.end;
        let body = open.iter().find(|placed| !matches!(placed.kind, BlockKind::Heading(_)));
        let body = body.map_or(whole.end, |placed| placed.bytes.start);
        // Counted again as a whole: tokenizers may count a sum differently.
        let fits = self.sizer.tokens(self.text.get(body..whole.end).unwrap_or_default()) <= self.room;
        if !fits && open.len() > 1 {
            let (left, right) = open.split_at(open.len() / 2);
            let (left, right) = (left.to_vec(), right.to_vec());
            self.open = left;
            self.close();
            self.open = right;
            self.close();
            return;
        }
        let body_at = self.scalars.at(&self.text, body);
        let span = self.scalars.span(&self.text, &whole);
        self.chunks.push(Chunk {
            span,
            bytes: whole,
            body,
            body_at,
            page: self.page,
            headings: self.path.clone(),
        });
    }
}

/// Heading marks as Markdown has them, so that a reader of the canonical text sees the structure.
fn marked(kind: BlockKind, text: &str) -> String {
    match kind {
        BlockKind::Heading(level) => {
            format!("{} {}", "#".repeat(usize::from(level.clamp(1, 6))), text.trim())
        }
        _ => text.to_owned(),
    }
}

/// Code between fences longer than any run of backticks in it: the sanitizer then leaves it as it is.
fn fenced(code: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in code.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{code}\n{fence}")
}

/// Byte offsets to scalar offsets. Chunks come nearly in order, so counting goes on from the last one.
#[derive(Debug, Default)]
struct Scalars {
    byte: usize,
    scalar: u32,
}

impl Scalars {
    fn at(&mut self, text: &str, byte: usize) -> u32 {
        let count = |range: Range<usize>| {
            u32::try_from(text.get(range).unwrap_or_default().chars().count()).unwrap_or(u32::MAX)
        };
        self.scalar = if byte >= self.byte {
            self.scalar.saturating_add(count(self.byte..byte))
        } else {
            self.scalar.saturating_sub(count(byte..self.byte))
        };
        self.byte = byte;
        self.scalar
    }

    fn span(&mut self, text: &str, bytes: &Range<usize>) -> (u32, u32) {
        (self.at(text, bytes.start), self.at(text, bytes.end))
    }
}

/// A title on one line.
#[must_use]
pub fn title_line(title: &UntrustedText) -> String {
    sanitize::line(for_sanitizing(title), LINE_MAX).text
}
