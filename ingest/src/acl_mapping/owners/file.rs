//! One `OWNERS` file, and the `OWNERS_ALIASES` of a tree, as written. It must never guess: an unknown key
//! or a value of another kind refuses the whole file.

use super::super::fidelity::Tally;
use super::super::parse::{Unusable, Written};
use super::filter::Filter;
use super::yaml::{Item, Value, parse};
use std::collections::BTreeMap;

/// Keys whose names may read.
const READERS: [&str; 2] = ["approvers", "reviewers"];
/// Keys that have nothing to do with who may read; `required_reviewers` name people, whom our reading of
/// the format gives nothing.
const OTHERS: [&str; 6] =
    ["emeritus_approvers", "emeritus_reviewers", "labels", "component", "subcomponent", "security_contacts"];
const OPTIONS: [&str; 2] = ["no_parent_owners", "auto_approve_unowned_subfolders"];

/// People who may read what is in a folder and below.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Only what this is found in; `None` = all.
    pub filter: Option<Filter>,
    /// Names, in lower case, without `@`.
    pub names: Vec<Written>,
}

/// What one file says.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnersFile {
    /// What is above does not count.
    pub no_parent: bool,
    pub parts: Vec<Part>,
    /// What became of its constructs.
    pub tally: Tally,
}

/// Names that stand for several others, each with the line of its own.
pub(super) type Aliases = BTreeMap<String, (u32, Vec<Written>)>;

fn wrong(line: u32, what: String) -> Unusable {
    Unusable { what, line }
}

fn is_not(key: &str, item: &Item, wanted: &str) -> Unusable {
    wrong(item.line, format!("`{key}` is {}; it must be {wanted}", item.value.kind()))
}

/// A name as it is compared: in lower case, without the `@` in front.
pub(super) fn login(text: &str) -> String {
    text.strip_prefix('@').unwrap_or(text).to_lowercase()
}

fn names(key: &str, item: Item) -> Result<Vec<Written>, Unusable> {
    let wanted = "a list of names";
    let items = match item.value {
        Value::Null => return Ok(Vec::new()),
        Value::List(items) => items,
        _ => return Err(is_not(key, &item, wanted)),
    };
    let mut names = Vec::with_capacity(items.len());
    for item in items {
        match item.value {
            Value::Text { text, .. } => names.push((login(&text), item.line)),
            _ => return Err(is_not(key, &item, wanted)),
        }
    }
    Ok(names)
}

fn pairs(what: &str, item: Item) -> Result<Vec<(String, u32, Item)>, Unusable> {
    match item.value {
        Value::Null => Ok(Vec::new()),
        Value::Map(pairs) => Ok(pairs),
        _ => Err(is_not(what, &item, "a map")),
    }
}

fn unknown(key: &str, line: u32, known: &[&str]) -> Unusable {
    let shown: String = key.chars().filter(|c| !c.is_control()).take(40).collect();
    wrong(line, format!("unknown key `{shown}`; known are {}", known.join(", ")))
}

/// People by their roles, at the top of a file or under a pattern.
#[derive(Default)]
struct Roles {
    readers: Vec<Written>,
    /// Something is written that makes a file one without filters.
    anything: bool,
}

impl Roles {
    /// Takes a key if it is one of these.
    fn take(
        &mut self,
        key: &str,
        line: u32,
        item: Item,
        file: &str,
        tally: &mut Tally,
    ) -> Result<Option<Item>, Unusable> {
        if let Some(role) = READERS.iter().find(|role| **role == key) {
            let named = names(key, item)?;
            tally.exact(role, named.len());
            self.anything |= !named.is_empty();
            self.readers.extend(named);
        } else if key == "required_reviewers" {
            let named = names(key, item)?;
            self.anything |= !named.is_empty();
            if !named.is_empty() {
                let what = "`required_reviewers` may not read for being so";
                tally.narrower("required_reviewers", file, line, what);
            }
        } else if OTHERS.contains(&key) {
            self.anything |= key == "labels" && item.value != Value::Null;
        } else {
            return Ok(Some(item));
        }
        Ok(None)
    }
}

/// Reads one `OWNERS` file; `file` is its path, for the tally.
pub(super) fn read(bytes: &[u8], file: &str) -> Result<OwnersFile, Unusable> {
    let mut read = OwnersFile::default();
    let Some(item) = parse(bytes)? else { return Ok(read) };
    let mut top = Roles::default();
    let mut filters = None;
    for (key, line, item) in pairs("the file", item)? {
        match (key.as_str(), top.take(&key, line, item, file, &mut read.tally)?) {
            (_, None) => {}
            ("options", Some(item)) => read.options(item)?,
            ("filters", Some(item)) => filters = Some((line, item)),
            (_, Some(_)) => {
                let known: Vec<&str> =
                    READERS.into_iter().chain(["filters", "options"]).chain(OTHERS).collect();
                return Err(unknown(&key, line, &known));
            }
        }
    }
    read.parts.push(Part { filter: None, names: top.readers });
    let Some((line, item)) = filters else { return Ok(read) };
    // Read in any case, so that a mistake in them is found.
    let filtered = read.filters(item, file)?;
    if top.anything {
        // Prow reads such a file as one without filters.
        let what = "`filters` beside `approvers`, `reviewers` or `labels` do not count, as in Prow";
        read.tally.narrower("filters", file, line, what);
    } else {
        read.tally.exact("filters", filtered.len());
        read.parts.extend(filtered);
    }
    Ok(read)
}

impl OwnersFile {
    fn options(&mut self, item: Item) -> Result<(), Unusable> {
        for (key, line, item) in pairs("options", item)? {
            if !OPTIONS.contains(&key.as_str()) {
                return Err(unknown(&key, line, &OPTIONS));
            }
            let flag = match &item.value {
                Value::Null => false,
                Value::Text { text, quoted: false } => match text.as_str() {
                    "true" | "True" | "TRUE" => true,
                    "false" | "False" | "FALSE" => false,
                    _ => return Err(is_not(&key, &item, "`true` or `false`")),
                },
                _ => return Err(is_not(&key, &item, "`true` or `false`")),
            };
            if key == "no_parent_owners" {
                self.no_parent = flag;
                self.tally.exact("no_parent_owners", usize::from(flag));
            }
        }
        Ok(())
    }

    fn filters(&mut self, item: Item, file: &str) -> Result<Vec<Part>, Unusable> {
        let mut parts = Vec::new();
        for (pattern, line, item) in pairs("filters", item)? {
            let mut roles = Roles::default();
            for (key, line, item) in pairs("a filter", item)? {
                if roles.take(&key, line, item, file, &mut self.tally)?.is_some() {
                    let known: Vec<&str> = READERS.into_iter().chain(OTHERS).collect();
                    return Err(unknown(&key, line, &known));
                }
            }
            let filter = match pattern.as_str() {
                ".*" => None,
                pattern => Some(Filter::read(pattern).map_err(|what| wrong(line, what.to_owned()))?),
            };
            parts.push(Part { filter, names: roles.readers });
        }
        Ok(parts)
    }
}

/// Reads an `OWNERS_ALIASES` file.
pub(super) fn aliases(bytes: &[u8]) -> Result<Aliases, Unusable> {
    let mut aliases = Aliases::new();
    let Some(item) = parse(bytes)? else { return Ok(aliases) };
    for (key, line, item) in pairs("the file", item)? {
        if key != "aliases" {
            return Err(unknown(&key, line, &["aliases"]));
        }
        for (alias, line, item) in pairs("aliases", item)? {
            let members = names(&alias, item)?;
            if aliases.insert(login(&alias), (line, members)).is_some() {
                return Err(wrong(line, "an alias that stands there twice".to_owned()));
            }
        }
    }
    Ok(aliases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_kinds_that_are_not_known_refuse_the_file_with_the_line() {
        for (text, line) in [
            ("approvers:\n- a\napprover:\n- b\n", 3),
            ("approvers: a\n", 1),
            ("approvers:\n- [a]\n", 2),
            ("approvers:\n- a\n- b: c\n", 3),
            ("options:\n  no_parent_owner: true\n", 2),
            ("options:\n  no_parent_owners: \"true\"\n", 2),
            ("options:\n  no_parent_owners: yes\n", 2),
            ("filters:\n  \".*\":\n    approver: [a]\n", 3),
            ("filters:\n  \"[\":\n    approvers: [a]\n", 2),
            ("filters:\n  a:\n    options: {}\n", 3),
            ("- a\n- b\n", 1),
            ("a\n", 1),
        ] {
            let problem = read(text.as_bytes(), "OWNERS").expect_err(text);
            assert_eq!(problem.line, line, "{text}: {}", problem.what);
        }
        for text in ["", "# nobody\n", "approvers:\n", "approvers: []\nreviewers: ~\n", "{}\n"] {
            let read = read(text.as_bytes(), "OWNERS").expect(text);
            assert!(!read.no_parent && read.parts.iter().all(|part| part.names.is_empty()), "{text}");
        }
    }

    #[test]
    fn filters_count_only_in_a_file_without_anything_else() {
        let filters = "filters:\n  \".*\":\n    approvers: [A, '@b']\n  \"\\\\.go$\":\n    reviewers: [c]\n";
        let parts = |text: &str| -> Vec<(bool, Vec<String>)> {
            let read = read(text.as_bytes(), "OWNERS").unwrap();
            let names = |part: &Part| part.names.iter().map(|(name, _)| name.clone()).collect();
            read.parts.iter().map(|part| (part.filter.is_some(), names(part))).collect()
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(parts(filters), [(false, owned(&[])), (false, owned(&["a", "b"])), (true, owned(&["c"]))]);
        for beside in ["labels: [x]\n", "approvers: [x]\n", "required_reviewers: [x]\n"] {
            assert_eq!(parts(&format!("{beside}{filters}")).len(), 1, "{beside}");
        }
        assert_eq!(parts(&format!("options:\n  no_parent_owners: true\n{filters}")).len(), 3);
    }

    #[test]
    fn aliases_are_read_and_other_keys_refused() {
        let read = aliases(b"aliases:\n  Sig-A-Leads:\n  - Dana\n  - \"@omar\"\n  empty: []\n").unwrap();
        assert_eq!(read["sig-a-leads"], (2, vec![("dana".into(), 3), ("omar".into(), 4)]));
        assert!(read["empty"].1.is_empty());
        for (text, line) in
            [("alias:\n  a: [b]\n", 1), ("aliases:\n  a: b\n", 2), ("aliases:\n  a: [b]\n  A: [c]\n", 3)]
        {
            assert_eq!(aliases(text.as_bytes()).unwrap_err().line, line, "{text}");
        }
        assert!(aliases(b"").unwrap().is_empty());
    }
}
