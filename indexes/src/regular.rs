//! Opening what must be a file: a pipe or a device under its name would be waited for, or read without end. It must
//! never follow what such a thing says.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Opens a file.
///
/// # Errors
/// Those of the system, and [`io::ErrorKind::InvalidInput`] where something else than a file is there.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    File::open(path)
}

/// A file, whole.
///
/// # Errors
/// As [`open`].
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, file) = (folder.path().join("pipe"), folder.path().join("file"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        std::fs::write(&file, "words").unwrap();
        assert_eq!(read(&file).unwrap(), b"words");
        assert_eq!(read(&pipe).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(read(folder.path()).is_err());
        assert_eq!(crate::KeyPlace::File(pipe).read(), None);
        assert_eq!(crate::KeyPlace::File(file).read().unwrap(), "words");
    }
}
