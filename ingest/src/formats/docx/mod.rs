//! DOCX: the text of a word processor's document as it is read: insertions but not deletions, fields' results
//! but not their codes, notes after the paragraph that refers to them, headers and footers once, before the
//! text. Comments and what no reader sees are left out and counted. Pages are not told: they come to be only
//! when a program lays the text out. It must never give hidden text, and never unpack without a limit.

mod lists;
mod look;
mod parts;
mod styles;
#[cfg(test)]
mod tests;
mod walk;
mod xml;

use super::{Block, BlockKind, Extractor, FailReason, Meta, Sink, dates};
use crate::doors::{for_pipe, mint};
use parts::Opened;
use std::collections::{BTreeSet, HashMap};
use walk::{Story, Walk};

/// DOCX.
pub(super) struct Docx;

/// Footnotes and endnotes: the paragraphs of each, by kind and id.
type Notes = HashMap<(&'static str, String), Vec<String>>;

impl Extractor for Docx {
    fn extract(&self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Meta, FailReason> {
        let mut meta = Meta::default();
        let opened = Opened::open(bytes)?;
        let parts = opened.parts()?;
        let (none, mut notes) = (Notes::new(), Notes::new());
        for (kind, note) in [("footnotes", "footnote"), ("endnotes", "endnote")] {
            for (source, relations) in opened.of_kind(kind)? {
                let mut texts: Vec<String> = Vec::new();
                let mut keep = |block: Block| texts.push(for_pipe(&block.text).to_owned());
                let walk = Walk::new(&parts, &relations, Story::Notes, &none, &mut meta, &mut keep);
                let begun = walk.run(&source)?.begun();
                let ends = begun.iter().skip(1).map(|(_, at)| *at).chain([texts.len()]);
                for ((id, from), to) in begun.iter().zip(ends) {
                    let own = texts.get(*from..to).map(<[String]>::to_vec).unwrap_or_default();
                    notes.insert((note, id.clone()), own);
                }
            }
        }
        let mut seen = BTreeSet::new();
        for (source, relations) in opened.of_kind("header")?.into_iter().chain(opened.of_kind("footer")?) {
            let mut once = |block: Block| {
                let text = for_pipe(&block.text).to_owned();
                if seen.insert(text.clone()) {
                    sink(Block { kind: BlockKind::Paragraph, page: None, text: mint(text) });
                }
            };
            Walk::new(&parts, &relations, Story::Margin, &none, &mut meta, &mut once).run(&source)?;
        }
        let source = opened.main()?;
        let walk = Walk::new(&parts, &opened.relations, Story::Body, &notes, &mut meta, sink).run(&source)?;
        let (title, heading) = walk.titles();
        let (stated, modified) = opened.core()?;
        meta.modified = modified.as_deref().and_then(dates::read);
        let stated = stated.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
        let stated = stated.filter(|title| !made_up(title));
        meta.title = title.or(stated).or(heading).map(mint);
        Ok(meta)
    }
}

/// A title that no person gave.
fn made_up(title: &str) -> bool {
    let lower = title.to_lowercase();
    lower.is_empty()
        || lower.starts_with("untitled")
        || lower.starts_with("microsoft ")
        || lower == "word document"
}
