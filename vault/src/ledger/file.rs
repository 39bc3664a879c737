//! The ledger's file: appended to, checked as a chain, taken up where the catalog says that it was left. It must
//! never be mended silently: what cannot be trusted is refused, or begun anew so that everybody can see it.

use super::{Entry, Narrowed, Place};
use crate::error::VaultError;
use crate::keys::{Ring, short};
use data_encoding::HEXLOWER;
use kenward_access::ids::Timestamp;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Its name under `keys/`, unless the configuration puts it elsewhere.
pub(crate) const FILE: &str = "rights.ledger";

/// The ledger, open for appending.
pub(crate) struct Ledger {
    path: PathBuf,
    file: File,
    tip: Tip,
    /// Something could not be written: the next entry begins it anew.
    broken: bool,
}

struct Tip {
    seq: u64,
    mac: [u8; 32],
    /// Length of the file.
    length: u64,
}

impl Tip {
    fn place(&self) -> Place {
        Place { seq: self.seq, mac: HEXLOWER.encode(&self.mac) }
    }
}

fn mac(key: &[u8; 32], before: &[u8; 32], seq: u64, entry: &[u8]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new_keyed(key);
    hash.update(b"kenward rights ledger v1\0").update(before).update(&seq.to_be_bytes()).update(entry);
    *hash.finalize().as_bytes()
}

/// The parts of a line: sequence, key's short name, mac, entry.
fn parts(line: &str) -> Option<(u64, &str, [u8; 32], &str)> {
    let rest = line.strip_prefix("{\"v\":1,\"seq\":")?;
    let (seq, rest) = rest.split_once(",\"key\":\"")?;
    let (key, rest) = rest.split_once("\",\"mac\":\"")?;
    let (mac, rest) = rest.split_once("\",\"entry\":")?;
    let mac = HEXLOWER.decode(mac.as_bytes()).ok()?.try_into().ok()?;
    Some((seq.parse().ok()?, key, mac, rest.strip_suffix('}')?))
}

/// How a ledger's bytes end.
struct Walked {
    tip: Tip,
    /// Bytes of an unfinished last line.
    torn: u64,
}

/// Checks the chain; `each` gets every entry with its place. `None` = it does not hold.
fn walk(
    bytes: &[u8],
    key: &dyn Fn(&str) -> Option<[u8; 32]>,
    each: &mut dyn FnMut(&Place, Entry),
) -> Option<Walked> {
    let mut tip = Tip { seq: 0, mac: [0; 32], length: 0 };
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let (line, after) = rest.split_at_checked(end + 1)?;
        let (seq, print, given, entry) = std::str::from_utf8(line.get(..end)?).ok().and_then(parts)?;
        if seq != tip.seq + 1 || given != mac(&key(print)?, &tip.mac, seq, entry.as_bytes()) {
            return None;
        }
        tip = Tip { seq, mac: given, length: tip.length + line.len() as u64 };
        each(&tip.place(), serde_json::from_str(entry).ok()?);
        rest = after;
    }
    Some(Walked { tip, torn: rest.len() as u64 })
}

fn untrusted(path: &Path, what: &str) -> VaultError {
    VaultError::damaged(
        format!("the rights ledger {} ({what})", path.display()),
        "put back the newest copy of it; or move it aside and keep it: a new one begins, and backups that were made \
         before are then restored without a ledger, hidden until their sources are ingested again",
    )
}

impl Ledger {
    /// Opens or makes it. `recorded` is where the catalog left it: a place that must be in it; `None` = it must begin
    /// anew. Gives it, and whether it began now.
    ///
    /// # Errors
    /// [`VaultError::Damaged`], [`VaultError::Mismatch`] if another process has it, [`VaultError::Io`].
    pub(crate) fn open(
        path: &Path,
        keys: &Ring,
        recorded: Option<&Place>,
        now: Timestamp,
    ) -> Result<(Self, bool), VaultError> {
        let fresh = !path.exists();
        let mut file = fs::OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(VaultError::io("opening", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(VaultError::mismatch(
                    format!("another process writes the rights ledger {}", path.display()),
                    "give every folder of data a ledger of its own (`backup.ledger`)",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(VaultError::io("locking", path)(error)),
        }
        if fresh && let Some(dir) = path.parent() {
            File::open(dir).and_then(|d| d.sync_all()).map_err(VaultError::io("syncing", dir))?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(VaultError::io("reading", path))?;
        let mut found = recorded.is_none();
        let walked =
            walk(&bytes, &|print| keys.named(print), &mut |place, _| found |= Some(place) == recorded)
                .ok_or_else(|| untrusted(path, "its chain does not hold"))?;
        if walked.torn > 0 {
            // Its transaction never committed: an entry is durable before that.
            tracing::warn!(bytes = walked.torn, "an unfinished last entry of the rights ledger was cut off");
            file.set_len(walked.tip.length)
                .and_then(|()| file.sync_all())
                .map_err(VaultError::io("mending", path))?;
        }
        let empty = walked.tip.seq == 0;
        if !found && !empty {
            return Err(untrusted(path, "it is older than the data, or of other data"));
        }
        if !found {
            tracing::warn!(
                "the rights ledger is missing and begins anew: earlier backups are restored without it"
            );
        }
        let mut ledger = Self { path: path.to_owned(), file, tip: walked.tip, broken: false };
        let begins = empty || recorded.is_none();
        if begins {
            ledger.write(&keys.current(), &Entry { at: now, begun: true, narrowed: Narrowed::default() })?;
        }
        Ok((ledger, begins))
    }

    /// Where it ends.
    pub(crate) fn place(&self) -> Place {
        self.tip.place()
    }

    /// Whether something could not be written, so that it begins anew.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Appends, durably. After an error it begins anew with the next entry.
    ///
    /// # Errors
    /// [`VaultError`]: it is not in the ledger.
    pub(crate) fn append(
        &mut self,
        keys: &Ring,
        at: Timestamp,
        narrowed: Narrowed,
    ) -> Result<(), VaultError> {
        let key = keys.current();
        if self.broken {
            self.write(&key, &Entry { at, begun: true, narrowed: Narrowed::default() })?;
            self.broken = false;
            tracing::warn!("the rights ledger begins anew: earlier backups are restored without it");
        }
        if narrowed.is_empty() {
            return Ok(());
        }
        self.write(&key, &Entry { at, begun: false, narrowed })
    }

    fn write(&mut self, key: &[u8; 32], entry: &Entry) -> Result<(), VaultError> {
        let seq = self.tip.seq + 1;
        let body = crate::catalog::to_json(entry)?;
        let mac = mac(key, &self.tip.mac, seq, body.as_bytes());
        let (print, shown) = (short(key), HEXLOWER.encode(&mac));
        let line =
            format!("{{\"v\":1,\"seq\":{seq},\"key\":\"{print}\",\"mac\":\"{shown}\",\"entry\":{body}}}\n");
        match self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.tip = Tip { seq, mac, length: self.tip.length + line.len() as u64 };
                Ok(())
            }
            Err(error) => {
                self.broken = true;
                // What is half there is cut off now, or at the next opening.
                let _ = self.file.set_len(self.tip.length);
                Err(VaultError::io("writing", &self.path)(error))
            }
        }
    }

    /// Makes every write fail, as a disk that is gone does, or mends it.
    #[cfg(test)]
    pub(crate) fn fail_for_test(&mut self, fails: bool) {
        self.file = fs::OpenOptions::new().read(true).append(!fails).open(&self.path).unwrap();
    }

    /// Checks the whole chain again from the disk. Gives how many entries there are.
    ///
    /// # Errors
    /// [`VaultError::Damaged`].
    pub(crate) fn verify(&self, keys: &Ring) -> Result<u64, VaultError> {
        let bytes = fs::read(&self.path).map_err(VaultError::io("reading", &self.path))?;
        match walk(&bytes, &|print| keys.named(print), &mut |_, _| ()) {
            Some(walked) if walked.tip.mac == self.tip.mac && walked.torn == 0 => Ok(walked.tip.seq),
            _ => Err(untrusted(&self.path, "it is not what was written")),
        }
    }
}

/// All that a ledger says since a place, put together; `Ok(None)` if it does not reach back to that place without
/// a gap. The key is asked for by its short name.
///
/// # Errors
/// [`VaultError::Damaged`] if its chain does not hold; [`VaultError::Io`].
pub(crate) fn read_since(
    path: &Path,
    key: &dyn Fn(&str) -> Option<[u8; 32]>,
    since: &Place,
) -> Result<Option<Since>, VaultError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(VaultError::name(
                format!("there is no rights ledger at `{}`", path.display()),
                "give the newest copy of it; or restore with `--without-ledger`: then everything is hidden until its source is \
                 ingested again",
            ));
        }
        read => read.map_err(VaultError::io("reading", path))?,
    };
    let (mut reached, mut gap) = (false, false);
    let mut all = Since { narrowed: Narrowed::default(), entries: 0, last: None };
    let mut each = |place: &Place, entry: Entry| {
        if reached {
            gap |= entry.begun;
            all.entries += 1;
            all.narrowed.then(entry.narrowed);
        }
        reached |= place == since;
        all.last = Some(entry.at);
    };
    // An unfinished last line was never acknowledged.
    walk(&bytes, key, &mut each)
        .ok_or_else(|| untrusted(path, "its chain does not hold, or its key is not among those given"))?;
    Ok((reached && !gap).then_some(all))
}

/// What narrowed since a place.
pub(crate) struct Since {
    pub(crate) narrowed: Narrowed,
    pub(crate) entries: u64,
    /// When the last entry was written.
    pub(crate) last: Option<Timestamp>,
}
