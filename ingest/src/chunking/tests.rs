//! Properties of chunking, on any text.

use super::*;
use crate::doors::mint;
use crate::formats::{Block, BlockKind};
use kenward_indexes::embedding::hashing;
use proptest::prelude::*;

fn block(kind: BlockKind, text: &str) -> Block {
    Block { kind, page: None, text: mint(text.to_owned()) }
}

fn assemble(blocks: &[Block], sizer: &Sizer) -> Assembled {
    let mut assembler = Assembler::new(sizer.clone());
    blocks.iter().for_each(|block| assembler.push(block));
    assembler.finish()
}

fn check(blocks: &[Block], sizer: &Sizer) -> Assembled {
    let out = assemble(blocks, sizer);
    let scalars: Vec<char> = out.text.chars().collect();
    let mut covered = vec![false; scalars.len()];
    let mut before = (0, 0);
    for chunk in &out.chunks {
        let (start, end) = (chunk.span.0 as usize, chunk.span.1 as usize);
        assert!(start < end && end <= scalars.len());
        assert!(before.0 <= start && before.1 <= end, "spans are in order");
        before = (start, end);
        covered[start..end].fill(true);
        let span: String = scalars[start..end].iter().collect();
        assert_eq!(span, out.text[chunk.bytes.clone()], "scalars and bytes agree");
        assert!(chunk.body >= chunk.bytes.start && chunk.body <= chunk.bytes.end);
        let body: String = scalars[chunk.body_at as usize..end].iter().collect();
        assert_eq!(body, out.text[chunk.body..chunk.bytes.end], "the body's place, too");
        let input = chunk.embedding_input("A title of the document", &out.text, sizer);
        let tokens = sizer.count(&input);
        assert!(tokens <= sizer.most(), "{tokens} tokens");
    }
    for (at, c) in scalars.iter().enumerate() {
        assert!(c.is_whitespace() || covered[at], "character {at} {c:?} is in no chunk");
    }
    out
}

fn sizers() -> [Sizer; 2] {
    [Sizer::new(None), Sizer::new(Some(hashing(64)))]
}

#[test]
fn neighbours_under_a_heading_share_a_chunk_and_headings_cut() {
    let blocks = [
        block(BlockKind::Heading(1), "Handbook"),
        block(BlockKind::Heading(2), "Travel"),
        block(BlockKind::Paragraph, "Book early."),
        block(BlockKind::ListItem, "- one"),
        block(BlockKind::ListItem, "- two"),
        block(BlockKind::Heading(2), "Pay"),
        block(BlockKind::Paragraph, "On the 5th."),
    ];
    for sizer in sizers() {
        let out = check(&blocks, &sizer);
        assert_eq!(
            out.text,
            "# Handbook\n\n## Travel\n\nBook early.\n\n- one\n- two\n\n## Pay\n\nOn the 5th."
        );
        let paths: Vec<_> = out.chunks.iter().map(|chunk| chunk.headings.join("/")).collect();
        assert_eq!(paths, ["Handbook/Travel", "Handbook/Pay"]);
        assert_eq!(
            out.chunks[0].embedding_input("Handbook", &out.text, &sizer),
            "Handbook > Travel\nBook early.\n\n- one\n- two"
        );
    }
}

#[test]
fn a_cut_table_repeats_its_head_in_the_path() {
    let mut blocks = vec![block(BlockKind::TableHead, "Tier | Rate")];
    blocks
        .extend((0..200).map(|n| block(BlockKind::TableRow, &format!("Tier number {n} | {n} euros a day"))));
    for sizer in sizers() {
        let out = check(&blocks, &sizer);
        assert!(out.chunks.len() > 3);
        assert!(out.chunks[0].headings.is_empty());
        assert!(out.chunks[1..].iter().all(|chunk| chunk.headings == ["Tier | Rate"]));
    }
}

#[test]
fn pages_are_not_mixed() {
    let mut one = block(BlockKind::Paragraph, "First page.");
    one.page = Some(1);
    let mut two = block(BlockKind::Paragraph, "Second page.");
    two.page = Some(2);
    let out = check(&[one, two], &Sizer::new(None));
    assert_eq!(out.chunks.iter().map(|chunk| chunk.page).collect::<Vec<_>>(), [Some(1), Some(2)]);
}

#[test]
fn links_are_numbered_through_the_document_and_code_is_kept() {
    let blocks = [
        block(BlockKind::Paragraph, "See [one](<https://a.example/x>) and [two](<b.md>)."),
        block(BlockKind::Code, "curl https://c.example/`date`"),
        block(BlockKind::Paragraph, "Then [three](<https://d.example>). Forged: [link 1]."),
    ];
    let out = check(&blocks, &Sizer::new(None));
    let urls: Vec<_> = out.links.iter().map(|link| (link.n, link.url.as_str())).collect();
    assert_eq!(urls, [(1, "https://a.example/x"), (2, "b.md"), (3, "https://d.example")]);
    assert!(out.text.contains("[link 3]") && !out.text.contains("Forged: [link 1]"), "{}", out.text);
    assert!(out.text.contains("```\ncurl https://c.example/`date`\n```"), "{}", out.text);
    assert_eq!(kenward_vault::sanitize::emitted(&out.text).text, out.text);
}

fn kinds() -> impl Strategy<Value = BlockKind> {
    prop_oneof![
        (1_u8..7).prop_map(BlockKind::Heading),
        Just(BlockKind::Paragraph),
        Just(BlockKind::ListItem),
        Just(BlockKind::TableHead),
        Just(BlockKind::TableRow),
        Just(BlockKind::Code),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,30}",
        "(\\w{1,9}[ .\n]){0,60}",
        "[a-zäß漢字\u{301}\u{200d}🏳\u{fe0f} \n]{0,400}",
        "(\\w{1,12} ){300,600}",
        "[漢字かな]{500,900}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_is_lost_and_nothing_is_too_long(
        parts in prop::collection::vec((kinds(), texts(), prop::option::of(1_u32..4)), 0..12)
    ) {
        let blocks: Vec<Block> = parts
            .into_iter()
            .map(|(kind, text, page)| Block { kind, page, text: mint(text) })
            .collect();
        for sizer in sizers() {
            let out = check(&blocks, &sizer);
            let again = assemble(&blocks, &sizer);
            prop_assert_eq!(&out.chunks, &again.chunks);
            prop_assert_eq!(&out.text, &again.text);
        }
    }
}
