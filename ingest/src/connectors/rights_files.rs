//! The files in which a folder tree states its rights: which names they have, and their bytes. It must never
//! take one that is there and cannot be read for one that is not there.

use super::files::join;
use super::{FetchError, Listing, Ways, facts, open};
use crate::acl_mapping::{ALIASES, CODEOWNERS_LONGEST, IDENTITY, OWNERS, PLACES, is_place, parent};
use kenward_vault::writer::{RightsFormat, SourceRights};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// The file in which a folder states its rights.
pub const RIGHTS_FILE: &str = ".access.toml";

/// A rights file longer than this is not read, and hides what it governs; a `CODEOWNERS` may be longer.
const LONGEST: u64 = 1 << 20;

/// Stands for a rights file that is there and cannot be read: no text, so it hides what it governs.
const UNREADABLE: &[u8] = b"\xff the rights file cannot be read";

/// What a file is by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// A rights file.
    Rights,
    /// Probably meant for one, which it is not.
    Near,
    /// Something else.
    Other,
}

/// What a file is by its name, in a source of this format.
pub(super) fn name(format: RightsFormat, folder: &str, name: &str) -> Name {
    let near = |near: bool| if near { Name::Near } else { Name::Other };
    match format {
        RightsFormat::AccessToml if name == RIGHTS_FILE => Name::Rights,
        RightsFormat::AccessToml => near(like_access_toml(name)),
        RightsFormat::Owners => match name {
            OWNERS => Name::Rights,
            ALIASES if folder.is_empty() => Name::Rights,
            // Whoever wrote an `.access.toml` here meant it to guard something.
            _ => near(name == RIGHTS_FILE || like_owners(name) || like_access_toml(name)),
        },
        RightsFormat::Codeowners if is_place(folder, name) => Name::Rights,
        RightsFormat::Codeowners => {
            near(name == RIGHTS_FILE || like_codeowners(name) || like_access_toml(name))
        }
        RightsFormat::Posix => near(name == RIGHTS_FILE || like_access_toml(name)),
    }
}

/// Whether a member of an archive is one of the source's rights files, or was meant to be: in whichever
/// folder of the archive, because nobody can say which folder of the source that stands for.
pub(crate) fn in_an_archive(format: RightsFormat, name: &str) -> bool {
    self::name(format, "", name) != Name::Other
}

/// All rights files of a source, as its format keys them, and the folders that they were looked for in.
pub(super) fn read(
    root: &Path,
    rights: &SourceRights,
    listing: &Listing,
) -> (BTreeMap<String, Vec<u8>>, Ways) {
    let folders = listing.folders.iter().chain(&listing.unreadable_folders).map(String::as_str);
    let (mut raw, mut ways) = (BTreeMap::new(), Ways::default());
    let mut beneath = |path: &str| beneath(root, path, &mut ways);
    match rights.format {
        RightsFormat::AccessToml => raw.extend(
            folders.filter_map(|folder| Some((folder.to_owned(), beneath(&join(folder, RIGHTS_FILE))?))),
        ),
        RightsFormat::Owners => {
            let paths = folders.map(|folder| join(folder, OWNERS)).chain([ALIASES.to_owned()]);
            raw.extend(paths.filter_map(|path| {
                let bytes = beneath(&path)?;
                Some((path, bytes))
            }));
        }
        RightsFormat::Codeowners => {
            let first = PLACES.iter().find_map(|path| Some(((*path).to_owned(), beneath(path)?)));
            raw.extend(first);
        }
        RightsFormat::Posix => raw = facts::of_all(root, listing, &mut ways),
    }
    if let (Some(file), true) = (&rights.identity.file, rights.format != RightsFormat::AccessToml) {
        // Not of the source: the operator named it, wherever it is.
        let bytes = File::open(file).map_or_else(|_| UNREADABLE.to_vec(), |file| bounded(file, LONGEST));
        raw.insert(IDENTITY.to_owned(), bytes);
    }
    (raw, ways)
}

/// The bytes of a file beneath the root; `None` = there is none.
fn beneath(root: &Path, path: &str, ways: &mut Ways) -> Option<Vec<u8>> {
    let mut note = |at: &str, open: BorrowedFd<'_>| {
        if at == parent(path) {
            ways.note(at, open);
        }
        Ok(())
    };
    match open::through(root, path, &mut note) {
        Ok(file) if PLACES.contains(&path) => Some(bounded(file, CODEOWNERS_LONGEST as u64)),
        Ok(file) => Some(bounded(file, LONGEST)),
        Err(FetchError::Vanished) => None,
        Err(_) => Some(UNREADABLE.to_vec()),
    }
}

fn bounded(file: File, longest: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    match file.take(longest + 1).read_to_end(&mut bytes) {
        Ok(read) if read as u64 <= longest => bytes,
        _ => UNREADABLE.to_vec(),
    }
}

/// A name that somebody may have meant for `.access.toml`, which it is not.
fn like_access_toml(name: &str) -> bool {
    const NEAR: [&str; 8] = [
        RIGHTS_FILE,
        "access.toml",
        ".access",
        ".access.yaml",
        ".access.yml",
        ".access.json",
        ".access.txt",
        ".access.toml.txt",
    ];
    let lower = name.trim().to_lowercase();
    let slip = || lower.starts_with('.') && within(&lower, RIGHTS_FILE, 2);
    name != RIGHTS_FILE && (NEAR.contains(&lower.as_str()) || slip())
}

/// A name that somebody may have meant for `OWNERS` or `OWNERS_ALIASES`.
fn like_owners(name: &str) -> bool {
    let lower = name.trim().to_lowercase();
    let stem = [".txt", ".yaml", ".yml", "~"].iter().find_map(|ending| lower.strip_suffix(ending));
    let stem = stem.unwrap_or(&lower);
    let meant = |wanted: &str| {
        let wanted_lower = wanted.to_lowercase();
        stem == wanted_lower || (name.chars().all(|c| !c.is_lowercase()) && within(stem, &wanted_lower, 1))
    };
    meant(OWNERS) || meant(ALIASES)
}

/// A name that somebody may have meant for `CODEOWNERS`, which it is not, or not there.
fn like_codeowners(name: &str) -> bool {
    let lower = name.trim().to_lowercase();
    let stem = [".txt", ".yaml", ".yml", "~"].iter().find_map(|ending| lower.strip_suffix(ending));
    stem.unwrap_or(&lower) == "codeowners"
}

/// Whether at most so many characters are wrong, too many or missing, at the ends or within.
fn within(name: &str, wanted: &str, most: usize) -> bool {
    let (name, wanted): (Vec<char>, Vec<char>) = (name.chars().collect(), wanted.chars().collect());
    if name.len().abs_diff(wanted.len()) > most {
        return false;
    }
    // Levenshtein's distance, a row at a time.
    let mut row: Vec<usize> = (0..=wanted.len()).collect();
    for (at, c) in name.iter().enumerate() {
        let mut next = vec![at + 1];
        for ((known, above), pair) in wanted.iter().zip(row.iter().skip(1)).zip(row.iter()) {
            let left = next.last().copied().unwrap_or_default();
            next.push((left + 1).min(above + 1).min(pair + usize::from(c != known)));
        }
        row = next;
    }
    row.last().is_some_and(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_format() {
        let of = |folder: &str, file: &str| name(RightsFormat::Owners, folder, file);
        for (folder, file, is) in [
            ("", "OWNERS", Name::Rights),
            ("a/b", "OWNERS", Name::Rights),
            ("", "OWNERS_ALIASES", Name::Rights),
            ("a", "OWNERS_ALIASES", Name::Near),
            ("a", "owners", Name::Near),
            ("a", "Owners.yaml", Name::Near),
            ("a", "OWNER", Name::Near),
            ("a", "ONWERS", Name::Other),
            ("a", ".access.toml", Name::Near),
            ("a", "owners.md", Name::Other),
            ("a", "flowers", Name::Other),
            ("a", "doc.md", Name::Other),
        ] {
            assert_eq!(of(folder, file), is, "{folder}/{file}");
        }
        let of = |folder: &str, file: &str| name(RightsFormat::Codeowners, folder, file);
        for folder in ["", ".github", "docs"] {
            assert_eq!(of(folder, "CODEOWNERS"), Name::Rights);
        }
        assert_eq!((of("a", "CODEOWNERS"), of("", "codeowners")), (Name::Near, Name::Near));
        assert_eq!((of("", "OWNERS"), of("", ".access.toml")), (Name::Other, Name::Near));
        assert_eq!(name(RightsFormat::AccessToml, "", "OWNERS"), Name::Other);
        assert_eq!(name(RightsFormat::AccessToml, "", RIGHTS_FILE), Name::Rights);
        assert_eq!(name(RightsFormat::AccessToml, "", ".acces.toml"), Name::Near);
    }
}
