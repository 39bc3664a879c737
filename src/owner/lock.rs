//! The lock of a `data_dir`: who holds it owns the data. The operating system drops it with the
//! process, so it is never stale; the pid inside is for messages only and never trusted.

use super::BackendError;
use rustix::fs::{Mode, OFlags};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct DataLock {
    file: File,
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("lock")
}

/// Makes the folder if it is not there, and sees to it that nobody else can look into it.
pub(super) fn prepare(data_dir: &Path) -> Result<(), BackendError> {
    let refused = |problem: String, hint: &'static str| BackendError::DataDir {
        data_dir: data_dir.to_owned(),
        problem: problem.into(),
        hint,
    };
    let reached = std::fs::metadata(data_dir);
    if let Err(error) = &reached
        && error.kind() == std::io::ErrorKind::PermissionDenied
    {
        return Err(refused(
            format!("cannot be reached ({error})"),
            "it, or a folder above it, belongs to somebody else: ask them, or choose another with `data_dir` or `--data-dir`",
        ));
    }
    let made = reached.or_else(|_| {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir)?;
        std::fs::metadata(data_dir)
    });
    let metadata = made.map_err(|error| {
        refused(
            format!("cannot be made ({error})"),
            "choose another folder with `data_dir` or `--data-dir`, or make it writable",
        )
    })?;
    if !metadata.is_dir() {
        return Err(refused("is not a folder".to_owned(), "choose another place with `data_dir`"));
    }
    // INVARIANT: nothing of the data can be read around the gate by another user of this machine.
    if metadata.mode() & 0o077 != 0 {
        return Err(refused(
            format!("can be read by others (mode {:03o})", metadata.mode() & 0o777),
            "close it with `chmod 700`, or choose a folder of its own for the data",
        ));
    }
    Ok(())
}

impl DataLock {
    /// Takes the lock, unless another process has it (`None`).
    pub(super) fn try_take(data_dir: &Path) -> Result<Option<Self>, BackendError> {
        prepare(data_dir)?;
        let unwritable = |error: std::io::Error| BackendError::DataDir {
            data_dir: data_dir.to_owned(),
            problem: format!("cannot be written ({error})").into(),
            hint: if error.kind() == std::io::ErrorKind::StorageFull {
                "the disk is full: free some space and run the same command again"
            } else {
                "check its owner and mode, or choose another with `data_dir` or `--data-dir`"
            },
        };
        let mut file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path(data_dir))
            .map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let noted = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        noted.map_err(unwritable)?;
        Ok(Some(Self { file }))
    }
}

impl Drop for DataLock {
    fn drop(&mut self) {
        // The pid would be misleading once nobody holds the lock; closing the file unlocks it.
        let _ = self.file.set_len(0);
    }
}

/// The pid that the lock's holder wrote, for a message.
pub(super) fn holder(data_dir: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path(data_dir)).ok()?.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Makes a folder that only this user can use, or finds it again; anything else there is refused.
pub(super) fn private_folder(folder: &Path) -> std::io::Result<()> {
    match rustix::fs::mkdir(folder, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let opened = rustix::fs::open(folder, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&opened)?;
    if stat.st_uid != rustix::process::getuid().as_raw() || stat.st_mode & 0o077 != 0 {
        return Err(std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            "the folder for sockets belongs to somebody else or is open to others",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let lock = DataLock::try_take(&data).unwrap().unwrap();
        assert_eq!(holder(&data), Some(std::process::id()));
        assert!(DataLock::try_take(&data).unwrap().is_none());
        drop(lock);
        assert_eq!(holder(&data), None);
        assert!(DataLock::try_take(&data).unwrap().is_some());
        assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = DataLock::try_take(dir.path()).unwrap_err();
        assert!(error.to_string().contains("755"), "{error}");
        assert!(error.hint().unwrap().contains("chmod 700"));
    }

    #[test]
    fn a_folder_for_sockets_is_ours_alone_and_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, link) = (dir.path().join("sockets"), dir.path().join("link"));
        private_folder(&folder).unwrap();
        private_folder(&folder).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(private_folder(&link).is_err());
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = private_folder(&folder).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let below = DataLock::try_take(&file.join("data")).unwrap_err();
        assert!(below.to_string().contains("cannot be made"), "{below}");
        let itself = DataLock::try_take(&file).unwrap_err();
        assert!(itself.to_string().contains("not a folder"), "{itself}");
    }
}
