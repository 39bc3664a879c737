//! Blocks to canonical text and chunks. The canonical text is the sanitized blocks in order; a chunk
//! is a span of it, cut by structure first and to the embedder's length second. It must never lose a
//! character that is not white space, and never depend on anything but the blocks and the embedder.

mod assemble;
mod cut;
#[cfg(test)]
mod tests;

pub use assemble::{Assembled, Assembler, title_line};
pub use kenward_indexes::embedding::Sizer;

use std::ops::Range;

/// A chunk: a span of the canonical text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Span in Unicode scalars.
    pub span: (u32, u32),
    /// The same in bytes.
    pub bytes: Range<usize>,
    /// Byte at which the text after the chunk's own leading headings begins.
    pub body: usize,
    /// The same in Unicode scalars.
    pub body_at: u32,
    /// Page of its beginning, from 1.
    pub page: Option<u32>,
    /// Heading path: sanitized single lines. Inside a table that was cut, its head row is the last.
    pub headings: Vec<String>,
}

impl Chunk {
    /// What is embedded: title and heading path, then the body. At most the embedder's length.
    #[must_use]
    pub fn embedding_input(&self, title: &str, text: &str, sizer: &Sizer) -> String {
        sizer.input(title, &self.headings, text.get(self.body..self.bytes.end).unwrap_or_default())
    }
}
