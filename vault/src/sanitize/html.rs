//! Tags of HTML inside running text: just enough parsing to take them out. A document that *is* HTML is
//! walked as a tree by its extractor; this is for what pretends to be text. It must never take for a tag
//! what no renderer does.

use super::markup::{Shape, Style, is_void, shape};
use super::{Counts, count};

const LONGEST_TAG: usize = 8192;

/// A tag that was recognised.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) closing: bool,
    /// Lower-case names with their values.
    pub(super) attributes: Vec<(String, String)>,
    /// Bytes, both angle brackets included.
    pub(super) length: usize,
}

impl Tag {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// Whether what is in it stands apart from the text before it.
    pub(super) fn is_block(&self) -> bool {
        matches!(shape(&self.name), Some(Shape::Block | Shape::Cell))
    }

    pub(super) fn is_void(&self) -> bool {
        is_void(&self.name)
    }

    /// The style in it, for an element that stands in `around`.
    pub(super) fn style(&self, around: Style) -> Style {
        around.inside(&self.name, |name| self.attribute(name), &[])
    }

    /// Whether everything inside it is not for readers: the kind as which it is counted.
    pub(super) fn swallows(&self, around: Style) -> Option<&'static str> {
        if self.closing || self.is_void() {
            None
        } else if shape(&self.name) == Some(Shape::Unseen) {
            Some("html_script")
        } else if self.style(around).gone() {
            Some("html_hidden")
        } else {
            None
        }
    }
}

/// Whether a known tag begins here, complete or not.
pub(super) fn begins(here: &str) -> bool {
    let inner = here.get(1..).unwrap_or_default();
    let inner = inner.strip_prefix('/').unwrap_or(inner);
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inner.len());
    let name = inner.get(..end).unwrap_or_default();
    let after = inner.get(end..).unwrap_or_default();
    let ends = after.is_empty() || after.starts_with(['>', '/', ' ', '\t', '\n']);
    ends && name.len() <= 16 && shape(&name.to_ascii_lowercase()).is_some()
}

/// Parses the known tag at the start of `here`; `None` if it is none, or has no end.
pub(super) fn parse(here: &str) -> Option<Tag> {
    if !begins(here) {
        return None;
    }
    let inner = here.get(1..)?;
    let closing = inner.starts_with('/');
    let inner = if closing { inner.get(1..)? } else { inner };
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric())?;
    let name = inner.get(..end)?.to_ascii_lowercase();
    let mut rest = inner.get(end..)?;
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '/']);
        if here.len() - rest.len() > LONGEST_TAG {
            return None;
        }
        if let Some(after) = rest.strip_prefix('>') {
            return Some(Tag { name, closing, attributes, length: here.len() - after.len() });
        }
        let stop = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/' | '<'))
            .unwrap_or(rest.len());
        // An angle bracket here opens another tag: this one has no end.
        if rest.get(stop..)?.starts_with('<') {
            return None;
        }
        let stop = if stop == 0 { 1 } else { stop };
        let key = rest.get(..stop)?.to_ascii_lowercase();
        rest = rest.get(stop..)?;
        let spaced = rest.trim_start_matches([' ', '\t', '\n']);
        let mut value = "";
        if let Some(after) = spaced.strip_prefix('=') {
            let after = after.trim_start_matches([' ', '\t', '\n']);
            let quote = after.chars().next()?;
            if quote == '"' || quote == '\'' {
                let body = after.get(1..)?;
                let close = body.bytes().take(LONGEST_TAG).position(|b| char::from(b) == quote)?;
                value = body.get(..close)?;
                rest = body.get(close + 1..)?;
            } else {
                let close = after.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(after.len());
                value = after.get(..close)?;
                rest = after.get(close..)?;
            }
        }
        attributes.push((key, value.to_owned()));
    }
}

/// Bytes from the start of `after` to behind the closing tag of this name, nested ones counted. Where there
/// are too few of them, the last one closes.
pub(super) fn closing(after: &str, name: &str) -> Option<usize> {
    let mut depth = 1_usize;
    let mut at = 0;
    let mut last = None;
    while let Some(next) = after.get(at..)?.find('<') {
        at += next;
        let here = after.get(at..)?;
        if here
            .get(1..)?
            .trim_start_matches('/')
            .get(..name.len())
            .is_some_and(|n| n.eq_ignore_ascii_case(name))
            && let Some(tag) = parse(here).filter(|tag| tag.name == name)
        {
            at += tag.length;
            if tag.closing {
                depth -= 1;
                last = Some(at);
                if depth == 0 {
                    return last;
                }
            } else {
                depth += 1;
            }
        } else {
            at += 1;
        }
    }
    last
}

/// For single lines: an angle bracket that begins a known tag or a comment becomes a look-alike.
pub(super) fn break_tags(text: &str, counts: &mut Counts) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        if begins(here) || here.starts_with("<!") || here.starts_with("<?") {
            count(counts, "html_tag", 1);
            out.push('‹');
        } else {
            out.push('<');
        }
        rest = here.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}
