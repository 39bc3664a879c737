//! The patterns of `filters`: regular expressions of Go, searched for in a path relative to the folder.
//! It must never match where Go does not, for a match grants: what the two read differently is refused,
//! or does not match.

use regex::{Regex, RegexBuilder};

/// What a compiled pattern may take, in bytes; and how deep its brackets may go.
const SIZE: usize = 1 << 20;
const DEPTH: u32 = 50;

/// A pattern.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    regex: Regex,
    /// It has classes that are of ASCII in Go and of Unicode here.
    ascii_only: bool,
}

impl Filter {
    /// Reads a pattern; the reason where it is refused.
    pub(super) fn read(pattern: &str) -> Result<Self, &'static str> {
        let ascii_only = understood(pattern)?;
        let mut builder = RegexBuilder::new(pattern);
        match builder.size_limit(SIZE).nest_limit(DEPTH).build() {
            Ok(regex) => Ok(Self { regex, ascii_only }),
            Err(regex::Error::CompiledTooBig(_)) => Err("the pattern is too big"),
            Err(_) => Err("the pattern is not a valid regular expression"),
        }
    }

    /// Whether it is found in a path.
    pub(super) fn finds(&self, path: &str) -> bool {
        (!self.ascii_only || path.is_ascii()) && self.regex.is_match(path)
    }
}

const TWICE: &str = "a repetition of a repetition is not read in a pattern";
const COUNTS: &str = "a `{…}` in the pattern is not a count of at most 1000 in all";
/// What Go repeats at most.
const MOST: u64 = 1_000;

/// Whether what stands before is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeated {
    No,
    Yes,
    Lazily,
}

/// Whether all of a pattern means here what it means in Go; gives whether that is so for ASCII only.
fn understood(pattern: &str) -> Result<bool, &'static str> {
    let mut ascii_only = false;
    let mut in_class = false;
    let (mut repeated, mut times) = (Repeated::No, 1_u64);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let before = std::mem::replace(&mut repeated, Repeated::No);
        match c {
            '*' | '+' | '{' if !in_class && before != Repeated::No => return Err(TWICE),
            '?' if !in_class => match before {
                Repeated::Lazily => return Err(TWICE),
                Repeated::Yes => repeated = Repeated::Lazily,
                Repeated::No => repeated = Repeated::Yes,
            },
            '*' | '+' if !in_class => repeated = Repeated::Yes,
            '{' if !in_class => {
                let counts: String = chars.by_ref().take_while(|c| *c != '}').collect();
                let most = counts.split(',').try_fold(0, |most, count| match count {
                    "" if counts.ends_with(',') && counts.len() > 1 => Some(most),
                    count if count.len() > 4 || !count.bytes().all(|b| b.is_ascii_digit()) => None,
                    count => count.parse::<u64>().ok().map(|count| count.max(most)),
                });
                times = times.saturating_mul(most.ok_or(COUNTS)?.max(1));
                if times > MOST || counts.matches(',').count() > 1 {
                    return Err(COUNTS);
                }
                repeated = Repeated::Yes;
            }
            '\\' => match chars.next() {
                Some('d' | 'D' | 's' | 'S' | 'w' | 'W') => ascii_only = true,
                Some('b' | 'B') if !in_class => {
                    ascii_only = true;
                    if chars.peek() == Some(&'{') {
                        return Err("`\\b{` is not read in a pattern");
                    }
                }
                Some('A' | 'z') if !in_class => {}
                Some('t' | 'n' | 'r') => {}
                Some(other) if other.is_ascii_punctuation() && !matches!(other, '<' | '>') => {}
                _ => return Err("a `\\` in the pattern is not understood"),
            },
            '[' if in_class => {
                // `[:alpha:]` is the same; a class in a class is not.
                let named = chars.next_if_eq(&':').is_some()
                    && chars.by_ref().any(|c| c == ':')
                    && chars.next() == Some(']');
                if !named {
                    return Err("a `[` within `[…]` is not read in a pattern; write `\\[`");
                }
            }
            '[' => {
                in_class = true;
                chars.next_if_eq(&'^');
                // A `]` in first place is a member, in both; written so it is rarely meant.
                if chars.peek() == Some(&']') {
                    return Err("a `]` at the beginning of `[…]` is not read in a pattern; write `\\]`");
                }
            }
            ']' => in_class = false,
            '&' | '-' | '~' if in_class && chars.peek() == Some(&c) => {
                return Err("`&&`, `--` and `~~` within `[…]` are not read in a pattern");
            }
            '(' if !in_class && chars.next_if_eq(&'?').is_some() => {
                while let Some(flag) = chars.next_if(|c| !matches!(c, ':' | ')')) {
                    match flag {
                        'i' | 'm' | 's' | '-' => {}
                        'P' if chars.next_if_eq(&'<').is_some() => break,
                        _ => return Err("a `(?` in the pattern is not understood"),
                    }
                }
            }
            _ => {}
        }
    }
    Ok(ascii_only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_patterns_are_searched_for_anywhere() {
        let finds = |pattern: &str, path: &str| Filter::read(pattern).unwrap().finds(path);
        assert!(finds(r"annual-report-.*\.md$", "sig-a/annual-report-2024.md"));
        assert!(!finds(r"annual-report-.*\.md$", "sig-a/annual-report-2024.md.txt"));
        assert!(finds("(?i)charter.md", "x/CHARTER.md"));
        assert!(finds(r"\.go$", "a/b.go"));
        assert!(finds("^(a|b)/[^/]+$", "a/x"));
        assert!(finds("^[[:alpha:]_-]+$", "ab_c-d"));
        assert!(finds("(?P<year>20[0-9]{2})", "x2024"));
        assert!(finds("", "x") && finds(".*", ""));
        assert!(finds("^a{2,3}b{2}c{1,}d??$", "aabbc"));
    }

    #[test]
    fn classes_of_ascii_match_no_other_letters() {
        // In Go `\d` is 0-9 alone, `\W` whatever is no letter of ASCII.
        for (pattern, path) in [(r"^\d$", "٣"), (r"^\w$", "é"), (r"^\W$", "é"), (r"\bx", "éx")] {
            assert!(!Filter::read(pattern).unwrap().finds(path), "{pattern}");
        }
        assert!(Filter::read(r"^\d+\.md$").unwrap().finds("2024.md"));
        assert!(Filter::read("^é$").unwrap().finds("é"));
    }

    #[test]
    fn what_go_reads_otherwise_or_not_at_all_is_refused() {
        for pattern in [
            "[",
            "(",
            "a**",
            "(?x) a",
            "(?u:a)",
            r"\Qa.b\E",
            r"\pL",
            r"\x41",
            r"\u0041",
            r"\<a",
            "[a&&b]",
            "[a--b]",
            "[a[b]]",
            "[]a]",
            r"\b{start}",
            "a{100000}",
            "((((a{30}){30}){30}){30})",
            "(?<name>a)",
            "[:](?x)a",
            "a*+",
            "a*??",
            "a{2}{3}",
            "a{,3}",
            "a{1001}",
            "(a{40}){40}",
            "a{ 2 }",
        ] {
            assert!(Filter::read(pattern).is_err(), "{pattern}");
        }
        assert!(Filter::read(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let path = "a".repeat(4_000);
        for pattern in ["(a+)+$", "(a|aa)+$", "(.*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
            assert!(
                Filter::read(pattern).is_ok_and(|filter| !filter.finds(&format!("{path}!"))),
                "{pattern}"
            );
        }
    }
}
