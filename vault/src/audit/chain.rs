//! The chain: how a line is made, read back and checked. Nothing here decides what is recorded.

use crate::error::VaultError;
use data_encoding::HEXLOWER;
use kenward_access::ids::{TenantId, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(crate) const FILE: &str = "log.jsonl";

/// Where the chain ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tip {
    pub(super) seq: u64,
    pub(super) hash: [u8; 32],
    /// Length of the file.
    pub(super) length: u64,
}

pub(super) struct Opened {
    pub(super) file: File,
    pub(super) tip: Tip,
    /// Bytes of an unfinished last line.
    pub(super) torn: Option<u64>,
    /// Answers without a hand-over.
    pub(super) open_answers: BTreeSet<String>,
    /// When the last record was written.
    pub(super) last: Option<Timestamp>,
}

/// What [`verify`] found in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many records there are.
    pub records: u64,
    /// Hash of the last one, in hex.
    pub tip: String,
}

fn genesis(tenant: &str) -> [u8; 32] {
    Sha256::new().chain_update(b"kenward audit log v1\0").chain_update(tenant.as_bytes()).finalize().into()
}

fn hash(prev: &[u8; 32], seq: u64, record: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(prev).chain_update(seq.to_be_bytes()).chain_update(record).finalize().into()
}

/// Appends the line of a record to `out`, and moves the tip.
pub(super) fn append(tip: &mut Tip, record: &[u8], out: &mut Vec<u8>) {
    let before = out.len();
    let seq = tip.seq + 1;
    let hash = hash(&tip.hash, seq, record);
    let prev = HEXLOWER.encode(&tip.hash);
    let head = format!(
        "{{\"v\":1,\"seq\":{seq},\"prev\":\"{prev}\",\"hash\":\"{}\",\"record\":",
        HEXLOWER.encode(&hash)
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(record);
    out.extend_from_slice(b"}\n");
    *tip = Tip { seq, hash, length: tip.length + (out.len() - before) as u64 };
}

/// The parts of a line: sequence, previous hash, hash, record.
fn parts(line: &str) -> Option<(u64, [u8; 32], [u8; 32], &str)> {
    let rest = line.strip_prefix("{\"v\":1,\"seq\":")?;
    let (seq, rest) = rest.split_once(",\"prev\":\"")?;
    let (prev, rest) = rest.split_once("\",\"hash\":\"")?;
    let (hash, rest) = rest.split_once("\",\"record\":")?;
    let digest = |hex: &str| HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok();
    Some((seq.parse().ok()?, digest(prev)?, digest(hash)?, rest.strip_suffix('}')?))
}

enum Broken {
    /// The last line has no end.
    Torn {
        from: u64,
        bytes: u64,
    },
    Line(u64),
    Io(std::io::Error),
}

/// Walks the chain. `each` gets every record's bytes.
fn walk(file: &File, first: [u8; 32], each: &mut dyn FnMut(&str)) -> Result<Tip, (Tip, Broken)> {
    let mut tip = Tip { seq: 0, hash: first, length: 0 };
    let mut reader = BufReader::with_capacity(1 << 17, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = match reader.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(tip),
            Ok(read) => read as u64,
            Err(error) => return Err((tip, Broken::Io(error))),
        };
        let Some(body) = line.strip_suffix(b"\n") else {
            return Err((tip, Broken::Torn { from: tip.length, bytes: read }));
        };
        let found = std::str::from_utf8(body).ok().and_then(parts);
        match found {
            Some((seq, prev, given, record))
                if seq == tip.seq + 1 && prev == tip.hash && given == hash(&prev, seq, record.as_bytes()) =>
            {
                each(record);
                tip = Tip { seq, hash: given, length: tip.length + read };
            }
            _ => return Err((tip, Broken::Line(tip.seq + 1))),
        }
    }
}

fn broken(path: &Path, record: u64) -> VaultError {
    VaultError::damaged(
        format!("the audit log {} (at record {record})", path.display()),
        "keep the file as evidence and put back a copy from a backup; to go on without it, move the `audit` folder \
         aside and keep it: a new chain then begins at record 1, and only what was moved aside tells of the old one",
    )
}

/// The value of a field that stands first or second in a record of ours.
fn text_field<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = record.split_once(name)?;
    rest.split_once('"').map(|(value, _)| value)
}

/// When a record was written: it says so at its end.
fn written_at(record: &str) -> Option<Timestamp> {
    let (_, at) = record.rsplit_once(",\"at\":")?;
    at.strip_suffix('}')?.parse().ok().map(Timestamp)
}

pub(super) fn open(dir: &Path, tenant: &TenantId) -> Result<Opened, VaultError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(VaultError::io("making", dir))?;
    let path = dir.join(FILE);
    let fresh = !path.exists();
    let mut file = fs::OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(VaultError::io("opening", &path))?;
    if fresh {
        File::open(dir).and_then(|d| d.sync_all()).map_err(VaultError::io("syncing", dir))?;
    }
    let mut open_answers = BTreeSet::new();
    let mut last = None;
    let mut each = |record: &str| {
        last = written_at(record).or(last);
        // Only the records' own beginnings are looked at: `kind` is written first.
        if record.starts_with("{\"kind\":\"answer\"") {
            if let Some(id) = text_field(record, "\"id\":\"") {
                open_answers.insert(id.to_owned());
            }
        } else if ["handed_over", "withdrawn", "unconfirmed"]
            .iter()
            .any(|kind| record.strip_prefix("{\"kind\":\"").is_some_and(|rest| rest.starts_with(kind)))
            && let Some(closed) = text_field(record, "\"answer\":\"")
        {
            open_answers.remove(closed);
        }
    };
    let (tip, torn) = match walk(&file, genesis(tenant.as_str()), &mut each) {
        Ok(tip) => (tip, None),
        Err((tip, Broken::Torn { from, bytes })) => {
            move_aside(&mut file, dir, from, bytes, tip.seq + 1)
                .map_err(VaultError::io("repairing", &path))?;
            (tip, Some(bytes))
        }
        Err((_, Broken::Line(record))) => return Err(broken(&path, record)),
        Err((_, Broken::Io(error))) => return Err(VaultError::io("reading", &path)(error)),
    };
    Ok(Opened { file, tip, torn, open_answers, last })
}

/// Puts an unfinished last line into a file of its own, then cuts it off.
fn move_aside(file: &mut File, dir: &Path, from: u64, bytes: u64, seq: u64) -> std::io::Result<()> {
    let mut torn = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(bytes).read_to_end(&mut torn)?;
    let aside: PathBuf = dir.join(format!("torn-{seq}.jsonl"));
    fs::write(&aside, torn)?;
    File::open(&aside)?.sync_all()?;
    file.set_len(from)?;
    file.sync_all()
}

/// Recomputes the whole chain of the log in `dir`.
///
/// # Errors
/// [`VaultError::Damaged`] at the first record that does not fit, torn last lines included.
pub fn verify(dir: &Path, tenant: &TenantId) -> Result<Verified, VaultError> {
    check(dir, tenant, None)
}

/// The same of a log that is being written: what is unfinished behind so many records, which were written before this
/// began, is one that is on its way.
///
/// # Errors
/// As [`verify`].
pub(crate) fn verify_live(dir: &Path, tenant: &TenantId, records: u64) -> Result<Verified, VaultError> {
    check(dir, tenant, Some(records))
}

fn check(dir: &Path, tenant: &TenantId, written: Option<u64>) -> Result<Verified, VaultError> {
    let path = dir.join(FILE);
    let file = File::open(&path).map_err(VaultError::io("opening", &path))?;
    let whole = |tip: Tip| Ok(Verified { records: tip.seq, tip: HEXLOWER.encode(&tip.hash) });
    match walk(&file, genesis(tenant.as_str()), &mut |_| {}) {
        Ok(tip) => whole(tip),
        Err((tip, Broken::Torn { .. })) if written.is_some_and(|written| tip.seq >= written) => whole(tip),
        Err((tip, Broken::Torn { .. })) => Err(broken(&path, tip.seq + 1)),
        Err((_, Broken::Line(record))) => Err(broken(&path, record)),
        Err((_, Broken::Io(error))) => Err(VaultError::io("reading", &path)(error)),
    }
}

/// Copies the first `records` of the log in `dir` to `to`, checking the chain on the way. Gives where it ends.
///
/// # Errors
/// [`VaultError::Damaged`] at the first record that does not fit.
pub(crate) fn copy(
    dir: &Path,
    tenant: &TenantId,
    records: u64,
    to: &mut dyn Write,
) -> Result<Verified, VaultError> {
    let path = dir.join(FILE);
    let file = File::open(&path).map_err(VaultError::io("opening", &path))?;
    let mut tip = Tip { seq: 0, hash: genesis(tenant.as_str()), length: 0 };
    let mut reader = BufReader::with_capacity(1 << 17, file);
    let mut line = Vec::new();
    while tip.seq < records {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(VaultError::io("reading", &path))?;
        let found = line.strip_suffix(b"\n").and_then(|body| std::str::from_utf8(body).ok()).and_then(parts);
        tip = match found {
            Some((seq, prev, given, record))
                if seq == tip.seq + 1 && prev == tip.hash && given == hash(&prev, seq, record.as_bytes()) =>
            {
                Tip { seq, hash: given, length: tip.length + line.len() as u64 }
            }
            _ => return Err(broken(&path, tip.seq + 1)),
        };
        to.write_all(&line).map_err(VaultError::io("copying", &path))?;
    }
    Ok(Verified { records: tip.seq, tip: HEXLOWER.encode(&tip.hash) })
}
