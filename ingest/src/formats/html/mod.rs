//! HTML: parsed into a tree, walked once from start to end without recursion, what a reader would not
//! see left out and counted. It must never run anything, and never recurse: nesting is the document's
//! to choose.

mod color;
mod css;
mod style;
mod walk;

use super::{Extractor, FailReason, Meta, Sink, text};
use scraper::Html as Tree;

/// HTML.
pub(super) struct Html;

impl Extractor for Html {
    fn extract(&self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Meta, FailReason> {
        let mut meta = Meta::default();
        let source = text::decode(bytes, &mut meta)?;
        walk(&source, false, &mut meta, sink);
        Ok(meta)
    }
}

/// Walks HTML text. `rendered` = it was made from Markdown, where a line break in a paragraph stays one.
pub(super) fn walk(source: &str, rendered: bool, meta: &mut Meta, sink: &mut Sink<'_>) {
    let tree = Tree::parse_document(source);
    let sheet = css::Sheet::of(&tree);
    walk::Walk::new(&sheet, rendered, meta, sink).run(&tree);
}
