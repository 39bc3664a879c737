//! Documents as they come out of the stages: what each came to is told to the vault, and published
//! when enough was put. It must never publish under rights that moved while the content was read.

use super::Drive;
use crate::formats::FailReason;
use crate::pipeline::embed::{Busy, Embedded};
use crate::pipeline::read::{Arrival, Outcome};
use crate::pipeline::{IngestError, Progress};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use kenward_vault::writer::{Again, Tried};
use std::time::{Duration, Instant};

/// What was put is published after this many documents, bytes of text, or this long.
const PUBLISH_DOCUMENTS: u64 = 500;
const PUBLISH_BYTES: usize = 64 << 20;
const PUBLISH_AFTER: Duration = Duration::from_secs(5);
/// Progress is told at most this often.
const TELL: Duration = Duration::from_millis(100);

impl Drive<'_> {
    /// Takes documents as they are ready. Returning early closes the channel, which ends all stages.
    pub(super) fn put_all(&mut self, documents: Receiver<Embedded>, busy: &Busy) -> Result<(), IngestError> {
        loop {
            if documents.is_empty() {
                // Nobody is ready but those who wait.
                self.put_waiting()?;
                self.publish_if_due()?;
            }
            let Embedded { read, vectors } = match documents.recv_timeout(TELL) {
                Ok(document) => document,
                // One long document may keep the embedder for minutes: its passages are progress, too.
                Err(RecvTimeoutError::Timeout) => {
                    self.tell(busy, false);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let Arrival { path, hangs, archive, outcome, permit } = read;
            let container = hangs.container.clone();
            if archive {
                // Members were not counted when the source was listed.
                self.tally.of += 1;
                *self.tally.members.entry(hangs.index).or_default() += 1;
            }
            if !matches!(outcome, Outcome::Blank) {
                self.blanked.remove(&path);
            }
            if !matches!(outcome, Outcome::Ready(_) | Outcome::Unchanged(_)) {
                // What is said of an archive holds for those of its members of which nothing was told.
                self.put_waiting()?;
            }
            match outcome {
                Outcome::Fatal(error) => return Err(error),
                Outcome::Blank => self.blank(path, container)?,
                Outcome::Failed(FailReason::RightsInside, _) => self.hide_archive(&path, &container)?,
                Outcome::Failed(reason, raw_hash) => {
                    let by_a_look = raw_hash.is_none() && reason.again() == Again::WhenChanged;
                    let tried = Tried { raw_hash, by_a_look, ..self.tried(reason) };
                    self.fail(&path, &container, tried)?;
                    self.keep_members(&path, &container)?;
                }
                Outcome::Unpacked { links } => {
                    self.tally.done += 1;
                    self.tally.links.insert(hangs.index, links);
                }
                Outcome::StillFailed => {
                    self.still_failed(&path, &container)?;
                    self.keep_members(&path, &container)?;
                }
                Outcome::Unknown => {
                    self.tally.done += 1;
                    self.tally.unknown.insert(path);
                }
                Outcome::Unchanged(modified) => {
                    self.run.unchanged(&path, &container, modified)?;
                    self.states.note(&hangs, self.run.is_asked(&path));
                    self.tally.done += 1;
                }
                Outcome::Ready(prepared) => {
                    self.states.note(&hangs, true);
                    self.ready(path, container, *prepared, vectors, permit)?;
                }
            }
            self.tell(busy, false);
            self.publish_if_due()?;
        }
        self.put_waiting()?;
        self.tell(busy, true);
        Ok(())
    }

    fn tell(&mut self, busy: &Busy, now: bool) {
        let chunks = if self.options.embedder.is_some() { busy.chunks() } else { self.run.summary().chunks };
        let told = (self.tally.done, chunks);
        let due = self.tally.told.is_none_or(|(at, before)| at.elapsed() >= TELL && before != told);
        if now || due {
            self.tally.told = Some((Instant::now(), told));
            (self.progress)(Progress::Documents {
                done: self.tally.done,
                of: self.tally.of,
                failed: self.tally.failed,
                chunks,
            });
        }
    }

    /// Publishes what was put, if there is enough of it and the rights still are what they were.
    fn publish_if_due(&mut self) -> Result<(), IngestError> {
        let tally = &mut self.tally;
        let since = tally.published.get_or_insert_with(Instant::now);
        let due = tally.put_documents >= PUBLISH_DOCUMENTS
            || tally.put_bytes >= PUBLISH_BYTES
            || (tally.put_documents > 0 && since.elapsed() >= PUBLISH_AFTER);
        // All rights are read again for it, which where every file has a mode of its own takes its time.
        let due = due && since.elapsed() >= tally.rights_took * 10;
        if !due {
            return Ok(());
        }
        (tally.put_documents, tally.put_bytes, tally.published) = (0, 0, None);
        self.put_waiting()?;
        self.publish_if_rights_hold()
    }

    /// Notes for the run's record how many files are done.
    pub(super) fn count(&mut self, done: u64) {
        self.run.progress(done, self.tally.of);
    }

    pub(super) fn publish_if_rights_hold(&mut self) -> Result<(), IngestError> {
        // INVARIANT: content becomes visible only under rights that were the same before and after
        // it was read, and if it still is what it was. If not, the round's end sorts it out.
        let begun = Instant::now();
        let rights = self.connector.rights(self.listing);
        self.tally.rights_took = begun.elapsed();
        if rights.raw == self.rights.raw {
            self.rights.ways = rights.ways;
            (self.progress)(Progress::Publishing);
            self.count(self.tally.done);
            self.hold_back_what_stirred();
            self.run.publish()?;
        }
        Ok(())
    }
}
