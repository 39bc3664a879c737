//! Where fenced code blocks lie. Only closed ones count: an opening fence without an end would
//! otherwise exempt the rest of a document.

use std::ops::Range;

struct Fence {
    start: usize,
    end: usize,
    mark: u8,
    length: usize,
    bare: bool,
}

fn fences(text: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim_start_matches([' ', '\t', '>']);
        let mark = body.bytes().next().unwrap_or(b' ');
        if matches!(mark, b'`' | b'~') {
            let length = body.bytes().take_while(|b| *b == mark).count();
            let info = body.get(length..).unwrap_or_default();
            if length >= 3 && (mark == b'~' || !info.contains('`')) {
                let bare = info.trim().is_empty();
                found.push(Fence { start, end: start + line.len(), mark, length, bare });
            }
        }
        start += line.len();
    }
    found
}

/// Byte ranges of the closed fenced blocks, fence lines included, in order.
pub(super) fn blocks(text: &str) -> Vec<Range<usize>> {
    let fences = fences(text);
    // For each fence line, the longest bare fence of either mark after it: whether an opening one can close.
    let mut longest_after = vec![(0, 0); fences.len()];
    let mut longest = (0, 0);
    for (fence, after) in fences.iter().zip(longest_after.iter_mut()).rev() {
        *after = longest;
        if fence.bare && fence.mark == b'`' {
            longest.0 = fence.length.max(longest.0);
        } else if fence.bare {
            longest.1 = fence.length.max(longest.1);
        }
    }
    let mut blocks = Vec::new();
    let mut open: Option<&Fence> = None;
    for (fence, after) in fences.iter().zip(&longest_after) {
        if let Some(opened) = open {
            if fence.bare && fence.mark == opened.mark && fence.length >= opened.length {
                blocks.push(opened.start..fence.end);
                open = None;
            }
        } else {
            let best = if fence.mark == b'`' { after.0 } else { after.1 };
            if best >= fence.length {
                open = Some(fence);
            }
        }
    }
    blocks
}
