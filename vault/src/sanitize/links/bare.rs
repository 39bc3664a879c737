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
        } else if BARE_SCHEMES.iter().any(|s| word.eq_ignore_ascii_case(s)) {
            let data = word.eq_ignore_ascii_case("data");
            let typed = after.find('/').is_some_and(|at| {
                at > 0 && after.get(..at).is_some_and(|t| t.bytes().all(|b| b.is_ascii_lowercase()))
            });
            url_end(after).filter(|_| !data || typed).map(|end| 1 + end)
        } else {
            None
        };
        match end {
            Some(end) => {
                let url = format!("{word}{}", self.rest(0).get(..end).unwrap_or_default());
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
        match url_end(here).filter(|_| prefix && begins && host) {
            Some(end) => {
                let url = here.get(..end).unwrap_or_default().to_owned();
                self.at += end;
                self.marker(&url);
            }
            None => self.push(1),
        }
    }
}

/// `<https://…>` and `<name@host>`: the URL, what stays visible, the length in bytes.
pub(super) fn autolink(here: &str) -> Option<(&str, Option<&str>, usize)> {
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
        let known = rest.starts_with("//") || BARE_SCHEMES.iter().any(|s| scheme.eq_ignore_ascii_case(s));
        return (named && known && !rest.is_empty()).then_some((url, None, end + 2));
    }
    let (name, host) = url.split_once('@')?;
    let mail = !name.is_empty()
        && host.contains('.')
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
        && name.chars().all(|c| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c));
    mail.then_some((url, Some(url), end + 2))
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
