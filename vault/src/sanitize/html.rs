//! Tags of HTML inside running text: just enough parsing to take them out. A document that *is* HTML is
//! walked as a tree by its extractor; this is for what pretends to be text. It must never take for a tag
//! what no renderer does.

use super::links::is_autolink;
use super::markup::{Shape, Style, is_void, shape, stands_open};
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

    /// Whether it is a word in angle brackets rather than the beginning of an element: it says nothing but
    /// its name, and nothing ends it. What is closed hides what it hides, whatever it looks like.
    pub(super) fn is_word(&self, ends: impl FnOnce() -> bool) -> bool {
        // `a <b AND b> c`: names without values say as little.
        let bare = !self.closing && self.attributes.iter().all(|(_, value)| value.is_empty());
        bare && !stands_open(&self.name) && (self.is_void() || !ends())
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
    let mut attributes = Vec::new();
    let length = read_attributes(here, inner.get(end..)?, &mut attributes)?;
    Some(Tag { name, closing, attributes, length })
}

fn ends_name(c: char) -> bool {
    c.is_whitespace() || matches!(c, '/' | '>' | '<')
}

/// The length of a tag of any name.
pub(super) fn end(here: &str) -> Option<usize> {
    let inner = here.get(1..)?;
    let inner = inner.strip_prefix('/').unwrap_or(inner);
    let name = inner.starts_with(|c: char| c.is_ascii_alphabetic());
    let end = inner.find(ends_name).filter(|_| name)?;
    read_attributes(here, inner.get(end..)?, &mut Vec::new())
}

/// Elements that load something by an attribute of theirs.
const LOADING: [&str; 12] = [
    "img", "image", "iframe", "video", "audio", "source", "embed", "object", "link", "input", "body", "track",
];

/// Whether a tag begins here, of any name and with or without an end, that makes a renderer load or run
/// something by itself.
pub(super) fn loads(here: &str) -> bool {
    let inner = here.get(1..).unwrap_or_default();
    if !inner.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return false;
    }
    let end = inner.find(ends_name).unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    let mut attributes = Vec::new();
    // One that never ends counts by what it has, and one that loads by what it is: what stands behind it may
    // end it yet.
    let ended = read_attributes(here, rest, &mut attributes).is_some();
    let runs = ["script", "style"];
    let named = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    if named(&runs) || (!ended && named(&LOADING)) {
        return true;
    }
    let by_reference = ["link", "use", "image", "feimage", "base"];
    attributes.iter().any(|(attribute, value)| match attribute.as_str() {
        "src" | "srcset" | "imagesrcset" | "srcdoc" | "data" | "poster" | "background" | "http-equiv"
        | "lowsrc" | "dynsrc" | "manifest" => true,
        "href" | "xlink:href" => named(&by_reference),
        // An escape, or a reference to a character, may write what an address needs.
        "style" => value.contains(['(', '\\', '&']),
        handler => handler.len() > 2 && handler.starts_with("on"),
    })
}

/// Reads attributes up to the end of the tag that begins at `here`; gives its length, if it has an end.
fn read_attributes(here: &str, mut rest: &str, attributes: &mut Vec<(String, String)>) -> Option<usize> {
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '/']);
        if here.len() - rest.len() > LONGEST_TAG {
            return None;
        }
        if let Some(after) = rest.strip_prefix('>') {
            return Some(here.len() - after.len());
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
        let Some(after) = spaced.strip_prefix('=') else {
            attributes.push((key, String::new()));
            continue;
        };
        let after = after.trim_start_matches([' ', '\t', '\n']);
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let body = if quote.is_some() { after.get(1..)? } else { after };
        let close = match quote {
            Some(quote) => body.bytes().take(LONGEST_TAG).position(|b| char::from(b) == quote),
            // One that opens a bracket is no value that anybody wrote: such a tag counts as one without an end.
            None => {
                let stop = |c: char| c.is_whitespace() || matches!(c, '>' | '<');
                let end = body.get(..body.floor_char_boundary(LONGEST_TAG)).unwrap_or_default().find(stop);
                end.filter(|end| !body.get(*end..).is_some_and(|rest| rest.starts_with('<')))
            }
        };
        let Some((value, tail)) = close.and_then(|close| body.split_at_checked(close)) else {
            attributes.push((key, body.chars().take(64).collect()));
            return None;
        };
        attributes.push((key, value.to_owned()));
        rest = if quote.is_some() { tail.get(1..)? } else { tail };
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

/// For single lines: an angle bracket that begins a known tag, a comment or an autolink becomes a look-alike.
pub(super) fn break_tags(text: &str, counts: &mut Counts) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        if begins(here) || here.starts_with("<!") || here.starts_with("<?") || is_autolink(here) {
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
