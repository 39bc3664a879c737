//! One `.access.toml` file: its keys, and the line of everything it names. It must never guess: an
//! unknown key or a malformed value refuses the whole file.

use globset::{GlobBuilder, GlobMatcher};
use kenward_access::acl::Window;
use kenward_access::ids::Timestamp;
use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

const KEYS: [&str; 6] = ["inherit", "allow", "deny", "until", "label", "file"];
const FILE_KEYS: [&str; 6] = ["match", "allow", "deny", "only", "until", "label"];

/// A principal or label as written, and the line it stands on.
pub(super) type Written = (String, u32);

/// What one rights file says.
#[derive(Debug, Clone)]
pub(super) struct FolderRules {
    pub inherit: bool,
    /// It speaks of who may read: a list is there, be it empty, or an end.
    pub said: bool,
    pub allow: Vec<Written>,
    pub deny: Vec<Written>,
    pub window: Window,
    pub label: Option<Written>,
    pub files: Vec<FileRule>,
    /// What it says to no effect.
    pub idle: Vec<Unusable>,
}

/// One `[[file]]` rule.
#[derive(Debug, Clone)]
pub(super) struct FileRule {
    pub matcher: GlobMatcher,
    /// The line of its `match`.
    pub line: u32,
    /// It speaks of who may read. A rule that has a label and nothing else does not; one that has
    /// nothing at all does: whoever began it meant to, and the default would guess what.
    pub said: bool,
    pub allow: Vec<Written>,
    pub deny: Vec<Written>,
    pub only: bool,
    pub window: Window,
    pub label: Option<Written>,
}

/// Why a rights file, or something in it, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unusable {
    pub what: String,
    pub line: u32,
}

/// A list as it stands in the file, or that it does not.
type Names = Option<Vec<Spanned<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFolder {
    inherit: Option<bool>,
    // INVARIANT: an empty list is not an absent one: it says "nobody".
    allow: Names,
    deny: Names,
    until: Option<Spanned<Datetime>>,
    label: Option<Spanned<String>>,
    #[serde(default)]
    file: Vec<RawFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(rename = "match")]
    pattern: Spanned<String>,
    allow: Names,
    deny: Names,
    #[serde(default)]
    only: bool,
    until: Option<Spanned<Datetime>>,
    label: Option<Spanned<String>>,
}

/// Reads one rights file.
pub(super) fn parse(bytes: &[u8]) -> Result<FolderRules, Unusable> {
    // The connector's stand-in for what it could not read, or not to its end, is no UTF-8 either.
    let what = "the rights file must be UTF-8 text of at most 1 MiB that this account may read";
    let text = std::str::from_utf8(bytes).map_err(|_| Unusable { what: what.to_owned(), line: 0 })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = &Lines::of(text);
    let raw: RawFolder = toml::from_str(text.text).map_err(|error| explain(text, &error))?;
    let mut files = Vec::with_capacity(raw.file.len());
    let mut idle = Vec::new();
    idle.extend(endless(text, &raw.until, &raw.allow, &raw.deny));
    for rule in raw.file {
        idle.extend(endless(text, &rule.until, &rule.allow, &rule.deny));
        let speaks = rule.only || speaks(&rule.allow, &rule.deny, &rule.until);
        if !speaks && rule.label.is_none() {
            let what = "`[[file]]` says nothing of what it matches; add an `allow`, a `deny` or a `label`";
            let line = text.line_of(rule.pattern.span().start);
            idle.push(Unusable { what: what.to_owned(), line });
        }
        files.push(FileRule {
            matcher: matcher(text, &rule.pattern)?,
            line: text.line_of(rule.pattern.span().start),
            said: speaks || rule.label.is_none(),
            allow: written(text, rule.allow),
            deny: written(text, rule.deny),
            only: rule.only,
            window: window(text, rule.until)?,
            label: rule.label.map(|label| one(text, label)),
        });
    }
    Ok(FolderRules {
        inherit: raw.inherit.unwrap_or(true),
        said: speaks(&raw.allow, &raw.deny, &raw.until),
        allow: written(text, raw.allow),
        deny: written(text, raw.deny),
        window: window(text, raw.until)?,
        label: raw.label.map(|label| one(text, label)),
        files,
        idle,
    })
}

/// Whether these keys speak of who may read. A label never does: it only narrows.
fn speaks(allow: &Names, deny: &Names, until: &Option<Spanned<Datetime>>) -> bool {
    allow.is_some() || deny.is_some() || until.is_some()
}

/// An `until` beside which nobody is named: it ends nothing.
fn endless(
    text: &Lines<'_>,
    until: &Option<Spanned<Datetime>>,
    allow: &Names,
    deny: &Names,
) -> Option<Unusable> {
    let until = until.as_ref()?;
    let named = [allow, deny].into_iter().flatten().any(|list| !list.is_empty());
    let what = "`until` ends nothing, because nobody is named beside it; add an `allow` or a `deny`";
    (!named).then(|| Unusable { what: what.to_owned(), line: text.line_of(until.span().start) })
}

fn written(text: &Lines<'_>, list: Names) -> Vec<Written> {
    list.into_iter().flatten().map(|entry| one(text, entry)).collect()
}

fn one(text: &Lines<'_>, entry: Spanned<String>) -> Written {
    let line = text.line_of(entry.span().start);
    (entry.into_inner(), line)
}

/// The text of a rights file, and where its lines end: a file of many rules asks for the line of each.
pub(super) struct Lines<'a> {
    text: &'a str,
    ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, ends: text.match_indices('\n').map(|(at, _)| at).collect() }
    }

    /// The line that a byte stands on, from 1.
    pub(super) fn line_of(&self, byte: usize) -> u32 {
        let lines = self.ends.partition_point(|end| *end < byte);
        u32::try_from(lines).map_or(u32::MAX, |lines| lines.saturating_add(1))
    }
}

/// `*` stays within a folder, `**` crosses; a pattern without `/` matches names at any depth below.
fn matcher(text: &Lines<'_>, pattern: &Spanned<String>) -> Result<GlobMatcher, Unusable> {
    let unusable = |what: &str| Unusable { what: what.to_owned(), line: text.line_of(pattern.span().start) };
    let written = pattern.get_ref();
    if written.is_empty() {
        return Err(unusable("`match` is empty"));
    }
    let anchored = if written.contains('/') {
        written.trim_start_matches('/').to_owned()
    } else {
        format!("**/{written}")
    };
    let anchored =
        within_a_name(&anchored).ok_or_else(|| unusable("a `[…]` in `match` is not understood"))?;
    let glob = GlobBuilder::new(&anchored)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|_| unusable("`match` is not a valid pattern"))?;
    Ok(glob.compile_matcher())
}

/// The pattern with `/` kept out of every `[…]`: the library lets `[!x]` and ranges match it.
fn within_a_name(pattern: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '\\' {
            out.extend(chars.next());
        }
        if c != '[' {
            continue;
        }
        let negated = chars.next_if(|next| matches!(next, '!' | '^'));
        if let Some(not) = negated {
            out.extend([not, '/']);
        }
        // A `]` or `-` in first place has a meaning of its own, and nobody names files so.
        let mut members = Vec::new();
        loop {
            match chars.next()? {
                ']' if members.is_empty() => return None,
                ']' => break,
                '-' if members.is_empty() => return None,
                member => members.push(member),
            }
        }
        let range = |three: &[char]| matches!(three, [from, '-', to] if (*from..=*to).contains(&'/'));
        if negated.is_none() && (members.contains(&'/') || members.windows(3).any(range)) {
            return None;
        }
        out.extend(members);
        out.push(']');
    }
    Some(out)
}

/// `until` is inclusive: the window ends with that day, UTC.
fn window(text: &Lines<'_>, until: Option<Spanned<Datetime>>) -> Result<Window, Unusable> {
    let Some(until) = until else { return Ok(Window::ALWAYS) };
    let line = text.line_of(until.span().start);
    let bad = || Unusable { what: "`until` must be a plain date such as 2027-01-31".to_owned(), line };
    let Datetime { date: Some(date), time: None, offset: None } = until.into_inner() else {
        return Err(bad());
    };
    let month = time::Month::try_from(date.month).map_err(|_| bad())?;
    let day = time::Date::from_calendar_date(i32::from(date.year), month, date.day).map_err(|_| bad())?;
    let end = day.next_day().ok_or_else(bad)?.midnight().assume_utc().unix_timestamp();
    Ok(Window { from: None, until: Some(Timestamp(end.saturating_mul(1000))) })
}

fn explain(text: &Lines<'_>, error: &toml::de::Error) -> Unusable {
    let line = error.span().map_or(0, |span| text.line_of(span.start));
    let message = error.message();
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let what = match unknown {
        Some(key) => {
            let keys = if message.contains("`match`") { FILE_KEYS } else { KEYS };
            let shown: String = key.chars().take(40).collect();
            match keys.iter().find(|known| close(known, key)) {
                Some(known) => format!("unknown key `{shown}`; did you mean `{known}`?"),
                None => format!("unknown key `{shown}`; known are {}", keys.join(", ")),
            }
        }
        None => format!("not valid: {}", message.lines().next().unwrap_or_default()),
    };
    Unusable { what, line }
}

/// At most two edits apart (insert, drop, change, swap of neighbours), and not nearly all of the word.
fn close(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.to_lowercase().chars().collect());
    if b.len() > 40 {
        return false;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |rows: &[Vec<usize>], back: usize, column: usize| {
                rows.len().checked_sub(back).and_then(|r| rows.get(r)).and_then(|r| r.get(column)).copied()
            };
            let change = at(&rows, 1, j).unwrap_or(9) + usize::from(x != y);
            let drop = at(&rows, 1, j + 1).unwrap_or(9) + 1;
            let insert = row.last().copied().unwrap_or(9) + 1;
            let mut best = change.min(drop).min(insert);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&rows, 2, j - 1).unwrap_or(9) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    let distance = rows.last().and_then(|row| row.last()).copied().unwrap_or(9);
    distance <= 2 && distance < a.len().min(b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_design_parses_with_its_lines() {
        let text = "inherit = true\nallow = [\"group:finance\",\n  \"user:dana@harbor.example\"]\ndeny = [\"group:contractors\"]\n\n[[file]]\nmatch = \"salaries-*.xlsx\"\nallow = [\"group:hr\"]\nuntil = 2027-01-31\nlabel = \"confidential\"\n";
        let rules = parse(text.as_bytes()).unwrap();
        assert!(rules.inherit);
        assert_eq!(rules.allow, [("group:finance".into(), 2), ("user:dana@harbor.example".into(), 3)]);
        assert_eq!(rules.deny, [("group:contractors".into(), 4)]);
        let file = &rules.files[0];
        assert_eq!(file.allow, [("group:hr".into(), 8)]);
        assert_eq!(file.label, Some(("confidential".into(), 10)));
        // 2027-02-01T00:00:00Z: the 31st still counts.
        assert_eq!(file.window.until, Some(Timestamp(1_801_440_000_000)));
    }

    #[test]
    fn a_typo_is_refused_with_its_line_and_a_suggestion() {
        for (text, line, hint) in [
            ("inherit = true\nalow = [\"everyone\"]\n", 2, "`allow`"),
            ("deny = []\nalolw = []\n", 2, "`allow`"),
            ("[[file]]\nmatch = \"x\"\nlable = \"secret\"\n", 3, "`label`"),
            ("Inherit = false\n", 1, "`inherit`"),
        ] {
            let problem = parse(text.as_bytes()).unwrap_err();
            assert_eq!(problem.line, line, "{text}: {}", problem.what);
            assert!(problem.what.contains("did you mean") && problem.what.contains(hint), "{}", problem.what);
        }
        let far = parse(b"colour = 1\n").unwrap_err();
        assert!(far.what.contains("known are inherit"), "{}", far.what);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "allow = \"everyone\"",
            "allow = [1]",
            "until = 2027-01-31T10:00:00Z",
            "until = \"2027-01-31\"",
            "until = 2027-02-30",
            "[[file]]\nallow = [\"everyone\"]",
            "[[file]]\nmatch = \"\"",
            "[[file]]\nmatch = \"[\"",
            "inherit = \"no\"",
            "allow = [",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\xff\xfe").is_err());
        assert!(parse(b"").is_ok());
    }

    #[test]
    fn patterns_cross_folders_only_with_two_stars() {
        let matches = |pattern: &str, path: &str| {
            let text = format!("[[file]]\nmatch = '{pattern}'\n");
            parse(text.as_bytes()).unwrap().files[0].matcher.is_match(path)
        };
        assert!(matches("*.md", "a/b/c.md"));
        assert!(matches("a/*.md", "a/c.md"));
        assert!(!matches("a/*.md", "a/b/c.md"));
        assert!(matches("a/**/*.md", "a/b/c.md"));
        assert!(matches("/a.md", "a.md"));
        assert!(!matches("/a.md", "b/a.md"));
        assert!(!matches("A.md", "a.md"));
        assert!(!matches("a?b", "a/b"));
        assert!(!matches("a[!x]b", "a/b"));
        assert!(matches("a[!x]b", "ayb"));
        assert!(matches("[a-c]*.md", "x/b1.md"));
        for refused in ["a[+-9]b", "a[x/]b", "a[]b", "a[-x]b", "a["] {
            let text = format!("[[file]]\nmatch = '{refused}'\n");
            assert!(parse(text.as_bytes()).is_err(), "{refused}");
        }
    }
}
