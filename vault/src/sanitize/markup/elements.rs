//! The elements of HTML by name, those of the past and the common ones of SVG included, since renderers
//! know them still. What is not listed is text in angle brackets, and must stay: `Vec<String>`, `<your-name>`,
//! and, of words that name an element of SVG that nobody writes in text, `<command>` or `<filter>`.

use Shape::{Block, Cell, Inline, Unseen};

/// How an element stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Begins and ends lines of its own.
    Block,
    /// A table or a part of one: what is in it does not run on from what stands before.
    Cell,
    /// Runs on with the text around it.
    Inline,
    /// What is in it is no text for a reader: code, data, or what is shown in place of the element only
    /// where the element itself cannot be.
    Unseen,
}

/// How the element of this name (in lower case) stands in the text; `None` if there is no such element.
#[must_use]
pub fn shape(name: &str) -> Option<Shape> {
    let at = ELEMENTS.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    ELEMENTS.get(at).map(|(_, shape)| *shape)
}

/// Whether people write the tag of this name without an end, and mean the element: `<br>`, `<li>`. Any other
/// that has neither attributes nor an end is a word in angle brackets: `cp <source> <object>`.
#[must_use]
pub fn stands_open(name: &str) -> bool {
    matches!(
        name,
        "body"
            | "br"
            | "caption"
            | "colgroup"
            | "dd"
            | "dt"
            | "head"
            | "hr"
            | "html"
            | "li"
            | "optgroup"
            | "option"
            | "p"
            | "rp"
            | "rt"
            | "tbody"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "tr"
            | "wbr"
    )
}

/// Whether the element of this name has no content and no end.
#[must_use]
pub fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "basefont"
            | "bgsound"
            | "br"
            | "col"
            | "embed"
            | "frame"
            | "hr"
            | "image"
            | "img"
            | "input"
            | "isindex"
            | "keygen"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Sorted by name.
const ELEMENTS: &[(&str, Shape)] = &[
    ("a", Inline),
    ("abbr", Inline),
    ("acronym", Inline),
    ("address", Block),
    ("animate", Inline),
    ("animatetransform", Inline),
    ("applet", Unseen),
    ("area", Inline),
    ("article", Block),
    ("aside", Block),
    ("audio", Unseen),
    ("b", Inline),
    ("base", Inline),
    ("basefont", Inline),
    ("bdi", Inline),
    ("bdo", Inline),
    ("bgsound", Inline),
    ("big", Inline),
    ("blockquote", Block),
    ("body", Block),
    ("br", Block),
    ("button", Inline),
    ("canvas", Unseen),
    ("caption", Block),
    ("center", Block),
    ("circle", Inline),
    ("cite", Inline),
    ("code", Inline),
    ("col", Inline),
    ("colgroup", Inline),
    ("datalist", Unseen),
    ("dd", Block),
    ("defs", Inline),
    ("del", Inline),
    ("details", Block),
    ("dfn", Inline),
    ("dialog", Block),
    ("div", Block),
    ("dl", Block),
    ("dt", Block),
    ("ellipse", Inline),
    ("em", Inline),
    ("embed", Unseen),
    ("feimage", Inline),
    ("fencedframe", Unseen),
    ("fieldset", Block),
    ("figcaption", Block),
    ("figure", Block),
    ("font", Inline),
    ("footer", Block),
    ("foreignobject", Inline),
    ("form", Block),
    ("frame", Unseen),
    ("frameset", Unseen),
    ("g", Inline),
    ("h1", Block),
    ("h2", Block),
    ("h3", Block),
    ("h4", Block),
    ("h5", Block),
    ("h6", Block),
    ("head", Inline),
    ("header", Block),
    ("hgroup", Block),
    ("hr", Block),
    ("html", Block),
    ("i", Inline),
    ("iframe", Unseen),
    ("image", Inline),
    ("img", Inline),
    ("input", Inline),
    ("ins", Inline),
    ("isindex", Inline),
    ("kbd", Inline),
    ("keygen", Inline),
    ("label", Inline),
    ("legend", Block),
    ("li", Block),
    ("line", Inline),
    ("lineargradient", Inline),
    ("link", Unseen),
    ("listing", Block),
    ("main", Block),
    ("map", Inline),
    ("mark", Inline),
    ("marquee", Inline),
    ("math", Unseen),
    ("menu", Block),
    ("meta", Unseen),
    ("meter", Unseen),
    ("nav", Block),
    ("nobr", Inline),
    ("noembed", Unseen),
    ("noframes", Unseen),
    ("noscript", Unseen),
    ("object", Unseen),
    ("ol", Block),
    ("optgroup", Block),
    ("option", Block),
    ("output", Inline),
    ("p", Block),
    ("param", Inline),
    ("path", Inline),
    ("picture", Inline),
    ("plaintext", Block),
    ("polygon", Inline),
    ("polyline", Inline),
    ("portal", Inline),
    ("pre", Block),
    ("progress", Unseen),
    ("q", Inline),
    ("radialgradient", Inline),
    ("rect", Inline),
    ("rp", Unseen),
    ("rt", Inline),
    ("ruby", Inline),
    ("s", Inline),
    ("samp", Inline),
    ("script", Unseen),
    ("search", Block),
    ("section", Block),
    ("select", Inline),
    ("set", Inline),
    ("slot", Inline),
    ("small", Inline),
    ("source", Inline),
    ("span", Inline),
    ("strike", Inline),
    ("strong", Inline),
    ("style", Unseen),
    ("sub", Inline),
    ("summary", Block),
    ("sup", Inline),
    ("svg", Unseen),
    ("table", Cell),
    ("tbody", Cell),
    ("td", Cell),
    ("template", Unseen),
    ("textarea", Inline),
    ("textpath", Inline),
    ("tfoot", Cell),
    ("th", Cell),
    ("thead", Cell),
    ("time", Inline),
    ("title", Inline),
    ("tr", Cell),
    ("track", Inline),
    ("tspan", Inline),
    ("tt", Inline),
    ("u", Inline),
    ("ul", Block),
    ("use", Inline),
    ("var", Inline),
    ("video", Unseen),
    ("wbr", Inline),
    ("xmp", Block),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_name_is_found() {
        assert!(ELEMENTS.is_sorted_by(|a, b| a.0 < b.0));
        for (name, is) in ELEMENTS {
            assert_eq!(shape(name), Some(*is), "{name}");
        }
        for none in ["", "string", "your-name", "DIV"] {
            assert_eq!(shape(none), None, "{none}");
        }
    }
}
