//! Where fenced code blocks lie, as far as no reader of Markdown can see it otherwise: what is code is
//! cleaned less than what is not. It must never call a block what may be text to anybody: only closed ones
//! at the left margin count, and none after a fence that stands in a list, a quotation or an indented line,
//! since where such a block ends depends on who reads.

use std::ops::Range;

struct Fence {
    start: usize,
    end: usize,
    mark: u8,
    length: usize,
    /// Nothing stands behind it.
    bare: bool,
    /// It stands at the left margin.
    sure: bool,
    /// It can close a block that began at the left margin.
    closes: bool,
}

fn fences(text: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let body = without_containers(line);
        let mark = body.bytes().next().unwrap_or(b' ');
        if matches!(mark, b'`' | b'~') {
            let length = body.bytes().take_while(|b| *b == mark).count();
            let info = body.get(length..).unwrap_or_default();
            if length >= 3 && (mark == b'~' || !info.contains('`')) {
                let indent = line.len() - body.len();
                let spaces = line.bytes().take_while(|b| *b == b' ').count();
                let bare = info.trim().is_empty();
                // White space that not every reader takes for such.
                let odd = bare && !info.trim_matches([' ', '\t', '\n']).is_empty();
                found.push(Fence {
                    start,
                    end: start + line.len(),
                    mark,
                    length,
                    bare,
                    sure: indent == 0 && !odd,
                    closes: indent == spaces && indent <= 3 && !odd,
                });
            }
        }
        start += line.len();
    }
    found
}

/// A line without the blanks and the signs of quotations and list items that it begins with.
pub(super) fn without_containers(line: &str) -> &str {
    let mut body = line;
    loop {
        body = body.trim_start_matches([' ', '\t', '>']);
        let digits = body.bytes().take(9).take_while(u8::is_ascii_digit).count();
        let sign = body.get(digits..).unwrap_or_default();
        let item = if digits > 0 { sign.starts_with(['.', ')']) } else { sign.starts_with(['-', '+', '*']) };
        match sign.get(1..) {
            Some(rest) if item && rest.starts_with([' ', '\t']) => body = rest,
            _ => return body,
        }
    }
}

/// Byte ranges of the closed fenced blocks, fence lines included, in order.
pub(super) fn blocks(text: &str) -> Vec<Range<usize>> {
    let fences = fences(text);
    // For each fence, the longest bare one of either mark after it: whether it can be closed at all.
    let mut longest = vec![(0, 0); fences.len()];
    let mut after = (0, 0);
    for (fence, longest) in fences.iter().zip(longest.iter_mut()).rev() {
        *longest = after;
        if fence.bare && fence.mark == b'`' {
            after.0 = fence.length.max(after.0);
        } else if fence.bare {
            after.1 = fence.length.max(after.1);
        }
    }
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some((opening, longest)) = fences.get(at).zip(longest.get(at)) {
        at += 1;
        if !opening.sure {
            break;
        }
        if opening.length > if opening.mark == b'`' { longest.0 } else { longest.1 } {
            continue;
        }
        let later = fences.get(at..).unwrap_or_default();
        let same = |f: &Fence| f.bare && f.mark == opening.mark && f.length >= opening.length;
        let Some(closing) = later.iter().position(same) else { break };
        let Some(end) = later.get(closing).filter(|f| f.closes) else { break };
        blocks.push(opening.start..end.end);
        at += closing + 1;
    }
    blocks
}
