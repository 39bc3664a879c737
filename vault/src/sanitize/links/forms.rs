//! Forms that a renderer could still follow when a part of the text stands alone, and schemes in single
//! lines. They are broken wherever they stand, code or not, so that a reader sees it; nothing is taken out.

use super::super::{Counts, count, html};

/// How far it is looked for references in a destination.
const LONGEST_WORD: usize = 256;

/// Breaks what a renderer could follow or would load by itself: `](scheme:`, `]: scheme:`, and tags such as
/// `<img src=…>`. Only code can hold one at this point, and what is code in the whole text need not be in a
/// part of it.
pub(in crate::sanitize) fn break_forms(text: &str, counts: &mut Counts) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find([']', '<']) {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        let after = here.get(1..).unwrap_or_default();
        if here.starts_with('<') {
            let loads = html::loads(here);
            count(counts, "code_html", u64::from(loads));
            out.push(if loads { '‹' } else { '<' });
        } else {
            out.push(']');
            if after.strip_prefix(['(', ':']).is_some_and(leads) {
                count(counts, "code_link", 1);
                out.push(' ');
            }
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether what stands behind `](` or `]:` leads away: a scheme, a host without one, or either of them
/// written with references to characters.
pub(super) fn leads(target: &str) -> bool {
    let target = target.trim_start_matches([' ', '\t', '\n', '<', '>']);
    let near = target.get(..target.floor_char_boundary(LONGEST_WORD)).unwrap_or_default();
    // A reader of Markdown takes a backslash before a sign away: `https\://` leads where `https://` does.
    leads_as_written(target) || (near.contains('\\') && leads_as_written(&without_escapes(near)))
}

fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' || !chars.peek().is_some_and(char::is_ascii_punctuation) {
            out.push(c);
        }
    }
    out
}

fn leads_as_written(target: &str) -> bool {
    let scheme = target
        .bytes()
        .take(64)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'))
        .count();
    let scheme_ends = scheme > 1 && target.get(scheme..).is_some_and(|t| t.starts_with(':'));
    let host = target.starts_with(['/', '\\']) && target.get(1..).is_some_and(|t| t.starts_with(['/', '\\']));
    let near = target.get(..target.floor_char_boundary(LONGEST_WORD)).unwrap_or_default();
    let end = near.find([' ', '\n', ')']).unwrap_or(near.len());
    let word = near.get(..end).unwrap_or_default();
    host || scheme_ends
        || ["&#", "&colon;", "&sol;", "&bsol;"].iter().any(|reference| word.contains(reference))
}

/// For single lines: `https://a.example/b` stays as `a.example/b`.
pub(in crate::sanitize) fn without_schemes(text: &str, counts: &mut Counts) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, here) = rest.split_at(at);
        let word =
            before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'));
        out.push_str(word);
        count(counts, "scheme", 1);
        if word.len() == before.len() {
            out.push(' ');
        }
        rest = here.get(3..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}
