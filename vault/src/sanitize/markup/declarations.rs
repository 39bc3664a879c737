//! Declarations of CSS, `name: value; …`, those that can take text out of sight. They are read as a browser
//! reads them, escapes and comments included; it must never keep a property that hides nothing.

/// A property that can hide text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Property {
    Display,
    ContentVisibility,
    Visibility,
    Opacity,
    Filter,
    FontSize,
    Font,
    LineHeight,
    Color,
    TextFill,
    Background,
    Position,
    Side,
    TextIndent,
    Margin,
    Clip,
    ClipPath,
    Transform,
    Translate,
    Rotate,
    Scale,
    Width,
    Height,
    Overflow,
}

impl Property {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "display" => Self::Display,
            "content-visibility" => Self::ContentVisibility,
            "visibility" => Self::Visibility,
            "opacity" => Self::Opacity,
            "filter" => Self::Filter,
            "font-size" => Self::FontSize,
            "font" => Self::Font,
            "line-height" => Self::LineHeight,
            "color" => Self::Color,
            "-webkit-text-fill-color" => Self::TextFill,
            "background" | "background-color" => Self::Background,
            "position" => Self::Position,
            "left" | "top" | "right" | "bottom" | "inset" | "inset-inline" | "inset-block"
            | "inset-inline-start" | "inset-inline-end" | "inset-block-start" | "inset-block-end" => {
                Self::Side
            }
            "text-indent" => Self::TextIndent,
            "margin"
            | "margin-left"
            | "margin-top"
            | "margin-inline"
            | "margin-block"
            | "margin-inline-start"
            | "margin-block-start" => Self::Margin,
            "clip" => Self::Clip,
            "clip-path" => Self::ClipPath,
            "transform" => Self::Transform,
            "translate" => Self::Translate,
            "rotate" => Self::Rotate,
            "scale" | "zoom" => Self::Scale,
            "width" | "max-width" | "inline-size" | "max-inline-size" => Self::Width,
            "height" | "max-height" | "block-size" | "max-block-size" => Self::Height,
            "overflow" | "overflow-x" | "overflow-y" => Self::Overflow,
            _ => return None,
        })
    }
}

/// One declaration, its value in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    pub(super) property: Property,
    pub(super) value: String,
    pub(super) important: bool,
}

/// The declarations in the body of a rule or in a `style` attribute that can hide.
#[must_use]
pub fn declarations(body: &str) -> Vec<Declaration> {
    let body = unescaped(&plain(body)).to_ascii_lowercase();
    let pairs = body.split(';').filter_map(|pair| pair.split_once(':'));
    pairs
        .filter_map(|(name, value)| {
            let property = Property::named(name.trim())?;
            let (value, mark) = value.split_once('!').unwrap_or((value, ""));
            let important = mark.trim() == "important";
            Some(Declaration { property, value: value.trim().to_owned(), important })
        })
        .collect()
}

/// CSS without comments, and with nothing in its strings that would part declarations or rules.
#[must_use]
pub fn plain(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    let mut quote = None;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = after;
        match (quote, c) {
            (None, '/') if after.starts_with('*') => {
                out.push(' ');
                let comment = after.get(1..).unwrap_or_default();
                rest = comment.split_once("*/").map_or("", |(_, after)| after);
            }
            (None, '<') if after.starts_with("!--") => {
                out.push(' ');
                rest = after.get(3..).unwrap_or_default();
            }
            (None, '-') if after.starts_with("->") => {
                out.push(' ');
                rest = after.get(2..).unwrap_or_default();
            }
            (_, '\\') => {
                let mut chars = after.chars();
                let escaped = chars.next();
                rest = chars.as_str();
                out.push('\\');
                out.extend(escaped.map(|c| if parts(c) { '_' } else { c }));
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                out.push(c);
            }
            // A line's end ends a string that nobody closed.
            (Some(open), c) if c == open || c == '\n' => {
                quote = None;
                out.push(c);
            }
            (Some(_), c) if parts(c) || c == ',' => out.push('_'),
            (_, c) => out.push(c),
        }
    }
    out
}

fn parts(c: char) -> bool {
    matches!(c, '{' | '}' | ';')
}

/// `\64 isplay` is `display`. What an escape may not stand for here, because it would part or end a
/// declaration, becomes U+FFFD.
fn unescaped(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let digits = after.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
        let (escaped, tail) = match after.split_at_checked(digits) {
            Some((hex, tail)) if digits > 0 => {
                let value = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
                (value, tail.strip_prefix(|c: char| c.is_ascii_whitespace()).unwrap_or(tail))
            }
            _ => {
                let mut chars = after.chars();
                (chars.next(), chars.as_str())
            }
        };
        if escaped != Some('\n') {
            let plain = escaped.filter(|c| c.is_alphanumeric() || *c == '-');
            out.push(plain.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_read_however_it_is_written() {
        for written in [
            "display:none",
            " DISPLAY : NONE ",
            "display:/* */none",
            r"d\69splay:none",
            r"\64 isplay:n\6f ne",
            r"d\isplay:none",
            "margin-bottom:0;display:none;",
            "font-family:'a;display:block';display:none",
            "display:none;font-family:\"a;display:block\"",
        ] {
            let found = declarations(written);
            assert_eq!(found.len(), 1, "{written}");
            assert_eq!(
                (found[0].property, found[0].value.as_str()),
                (Property::Display, "none"),
                "{written}"
            );
        }
        for important in ["display:none !important", "display:none! IMPORTANT", "display:none!important"] {
            assert!(declarations(important)[0].important, "{important}");
        }
        for nothing in ["", "display", ":", ";;", "border:0", "\\", "display\\3a none", "/*/display:none"] {
            assert_eq!(declarations(nothing), [], "{nothing}");
        }
    }
}
