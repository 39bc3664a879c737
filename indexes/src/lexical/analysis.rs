//! The one analyzer: the same functions turn documents and queries into terms. A term must never depend on anything but
//! its own text and that text's language.
//!
//! [`words`](super::words) are cut and folded, then made terms by the rules of a [`language`](super::language); the
//! identifiers among them are kept whole in a field of their own.

use super::language::{Language, Stems};
use super::words::{identifiers, words};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Names under which the index records how its terms were made. They change with the rules here.
pub(super) const WORDS: &str = "kenward-2";
pub(super) const IDENTIFIERS: &str = "kenward-identifiers-1";

/// Gives each term of a text in this language (ISO 639-1), in its order. Texts of no known language are read as English.
pub fn terms(text: &str, language: Option<&str>, mut each: impl FnMut(&str)) {
    let stems = Stems::of(Language::of(language));
    words(text, |word| each(&stems.term(word)));
}

/// A text with its language, as the index is given it: tantivy's analyzers are told nothing but a text.
pub(super) fn marked(text: &str, language: Language) -> String {
    format!("{}\u{1f}{text}", language.code())
}

/// [`terms`] as tantivy wants to be given them, of a [`marked`] text.
#[derive(Clone, Default)]
pub(super) struct Words;

/// The identifiers of a text, likewise.
#[derive(Clone, Default)]
pub(super) struct Identifiers;

/// The terms of one text.
#[derive(Default)]
pub(super) struct Terms {
    text: String,
    ends: Vec<usize>,
    at: usize,
    start: usize,
    token: Token,
}

impl Terms {
    fn push(&mut self, term: &str) {
        self.text.push_str(term);
        self.ends.push(self.text.len());
    }
}

impl Tokenizer for Words {
    type TokenStream<'a> = Terms;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms {
        let (language, text) = text.split_once('\u{1f}').unwrap_or(("en", text));
        let mut all = Terms::default();
        terms(text, Some(language), |term| all.push(term));
        all
    }
}

impl Tokenizer for Identifiers {
    type TokenStream<'a> = Terms;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms {
        let mut all = Terms::default();
        identifiers(text, |name| all.push(name));
        all
    }
}

impl TokenStream for Terms {
    fn advance(&mut self) -> bool {
        let Some(end) = self.ends.get(self.at).copied() else { return false };
        self.at += 1;
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

    fn of(text: &str, language: Option<&str>) -> Vec<String> {
        let mut all = Vec::new();
        terms(text, language, |t| all.push(t.to_owned()));
        all
    }

    #[test]
    fn words_are_stemmed_by_the_rules_of_their_language() {
        assert_eq!(of("The Connections, connected!", None), ["the", "connect", "connect"]);
        assert_eq!(of("Anna’s Anna's", None), ["anna", "anna"]);
        assert_eq!(of("Die Häuser", Some("de")), of("der Häusern die haus", Some("de"))[2..]);
        assert_eq!(of("Книги книгами", None), ["книг", "книг"]);
    }

    proptest! {
        #[test]
        fn tantivy_is_given_the_same(text in "\\PC{0,80}", german in any::<bool>()) {
            let code = if german { "de" } else { "en" };
            let marked = marked(&text, Language::of(Some(code)));
            let mut analyzer = Words;
            let mut tokens = analyzer.token_stream(&marked);
            let mut seen = Vec::new();
            tokens.process(&mut |t: &Token| seen.push(t.text.clone()));
            prop_assert_eq!(seen, of(&text, Some(code)));
        }
    }
}
