//! Names of an archive's members: where a member stands below its archive. A name that would lead out of it, or
//! that different programs read differently, must never become a path.

use crate::connectors::{RIGHTS_FILE, in_an_archive};
use kenward_vault::writer::RightsFormat;

/// Longest name.
const NAME_MAX: usize = 1_024;

/// What a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A document's, below the archive.
    Document(String),
    /// A folder's, or of what is no document in a folder either: dot-files, what is in `.git`.
    NoDocument,
    /// A rights file's, or one that was meant to be.
    Rights,
    /// None that is taken; written so that a person knows it again.
    Unsafe(String),
}

/// Reads a name.
pub(crate) fn place(raw: &[u8], rights: RightsFormat) -> Place {
    match read(raw, rights) {
        // INVARIANT: wherever it would lead, a rights file is one: what it guards is in here, too.
        Place::Unsafe(_) if is_for_rights(raw, rights) => Place::Rights,
        place => place,
    }
}

/// Whether the last part of a name, however its parts are set apart, is a rights file's.
fn is_for_rights(raw: &[u8], rights: RightsFormat) -> bool {
    let name = String::from_utf8_lossy(raw);
    let last = name.rsplit(['/', '\\', ':']).next().unwrap_or_default();
    in_an_archive(rights, last.trim_matches(char::is_control))
}

fn read(raw: &[u8], rights: RightsFormat) -> Place {
    let Ok(name) = std::str::from_utf8(raw) else { return unsafe_name(raw) };
    let drive = name.as_bytes().get(1) == Some(&b':') && name.starts_with(|c: char| c.is_ascii_alphabetic());
    let odd = name.contains('\\') || name.chars().any(char::is_control);
    if name.starts_with('/') || drive || odd || name.len() > NAME_MAX {
        return unsafe_name(raw);
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    // INVARIANT: no part leads upwards, so what is joined to the archive's path stands below it.
    if parts.contains(&"..") {
        return unsafe_name(raw);
    }
    // A folder of that name, too: in a tree it hides what is beside it.
    if parts.contains(&RIGHTS_FILE) {
        return Place::Rights;
    }
    let Some((last, folders)) = parts.split_last() else { return Place::NoDocument };
    if folders.contains(&".git") {
        return Place::NoDocument;
    }
    if name.ends_with('/') {
        return Place::NoDocument;
    }
    if in_an_archive(rights, last) {
        return Place::Rights;
    }
    if last.starts_with('.') {
        return Place::NoDocument;
    }
    Place::Document(parts.join("/"))
}

fn unsafe_name(raw: &[u8]) -> Place {
    let name: String = String::from_utf8_lossy(raw).chars().take(NAME_MAX).collect();
    Place::Unsafe(name.replace(char::is_control, "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_places_below_the_archive_or_refused() {
        let document = |path: &str| Place::Document(path.to_owned());
        for (raw, expected) in [
            (&b"a.md"[..], document("a.md")),
            (b"./a//b/./c.md", document("a/b/c.md")),
            ("ä/б.md".as_bytes(), document("ä/б.md")),
            (b".notes/a.md", document(".notes/a.md")),
            (b"a/", Place::NoDocument),
            (b"./", Place::NoDocument),
            (b"", Place::NoDocument),
            (b"a/.hidden", Place::NoDocument),
            (b"__MACOSX/._a.md", Place::NoDocument),
            (b".git/config", Place::NoDocument),
            (b"a/.access.toml", Place::Rights),
            (b"a/.Access.toml", Place::Rights),
            (b"access.toml", Place::Rights),
            // Where it stands is not read; that it is there says that its neighbours are guarded.
            (b"/.access.toml", Place::Rights),
            (b"../docs/.access.toml", Place::Rights),
            (b"docs/../.access.toml", Place::Rights),
            (b"pay\\.access.toml", Place::Rights),
            (b"C:.access.toml", Place::Rights),
            (b"bad\xff/.access.toml", Place::Rights),
            (b".access.toml\0", Place::Rights),
            (b"pay/.access.toml/", Place::Rights),
            (b"pay/.access.toml/a.md", Place::Rights),
        ] {
            assert_eq!(place(raw, RightsFormat::AccessToml), expected, "{}", String::from_utf8_lossy(raw));
        }
        for (format, name, is) in [
            (RightsFormat::AccessToml, "OWNERS", false),
            (RightsFormat::Owners, "OWNERS", true),
            (RightsFormat::Owners, ".access.toml", true),
            (RightsFormat::Codeowners, "OWNERS", false),
            (RightsFormat::Codeowners, "CODEOWNERS", true),
            (RightsFormat::Posix, "CODEOWNERS", false),
            (RightsFormat::Posix, ".access.toml", true),
        ] {
            for path in [name.to_owned(), format!("docs/deep/{name}")] {
                assert_eq!(place(path.as_bytes(), format) == Place::Rights, is, "{format:?} {path}");
            }
        }
        let long = "x".repeat(2_000);
        for raw in [
            &b"../a.md"[..],
            b"a/../../b.md",
            b"a/..",
            b"..",
            b"/etc/passwd",
            b"C:/a.md",
            b"c:a.md",
            b"a\\b.md",
            b"..\\a.md",
            b"a\0.md",
            b"a\n.md",
            b"bad\xff.md",
            long.as_bytes(),
        ] {
            assert!(
                matches!(place(raw, RightsFormat::Owners), Place::Unsafe(_)),
                "{}",
                String::from_utf8_lossy(raw)
            );
        }
    }

    proptest! {
        #[test]
        fn no_name_leads_out(raw in prop::collection::vec(prop::sample::select(b"../\\a:C. \0\xff".to_vec()), 0..12)) {
            if let Place::Document(path) = place(&raw, RightsFormat::AccessToml) {
                prop_assert!(!path.starts_with('/') && !path.contains('\\') && !path.contains('\0'));
                prop_assert!(path.split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
            }
        }
    }
}
