//! Style sheets in the document, as far as they can hide text: which rules count on a screen of ordinary
//! size, and what they declare for each element. It must never fetch a sheet, and its work has a limit,
//! because a sheet is the document's to write.

use kenward_vault::sanitize::markup::{Declaration, declarations, pixels, plain};
use scraper::{Html as Tree, Selector};
use std::collections::HashMap;

/// A node of the tree.
pub(super) type NodeId = ego_tree::NodeId;

/// Selectors beyond this many whose rules could hide something are not read.
const MOST_RULES: usize = 500;
/// Matches beyond this many are not kept.
const MOST_MATCHES: usize = 200_000;
/// Blocks within blocks deeper than this are not read.
const MOST_DEPTH: usize = 16;
/// The screen that pages are taken to be read on, in pixels.
const SCREEN: (f32, f32) = (1280.0, 800.0);

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
        let rules = rules(&plain(&source));
        // A list with one selector that is none is no rule at all; one of a part that is no element is one.
        let valid = |one: &str| Selector::parse(one).is_ok() || of_a_part(one);
        let whole = rules.iter().filter(|rule| list(&rule.selector).all(valid));
        let single = whole.flat_map(|rule| list(&rule.selector).map(|one| (one, &rule.declared)));
        let mut single: Vec<_> = single.take(MOST_RULES).collect();
        // Stable: of equally specific ones the later comes later.
        single.sort_by_key(|(selector, _)| specificity(selector));
        let mut matches = 0;
        for (selector, declared) in single {
            let Ok(selector) = Selector::parse(selector) else { continue };
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

    /// Declarations for this element, those that prevail last.
    pub(super) fn get(&self, node: NodeId) -> &[Declaration] {
        self.by_node.get(&node).map_or(&[], Vec::as_slice)
    }
}

/// Whether a selector is of a part of an element, such as its first line, which hides nothing else.
fn of_a_part(selector: &str) -> bool {
    const PARTS: [&str; 9] = [
        "before",
        "after",
        "first-line",
        "first-letter",
        "marker",
        "selection",
        "placeholder",
        "backdrop",
        "cue",
    ];
    let lower = selector.trim().to_ascii_lowercase();
    lower.rsplit_once(':').is_some_and(|(element, part)| {
        let element = element.trim_end_matches(':');
        PARTS.contains(&part) && (element.is_empty() || Selector::parse(element).is_ok())
    })
}

struct Rule {
    selector: String,
    declared: Vec<Declaration>,
}

/// Every rule that could hide something, in the order of the sheet, those within others included.
fn rules(source: &str) -> Vec<Rule> {
    let mut found: Vec<Rule> = Vec::new();
    // For each open block, the rule whose declarations may stand in it.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut rest = source;
    loop {
        let at = rest.find(['{', '}', ';']).unwrap_or(rest.len());
        let (head, here) = rest.split_at(at);
        let after = here.get(1..).unwrap_or_default();
        let within = open.last().copied().flatten();
        if here.starts_with('{') {
            let head = head.trim();
            if open.len() >= MOST_DEPTH || (head.starts_with('@') && !applies(head)) {
                rest = after.get(block_end(after)..).unwrap_or_default();
                continue;
            }
            if head.starts_with('@') {
                open.push(within);
            } else {
                let around = within.and_then(|at| found.get(at)).map(|rule| rule.selector.as_str());
                let selector = nested(around, head);
                open.push(Some(found.len()));
                found.push(Rule { selector, declared: Vec::new() });
            }
        } else {
            if let Some(rule) = within.and_then(|at| found.get_mut(at)) {
                rule.declared.extend(declarations(head));
            }
            if here.is_empty() {
                break;
            }
            if here.starts_with('}') {
                open.pop();
            }
        }
        rest = after;
    }
    found.retain(|rule| !rule.selector.is_empty() && !rule.declared.is_empty());
    found
}

/// The selector of a rule that stands within another.
fn nested(around: Option<&str>, own: &str) -> String {
    match around {
        Some(around) if own.contains('&') => own.replace('&', &format!(":is({around})")),
        Some(around) => format!(":is({around}) {own}"),
        None => own.to_owned(),
    }
}

/// The single selectors of a list.
fn list(selectors: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    selectors.split(move |c: char| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}

/// Ids, then classes, attributes and states, then elements: counted by their signs, which is near enough.
fn specificity(selector: &str) -> (usize, usize, usize) {
    let count = |signs: &[char]| selector.matches(signs).count();
    let names = selector.split([' ', '>', '+', '~', '(']).filter(|s| s.starts_with(char::is_alphabetic));
    (count(&['#']), count(&['.', '[', ':']), names.count())
}

/// Whether what stands in the block of this at-rule counts on a screen.
fn applies(head: &str) -> bool {
    let head = head.to_ascii_lowercase();
    if let Some(queries) = head.strip_prefix("@media") {
        return queries.split(',').any(on_screen);
    }
    if let Some(condition) = head.strip_prefix("@supports") {
        return !condition.trim_start().starts_with("not");
    }
    ["@layer", "@container", "@scope"].iter().any(|name| head.starts_with(name))
}

fn on_screen(query: &str) -> bool {
    let query = query.trim();
    let (negated, query) = query.strip_prefix("not ").map_or((false, query), |query| (true, query));
    let medium = query.strip_prefix("only ").unwrap_or(query).trim_start();
    let other = medium.starts_with("print") || medium.starts_with("speech");
    let mut features = query.split('(').skip(1).filter_map(|feature| feature.split(')').next());
    (!other && features.all(fits)) != negated
}

/// Whether one feature of a query is that of the screen. One that is not known is taken to be.
fn fits(feature: &str) -> bool {
    let Some((name, value)) = feature.split_once(':') else { return true };
    let (name, value) = (name.trim(), value.trim());
    let within = |least: bool, side: f32| {
        pixels(value).is_none_or(|value| if least { value <= side } else { value >= side })
    };
    match name {
        "min-width" => within(true, SCREEN.0),
        "max-width" => within(false, SCREEN.0),
        "min-height" => within(true, SCREEN.1),
        "max-height" => within(false, SCREEN.1),
        "orientation" => value == "landscape",
        "prefers-color-scheme" => value == "light",
        "prefers-reduced-motion" | "prefers-contrast" => value == "no-preference",
        _ => true,
    }
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

    fn selectors(source: &str) -> Vec<String> {
        rules(&plain(source)).into_iter().map(|rule| rule.selector).collect()
    }

    #[test]
    fn rules_that_can_hide_are_found() {
        let found = selectors(
            "<!-- /* x { display:none } */ .a { color: red; margin-right: 0 } p { border: 0 } @media print { .b { display: none } } @media screen { .c { DISPLAY : None !important } } @import url(x); .d{opacity:0} -->",
        );
        assert_eq!(found, [".a", ".c", ".d"]);
        let found = selectors(".a{content:'}';.b{opacity:0} &.c, .d &{opacity:0} color:red}.e{display:none");
        assert_eq!(found, [".a", ":is(.a) .b", ":is(.a).c, .d :is(.a)", ".e"]);
    }

    #[test]
    fn queries_are_asked_of_a_screen() {
        for (query, counts) in [
            ("screen", true),
            ("all and (min-width: 0)", true),
            ("(min-width:600px)", true),
            ("only screen and (max-width: 600px)", false),
            ("print", false),
            ("print, screen", true),
            ("not print", true),
            ("not screen", false),
            ("(prefers-color-scheme: dark)", false),
        ] {
            assert_eq!(applies(&format!("@media {query}")), counts, "{query}");
        }
        assert!(applies("@supports (display: grid)") && !applies("@keyframes x") && !applies("@font-face"));
    }

    #[test]
    fn the_more_specific_come_later() {
        let mut sorted = ["p", ".a", "#a", "div p", "p.a", ".a.b"];
        sorted.sort_by_key(|selector| specificity(selector));
        assert_eq!(sorted, ["p", "div p", ".a", "p.a", ".a.b", "#a"]);
        assert_eq!(list("a, b:is(c, d), e").collect::<Vec<_>>(), ["a", " b:is(c, d)", " e"]);
    }

    #[test]
    fn hostile_sheets_end() {
        let deep = "a{".repeat(50_000);
        for source in ["{{{{{{", "@media screen {{{", "a{b", "}}}}", "/*", "@@@;;{}", "a{display:none", &deep]
        {
            let _ = selectors(source);
        }
    }
}
