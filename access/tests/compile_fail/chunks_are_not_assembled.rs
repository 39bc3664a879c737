//! Visible chunks are made by a filter alone, also from a cached set.
use kenward_access::scope::{ChunkSet, VisibleChunks};
use std::sync::Arc;

fn forge(set: Arc<ChunkSet>) -> VisibleChunks<'static> {
    VisibleChunks { set, scope: std::marker::PhantomData }
}

fn main() {
    let _ = forge;
}
