//! Markers such as `[link 3]` that a document brought along. It must run before our own get their form.

use crate::sanitize::{Counts, count};

/// Breaks a literal `[link 3]`: in a document as it came, that marker is nobody's but a forger's.
pub(in crate::sanitize) fn link_literals(text: &str, counts: &mut Counts) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        match marker(here) {
            Some(length) => {
                count(counts, "link_marker", 1);
                out.push('(');
                out.push_str(here.get(1..length - 1).unwrap_or_default());
                out.push(')');
                rest = here.get(length..).unwrap_or_default();
            }
            None => {
                out.push('[');
                rest = here.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// Length in bytes of `[link 3]` (any case, any blanks) at the start.
fn marker(here: &str) -> Option<usize> {
    let inner = here.get(1..)?.trim_start();
    let word = inner.get(..4)?;
    if !word.eq_ignore_ascii_case("link") {
        return None;
    }
    let digits = inner.get(4..)?.trim_start();
    let after = digits.trim_start_matches(char::is_numeric);
    let end = after.trim_start();
    (after.len() < digits.len() && end.starts_with(']')).then(|| here.len() - end.len() + 1)
}
