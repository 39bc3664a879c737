//! XML as the parts of a document need it: elements by their local names, text with its references resolved.
//! It must never resolve an entity that the document defines itself, and never recurse.

use crate::formats::FailReason;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// Most elements that may be open within each other.
const MOST_DEPTH: usize = 10_000;

/// What comes next.
pub(super) enum Xml<'a> {
    /// An element begins.
    Open(&'a str, Tag<'a>),
    /// An element ends.
    Close(&'a str),
    /// Text.
    Text(&'a str),
}

/// The attributes of an element.
#[derive(Clone, Copy)]
pub(super) struct Tag<'a>(&'a BytesStart<'a>);

impl Tag<'_> {
    /// The attribute of this local name.
    pub(super) fn get(self, name: &str) -> Option<String> {
        let mut attributes = self.0.attributes();
        let attributes = attributes.with_checks(false).filter_map(Result::ok);
        let mut named = attributes.filter(|attribute| attribute.key.local_name().into_inner() == name);
        named.next()?.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
    }

    /// `w:val`.
    pub(super) fn val(self) -> Option<String> {
        self.get("val")
    }

    /// Whether a switch such as `<w:vanish/>` is on.
    pub(super) fn on(self) -> bool {
        !matches!(self.val().as_deref(), Some("0" | "false" | "off" | "none"))
    }

    /// `w:val` as a number.
    pub(super) fn number<T: std::str::FromStr>(self) -> Option<T> {
        self.val()?.trim().parse().ok()
    }
}

/// Goes through a part from start to end.
pub(super) fn read(
    source: &str,
    mut each: impl FnMut(Xml<'_>) -> Result<(), FailReason>,
) -> Result<(), FailReason> {
    let mut reader = Reader::from_str(source.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut depth = 0_usize;
    loop {
        match reader.read_event().map_err(|_| FailReason::Broken)? {
            Event::Start(tag) => {
                depth += 1;
                if depth > MOST_DEPTH {
                    return Err(FailReason::TooDeep);
                }
                each(Xml::Open(tag.local_name().into_inner(), Tag(&tag)))?;
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                each(Xml::Close(tag.local_name().into_inner()))?;
            }
            Event::Text(text) => each(Xml::Text(&text.xml10_content()))?,
            Event::CData(text) => each(Xml::Text(&text.xml10_content()))?,
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(character),
                    Ok(None) => predefined(&reference),
                    Err(_) => None,
                };
                let mut bytes = [0; 4];
                each(Xml::Text(character.unwrap_or('\u{fffd}').encode_utf8(&mut bytes)))?;
            }
            Event::Eof => return if depth == 0 { Ok(()) } else { Err(FailReason::Broken) },
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}
