//! Where the control socket lies: in `data_dir`, or, if that path is longer than a socket's may be,
//! in a private runtime folder, with a link file in `data_dir` that says where.

use super::lock::private_folder;
use crate::config::place::runtime_home;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket in bytes, on the strictest system served.
const LONGEST: usize = 103;

fn plain(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

fn link(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock.link")
}

/// Where the owner's socket is, as far as can be told.
pub(super) fn find(data_dir: &Path) -> PathBuf {
    // `data_dir` is 0700 and ours, so the link file is as good as our own word.
    match std::fs::read_to_string(link(data_dir)) {
        Ok(text) if Path::new(text.trim()).is_absolute() => PathBuf::from(text.trim()),
        _ => plain(data_dir),
    }
}

/// A listening socket; its files go when it is dropped.
#[derive(Debug)]
pub(super) struct Bound {
    socket: PathBuf,
    link: Option<PathBuf>,
}

/// Binds the socket. The caller holds the lock, so whatever lies there is a dead owner's.
pub(super) fn bind(data_dir: &Path) -> io::Result<(Bound, UnixListener)> {
    let old = find(data_dir);
    remove(&old)?;
    remove(&link(data_dir))?;
    let here = plain(data_dir);
    let bound = if here.as_os_str().len() <= LONGEST {
        remove(&here)?;
        Bound { socket: here, link: None }
    } else {
        let socket = runtime_folder()?.join(format!("{}.sock", random_name()?));
        let link = link(data_dir);
        std::fs::write(&link, socket.to_string_lossy().as_bytes())?;
        Bound { socket, link: Some(link) }
    };
    let listener = UnixListener::bind(&bound.socket)?;
    // The folder is 0700 already; the mode says it again for whoever opens the folder to a group.
    std::fs::set_permissions(&bound.socket, std::fs::Permissions::from_mode(0o600))?;
    Ok((bound, listener))
}

impl Bound {
    /// Where it listens.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
        if let Some(link) = &self.link {
            let _ = std::fs::remove_file(link);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn runtime_folder() -> io::Result<PathBuf> {
    let folder = match runtime_home() {
        Some(home) => home.join("kenward"),
        None => PathBuf::from(format!("/tmp/kenward-{}", rustix::process::getuid().as_raw())),
    };
    private_folder(&folder)?;
    Ok(folder)
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_short_path_is_used_as_it_is_and_cleaned_up() {
        let dir = tempfile::tempdir().unwrap();
        let (bound, _listener) = bind(dir.path()).unwrap();
        let socket = find(dir.path());
        assert_eq!(socket, dir.path().join("control.sock"));
        UnixStream::connect(&socket).unwrap();
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        drop(bound);
        assert!(!socket.exists());
    }

    #[test]
    fn a_long_path_goes_elsewhere_with_a_link_and_a_dead_owners_files_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("a".repeat(150));
        std::fs::create_dir(&long).unwrap();
        let (bound, listener) = bind(&long).unwrap();
        let first = find(&long);
        assert_ne!(first, plain(&long));
        UnixStream::connect(&first).unwrap();
        // As after a kill: the files stay, nobody listens.
        drop(listener);
        std::mem::forget(bound);
        let (_bound, _listener) = bind(&long).unwrap();
        let second = find(&long);
        assert!(first != second && !first.exists());
        UnixStream::connect(&second).unwrap();
    }
}
