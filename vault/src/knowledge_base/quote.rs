//! Comparing words with a text: what a copy on its way through a model may change, and no more. Blanks, line
//! breaks, the shape of quotation marks and dashes, and the marks of our own fence do not count; letters, digits,
//! their case and every other sign do. Pure.

use unicode_normalization::UnicodeNormalization as _;

/// A text as it is compared, and where its parts come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Folded {
    pub(super) text: String,
    /// For each character of `text`, where it begins in there (bytes) and where it comes from (Unicode scalars).
    places: Vec<(usize, u32)>,
    /// Length of what was folded, in Unicode scalars.
    length: u32,
}

impl Folded {
    /// Folds a text.
    pub(super) fn of(text: &str) -> Self {
        let mut folded = Self::default();
        let mut blank = false;
        for c in text.chars() {
            if c.is_whitespace() {
                if !blank {
                    folded.push(' ');
                }
                blank = true;
            } else {
                blank = false;
                folded.push(alike(c));
            }
            folded.length += 1;
        }
        folded
    }

    /// Where the folded character at this byte, or the next one, comes from.
    fn origin(&self, byte: usize) -> u32 {
        let at = self.places.partition_point(|(begin, _)| *begin < byte);
        self.places.get(at).map_or(self.length, |(_, origin)| *origin)
    }

    fn push(&mut self, c: char) {
        self.places.push((self.text.len(), self.length));
        self.text.push(c);
    }

    /// Where these folded words stand, in Unicode scalars of the original, from the byte `from` on; and the byte from
    /// which to look for the next.
    pub(super) fn find(&self, words: &str, from: usize) -> Option<((u32, u32), usize)> {
        let at = from + self.text.get(from..)?.find(words)?;
        let end = at + words.len();
        // The end is behind the last character's own place: blanks behind it are not in.
        let last = self.places.partition_point(|(begin, _)| *begin < end).checked_sub(1)?;
        let last = self.places.get(last).map(|(_, origin)| origin + 1)?;
        let next = at + self.text.get(at..)?.chars().next().map_or(1, char::len_utf8);
        Some(((self.origin(at), last), next))
    }

    /// As [`Folded::find`], for whole words and whole numbers: `10` does not stand in `100`, `10.5` or `10,000`, nor
    /// `able` in `unable`. Scripts that write words without blanks have no such bounds.
    pub(super) fn find_whole(&self, words: &str, mut from: usize) -> Option<((u32, u32), usize)> {
        loop {
            let (place, next) = self.find(words, from)?;
            let at = from + self.text.get(from..)?.find(words)?;
            let (before, after) = (self.text.get(..at)?, self.text.get(at + words.len()..)?);
            let cut_before = joined(words.chars(), before.chars().rev());
            let cut_after = joined(words.chars().rev(), after.chars());
            if !cut_before && !cut_after {
                return Some((place, next));
            }
            from = next;
        }
    }

    /// The longest beginning of these folded words that stands here: its length in characters, and where.
    pub(super) fn find_beginning(&self, words: &str) -> Option<(u32, (u32, u32))> {
        let ends: Vec<usize> = words.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
        // If a beginning stands here, every shorter one does.
        let (mut stands, mut not) = (0_usize, ends.len() + 1);
        let mut best = None;
        while not - stands > 1 {
            let middle = usize::midpoint(stands, not);
            let beginning = ends.get(middle - 1).and_then(|end| words.get(..*end));
            match beginning.and_then(|beginning| self.find(beginning, 0)) {
                Some((place, _)) => {
                    (stands, best) = (middle, Some((u32::try_from(middle).unwrap_or(u32::MAX), place)));
                }
                None => not = middle,
            }
        }
        best
    }
}

/// Whether what stands outside goes on with the word or the number at this end of the quote.
fn joined(mut quote: impl Iterator<Item = char>, mut outside: impl Iterator<Item = char>) -> bool {
    let Some(end) = quote.next() else { return false };
    match outside.next() {
        Some('.' | ',') if end.is_ascii_digit() => outside.next().is_some_and(|c| c.is_ascii_digit()),
        Some(next) => spelled(end) && spelled(next),
        None => false,
    }
}

/// Letters of scripts that have blanks between words, and digits.
fn spelled(c: char) -> bool {
    c.is_numeric() || c.is_lowercase() || c.is_uppercase()
}

/// Signs that models write for one another.
fn alike(c: char) -> char {
    match c {
        '\u{2018}'..='\u{201b}' | '\u{2bc}' | '\u{2032}' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{2033}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        other => other,
    }
}

/// The words of a quote as they are compared.
pub(super) fn words(quote: &str) -> String {
    Folded::of(&quote.nfc().collect::<String>()).text.trim().to_owned()
}

/// A quote without the fence: boundary lines go, and the mark before the lines, if all but the first have the same
/// one. `None` if there is no fence about it.
pub(super) fn unfenced(quote: &str) -> Option<String> {
    let lines = quote.lines().filter(|line| !is_boundary(line));
    let mut mark: Option<&str> = None;
    let mut text = String::with_capacity(quote.len());
    for (number, line) in lines.enumerate() {
        let (found, rest) = match marked(line) {
            Some((found, rest)) => (Some(found), rest),
            None => (None, line),
        };
        match (found, mark) {
            (Some(found), Some(known)) if found != known => return None,
            (Some(found), _) => mark = Some(found),
            // A quote may begin in the middle of a line.
            (None, _) if number == 0 || line.trim().is_empty() => {}
            (None, _) => return None,
        }
        text.push_str(rest);
        text.push('\n');
    }
    let had_boundary = quote.lines().any(is_boundary);
    (mark.is_some() || had_boundary).then_some(text)
}

fn is_boundary(line: &str) -> bool {
    let inner = line.trim().strip_prefix("=== ").and_then(|rest| rest.strip_suffix(" ==="));
    let id = inner.and_then(|rest| rest.strip_suffix(" BEGIN").or_else(|| rest.strip_suffix(" END")));
    id.is_some_and(|id| id.len() == 12 && is_mark(id))
}

/// The mark of a line, and what stands behind it.
fn marked(line: &str) -> Option<(&str, &str)> {
    let (mark, rest) = line.trim_start().split_once('|')?;
    (matches!(mark.len(), 2 | 6) && is_mark(mark)).then(|| (mark, rest.strip_prefix(' ').unwrap_or(rest)))
}

fn is_mark(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_quotation_marks_and_dashes_do_not_count_and_all_else_does() {
        let text = Folded::of("The  fee\nis “ten” euros – paid\u{a0}monthly.");
        for same in ["The fee is \"ten\" euros - paid monthly.", "fee   is “ten”", "euros\u{2014}".trim()]
        {
            let found = text.find(&words(same), 0);
            assert_eq!(found.is_some(), !same.ends_with('\u{2014}'), "{same}");
        }
        for other in ["the fee", "fee is \"twelve\"", "paid monthly!"] {
            assert_eq!(text.find(&words(other), 0), None, "{other}");
        }
    }

    #[test]
    fn places_are_those_of_the_original() {
        let original = "Ä  b\n\n„ç“ x";
        let text = Folded::of(original);
        let ((from, to), _) = text.find(&words("b „ç“"), 0).unwrap();
        let cut: String = original.chars().skip(from as usize).take((to - from) as usize).collect();
        assert_eq!(cut, "b\n\n„ç“");
        let ((from, to), _) = text.find("x", 0).unwrap();
        assert_eq!((from, to), (10, 11));
    }

    #[test]
    fn every_occurrence_is_found_overlapping_ones_too() {
        let text = Folded::of("aaaa ä aa");
        let (mut from, mut found) = (0, Vec::new());
        while let Some((place, next)) = text.find("aa", from) {
            found.push(place);
            from = next;
        }
        assert_eq!(found, [(0, 2), (1, 3), (2, 4), (7, 9)]);
    }

    #[test]
    fn words_and_numbers_stand_whole_or_not_at_all() {
        let text = Folded::of(
            "The fee is 100, or 10.5 or 10,000 or v10; unable to be waived. Es kostet 10. 港口费用是十元",
        );
        for (words, stands) in [
            ("fee is 10", false),
            ("fee is 100", true),
            ("able to be waived", false),
            ("to be waived", true),
            ("kostet 10", true),
            ("or 10", false),
            ("or 10.5", true),
            ("5 or 10,000", false),
            ("费用是", true),
        ] {
            assert_eq!(text.find_whole(words, 0).is_some(), stands, "{words}");
        }
        assert!(Folded::of("10 of 100, 10").find_whole("10", 3).is_some(), "the next whole one counts");
    }

    #[test]
    fn the_longest_beginning_is_found() {
        let text = Folded::of("Reports are due on the 5th of the month.");
        let quote = words("due on the 5th day");
        let (agrees, place) = text.find_beginning(&quote).unwrap();
        assert_eq!((agrees, place), (15, (12, 27)));
        assert_eq!(text.find_beginning("zzz"), None);
        assert_eq!(text.find_beginning(""), None);
    }

    #[test]
    fn the_fence_comes_off_and_a_table_stays() {
        let fenced = "=== 7Q4XK2M9VD3R BEGIN ===\n7Q| one\n7Q|\n7Q| two | three\n=== 7Q4XK2M9VD3R END ===";
        assert_eq!(unfenced(fenced).unwrap(), "one\n\ntwo | three\n");
        assert_eq!(unfenced("ne\n7Q| two").unwrap(), "ne\ntwo\n");
        for none in ["one\ntwo", "AB| one\ntwo", "AB| one\nCD| two", "a|b\nc|d"] {
            assert_eq!(unfenced(none), None, "{none}");
        }
    }
}
