//! Languages whose words are stemmed by rules of their own. A document has one, or none that could be told; a query is
//! read in every language that the caller's visible chunks are in. It must never depend on anything else that is stored.
//!
//! A stem of another language than English carries its language's mark, so that the German *new* (of *neue*) and the
//! English one are two terms: each document is found by the rules of its own language. Scripts with one set of rules
//! (Cyrillic: Russian) need no mark.

use frostem::{Algorithm, Stemmer};
use std::borrow::Cow;

/// A language of Latin letters with a stemmer. The number is what the index keeps: it must never change its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Language {
    /// Also where no language could be told, or it has no rules here.
    English = 0,
    German = 1,
    French = 2,
    Spanish = 3,
    Italian = 4,
    Portuguese = 5,
    Dutch = 6,
    Swedish = 7,
    Danish = 8,
    Norwegian = 9,
    Finnish = 10,
}

use Language::*;

/// All of them by their codes (ISO 639-1) and rules; the place is the number.
const LANGUAGES: [(Language, &str, Algorithm); 11] = [
    (English, "en", Algorithm::English),
    (German, "de", Algorithm::German),
    (French, "fr", Algorithm::French),
    (Spanish, "es", Algorithm::Spanish),
    (Italian, "it", Algorithm::Italian),
    (Portuguese, "pt", Algorithm::Portuguese),
    (Dutch, "nl", Algorithm::Dutch),
    (Swedish, "sv", Algorithm::Swedish),
    (Danish, "da", Algorithm::Danish),
    (Norwegian, "nb", Algorithm::Norwegian),
    (Finnish, "fi", Algorithm::Finnish),
];

/// What stands between a stem and its language.
const MARK: char = '\u{1f}';

impl Language {
    /// Of a code.
    pub(super) fn of(code: Option<&str>) -> Self {
        let found = LANGUAGES.iter().find(|(_, of, _)| Some(*of) == code);
        found.map_or(English, |(language, _, _)| *language)
    }

    fn entry(self) -> (&'static str, Algorithm) {
        LANGUAGES.get(self as usize).map_or(("en", Algorithm::English), |(_, code, rules)| (*code, *rules))
    }

    /// ISO 639-1.
    pub(super) fn code(self) -> &'static str {
        self.entry().0
    }

    /// The term of a stem.
    pub(super) fn marked(self, stem: &str) -> String {
        if self == English { stem.to_owned() } else { format!("{stem}{MARK}{}", self.code()) }
    }
}

/// Some languages; English is always among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Languages(u16);

impl Languages {
    /// Adds the language of this number; an unknown one is none.
    pub(super) fn insert(&mut self, number: u8) {
        if usize::from(number) < LANGUAGES.len() {
            self.0 |= 1 << number;
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Language> {
        let there = move |language: &Language| *language == English || self.0 & (1 << *language as u8) != 0;
        LANGUAGES.iter().map(|(language, _, _)| *language).filter(there)
    }
}

/// Makes terms of words, in one language.
pub(super) struct Stems {
    language: Language,
    own: Stemmer,
    russian: Stemmer,
}

impl Stems {
    pub(super) fn of(language: Language) -> Self {
        let (_, rules) = language.entry();
        Self { language, own: Stemmer::new(rules), russian: Stemmer::new(Algorithm::Russian) }
    }

    /// The term of a word, which is folded and in lower case.
    pub(super) fn term<'w>(&self, word: &'w str) -> Cow<'w, str> {
        if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'\'') {
            let stem = nothing_is_none(self.own.stem(word), word);
            if self.language == English {
                return stem;
            }
            return Cow::Owned(self.language.marked(&stem));
        }
        if word.chars().all(|c| ('\u{430}'..='\u{45f}').contains(&c)) {
            return nothing_is_none(self.russian.stem(word), word);
        }
        Cow::Borrowed(word)
    }
}

fn nothing_is_none<'w>(stem: Cow<'w, str>, word: &'w str) -> Cow<'w, str> {
    if stem.is_empty() { Cow::Borrowed(word) } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places() {
        for (at, (language, code, _)) in LANGUAGES.iter().enumerate() {
            assert_eq!(
                (*language as usize, language.code(), Language::of(Some(code))),
                (at, *code, *language)
            );
        }
        assert_eq!(Language::of(Some("tlh")), English);
        assert_eq!(Language::of(None), English);
    }

    #[test]
    fn each_language_has_its_own_rules_and_its_mark() {
        let stem = |language, word: &str| Stems::of(language).term(word).into_owned();
        assert_eq!(stem(English, "houses"), "hous");
        assert_eq!(stem(German, "hausern"), "haus\u{1f}de");
        assert_eq!(stem(German, "haus"), "haus\u{1f}de");
        assert_eq!(stem(French, "nationaux"), stem(French, "nationale"));
        // Numbers and other scripts are of no language.
        assert_eq!(stem(German, "k8s"), "k8s");
        assert_eq!(stem(German, "книгами"), "книг");
    }

    #[test]
    fn english_is_always_there_and_unknown_numbers_are_none() {
        let mut some = Languages::default();
        some.insert(1);
        some.insert(200);
        assert_eq!(some.iter().collect::<Vec<_>>(), [English, German]);
    }
}
