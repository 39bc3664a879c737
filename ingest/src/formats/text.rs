//! Plain text: paragraphs as they stand, in windows, so that a large file is never held twice. It
//! must never drop a character that decoding gave.

use super::{Block, BlockKind, Extractor, FailReason, Meta, Signal, Sink};
use crate::doors::mint;
use encoding_rs::WINDOWS_1252;

/// A paragraph longer than this is cut at a line, a space, or anywhere.
const PARAGRAPH_MAX: usize = 32 * 1024;
/// Bytes decoded at a time.
const WINDOW: usize = 1 << 20;

/// Plain text.
pub(super) struct PlainText;

impl Extractor for PlainText {
    fn extract(&self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Meta, FailReason> {
        let mut meta = Meta::default();
        let mut decoder = Decoder::new(bytes);
        let mut rest = String::new();
        while let Some(window) = decoder.next_window(WINDOW) {
            rest.push_str(&window);
            rest = paragraphs(&rest, decoder.is_done(), sink);
        }
        decoder.finish(&mut meta)?;
        Ok(meta)
    }
}

/// Gives every complete paragraph; returns what may still go on.
fn paragraphs(text: &str, last: bool, sink: &mut Sink<'_>) -> String {
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        let complete = last || line.ends_with('\n');
        if !complete && end - start <= PARAGRAPH_MAX {
            break;
        }
        if line.trim().is_empty() {
            give(text.get(start..at), sink);
            start = end;
        } else if end - start > PARAGRAPH_MAX {
            // Cut before this line, then within it if the line alone is too long.
            give(text.get(start..at), sink);
            start = at;
            while end - start > PARAGRAPH_MAX {
                let cut = cut_point(text, start, PARAGRAPH_MAX);
                give(text.get(start..cut), sink);
                start = cut;
            }
        }
        at = end;
    }
    if last {
        give(text.get(start..), sink);
        return String::new();
    }
    text.get(start..).unwrap_or_default().to_owned()
}

/// The last white space within `most` bytes after `start`, or the last whole character.
pub(crate) fn cut_point(text: &str, start: usize, most: usize) -> usize {
    let end = text.floor_char_boundary(start + most);
    let piece = text.get(start..end).unwrap_or_default();
    let space = piece.char_indices().rev().find(|(_, c)| c.is_whitespace());
    match space {
        Some((at, c)) if at > most / 2 => start + at + c.len_utf8(),
        _ if end > start => end,
        _ => text.len(),
    }
}

fn give(text: Option<&str>, sink: &mut Sink<'_>) {
    let text = text.unwrap_or_default().trim_end().trim_start_matches(['\n', '\r', '\u{feff}']);
    if !text.trim().is_empty() {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        sink(Block { kind: BlockKind::Paragraph, page: None, text: mint(text) });
    }
}

/// UTF-8 (or UTF-16 with a byte order mark) to text, in windows. Bad bytes are taken for Windows-1252 where nothing else
/// is beyond ASCII, as browsers do; else they become U+FFFD. Either way they are counted.
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    wide: Option<fn([u8; 2]) -> u16>,
    /// No character beyond ASCII is UTF-8.
    old: bool,
    at: usize,
    replaced: u64,
    guessed: u64,
    scalars: u64,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let wide: Option<fn([u8; 2]) -> u16> = match bytes {
            [0xff, 0xfe, ..] => Some(u16::from_le_bytes),
            [0xfe, 0xff, ..] => Some(u16::from_be_bytes),
            _ => None,
        };
        let at = match bytes {
            [0xef, 0xbb, 0xbf, ..] => 3,
            _ if wide.is_some() => 2,
            _ => 0,
        };
        // A mark says what it is, however little of it is wrong.
        let old = at == 0 && is_old(bytes);
        Self { bytes, wide, old, at, replaced: 0, guessed: 0, scalars: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next stretch of text, never cutting a character.
    pub(super) fn next_window(&mut self, size: usize) -> Option<String> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let mut end = rest.len().min(size);
        let text = if let Some(unit) = self.wide {
            if end < rest.len() {
                end &= !1;
                let high = rest.get(end.saturating_sub(2)..end).and_then(|two| <[u8; 2]>::try_from(two).ok());
                if high.is_some_and(|two| (0xd800..0xdc00).contains(&unit(two))) {
                    end -= 2;
                }
            }
            let pairs = rest.get(..end).unwrap_or_default().chunks(2);
            let units = pairs.map(|two| <[u8; 2]>::try_from(two).map_or(0xfffd, unit));
            let count = &mut self.replaced;
            char::decode_utf16(units)
                .map(|read| {
                    read.unwrap_or_else(|_| {
                        *count += 1;
                        '\u{fffd}'
                    })
                })
                .collect()
        } else if self.old {
            let bytes = rest.get(..end).unwrap_or_default();
            self.guessed += bytes.iter().filter(|byte| !byte.is_ascii()).count() as u64;
            WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()
        } else {
            if end < rest.len() {
                // At most three bytes back stands the start of a character that goes on.
                while end > 1 && rest.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) && size - end < 3 {
                    end -= 1;
                }
            }
            let mut text = String::with_capacity(end);
            for chunk in rest.get(..end).unwrap_or_default().utf8_chunks() {
                text.push_str(chunk.valid());
                if !chunk.invalid().is_empty() {
                    text.push('\u{fffd}');
                    self.replaced += 1;
                }
            }
            text
        };
        self.at += end;
        self.scalars += text.chars().count() as u64;
        Some(text)
    }

    /// Counts what was replaced or guessed; more than a tenth is not a text, or one in who knows what.
    pub(super) fn finish(&self, meta: &mut Meta) -> Result<(), FailReason> {
        if (self.replaced + self.guessed) * 10 > self.scalars {
            return Err(FailReason::Encoding);
        }
        meta.count(Signal::ReplacementCharacters, self.replaced);
        meta.count(Signal::GuessedEncoding, self.guessed);
        Ok(())
    }
}

/// Whether bytes are no UTF-8, and no part of them beyond ASCII is.
fn is_old(bytes: &[u8]) -> bool {
    let mut chunks = bytes.utf8_chunks();
    std::str::from_utf8(bytes).is_err() && chunks.all(|chunk| chunk.valid().is_ascii())
}

/// All of it at once, for formats that need the whole.
pub(super) fn decode(bytes: &[u8], meta: &mut Meta) -> Result<String, FailReason> {
    let mut decoder = Decoder::new(bytes);
    let mut text = String::new();
    while let Some(window) = decoder.next_window(usize::MAX / 2) {
        text.push_str(&window);
    }
    decoder.finish(meta)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::{Format, extract_for_test};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn texts(bytes: &[u8]) -> Vec<String> {
        extract_for_test(Format::Text, bytes).unwrap().0.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn paragraphs_keep_their_lines_and_indentation() {
        assert_eq!(texts(b"one\ntwo\n\n  if x:\n    y\n \n\nlast"), ["one\ntwo", "  if x:\n    y", "last"]);
        assert_eq!(texts(b"a\r\nb\r\n\r\nc"), ["a\nb", "c"]);
        assert_eq!(texts(b"\xff\xfeh\x00i\x00"), ["hi"]);
    }

    #[test]
    fn a_few_bad_bytes_are_a_signal_and_many_a_failure() {
        let (blocks, meta) =
            extract_for_test(Format::Text, b"a long enough line with na\xc3\xafve caf\xe9 in it").unwrap();
        assert!(blocks[0].1.contains("na\u{ef}ve caf\u{fffd}"));
        assert_eq!(meta.signals, BTreeMap::from([(Signal::ReplacementCharacters, 1)]));
        assert_eq!(extract_for_test(Format::Text, b"\xe9\xe8\xe7 a b c"), Err(FailReason::Encoding));
        assert_eq!(extract_for_test(Format::Text, b" \n\n "), Err(FailReason::Empty));
    }

    #[test]
    fn a_text_of_old_is_read_as_browsers_do_and_said_to_be_guessed() {
        let old = b"The caf\xe9 in M\xfcnchen opens at nine, \x93sharp\x94; it closes at noon on Saturdays.";
        let (blocks, meta) = extract_for_test(Format::Text, old).unwrap();
        let text = "The caf\u{e9} in M\u{fc}nchen opens at nine, \u{201c}sharp\u{201d}; it closes at noon on Saturdays.";
        assert_eq!(blocks[0].1, text);
        assert_eq!(meta.signals, BTreeMap::from([(Signal::GuessedEncoding, 4)]));
        // What begins with a mark of UTF-8 is that.
        let marked = [b"\xef\xbb\xbf", &old[..]].concat();
        let (blocks, meta) = extract_for_test(Format::Text, &marked).unwrap();
        assert!(blocks[0].1.starts_with("The caf\u{fffd} in"), "{blocks:?}");
        assert_eq!(meta.signals, BTreeMap::from([(Signal::ReplacementCharacters, 4)]));
        // In windows of any size.
        let mut decoder = Decoder::new(old);
        let windows: Vec<String> = std::iter::from_fn(|| decoder.next_window(7)).collect();
        assert_eq!(windows.concat(), text);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = "word ".repeat(200_000);
        let pieces = texts(long.as_bytes());
        assert!(pieces.iter().all(|piece| piece.len() <= PARAGRAPH_MAX));
        assert_eq!(pieces.iter().map(|piece| piece.split_whitespace().count()).sum::<usize>(), 200_000);
        let solid = "ä".repeat(600_000);
        assert_eq!(texts(solid.as_bytes()).concat(), solid);
    }

    proptest! {
        #[test]
        fn windows_do_not_change_the_text(text in "\\PC{0,40}(\n{1,3}\\PC{0,40}){0,5}", size in 1_usize..9) {
            let mut decoder = Decoder::new(text.as_bytes());
            let mut joined = String::new();
            while let Some(window) = decoder.next_window(size.max(4)) {
                joined.push_str(&window);
            }
            prop_assert_eq!(joined, text.strip_prefix('\u{feff}').unwrap_or(&text));
            prop_assert_eq!(decoder.replaced, 0);
        }
    }
}
