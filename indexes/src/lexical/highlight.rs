//! Where the words of a query stand in a text, for people who read it. It is made of the query and of that text alone,
//! and says nothing of scores.

use super::language::{Language, Languages, Stems};
use super::query::{Group, groups};
use super::words::{identifiers, in_pairs, words};
use std::collections::{BTreeMap, BTreeSet};
use unicode_segmentation::UnicodeSegmentation;

/// What of a query can stand in a text of one language.
struct Wanted {
    rules: Vec<Stems>,
    terms: BTreeSet<String>,
    names: BTreeSet<String>,
    beginnings: Vec<String>,
}

impl Wanted {
    fn new(query: &str, language: Language) -> Self {
        let mut languages = Languages::default();
        languages.insert(language as u8);
        let rules = languages.iter().map(Stems::of).collect();
        let mut wanted =
            Self { rules, terms: BTreeSet::new(), names: BTreeSet::new(), beginnings: Vec::new() };
        for group in groups(query, languages).into_keys() {
            match group {
                Group::Word(stems) => wanted.terms.extend(stems),
                Group::Phrase(phrase) => wanted.terms.extend(phrase.into_iter().flatten()),
                Group::Identifier(name) => {
                    wanted.names.insert(name);
                }
                Group::Beginning(beginning) => wanted.beginnings.push(beginning),
            }
        }
        wanted
    }

    fn word(&self, word: &str) -> bool {
        let mut found = false;
        words(word, |part| {
            found |= self.beginnings.iter().any(|beginning| part.starts_with(beginning))
                || self.rules.iter().any(|rules| self.terms.contains(rules.term(part).as_ref()));
        });
        found
    }

    fn name(&self, token: &str) -> bool {
        let mut found = false;
        identifiers(token, |name| found |= self.names.contains(name));
        found
    }
}

/// The words of a query, for showing where they stand in texts. What they are in a language is made once.
pub struct Highlighter<'q> {
    query: &'q str,
    made: BTreeMap<Language, Wanted>,
}

impl<'q> Highlighter<'q> {
    /// For a query, of one phrasing or of several in lines.
    #[must_use]
    pub fn new(query: &'q str) -> Self {
        Self { query, made: BTreeMap::new() }
    }

    /// The first `most` stretches of the text (start and end in Unicode scalars) that are words of the query, ascending
    /// and apart. `language` is the text's (ISO 639-1).
    #[must_use]
    pub fn find(&mut self, text: &str, language: Option<&str>, most: usize) -> Vec<(u32, u32)> {
        let language = Language::of(language);
        let wanted = self.made.entry(language).or_insert_with(|| Wanted::new(self.query, language));
        stretches(wanted, text, most)
    }
}

fn stretches(wanted: &Wanted, text: &str, most: usize) -> Vec<(u32, u32)> {
    let mut bytes: Vec<(usize, usize)> = Vec::new();
    for (from, token) in text.split_word_bound_indices() {
        if !token.starts_with(in_pairs) && wanted.word(token) {
            bytes.push((from, from + token.len()));
        }
    }
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    for pair in characters.windows(2) {
        let [(from, first), (second_at, second)] = pair else { continue };
        let to = second_at + second.len_utf8();
        if in_pairs(*first) && in_pairs(*second) && text.get(*from..to).is_some_and(|pair| wanted.word(pair))
        {
            bytes.push((*from, to));
        }
    }
    if !wanted.names.is_empty() {
        let mut from = 0;
        for token in text.split_inclusive(char::is_whitespace) {
            let whole = token.trim_end();
            if wanted.name(whole) {
                let start = whole.find(char::is_alphanumeric).unwrap_or(0);
                let inner = whole.trim_end_matches(|c: char| !c.is_alphanumeric());
                bytes.push((from + start, from + inner.len().max(start)));
            }
            from += token.len();
        }
    }
    bytes.sort_unstable();
    in_scalars(text, &joined(bytes), most)
}

/// Stretches that touch or overlap as one.
fn joined(stretches: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut joined: Vec<(usize, usize)> = Vec::with_capacity(stretches.len());
    for (from, to) in stretches {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

fn in_scalars(text: &str, stretches: &[(usize, usize)], most: usize) -> Vec<(u32, u32)> {
    let (mut byte, mut scalar) = (0, 0u32);
    let mut at = |target: usize| {
        let between = text.get(byte..target).unwrap_or_default();
        scalar = scalar.saturating_add(u32::try_from(between.chars().count()).unwrap_or(u32::MAX));
        byte = target;
        scalar
    };
    stretches.iter().take(most).map(|(from, to)| (at(*from), at(*to))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(query: &str, text: &str, language: Option<&str>) -> Vec<String> {
        let all: Vec<char> = text.chars().collect();
        let of = |(from, to): (u32, u32)| all[from as usize..to as usize].iter().collect();
        Highlighter::new(query).find(text, language, 99).into_iter().map(of).collect()
    }

    #[test]
    fn words_are_found_in_every_form_that_the_search_finds() {
        assert_eq!(shown("night shifts", "The Nights, and a shift: nightmare.", None), ["Nights", "shift"]);
        assert_eq!(shown("Häuser", "Vor den Häusern, ein Haus", Some("de")), ["Häusern", "Haus"]);
        assert_eq!(shown("Häuser", "Vor den Häusern", None), [""; 0]);
        assert_eq!(shown("東京都", "これは東京都です", Some("ja")), ["東京都"]);
        assert_eq!(
            shown("config* \"night shift\"", "Configuration of shift", None),
            ["Configuration", "shift"]
        );
        assert_eq!(shown("INC-2041", "See (INC-2041).", None), ["INC-2041"]);
        assert!(shown("", "anything", None).is_empty());
    }

    proptest! {
        #[test]
        fn they_ascend_and_lie_within(query in "\\PC{0,30}", text in "\\PC{0,120}", most in 0usize..5) {
            let found = Highlighter::new(&query).find(&text, None, most);
            prop_assert!(found.len() <= most);
            let length = text.chars().count() as u32;
            let mut before = None;
            for (from, to) in found {
                prop_assert!(from < to && to <= length && before.is_none_or(|end| end < from), "{from} {to}");
                before = Some(to);
            }
        }
    }
}
