//! A pattern of `CODEOWNERS`: as in `.gitignore`, without `!` and `[…]`, which GitHub does not read. It must
//! never match less than its line governs where the line is refused: what such a pattern might match is hidden.

/// A part between slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`: any number of folders.
    Folders,
    /// `*` alone: one name, and nothing below it if it is the last.
    OneName,
    /// A name with wildcards.
    Name(Vec<Piece>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Is(char),
    /// `?`
    One,
    /// `*`
    Some,
}

/// A pattern, ready to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

impl Pattern {
    /// What matches every file.
    pub(super) fn all() -> Self {
        Self(vec![Part::Folders])
    }

    /// Reads a pattern; the reason where it is refused, and a pattern that matches all that it might.
    pub(super) fn read(text: &str) -> Result<Self, (&'static str, Self)> {
        if let Some(rest) = text.strip_prefix('!') {
            let what = "`!` is not read in CODEOWNERS; what follows it is visible to nobody";
            return Err((what, Self::read(rest).unwrap_or_else(|(_, wider)| wider)));
        }
        if text.starts_with("\\#") {
            return Err(("a pattern that begins with `#` is not read in CODEOWNERS", Self::all()));
        }
        if text.contains("***") {
            return Err(("`***` in a pattern", Self::all()));
        }
        if text.trim_matches('/').is_empty() {
            return Err(("a pattern without a name", Self::all()));
        }
        let mut parts: Vec<&str> = text.split('/').collect();
        let rooted = parts.first() == Some(&"");
        if rooted {
            parts.remove(0);
        }
        let below = parts.last() == Some(&"");
        if below {
            parts.pop();
        }
        // Without a slash but at its end it is looked for at every depth.
        let floating = !rooted && parts.len() == 1 && parts.first() != Some(&"**");
        let mut read: Vec<Part> = if floating { vec![Part::Folders] } else { Vec::new() };
        let mut refused = None;
        for part in parts {
            match Self::part(part) {
                Ok(part) => read.push(part),
                Err((what, wider)) => {
                    refused = Some(what);
                    read.extend(wider);
                }
            }
        }
        if refused.is_some() && read.last() == Some(&Part::OneName) {
            read.pop();
            read.push(Part::Name(vec![Piece::Some]));
        }
        if below && read.last() != Some(&Part::Folders) {
            read.push(Part::Folders);
        }
        match refused {
            None => Ok(Self(read)),
            Some(what) => Err((what, Self(read))),
        }
    }

    fn part(text: &str) -> Result<Part, (&'static str, Option<Part>)> {
        match text {
            // Two slashes: some readers take them for one.
            "" => return Err(("`//` in a pattern", None)),
            "**" => return Ok(Part::Folders),
            "*" => return Ok(Part::OneName),
            _ => {}
        }
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' if pieces.last() == Some(&Piece::Some) => {}
                '*' => pieces.push(Piece::Some),
                '?' => pieces.push(Piece::One),
                '\\' => match chars.next() {
                    Some(c) => pieces.push(Piece::Is(c)),
                    None => return Err(("a pattern that ends with `\\`", Some(any(pieces)))),
                },
                '[' | ']' => {
                    return Err(("`[…]` is not read in CODEOWNERS", Some(any(pieces))));
                }
                '#' => return Err(("a `#` within a pattern", Some(any(pieces)))),
                c => pieces.push(Piece::Is(c)),
            }
        }
        Ok(Part::Name(pieces))
    }

    /// Whether it matches a file, or a folder that the file is in.
    pub(super) fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        // After so many names, all that was read of the pattern is used up.
        let mut at = vec![false; names.len() + 1];
        if let Some(first) = at.first_mut() {
            *first = true;
        }
        let last = self.0.len().saturating_sub(1);
        for (number, part) in self.0.iter().enumerate() {
            let mut next = vec![false; names.len() + 1];
            match part {
                // At the end something must be left for it.
                Part::Folders if number == last => return at.iter().take(names.len()).any(|here| *here),
                Part::Folders => {
                    let mut reached = false;
                    for (here, there) in at.iter().zip(&mut next) {
                        reached |= *here;
                        *there = reached;
                    }
                }
                Part::OneName | Part::Name(_) => {
                    for ((here, name), there) in at.iter().zip(&names).zip(next.iter_mut().skip(1)) {
                        *there = *here
                            && match part {
                                Part::Name(pieces) => is(pieces, name),
                                _ => true,
                            };
                    }
                }
            }
            at = next;
        }
        match self.0.last() {
            Some(Part::OneName) => at.last().copied().unwrap_or_default(),
            _ => at.iter().skip(1).any(|here| *here),
        }
    }
}

/// What was read so far, and anything after it.
fn any(mut pieces: Vec<Piece>) -> Part {
    pieces.push(Piece::Some);
    Part::Name(pieces)
}

/// Whether a name is one of a pattern; the last `*` is gone back to, so it takes at most names times pieces.
fn is(pieces: &[Piece], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut piece, mut at) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < name.len() {
        match (pieces.get(piece), name.get(at)) {
            (Some(Piece::Some), _) => {
                back = Some((piece, at));
                piece += 1;
            }
            (Some(Piece::One), Some(_)) => (piece, at) = (piece + 1, at + 1),
            (Some(Piece::Is(wanted)), Some(c)) if wanted == c => (piece, at) = (piece + 1, at + 1),
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    (piece, at) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pieces.get(piece..).unwrap_or_default().iter().all(|piece| *piece == Piece::Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::read(pattern).unwrap_or_else(|(what, _)| panic!("{pattern}: {what}")).matches(path)
    }

    #[test]
    fn the_examples_of_github_s_documentation() {
        for (pattern, yes, no) in [
            ("*", &["a", "a/b/c.md"][..], &[][..]),
            ("*.js", &["a.js", "x/y/a.js", "lib.js/a.c"], &["a.jsx", "js"]),
            ("/build/logs/", &["build/logs/a", "build/logs/b/c"], &["build/logs", "x/build/logs/a"]),
            ("docs/*", &["docs/getting-started.md"], &["docs/build-app/troubleshooting.md", "x/docs/a"]),
            ("apps/", &["apps/a", "x/apps/y/z"], &["apps", "x/apps"]),
            ("/docs/", &["docs/a/b"], &["x/docs/a"]),
            ("**/logs", &["logs", "build/logs/a", "deeply/nested/logs/x/y"], &["blogs", "logs.txt"]),
            ("/apps/github", &["apps/github", "apps/github/x"], &["apps/githubs", "x/apps/github"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b/c"], &["b", "xa/b", "a/xb"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "ba/c"]),
            ("**", &["a", "a/b"], &[]),
            ("a?c*", &["abc", "x/axcd/e"], &["ac", "a/c"]),
            ("a\\ b", &["a b", "x/a b/c"], &["a\\ b", "ab"]),
            ("\\*", &["*"], &["a"]),
            ("A", &["A"], &["a"]),
            ("a/", &["a/b"], &["a"]),
            ("/*", &["a"], &["a/b"]),
            ("a/*/c", &["a/b/c", "a/b/c/d"], &["a/c", "a/b/b/c"]),
        ] {
            for path in yes {
                assert!(matches(pattern, path), "{pattern} {path}");
            }
            for path in no {
                assert!(!matches(pattern, path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn what_is_refused_matches_all_that_it_might_have_meant() {
        for (pattern, hidden, untouched) in [
            ("!docs/a.md", &["docs/a.md"][..], &["docs/b.md"][..]),
            ("!*.md", &["a.md", "x/b.md"], &["a.txt"]),
            ("docs/[ab].md", &["docs/a.md", "docs/[ab].md", "docs/a.md/x"], &["x/docs/a.md"]),
            ("/x[!a]/y", &["xb/y", "x[!a]/y"], &["y", "a/y"]),
            ("[a-z]*", &["abc", "x/y"], &[]),
            ("[Section]", &["a", "b/c"], &[]),
            ("a//b", &["a/b", "a/b/c"], &["b"]),
            ("a/[b]/", &["a/b/c"], &["b/c"]),
            ("\\#x", &["x", "y"], &[]),
            ("a#b", &["a", "a#b", "abc/d"], &["b"]),
            ("a***b", &["x"], &[]),
            ("/", &["x"], &[]),
            ("x\\", &["x", "xy", "z/x"], &["y"]),
        ] {
            let (_, wider) = Pattern::read(pattern).expect_err(pattern);
            for path in hidden {
                assert!(wider.matches(path), "{pattern} {path}");
            }
            for path in untouched {
                assert!(!wider.matches(path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let name = "a".repeat(10_000);
        assert!(!matches(&format!("{}b", "a*".repeat(2_000)), &name));
        let path = "a/".repeat(2_000) + "a";
        assert!(!matches(&format!("{}b", "**/a/".repeat(1_000)), &path));
    }
}
