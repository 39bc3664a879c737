//! What comes out, asked of a real reader of Markdown: it finds no link that leads away, no image, no element
//! of HTML, and no URL outside code.

use super::*;
use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

/// What of the text a renderer would follow, load or show as HTML.
fn live(text: &str, options: Options) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => code = true,
            Event::End(TagEnd::CodeBlock) => code = false,
            Event::Start(Tag::Link { dest_url: url, .. }) if leads(&url) => {
                found.push(format!("link to {url}"))
            }
            Event::Start(Tag::Image { dest_url: url, .. }) if leads(&url) => {
                found.push(format!("image {url}"))
            }
            Event::Html(html) | Event::InlineHtml(html) if known(&html) => found.push(html.to_string()),
            Event::Text(text) if !code && bare(&text) => found.push(text.to_string()),
            _ => {}
        }
    }
    found
}

fn leads(url: &str) -> bool {
    url.contains(':') || url.starts_with("//")
}

/// Whether an element stands in it. A line of an HTML block may be nothing but text.
fn known(html: &str) -> bool {
    html.split('<').skip(1).any(|inner| {
        let name = inner.strip_prefix('/').unwrap_or(inner);
        let name =
            name.split(|c: char| c.is_whitespace() || matches!(c, '/' | '>')).next().unwrap_or_default();
        inner.starts_with("!--") || crate::sanitize::markup::shape(&name.to_ascii_lowercase()).is_some()
    })
}

fn bare(text: &str) -> bool {
    text.split("://").zip(text.split("://").skip(1)).any(|(scheme, rest)| {
        scheme.ends_with(|c: char| c.is_ascii_alphabetic())
            && rest.starts_with(|c: char| c.is_ascii_alphanumeric())
    })
}

const ALL: [Options; 2] = [Options::empty(), Options::ENABLE_TABLES.union(Options::ENABLE_FOOTNOTES)];

fn inert(input: &str) -> Result<(), TestCaseError> {
    let once = text(input, 1).text;
    prop_assert_eq!(&emitted(&once).text, &once, "from {:?}", input);
    for options in ALL {
        let live = live(&once, options);
        prop_assert!(live.is_empty(), "{:?} in {:?} from {:?}", live, once, input);
    }
    Ok(())
}

/// Of a part nothing but what a reader sees as a URL may be left: code is no code without its fence.
fn inert_in_part(input: &str, cut: usize) -> Result<(), TestCaseError> {
    let once = text(input, 1).text;
    let (left, right) = once.split_at(once.floor_char_boundary(cut));
    for part in [left, right].map(|part| emitted(part).text) {
        for event in ALL.iter().flat_map(|options| Parser::new_ext(&part, *options)) {
            let leading = match event {
                Event::Start(Tag::Link { dest_url, link_type, .. }) if link_type != LinkType::Autolink => {
                    dest_url
                }
                Event::Start(Tag::Image { dest_url, .. }) => dest_url,
                _ => continue,
            };
            prop_assert!(!leads(&leading), "{:?} in {:?} from {:?}", leading, part, input);
        }
        prop_assert!(!part.contains("<img src"), "{:?} from {:?}", part, input);
    }
    Ok(())
}

fn form() -> impl Strategy<Value = String> {
    let forms = prop::sample::select(vec![
        "[a](//a.example)",
        "[a](https://a.example 'T')",
        "![a](//a.example)",
        "![a][r]",
        "[r]",
        "[r]: //a.example\n",
        "[r]:\n//a.example\n",
        "[r]: https://a.example\n'T\nU'\n",
        "<https://a.example>",
        "<app:x>",
        "https://a.example",
        "https&#58;//a.example",
        "<img src=//a.example>",
        "```\n[r]: //a.example\n![r]\n<img src=//a.example>\n```\n",
        "<a href='//a.example'>",
        "</a>",
        "<x-y z='",
        "'>",
        "<b>",
        "<!--",
        "-->",
        "`",
        "``",
        "```\n",
        "```",
        "~~~\n",
        "    ",
        "  ",
        "> ",
        "- ",
        "1. ",
        "# ",
        "|",
        "|---|---|\n",
        "===\n",
        "\n",
        "\n\n",
        "\\",
        "[",
        "]",
        "](",
        "]:",
        "(",
        ")",
        "!",
        "<",
        ">",
        "//a.example",
        "\"",
        "a",
        " ",
    ]);
    forms.prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_reader_finds_anything_to_follow(forms in prop::collection::vec(form(), 0..20)) {
        inert(&forms.concat())?;
    }

    #[test]
    fn nor_in_a_part(forms in prop::collection::vec(form(), 0..20), cut in 0..200_usize) {
        inert_in_part(&forms.concat(), cut)?;
    }
}
