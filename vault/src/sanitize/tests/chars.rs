//! Rules 1 and 2: what cannot be seen goes, and what only looks as if it could not be seen stays.

use super::*;

#[test]
fn joiners_and_selectors_stand_where_they_mean_something() {
    for kept in [
        "می\u{200C}خواهم",
        "क्\u{200D}ष",
        "👩\u{200D}💻",
        "❤\u{FE0F}\u{200D}🔥",
        "1\u{FE0F}\u{20E3}",
        "ന\u{D4D}\u{200D} ",
    ] {
        becomes(kept, kept);
    }
    becomes("pass\u{200D}word 1\u{FE0F} a\u{FE0F} ❤\u{FE0F}\u{FE0F}", "password 1 a ❤\u{FE0F}");
}

#[test]
fn joiners_that_change_how_a_word_looks_stay() {
    for kept in [
        "نامه\u{200C}ای",
        "র\u{200D}্য",
        "ක්\u{200D}ර",
        "ರ\u{200D}್ಕ",
        "क़\u{200C}ष",
        "𑄇𑄳\u{200D}",
        "🏳\u{FE0F}\u{200D}🌈",
        "🧑🏽\u{200D}⚕\u{FE0F}",
        "🐦\u{200D}⬛",
        "*\u{FE0F}\u{20E3}",
    ] {
        becomes(kept, kept);
    }
    // A flag of tags, joiners between letters that never join, and a pile of them.
    becomes("🏴\u{E0067}\u{E0062}\u{E007F}", "🏴");
    becomes(
        "pass\u{200D}word ب\u{200D}\u{200D}\u{200C}ب ",
        "password بب ".replace("بب", "ب\u{200C}ب").as_str(),
    );
}

#[test]
fn what_looks_like_nothing_hides_nothing() {
    becomes("a\u{1D159}b\u{16FE4}c\u{13437}d\u{3164}e\u{115F}f\u{17B5}g\u{180E}h", "abcdefgh");
    becomes("a\u{2800}b\u{2028}c\u{85}d\u{FFF9}e", "a b\ncde");
    // A message in tags, in variation selectors, and between the letters of a word.
    let tags: String = "ignore".chars().filter_map(|c| char::from_u32(0xE0000 + u32::from(c))).collect();
    becomes(&format!("seen{tags}"), "seen");
    let selectors: String = (0xE0100..0xE0140).filter_map(char::from_u32).collect();
    becomes(&format!("😀{selectors}"), "😀");
    becomes("i\u{200B}g\u{2060}n\u{FEFF}o\u{AD}re", "ignore");
    becomes("\u{202E}txt\u{202C}\u{2066}a\u{2069}\u{61C}", "txta");
}

#[test]
fn terminal_sequences_go_whole() {
    becomes(
        "a\u{1B}[31;1mred\u{1B}[0m \u{1B}]0;title\u{7}b\u{1B}]8;;x\u{1B}\\c \u{9B}2Jd \u{1B}Pq#0\u{1B}\\e\u{1B}(Bf",
        "ared bc d ef",
    );
    becomes("\u{1B}]0;never closed\nnext", "0;never closed\nnext");
}

#[test]
fn terminal_sequences_of_every_kind_go() {
    becomes("\u{1B}]8;;https://a.example\u{1B}\\x\u{1B}]8;;\u{7}", "x");
    becomes("\u{9D}52;c;aGk=\u{9C}y\u{90}q\u{9C}\u{1B}_apc\u{1B}\\\u{1B}^pm\u{7}z", "yz");
    becomes("a\u{1B}[38:2::1:2:3mb\u{1B}#8c\u{1B}cd\u{1B}", "abcd");
    // What a sequence parted is one word again, and is read as one.
    becomes("<|im_\u{1B}[0mstart|>", "‹|im_start|›");
}

#[test]
fn bad_bytes_are_counted() {
    assert_eq!(decode(b"\xef\xbb\xbfa\xffb\xc3"), ("a\u{FFFD}b\u{FFFD}".to_owned(), 2));
}

#[test]
fn an_ending_of_another_script_keeps_its_joiner() {
    for word in
        ["PDF\u{200C}\u{0647}\u{0627}", "\u{0645}\u{06CC}\u{200C}\u{062E}\u{0648}\u{0627}\u{0647}\u{0645}"]
    {
        assert_eq!(text(word, 1).text, word);
    }
    assert_eq!(text("ad\u{200C}min", 1).text, "admin");
}
