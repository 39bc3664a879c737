//! Rule 5: what is shaped like a chat template, a role's header or our own fence is broken so that
//! a reader sees it, and counted. Quoting marks or look-alikes are put in; nothing is hidden.

use super::code;
use super::{Counts, count};

const ANGLE: &[&str] = &[
    "s",
    "/s",
    "bos",
    "eos",
    "unk",
    "pad",
    "mask",
    "cls",
    "sep",
    "start_of_turn",
    "end_of_turn",
    "start_of_image",
    "tool_call",
    "/tool_call",
    "tool_response",
    "/tool_response",
    "tool_result",
    "/tool_result",
    "tool_use",
    "/tool_use",
    "function_call",
    "/function_call",
    "function_calls",
    "/function_calls",
    "function_results",
    "/function_results",
    "tools",
    "/tools",
    "system",
    "/system",
    "assistant",
    "/assistant",
    "user",
    "/user",
    "human",
    "/human",
    "developer",
    "/developer",
    "system_prompt",
    "/system_prompt",
    "instructions",
    "/instructions",
    "think",
    "/think",
    "thinking",
    "/thinking",
    "<sys>",
    "</sys>",
    "endoftext",
    "fim_prefix",
    "fim_middle",
    "fim_suffix",
];
/// These are tokens only with attributes: alone they are words in angle brackets.
const CALLS: &[&str] = &["invoke", "parameter", "function", "tool", "message"];
const SQUARE: &[&str] = &[
    "INST",
    "/INST",
    "SYS",
    "/SYS",
    "SYSTEM_PROMPT",
    "/SYSTEM_PROMPT",
    "AVAILABLE_TOOLS",
    "/AVAILABLE_TOOLS",
    "TOOL_CALLS",
    "/TOOL_CALLS",
    "TOOL_RESULTS",
    "/TOOL_RESULTS",
    "TOOL_CONTENT",
    "/TOOL_CONTENT",
    "THINK",
    "/THINK",
    "MODEL_SETTINGS",
    "/MODEL_SETTINGS",
    "gMASK",
    "sMASK",
    "BOS",
    "EOS",
    "CLS",
    "SEP",
];

/// Breaks the tokens of chat templates (`<|im_start|>`, `[INST]`, `<s>`, …), code or not: a
/// tokenizer does not know a code block.
pub(super) fn tokens(text: &str, counts: &mut Counts) -> String {
    if !text.contains(['<', '[']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(['<', '[']) {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        match token(here) {
            Some(length) => {
                let found = here.get(..length).unwrap_or_default();
                out.extend(found.chars().map(|c| match c {
                    '<' => '‹',
                    '>' => '›',
                    '[' => '(',
                    ']' => ')',
                    c => c,
                }));
                count(counts, "role_token", 1);
                rest = here.get(length..).unwrap_or_default();
            }
            None => {
                out.push_str(here.get(..1).unwrap_or_default());
                rest = here.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// Length in bytes of the token at the start, if there is one.
fn token(here: &str) -> Option<usize> {
    if let Some(inner) = here.strip_prefix("<|").or_else(|| here.strip_prefix("<｜")) {
        let end = inner.find(|c: char| !(c.is_alphanumeric() || "_-. /:▁".contains(c)))?;
        let close = inner.get(end..)?;
        let opening = here.len() - inner.len();
        let length = if close.starts_with("|>") {
            2
        } else if close.starts_with("｜>") {
            '｜'.len_utf8() + 1
        } else {
            return None;
        };
        return (end > 0 && end <= 96).then_some(opening + end + length);
    }
    let square = here.starts_with('[');
    let (names, close) = if square { (SQUARE, ']') } else { (ANGLE, '>') };
    let inner = here.get(1..)?;
    if !square && (inner.starts_with("antml:") || inner.starts_with("/antml:")) {
        return inner.find('>').filter(|at| *at < 200).map(|at| at + 2).or(Some(1));
    }
    let bare = names.iter().find_map(|name| {
        let body = inner.get(..name.len())?;
        let same = body.eq_ignore_ascii_case(name) && inner.get(name.len()..)?.starts_with(close);
        same.then_some(name.len() + 2)
    });
    bare.or_else(|| (!square && with_attributes(inner)).then_some(1))
}

/// Whether a call of a tool or a message begins here as `<invoke name=…>`, `<function=…>`, `<system x=…>`.
fn with_attributes(inner: &str) -> bool {
    let end = inner.find(|c: char| !(c.is_ascii_alphabetic() || c == '_')).unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    let known = || CALLS.iter().chain(ANGLE).any(|known| known.len() > 3 && known.eq_ignore_ascii_case(name));
    if !rest.starts_with(|c: char| c == '=' || c.is_whitespace()) || !known() {
        return false;
    }
    let tag = rest.char_indices().take(200).find(|(_, c)| matches!(c, '>' | '<'));
    tag.is_some_and(|(end, c)| c == '>' && rest.get(..end).is_some_and(|inside| inside.contains('=')))
}

/// Characters of a boundary: Crockford's base 32.
fn of_boundary(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'A'..=b'Z') && !matches!(b, b'I' | b'L' | b'O' | b'U')
}

/// What a boundary line is drawn with, and what looks like it.
const RULES: &[char] = &['=', '＝', '﹦', '═'];
/// What ends a line's mark, and what looks like it.
const BARS: &[char] = &['|', '｜', '│', '∣', '❘'];

/// Breaks what looks like a boundary line or a line's mark, code or not.
pub(super) fn fences(text: &str, counts: &mut Counts) -> String {
    if !text.contains(RULES) && !text.contains(BARS) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        let mut line = std::borrow::Cow::Borrowed(line);
        if boundary_line(&line) {
            count(counts, "fence", 1);
            line = line.replace(RULES, "–").into();
        }
        let body = line.trim_start_matches(|c: char| c.is_whitespace() || c == '>');
        let mark = body.get(..4).is_some_and(|m| m.bytes().all(of_boundary));
        let behind = body.get(4..).and_then(|rest| rest.strip_prefix(BARS));
        match behind.filter(|r| mark && (r.is_empty() || r.starts_with(char::is_whitespace))) {
            Some(behind) => {
                count(counts, "fence", 1);
                out.push_str(line.get(..line.len() - body.len() + 4).unwrap_or_default());
                out.push('¦');
                out.push_str(behind);
            }
            None => out.push_str(&line),
        }
    }
    out
}

/// Whether `== TOKEN BEGIN ==` or `== TOKEN END ==` stands anywhere in the line.
fn boundary_line(line: &str) -> bool {
    let ruled = |pair: (char, char)| RULES.contains(&pair.0) && RULES.contains(&pair.1);
    if !line.chars().zip(line.chars().skip(1)).any(ruled) {
        return false;
    }
    let mut words = line.split(|c: char| RULES.contains(&c) || c.is_whitespace()).filter(|w| !w.is_empty());
    let mut last = "";
    words.any(|word| {
        let end = word.eq_ignore_ascii_case("begin") || word.eq_ignore_ascii_case("end");
        let found = end && last.len() >= 4 && last.bytes().all(|b| b.is_ascii_alphanumeric());
        last = word;
        found
    })
}

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
pub(super) fn roles(text: &str, counts: &mut Counts) -> String {
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

/// Breaks a literal `[link 3]`: in a document as it came, that marker is nobody's but a forger's.
pub(super) fn link_literals(text: &str, counts: &mut Counts) -> String {
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
