//! Rules 1 and 2: normal form C, and no character that a reader cannot see.
//! Two noncharacters serve as the brackets of our own markers while links are replaced: none that
//! came from outside ever gets there.

use super::tables::{Class, class, emoji, joining, virama};
use super::{Counts, count};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Stands for the `[` of a marker of ours.
pub(super) const OPEN: char = '\u{FDD0}';
/// Stands for the `]` of a marker of ours.
pub(super) const CLOSE: char = '\u{FDD1}';

/// Applies both rules until nothing changes.
pub(super) fn clean(input: &str, keep_marks: bool, counts: &mut Counts) -> String {
    if input.bytes().all(|b| matches!(b, 0x20..=0x7E | b'\n' | b'\t')) {
        return input.to_owned();
    }
    let mut text = pass(&escapes(input, counts), keep_marks, counts);
    loop {
        if !is_nfc(&text) {
            text = text.nfc().collect();
        }
        // Each round can only take away, so this ends.
        let next = pass(&text, keep_marks, counts);
        if next == text {
            return text;
        }
        text = next;
    }
}

fn pass(input: &str, keep_marks: bool, counts: &mut Counts) -> String {
    let mut out = String::with_capacity(input.len());
    let mut last: Option<char> = None;
    let mut chars = input.chars().peekable();
    while let Some(c) = chars.next() {
        let keep = match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    last = Some('\n');
                    out.push('\n');
                }
                continue;
            }
            '\u{B}' | '\u{C}' | '\u{2028}' | '\u{2029}' => {
                last = Some('\n');
                out.push('\n');
                continue;
            }
            // The blank of Braille looks like nothing; a space is what it means.
            '\u{2800}' => {
                last = Some(' ');
                out.push(' ');
                continue;
            }
            OPEN | CLOSE if keep_marks => None,
            c => class(c),
        };
        let allowed = match keep {
            None => true,
            Some(Class::VariationSelector) => selector_stands(c, last, chars.peek().copied()),
            Some(Class::Joiner) => joiner_stands(c, last, chars.peek().copied()),
            Some(_) => false,
        };
        if allowed {
            last = Some(c);
            out.push(c);
        } else if let Some(kind) = keep {
            count(counts, kind.name(), 1);
        }
    }
    out
}

/// Only U+FE0E and U+FE0F, one, after an emoji, or inside a keycap.
fn selector_stands(c: char, last: Option<char>, next: Option<char>) -> bool {
    if !matches!(c, '\u{FE0E}' | '\u{FE0F}') {
        return false;
    }
    match last {
        Some('0'..='9' | '#' | '*') => next == Some('\u{20E3}'),
        Some(base) => emoji(base),
        None => false,
    }
}

fn joiner_stands(c: char, last: Option<char>, next: Option<char>) -> bool {
    let Some(last) = last else { return false };
    if c == '\u{200D}' && (emoji(last) || last == '\u{FE0F}') && next.is_some_and(emoji) {
        return true;
    }
    if virama(last) {
        return next.is_none_or(|n| !matches!(class(n), Some(Class::Joiner)));
    }
    // A word of another script takes an ending of this one: `PDF` and a plural behind it.
    let before = joining(last) || (c == '\u{200C}' && last.is_alphanumeric());
    before && next.is_some_and(joining)
}

/// Takes whole terminal sequences out: CSI, OSC, DCS and their kin, in the 7-bit and the 8-bit form.
/// One without an end loses its introducer only, and shows the rest.
fn escapes(input: &str, counts: &mut Counts) -> String {
    if !input.contains(['\u{1B}', '\u{90}', '\u{98}', '\u{9B}', '\u{9D}', '\u{9E}', '\u{9F}']) {
        return input.to_owned();
    }
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(c) = rest.chars().next() {
        let tail = rest.get(c.len_utf8()..).unwrap_or_default();
        let (kind, body) = match c {
            '\u{1B}' => match tail.chars().next() {
                Some(k @ ('[' | ']' | 'P' | 'X' | '^' | '_')) => (k, tail.get(1..).unwrap_or_default()),
                Some(' '..='/') => ('i', tail),
                Some('0'..='~') => ('e', tail),
                _ => ('0', tail),
            },
            '\u{9B}' => ('[', tail),
            '\u{9D}' => (']', tail),
            '\u{90}' | '\u{98}' | '\u{9E}' | '\u{9F}' => ('P', tail),
            c => {
                out.push(c);
                rest = tail;
                continue;
            }
        };
        let end = match kind {
            '[' => csi_end(body),
            ']' | 'P' | 'X' | '^' | '_' => string_end(body),
            'i' => body.find(|c: char| !(' '..='/').contains(&c)).map(|at| at + 1),
            'e' => Some(1),
            _ => Some(0),
        };
        count(counts, "ansi", 1);
        rest = end.and_then(|end| body.get(end..)).unwrap_or(body);
    }
    out
}

fn csi_end(body: &str) -> Option<usize> {
    let at = body.find(|c: char| !(' '..='?').contains(&c))?;
    let last = body.get(at..)?.chars().next()?;
    ('@'..='~').contains(&last).then_some(at + 1)
}

/// The end of a control string: BEL, ST, or nothing within a reasonable length.
fn string_end(body: &str) -> Option<usize> {
    const LONGEST: usize = 4096;
    for (at, c) in body.char_indices().take(LONGEST) {
        match c {
            '\u{7}' | '\u{9C}' => return Some(at + c.len_utf8()),
            '\u{1B}' => return body.get(at + 1..)?.starts_with('\\').then_some(at + 2),
            '\n' => return None,
            _ => {}
        }
    }
    None
}
