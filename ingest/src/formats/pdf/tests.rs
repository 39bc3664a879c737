//! PDFs made here, byte by byte.

use super::super::{BlockKind, FailReason, Format, Signal, extract_for_test};
use crate::doors::for_pipe;
use pdf_extract::{Document, Object, Stream, dictionary};

/// A document with one page per content stream; `None` = a page whose content breaks the parser.
fn pdf(pages: &[Option<&str>], title: Option<&str>) -> Document {
    let mut document = Document::with_version("1.5");
    let tree = document.new_object_id();
    let font = document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
    });
    let kids: Vec<Object> = pages
        .iter()
        .map(|page| {
            let content = page.map_or("BT /NoSuchFont 12 Tf (x) Tj ET".to_owned(), str::to_owned);
            let content = document.add_object(Stream::new(dictionary! {}, content.into_bytes()));
            let page = document.add_object(dictionary! {
                "Type" => "Page", "Parent" => tree, "Contents" => content,
                "Resources" => dictionary! { "Font" => dictionary! { "F1" => font } },
                "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
            });
            page.into()
        })
        .collect();
    let count = i64::try_from(kids.len()).unwrap();
    document.objects.insert(
        tree,
        Object::Dictionary(dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count }),
    );
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    document.trailer.set("Root", catalog);
    if let Some(title) = title {
        let info = document.add_object(dictionary! { "Title" => Object::string_literal(title) });
        document.trailer.set("Info", info);
    }
    document
}

fn bytes(mut document: Document) -> Vec<u8> {
    let mut out = Vec::new();
    document.save_to(&mut out).unwrap();
    out
}

const PAGE: &str = "BT /F1 20 Tf 72 770 Td (Travel policy) Tj ET
BT /F1 11 Tf 72 730 Td (Book early, and keep every re-) Tj 0 -14 Td (ceipt for the team.) Tj
0 -30 Td (A second paragraph.) Tj 0 -14 Td (- one item) Tj 0 -14 Td (- two items) Tj ET";

#[test]
fn headings_paragraphs_items_and_hyphens() {
    let (blocks, meta) = extract_for_test(Format::Pdf, &bytes(pdf(&[Some(PAGE)], None))).unwrap();
    assert_eq!(
        blocks,
        [
            (BlockKind::Heading(1), "Travel policy".into()),
            (BlockKind::Paragraph, "Book early, and keep every receipt for the team.".into()),
            (BlockKind::Paragraph, "A second paragraph.".into()),
            (BlockKind::ListItem, "- one item".into()),
            (BlockKind::ListItem, "- two items".into()),
        ]
    );
    assert_eq!(for_pipe(&meta.title.unwrap()), "Travel policy");
    let (_, meta) = extract_for_test(Format::Pdf, &bytes(pdf(&[Some(PAGE)], Some("Rules")))).unwrap();
    assert_eq!(for_pipe(&meta.title.unwrap()), "Rules");
}

#[test]
fn a_failed_page_is_counted_and_the_others_are_kept() {
    let pages = [
        Some(PAGE),
        None,
        Some("BT /F1 11 Tf 72 700 Td (Third.) Tj ET"),
        None,
        Some("BT /F1 11 Tf 72 700 Td (Fifth.) Tj ET"),
    ];
    let mut found = Vec::new();
    let meta = super::super::extract(Format::Pdf, &bytes(pdf(&pages, None)), &mut |block| {
        found.push((block.page, for_pipe(&block.text).to_owned()));
    })
    .unwrap();
    assert_eq!(meta.signals[&Signal::PagesFailed], 2);
    assert!(found.contains(&(Some(3), "Third.".into())), "{found:?}");
    assert!(found.contains(&(Some(5), "Fifth.".into())), "{found:?}");
    assert_eq!(extract_for_test(Format::Pdf, &bytes(pdf(&[None, None], None))), Err(FailReason::Broken));
}

#[test]
fn invisible_text_is_left_out() {
    let page = "BT /F1 11 Tf 72 700 Td (Seen.) Tj ET BT /F1 0.2 Tf 72 680 Td (TINY) Tj ET BT /F1 11 Tf 9000 700 Td (FAR) Tj ET";
    let (blocks, meta) = extract_for_test(Format::Pdf, &bytes(pdf(&[Some(page)], None))).unwrap();
    assert_eq!(blocks, [(BlockKind::Paragraph, "Seen.".into())]);
    assert!(meta.signals[&Signal::HiddenText] >= 1);
}

#[test]
fn what_is_no_readable_pdf_says_why() {
    let good = bytes(pdf(&[Some(PAGE)], None));
    assert_eq!(extract_for_test(Format::Pdf, &good[..good.len() / 2]), Err(FailReason::Broken));
    assert_eq!(extract_for_test(Format::Pdf, b"%PDF-1.4\nnothing"), Err(FailReason::Broken));
    assert_eq!(extract_for_test(Format::Pdf, &bytes(pdf(&[Some("")], None))), Err(FailReason::Empty));
    let locked = include_bytes!("../../../tests/fixtures/encrypted.pdf");
    assert_eq!(extract_for_test(Format::Pdf, locked), Err(FailReason::Encrypted));
    // Locked for its owner only: anybody may open it.
    let open = include_bytes!("../../../tests/fixtures/owner-locked.pdf");
    assert!(extract_for_test(Format::Pdf, open).unwrap().0[0].1.contains("Anyone may read this"));
}
