//! The data in the hands of its owner: the lock, the open vault, and the operations under way.
//! Vault work runs on threads of its own and never on the runtime's; nothing is closed under it.

#![expect(clippy::result_large_err, reason = "what refuses an operation is its reply; there is one of them")]

use super::BackendError;
use super::lock::DataLock;
use super::ops::{INTERNAL, Op, Reply};
use super::perform::{self, Asked};
use crate::app::{self, Opened};
use crate::config::Config;
use crate::metrics::Metrics;
use kenward_ingest::pipeline::{Progress, Stop};
use kenward_vault::reembed::Ended;
use kenward_vault::runs::RunState;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, mpsc, watch};
use tracing::Instrument;
use tracing::field::Empty;

/// What is in the owner's hands.
pub(super) enum Slot {
    /// The open data.
    Open(Box<Opened>),
    /// It could not be opened: what to tell other fronts.
    Failed { message: String, hint: Option<String> },
    /// Not open yet, or no more.
    Closed,
}

/// Proof of the right to fill the slot; whoever asks meanwhile waits.
pub(super) struct Opening(OwnedRwLockWriteGuard<Slot>);

/// Held by every operation under way.
struct Working {
    _token: mpsc::Sender<()>,
}

pub(super) struct Owned {
    config: Arc<Config>,
    metrics: Metrics,
    slot: Arc<RwLock<Slot>>,
    going: watch::Sender<bool>,
    working: Mutex<Option<mpsc::Sender<()>>>,
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
    // INVARIANT: last, so that nobody else opens the data before the vault above is dropped.
    lock: Mutex<Option<DataLock>>,
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Owned {
    pub(super) fn new(config: Arc<Config>, lock: DataLock) -> (Arc<Self>, Opening) {
        let slot = Arc::new(RwLock::new(Slot::Closed));
        let (sender, receiver) = mpsc::channel(1);
        let owned = Arc::new(Self {
            config,
            metrics: Metrics::default(),
            slot: Arc::clone(&slot),
            going: watch::Sender::new(false),
            working: Mutex::new(Some(sender)),
            ended: tokio::sync::Mutex::new(receiver),
            lock: Mutex::new(Some(lock)),
        });
        #[expect(clippy::expect_used, reason = "the lock was made two lines above and is held by nobody")]
        let guard = slot.try_write_owned().expect("a new lock is free");
        (owned, Opening(guard))
    }

    /// Opens the data.
    pub(super) async fn open(&self, mut opening: Opening) -> Result<(), BackendError> {
        let config = Arc::clone(&self.config);
        let opened = blocking(move || app::open(&config)).await?;
        match opened {
            Ok(opened) => {
                *opening.0 = Slot::Open(Box::new(opened));
                Ok(())
            }
            Err(error) => {
                let (message, hint) = perform::words(&error, error.hint());
                *opening.0 = Slot::Failed { message, hint };
                Err(error)
            }
        }
    }

    /// Performs one operation for the person behind `uid`; `None` = this process is letting go.
    pub(super) async fn call(
        self: &Arc<Self>,
        uid: u32,
        op: Op,
        progress: &mut (dyn FnMut(Reply) + Send),
    ) -> Option<Reply> {
        let working = self.begin()?;
        let request_id = match &op {
            Op::Ask { request_id, .. } => request_id.clone(),
            _ => crate::telemetry::request_id(),
        };
        let span =
            tracing::info_span!("request", op = op.name(), request_id = request_id.as_str(), outcome = Empty);
        // Answers say it themselves; what asks before every one of them is not worth a line each.
        let quiet = matches!(op, Op::Ping | Op::Authenticate { .. } | Op::Ask { .. });
        let begun = Instant::now();
        let counted = Metrics::counts(&op).then(|| op.name());
        async {
            let reply = self.run(working, uid, op, progress).await;
            let outcome = Metrics::outcome(reply.as_ref());
            if quiet {
                tracing::Span::current().record("outcome", outcome);
            }
            if let Some(operation) = counted {
                self.metrics.request(operation, reply.as_ref(), begun.elapsed());
            }
            if !quiet {
                let outcome = reply.as_ref().map_or("going", Reply::outcome);
                tracing::info!(outcome, milliseconds = perform::millis(begun), "request done");
            }
            match reply {
                Some(Reply::Failed { message, hint }) if message == INTERNAL => {
                    let hint = hint.unwrap_or_default();
                    Some(Reply::Failed { message, hint: Some(format!("{hint} (request {request_id})")) })
                }
                reply => reply,
            }
        }
        .instrument(span)
        .await
    }

    async fn run(
        self: &Arc<Self>,
        working: Working,
        uid: u32,
        op: Op,
        progress: &mut (dyn FnMut(Reply) + Send),
    ) -> Option<Reply> {
        if matches!(op, Op::Ping) {
            let version = super::wire::VERSION.to_owned();
            return Some(Reply::Pong { version, marks: self.config.marks() });
        }
        if let Op::Ingest(order) = op {
            self.use_new_model().await;
            let work = move |asked: &Asked<'_>, stop: Stop, tell: &(dyn Fn(Progress) + Sync)| {
                perform::ingest(asked, &order, stop, tell)
            };
            return self.long(working, uid, work, progress).await;
        }
        if let Op::SyncRights { source } = op {
            let work = move |asked: &Asked<'_>, stop: Stop, _: &(dyn Fn(Progress) + Sync)| {
                perform::sync_rights(asked, &source, &stop)
            };
            return self.long(working, uid, work, progress).await;
        }
        if matches!(op, Op::ReEmbed) {
            self.use_new_model().await;
            let work = |asked: &Asked<'_>, stop: Stop, tell: &(dyn Fn(Progress) + Sync)| {
                perform::re_embed(asked, &stop, tell)
            };
            return self.long(working, uid, work, progress).await;
        }
        let guard = Arc::clone(&self.slot).read_owned().await;
        let owned = Arc::clone(self);
        let reply = blocking(move || {
            let reply = match asked(&guard, &owned, uid) {
                Ok(asked) => perform::perform(&asked, op),
                Err(reply) => reply,
            };
            drop((guard, working));
            reply
        })
        .await;
        Some(reply.unwrap_or_else(|_| perform::internal()))
    }

    /// What takes long, tells how far it is, and can be asked to stop: it ends early when its front goes or this
    /// process lets go.
    async fn long(
        self: &Arc<Self>,
        working: Working,
        uid: u32,
        work: impl FnOnce(&Asked<'_>, Stop, &(dyn Fn(Progress) + Sync)) -> Reply + Send + 'static,
        progress: &mut (dyn FnMut(Reply) + Send),
    ) -> Option<Reply> {
        let stop = StopOnDrop(Stop::default());
        let asked_to = stop.0.clone();
        let (sender, mut events) = mpsc::unbounded_channel::<Progress>();
        let guard = Arc::clone(&self.slot).read_owned().await;
        let owned = Arc::clone(self);
        let run = blocking(move || {
            let tell = |event: Progress| {
                // The receiver goes only when the front has gone; the flag then stops the run.
                let _ = sender.send(event);
            };
            let reply = match asked(&guard, &owned, uid) {
                Ok(asked) => work(&asked, asked_to, &tell),
                Err(reply) => reply,
            };
            drop((guard, working));
            reply
        });
        tokio::pin!(run);
        let mut going = self.going.subscribe();
        let mut stopped = false;
        let reply = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => progress(Reply::Progress(event)),
                reply = &mut run => break reply,
                _ = going.wait_for(|going| *going), if !stopped => {
                    // What was put stays; the front sends the run again, to the next owner.
                    stopped = true;
                    stop.0.ask(RunState::Interrupted);
                }
            }
        };
        while let Ok(event) = events.try_recv() {
            progress(Reply::Progress(event));
        }
        match reply {
            Ok(Reply::Ingested(report)) if stopped && report.state == RunState::Interrupted => None,
            Ok(Reply::RightsRead(read)) if stopped && read.report.stopped => None,
            Ok(Reply::ReEmbedded(Ended::Stopped { .. })) if stopped => None,
            Ok(reply) => Some(reply),
            Err(_) => Some(perform::internal()),
        }
    }

    /// Opens the data again if a model has come since it was opened without one. Waits a while for
    /// operations under way; a long run of somebody else is not waited for.
    async fn use_new_model(&self) {
        let config = &self.config;
        let lacked = |slot: &Slot| matches!(slot, Slot::Open(opened) if opened.lacked_what_is_here(config));
        if !lacked(&*self.slot.read().await) {
            return;
        }
        for _ in 0..200 {
            if let Ok(mut slot) = Arc::clone(&self.slot).try_write_owned() {
                if lacked(&slot) {
                    let old = std::mem::replace(&mut *slot, Slot::Closed);
                    let closed = blocking(move || drop(old)).await;
                    if closed.is_err() || self.open(Opening(slot)).await.is_err() {
                        tracing::error!("the data could not be opened again with the new model");
                    }
                }
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tracing::warn!("a run is under way; the new model will be used when it has ended");
    }

    fn begin(&self) -> Option<Working> {
        unpoisoned(&self.working).clone().map(|token| Working { _token: token })
    }

    /// Takes no more operations, ends those under way, and closes the vault.
    pub(super) async fn let_go(&self) {
        self.going.send_replace(true);
        unpoisoned(&self.working).take();
        // Gives `None` when the last operation has dropped its token.
        while self.ended.lock().await.recv().await.is_some() {}
        let mut slot = Arc::clone(&self.slot).write_owned().await;
        let old = std::mem::replace(&mut *slot, Slot::Closed);
        if blocking(move || drop(old)).await.is_err() {
            tracing::error!("closing the data failed; it is recovered when it is next opened");
        }
    }

    /// Drops the lock: the next owner may come.
    pub(super) fn unlock(&self) {
        unpoisoned(&self.lock).take();
    }
}

/// Who asks, of what; or the reply if nothing is open.
fn asked<'a>(guard: &'a OwnedRwLockReadGuard<Slot>, owned: &'a Owned, uid: u32) -> Result<Asked<'a>, Reply> {
    match &**guard {
        Slot::Open(opened) => Ok(Asked { opened, config: &owned.config, metrics: &owned.metrics, uid }),
        Slot::Failed { message, hint } => Err(Reply::Failed { message: message.clone(), hint: hint.clone() }),
        Slot::Closed => Err(perform::internal()),
    }
}

/// Runs work that blocks on a thread for such work, inside the current span. An error is a panic
/// of the work, which the process survives.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<T> {
    let span = tracing::Span::current();
    let joined = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    joined.map_err(|_| {
        tracing::error!("an operation panicked");
        std::io::Error::other("an operation panicked")
    })
}

struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.ask(RunState::Interrupted);
    }
}
