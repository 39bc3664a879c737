//! Where the key of a service elsewhere is. It is read anew each time that it is needed, and must never be kept, told or
//! written: only its place is.

use std::fmt;
use std::path::PathBuf;

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// In an environment variable.
    Variable(String),
    /// In a file: its first line.
    File(PathBuf),
}

/// For people.
impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the variable `{name}`"),
            Self::File(path) => write!(f, "`{}`", path.display()),
        }
    }
}

impl KeyPlace {
    /// The key as it is now; `None` if there is none there.
    #[must_use]
    pub fn read(&self) -> Option<String> {
        let text = match self {
            Self::Variable(name) => std::env::var(name).ok(),
            Self::File(path) => String::from_utf8(crate::regular::read(path).ok()?).ok(),
        }?;
        let line = text.lines().next()?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_first_line_and_nothing_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let place = KeyPlace::File(file.path().to_owned());
        for (text, key) in
            [(" secret \nmore\n", Some("secret")), ("\nsecret\n", None), ("", None), (" \n", None)]
        {
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(place.read().as_deref(), key, "{text:?}");
        }
        assert_eq!(KeyPlace::File("/nowhere/key".into()).read(), None);
        assert_eq!(KeyPlace::Variable("KENWARD_TEST_NO_SUCH_KEY".into()).read(), None);
        assert_eq!(KeyPlace::Variable("A".into()).to_string(), "the variable `A`");
    }
}
