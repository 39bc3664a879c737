//! HTML: parsed into a tree, walked once from start to end without recursion, what a reader would not
//! see left out and counted. It must never run anything, and never recurse: nesting is the document's
//! to choose.

mod charset;
mod css;
mod main_content;
mod walk;

use super::{Extractor, FailReason, Meta, Sink, dates};
use scraper::Html as Tree;
use std::collections::HashSet;

/// HTML.
pub(super) struct Html;

impl Extractor for Html {
    fn extract(&self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Meta, FailReason> {
        let mut meta = Meta::default();
        let source = charset::decode(bytes, &mut meta)?;
        walk(&source, false, &mut meta, sink)?;
        Ok(meta)
    }
}

/// Most elements that may be open within each other. The parser looks through all that are open at
/// each new one, so without a limit its time grows with the square of the depth.
const MOST_DEPTH: usize = 10_000;

/// Elements that begin a block and must be closed: those for which the parser looks so far.
const NESTING: [&str; 22] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "header",
    "main",
    "menu",
    "nav",
    "ol",
    "section",
    "summary",
    "ul",
];

/// Walks HTML text. `rendered` = it was made from Markdown, where a line break in a paragraph stays one.
pub(super) fn walk(
    source: &str,
    rendered: bool,
    meta: &mut Meta,
    sink: &mut Sink<'_>,
) -> Result<(), FailReason> {
    if too_deep(source) {
        return Err(FailReason::TooDeep);
    }
    let tree = Tree::parse_document(source);
    let sheet = css::Sheet::of(&tree);
    // What was Markdown is all of it its author's.
    let beside = if rendered { HashSet::new() } else { main_content::beside(&tree) };
    meta.modified = if rendered { None } else { modified(&tree) };
    walk::Walk::new(&sheet, &beside, rendered, meta, sink).run(&tree);
    Ok(())
}

/// When the page says that it was last changed, or else when it was published.
fn modified(tree: &Tree) -> Option<i64> {
    const CHANGED: [&str; 6] = [
        "article:modified_time",
        "og:updated_time",
        "datemodified",
        "last-modified",
        "dcterms.modified",
        "revised",
    ];
    const PUBLISHED: [&str; 6] =
        ["article:published_time", "datepublished", "date", "dc.date", "dcterms.date", "dcterms.created"];
    let (mut changed, mut published) = (None, None);
    for element in tree.tree.nodes().filter_map(|node| node.value().as_element()) {
        let keys = ["property", "name", "itemprop", "http-equiv"].map(|key| element.attr(key));
        let value = match element.name() {
            "meta" => element.attr("content"),
            "time" => element.attr("datetime"),
            _ => None,
        };
        let Some(value) = value else { continue };
        for key in keys.into_iter().flatten().map(str::to_ascii_lowercase) {
            if CHANGED.contains(&key.as_str()) {
                changed = changed.or_else(|| dates::read(value));
            } else if PUBLISHED.contains(&key.as_str()) {
                published = published.or_else(|| dates::read(value));
            }
        }
    }
    changed.or(published)
}

/// Counts tags without parsing. One that stands in a comment or a script counts too: the limit is far
/// above what pages have.
fn too_deep(source: &str) -> bool {
    let mut depth = 0_usize;
    for after in source.split('<').skip(1) {
        let (closes, after) = match after.strip_prefix('/') {
            Some(after) => (true, after),
            None => (false, after),
        };
        let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        let name = after.get(..end).unwrap_or_default();
        if !NESTING.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        depth = if closes { depth.saturating_sub(1) } else { depth + 1 };
        if depth > MOST_DEPTH {
            return true;
        }
    }
    false
}
