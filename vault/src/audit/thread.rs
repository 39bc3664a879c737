//! The one thread that writes the log: it gathers what waits, writes it at once, and syncs once for
//! all (group commit). What it cannot write it takes back, whole, and says so to all who wait.

use super::chain::{Tip, append};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Error, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// How many records one sync may carry.
const MOST: usize = 512;
/// How many notes are kept for later while the disk is full; older ones are let go, and show up as
/// unconfirmed at the next start.
const MOST_NOTES: usize = 10_000;

type Reply = SyncSender<Result<(), Arc<Error>>>;

struct Message {
    record: Vec<u8>,
    reply: Option<Reply>,
}

pub(super) struct Writer {
    queue: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(file: File, tip: Tip, written: Arc<AtomicU64>, failing: Arc<AtomicBool>) -> Self {
        let (queue, inbox) = channel();
        let log = Log { file, tip, written, failing, dirty: false, notes: VecDeque::new() };
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || log.run(&inbox)).ok();
        Self { queue: Some(queue), thread }
    }

    pub(super) fn durable(&self, record: Vec<u8>) -> Result<(), Error> {
        let gone = || Error::new(ErrorKind::BrokenPipe, "the audit log's writer has ended");
        let (reply, answer) = sync_channel(1);
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Message { record, reply: Some(reply) }).map_err(|_| gone())?;
        let result = answer.recv().map_err(|_| gone())?;
        result.map_err(|error| Error::new(error.kind(), error))
    }

    pub(super) fn note(&self, record: Vec<u8>) {
        if let Some(queue) = &self.queue {
            // Without a writer nothing is answered either: there is nothing to note.
            let _ = queue.send(Message { record, reply: None });
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Log {
    file: File,
    tip: Tip,
    written: Arc<AtomicU64>,
    failing: Arc<AtomicBool>,
    /// Whether something was written since the last sync.
    dirty: bool,
    /// Notes that could not be written yet.
    notes: VecDeque<Vec<u8>>,
}

impl Log {
    fn run(mut self, inbox: &Receiver<Message>) {
        while let Ok(first) = inbox.recv() {
            let mut batch = vec![first];
            while batch.len() < MOST {
                match inbox.try_recv() {
                    Ok(next) => batch.push(next),
                    Err(_) => break,
                }
            }
            self.commit(batch);
        }
        if self.dirty {
            let _ = self.file.sync_data();
        }
    }

    fn commit(&mut self, batch: Vec<Message>) {
        let mut tip = self.tip;
        let mut bytes = Vec::new();
        let mut replies = Vec::new();
        for note in &self.notes {
            append(&mut tip, note, &mut bytes);
        }
        for message in &batch {
            append(&mut tip, &message.record, &mut bytes);
            replies.extend(message.reply.clone());
        }
        match self.write(&bytes, tip, !replies.is_empty()) {
            Ok(()) => {
                self.notes.clear();
                for reply in replies {
                    let _ = reply.send(Ok(()));
                }
            }
            Err(_) if batch.len() > 1 || !self.notes.is_empty() => self.one_by_one(batch),
            Err(error) => self.refuse(batch, &Arc::new(error)),
        }
    }

    /// Together they did not fit; each alone may.
    fn one_by_one(&mut self, batch: Vec<Message>) {
        for message in batch {
            let mut tip = self.tip;
            let mut bytes = Vec::new();
            append(&mut tip, &message.record, &mut bytes);
            match self.write(&bytes, tip, message.reply.is_some()) {
                Ok(()) => {
                    if let Some(reply) = message.reply {
                        let _ = reply.send(Ok(()));
                    }
                }
                Err(error) => self.refuse(vec![message], &Arc::new(error)),
            }
        }
    }

    fn refuse(&mut self, batch: Vec<Message>, error: &Arc<Error>) {
        tracing::error!(kind = ?error.kind(), "the audit log cannot be written; answers wait until it can");
        for message in batch {
            match message.reply {
                Some(reply) => {
                    let _ = reply.send(Err(Arc::clone(error)));
                }
                None => {
                    self.notes.push_back(message.record);
                    if self.notes.len() > MOST_NOTES {
                        self.notes.pop_front();
                    }
                }
            }
        }
    }

    /// Writes all of it or, as far as anybody can tell later, nothing.
    fn write(&mut self, bytes: &[u8], tip: Tip, sync: bool) -> Result<(), Error> {
        let result =
            self.file.write_all(bytes).and_then(|()| if sync { self.file.sync_data() } else { Ok(()) });
        match result {
            Ok(()) => {
                self.dirty = !sync;
                self.tip = tip;
                self.written.store(tip.seq, Ordering::Release);
                self.failing.store(false, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                self.failing.store(true, Ordering::Release);
                // INVARIANT: a record that was refused must not come to life at the next start.
                self.file.set_len(self.tip.length)?;
                self.file.sync_data()?;
                Err(error)
            }
        }
    }
}
