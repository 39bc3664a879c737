//! The one analyzer: the same function turns documents and queries into terms. It looks at nothing
//! but the text itself; a term must never depend on what else is stored.
//!
//! Text is folded (NFKC, lower case, Latin letters without their marks), cut into words by the
//! Unicode rules, and words are stemmed by their script (Latin: English, Cyrillic: Russian). Scripts
//! that write no spaces, and Hangul, become overlapping pairs of characters.

use frostem::{Algorithm, Stemmer};
use std::borrow::Cow;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Name under which the index records how its terms were made. It changes with the rules here.
pub(super) const NAME: &str = "kenward-1";

/// Longest term in characters; what is longer (encoded data, mostly) is cut to its head.
const LONGEST: usize = 64;

/// Gives each term of the text, in its order: what is indexed of a document and looked up for a query.
pub fn terms(text: &str, mut each: impl FnMut(&str)) {
    let folded = fold(text);
    let stemmers = Stemmers::new();
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
                parts(word, |part| each(&stemmers.stem(part)));
            }
        }
    }
}

/// Lower case, compatibility forms made one, marks taken off Latin letters. Marks of other scripts
/// are vowels or letters of their own and stay.
fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let mut after_latin = false;
    let unmarked = text.nfkd().flat_map(char::to_lowercase).filter(move |c| {
        if ('\u{300}'..='\u{36f}').contains(c) {
            return !after_latin;
        }
        after_latin = c.is_ascii_alphabetic();
        true
    });
    let mut folded = String::with_capacity(text.len());
    for c in unmarked.nfc() {
        match c {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            'ё' => folded.push('е'),
            '\u{2019}' | '\u{2bc}' => folded.push('\''),
            _ => folded.push(c),
        }
    }
    Cow::Owned(folded)
}

/// Whether the character belongs to a script that is indexed by pairs: Han, kana, Hangul, Thai,
/// Lao, Khmer, Myanmar.
fn in_pairs(c: char) -> bool {
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

/// The Unicode rules keep `values.yaml` and `max_open_files` whole; their parts are what people
/// search for. Numbers with separators stay whole.
fn parts(word: &str, mut each: impl FnMut(&str)) {
    let separator = |c: char| matches!(c, '.' | '_' | ':' | '\u{b7}');
    if !word.contains(separator) || !word.contains(|c: char| c.is_alphabetic()) {
        return each(head(word));
    }
    word.split(separator).filter(|part| !part.is_empty()).for_each(|part| each(head(part)));
}

fn head(word: &str) -> &str {
    if word.len() <= LONGEST {
        return word;
    }
    word.char_indices().nth(LONGEST).map_or(word, |(end, _)| word.get(..end).unwrap_or(word))
}

struct Stemmers {
    english: Stemmer,
    russian: Stemmer,
}

impl Stemmers {
    fn new() -> Self {
        Self { english: Stemmer::new(Algorithm::English), russian: Stemmer::new(Algorithm::Russian) }
    }

    fn stem<'w>(&self, word: &'w str) -> Cow<'w, str> {
        let stemmed = if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'\'') {
            self.english.stem(word)
        } else if word.chars().all(|c| ('\u{430}'..='\u{45f}').contains(&c)) {
            self.russian.stem(word)
        } else {
            return Cow::Borrowed(word);
        };
        if stemmed.is_empty() { Cow::Borrowed(word) } else { stemmed }
    }
}

/// [`terms`] as tantivy wants to be given them.
#[derive(Clone, Default)]
pub(super) struct Analyzer;

/// The terms of one text.
pub(super) struct Terms {
    text: String,
    ends: std::vec::IntoIter<usize>,
    start: usize,
    token: Token,
}

impl Tokenizer for Analyzer {
    type TokenStream<'a> = Terms;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms {
        let mut all = String::with_capacity(text.len());
        let mut ends = Vec::new();
        terms(text, |term| {
            all.push_str(term);
            ends.push(all.len());
        });
        Terms { text: all, ends: ends.into_iter(), start: 0, token: Token::default() }
    }
}

impl TokenStream for Terms {
    fn advance(&mut self) -> bool {
        let Some(end) = self.ends.next() else { return false };
        self.token.position = self.token.position.wrapping_add(1);
        self.token.text.clear();
        self.token.text.push_str(self.text.get(self.start..end).unwrap_or_default());
        self.start = end;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        terms(text, |t| all.push(t.to_owned()));
        all
    }

    #[test]
    fn words_are_folded_and_stemmed() {
        assert_eq!(of("The Connections, connected!"), ["the", "connect", "connect"]);
        assert_eq!(of("Café CAFE\u{301} Ångström Straße"), ["cafe", "cafe", "angstrom", "strass"]);
        assert_eq!(of("ﬁle ２４"), ["file", "24"]);
        assert_eq!(of("Anna’s Anna's"), ["anna", "anna"]);
    }

    #[test]
    fn parts_of_identifiers_are_terms_and_numbers_stay_whole() {
        assert_eq!(
            of("max_open_files values.yaml 1.27 kube-proxy"),
            ["max", "open", "file", "valu", "yaml", "1.27", "kube", "proxi"]
        );
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(of("東京都 is 京"), ["東京", "京都", "is", "京"]);
        assert_eq!(of("ﾃｽﾄ"), ["テス", "スト"]);
        assert_eq!(of("한국어"), ["한국", "국어"]);
        assert_eq!(of("ไทย"), ["ไท", "ทย"]);
    }

    #[test]
    fn cyrillic_keeps_its_letters_and_is_stemmed() {
        assert_eq!(of("Книги книгами"), ["книг", "книг"]);
        assert_eq!(of("ёлка"), of("елка"));
        assert_eq!(of("йод"), ["йод"]);
    }

    #[test]
    fn long_words_are_cut_and_signs_are_nothing() {
        assert_eq!(of(&"x".repeat(500)), ["x".repeat(64)]);
        assert!(of("!!! ... 🙂 —").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,80}") {
            for term in of(&text) {
                prop_assert!(!term.is_empty() && term.chars().count() <= 130);
            }
            let mut stream = Analyzer;
            let mut tokens = stream.token_stream(&text);
            let mut seen = Vec::new();
            tokens.process(&mut |t: &Token| seen.push(t.text.clone()));
            prop_assert_eq!(seen, of(&text));
        }
    }
}
