//! What a document is, by its bytes: most by their first, what holds parts by the names of the parts. A name
//! is only ever a hint among the three kinds of text: a binary file called `notes.md` must not be read as
//! Markdown, nor any ZIP file called `notes.docx` as a document.

use super::FailReason;
use super::package::{Purpose, purpose};
use crate::archives::is_tar;
use serde::{Deserialize, Serialize};

/// How many bytes the sniffer looks at.
pub const HEAD: usize = 8 * 1024;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Markdown.
    Markdown,
    /// Plain text, source code, data in text form.
    Text,
    /// HTML.
    Html,
    /// PDF.
    Pdf,
    /// DOCX.
    Docx,
}

impl Format {
    /// Whether its bytes are text.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Markdown | Self::Text | Self::Html)
    }

    /// The word in filters and listings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Text => "text",
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
        }
    }
}

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packed {
    /// ZIP.
    Zip,
    /// Tar.
    Tar,
    /// Gzip, of a tar file.
    Gzip,
}

/// What the sniffer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// Not a single byte.
    Empty,
    /// A format that is read.
    Known(Format),
    /// A file of files: only the whole tells ([`identify`]).
    Container,
    /// An archive: its members are documents.
    Archive(Packed),
    /// Of a format that is read, but not this one.
    Refused(FailReason),
    /// Anything else: skipped and counted.
    Unknown,
}

/// How ZIP files begin.
const ZIP: &[u8] = b"PK\x03\x04";
/// And those without a member.
const ZIP_EMPTY: &[u8] = b"PK\x05\x06";
/// How gzipped files begin.
const GZIP: &[u8] = b"\x1f\x8b";
/// How compound files begin: documents of older office programs, and encrypted ones of newer.
const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// What an encrypted document is called within a compound file.
const ENCRYPTED: &str = "EncryptedPackage";

/// Decides from all the bytes; never [`Sniffed::Container`].
#[must_use]
pub fn identify(bytes: &[u8], path: &str) -> Sniffed {
    match sniff(bytes, path) {
        Sniffed::Container if bytes.starts_with(COMPOUND) => {
            let name: Vec<u8> = ENCRYPTED.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let encrypted = bytes.windows(name.len()).any(|part| part == name);
            if encrypted { Sniffed::Refused(FailReason::Encrypted) } else { Sniffed::Unknown }
        }
        Sniffed::Container => match purpose(bytes) {
            Ok(Purpose::Docx) => Sniffed::Known(Format::Docx),
            Ok(Purpose::Archive) => Sniffed::Archive(Packed::Zip),
            Ok(Purpose::Other) => Sniffed::Unknown,
            Err(reason) => Sniffed::Refused(reason),
        },
        other => other,
    }
}

/// Decides from the head of the bytes; `path` is a hint among kinds of text.
#[must_use]
pub fn sniff(head: &[u8], path: &str) -> Sniffed {
    let head = head.get(..HEAD).unwrap_or(head);
    if head.is_empty() {
        return Sniffed::Empty;
    }
    let early = head.get(..1024).unwrap_or(head);
    if early.windows(5).any(|five| five == b"%PDF-") {
        return Sniffed::Known(Format::Pdf);
    }
    if head.starts_with(ZIP) || head.starts_with(ZIP_EMPTY) || head.starts_with(COMPOUND) {
        return Sniffed::Container;
    }
    if head.starts_with(GZIP) {
        return Sniffed::Archive(Packed::Gzip);
    }
    if is_tar(head) {
        return Sniffed::Archive(Packed::Tar);
    }
    if is_binary(head) {
        return Sniffed::Unknown;
    }
    let extension = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, after)| after);
    let extension = extension.unwrap_or_default().to_ascii_lowercase();
    let by_name = match extension.as_str() {
        "md" | "markdown" | "mdown" | "mkd" | "mdx" => Format::Markdown,
        "html" | "htm" | "xhtml" => Format::Html,
        _ => Format::Text,
    };
    if by_name == Format::Markdown || !looks_like_html(head) {
        // An `.html` file without any markup is still read by the HTML walk.
        return Sniffed::Known(by_name);
    }
    Sniffed::Known(Format::Html)
}

/// Control characters that no text has. UTF-16 with its mark is text.
fn is_binary(head: &[u8]) -> bool {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return false;
    }
    let odd = |byte: &&u8| matches!(**byte, 0..=8 | 11 | 14..=26 | 28..=31 | 127);
    head.contains(&0) || head.iter().filter(odd).count() * 50 > head.len()
}

/// Whether it begins as an HTML document does.
fn looks_like_html(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        if let Some(after) = rest.strip_prefix("<!--") {
            let Some((_, after)) = after.split_once("-->") else { return false };
            rest = after.trim_start();
        } else if let Some(after) = rest.strip_prefix("<?xml") {
            let Some((_, after)) = after.split_once("?>") else { return false };
            rest = after.trim_start();
        } else {
            break;
        }
    }
    let start: String = rest.chars().take(14).collect::<String>().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head>", "<head ", "<body>", "<body "]
        .iter()
        .any(|mark| start.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Format::{Html, Markdown, Pdf, Text};

    #[test]
    fn content_decides_and_names_only_hint() {
        for (head, path, expected) in [
            (&b"%PDF-1.7\n"[..], "a.txt", Sniffed::Known(Pdf)),
            (b"junk\n%PDF-1.4", "a", Sniffed::Known(Pdf)),
            (b"# Title", "a/README.md", Sniffed::Known(Markdown)),
            (b"# Title", "README", Sniffed::Known(Text)),
            (b"<!DOCTYPE html><p>", "page.txt", Sniffed::Known(Html)),
            (b"\xef\xbb\xbf <!-- c --><html>", "x", Sniffed::Known(Html)),
            (b"<?xml version=\"1.0\"?><html xmlns", "x", Sniffed::Known(Html)),
            (b"<?xml version=\"1.0\"?><note>", "x.xml", Sniffed::Known(Text)),
            (b"<html> in markdown", "x.md", Sniffed::Known(Markdown)),
            (b"no tags", "x.html", Sniffed::Known(Html)),
            (b"PK\x03\x04\x14\x00\x00", "notes.md", Sniffed::Container),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "notes.docx", Sniffed::Container),
            (b"\x89PNG\r\n\x1a\n\x00\x00", "notes.md", Sniffed::Unknown),
            (b"caf\xe9", "x.txt", Sniffed::Known(Text)),
            (b"\xff\xfeh\x00i\x00", "x.txt", Sniffed::Known(Text)),
            (b"", "x.txt", Sniffed::Empty),
        ] {
            assert_eq!(sniff(head, path), expected, "{path}");
        }
    }

    #[test]
    fn what_holds_parts_is_told_by_their_names() {
        let zip = |names: &[&str]| {
            let members: Vec<_> = names.iter().map(|name| (*name, "x".as_bytes())).collect();
            crate::formats::package::write_for_test(&members)
        };
        for (names, expected) in [
            (&["[Content_Types].xml", "word/document.xml"][..], Sniffed::Known(Format::Docx)),
            (&["WORD/document2.xml", "[content_types].xml"], Sniffed::Known(Format::Docx)),
            (&["[Content_Types].xml", "xl/workbook.xml"], Sniffed::Unknown),
            (&["mimetype", "content.xml"], Sniffed::Unknown),
            (&["META-INF/MANIFEST.MF", "a.class"], Sniffed::Unknown),
            (&["a.md"], Sniffed::Archive(Packed::Zip)),
        ] {
            assert_eq!(identify(&zip(names), "x.txt"), expected, "{names:?}");
        }
        let whole = zip(&["[Content_Types].xml", "word/document.xml"]);
        let cut = whole.get(..whole.len() - 30).unwrap();
        assert_eq!(identify(cut, "x.docx"), Sniffed::Refused(FailReason::Broken));
        let mut compound = COMPOUND.to_vec();
        compound.extend([0; 600]);
        assert_eq!(identify(&compound, "x.docx"), Sniffed::Unknown);
        compound.extend(ENCRYPTED.encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(identify(&compound, "x.docx"), Sniffed::Refused(FailReason::Encrypted));
    }
}
