//! Text in pages that we write: escaped, so that what a document, a file name or a person says stays
//! text whatever it holds. It must never be left out between a foreign word and a page.

/// Escaped for an element or a quoted attribute; control characters become spaces.
#[must_use]
pub fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_markup_is_left() {
        assert_eq!(
            text("<a href='x' b=\"y\">&\u{1b}\n"),
            "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;  "
        );
    }
}
