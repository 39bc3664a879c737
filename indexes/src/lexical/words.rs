//! Cutting text into words: the same for documents and queries, before any language's rules. It looks at nothing but the
//! text itself.
//!
//! Letters are folded (NFKC, Latin letters without their marks) and cut by the Unicode rules; scripts that write no
//! spaces, and Hangul, become overlapping pairs of characters. Parts of identifiers (`max_open_files`, `getUserName`) are
//! words; the identifier as a whole is one of [`identifiers`].

use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Longest word in characters; what is longer (encoded data, mostly) is cut to its head.
const LONGEST: usize = 64;
/// Longest identifier in characters; likewise.
const LONGEST_IDENTIFIER: usize = 128;
/// Last parts of a path that are given besides the whole: a path of thousands of parts must not take a square of its length.
const MOST_TAILS: usize = 16;

/// Gives each word of the text in its order, folded and in lower case.
pub(super) fn words(text: &str, mut each: impl FnMut(&str)) {
    let folded = fold(text);
    let mut lower = String::new();
    let mut rest: &str = &folded;
    while let Some(first) = rest.chars().next() {
        let paired = in_pairs(first);
        let end = rest.find(|c| in_pairs(c) != paired).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        if paired {
            pairs(run, &mut each);
        } else {
            for word in run.unicode_words() {
                parts(word, |part| {
                    lowered(part, &mut lower);
                    each(head(&lower, LONGEST));
                });
            }
        }
    }
}

/// Gives each identifier, path, version, file name and code token of the text, whole and in lower case: what has digits
/// beside letters, capitals within, or a sign within that is no hyphen (`two-dimensional` is none, `INC-2041` is one). Of
/// a path its last parts are given, too.
pub(super) fn identifiers(text: &str, mut each: impl FnMut(&str)) {
    let folded = fold(text);
    let mut lower = String::new();
    for token in folded.split(|c: char| c.is_whitespace() || in_pairs(c)) {
        let mut rest = trimmed(token);
        let mut whole = true;
        for _ in 0..=MOST_TAILS {
            if rest.is_empty() {
                break;
            }
            if is_identifier(rest) {
                lowered(rest, &mut lower);
                each(head(&lower, LONGEST_IDENTIFIER));
            } else if !whole {
                break;
            }
            whole = false;
            rest = rest.split_once(['/', '\\']).map_or("", |(_, last)| trimmed(last));
        }
    }
}

fn lowered(text: &str, lower: &mut String) {
    lower.clear();
    lower.extend(text.chars().flat_map(char::to_lowercase).map(|c| if c == 'ё' { 'е' } else { c }));
}

/// Without the signs around it, but for those that are part of a language's name (`c++`, `c#`).
fn trimmed(token: &str) -> &str {
    let token = token.trim_start_matches(|c: char| !c.is_alphanumeric());
    let core = token.trim_end_matches(|c: char| !c.is_alphanumeric());
    let kept = |suffix: &str| {
        let end = core.len() + suffix.len();
        let name = core.len() <= 2 && !core.is_empty() && token.get(core.len()..end) == Some(suffix);
        name.then(|| token.get(..end)).flatten()
    };
    kept("++").or_else(|| kept("#")).unwrap_or(core)
}

fn is_identifier(token: &str) -> bool {
    let (mut digits, mut letters, mut signs, mut humps, mut before) = (false, false, false, false, ' ');
    for c in token.chars() {
        digits |= c.is_numeric();
        letters |= c.is_alphabetic();
        signs |= !c.is_alphanumeric() && !matches!(c, '\'' | '\u{2019}' | '-');
        humps |= before.is_lowercase() && c.is_uppercase();
        before = c;
    }
    (digits || letters) && (signs || humps || digits && letters)
}

/// Compatibility forms made one, marks taken off Latin letters. Marks of other scripts are vowels or letters of their own
/// and stay.
fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut after_latin = false;
    let unmarked = text.nfkd().filter(move |c| {
        if ('\u{300}'..='\u{36f}').contains(c) {
            return !after_latin;
        }
        after_latin = c.is_ascii_alphabetic();
        true
    });
    let mut folded = String::with_capacity(text.len());
    for c in unmarked.nfc() {
        match c {
            'ß' | 'ẞ' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'Æ' => folded.push_str("AE"),
            'œ' => folded.push_str("oe"),
            'Œ' => folded.push_str("OE"),
            'ø' => folded.push('o'),
            'Ø' => folded.push('O'),
            'ł' => folded.push('l'),
            'Ł' => folded.push('L'),
            'đ' => folded.push('d'),
            'Đ' => folded.push('D'),
            '\u{2019}' | '\u{2bc}' => folded.push('\''),
            _ => folded.push(c),
        }
    }
    Cow::Owned(folded)
}

/// Whether the character belongs to a script that is indexed by pairs: Han, kana, Hangul, Thai,
/// Lao, Khmer, Myanmar.
pub(super) fn in_pairs(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}')
        && c != '\u{30fb}'
}

fn pairs(run: &str, each: &mut impl FnMut(&str)) {
    let mut starts = run.char_indices().map(|(at, _)| at).chain([run.len()]);
    let (Some(mut first), Some(mut second)) = (starts.next(), starts.next()) else { return };
    if second == run.len() {
        return each(run);
    }
    for third in starts {
        each(run.get(first..third).unwrap_or_default());
        first = second;
        second = third;
    }
}

/// The Unicode rules keep `values.yaml` and `max_open_files` whole; their parts are what people search for. Numbers with
/// separators stay whole. A word with humps (`getUserName`) is given whole and in its parts.
fn parts(word: &str, mut each: impl FnMut(&str)) {
    let separator = |c: char| matches!(c, '.' | '_' | ':' | '\u{b7}');
    if !word.contains(separator) || !word.contains(|c: char| c.is_alphabetic()) {
        return with_humps(word, &mut each);
    }
    word.split(separator).filter(|part| !part.is_empty()).for_each(|part| with_humps(part, &mut each));
}

fn with_humps(word: &str, each: &mut impl FnMut(&str)) {
    each(word);
    let bytes = word.as_bytes();
    let plural = word.strip_suffix('s').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_uppercase()));
    if !word.is_ascii() || plural {
        return;
    }
    let hump = |before: u8, at: u8, after: Option<&u8>| {
        at.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_uppercase() && after.is_some_and(u8::is_ascii_lowercase))
    };
    let starts = bytes.windows(2).enumerate().filter_map(|(at, pair)| match pair {
        [before, here] if hump(*before, *here, bytes.get(at + 2)) => Some(at + 1),
        _ => None,
    });
    let mut from = 0;
    for to in starts.chain([bytes.len()]) {
        let part = word.get(from..to).unwrap_or_default();
        // One letter is no word, and a word without humps was given.
        if part.len() > 1 && part.len() < word.len() {
            each(part);
        }
        from = to;
    }
}

fn head(word: &str, longest: usize) -> &str {
    if word.len() <= longest {
        return word;
    }
    word.char_indices().nth(longest).map_or(word, |(end, _)| word.get(..end).unwrap_or(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        words(text, |word| all.push(word.to_owned()));
        all
    }

    fn names(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        identifiers(text, |name| all.push(name.to_owned()));
        all
    }

    #[test]
    fn words_are_folded() {
        assert_eq!(of("The Connections, connected!"), ["the", "connections", "connected"]);
        assert_eq!(of("Café CAFE\u{301} Ångström Straße ÆØ"), ["cafe", "cafe", "angstrom", "strasse", "aeo"]);
        assert_eq!(of("ﬁle ２４"), ["file", "24"]);
        assert_eq!(of("ёлка"), of("елка"));
    }

    #[test]
    fn parts_of_identifiers_are_words_and_numbers_stay_whole() {
        assert_eq!(
            of("max_open_files values.yaml 1.27 kube-proxy"),
            ["max", "open", "files", "values", "yaml", "1.27", "kube", "proxy"]
        );
        assert_eq!(of("getUserName"), ["getusername", "get", "user", "name"]);
        assert_eq!(of("HTTPServer PDFs eBPF"), ["httpserver", "http", "server", "pdfs", "ebpf", "bpf"]);
    }

    #[test]
    fn identifiers_are_whole() {
        assert_eq!(
            names("Run kube-proxy (v1.27.3), see /etc/kubernetes/admin.conf."),
            ["v1.27.3", "etc/kubernetes/admin.conf", "kubernetes/admin.conf", "admin.conf"]
        );
        assert_eq!(names("getUserName() in C++ or C#, --dry-run"), ["getusername", "c++", "c#"]);
        assert_eq!(
            names("KENWARD_LONG=1 INC-2041 user@example.test"),
            ["kenward_long=1", "inc-2041", "user@example.test"]
        );
        assert_eq!(names(&"a1/".repeat(2_000)).len(), MOST_TAILS + 1);
        assert!(names("Nothing here, isn't it? 2041 -- …").is_empty());
        assert_eq!(names(&format!("a_{}", "x".repeat(500)))[0].chars().count(), LONGEST_IDENTIFIER);
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(of("東京都 is 京"), ["東京", "京都", "is", "京"]);
        assert_eq!(of("ﾃｽﾄ"), ["テス", "スト"]);
        assert_eq!(of("한국어"), ["한국", "국어"]);
        assert_eq!(of("ไทย"), ["ไท", "ทย"]);
    }

    #[test]
    fn long_words_are_cut_and_signs_are_nothing() {
        assert_eq!(of(&"x".repeat(500)), ["x".repeat(64)]);
        assert!(of("!!! ... 🙂 —").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,80}") {
            for word in of(&text) {
                prop_assert!(!word.is_empty() && word.chars().count() <= LONGEST);
            }
            for name in names(&text) {
                prop_assert!(!name.is_empty() && name.chars().count() <= LONGEST_IDENTIFIER);
            }
        }
    }
}
