//! The stages of one pass, joined by bounded channels: readers, each with a worker process, embedders,
//! and this thread, which puts. No stage may outlive the pass.

use super::Drive;
use super::waiting::DOCUMENTS;
use crate::chunking::Sizer;
use crate::connectors::Item;
use crate::pipeline::IngestError;
use crate::pipeline::budget::Budget;
use crate::pipeline::embed::{Batch, Embedded, dispatch, embed};
use crate::pipeline::read::{Reader, Task};
use crate::worker::Worker;
use crossbeam_channel::bounded;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// Readers, each with a worker process.
const READERS: usize = 2;

impl<'a> Drive<'a> {
    /// Reads, embeds and puts these documents, all stages at once.
    pub(super) fn pass(&mut self, files: &BTreeSet<usize>) -> Result<(), IngestError> {
        let read = self.choose(files)?;
        let task = |(index, item): (usize, &'a Item)| Task {
            item,
            index,
            rights: self.rights_of(&item.path),
            known: self.run.known(&item.path),
            failed: self.run.standing(&item.path).cloned().map(Box::new),
        };
        let tasks: Vec<Task<'_>> = read.into_iter().map(task).collect();
        let (rights, members, failed) = (self.rights.clone(), self.members(), self.failed_members());
        let under = self.under.clone();
        let sizer = Sizer::new(self.options.embedder.clone());
        let stop = AtomicBool::new(false);
        let budget = Budget::new(self.options.memory_bytes);
        let busy = std::mem::take(&mut self.busy);
        let (options, connector, now) = (self.options, self.connector, self.run.started());
        let stopped = || stop.load(Ordering::Relaxed) || options.stop.asked().is_some();
        let result = std::thread::scope(|scope| {
            let (to_read, tasks_in) = bounded::<Task<'_>>(16);
            let (to_embed, batches_in) = bounded::<Batch>(32);
            let (to_put, documents_in) = bounded::<Embedded>(DOCUMENTS);
            let (stopped, busy, sizer, rights, under) = (&stopped, &busy, &sizer, &rights, &under);
            let (members, failed_members) = (&members, &failed);
            scope.spawn(move || {
                for task in tasks {
                    if stopped() || to_read.send(task).is_err() {
                        return;
                    }
                }
            });
            for _ in 0..READERS {
                let (tasks_in, to_embed, to_put) = (tasks_in.clone(), to_embed.clone(), to_put.clone());
                let mut reader = Reader {
                    connector,
                    rights,
                    options,
                    sizer: sizer.clone(),
                    budget: budget.clone(),
                    members,
                    now,
                    worker: Worker::new(options.worker.clone(), options.limits),
                    under,
                    failed_members,
                    opener: Worker::new(options.worker.clone(), options.limits),
                };
                scope.spawn(move || {
                    let at_once = options.embedder.as_ref().map(|embedder| embedder.batch());
                    for task in tasks_in {
                        let mut give = |arrival| !stopped() && dispatch(arrival, at_once, &to_embed, &to_put);
                        if stopped() || !reader.read(&task, &mut give) {
                            return;
                        }
                    }
                });
            }
            if let Some(embedder) = &options.embedder {
                for _ in 0..embedder.workers().max(1) {
                    let (batches_in, to_put) = (batches_in.clone(), to_put.clone());
                    scope.spawn(move || {
                        for batch in batches_in {
                            // What waits here when a run is stopped would be many seconds of work.
                            if stopped() || !embed(batch, embedder.as_ref(), sizer, busy, stopped, &to_put) {
                                return;
                            }
                        }
                    });
                }
            }
            // Only the stages hold the ends now: the channels close when they are through.
            drop((tasks_in, to_embed, to_put, batches_in));
            let result = self.put_all(documents_in, busy);
            stop.store(true, Ordering::Relaxed);
            result
        });
        self.busy = busy;
        self.memory_peak = self.memory_peak.max(budget.peak());
        self.stopped = options.stop.asked();
        result
    }
}
