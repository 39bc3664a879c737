//! There is no `None` that means everything: what a search takes is the filter itself.
use kenward_access::scope::{AccessFilter, VisibleChunks};

fn search(_: AccessFilter<'_>) {}
fn engine(_: VisibleChunks<'_>) {}

fn main() {
    search(None);
    engine(None);
}
