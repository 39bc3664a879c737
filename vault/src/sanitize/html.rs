//! Tags of HTML inside running text: just enough parsing to take them out. A document that *is*
//! HTML is walked as a tree by its extractor; this is for Markdown, and for what pretends to be text.

use super::{Counts, count};

const LONGEST_TAG: usize = 8192;

const NAMES: &[&str] = &[
    "a",
    "abbr",
    "address",
    "animate",
    "animatetransform",
    "area",
    "article",
    "aside",
    "audio",
    "b",
    "base",
    "bdi",
    "bdo",
    "big",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "circle",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "defs",
    "del",
    "details",
    "dfn",
    "dialog",
    "div",
    "dl",
    "dt",
    "ellipse",
    "em",
    "embed",
    "fieldset",
    "figcaption",
    "figure",
    "font",
    "footer",
    "foreignobject",
    "form",
    "frame",
    "frameset",
    "g",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "iframe",
    "image",
    "img",
    "input",
    "ins",
    "isindex",
    "kbd",
    "keygen",
    "label",
    "legend",
    "li",
    "line",
    "link",
    "main",
    "map",
    "mark",
    "marquee",
    "math",
    "menu",
    "meta",
    "meter",
    "nav",
    "nobr",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "ol",
    "optgroup",
    "option",
    "output",
    "p",
    "param",
    "path",
    "picture",
    "plaintext",
    "polygon",
    "polyline",
    "portal",
    "pre",
    "progress",
    "q",
    "rect",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "script",
    "search",
    "section",
    "select",
    "set",
    "slot",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "track",
    "tspan",
    "tt",
    "u",
    "ul",
    "use",
    "var",
    "video",
    "wbr",
    "xmp",
];

/// Elements that stand for a line of their own, or a break: a blank takes their place.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

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

    pub(super) fn is_block(&self) -> bool {
        BLOCKS.contains(&self.name.as_str())
    }

    /// Whether everything inside it is not for readers.
    pub(super) fn swallows(&self) -> Option<&'static str> {
        if self.closing {
            return None;
        }
        if matches!(self.name.as_str(), "script" | "style" | "template" | "noscript" | "noembed" | "noframes")
        {
            return Some("html_script");
        }
        let style = self.attribute("style").unwrap_or_default();
        let style: String =
            style.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        let unseen = ["display:none", "visibility:hidden", "font-size:0", "opacity:0;", "opacity:0%"];
        let hidden = self.attribute("hidden").is_some()
            || unseen.iter().any(|form| style.contains(form))
            || style.ends_with("opacity:0");
        let empty =
            matches!(self.name.as_str(), "br" | "hr" | "img" | "input" | "meta" | "link" | "wbr" | "source");
        (hidden && !empty).then_some("html_hidden")
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
    ends && name.len() <= 16 && NAMES.contains(&name.to_ascii_lowercase().as_str())
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

/// Bytes from the start of `after` to behind the closing tag of this name, nested ones counted.
pub(super) fn closing(after: &str, name: &str) -> Option<usize> {
    let mut depth = 1_usize;
    let mut at = 0;
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
                if depth == 0 {
                    return Some(at);
                }
            } else {
                depth += 1;
            }
        } else {
            at += 1;
        }
    }
    None
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
