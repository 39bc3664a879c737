//! The ledger's lines as a chain: written, walked over and checked one by one. It holds one line at a time, and must
//! never take a line for an entry whose mac does not follow from all before it.

use super::{Entry, Narrowed, Place};
use crate::error::VaultError;
use crate::keys::short;
use data_encoding::HEXLOWER;
use kenward_access::ids::Timestamp;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// How every ledger begins.
const START: &[u8] = b"{\"v\":1,\"seq\":1,";
/// Longest line in bytes, far beyond what one change of all rights comes to.
const LONGEST: u64 = 256 << 20;

/// Where a chain ends.
#[derive(Clone)]
pub(super) struct Tip {
    pub(super) seq: u64,
    pub(super) mac: [u8; 32],
    /// Length of the file.
    pub(super) length: u64,
}

impl Tip {
    /// Of a ledger without entries.
    pub(super) const EMPTY: Self = Self { seq: 0, mac: [0; 32], length: 0 };

    pub(super) fn place(&self) -> Place {
        Place { seq: self.seq, mac: HEXLOWER.encode(&self.mac) }
    }

    /// The next line, and where the chain ends with it.
    pub(super) fn next(&self, key: &[u8; 32], entry: &Entry) -> Result<(String, Self), VaultError> {
        let seq = self.seq + 1;
        let body = crate::catalog::to_json(entry)?;
        let mac = mac(key, &self.mac, seq, body.as_bytes());
        let (print, shown) = (short(key), HEXLOWER.encode(&mac));
        let line =
            format!("{{\"v\":1,\"seq\":{seq},\"key\":\"{print}\",\"mac\":\"{shown}\",\"entry\":{body}}}\n");
        let length = self.length + line.len() as u64;
        Ok((line, Self { seq, mac, length }))
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

/// What a file turned out to be.
pub(super) enum Walked {
    /// A chain that holds, or nothing at all; then so many bytes of an unfinished last line.
    Chain { tip: Tip, torn: u64 },
    /// It begins like a ledger, and its chain does not hold.
    Broken,
    /// Something else.
    Foreign,
}

/// Checks the chain; `each` gets every entry with its place.
pub(super) fn walk(
    from: impl Read,
    key: &dyn Fn(&str) -> Option<[u8; 32]>,
    each: &mut dyn FnMut(&Place, Entry),
) -> io::Result<Walked> {
    let mut from = BufReader::with_capacity(1 << 16, from);
    let mut tip = Tip::EMPTY;
    let mut line = Vec::new();
    let begins = from.fill_buf()?;
    if !begins.is_empty() && !begins.starts_with(START) {
        return Ok(Walked::Foreign);
    }
    loop {
        line.clear();
        let read = from.by_ref().take(LONGEST).read_until(b'\n', &mut line)? as u64;
        match line.pop() {
            Some(b'\n') => {}
            // Without one entry that holds, nobody knows whose it is.
            Some(_) if tip.seq == 0 || read == LONGEST => return Ok(Walked::Broken),
            _ => return Ok(Walked::Chain { tip, torn: read }),
        }
        let entry = std::str::from_utf8(&line).ok().and_then(|line| link(line, &tip, key));
        let Some((mac, entry)) = entry else { return Ok(Walked::Broken) };
        tip = Tip { seq: tip.seq + 1, mac, length: tip.length + read };
        each(&tip.place(), entry);
    }
}

/// The mac and the entry of a line, if it follows on a tip.
fn link(line: &str, tip: &Tip, key: &dyn Fn(&str) -> Option<[u8; 32]>) -> Option<([u8; 32], Entry)> {
    let (seq, print, given, entry) = parts(line)?;
    let follows = seq == tip.seq + 1 && given == mac(&key(print)?, &tip.mac, seq, entry.as_bytes());
    follows.then(|| serde_json::from_str(entry).ok())?.map(|entry| (given, entry))
}

pub(super) fn untrusted(path: &Path, what: &str) -> VaultError {
    VaultError::damaged(
        format!("the rights ledger {} ({what})", path.display()),
        "put back the newest copy of it; or move it aside and keep it: a new one begins, and backups that were made \
         before are then restored without a ledger, hidden until their sources are ingested again",
    )
}

/// All that a ledger says since a place, put together; `Ok(None)` if it does not reach back to that place without
/// a gap. The key is asked for by its short name.
///
/// # Errors
/// [`VaultError::Damaged`] if its chain does not hold; [`VaultError::Name`] if it is none; [`VaultError::Io`].
pub(crate) fn read_since(
    path: &Path,
    key: &dyn Fn(&str) -> Option<[u8; 32]>,
    since: &Place,
) -> Result<Option<Since>, VaultError> {
    let refused = |what: String| {
        VaultError::name(
            what,
            "give the newest copy of it; or restore with `--without-ledger`: then everything is hidden until its source is \
             ingested again",
        )
    };
    let found = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(refused(format!("there is no rights ledger at `{}`", path.display())));
        }
        found => found.map_err(VaultError::io("reading", path))?,
    };
    // A device or a pipe has no end.
    if !found.is_file() {
        return Err(refused(format!("`{}` is no file, so it is no rights ledger", path.display())));
    }
    let file = std::fs::File::open(path).map_err(VaultError::io("opening", path))?;
    let mut reached = false;
    let mut all = Since::default();
    let mut each = |place: &Place, entry: Entry| {
        all.last = Some(entry.at);
        if reached && !entry.done {
            all.add(entry);
        }
        reached |= place == since;
    };
    match walk(file, key, &mut each).map_err(VaultError::io("reading", path))? {
        // An unfinished last line was never acknowledged.
        Walked::Chain { .. } => Ok((reached && !all.gap).then_some(all)),
        Walked::Broken => Err(VaultError::damaged(
            format!(
                "the rights ledger {} (its chain does not hold, or its key is not among those given)",
                path.display()
            ),
            "give the keys as `kenward keys export` wrote them last: a key that was made since the backup is in no older file; \
                 if they are, put back the newest copy of the ledger",
        )),
        Walked::Foreign => Err(refused(format!("`{}` is no rights ledger", path.display()))),
    }
}

/// What narrowed since a place.
#[derive(Default)]
pub(crate) struct Since {
    pub(crate) narrowed: Narrowed,
    pub(crate) entries: u64,
    /// When the last entry was written.
    pub(crate) last: Option<Timestamp>,
    /// The ledger began anew since: something is missing.
    pub(crate) gap: bool,
}

impl Since {
    pub(super) fn add(&mut self, entry: Entry) {
        self.entries += 1;
        self.gap |= entry.begun;
        self.last = Some(entry.at);
        self.narrowed.then(entry.narrowed);
    }
}
