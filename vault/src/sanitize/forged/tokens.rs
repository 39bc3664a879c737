//! Tokens of chat templates, by the names that models know. A word in angle brackets that no model knows must
//! stay what it is.

use crate::sanitize::{Counts, count};

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
pub(in crate::sanitize) fn tokens(text: &str, counts: &mut Counts) -> String {
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
