//! Rule 4: links and images, in every form that Markdown and HTML have, become markers.
//! One pass from left to right with a stack of open brackets, as Markdown itself is read; what it
//! looks ahead for has a longest length, so hostile input costs no more than linear time.

mod bare;
mod brackets;
mod definitions;
mod forms;
mod markup;
mod numbers;
mod scan;

pub(super) use bare::is_autolink;
pub(super) use forms::{break_forms, without_schemes};
pub(super) use numbers::number;

use super::{Counts, code, count};
use scan::Scan;

const LONGEST_URL: usize = 4096;
const LONGEST_LABEL: usize = 999;
/// What parts the pieces of a link. Other white space is part of a piece.
const BLANKS: [char; 3] = [' ', '\t', '\n'];
/// Schemes that work without `//`.
pub(super) const BARE_SCHEMES: &[&str] = &[
    "mailto",
    "javascript",
    "vbscript",
    "tel",
    "sms",
    "xmpp",
    "magnet",
    "intent",
    "data",
    "blob",
    "file",
    "filesystem",
    "view-source",
];

/// Replaces all of them; `urls` grows by what was found.
pub(super) fn replace(text: &str, urls: &mut Vec<String>, counts: &mut Counts) -> String {
    let (definitions, skipped) = definitions::definitions(text);
    count(counts, "link_definition", skipped.len() as u64);
    let mut scan = Scan::new(text, definitions, urls, counts);
    let blocks = code::blocks(text);
    let mut blocks = blocks.iter().peekable();
    let mut skipped = skipped.iter().peekable();
    while scan.at < text.len() {
        if let Some(block) = blocks.next_if(|b| b.start <= scan.at) {
            let content = text.get(scan.at..block.end).unwrap_or_default();
            scan.out.push_str(content);
            scan.at = block.end.max(scan.at);
            scan.paragraph();
            continue;
        }
        if let Some(line) = skipped.next_if(|l| l.0 <= scan.at) {
            scan.at = line.1.max(scan.at);
            continue;
        }
        let before = scan.at;
        scan.step();
        if scan.at <= before {
            scan.at = text.len();
        }
    }
    while let Some(url) = scan.anchors.pop() {
        scan.marker(&url);
    }
    scan.out
}
