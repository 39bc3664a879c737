//! One `CODEOWNERS` file: its lines, each a pattern and its owners. It must never pass over a line that it
//! cannot read: what the line might govern is hidden, unless a later line says otherwise.

use super::super::parse::{Unusable, Written};
use super::pattern::Pattern;

/// Longer than this GitHub does not read it.
pub const LONGEST: usize = 3 << 20;
/// Lines that say something.
const MOST: usize = 100_000;

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub number: u32,
    pub pattern: Pattern,
    /// Names in lower case, without the `@` in front; or why the line is refused.
    pub owners: Result<Vec<Owner>, &'static str>,
}

/// Somebody who is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// `@name`
    User(String),
    /// `@organisation/team`
    Team(String),
    /// `name@example.org`
    Mail(String),
}

/// Reads a file.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Line>, Unusable> {
    let what = "CODEOWNERS must be UTF-8 text of at most 3 MB that this account may read";
    let unusable = |what: &str| Unusable { what: what.to_owned(), line: 0 };
    if bytes.len() > LONGEST {
        return Err(unusable(what));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| unusable(what))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Vec::new();
    for (at, text) in text.split('\n').enumerate() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if lines.len() == MOST {
            return Err(unusable("CODEOWNERS has more than 100,000 lines"));
        }
        let (pattern, rest) = cut(text);
        let owners = owners(rest);
        let number = u32::try_from(at).map_or(u32::MAX, |at| at.saturating_add(1));
        let (pattern, owners) = match Pattern::read(pattern) {
            Ok(pattern) => (pattern, owners),
            Err((what, wider)) => (wider, Err(what)),
        };
        lines.push(Line { number, pattern, owners });
    }
    Ok(lines)
}

/// The pattern of a line, to the first blank that has no `\` before it, and the rest.
fn cut(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && !escaped {
            return text.split_at(at);
        }
        escaped = c == '\\' && !escaped;
    }
    (text, "")
}

fn owners(text: &str) -> Result<Vec<Owner>, &'static str> {
    let mut owners = Vec::new();
    for word in text.split_whitespace() {
        if word.starts_with('#') {
            break;
        }
        owners.push(
            // Of ASCII alone: `K` for degrees Kelvin is no `k`.
            owner(&word.to_ascii_lowercase())
                .ok_or("an owner is neither `@name`, `@organisation/team` nor an e-mail address")?,
        );
    }
    Ok(owners)
}

fn owner(word: &str) -> Option<Owner> {
    let plain = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if let Some(name) = word.strip_prefix('@') {
        return match name.split_once('/') {
            None => plain(name).then(|| Owner::User(name.to_owned())),
            Some((org, team)) => (plain(org) && plain(team)).then(|| Owner::Team(name.to_owned())),
        };
    }
    let (local, domain) = word.split_once('@')?;
    let local_is = !local.is_empty()
        && local.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '`' | '\''));
    (local_is && plain(domain)).then(|| Owner::Mail(word.to_owned()))
}

impl Line {
    /// Its owners as they are written in the list of names, with the line.
    pub(super) fn named(&self) -> impl Iterator<Item = (&Owner, Written)> {
        let owners = self.owners.as_deref().unwrap_or_default();
        owners.iter().map(|owner| {
            let (Owner::User(name) | Owner::Team(name) | Owner::Mail(name)) = owner;
            (owner, (name.clone(), self.number))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_they_are_written() {
        let text = "# owners\r\n\r\n*\t@Dana  @harbor/Pay-Team # both\r\ndocs/a\\ b.md docs@Harbor.example   \r\n/apps/github\r\n";
        let lines = read(text.as_bytes()).unwrap();
        let numbers: Vec<u32> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [3, 4, 5]);
        assert_eq!(
            lines[0].owners.as_ref().unwrap(),
            &[Owner::User("dana".into()), Owner::Team("harbor/pay-team".into())]
        );
        assert_eq!(lines[1].owners.as_ref().unwrap(), &[Owner::Mail("docs@harbor.example".into())]);
        assert!(lines[1].pattern.matches("docs/a b.md"));
        assert!(lines[2].owners.as_ref().unwrap().is_empty());
        assert!(lines[2].pattern.matches("apps/github/x"));
        assert!(read(b"").unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_a_refused_line_or_file() {
        for text in [
            "*.md dana\n",
            "*.md @\n",
            "*.md @a/b/c\n",
            "*.md @a/\n",
            "*.md a@\n",
            "*.md @dana,\n",
            "!a @dana\n",
            "[A] @dana\n",
            "^[A] @dana\n",
            "*.md @dana um l@x\n",
            "*.md @\u{212a}im\n",
        ] {
            let lines = read(text.as_bytes()).unwrap();
            assert!(lines.iter().any(|line| line.owners.is_err()), "{text}");
        }
        assert!(read(b"\xff").is_err());
        assert!(read(&vec![b'a'; LONGEST + 1]).is_err());
        assert!(read("a\n".repeat(MOST + 1).as_bytes()).is_err());
    }
}
