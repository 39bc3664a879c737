//! The inside of a worker process. It must set its limits before it reads a byte, and open nothing.

use super::frame::{BATCH, BLOCK_MAX, Job, PipeBlock, Reply, Request, read, write, write_bytes};
use super::{LIMITS_VARIABLE, Limits};
use crate::archives::{Entry, unpack};
use crate::doors::{for_pipe, mint};
use crate::formats::{Block, FailReason, Format, Packed, extract};
use kenward_vault::writer::RightsFormat;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Result, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Body of a worker process: reads requests from standard input, writes results to standard output,
/// until standard input ends. Sets its own limits first.
///
/// # Errors
/// An I/O error of the pipes.
pub fn main() -> Result<()> {
    apply_limits()?;
    // A panic's message may quote the document.
    std::panic::set_hook(Box::new(|_| {}));
    let mut from = BufReader::with_capacity(1 << 16, std::io::stdin().lock());
    let mut to = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    while let Some(request) = read::<Request>(&mut from)? {
        let mut bytes = Vec::new();
        (&mut from).take(request.length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != request.length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match request.job {
            Job::Extract(format) => answer(format, &bytes, &mut to)?,
            Job::Unpack(packed, rights) => give_members(packed, rights, &bytes, &mut to)?,
        }
        to.flush()?;
    }
    Ok(())
}

fn answer(format: Format, bytes: &[u8], to: &mut impl Write) -> Result<()> {
    let mut broken_pipe = None;
    let mut batch = Vec::new();
    let mut size = 0;
    let read = catch_unwind(AssertUnwindSafe(|| {
        extract(format, bytes, &mut |block| {
            for block in pieces(block) {
                size += block.text.len() + 64;
                batch.push(block);
                if size >= BATCH {
                    size = 0;
                    if let Err(error) = send(to, &mut batch) {
                        broken_pipe = Some(error);
                    }
                }
            }
        })
    }));
    if let Some(error) = broken_pipe {
        return Err(error);
    }
    match read {
        Ok(Ok(meta)) => {
            send(to, &mut batch)?;
            write(to, &Reply::done(&meta))
        }
        Ok(Err(reason)) => write(to, &Reply::Failed(reason)),
        Err(_) => write(to, &Reply::Failed(FailReason::CrashedParser)),
    }
}

fn give_members(packed: Packed, rights: RightsFormat, bytes: &[u8], to: &mut impl Write) -> Result<()> {
    let mut broken_pipe = None;
    let unpacked = catch_unwind(AssertUnwindSafe(|| {
        unpack(packed, rights, bytes, &mut |entry| match send_entry(to, entry) {
            Ok(()) => true,
            Err(error) => {
                broken_pipe = Some(error);
                false
            }
        })
    }));
    if let Some(error) = broken_pipe {
        return Err(error);
    }
    match unpacked {
        Ok(Ok(contents)) => write(to, &Reply::Unpacked { entries: contents.entries, links: contents.links }),
        Ok(Err(reason)) => write(to, &Reply::Failed(reason)),
        Err(_) => write(to, &Reply::Failed(FailReason::CrashedParser)),
    }
}

fn send_entry(to: &mut impl Write, entry: Entry) -> Result<()> {
    match entry {
        Entry::File { path, modified, bytes } => {
            write(to, &Reply::Member { path: path.into(), modified, length: bytes.len() as u64 })?;
            bytes.chunks(BLOCK_MAX).try_for_each(|piece| write_bytes(to, piece))
        }
        Entry::Failed { path, reason } => write(to, &Reply::MemberFailed { path: path.into(), reason }),
    }
}

fn send(to: &mut impl Write, batch: &mut Vec<Block>) -> Result<()> {
    let blocks = std::mem::take(batch);
    if blocks.is_empty() {
        return Ok(());
    }
    write(to, &Reply::Blocks(blocks.iter().map(PipeBlock::of).collect()))
}

/// Cuts a block that is too long for a frame.
fn pieces(block: Block) -> Vec<Block> {
    if block.text.len() <= BLOCK_MAX {
        return vec![block];
    }
    let mut rest = for_pipe(&block.text);
    let mut out = Vec::new();
    while !rest.is_empty() {
        let cut = crate::formats::cut_point(rest, 0, BLOCK_MAX);
        let (piece, after) = rest.split_at(cut);
        out.push(Block { kind: block.kind, page: block.page, text: mint(piece.to_owned()) });
        rest = after;
    }
    out
}

/// CPU, memory, no core file, no file written, no further descriptor.
fn apply_limits() -> Result<()> {
    let limits = std::env::var(LIMITS_VARIABLE).ok().and_then(|text| {
        let (cpu, memory) = text.split_once(',')?;
        Some(Limits {
            cpu_seconds: cpu.parse().ok()?,
            memory_bytes: memory.parse().ok()?,
            ..Limits::default()
        })
    });
    let limits = limits.unwrap_or_default();
    let set = |resource, soft: u64, hard: u64| {
        setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) }).map_err(std::io::Error::from)
    };
    set(Resource::Core, 0, 0)?;
    set(Resource::Fsize, 0, 0)?;
    // INVARIANT: three descriptors are open; no parser can open a fourth, be it a file or a socket.
    set(Resource::Nofile, 3, 3)?;
    set(Resource::Cpu, limits.cpu_seconds, limits.cpu_seconds.saturating_add(2))?;
    // Not every system knows this one (macOS accepts and ignores it).
    set(Resource::As, limits.memory_bytes, limits.memory_bytes)
}
