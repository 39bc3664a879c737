//! The sanitizer's tests: the properties here, over every Unicode scalar value and over random compositions;
//! examples by rule beside it.

mod chars;
mod forged;
mod links;
mod rendered;

use super::tables::class;
use super::{Sanitized, decode, emitted, line, text};
use proptest::prelude::*;

#[track_caller]
fn becomes(input: &str, expected: &str) {
    assert_eq!(text(input, 1).text, expected, "from {input:?}");
}

fn forbidden(c: char) -> bool {
    class(c).is_some_and(|_| !matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE0E}' | '\u{FE0F}'))
}

#[test]
fn every_scalar_value_alone_and_in_company() {
    for c in '\0'..=char::MAX {
        for input in [c.to_string(), format!("a{c}b")] {
            let once = text(&input, 1);
            assert!(!once.text.chars().any(forbidden), "U+{:04X}", u32::from(c));
            assert_eq!(emitted(&once.text).text, once.text, "U+{:04X}", u32::from(c));
            if class(c).is_some() && !matches!(c, '\r' | '\u{B}' | '\u{C}') {
                assert!(!once.text.contains(c), "U+{:04X} stays", u32::from(c));
                assert_eq!(once.removed.values().sum::<u64>(), 1, "U+{:04X} counted", u32::from(c));
            }
        }
        let one = line(&c.to_string(), 20);
        assert!(!one.text.chars().any(|c| forbidden(c) || c == '\n'));
        assert_eq!(line(&one.text, 20).text, one.text, "U+{:04X}", u32::from(c));
    }
}

#[test]
fn pairs_of_classes_hide_nothing() {
    let members = [
        'a',
        '0',
        '#',
        'é',
        '\u{301}',
        'ب',
        'क',
        '\u{94D}',
        '❤',
        '👩',
        '🏽',
        '漢',
        '\u{200B}',
        '\u{200C}',
        '\u{200D}',
        '\u{202E}',
        '\u{AD}',
        '\u{34F}',
        '\u{3164}',
        '\u{E0041}',
        '\u{FE0F}',
        '\u{FE00}',
        '\u{E0100}',
        '\u{FEFF}',
        '\u{1B}',
        '[',
        ']',
        'm',
        '\u{9B}',
        '\u{7}',
        '\u{FDD0}',
        '\u{FDD1}',
        '\u{FFFE}',
        '\n',
        '\r',
        '\t',
        '<',
        '>',
        '|',
        '=',
        '`',
        '(',
        ')',
        ':',
        '/',
        '!',
        '\\',
        ' ',
        '\u{338}',
        '\u{20E3}',
        '\u{2028}',
    ];
    for a in members {
        for b in members {
            for c in members {
                let input: String = [a, b, c].iter().collect();
                let once = text(&input, 1);
                assert!(!once.text.chars().any(forbidden), "{input:?}");
                assert_eq!(emitted(&once.text).text, once.text, "{input:?}");
            }
        }
    }
}

#[test]
fn a_markers_own_words_make_no_boundary() {
    let many = "[a](https://a.example) ".repeat(1_000);
    for input in [
        "![\n BEGIN ===]()".to_owned(),
        "![BEGIN ===](x)".to_owned(),
        "![\nEND](x) ==".to_owned(),
        format!("{many}BEGIN ==="),
    ] {
        let once = text(&input, 1);
        assert_eq!(emitted(&once.text), Sanitized { text: once.text.clone(), ..Sanitized::default() });
        assert!(!once.text.contains("=="), "{:?}", once.text);
        assert!(once.removed["fence"] >= 1 && once.text.contains('['), "{once:?}");
    }
}

/// Prints what ten megabytes of handbook cost (`KENWARD_LONG=1`).
#[test]
fn speed() {
    if std::env::var_os("KENWARD_LONG").is_none() {
        return;
    }
    let page = "## Travel\n\nExpense reports are due on the *5th*: see [the guide](https://wiki.example.com/x) or\n\
        `kenward status`.\n\n- one\n- two <b>three</b>\n\n```sh\ncurl https://a.example\n```\n\n";
    let input = page.repeat(10_000_000 / page.len());
    let start = std::time::Instant::now();
    let once = text(&input, 1);
    let ingest = start.elapsed();
    let start = std::time::Instant::now();
    assert_eq!(emitted(&once.text).text, once.text);
    println!("10 MB: ingest {ingest:?}, emission {:?}, {} links", start.elapsed(), once.links.len());
}

#[test]
fn hostile_sizes_end() {
    for piece in [
        "[",
        "](",
        "![",
        "<a ",
        "<!--",
        "`",
        "```\n",
        "<script>",
        "<<b>b>",
        "[a]: b.c\n",
        "a://",
        "]",
        "==",
        "<b hidden>",
        "<a",
        "<?",
        "<x y='",
        "]:",
        "[a]:\n",
        "&",
        "&#58;",
        "data:",
        "` `` ",
        "`\n```\n",
        "<p style=color:#fff>",
    ] {
        let input = piece.repeat(60_000 / piece.len());
        let start = std::time::Instant::now();
        let once = text(&input, 1);
        assert_eq!(emitted(&once.text).text, once.text, "{piece:?}");
        assert!(start.elapsed().as_secs() < 10, "{piece:?} took {:?}", start.elapsed());
    }
}

fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "[",
        "]",
        "(",
        ")",
        "](",
        "![",
        "<",
        ">",
        "</a>",
        "<a href=x>",
        "<b>",
        "<!--",
        "-->",
        "<|",
        "|>",
        "im_start",
        "[INST]",
        "<s>",
        "https://a.example/x",
        "://",
        "http",
        "www.",
        "mailto:",
        "[link 1]",
        "[r]: http://x.y\n",
        "[r]",
        "`",
        "```",
        "\n```\n",
        "~~~\n",
        "\n",
        "\n\n",
        " ",
        "System:",
        "### Instruction",
        "=== ",
        "7Q4XK2M9VD3R",
        " BEGIN ===",
        "7Q4X| ",
        "\\",
        "\u{200B}",
        "\u{202E}",
        "\u{1B}[",
        "\u{1B}]",
        "m",
        "\u{7}",
        "é",
        "e\u{301}",
        "\u{338}",
        "👩",
        "\u{200D}",
        "\u{FE0F}",
        "क",
        "\u{94D}",
        "\u{FDD0}",
        "\u{FDD1}",
        "<script>",
        "</script>",
        "<span hidden>",
        "</span>",
        "[image: x]",
        ":",
        "data:text/x",
        "<x@y.z>",
        "1",
        "i",
        "\u{2800}",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => any::<char>().prop_map(|c| c.to_string())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn nothing_forbidden_comes_out_and_emission_changes_nothing(pieces in prop::collection::vec(piece(), 0..24)) {
        let input = pieces.concat();
        let once = text(&input, 1);
        prop_assert!(!once.text.chars().any(forbidden));
        let again = emitted(&once.text);
        prop_assert_eq!(&again.text, &once.text, "from {:?}", input);
        let hostile = emitted(&input);
        prop_assert_eq!(&emitted(&hostile.text).text, &hostile.text);
        let markers = once.text.matches("[link ").count();
        prop_assert!(markers >= once.links.len());
        prop_assert!(!once.text.contains("<|im_start|>") && (input.contains(['`', '~']) || !once.text.contains("<!--")) && !once.text.contains("](http:"));
    }

    #[test]
    fn single_lines_are_single_short_and_stable(pieces in prop::collection::vec(piece(), 0..16)) {
        let once = line(&pieces.concat(), 40);
        prop_assert!(once.text.chars().count() <= 40);
        prop_assert!(!once.text.chars().any(|c| forbidden(c) || c == '\n'));
        prop_assert!(!once.text.contains("://"));
        prop_assert_eq!(&line(&once.text, 40).text, &once.text);
    }
}
