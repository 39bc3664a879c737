//! Markdown: rendered to HTML and read by the same walk as HTML, because Markdown carries HTML:
//! a hidden element must be hidden in both. It must never let raw-text tags of a document swallow
//! what follows them.

use super::{Extractor, FailReason, Meta, Sink, dates, html, text};
use crate::doors::mint;
use kenward_vault::sanitize::markup;
use pulldown_cmark::{CowStr, Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};
use std::collections::{HashMap, HashSet};

/// Markdown.
pub(super) struct Markdown;

/// Tags whose content a parser of HTML reads as raw text; without their end they would swallow the rest.
const RAW: [&str; 9] =
    ["title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext", "noscript", "frameset"];

/// Elements that are left out as a whole, besides those whose content no reader sees.
const WHOLE: [&str; 5] = ["applet", "dialog", "map", "nav", "select"];

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
        let mut front_matter = String::new();
        let mut within: Option<MetadataBlockKind> = None;
        let mut block = String::new();
        let mut tags = Tags::of(Parser::new_ext(&source, options));
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
                front_matter.push_str(&text);
                None
            }
            // An HTML block comes line by line; whether a tag is closed shows only in the whole.
            Event::Html(raw) => {
                block.push_str(&raw);
                None
            }
            Event::End(TagEnd::HtmlBlock) => Some(Event::Html(tags.tame(std::mem::take(&mut block).into()))),
            Event::Start(Tag::HtmlBlock) => None,
            Event::InlineHtml(raw) => Some(Event::InlineHtml(tags.tame(raw))),
            Event::TaskListMarker(done) => Some(Event::Text(if done { "[x] " } else { "[ ] " }.into())),
            other => Some(other),
        });
        let mut rendered = String::with_capacity(source.len() + source.len() / 4);
        pulldown_cmark::html::push_html(&mut rendered, events);
        drop(source);
        html::walk(&rendered, true, &mut meta, sink)?;
        meta.modified = date_of(&front_matter);
        if let Some(title) = value_of(&front_matter, "title") {
            meta.title = Some(mint(title));
        }
        Ok(meta)
    }
}

/// When the front matter says the document was last changed, or else what date it has.
fn date_of(front_matter: &str) -> Option<i64> {
    const KEYS: [&str; 7] =
        ["updated", "last_updated", "modified", "last_modified", "last_modified_at", "lastmod", "date"];
    KEYS.iter().find_map(|key| dates::read(&value_of(front_matter, key)?))
}

/// `title:` (YAML) or `title =` (TOML) at the left margin of the front matter.
fn value_of(front_matter: &str, key: &str) -> Option<String> {
    let value = front_matter.lines().find_map(|line| {
        let value = line.strip_prefix(key)?.trim_start();
        value.strip_prefix(':').or_else(|| value.strip_prefix('='))
    })?;
    let value = value.trim();
    let value = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    (!value.is_empty() && !matches!(value, "|" | ">" | "|-" | ">-")).then(|| value.to_owned())
}

/// The tags of a document, in its HTML blocks and in its lines: which of them begin an element, and which are
/// words in angle brackets that a reader has to see: `<your-name>`, `List<Object>`, `cp <source> <object>`.
/// Most of those name an element that HTML knows, and one without its end would swallow the rest.
#[derive(Default)]
struct Tags {
    /// By name, where its last closing tag begins, counted over all the HTML of the document.
    ends: HashMap<String, usize>,
    /// How much of the HTML was read.
    read: usize,
    /// Names of elements that HTML does not know and that were left elements, for their attributes.
    unknown: HashSet<String>,
}

/// A tag as it is written.
struct Written<'a> {
    at: usize,
    closing: bool,
    name: &'a str,
    /// Nothing but a name.
    bare: bool,
}

fn tags(raw: &str) -> impl Iterator<Item = Written<'_>> {
    raw.match_indices('<').filter_map(|(at, _)| {
        let after = raw.get(at + 1..)?;
        let name = after.strip_prefix('/').unwrap_or(after);
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(name.len());
        let (name, behind) = name.split_at_checked(end)?;
        let bare = behind.trim_start_matches(|c: char| c == '/' || c.is_whitespace()).starts_with('>');
        let named = name.starts_with(|c: char| c.is_ascii_alphabetic());
        named.then_some(Written { at, closing: after.starts_with('/'), name, bare })
    })
}

impl Tags {
    fn of(events: Parser<'_>) -> Self {
        let mut found = Self::default();
        let mut read = 0;
        for event in events {
            if let Event::Html(raw) | Event::InlineHtml(raw) = event {
                for tag in tags(&raw).filter(|tag| tag.closing) {
                    found.ends.insert(tag.name.to_ascii_lowercase(), read + tag.at);
                }
                read += raw.len();
            }
        }
        found
    }

    /// Makes the `<` of what begins no element a plain character.
    fn tame<'a>(&mut self, raw: CowStr<'a>) -> CowStr<'a> {
        let mut tamed = String::new();
        let mut copied = 0;
        for tag in tags(&raw) {
            if self.is_word(&tag) {
                tamed.push_str(raw.get(copied..tag.at).unwrap_or_default());
                tamed.push_str("&lt;");
                copied = tag.at + 1;
            }
        }
        self.read += raw.len();
        if copied == 0 {
            return raw;
        }
        tamed.push_str(raw.get(copied..).unwrap_or_default());
        tamed.into()
    }

    fn is_word(&mut self, tag: &Written<'_>) -> bool {
        let name = tag.name.to_ascii_lowercase();
        let Some(shape) = markup::shape(&name) else {
            // Of an element that nobody knows a reader sees the content; its tags are words, unless they style it.
            if !tag.closing && !tag.bare {
                self.unknown.insert(name);
                return false;
            }
            return !self.unknown.contains(&name);
        };
        if RAW.contains(&name.as_str()) {
            return true;
        }
        if tag.closing {
            return false;
        }
        let ends = self.ends.get(&name).is_some_and(|end| *end > self.read + tag.at);
        let whole = shape == markup::Shape::Unseen || WHOLE.contains(&name.as_str());
        let swallows = whole && !markup::is_void(&name) && !ends;
        let word = tag.bare && !markup::stands_open(&name);
        swallows || (word && (markup::is_void(&name) || !ends))
    }
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
    fn words_in_angle_brackets_stay_and_swallow_nothing() {
        for (line, shown) in [
            (
                "Run it with <namespace>, <your-name>, Vec<String> now.",
                "Run it with <namespace>, <your-name>, Vec<String> now.",
            ),
            ("cp <source> <object> end", "cp <source> <object> end"),
            ("a <Template> arg, </namespace>", "a <Template> arg, </namespace>"),
            (
                "List<Object> x; f(Promise<Select> s, Optional<Video> v)",
                "List<Object> x; f(Promise<Select> s, Optional<Video> v)",
            ),
            ("Map<Style> m; x<Template>gone</Template> y", "Map<Style> m; x y"),
            ("an <svg> or <details>, an <img> and a <link>", "an <svg> or <details>, an <img> and a <link>"),
            ("<object data=x> here", "<object data=x> here"),
            (
                "the <nav class=\"top\"> and <dialog id=x> tags",
                "the <nav class=\"top\"> and <dialog id=x> tags",
            ),
            ("line<br>break and <b>bold</b>", "line\nbreak and bold"),
            ("x <object>gone</object> y <template>gone</template>", "x  y"),
            ("x <my-card style=\"display:none\">gone</my-card> y", "x  y"),
        ] {
            let blocks = read(&format!("{line}\n\nThe rest stays.\n"));
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(words(&blocks[0].1), words(shown), "{line}");
            assert_eq!(blocks.last().unwrap().1, "The rest stays.", "{line}");
        }
        let spread = "Before.\n\n<template>\n\nGone.\n\n</template>\n\nAfter.\n";
        let all: String = read(spread).into_iter().map(|(_, text)| text).collect();
        assert_eq!(all, "Before.After.");
    }

    #[test]
    fn front_matter_gives_the_title_and_is_no_text() {
        let text = "---\nid: x\ntitle: \"Leave policy\"\n---\n# Leave\n\nBody.\n";
        let (blocks, meta) = extract_for_test(Format::Markdown, text.as_bytes()).unwrap();
        assert_eq!(for_pipe(&meta.title.unwrap()), "Leave policy");
        assert_eq!(blocks.len(), 2);
        assert_eq!(meta.modified, None);
        let dated = "---\ndate: 2026-10-01\nupdated: '2026-10-02T08:00:00Z'\ndated: 1999-01-01\n---\nBody.\n";
        assert_eq!(
            extract_for_test(Format::Markdown, dated.as_bytes()).unwrap().1.modified,
            Some(1_790_928_000_000)
        );
        let (_, meta) =
            extract_for_test(Format::Markdown, b"+++\ndate = 2026-10-02\n+++\n# First\n\nBody").unwrap();
        assert_eq!(meta.modified, Some(1_790_899_200_000));
        let (_, meta) = extract_for_test(Format::Markdown, b"# First\n\nBody").unwrap();
        assert_eq!(for_pipe(&meta.title.unwrap()), "First");
    }
}
