//! What of a document is read and what is not, over the real extractor.

use crate::doors::for_pipe;
use crate::formats::package::write_for_test;
use crate::formats::{BlockKind, FailReason, Format, Meta, Signal, extract_for_test};
use proptest::prelude::*;

const TYPES: &str = "<Types/>";
const ROOT: &str = r#"<Relationships><Relationship Id="r1" Type="http://x/officeDocument" Target="word/document.xml"/><Relationship Id="r2" Type="http://x/core-properties" Target="docProps/core.xml"/></Relationships>"#;
const RELATIONS: &str = r#"<Relationships><Relationship Id="s" Type="http://x/styles" Target="styles.xml"/><Relationship Id="n" Type="http://x/numbering" Target="numbering.xml"/><Relationship Id="f" Type="http://x/footnotes" Target="/word/footnotes.xml"/><Relationship Id="h" Type="http://x/header" Target="header1.xml"/><Relationship Id="g" Type="http://x/footer" Target="header2.xml"/><Relationship Id="l" Type="http://x/hyperlink" Target="https://e.example/a b" TargetMode="External"/><Relationship Id="set" Type="http://x/settings" Target="settings.xml"/></Relationships>"#;
const STYLES: &str = r#"<w:styles><w:docDefaults><w:rPrDefault><w:rPr><w:sz w:val="22"/></w:rPr></w:rPrDefault></w:docDefaults>
<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="Titel"><w:name w:val="Title"/></w:style>
<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="berschrift1"/></w:style>
<w:style w:type="paragraph" w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/></w:style>
<w:style w:type="paragraph" w:styleId="Item"><w:name w:val="List"/><w:pPr><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="Toc"><w:name w:val="toc 2"/></w:style>
<w:style w:type="paragraph" w:styleId="Src"><w:name w:val="Source Code"/></w:style>
<w:style w:type="character" w:styleId="Gone"><w:name w:val="Gone"/><w:rPr><w:vanish/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Ghost"><w:name w:val="Ghost"/><w:rPr><w:color w:val="FFFFFF"/></w:rPr></w:style>
<w:style w:type="table" w:styleId="Dark"><w:name w:val="Dark"/><w:tblStylePr w:type="firstRow"><w:tcPr><w:shd w:fill="000000"/></w:tcPr></w:tblStylePr></w:style>
</w:styles>"#;
const NUMBERING: &str = r#"<w:numbering><w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl><w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum><w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num></w:numbering>"#;
const NOTES: &str = r#"<w:footnotes><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>SECRET</w:t></w:r></w:p></w:footnote><w:footnote w:id="4"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t>See the annex.</w:t></w:r></w:p><w:p><w:r><w:t>Twice.</w:t></w:r></w:p></w:footnote></w:footnotes>"#;
const CORE: &str = r#"<cp:coreProperties><dc:title>Stated &amp; kept</dc:title><dcterms:modified>2025-07-29T14:58:12Z</dcterms:modified></cp:coreProperties>"#;

fn file(body: &str) -> Vec<u8> {
    let document = format!(
        r#"<?xml version="1.0"?><w:document><w:background w:color="101010"/><w:body><w:p><w:r><w:t>Seen.</w:t></w:r></w:p>{body}<w:sectPr/></w:body></w:document>"#
    );
    write_for_test(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("_rels/.rels", ROOT.as_bytes()),
        ("word/document.xml", document.as_bytes()),
        ("word/_rels/document.xml.rels", RELATIONS.as_bytes()),
        ("word/styles.xml", STYLES.as_bytes()),
        ("word/numbering.xml", NUMBERING.as_bytes()),
        ("word/footnotes.xml", NOTES.as_bytes()),
        ("docProps/core.xml", CORE.as_bytes()),
    ])
}

fn read(body: &str) -> (Vec<(BlockKind, String)>, Meta) {
    extract_for_test(Format::Docx, &file(body)).unwrap()
}

fn all(body: &str) -> String {
    read(body).0.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}

fn para(style: &str, text: &str) -> String {
    format!(r#"<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"#)
}

fn run(properties: &str, text: &str) -> String {
    format!("<w:p><w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r></w:p>")
}

#[test]
fn structure_becomes_blocks() {
    let table = |look: &str, style: &str| {
        format!(
            r#"<w:tbl><w:tblPr><w:tblStyle w:val="{style}"/><w:tblLook {look}/></w:tblPr><w:tr><w:tc><w:p><w:r><w:t>Tier</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>Rate</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>Gold</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>5</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>EUR</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:tc></w:tr></w:tbl>"#
        )
    };
    let body = [
        para("Titel", "Leave"),
        para("Toc", "Rates 3"),
        para("Mine", "Rates"),
        para("Loop", "Round"),
        para("Item", "one"),
        r#"<w:p><w:pPr><w:pStyle w:val="Item"/><w:numPr><w:ilvl w:val="1"/></w:numPr></w:pPr><w:r><w:t>deep</w:t></w:r></w:p>"#.to_owned(),
        para("Item", "two"),
        r#"<w:p><w:pPr><w:outlineLvl w:val="2"/></w:pPr><w:r><w:t>Third</w:t></w:r></w:p>"#.to_owned(),
        para("Src", "ls"),
        para("Src", "cd"),
        table(r#"w:val="04A0" w:firstRow="1""#, ""),
        table(r#"w:val="0400""#, ""),
        r#"<w:p><w:r><w:t xml:space="preserve">A </w:t><w:t>note</w:t><w:footnoteReference w:id="4"/><w:t>, and a</w:t><w:br/><w:t>line.</w:t></w:r></w:p>"#.to_owned(),
    ]
    .concat();
    let (blocks, meta) = read(&body);
    assert_eq!(for_pipe(&meta.title.unwrap()), "Leave");
    let expected = [
        (BlockKind::Heading(1), "Leave"),
        (BlockKind::Heading(1), "Rates"),
        (BlockKind::Paragraph, "Round"),
        (BlockKind::ListItem, "1. one"),
        (BlockKind::ListItem, "  - deep"),
        (BlockKind::ListItem, "2. two"),
        (BlockKind::Heading(3), "Third"),
        (BlockKind::Code, "ls\ncd"),
        (BlockKind::TableHead, "Tier | Rate"),
        (BlockKind::TableRow, "Gold | 5 EUR"),
        (BlockKind::TableRow, "Tier | Rate"),
        (BlockKind::TableRow, "Gold | 5 EUR"),
        (BlockKind::Paragraph, "A note [note 1], and a\nline."),
        (BlockKind::Paragraph, "[note 1] See the annex."),
        (BlockKind::Paragraph, "Twice."),
    ];
    assert_eq!(blocks[1..], expected.map(|(kind, text)| (kind, text.to_owned())));
    assert_eq!(for_pipe(&read("").1.title.unwrap()), "Stated & kept");
}

#[test]
fn every_way_of_hiding_is_seen() {
    let boxed = |inner: &str| {
        format!(
            r#"<w:p><w:r><mc:AlternateContent><mc:Choice>{inner}</mc:Choice></mc:AlternateContent></w:r></w:p>"#
        )
    };
    let text_box = "<w:txbxContent><w:p><w:r><w:t>SECRET</w:t></w:r></w:p></w:txbxContent>";
    for hidden in [
        run("<w:vanish/>", "SECRET"),
        run(r#"<w:vanish w:val="true"/>"#, "SECRET"),
        run(r#"<w:rStyle w:val="Gone"/>"#, "SECRET"),
        run(r#"<w:color w:val="FFFFFF"/>"#, "SECRET"),
        run(r#"<w:color w:val="FDFEFD"/>"#, "SECRET"),
        run(r#"<w:color w:val="FFFF00"/><w:highlight w:val="yellow"/>"#, "SECRET"),
        run(r#"<w:color w:val="00AA00"/><w:shd w:val="clear" w:fill="00AA00"/>"#, "SECRET"),
        run(r#"<w:sz w:val="2"/>"#, "SECRET"),
        para("Ghost", "SECRET"),
        "<w:p><w:del><w:r><w:delText>SECRET</w:delText></w:r><w:r><w:t>SECRET</w:t></w:r></w:del></w:p>".to_owned(),
        "<w:p><w:moveFrom><w:r><w:t>SECRET</w:t></w:r></w:moveFrom></w:p>".to_owned(),
        r#"<w:p><w:r><w:fldChar w:fldCharType="begin"/><w:instrText>XE SECRET</w:instrText><w:t>SECRET</w:t><w:fldChar w:fldCharType="end"/></w:r></w:p>"#.to_owned(),
        r#"<w:tbl><w:tr><w:trPr><w:hidden/></w:trPr><w:tc><w:p><w:r><w:t>SECRET</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"#.to_owned(),
        r#"<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p><w:r><w:t>SECRET</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"#.to_owned(),
        r#"<w:tbl><w:tr><w:tc><w:tcPr><w:shd w:fill="123456"/></w:tcPr><w:p><w:r><w:rPr><w:color w:val="123456"/></w:rPr><w:t>SECRET</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"#.to_owned(),
        format!("<w:p><w:r><w:pict><v:shape>{}</v:shape></w:pict></w:r></w:p>", text_box.replace("<w:t>", "<w:rPr><w:color w:val='FFFFFF'/></w:rPr><w:t>")),
        boxed(&format!(r#"<wp:anchor><wp:docPr hidden="1"/><a:graphic>{text_box}</a:graphic></wp:anchor>"#)),
        format!(r#"<w:p><w:r><w:pict><v:shape style="visibility:hidden">{text_box}</v:shape></w:pict></w:r></w:p>"#),
        format!("<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:pict>{text_box}</w:pict></w:r></w:p>"),
        format!("<w:p><w:r><mc:AlternateContent><mc:Choice/><mc:Fallback>{text_box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"),
        "<w:p><w:r><w:rPr><w:rPrChange><w:rPr/></w:rPrChange><w:vanish/></w:rPr><w:t>SECRET</w:t></w:r></w:p>".to_owned(),
    ] {
        let told = all(&(hidden.clone() + "<w:p><w:r><w:t>After.</w:t></w:r></w:p>"));
        assert!(!told.contains("SECRET") && told.contains("After."), "{hidden}: {told}");
    }
    let (_, meta) =
        read(&(run("<w:vanish/>", "SECRET") + "<w:p><w:del/><w:r><w:commentReference/></w:r></w:p>"));
    let signals =
        [Signal::HiddenText, Signal::Deletions, Signal::Comments].map(|s| meta.signals.get(&s).copied());
    assert_eq!(signals, [Some(1); 3]);
}

#[test]
fn what_can_be_seen_stays() {
    let text_box = "<w:txbxContent><w:p><w:r><w:t>WORD</w:t></w:r></w:p></w:txbxContent>";
    let white_box = "<w:txbxContent><w:p><w:r><w:rPr><w:color w:val='FFFFFF'/></w:rPr><w:t>WORD</w:t></w:r></w:p></w:txbxContent>";
    for seen in [
        run(r#"<w:vanish w:val="0"/>"#, "WORD"),
        run(r#"<w:rStyle w:val="Gone"/><w:vanish w:val="false"/>"#, "WORD"),
        run(r#"<w:color w:val="auto"/><w:shd w:fill="000000"/>"#, "WORD"),
        run(r#"<w:color w:val="FFFFFF"/><w:shd w:val="clear" w:fill="000000"/>"#, "WORD"),
        run(r#"<w:color w:val="FFFFFF"/><w:highlight w:val="darkBlue"/>"#, "WORD"),
        run(r#"<w:sz w:val="12"/>"#, "WORD"),
        run("<w:webHidden/>", "WORD"),
        r#"<w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr><w:r><w:t>WORD</w:t></w:r></w:p>"#.to_owned(),
        r#"<w:p><w:pPr><w:shd w:fill="000080"/></w:pPr><w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t>WORD</w:t></w:r></w:p>"#.to_owned(),
        r#"<w:tbl><w:tblPr><w:tblStyle w:val="Dark"/></w:tblPr><w:tr><w:tc><w:p><w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t>WORD</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"#.to_owned(),
        format!("<w:p><w:r><w:pict><v:shape fillcolor='#069'>{white_box}</v:shape></w:pict></w:r></w:p>"),
        format!("<w:p><w:r><wps:spPr><a:solidFill><a:srgbClr val='003366'/></a:solidFill><a:ln><a:solidFill><a:srgbClr val='FFFFFF'/></a:solidFill></a:ln></wps:spPr>{white_box}</w:r></w:p>"),
        "<w:p><w:ins><w:r><w:t>WORD</w:t></w:r></w:ins></w:p>".to_owned(),
        "<w:p><w:moveTo><w:r><w:t>WORD</w:t></w:r></w:moveTo></w:p>".to_owned(),
        "<w:sdt><w:sdtPr><w:alias/></w:sdtPr><w:sdtContent><w:p><w:r><w:t>WORD</w:t></w:r></w:p></w:sdtContent></w:sdt>".to_owned(),
        r#"<w:p><w:r><w:fldChar w:fldCharType="begin"/><w:instrText>DATE</w:instrText><w:fldChar w:fldCharType="separate"/><w:t>WORD</w:t><w:fldChar w:fldCharType="end"/></w:r></w:p>"#.to_owned(),
        // A code that never ends takes nothing of what follows.
        r#"<w:p><w:r><w:fldChar w:fldCharType="begin"/><w:instrText>DATE</w:instrText></w:r></w:p><w:p><w:r><w:t>WORD</w:t></w:r></w:p>"#.to_owned(),
        format!("<w:p><w:r><mc:AlternateContent><mc:Fallback><w:pict>{text_box}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"),
        "<m:oMath><m:r><m:t>WORD</m:t></m:r></m:oMath>".replace("<m:oMath>", "<w:p><m:oMath>") + "</w:p>",
        "<w:p><w:r><w:t><![CDATA[WORD]]></w:t></w:r></w:p>".to_owned(),
    ] {
        assert!(all(&seen).contains("WORD"), "{seen}");
    }
    let twice = format!(
        "<w:p><w:r><mc:AlternateContent><mc:Choice>{text_box}</mc:Choice><mc:Fallback>{text_box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    );
    assert_eq!(all(&twice).matches("WORD").count(), 1);
}

#[test]
fn white_space_is_that_of_the_document() {
    // Without `preserve` the ends are trimmed, of plain white space alone.
    let body = "<w:p><w:r><w:t> in </w:t></w:r><w:r><w:t>\u{a0}</w:t></w:r><w:r><w:t xml:space='preserve'>all </w:t></w:r><w:r><w:t>cases\n</w:t></w:r></w:p>";
    assert_eq!(all(body), "Seen.\nin\u{a0}all cases");
}

#[test]
fn links_and_pictures_are_marked() {
    let body = r#"<w:p><w:hyperlink r:id="l"><w:r><w:t>there</w:t></w:r></w:hyperlink><w:r><w:t xml:space="preserve"> and </w:t></w:r><w:r><w:fldChar w:fldCharType="begin"/><w:instrText> HYPERLINK "https://f.example/" \o "tip" </w:instrText><w:fldChar w:fldCharType="separate"/><w:t>here</w:t><w:fldChar w:fldCharType="end"/></w:r><w:fldSimple w:instr="HYPERLINK \l &quot;top&quot;"><w:r><w:t>!</w:t></w:r></w:fldSimple></w:p><w:p><w:r><w:drawing><wp:inline><wp:docPr descr="A [map]"/></wp:inline></w:drawing></w:r></w:p>"#;
    assert_eq!(
        all(body),
        "Seen.\n[there](<https://e.example/a%20b>) and [here](<https://f.example/>)!\n![A (map)](<>)"
    );
}

#[test]
fn headers_come_once_and_page_numbers_not() {
    let header = r#"<w:hdr><w:p><w:r><w:t>Kept by Harbor Lines</w:t></w:r></w:p><w:p><w:r><w:t xml:space="preserve">Page </w:t></w:r><w:fldSimple w:instr="PAGE"><w:r><w:t>1</w:t></w:r></w:fldSimple></w:p></w:hdr>"#;
    let document = "<w:document><w:body><w:p><w:r><w:t>Seen.</w:t></w:r></w:p></w:body></w:document>";
    let bytes = write_for_test(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("word/document.xml", document.as_bytes()),
        ("word/_rels/document.xml.rels", RELATIONS.as_bytes()),
        ("word/header1.xml", header.as_bytes()),
        ("word/header2.xml", header.as_bytes()),
    ]);
    let texts: Vec<String> =
        extract_for_test(Format::Docx, &bytes).unwrap().0.into_iter().map(|b| b.1).collect();
    assert_eq!(texts, ["Kept by Harbor Lines", "Seen."]);
}

#[test]
fn what_is_damaged_or_made_to_do_harm_is_refused() {
    let broken = |document: &str| {
        let members = [("[Content_Types].xml", TYPES.as_bytes()), ("word/document.xml", document.as_bytes())];
        extract_for_test(Format::Docx, &write_for_test(&members)).unwrap_err()
    };
    assert_eq!(broken("<w:document><w:p>"), FailReason::Broken);
    assert_eq!(broken("<w:document><w:p></w:r></w:document>"), FailReason::Broken);
    assert_eq!(broken("<w:document/>"), FailReason::Empty);
    assert_eq!(broken(&"<w:p>".repeat(20_000)), FailReason::TooDeep);
    let bomb = format!("<w:document>{}</w:document>", " ".repeat(129 << 20));
    assert_eq!(broken(&bomb), FailReason::Expands);
    let laughs = "<!DOCTYPE x [<!ENTITY a \"SECRET\"><!ENTITY b \"&a;&a;\">]><w:document><w:p><w:r><w:t>x &b; y</w:t></w:r></w:p></w:document>";
    let members = [("[Content_Types].xml", TYPES.as_bytes()), ("word/document.xml", laughs.as_bytes())];
    let (blocks, _) = extract_for_test(Format::Docx, &write_for_test(&members)).unwrap();
    assert_eq!(blocks[0].1, "x \u{fffd} y");
    let twice = [members[0], members[1], members[1]];
    assert_eq!(extract_for_test(Format::Docx, &write_for_test(&twice)).unwrap_err(), FailReason::Broken);
    assert_eq!(
        extract_for_test(Format::Docx, &write_for_test(&members[..1])).unwrap_err(),
        FailReason::Broken
    );
}

fn tree() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "word",
        "&amp;",
        "<w:vanish/>",
        "<w:fldChar w:fldCharType='begin'/>",
        "<w:fldChar w:fldCharType='separate'/>",
        "<w:fldChar w:fldCharType='end'/>",
        "<wp:docPr hidden='1'/>",
        "<w:footnoteReference w:id='4'/>",
        "<w:pStyle w:val='Item'/>",
    ]);
    let around = prop::sample::select(vec![
        "p",
        "r",
        "t",
        "tbl",
        "tr",
        "tc",
        "txbxContent",
        "del",
        "rPr",
        "pPr",
        "hyperlink",
        "instrText",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(8, 60, 6, move |inner| {
        (around.clone(), prop::collection::vec(inner, 0..6))
            .prop_map(|(name, inner)| format!("<w:{name}>{}</w:{name}>", inner.concat()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Whatever stands in whatever, it ends, and a paragraph of its own behind it is read.
    #[test]
    fn no_tree_breaks_it(body in prop::collection::vec(tree(), 0..8)) {
        let after = "<w:p><w:r><w:t>After.</w:t></w:r></w:p>";
        let (blocks, _) = extract_for_test(Format::Docx, &file(&(body.concat() + after))).unwrap();
        prop_assert!(blocks.iter().any(|(_, text)| text == "After."), "{:?}", blocks);
    }
}
