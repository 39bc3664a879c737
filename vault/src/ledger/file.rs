//! The ledger's file: appended to, taken up where the catalog says that it was left, put back whole where its name was
//! taken from it. It must never be mended silently, and never touch a file that is not certainly its own: what cannot
//! be trusted is refused, or begun anew so that everybody can see it.

use super::chain::{Since, Tip, Walked, untrusted, walk};
use super::{Entry, Narrowed, Place};
use crate::error::VaultError;
use crate::keys::Ring;
use kenward_access::ids::Timestamp;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Its name under `keys/`, unless the configuration puts it elsewhere.
pub(crate) const FILE: &str = "rights.ledger";
/// What to do about a configuration that names something else.
const OF_ITS_OWN: &str = "set `backup.ledger` to a file of its own, which need not be there yet";

/// The ledger, open for appending.
pub(crate) struct Ledger {
    path: PathBuf,
    /// Where that led when it was opened: it may be a link to another disk.
    real: PathBuf,
    file: File,
    tip: Tip,
    /// Something could not be written: the next entry begins it anew.
    broken: bool,
}

/// What lies under the ledger's name.
enum There {
    Ours,
    Nothing,
    Other(Metadata),
}

/// Opens the file, made if it is not there. Nothing but a plain file is opened: a device has no end, and a pipe waits.
fn open(path: &Path) -> Result<File, VaultError> {
    let plain = |found: &Metadata| match found.is_file() {
        true => Ok(()),
        false => Err(VaultError::mismatch(
            format!("`{}` is no plain file, so it cannot be the rights ledger", path.display()),
            OF_ITS_OWN,
        )),
    };
    match fs::metadata(path) {
        Ok(found) => plain(&found)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(VaultError::io("opening", path)(error)),
    }
    let mut how = fs::OpenOptions::new();
    how.read(true).append(true).create(true).mode(0o600);
    let file = how.open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => VaultError::mismatch(
            format!("the folder of the rights ledger {} is not there", path.display()),
            "make it, or mount its disk: an empty folder in its place would be a lost ledger",
        ),
        _ => VaultError::io("opening", path)(error),
    })?;
    plain(&file.metadata().map_err(VaultError::io("opening", path))?)?;
    Ok(file)
}

fn lock(file: &File, path: &Path) -> Result<(), VaultError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(VaultError::mismatch(
            format!("another process writes the rights ledger {}", path.display()),
            "give every folder of data a ledger of its own (`backup.ledger`)",
        )),
        Err(TryLockError::Error(error)) => Err(VaultError::io("locking", path)(error)),
    }
}

pub(super) fn sync_above(path: &Path) -> Result<(), VaultError> {
    let Some(dir) = path.parent() else { return Ok(()) };
    File::open(dir).and_then(|d| d.sync_all()).map_err(VaultError::io("syncing", dir))
}

/// A file's name with more behind it, for another one beside it.
pub(super) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(more);
    name.into()
}

/// Removes a file, if it is there.
pub(super) fn clear(path: &Path) -> Result<(), VaultError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(VaultError::io("removing", path)(error)),
        _ => Ok(()),
    }
}

impl Ledger {
    /// Opens or makes it. `recorded` is where the catalog left it: a place that must be in it; `None` = it must begin
    /// anew. Gives it, whether it began now, and what it has that the catalog has not: of a transaction that did not
    /// come to its end, or because the catalog is an older one.
    ///
    /// # Errors
    /// [`VaultError::Damaged`], [`VaultError::Mismatch`] if it is something else or another process has it,
    /// [`VaultError::Io`].
    pub(crate) fn open(
        path: &Path,
        keys: &Ring,
        recorded: Option<&Place>,
        now: Timestamp,
    ) -> Result<(Self, bool, Since), VaultError> {
        let fresh = !path.exists();
        let file = open(path)?;
        lock(&file, path)?;
        if fresh {
            sync_above(path)?;
        }
        let mut found = recorded.is_none();
        let (mut behind, mut taken) = (Since::default(), false);
        let (mut before, mut unsaid) = (Vec::new(), false);
        let mut each = |place: &Place, entry: Entry| {
            unsaid = !entry.done;
            if recorded.is_some() && found {
                taken |= entry.taken;
                // What no entry says was committed was cut off, or failed: the catalog is none the older for it. Once one
                // says so, it is older, and of those before that one nobody knows: they narrow, too.
                match entry.done {
                    true => before.drain(..).for_each(|entry| behind.add(entry)),
                    false => before.push(entry),
                }
            }
            found |= Some(place) == recorded;
        };
        let walked = walk(&file, &|print| keys.named(print), &mut each);
        let (tip, torn) = match walked.map_err(VaultError::io("reading", path))? {
            Walked::Chain { tip, torn } => (tip, torn),
            Walked::Broken => return Err(untrusted(path, "its chain does not hold")),
            Walked::Foreign => {
                return Err(VaultError::mismatch(
                    format!(
                        "`{}` holds something else than a rights ledger, and was left as it is",
                        path.display()
                    ),
                    OF_ITS_OWN,
                ));
            }
        };
        let empty = tip.seq == 0;
        if taken {
            return Err(VaultError::mismatch(
                format!(
                    "the rights ledger {} goes on with a folder that was restored from a backup of this data",
                    path.display()
                ),
                "that folder has taken the place of this one; if this one is to be used besides, give it a ledger of its own \
                 (`backup.ledger`)",
            ));
        }
        if !found && !empty {
            return Err(VaultError::damaged(
                format!("the rights ledger {} (it is older than the data, or of other data)", path.display()),
                "put back the newest copy of it. A restored folder has its own in `keys/rights.ledger`: copy that here if it takes \
                 the place of the other data, else give it a ledger of its own (`backup.ledger`)",
            ));
        }
        if torn > 0 {
            // Its transaction never committed: an entry is durable before that.
            tracing::warn!(bytes = torn, "an unfinished last entry of the rights ledger was cut off");
            file.set_len(tip.length)
                .and_then(|()| file.sync_all())
                .map_err(VaultError::io("mending", path))?;
        }
        if !found {
            tracing::warn!(
                "the rights ledger is missing and begins anew: earlier backups are restored without it"
            );
        }
        let real = fs::canonicalize(path).map_err(VaultError::io("opening", path))?;
        let mut ledger = Self { path: path.to_owned(), real, file, tip, broken: false };
        let begins = empty || recorded.is_none();
        if begins {
            ledger.write(&keys.current(), &Entry { begun: true, ..Entry::empty(now) })?;
        } else if unsaid && recorded == Some(&ledger.place()) {
            // The catalog has it: a crash came between, or took what was not synced.
            ledger.done(keys, now);
        }
        Ok((ledger, begins, behind))
    }

    /// Where it ends.
    pub(crate) fn place(&self) -> Place {
        self.tip.place()
    }

    /// Whether something could not be written, so that it begins anew.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether what is written lies where it belongs. It looks, and changes nothing.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(crate) fn standing(&self) -> Result<(), VaultError> {
        if self.broken {
            return Err(VaultError::mismatch(
                format!("something could not be written to the rights ledger {}", self.path.display()),
                "see to its disk, owner and mode: with the next change of rights it begins anew; then make a backup",
            ));
        }
        match self.there()? {
            There::Ours => self.is_as_it_was_left(),
            There::Nothing => Err(VaultError::mismatch(
                format!("the rights ledger {} was removed while it is in use", self.path.display()),
                "the next change of rights puts it back whole, or `kenward doctor --deep --repair`; stop no server before",
            )),
            There::Other(_) => Err(self.replaced()),
        }
    }

    /// Appends, durably, to the file that has the ledger's name. After an error it begins anew with the next entry.
    ///
    /// # Errors
    /// [`VaultError`]: it is not in the ledger.
    pub(crate) fn append(
        &mut self,
        keys: &Ring,
        at: Timestamp,
        narrowed: Narrowed,
    ) -> Result<(), VaultError> {
        if let Err(error) = self.settle(keys) {
            // What was to be written is not in it: there is a gap.
            self.broken |= !narrowed.is_empty();
            return Err(error);
        }
        let key = keys.current();
        if self.broken {
            self.write(&key, &Entry { begun: true, ..Entry::empty(at) })?;
            self.broken = false;
            tracing::warn!("the rights ledger begins anew: earlier backups are restored without it");
        }
        if narrowed.is_empty() {
            return Ok(());
        }
        self.write(&key, &Entry { narrowed, ..Entry::empty(at) })?;
        // INVARIANT: what is acknowledged is in the file that has the name, not in one that has lost it meanwhile.
        self.settle(keys)?;
        if self.broken { Err(untrusted(&self.path, "it could not be put back whole")) } else { Ok(()) }
    }

    /// States that what was appended last was committed. Where that cannot be written it is not said: a catalog that is put
    /// back then lacks this one change, and nothing tells.
    pub(crate) fn done(&mut self, keys: &Ring, at: Timestamp) {
        if self.broken {
            return;
        }
        let Ok((line, tip)) = self.tip.next(&keys.current(), &Entry { done: true, ..Entry::empty(at) })
        else {
            return;
        };
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => self.tip = tip,
            Err(_) => self.broken = self.file.set_len(self.tip.length).is_err(),
        }
    }

    /// States that from here on it is this folder's alone.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub(crate) fn take(&mut self, keys: &Ring, at: Timestamp) -> Result<(), VaultError> {
        self.write(&keys.current(), &Entry { taken: true, ..Entry::empty(at) })
    }

    fn write(&mut self, key: &[u8; 32], entry: &Entry) -> Result<(), VaultError> {
        let (line, tip) = self.tip.next(key, entry)?;
        match self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.tip = tip;
                Ok(())
            }
            Err(error) => {
                self.broken = true;
                // What is half there is cut off now, before the next entry, or at the next opening.
                let _ = self.file.set_len(self.tip.length);
                Err(VaultError::io("writing", &self.path)(error))
            }
        }
    }

    fn there(&self) -> Result<There, VaultError> {
        let ours = self.file.metadata().map_err(VaultError::io("reading", &self.path))?;
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (ours.dev(), ours.ino()) => Ok(There::Ours),
            Ok(found) => Ok(There::Other(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(There::Nothing),
            Err(error) => Err(VaultError::io("reading", &self.path)(error)),
        }
    }

    fn is_as_it_was_left(&self) -> Result<(), VaultError> {
        let found = self.file.metadata().map_err(VaultError::io("reading", &self.path))?;
        match found.len() == self.tip.length {
            true => Ok(()),
            false => Err(untrusted(&self.path, "somebody else has written to it")),
        }
    }

    fn replaced(&self) -> VaultError {
        VaultError::mismatch(
            format!(
                "the rights ledger {} was replaced by something else while it is in use",
                self.path.display()
            ),
            "move that aside: the next change of rights, or `kenward doctor --deep --repair`, puts the ledger back whole; stop no \
             server before",
        )
    }

    /// Sees to it that the file under the name is the one that is written to. What was removed, or replaced by an older
    /// copy, is written whole again: this process still holds all of it.
    fn settle(&mut self, keys: &Ring) -> Result<(), VaultError> {
        match self.there()? {
            There::Ours => {
                let longer = |found: Metadata| found.len() > self.tip.length;
                if self.broken && self.file.metadata().is_ok_and(longer) {
                    self.file.set_len(self.tip.length).map_err(VaultError::io("mending", &self.path))?;
                }
                self.is_as_it_was_left()
            }
            There::Nothing => self.put_back(keys),
            There::Other(found) if found.is_file() && found.len() <= self.tip.length => {
                let other = File::open(&self.path).map_err(VaultError::io("opening", &self.path))?;
                lock(&other, &self.path)?;
                match self.begins_with(other).map_err(VaultError::io("reading", &self.path))? {
                    true => self.put_back(keys),
                    false => Err(self.replaced()),
                }
            }
            There::Other(_) => Err(self.replaced()),
        }
    }

    /// What this process has written and holds, from its beginning.
    fn held(&self) -> io::Result<impl Read + '_> {
        let mut file = &self.file;
        file.rewind()?;
        Ok(file.take(self.tip.length))
    }

    /// Whether all of a file is what this ledger begins with: then nothing is lost with it.
    fn begins_with(&self, other: File) -> io::Result<bool> {
        let (mut ours, mut theirs) = (self.held()?, other);
        let (mut a, mut b) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            let read = theirs.read(&mut b)?;
            let (Some(a), Some(b)) = (a.get_mut(..read), b.get(..read)) else { return Ok(false) };
            if read == 0 {
                return Ok(true);
            }
            match ours.read_exact(a) {
                Ok(()) if a == b => {}
                _ => return Ok(false),
            }
        }
    }

    /// Gives the name to a new file with all that was written. Where that cannot be read any more it begins anew.
    fn put_back(&mut self, keys: &Ring) -> Result<(), VaultError> {
        // A link stays one: what it leads to is put back.
        let link = fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_symlink());
        let place = if link { self.real.clone() } else { self.path.clone() };
        let beside = beside(&place, ".new");
        clear(&beside)?;
        let mut how = fs::OpenOptions::new();
        how.read(true).append(true).create_new(true).mode(0o600);
        let mut file = how.open(&beside).map_err(VaultError::io("making", &beside))?;
        lock(&file, &beside)?;
        let held = walk(
            self.held().map_err(VaultError::io("reading", &self.path))?,
            &|print| keys.named(print),
            &mut |_, _| (),
        );
        let whole = matches!(held, Ok(Walked::Chain { tip, torn: 0 }) if tip.mac == self.tip.mac);
        let filled = match whole {
            true => self.held().and_then(|mut held| io::copy(&mut held, &mut file)).map(drop),
            false => Ok(()),
        };
        filled
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&beside, &place))
            .map_err(VaultError::io("writing", &place))?;
        self.file = file;
        if whole {
            tracing::warn!(
                "the rights ledger was removed or replaced while it is in use: it was written whole again"
            );
        } else {
            (self.tip, self.broken) = (Tip::EMPTY, true);
        }
        sync_above(&place)?;
        if matches!(self.there()?, There::Ours) { Ok(()) } else { Err(self.replaced()) }
    }

    /// Makes every write fail, as a disk that is gone does, or mends it.
    #[cfg(test)]
    pub(crate) fn fail_for_test(&mut self, fails: bool) {
        self.file = fs::OpenOptions::new().read(true).append(!fails).open(&self.path).unwrap();
    }

    /// Checks the whole chain again from the disk. Gives how many entries there are.
    ///
    /// # Errors
    /// [`VaultError::Damaged`], or what [`Ledger::standing`] says.
    pub(crate) fn verify(&self, keys: &Ring) -> Result<u64, VaultError> {
        self.standing()?;
        let held = self.held().map_err(VaultError::io("reading", &self.path))?;
        let walked = walk(held, &|print| keys.named(print), &mut |_, _| ());
        match walked.map_err(VaultError::io("reading", &self.path))? {
            Walked::Chain { tip, torn: 0 } if tip.mac == self.tip.mac => Ok(tip.seq),
            _ => Err(untrusted(&self.path, "it is not what was written")),
        }
    }
}
