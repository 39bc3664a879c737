//! Whom the names of a source stand for: a list (in the configuration, in a TOML file, or both), and for
//! what is not on it the same handle in the directory. It must never guess: a list that cannot be read,
//! or that says two things of one name, hides the whole source.

use super::parse::{Lines, Unusable};
use kenward_vault::writer::SourceIdentity;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// Stands before a name that stands for nobody, by the list.
const UNMAPPED: &str = "unmapped:";
/// The one key that is no name.
pub const LISTED_ONLY: &str = "listed_only";

/// Tables whose keys are numbers: `uid.1000`, `gid.50`.
pub const NUMBERS: [&str; 2] = ["uid", "gid"];

fn names_nobody(name: &str, line: u32) -> Unusable {
    let what = format!("`{}` must be `everyone`, `user:HANDLE` or `group:HANDLE`, in quotes", shown(name));
    Unusable { what, line }
}

/// A list of names, ready to be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    names: BTreeMap<String, String>,
    listed_only: bool,
}

impl Identity {
    /// The list of a source; `file` = the bytes of its file, if it has one that could be read.
    pub(super) fn read(identity: &SourceIdentity, file: Option<&[u8]>) -> Result<Self, Unusable> {
        let mut read = Self { names: BTreeMap::new(), listed_only: identity.listed_only };
        for (name, principal) in &identity.names {
            read.add(name, principal, 0)?;
        }
        if identity.file.is_some() {
            let what = "the list of names must be UTF-8 text of at most 1 MiB that this account may read";
            let unreadable = || Unusable { what: what.to_owned(), line: 0 };
            let bytes = file.ok_or_else(unreadable)?;
            read.file(std::str::from_utf8(bytes).map_err(|_| unreadable())?)?;
        }
        Ok(read)
    }

    fn file(&mut self, text: &str) -> Result<(), Unusable> {
        let lines = Lines::of(text);
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(0, |span| lines.line_of(span.start));
            let what = error.message().lines().next().unwrap_or_default();
            Unusable { what: format!("not valid TOML: {what}"), line }
        })?;
        // In the order in which they are written, so that of two the later one is the one too many.
        let mut written: Vec<_> = table.get_ref().iter().collect();
        written.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in written {
            let line = lines.line_of(name.span().start);
            let (name, value) = (name.get_ref().as_ref(), value.get_ref());
            match value {
                DeValue::Boolean(flag) if name == LISTED_ONLY => self.listed_only |= *flag,
                DeValue::String(principal) => self.add(name, principal, line)?,
                DeValue::Table(numbers) if NUMBERS.contains(&name) => {
                    for (number, value) in numbers {
                        let line = lines.line_of(number.span().start);
                        let full = format!("{name}.{}", number.get_ref());
                        match value.get_ref() {
                            DeValue::String(principal) => self.add(&full, principal, line)?,
                            _ => return Err(names_nobody(&full, line)),
                        }
                    }
                }
                _ => return Err(names_nobody(name, line)),
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, principal: &str, line: u32) -> Result<(), Unusable> {
        let refused = |what: String| Err(Unusable { what, line });
        let handle = principal.strip_prefix("user:").or_else(|| principal.strip_prefix("group:"));
        if principal != "everyone" && handle.is_none_or(|handle| handle.trim().is_empty()) {
            return Err(names_nobody(name, line));
        }
        match self.names.insert(fold(name), principal.to_owned()) {
            Some(before) if before != principal => {
                refused(format!("`{}` is listed twice, for different people", shown(name)))
            }
            _ => Ok(()),
        }
    }

    /// Whom the list says that a name stands for.
    #[must_use]
    pub fn listed(&self, name: &str) -> Option<&str> {
        self.names.get(&fold(name)).map(String::as_str)
    }

    /// Whom a name stands for: by the list, or by the same handle (`same`: `user:NAME`).
    #[must_use]
    pub fn principal(&self, name: &str, same: impl FnOnce() -> String) -> String {
        match self.listed(name) {
            Some(principal) => principal.to_owned(),
            None if self.listed_only => nobody(name),
            None => same(),
        }
    }
}

/// What stands for nobody, whoever the directory comes to know.
#[must_use]
pub fn nobody(name: &str) -> String {
    format!("{UNMAPPED}{name}")
}

/// Names are compared without `@` in front and in any case.
fn fold(name: &str) -> String {
    name.strip_prefix('@').unwrap_or(name).to_lowercase()
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(text: &str) -> Result<Identity, Unusable> {
        let identity = SourceIdentity { file: Some("/map.toml".into()), ..SourceIdentity::default() };
        Identity::read(&identity, Some(text.as_bytes()))
    }

    #[test]
    fn the_list_comes_first_and_the_same_handle_after_it() {
        let list =
            of_file("Dana-K = 'user:dana@harbor.example'\n'@harbor/pay' = \"group:finance\"\n").unwrap();
        let of = |name: &str| list.principal(name, || format!("user:{name}"));
        assert_eq!(of("dana-k"), "user:dana@harbor.example");
        assert_eq!(of("@DANA-K"), "user:dana@harbor.example");
        assert_eq!(of("harbor/pay"), "group:finance");
        assert_eq!(of("omar"), "user:omar");
        let numbers =
            of_file("other = 'everyone'\n[uid]\n1000 = 'user:dana'\n[gid]\n50 = 'group:hr'\n").unwrap();
        assert_eq!(numbers.listed("uid.1000"), Some("user:dana"));
        assert_eq!((numbers.listed("gid.50"), numbers.listed("uid.50")), (Some("group:hr"), None));
        let only = of_file("listed_only = true\nx = 'everyone'").unwrap();
        assert_eq!(only.principal("omar", || "user:omar".into()), "unmapped:omar");
        assert_eq!(only.principal("X", || "user:x".into()), "everyone");
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        for (text, line) in [
            ("a = 'user:a'\nb = 'dana'\n", 2),
            ("\na = 1\n", 2),
            ("a = 'user:'\n", 1),
            ("a = ['user:a']\n", 1),
            ("a = 'user:a'\n\nA = 'user:b'\n", 3),
            ("listed_only = 'yes'\n", 1),
            ("a = \n", 1),
            ("[uid]\n1000 = 'dana'\n", 2),
            ("[pid]\n1000 = 'user:dana'\n", 1),
        ] {
            assert_eq!(of_file(text).unwrap_err().line, line, "{text}");
        }
        let identity = SourceIdentity { file: Some("/gone.toml".into()), ..SourceIdentity::default() };
        assert!(Identity::read(&identity, None).is_err());
        assert!(Identity::read(&identity, Some(b"\xff")).is_err());
        assert!(Identity::read(&SourceIdentity::default(), None).is_ok());
    }
}
