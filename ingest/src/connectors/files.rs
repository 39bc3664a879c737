//! A folder tree. Dot-folders are read (except `.git`), dot-files are not (except the rights file),
//! symbolic links are never followed. It must never read a byte outside its root.

use super::rights_files::{self, Name};
use super::{FetchError, Fetched, Item, Listing, Rights, RootError, SourceConnector, Stamp, Unlisted};
use super::{facts, open, stamp};
use crate::acl_mapping::{Defaults, Rules};
use kenward_access::ids::Timestamp;
use kenward_vault::writer::{RightsFormat, SourceRights, SourceSpec};
use std::fs::{Metadata, read_dir};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A folder tree as a source.
#[derive(Debug)]
pub struct FilesConnector {
    root: PathBuf,
    rights: SourceRights,
    defaults: Defaults,
}

impl FilesConnector {
    /// A connector over the folder of a source; its defaults decide where nothing in the tree says anything.
    #[must_use]
    pub fn of(spec: &SourceSpec) -> Self {
        let defaults = Defaults { allow: spec.default_allow.clone(), label: spec.label.clone() };
        Self { root: PathBuf::from(&spec.root), rights: spec.rights.clone(), defaults }
    }

    fn walk(&self, folder: &str, listing: &mut Listing, pending: &mut Vec<String>) -> std::io::Result<()> {
        let place = if folder.is_empty() { self.root.clone() } else { self.root.join(folder) };
        let mut below = Vec::new();
        for entry in read_dir(&place)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                let shown = join(folder, &name.to_string_lossy());
                listing.failures.push(Unlisted {
                    path: shown,
                    reason: "unreadable",
                    detail: "its name is not valid UTF-8; rename it",
                });
                continue;
            };
            let path = join(folder, name);
            let Ok(kind) = entry.file_type() else {
                listing.failures.push(unreadable(path));
                continue;
            };
            if kind.is_dir() {
                if name != ".git" {
                    below.push(path);
                }
                continue;
            }
            match rights_files::name(self.rights.format, folder, name) {
                // Read elsewhere.
                Name::Rights => continue,
                Name::Near => {
                    listing.near_rights.push(path);
                    continue;
                }
                // Dot-files are settings of tools, not documents.
                Name::Other if name.starts_with('.') => continue,
                Name::Other => {}
            }
            if kind.is_file() {
                // Not following: a file that turned into a link meanwhile must not lend its length.
                match entry.metadata() {
                    Ok(meta) => {
                        listing.items.push(Item { path, modified: modified(&meta), length: meta.len() })
                    }
                    Err(_) => listing.failures.push(unreadable(path)),
                }
            } else {
                listing.links.push(path);
            }
        }
        listing.folders.push(folder.to_owned());
        pending.append(&mut below);
        Ok(())
    }
}

impl SourceConnector for FilesConnector {
    fn list(&self) -> Result<Listing, RootError> {
        check_root(&self.root)?;
        let mut listing = Listing::default();
        let mut pending = vec![String::new()];
        while let Some(folder) = pending.pop() {
            if self.walk(&folder, &mut listing, &mut pending).is_err() {
                if folder.is_empty() {
                    return Err(root_error("cannot be read", "give this account read access to the folder"));
                }
                listing.failures.push(unreadable(folder.clone()));
                listing.unreadable_folders.push(folder);
            }
        }
        listing.items.sort_by(|a, b| a.path.cmp(&b.path));
        listing.failures.sort_by(|a, b| a.path.cmp(&b.path));
        listing.folders.sort();
        listing.links.sort();
        listing.near_rights.sort();
        listing.unreadable_folders.sort();
        Ok(listing)
    }

    fn rights(&self, listing: &Listing) -> Rights {
        let (raw, ways) = rights_files::read(&self.root, &self.rights, listing);
        let rules = Rules::read(&raw, &self.rights, self.defaults.clone());
        Rights { raw, rules, ways }
    }

    fn fetch(&self, item: &Item, rights: &Rights) -> Result<Fetched, FetchError> {
        let file = match self.rights.format {
            RightsFormat::Posix => facts::open_as_read(&self.root, &item.path, &rights.raw)?,
            _ => open::beneath(&self.root, &item.path)?,
        };
        let meta = stamp::settled(&file)?;
        Ok(Fetched {
            modified: modified(&meta),
            length: meta.len(),
            stamp: Stamp::of(&meta),
            rights: rights.rules.of_file(&item.path),
            file,
        })
    }

    fn still(&self, fetched: &Fetched) -> bool {
        fetched.file.metadata().is_ok_and(|meta| Stamp::of(&meta) == fetched.stamp)
    }

    fn state(&self, path: &str, rights: &Rights) -> Option<Stamp> {
        // A line of a CODEOWNERS governs a path, whatever folder that leads through.
        let all = self.rights.format != RightsFormat::Codeowners;
        let file = open::through(&self.root, path, &mut |at, open| match rights
            .ways
            .is_as_noted(at, open)
            .unwrap_or(at == path || !all)
        {
            true => Ok(()),
            false => Err(FetchError::RightsMoved),
        });
        Some(Stamp::of(&file.ok()?.metadata().ok()?))
    }
}

fn check_root(root: &Path) -> Result<(), RootError> {
    match std::fs::metadata(root) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(root_error("is not a folder", "name the folder that holds the documents")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(root_error(
            "does not exist",
            "check the spelling, or mount the disk that holds it; nothing was removed",
        )),
        Err(_) => Err(root_error("cannot be read", "give this account read access to the folder")),
    }
}

fn root_error(problem: &'static str, hint: &'static str) -> RootError {
    RootError { problem, hint }
}

fn unreadable(path: String) -> Unlisted {
    Unlisted { path, reason: "unreadable", detail: "the system refused to read it" }
}

pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn modified(meta: &Metadata) -> Timestamp {
    let Ok(time) = meta.modified() else { return Timestamp(0) };
    let millis = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
    };
    Timestamp(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::RIGHTS_FILE;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    fn connector(root: &Path) -> FilesConnector {
        let (rights, defaults) = (SourceRights::default(), Defaults::default());
        FilesConnector { root: root.to_owned(), rights, defaults }
    }

    #[test]
    fn lists_in_order_and_skips_what_is_no_document() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        for folder in ["b", "a/.notes", ".git/objects", "empty"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in
            ["b/two.md", "a/.notes/one.txt", ".git/objects/x.md", "z.txt", ".hidden", "a/.access.toml"]
        {
            fs::write(root.join(file), "x").unwrap();
        }
        let listing = connector(root).list().unwrap();
        let paths: Vec<_> = listing.items.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(paths, ["a/.notes/one.txt", "b/two.md", "z.txt"]);
        assert_eq!(listing.folders, ["", "a", "a/.notes", "b", "empty"]);
        assert_eq!(listing, connector(root).list().unwrap());
    }

    #[test]
    fn names_that_were_meant_for_the_rights_file_are_told() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("a")).unwrap();
        let near = [
            ".ACCESS.toml",
            ".acces.toml",
            ".access",
            ".access.tml",
            ".access.toml ",
            ".access.toml~",
            ".access.yaml",
            "a/.Access.Toml",
            "access.toml",
        ];
        for file in near.iter().chain(&[
            ".access.toml",
            "a/.accessories",
            ".access.toml.swp",
            "a/doc.md",
            "success.toml",
        ]) {
            fs::write(tree.path().join(file), "").unwrap();
        }
        let listing = connector(tree.path()).list().unwrap();
        assert_eq!(listing.near_rights, near);
        let documents: Vec<_> = listing.items.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(documents, ["a/doc.md", "success.toml"]);
    }

    #[test]
    fn links_are_reported_and_never_read() {
        let tree = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.txt"), "secret").unwrap();
        let root = tree.path();
        std::os::unix::fs::symlink(outside.path(), root.join("out")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.txt"), root.join("link.txt")).unwrap();
        std::os::unix::fs::symlink(root, root.join("loop")).unwrap();
        let connector = connector(root);
        let listing = connector.list().unwrap();
        assert!(listing.items.is_empty());
        assert_eq!(listing.links, ["link.txt", "loop", "out"]);
        let rights = connector.rights(&listing);
        for path in ["link.txt", "out/secret.txt", "../x", "loop/loop/link.txt", "/etc/hostname"] {
            let item = Item { path: path.to_owned(), modified: Timestamp(0), length: 0 };
            assert!(connector.fetch(&item, &rights).is_err(), "{path} was opened");
        }
    }

    #[test]
    fn a_rights_file_that_is_a_link_hides_the_folder() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        fs::write(root.join("doc.md"), "x").unwrap();
        fs::write(root.join("rights"), "allow = [\"everyone\"]").unwrap();
        std::os::unix::fs::symlink(root.join("rights"), root.join(RIGHTS_FILE)).unwrap();
        let connector = connector(root);
        let rights = connector.rights(&connector.list().unwrap());
        assert!(rights.rules.of_file("doc.md").spec.problem.is_some());
    }

    #[test]
    fn a_name_that_is_not_utf8_is_a_failure() {
        let tree = tempfile::tempdir().unwrap();
        let name = std::ffi::OsStr::from_bytes(b"bad\xff.txt");
        fs::write(tree.path().join(name), "x").unwrap();
        let listing = connector(tree.path()).list().unwrap();
        assert!(listing.items.is_empty());
        assert_eq!(listing.failures.len(), 1);
        assert!(listing.failures[0].detail.contains("UTF-8"));
    }

    #[test]
    fn a_missing_root_says_what_to_do() {
        let tree = tempfile::tempdir().unwrap();
        let error = connector(&tree.path().join("gone")).list().unwrap_err();
        assert_eq!(error.problem, "does not exist");
        fs::write(tree.path().join("file"), "x").unwrap();
        assert_eq!(connector(&tree.path().join("file")).list().unwrap_err().problem, "is not a folder");
    }
}
