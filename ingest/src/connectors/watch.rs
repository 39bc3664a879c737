//! Watching a folder tree: which paths something happened to since the last look. It says where to look,
//! never what is there: whoever asks lists and reads for themselves. What it cannot say for sure (events that
//! were lost, a folder that cannot be watched) it says as "everything may have changed".
//!
//! A file that the rights go by and that lies outside of the tree (a list of names) is looked at by its place: that
//! tells of a replacement, of a link that leads elsewhere and of a disk that came or went alike.
//!
//! On Linux it uses inotify: one watch per folder, folders that come are watched when they come. Elsewhere
//! there is nothing to watch with, and the caller has to look by the clock.

use std::collections::BTreeSet;

/// What happened since the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Files and folders that something happened to, `/`-separated from the root. Of a folder: to anything
    /// in it.
    pub paths: BTreeSet<String>,
    /// Events were lost, or folders are not watched: anything may have changed.
    pub everything: bool,
    /// Rights may have changed though nothing in the tree did: those of the root, or the file outside of it.
    pub rights: bool,
}

impl Seen {
    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.everything && !self.rights
    }

    /// Adds what happened later.
    pub fn add(&mut self, later: Self) {
        self.paths.extend(later.paths);
        self.everything |= later.everything;
        self.rights |= later.rights;
        // A list so long is no help any more.
        if self.everything || self.paths.len() > MOST_PATHS {
            self.everything = true;
            self.paths.clear();
        }
    }
}

/// More paths than this are as good as everything.
const MOST_PATHS: usize = 50_000;

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The root cannot be watched.
    #[error("the folder cannot be watched")]
    Root(#[source] std::io::Error),
    /// The system allows no more watches.
    #[error("the system allows no more watches; hint: raise `fs.inotify.max_user_watches`")]
    TooMany,
    /// This system has nothing to watch with.
    #[error("folders are watched on Linux only")]
    NotHere,
}

#[cfg(target_os = "linux")]
pub use linux::FolderWatch;

/// A watched folder tree, on systems that have nothing to watch with.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct FolderWatch(std::convert::Infallible);

#[cfg(not(target_os = "linux"))]
impl FolderWatch {
    /// Refuses.
    ///
    /// # Errors
    /// [`WatchError::NotHere`].
    pub fn open(_: std::path::PathBuf, _: Option<std::path::PathBuf>) -> Result<Self, WatchError> {
        Err(WatchError::NotHere)
    }

    /// Refuses.
    ///
    /// # Errors
    /// [`WatchError::NotHere`].
    pub fn look(&mut self) -> Result<Seen, WatchError> {
        Err(WatchError::NotHere)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Seen, WatchError};
    use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
    use rustix::io::Errno;
    use std::collections::HashMap;
    use std::fs::read_dir;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};

    /// A watched folder tree.
    #[derive(Debug)]
    pub struct FolderWatch {
        root: PathBuf,
        queue: OwnedFd,
        folders: HashMap<i32, String>,
        /// The file outside, and as what it was last seen.
        outside: Option<(PathBuf, Place)>,
    }

    /// Which file is at a place, in which state; `None` if none can be seen there. Two states within one tick of the
    /// system's clock may look alike: whoever is told reads later than that.
    type Place = Option<[i64; 6]>;

    fn place(path: &Path) -> Place {
        let meta = std::fs::metadata(path).ok()?;
        let which = [meta.dev().cast_signed(), meta.ino().cast_signed(), meta.len().cast_signed()];
        let [dev, ino, length] = which;
        Some([dev, ino, length, meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()])
    }

    impl FolderWatch {
        /// Watches a folder and all below it, `.git` and what links lead to left out; and a file outside of it,
        /// which need not be there.
        ///
        /// # Errors
        /// [`WatchError`].
        pub fn open(root: PathBuf, outside: Option<PathBuf>) -> Result<Self, WatchError> {
            let queue = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)
                .map_err(|errno| WatchError::Root(errno.into()))?;
            let outside = outside.map(|path| (path.clone(), place(&path)));
            let mut watch = Self { root, queue, folders: HashMap::new(), outside };
            watch.add(String::new()).map_err(refused)?;
            watch.add_below("")?;
            Ok(watch)
        }

        fn add(&mut self, folder: String) -> Result<(), Errno> {
            let place = self.place(&folder);
            // The root may be a link, like everywhere: it is what the operator named.
            let no_links = if folder.is_empty() { WatchFlags::empty() } else { WatchFlags::DONT_FOLLOW };
            let what = WatchFlags::MODIFY
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::ATTRIB
                | WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::MOVE
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR
                | no_links;
            let number = add_watch(&self.queue, &place, what)?;
            self.folders.insert(number, folder);
            Ok(())
        }

        fn place(&self, folder: &str) -> PathBuf {
            if folder.is_empty() { self.root.clone() } else { self.root.join(folder) }
        }

        /// Watches the folders below one that is watched. What goes away meanwhile is told by its parent.
        fn add_below(&mut self, folder: &str) -> Result<(), WatchError> {
            let mut pending = vec![folder.to_owned()];
            while let Some(folder) = pending.pop() {
                let Ok(entries) = read_dir(self.place(&folder)) else { continue };
                for entry in entries.flatten() {
                    let name = entry.file_name();
                    let (Some(name), Ok(kind)) = (name.to_str(), entry.file_type()) else { continue };
                    if kind.is_dir() && name != ".git" {
                        let path = join(&folder, name);
                        match self.add(path.clone()) {
                            Ok(()) => pending.push(path),
                            Err(Errno::NOSPC) => return Err(WatchError::TooMany),
                            // Not readable, or gone: the listing tells.
                            Err(_) => {}
                        }
                    }
                }
            }
            Ok(())
        }

        /// What happened since the last look. It does not wait.
        ///
        /// # Errors
        /// The watch is of no more use: open another one, and look at everything.
        pub fn look(&mut self) -> Result<Seen, WatchError> {
            let mut events = Vec::new();
            let mut buffer = [MaybeUninit::uninit(); 1 << 14];
            let mut reader = Reader::new(&self.queue, &mut buffer);
            loop {
                match reader.next() {
                    Ok(event) => {
                        let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
                        events.push((event.wd(), event.events(), name));
                    }
                    Err(Errno::WOULDBLOCK) => break,
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(WatchError::Root(errno.into())),
                }
            }
            let mut seen = Seen::default();
            for (number, what, name) in events {
                self.note(number, what, name, &mut seen)?;
            }
            if let Some((path, before)) = &mut self.outside {
                let now = place(path);
                seen.rights |= *before != now;
                *before = now;
            }
            Ok(seen)
        }

        fn note(
            &mut self,
            number: i32,
            what: ReadFlags,
            name: Option<String>,
            seen: &mut Seen,
        ) -> Result<(), WatchError> {
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                seen.add(Seen { everything: true, ..Seen::default() });
                // Folders may have come unseen.
                return self.add_below("");
            }
            let Some(folder) = self.folders.get(&number).cloned() else { return Ok(()) };
            if what.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT) {
                self.folders.remove(&number);
                if folder.is_empty() {
                    return Err(WatchError::Root(std::io::ErrorKind::NotFound.into()));
                }
                return Ok(());
            }
            if folder.is_empty() && what.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
                return Err(WatchError::Root(std::io::ErrorKind::NotFound.into()));
            }
            // What happens to a folder itself is told by its parent, too; but the root's is not watched.
            let Some(name) = name else {
                seen.rights |= folder.is_empty() && what.contains(ReadFlags::ATTRIB);
                return Ok(());
            };
            if name == ".git" {
                return Ok(());
            }
            let path = join(&folder, &name);
            if what.contains(ReadFlags::ISDIR) {
                if what.intersects(ReadFlags::MOVED_FROM | ReadFlags::DELETE) {
                    self.forget(&path);
                }
                if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                    match self.add(path.clone()) {
                        Ok(()) => self.add_below(&path)?,
                        Err(Errno::NOSPC) => return Err(WatchError::TooMany),
                        Err(_) => {}
                    }
                }
            }
            seen.add(Seen { paths: std::iter::once(path).collect(), ..Seen::default() });
            Ok(())
        }

        /// Watches of a folder that moved would tell of a place where it is no more.
        fn forget(&mut self, path: &str) {
            let gone: Vec<i32> = self
                .folders
                .iter()
                .filter(|(_, folder)| {
                    folder.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
                .map(|(number, _)| *number)
                .collect();
            for number in gone {
                self.folders.remove(&number);
                // Gone by itself if the folder is.
                let _ = rustix::fs::inotify::remove_watch(&self.queue, number);
            }
        }
    }

    fn refused(errno: Errno) -> WatchError {
        if errno == Errno::NOSPC { WatchError::TooMany } else { WatchError::Root(errno.into()) }
    }

    fn join(folder: &str, name: &str) -> String {
        if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::collections::BTreeSet;
        use std::fs;

        fn paths(seen: &Seen) -> Vec<&str> {
            seen.paths.iter().map(String::as_str).collect()
        }

        #[test]
        fn what_happens_anywhere_below_is_seen_also_in_folders_that_come() {
            let tree = tempfile::tempdir().unwrap();
            let outside = tempfile::tempdir().unwrap();
            let root = tree.path();
            fs::create_dir_all(root.join("a/deep")).unwrap();
            fs::create_dir_all(root.join(".git/objects")).unwrap();
            std::os::unix::fs::symlink(outside.path(), root.join("link")).unwrap();
            std::os::unix::fs::symlink(root, root.join("a/loop")).unwrap();
            let mut watch = FolderWatch::open(root.to_owned(), None).unwrap();
            assert!(watch.look().unwrap().is_empty());

            fs::write(root.join("a/deep/one.md"), "x").unwrap();
            fs::write(root.join(".git/objects/x"), "x").unwrap();
            fs::write(outside.path().join("secret.md"), "x").unwrap();
            assert_eq!(paths(&watch.look().unwrap()), ["a/deep/one.md"]);

            fs::create_dir_all(root.join("b/c")).unwrap();
            assert!(watch.look().unwrap().paths.contains("b"));
            fs::write(root.join("b/c/two.md"), "x").unwrap();
            assert_eq!(paths(&watch.look().unwrap()), ["b/c/two.md"]);

            // Moved: seen at its new place from then on, and at its old one no more.
            fs::rename(root.join("b"), root.join("a/b")).unwrap();
            let moved = watch.look().unwrap();
            assert!(moved.paths.is_superset(&BTreeSet::from(["b".to_owned(), "a/b".to_owned()])));
            fs::write(root.join("a/b/c/two.md"), "y").unwrap();
            assert_eq!(paths(&watch.look().unwrap()), ["a/b/c/two.md"]);

            fs::remove_dir_all(root.join("a/b")).unwrap();
            assert!(watch.look().unwrap().paths.contains("a/b"));
            fs::set_permissions(
                root.join("a/deep/one.md"),
                std::os::unix::fs::PermissionsExt::from_mode(0o600),
            )
            .unwrap();
            assert_eq!(paths(&watch.look().unwrap()), ["a/deep/one.md"], "rights may be in its mode");
        }

        #[test]
        fn rights_that_are_not_in_the_tree_are_seen_to_change() {
            let (tree, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (root, list) = (tree.path(), elsewhere.path().join("names.toml"));
            let mut watch = FolderWatch::open(root.to_owned(), Some(list.clone())).unwrap();
            let mut rights = |what: &str| {
                let seen = watch.look().unwrap();
                assert_eq!(seen, Seen { rights: true, ..Seen::default() }, "{what}");
                assert!(watch.look().unwrap().is_empty(), "{what}");
            };
            fs::write(&list, "other = 'everyone'").unwrap();
            rights("it came");
            fs::write(&list, "").unwrap();
            rights("it was written");
            let mode = |path: &Path, mode| {
                fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
            };
            fs::write(elsewhere.path().join("new"), "").unwrap();
            fs::rename(elsewhere.path().join("new"), &list).unwrap();
            rights("it was replaced");
            // As systems do that swap a whole folder of settings.
            for folder in ["1", "2"] {
                fs::create_dir(elsewhere.path().join(folder)).unwrap();
                fs::write(elsewhere.path().join(folder).join("names.toml"), folder).unwrap();
            }
            let link = |to: &str, from: &str| {
                std::os::unix::fs::symlink(to, elsewhere.path().join(from)).unwrap();
            };
            link("1", "now");
            fs::remove_file(&list).unwrap();
            link("now/names.toml", "names.toml");
            rights("it is a link");
            link("2", "next");
            fs::rename(elsewhere.path().join("next"), elsewhere.path().join("now")).unwrap();
            rights("what it leads to is another one");
            fs::remove_dir_all(elsewhere.path().join("2")).unwrap();
            rights("it leads nowhere");
            mode(root, 0o700);
            rights("the root's own mode");
        }

        #[test]
        fn a_root_that_goes_ends_the_watch_and_a_full_queue_means_everything() {
            let tree = tempfile::tempdir().unwrap();
            let root = tree.path().join("root");
            fs::create_dir(&root).unwrap();
            let most: usize =
                fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
            let mut watch = FolderWatch::open(root.clone(), None).unwrap();
            if most <= 100_000 {
                for n in 0..=most / 2 {
                    // Two different events each, so that none is merged with the one before.
                    fs::write(root.join(format!("{}.md", n % 7)), "x").unwrap();
                }
                assert!(watch.look().unwrap().everything);
                assert!(watch.look().unwrap().is_empty());
            }
            fs::remove_dir_all(&root).unwrap();
            assert!(matches!(watch.look(), Err(WatchError::Root(_))));
        }
    }
}
