//! Forms that a renderer could still follow when a part of the text stands alone, and schemes in single
//! lines. They are broken wherever they stand, code or not; nothing is taken out.

use super::super::{Counts, count};

/// Breaks, wherever it stands, the one form that a renderer could still follow: `](scheme:`. Only
/// code can hold it at this point.
pub(in crate::sanitize) fn break_forms(text: &str, counts: &mut Counts) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let (before, here) = rest.split_at(at + 1);
        out.push_str(before);
        let target = here.get(1..).unwrap_or_default().trim_start_matches([' ', '\t', '<']);
        let scheme = target
            .bytes()
            .take(64)
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'));
        let scheme = scheme.count();
        let leads = target.starts_with("//")
            || (scheme > 1 && target.get(scheme..).is_some_and(|t| t.starts_with(':')));
        if leads {
            count(counts, "code_link", 1);
            out.push(' ');
        }
        rest = here;
    }
    out.push_str(rest);
    out
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
