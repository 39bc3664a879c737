//! URLs without brackets around them: `https://…`, `mailto:…`, `www.…`, and the autolink `<…>`. Where one
//! ends is a guess that readers share; it must never end so late that text is taken with it.

use super::super::chars::{CLOSE, OPEN};
use super::scan::Scan;
use super::{BARE_SCHEMES, LONGEST_URL};

impl Scan<'_> {
    pub(super) fn scheme(&mut self) {
        let floor = self.out.len().saturating_sub(64);
        let tail = self.out.as_bytes().get(floor..).unwrap_or_default();
        let of_scheme = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'+' | b'.' | b'-');
        let length = tail.iter().rev().take_while(of_scheme).count();
        let from = self.out.len() - length;
        let word = self.out.get(from..).unwrap_or_default();
        let skip = word.bytes().take_while(|b| !b.is_ascii_alphabetic()).count();
        let word = word.get(skip..).unwrap_or_default().to_owned();
        let after = self.rest(1);
        let end = if word.is_empty() {
            None
        } else if let Some(rest) = after.strip_prefix("//") {
            url_end(rest).map(|end| 3 + end)
        } else if let Some(rest) = after.strip_prefix("\\/\\/") {
            json_end(rest).map(|end| 5 + end)
        } else if is_bare(&word) {
            let data = word.eq_ignore_ascii_case("data");
            url_end(after).filter(|_| !data || typed(after)).map(|end| 1 + end)
        } else {
            None
        };
        match end {
            Some(end) => {
                let url =
                    format!("{word}{}", self.rest(0).get(..end).unwrap_or_default()).replace("\\/", "/");
                let keep = self.out.len() - word.len();
                self.take_back(keep);
                self.at += end;
                self.marker(&url);
            }
            None => self.push(1),
        }
    }

    pub(super) fn www(&mut self) {
        let here = self.rest(0);
        let prefix = here.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("www."));
        let begins = !self.out.ends_with(|c: char| c.is_alphanumeric());
        let host = here.get(4..).is_some_and(|t| t.starts_with(char::is_alphanumeric));
        // In this order: what ends a URL is looked for only where one begins.
        match (prefix && begins && host).then(|| url_end(here)).flatten() {
            Some(end) => {
                let url = here.get(..end).unwrap_or_default().to_owned();
                self.at += end;
                self.marker(&url);
            }
            None => self.push(1),
        }
    }
}

/// Whether the scheme leads somewhere without `//`.
fn is_bare(scheme: &str) -> bool {
    BARE_SCHEMES.iter().any(|bare| scheme.eq_ignore_ascii_case(bare))
}

/// Whether what follows `data:` is the beginning of such a URL, and no word of a sentence.
fn typed(after: &str) -> bool {
    let letters = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'+'));
    let letters = letters.take(64).count();
    after
        .get(letters..)
        .is_some_and(|rest| rest.starts_with(if letters > 0 { ['/', ';'] } else { [',', ';'] }))
}

/// What stands in angle brackets and is a link to every reader of Markdown.
pub(super) enum Autolink<'a> {
    /// `<https://…>`, and its length in bytes.
    Url(&'a str, usize),
    /// `<name@host>`: the address stays visible.
    Mail(&'a str, usize),
    /// `<app:…>`: a link only by its form.
    Form,
}

/// Whether an autolink begins here.
pub(in crate::sanitize) fn is_autolink(here: &str) -> bool {
    autolink(here).is_some()
}

pub(super) fn autolink(here: &str) -> Option<Autolink<'_>> {
    let inner = here.get(1..)?;
    let (end, last) = inner
        .char_indices()
        .take(LONGEST_URL)
        .find(|(_, c)| c.is_whitespace() || matches!(*c, '<' | '>' | '"' | OPEN | CLOSE))?;
    if last != '>' || end == 0 {
        return None;
    }
    let url = inner.get(..end)?;
    if let Some((scheme, rest)) = url.split_once(':') {
        let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'));
        if !named || rest.is_empty() {
            return None;
        }
        if rest.starts_with("//") || is_bare(scheme) {
            return Some(Autolink::Url(url, end + 2));
        }
        // `<std::string>` is one to the letter, but nobody means it.
        return ((2..=32).contains(&scheme.len()) && !rest.starts_with(':')).then_some(Autolink::Form);
    }
    let (name, host) = url.split_once('@')?;
    let mail = !name.is_empty()
        && host.contains('.')
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
        && name.chars().all(|c| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c));
    mail.then_some(Autolink::Mail(url, end + 2))
}

/// Where a URL ends that stands in a string of JSON, with a backslash before each slash.
fn json_end(rest: &str) -> Option<usize> {
    let stops = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | OPEN | CLOSE);
    let end = rest.find(stops).unwrap_or(rest.len()).min(LONGEST_URL);
    let found = rest.get(..rest.floor_char_boundary(end))?.trim_end_matches(['.', ',', '\\']);
    (!found.is_empty()).then_some(found.len())
}

/// Where a bare URL ends: at a blank or a bracket that it did not open, without closing punctuation.
fn url_end(rest: &str) -> Option<usize> {
    let mut opened: Vec<char> = Vec::new();
    let mut end = rest.len();
    for (at, c) in rest.char_indices() {
        let stop = match c {
            '<' | '>' | '"' | '`' | '|' | '\\' | OPEN | CLOSE | '。' | '、' | '，' | '）' | '」' | '》'
            | '”' | '’' => true,
            '[' if at > 0 => true,
            '(' | '[' | '{' => {
                opened.push(c);
                false
            }
            ')' => opened.pop() != Some('('),
            ']' => opened.pop() != Some('['),
            '}' => opened.pop() != Some('{'),
            c => c.is_whitespace() || c.is_control(),
        };
        if stop || at >= LONGEST_URL {
            end = at;
            break;
        }
    }
    let found = rest.get(..end)?;
    let found = found.trim_end_matches(['.', ',', ':', ';', '!', '?', '\'', '*', '_', '~']);
    (!found.is_empty()).then_some(found.len())
}
