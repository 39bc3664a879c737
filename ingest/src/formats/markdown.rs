//! Markdown: rendered to HTML and read by the same walk as HTML, because Markdown carries HTML:
//! a hidden element must be hidden in both. It must never let raw-text tags of a document swallow
//! what follows them.

use super::{Extractor, FailReason, Meta, Sink, html, text};
use crate::doors::mint;
use pulldown_cmark::{CowStr, Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};

/// Markdown.
pub(super) struct Markdown;

/// Tags whose content a parser of HTML reads as raw text; without their end they would swallow the rest.
/// `script` and `style` are among them only where they are not closed.
const RAW: [&str; 9] =
    ["title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext", "noscript", "frameset"];

impl Extractor for Markdown {
    fn extract(&self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Meta, FailReason> {
        let mut meta = Meta::default();
        let source = text::decode(bytes, &mut meta)?.replace("\r\n", "\n");
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_HEADING_ATTRIBUTES
            | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
            | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
        let mut front_matter = None;
        let mut within: Option<MetadataBlockKind> = None;
        let mut block = String::new();
        let events = Parser::new_ext(&source, options).filter_map(|event| match event {
            Event::Start(Tag::MetadataBlock(kind)) => {
                within = Some(kind);
                None
            }
            Event::End(TagEnd::MetadataBlock(_)) => {
                within = None;
                None
            }
            Event::Text(text) if within.is_some() => {
                front_matter = front_matter.take().or_else(|| title_of(&text));
                None
            }
            // An HTML block comes line by line; whether a tag is closed shows only in the whole.
            Event::Html(raw) => {
                block.push_str(&raw);
                None
            }
            Event::End(TagEnd::HtmlBlock) => Some(Event::Html(tame(std::mem::take(&mut block).into()))),
            Event::Start(Tag::HtmlBlock) => None,
            Event::InlineHtml(raw) => Some(Event::InlineHtml(tame(raw))),
            Event::TaskListMarker(done) => Some(Event::Text(if done { "[x] " } else { "[ ] " }.into())),
            other => Some(other),
        });
        let mut rendered = String::with_capacity(source.len() + source.len() / 4);
        pulldown_cmark::html::push_html(&mut rendered, events);
        drop(source);
        html::walk(&rendered, true, &mut meta, sink)?;
        if let Some(title) = front_matter {
            meta.title = Some(mint(title));
        }
        Ok(meta)
    }
}

/// `title:` (YAML) or `title =` (TOML) at the left margin of the front matter.
fn title_of(front_matter: &str) -> Option<String> {
    let line = front_matter.lines().find(|line| line.starts_with("title"))?;
    let value = line.strip_prefix("title")?.trim_start();
    let value = value.strip_prefix(':').or_else(|| value.strip_prefix('='))?.trim();
    let value = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    (!value.is_empty() && !matches!(value, "|" | ">" | "|-" | ">-")).then(|| value.to_owned())
}

/// Makes the `<` of raw-text tags a plain character.
fn tame(raw: CowStr<'_>) -> CowStr<'_> {
    let lower = raw.to_ascii_lowercase();
    let mut tamed = String::new();
    let mut copied = 0;
    for (at, _) in lower.match_indices('<') {
        let after = lower.get(at + 1..).unwrap_or_default();
        let name = after.strip_prefix('/').unwrap_or(after);
        let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
        let name = name.get(..end).unwrap_or_default();
        let open_ended = matches!(name, "script" | "style") && !closed(after, name);
        if RAW.contains(&name) || open_ended {
            tamed.push_str(raw.get(copied..at).unwrap_or_default());
            tamed.push_str("&lt;");
            copied = at + 1;
        }
    }
    if copied == 0 {
        return raw;
    }
    tamed.push_str(raw.get(copied..).unwrap_or_default());
    tamed.into()
}

fn closed(after: &str, name: &str) -> bool {
    after.starts_with('/') || after.contains(&format!("</{name}"))
}

#[cfg(test)]
mod tests {
    use super::super::{BlockKind, Format, Signal, extract_for_test};
    use crate::doors::for_pipe;

    fn read(text: &str) -> Vec<(BlockKind, String)> {
        extract_for_test(Format::Markdown, text.as_bytes()).unwrap().0
    }

    #[test]
    fn structure_becomes_blocks() {
        let text = "# Travel\n\nBook *early*, see [the policy](../p.md) and `kw --x`.\nSecond line.\n\n- one\n- two\n  - deep\n\n1. first\n2. second\n\n| Tier | Rate |\n|---|---|\n| Gold | 5 |\n\n```sh\nls  -l\n\n# no heading\n```\n";
        assert_eq!(
            read(text),
            [
                (BlockKind::Heading(1), "Travel".into()),
                (
                    BlockKind::Paragraph,
                    "Book early, see [the policy](<../p.md>) and `kw --x`.\nSecond line.".into()
                ),
                (BlockKind::ListItem, "- one".into()),
                (BlockKind::ListItem, "- two".into()),
                (BlockKind::ListItem, "  - deep".into()),
                (BlockKind::ListItem, "1. first".into()),
                (BlockKind::ListItem, "2. second".into()),
                (BlockKind::TableHead, "Tier | Rate".into()),
                (BlockKind::TableRow, "Gold | 5".into()),
                (BlockKind::Code, "ls  -l\n\n# no heading".into()),
            ]
        );
    }

    #[test]
    fn hidden_html_is_left_out_and_counted() {
        let text = "Visible.\n\n<div style=\"display:none\">\n\nHidden *paragraph*.\n\n</div>\n\nAlso <span hidden>not</span> visible. <!-- comment -->\n";
        let (blocks, meta) = extract_for_test(Format::Markdown, text.as_bytes()).unwrap();
        let all: String = blocks.iter().map(|(_, text)| text.as_str()).collect();
        assert!(!all.contains("Hidden") && !all.contains("not") && !all.contains("comment"), "{all}");
        assert!(all.contains("Visible.") && all.contains("Also visible."), "{all}");
        assert!(meta.signals[&Signal::HiddenText] >= 2);
        assert_eq!(meta.signals[&Signal::Comments], 1);
    }

    #[test]
    fn raw_text_tags_swallow_nothing() {
        for tag in ["title", "textarea", "plaintext", "script", "style", "iframe", "noscript", "xmp"] {
            let text = format!("Use <{tag}> here.\n\nThe rest stays.\n");
            let all: String = read(&text).into_iter().map(|(_, text)| text).collect();
            assert!(all.contains("The rest stays."), "{tag}: {all}");
        }
        let text = "Before.\n\n<script>\nalert(1)\n</script>\n\nAfter.\n";
        let all: String = read(text).into_iter().map(|(_, text)| text).collect();
        assert_eq!(all, "Before.After.");
    }

    #[test]
    fn front_matter_gives_the_title_and_is_no_text() {
        let text = "---\nid: x\ntitle: \"Leave policy\"\n---\n# Leave\n\nBody.\n";
        let (blocks, meta) = extract_for_test(Format::Markdown, text.as_bytes()).unwrap();
        assert_eq!(for_pipe(&meta.title.unwrap()), "Leave policy");
        assert_eq!(blocks.len(), 2);
        let (_, meta) = extract_for_test(Format::Markdown, b"# First\n\nBody").unwrap();
        assert_eq!(for_pipe(&meta.title.unwrap()), "First");
    }
}
