//! Visible chunks are made by a filter alone.
use kenward_access::scope::{ChunkSet, VisibleChunks};

fn main() {
    let _ = VisibleChunks::default();
    let _ = ChunkSet::default();
}
