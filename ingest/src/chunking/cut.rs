//! Cutting a block that is too long: at lines, sentences, words, in this order, with a small overlap,
//! because here a structure is cut.

use kenward_indexes::embedding::Sizer;
use std::ops::Range;
use text_splitter::{ChunkConfig, ChunkSizer, TextSplitter};

/// Pieces handed to the splitter are at most this long: its work grows faster than its input.
const PIECE: usize = 8 * 1024;
/// Overlap, as a share of the room: one in this many.
const OVERLAP: usize = 10;

struct ByTokens<'a>(&'a Sizer);

impl ChunkSizer for ByTokens<'_> {
    fn size(&self, chunk: &str) -> usize {
        self.0.tokens(chunk)
    }
}

/// Byte ranges of at most `room` tokens each, in order; together they hold all that is not white space.
pub(super) fn cut(text: &str, room: usize, sizer: &Sizer) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let end = if text.len() - start > PIECE {
            crate::formats::cut_point(text, start, PIECE)
        } else {
            text.len()
        };
        let piece = text.get(start..end).unwrap_or_default();
        for range in split(piece, room, sizer) {
            out.push(start + range.start..start + range.end);
        }
        start = end;
    }
    out
}

fn split(piece: &str, room: usize, sizer: &Sizer) -> Vec<Range<usize>> {
    let config = ChunkConfig::new(room.max(1)).with_sizer(ByTokens(sizer)).with_trim(true);
    let overlap = room / OVERLAP;
    let config = match config.with_overlap(overlap) {
        Ok(config) => config,
        // Only an overlap of a whole chunk is refused; a tenth never is.
        Err(_) => return std::iter::once(0..piece.len()).collect(),
    };
    TextSplitter::new(config)
        .chunk_indices(piece)
        .map(|(at, chunk)| at..at + chunk.len())
        .filter(|range| !range.is_empty())
        .collect()
}
