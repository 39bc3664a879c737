//! Owner, group, mode and ACL from the file system, read from what is open: the rights of the very thing whose
//! bytes are read. It must never take an ACL that cannot be read for none.

use super::{FetchError, Listing, Ways, open};
use crate::acl_mapping::{OTHER_ACL, UNREADABLE, encode};
use rustix::fs::{fgetxattr, fgetxattr_query, fstat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// As many bytes as an extended attribute has at most.
const LONGEST: usize = 1 << 16;
const ACL: &str = "system.posix_acl_access";
/// ACLs of other kinds, which say more than a mode can.
const OTHERS: [&str; 2] = ["system.nfs4_acl", "system.richacl"];

/// What an open file or folder says.
fn of(open: BorrowedFd<'_>) -> Vec<u8> {
    let Ok(stat) = fstat(open) else { return UNREADABLE.to_vec() };
    for name in OTHERS {
        match fgetxattr_query(open, name) {
            Err(error) if is_none(error) => {}
            Ok(_) => return OTHER_ACL.to_vec(),
            Err(_) => return UNREADABLE.to_vec(),
        }
    }
    let mut acl = match fgetxattr_query(open, ACL) {
        Ok(length) => vec![0; length.min(LONGEST)],
        Err(error) if is_none(error) => return encode(stat.st_mode, stat.st_uid, stat.st_gid, None),
        Err(_) => return UNREADABLE.to_vec(),
    };
    // One that grew in between does not fit, and is an error.
    match fgetxattr(open, ACL, acl.as_mut_slice()) {
        Ok(length) => encode(stat.st_mode, stat.st_uid, stat.st_gid, acl.get(..length)),
        Err(_) => UNREADABLE.to_vec(),
    }
}

/// There is no such attribute, or the file system keeps none.
fn is_none(error: Errno) -> bool {
    matches!(error, Errno::NODATA | Errno::OPNOTSUPP)
}

/// All that a listing names: path → facts.
pub(super) fn of_all(root: &Path, listing: &Listing, ways: &mut Ways) -> BTreeMap<String, Vec<u8>> {
    let folders = listing.folders.iter().chain(&listing.unreadable_folders).map(|path| (path, true));
    let files = listing.items.iter().map(|item| (&item.path, false));
    let mut all = BTreeMap::new();
    for (path, is_folder) in folders.chain(files) {
        let mut last = UNREADABLE.to_vec();
        let opened = open::walk(root, path, is_folder, &mut |at, open| {
            if at == path {
                last = of(open);
                ways.note(at, open);
            }
            Ok(())
        });
        all.insert(path.clone(), if opened.is_ok() { last } else { UNREADABLE.to_vec() });
    }
    all
}

/// Opens a file whose rights, and those of all folders on the way, are still what was read.
///
/// INVARIANT: bytes never come without their rights. Another file may have been moved to this path since.
pub(super) fn open_as_read(
    root: &Path,
    path: &str,
    read: &BTreeMap<String, Vec<u8>>,
) -> Result<File, FetchError> {
    let file = open::walk(root, path, false, &mut |at, open| {
        if read.get(at).is_some_and(|before| *before == of(open)) {
            Ok(())
        } else {
            Err(FetchError::RightsMoved)
        }
    })?;
    let file = File::from(file);
    let plain = file.metadata().map_err(FetchError::Io)?.is_file();
    if plain { Ok(file) } else { Err(FetchError::NotAFile) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::files::join;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_read_only_while_it_and_its_folders_are_what_they_were() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/x.md"), "x").unwrap();
        std::fs::write(root.join("a/other"), "y").unwrap();
        let listing = Listing {
            folders: vec![String::new(), "a".into(), "a/b".into()],
            items: vec![crate::connectors::Item {
                path: join("a/b", "x.md"),
                modified: kenward_access::ids::Timestamp(0),
                length: 1,
            }],
            ..Listing::default()
        };
        let read = of_all(root, &listing, &mut Ways::default());
        assert_eq!(read.len(), 4);
        assert!(read.values().all(|facts| facts.first() == Some(&b'p')), "{read:?}");
        let open = || open_as_read(root, "a/b/x.md", &read);
        assert!(open().is_ok());
        let mode = |path: &str, mode: u32| {
            std::fs::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for path in ["a/b/x.md", "a/b", "a", ""] {
            let before = std::fs::metadata(root.join(path)).unwrap().permissions().mode();
            mode(path, 0o751);
            assert!(matches!(open(), Err(FetchError::RightsMoved)), "{path}");
            mode(path, before);
            assert!(open().is_ok(), "{path}");
        }
        // Another file in its place.
        mode("a/other", 0o600);
        std::fs::rename(root.join("a/other"), root.join("a/b/x.md")).unwrap();
        assert!(matches!(open(), Err(FetchError::RightsMoved)));
    }
}
