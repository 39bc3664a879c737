//! A query as groups of terms, each of which is looked up and weighted as one. The groups follow from the query and from
//! the languages that the caller's visible chunks are in; nothing else that is stored may change them.
//!
//! Every word is a group: its stems by each language's rules. Identifiers are groups of their own, besides their parts.
//! Words between quotation marks are also a phrase, and a word that ends with an asterisk is a beginning: the group of
//! all visible terms that begin with it.

use super::language::{Languages, Stems};
use super::words::{identifiers, words};
use std::collections::BTreeMap;

/// Distinct groups of a query that are looked at; the first ones, whatever is stored.
pub(super) const MOST_GROUPS: usize = 1024;
/// Phrases of a query, and words of a phrase; further ones are words only.
const MOST_PHRASES: usize = 8;
const LONGEST_PHRASE: usize = 32;
/// Beginnings of a query; further ones are words. Each is a walk through a part of the dictionary.
const MOST_BEGINNINGS: usize = 8;
/// Letters that a beginning has at least: fewer would be half a dictionary.
const SHORTEST_BEGINNING: usize = 3;

/// The stems of one word, ascending.
pub(super) type Stemmed = Vec<String>;

/// What is looked up as one. Scores are summed in the order of groups.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// A word, by the rules of each language.
    Word(Stemmed),
    /// An identifier as a whole.
    Identifier(String),
    /// All terms that begin so.
    Beginning(String),
    /// Words that follow each other.
    Phrase(Vec<Stemmed>),
}

/// The distinct groups in the one order in which scores are summed, and how often each occurs.
pub(super) fn groups(query: &str, languages: Languages) -> BTreeMap<Group, u32> {
    let rules: Vec<Stems> = languages.iter().map(Stems::of).collect();
    let stemmed = |word: &str| {
        let mut stems: Stemmed = rules.iter().map(|rules| rules.term(word).into_owned()).collect();
        stems.sort_unstable();
        stems.dedup();
        stems
    };
    let mut groups = Groups::default();
    let mut beginnings = Vec::new();
    let rest = without_beginnings(query, &mut beginnings);
    words(&rest, |word| groups.add(Group::Word(stemmed(word))));
    identifiers(&rest, |name| groups.add(Group::Identifier(name.to_owned())));
    for beginning in beginnings {
        groups.add(Group::Beginning(beginning));
    }
    for phrase in quoted(&rest).take(MOST_PHRASES) {
        let mut all = Vec::new();
        words(phrase, |word| {
            if all.len() < LONGEST_PHRASE {
                all.push(stemmed(word));
            }
        });
        if all.len() > 1 {
            groups.add(Group::Phrase(all));
        }
    }
    groups.0
}

#[derive(Default)]
struct Groups(BTreeMap<Group, u32>);

impl Groups {
    fn add(&mut self, group: Group) {
        if let Some(occurrences) = self.0.get_mut(&group) {
            *occurrences = occurrences.saturating_add(1);
        } else if self.0.len() < MOST_GROUPS {
            self.0.insert(group, 1);
        }
    }
}

/// The query without the words that end with an asterisk, and those words, folded and in lower case.
fn without_beginnings(query: &str, beginnings: &mut Vec<String>) -> String {
    let mut rest = String::with_capacity(query.len());
    for token in query.split_inclusive(char::is_whitespace) {
        let word = token.trim_end().trim_start_matches(|c: char| !c.is_alphanumeric());
        let beginning = word.strip_suffix('*').filter(|word| word.chars().all(char::is_alphanumeric));
        let mut folded = Vec::new();
        let room = beginnings.len() < MOST_BEGINNINGS;
        if let Some(beginning) = beginning.filter(|w| room && w.chars().count() >= SHORTEST_BEGINNING) {
            words(beginning, |word| folded.push(word.to_owned()));
        }
        match folded.into_iter().next() {
            Some(word) => {
                beginnings.push(word);
                rest.push(' ');
            }
            None => rest.push_str(token),
        }
    }
    rest
}

/// What stands between quotation marks, straight or curly, that open and close.
fn quoted(query: &str) -> impl Iterator<Item = &str> {
    const MARKS: [char; 5] = ['"', '\u{201c}', '\u{201d}', '\u{201e}', '\u{ab}'];
    let marks = |c: char| MARKS.contains(&c) || c == '\u{bb}';
    let mut rest = query;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(marks)?;
        let (phrase, after) = after.split_once(marks)?;
        rest = after;
        Some(phrase)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Vec<(Group, u32)> {
        groups(query, Languages::default()).into_iter().collect()
    }

    fn word(stem: &str) -> Group {
        Group::Word(vec![stem.to_owned()])
    }

    #[test]
    fn words_are_groups_and_repeat() {
        assert_eq!(of("Nights, night!"), [(word("night"), 2)]);
        assert_eq!(
            of("max_open"),
            [(word("max"), 1), (word("open"), 1), (Group::Identifier("max_open".to_owned()), 1)]
        );
    }

    #[test]
    fn a_word_is_read_in_every_language_that_is_there() {
        let mut languages = Languages::default();
        languages.insert(1);
        let found: Vec<_> = groups("Häuser", languages).into_keys().collect();
        assert_eq!(found, [Group::Word(vec!["haus\u{1f}de".to_owned(), "hauser".to_owned()])]);
    }

    #[test]
    fn quoted_words_are_a_phrase_besides() {
        let stems = |words: [&str; 2]| words.map(|w| vec![w.to_owned()]).to_vec();
        assert_eq!(
            of("the \u{201c}night shifts\u{201d} \"rota"),
            [
                (word("night"), 1),
                (word("rota"), 1),
                (word("shift"), 1),
                (word("the"), 1),
                (Group::Phrase(stems(["night", "shift"])), 1)
            ]
        );
        // One word is no phrase.
        assert_eq!(of("\"rota\""), [(word("rota"), 1)]);
    }

    #[test]
    fn a_word_with_an_asterisk_is_a_beginning() {
        let beginning = |word: &str| (Group::Beginning(word.to_owned()), 1);
        assert_eq!(of("Configurat* nights"), [(word("night"), 1), beginning("configurat")]);
        // Too short, or no word: an asterisk is a sign like others.
        assert_eq!(of("co* *"), [(word("co"), 1)]);
        assert_eq!(of("(deploy*"), [beginning("deploy")]);
    }

    #[test]
    fn a_query_has_an_end() {
        let long: Vec<String> = (0..3 * MOST_GROUPS).map(|n| format!("w{n}x")).collect();
        assert_eq!(of(&long.join(" ")).len(), MOST_GROUPS);
        let beginnings: Vec<String> = (0..100).map(|n| format!("word{n}*")).collect();
        let found = of(&beginnings.join(" "));
        let walks = found.iter().filter(|(group, _)| matches!(group, Group::Beginning(_)));
        assert_eq!(walks.count(), MOST_BEGINNINGS);
    }
}
