//! PDF by `pdf-extract`, page after page: a page that fails is counted and the others are kept. It
//! must never give an encrypted file as an empty success, and never stop at the first bad page.

mod layout;

use super::{Extractor, FailReason, Meta, Signal, Sink, dates};
use crate::doors::mint;
use layout::Pages;
use pdf_extract::{Dictionary, Document, Error, Object, ObjectId, output_doc};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// PDF.
pub(super) struct Pdf;

impl Extractor for Pdf {
    fn extract(&self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Meta, FailReason> {
        let mut meta = Meta::default();
        let mut document = load(bytes)?;
        let pages: Vec<ObjectId> = document.get_pages().into_values().collect();
        if pages.is_empty() {
            return Err(FailReason::Broken);
        }
        let mut out = Pages::default();
        let failed = read_pages(&mut document, &pages, &mut out);
        if failed == pages.len() {
            return Err(FailReason::Broken);
        }
        meta.count(Signal::PagesFailed, failed as u64);
        meta.count(Signal::HiddenText, out.hidden());
        let first_line = out.give(sink);
        let title = info_title(&document).or(first_line);
        meta.title = title.map(mint);
        meta.modified = modified(&document);
        Ok(meta)
    }
}

/// Opens it; a file that only a password opens is told from a broken one.
fn load(bytes: &[u8]) -> Result<Document, FailReason> {
    // Mail gateways put lines before the mark; offsets count from it.
    let mark = bytes.windows(5).position(|five| five == b"%PDF-").unwrap_or(0);
    let bytes = bytes.get(mark..).unwrap_or(bytes);
    let locked = |error: &Error| matches!(error, Error::Decryption(_) | Error::InvalidPassword);
    let mut document = Document::load_mem(bytes)
        .map_err(|error| if locked(&error) { FailReason::Encrypted } else { FailReason::Broken })?;
    // INVARIANT: what is still encrypted here would read as pages without text.
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(FailReason::Encrypted);
    }
    Ok(document)
}

/// Reads all pages; gives how many failed. The list of pages is computed once: after a failure the
/// tree is cut down to the pages that are left.
fn read_pages(document: &mut Document, pages: &[ObjectId], out: &mut Pages) -> usize {
    let mut failed = 0;
    let mut done = 0;
    while let Some(rest) = pages.get(done..).filter(|rest| !rest.is_empty()) {
        if done > 0 && !keep_only(document, rest) {
            return failed + rest.len();
        }
        out.begin_at(done);
        // The parser panics on some broken pages; the worker process is there for what cannot be caught.
        let read = catch_unwind(AssertUnwindSafe(|| output_doc(document, out)));
        if matches!(read, Ok(Ok(()))) {
            break;
        }
        failed += 1;
        done += out.finished() + 1;
    }
    failed
}

fn keep_only(document: &mut Document, pages: &[ObjectId]) -> bool {
    let root = document.catalog().and_then(|catalog| catalog.get(b"Pages")).and_then(Object::as_reference);
    let Ok(dictionary) = root.and_then(|id| document.get_object_mut(id)).and_then(Object::as_dict_mut) else {
        return false;
    };
    dictionary.set("Kids", pages.iter().map(|id| Object::Reference(*id)).collect::<Vec<_>>());
    dictionary.set("Count", i64::try_from(pages.len()).unwrap_or(i64::MAX));
    true
}

/// When the file says that it was last changed.
fn modified(document: &Document) -> Option<i64> {
    dates::read_pdf(&pdf_string(info(document)?.get(b"ModDate").ok()?.as_str().ok()?))
}

/// What the file says about itself.
fn info(document: &Document) -> Option<&Dictionary> {
    let info = match document.trailer.get(b"Info").ok()? {
        Object::Reference(id) => document.get_object(*id).ok()?,
        other => other,
    };
    info.as_dict().ok()
}

/// The title that the file states, unless a program made it up.
fn info_title(document: &Document) -> Option<String> {
    let bytes = info(document)?.get(b"Title").ok()?.as_str().ok()?;
    let title = pdf_string(bytes);
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = title.to_lowercase();
    let made_up = lower.is_empty() || lower.starts_with("untitled") || lower.starts_with("microsoft ");
    (!made_up).then_some(title)
}

/// A text string: UTF-16 or UTF-8 with its mark, else one byte per character.
fn pdf_string(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, rest @ ..] => {
            let units =
                rest.chunks_exact(2).filter_map(|two| <[u8; 2]>::try_from(two).ok().map(u16::from_be_bytes));
            char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect()
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        bytes => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        },
    }
}

#[cfg(test)]
mod tests;
