//! The encoding that a page states of itself, as the HTML standard looks for it (prescan of the first 1024 bytes,
//! <https://html.spec.whatwg.org/multipage/parsing.html#prescan-a-byte-stream-to-determine-its-encoding>). It must never
//! be believed where the bytes are UTF-8: many pages say what they were saved as long ago.

use crate::formats::text;
use crate::formats::{FailReason, Meta, Signal};
use encoding_rs::{Encoding, UTF_8};

/// So far a statement may stand.
const PRESCAN: usize = 1_024;

/// A page as text: UTF-8 or UTF-16 by its mark, UTF-8 where it is that, else what it states, else UTF-8 as it can
/// be read.
pub(super) fn decode(bytes: &[u8], meta: &mut Meta) -> Result<String, FailReason> {
    let marks: [&[u8]; 3] = [&[0xff, 0xfe], &[0xfe, 0xff], &[0xef, 0xbb, 0xbf]];
    let marked = marks.iter().any(|mark| bytes.starts_with(mark));
    let stated = stated(bytes).filter(|_| !marked && std::str::from_utf8(bytes).is_err());
    let Some(encoding) = stated else { return text::decode(bytes, meta) };
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    let replaced = text.chars().filter(|c| *c == '\u{fffd}').count() as u64;
    if replaced * 10 > text.chars().count() as u64 {
        return Err(FailReason::Encoding);
    }
    meta.count(Signal::ReplacementCharacters, replaced);
    Ok(text.into_owned())
}

/// What a `meta` element, or an XML declaration, says; `None` for nothing, UTF-8, and what nobody knows.
fn stated(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..bytes.len().min(PRESCAN))?.to_ascii_lowercase();
    let head = String::from_utf8_lossy(&head);
    let declared = head.trim_start().strip_prefix("<?xml").and_then(|rest| {
        let (declaration, _) = rest.split_once("?>")?;
        label_after(declaration, "encoding")
    });
    let head_shown = uncommented(&head);
    let elements = head_shown.match_indices("<meta").filter_map(|(at, name)| {
        let (element, _) = head_shown.get(at + name.len()..)?.split_once('>')?;
        // Not `<metadata …>`.
        element.starts_with(|c: char| c.is_ascii_whitespace() || c == '/').then_some(element)?;
        label_after(element, "charset")
    });
    let encoding =
        declared.into_iter().chain(elements).find_map(|label| Encoding::for_label(label.as_bytes()))?;
    // UTF-16 without its mark is not what a page with a readable `meta` is.
    (encoding != UTF_8 && encoding.is_ascii_compatible()).then_some(encoding)
}

/// Without what is commented out, which no browser believes either.
fn uncommented(head: &str) -> String {
    let mut shown = String::with_capacity(head.len());
    let mut rest = head;
    while let Some(at) = rest.find("<!--") {
        let (before, comment) = rest.split_at(at);
        shown.push_str(before);
        // `<!-->` is one, too: what ends it may use the same dashes.
        let end = comment.get(2..).and_then(|comment| comment.split_once("-->"));
        rest = end.map_or("", |(_, after)| after);
    }
    shown + rest
}

/// The value after `name=`, with or without quotes.
fn label_after(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(name)?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let end = rest
        .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '/' | '?'))
        .unwrap_or(rest.len());
    rest.get(..end).filter(|label| !label.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use crate::formats::{FailReason, Format, Signal, extract_for_test};

    fn page(head: &[u8], body: &[u8]) -> Result<(String, u64), FailReason> {
        let page =
            [b"<!DOCTYPE html><html><head>", head, b"</head><body><p>", body, b"</p></body></html>"].concat();
        let (blocks, meta) = extract_for_test(Format::Html, &page)?;
        let text = blocks.into_iter().map(|(_, text)| text).collect();
        Ok((text, meta.signals.get(&Signal::ReplacementCharacters).copied().unwrap_or_default()))
    }

    #[test]
    fn what_a_page_states_is_believed_where_it_is_no_utf_8() {
        let german = b"Stra\xdfe in M\xfcnchen";
        for head in [
            &b"<meta charset=windows-1252>"[..],
            b"<META CHARSET='iso-8859-1' >",
            b"<meta name=x content=y><meta http-equiv=\"Content-Type\" content=\"text/html; charset=ISO-8859-1\">",
        ] {
            assert_eq!(page(head, german).unwrap(), ("Stra\u{df}e in M\u{fc}nchen".to_owned(), 0), "{head:?}");
        }
        let (text, _) = page(b"<meta charset=\"koi8-r\">", b"\xf4\xc5\xcb\xd3\xd4").unwrap();
        assert_eq!(text, "\u{422}\u{435}\u{43a}\u{441}\u{442}");
        // It says so, and is UTF-8 all the same.
        let (text, _) = page(b"<meta charset=windows-1252>", "M\u{fc}nchen".as_bytes()).unwrap();
        assert_eq!(text, "M\u{fc}nchen");
    }

    #[test]
    fn what_no_browser_believes_is_not_believed() {
        let french = b"caf\xe9 au lait";
        for head in [
            &b"<!-- <meta charset=koi8-r> --><meta charset=windows-1252>"[..],
            b"<!-- was <meta charset=koi8-r> once --><!--><meta charset=iso-8859-1>",
            b"<metadata charset=koi8-r></metadata><meta charset=windows-1252>",
        ] {
            assert_eq!(page(head, french).unwrap().0, "caf\u{e9} au lait", "{head:?}");
        }
        // A mark says what it is, whatever else does, and however little of it is wrong.
        let marked = "\u{feff}<html><head><meta charset=koi8-r></head><body><p>M\u{fc}nchen, Stra\u{df}e ";
        let marked = [marked.as_bytes(), b"\xff</p></body></html>"].concat();
        let (blocks, _) = extract_for_test(Format::Html, &marked).unwrap();
        assert!(blocks[0].1.starts_with("M\u{fc}nchen, Stra\u{df}e"), "{blocks:?}");
    }

    #[test]
    fn without_a_statement_that_can_be_used_what_is_wrong_is_replaced_and_counted() {
        for head in [
            &b""[..],
            b"<meta charset=utf-8>",
            b"<meta charset=utf-16>",
            b"<meta charset=klingon>",
            b"<meta charset>",
        ] {
            let (text, replaced) = page(head, b"one long na\xc3\xafve line with caf\xe9 in it").unwrap();
            assert!(text.contains("caf\u{fffd}") && replaced == 1, "{text}");
            // Nothing else is beyond ASCII.
            let (text, replaced) = page(head, b"one long line with caf\xe9 in it").unwrap();
            assert!(text.contains("caf\u{e9}") && replaced == 0, "{text}");
        }
        assert_eq!(page(b"", &b"\xe9\xe8\xe7 ".repeat(200)), Err(FailReason::Encoding));
    }
}
