//! Style sheets in the document, as far as they can hide text: simple rules, applied in their order.
//! It must never fetch a sheet, and its work has a limit, because a sheet is the document's to write.

use scraper::{Html as Tree, Selector};
use std::collections::HashMap;

/// A node of the tree.
pub(super) type NodeId = ego_tree::NodeId;

/// Rules beyond this many that could hide something are not read.
const MOST_RULES: usize = 500;
/// Matches beyond this many are not kept.
const MOST_MATCHES: usize = 200_000;

/// Properties that can hide text.
const HIDING: [&str; 22] = [
    "display",
    "visibility",
    "opacity",
    "font-size",
    "font",
    "color",
    "background",
    "background-color",
    "position",
    "left",
    "top",
    "right",
    "bottom",
    "text-indent",
    "margin-left",
    "clip",
    "clip-path",
    "transform",
    "width",
    "height",
    "max-height",
    "overflow",
];

/// One declaration, in lower case.
pub(super) type Declaration = (String, String);

/// What the document's own sheets say about each element.
#[derive(Default)]
pub(super) struct Sheet {
    by_node: HashMap<NodeId, Vec<Declaration>>,
}

impl Sheet {
    /// Reads all `<style>` elements.
    pub(super) fn of(tree: &Tree) -> Self {
        let mut sheet = Self::default();
        let mut source = String::new();
        for node in tree.tree.nodes() {
            if node.value().as_element().is_some_and(|element| element.name() == "style") {
                for text in node.children().filter_map(|child| child.value().as_text()) {
                    source.push_str(text);
                    source.push('\n');
                }
            }
        }
        let source = without_comments(&source);
        let mut matches = 0;
        for (selector, body) in rules(&source).into_iter().take(MOST_RULES) {
            let Ok(selector) = Selector::parse(selector) else { continue };
            let declared = declarations(body);
            for element in tree.select(&selector) {
                matches += 1;
                if matches > MOST_MATCHES {
                    return sheet;
                }
                sheet.by_node.entry(element.id()).or_default().extend(declared.iter().cloned());
            }
        }
        sheet
    }

    /// Declarations for this element, later ones last.
    pub(super) fn get(&self, node: NodeId) -> &[Declaration] {
        self.by_node.get(&node).map_or(&[], Vec::as_slice)
    }
}

/// `name: value; …` into pairs that can hide, names and values in lower case.
pub(super) fn declarations(body: &str) -> Vec<Declaration> {
    let pairs = body.split(';').filter_map(|pair| pair.split_once(':'));
    pairs
        .map(|(name, value)| {
            let value = value.to_ascii_lowercase();
            let value = value.split("!important").next().unwrap_or_default();
            (name.trim().to_ascii_lowercase(), value.trim().to_owned())
        })
        .filter(|(name, _)| HIDING.contains(&name.as_str()))
        .collect()
}

fn without_comments(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        out.push(' ');
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// Selector and body of every rule that could hide something; of `@media`, those for screens.
fn rules(source: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(open) = rest.find(['{', '}', ';']) {
        let (head, after) = rest.split_at(open);
        let after = after.get(1..).unwrap_or_default();
        let head = head.trim();
        if !rest.get(open..).is_some_and(|at| at.starts_with('{')) {
            rest = after;
        } else if head.starts_with('@') {
            let lower = head.to_ascii_lowercase();
            let screen = lower.starts_with("@layer")
                || lower.starts_with("@supports")
                || (lower.starts_with("@media") && (lower.contains("screen") || lower.contains("all")));
            // For screens: go on inside; its closing brace is skipped above. Else: skip the block.
            rest = if screen { after } else { after.get(block_end(after)..).unwrap_or_default() };
        } else {
            let end = after.find('}').unwrap_or(after.len());
            let body = after.get(..end).unwrap_or_default();
            if !head.is_empty() && !declarations(body).is_empty() {
                found.push((head, body));
            }
            rest = after.get(end..).and_then(|tail| tail.strip_prefix('}')).unwrap_or_default();
        }
    }
    found
}

/// Where the block that was just opened ends, its brace included.
fn block_end(source: &str) -> usize {
    let mut depth = 1_usize;
    for (at, c) in source.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    source.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_can_hide_are_found() {
        let source = without_comments(
            "/* x { display:none } */ .a { color: red; margin: 0 } p { margin: 0 } @media print { .b { display: none } } @media screen { .c { DISPLAY : None !important } } @import url(x); .d{opacity:0}",
        );
        let found = rules(&source);
        let selectors: Vec<_> = found.iter().map(|(selector, _)| *selector).collect();
        assert_eq!(selectors, [".a", ".c", ".d"]);
        assert_eq!(declarations(found[1].1), [("display".to_owned(), "none".to_owned())]);
    }

    #[test]
    fn hostile_sheets_end() {
        for source in ["{{{{{{", "@media screen {{{", "a{b", "}}}}", "/*", "@@@;;{}", "a{display:none"] {
            let cleaned = without_comments(source);
            let _ = rules(&cleaned);
        }
    }
}
