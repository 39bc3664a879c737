//! Headers of roles: `System:` at the start of a line, `### Instruction`. It must never touch code, where they are
//! keys and comments.

use crate::sanitize::{Counts, code, count};

const ROLES: &[&str] = &[
    "system",
    "assistant",
    "user",
    "human",
    "developer",
    "system prompt",
    "system message",
    "model",
    "instruction",
    "instructions",
    "response",
    "input",
];
/// These are headers only as `### Instruction`, not as `Instruction:`.
const HEADING_ONLY: &[&str] = &["model", "instruction", "instructions", "response", "input"];

/// Puts a role's header in quotes (`System:` at the start of a line, `### Instruction`), outside code.
pub(in crate::sanitize) fn roles(text: &str, counts: &mut Counts) -> String {
    let blocks = code::blocks(text);
    let mut blocks = blocks.iter().peekable();
    let mut out = String::with_capacity(text.len() + 16);
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        while blocks.peek().is_some_and(|b| b.end <= start) {
            blocks.next();
        }
        let in_code = blocks.peek().is_some_and(|b| b.start <= start);
        match role(line).filter(|_| !in_code) {
            Some((from, to)) => {
                count(counts, "role_header", 1);
                out.push_str(line.get(..from).unwrap_or_default());
                out.push('"');
                out.push_str(line.get(from..to).unwrap_or_default());
                out.push('"');
                out.push_str(line.get(to..).unwrap_or_default());
            }
            None => out.push_str(line),
        }
        start += line.len();
    }
    out
}

/// Where the role's name lies in a header line.
fn role(line: &str) -> Option<(usize, usize)> {
    let body = line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '>' | '*' | '_' | '#'));
    let prefix = line.get(..line.len() - body.len())?;
    let from = prefix.len();
    let hashes = prefix.bytes().filter(|b| *b == b'#').count();
    let name =
        ROLES.iter().filter(|name| body.get(..name.len()).is_some_and(|b| b.eq_ignore_ascii_case(name)));
    let name = name.max_by_key(|name| name.len())?;
    let blank = |c: char| c.is_whitespace() && c != '\n';
    let after = body.get(name.len()..)?.trim_start_matches(|c: char| blank(c) || matches!(c, '*' | '_'));
    let colon = after.starts_with([':', '：']) && !after.starts_with("://");
    let alone =
        after.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '#' | ':' | '*')).is_empty();
    let header =
        if HEADING_ONLY.contains(name) { hashes == 3 && alone } else { colon || (hashes == 3 && alone) };
    header.then_some((from, from + name.len()))
}
