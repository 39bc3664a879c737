//! Tending one source while a process lives: it is read again when its time has come, its rights more often,
//! and what changes when it changes. Any number of processes may tend the same source: the owner lets one run
//! over it at a time. It must never go on with a run that somebody paused, and never end by an error.

use super::ingest::configured;
use crate::config::ConfiguredSource;
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply, RightsRead, RunOrder};
use kenward_ingest::pipeline::{Progress, RunReport};
use kenward_ingest::watch::{FolderWatch, Seen};
use kenward_vault::runs::{RunRow, RunState};
use kenward_vault::writer::SourceSpec;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Between two looks at the clock, at most.
const LOOK: Duration = Duration::from_secs(5);
/// Between two looks at what the watch has seen.
const GLANCE: Duration = Duration::from_millis(200);
/// Something that changes has been quiet for so long before it is read.
const QUIET: Duration = Duration::from_millis(500);
/// What never is quiet is read all the same after so long.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two passes over a source that always changes: so many times as long as the last one took.
const REST: u32 = 4;
/// After an error the next pass waits so long, then twice as long, up to the most.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const MOST_WAIT: Duration = Duration::from_secs(600);
/// A folder that cannot be watched is listed so often.
const UNWATCHED: Duration = Duration::from_secs(60);

/// What is told as it happens.
pub(super) enum Told<'a> {
    Progress(&'a Progress),
    Run(&'a RunReport),
    Rights(&'a RightsRead),
    Problem(String),
}

/// A source that is tended, and how.
pub(super) struct Tended {
    source: Which,
    every: Option<Duration>,
    rights_every: Option<Duration>,
    watch: bool,
    /// Nothing is known of it yet: it is read when it is first watched.
    unread: bool,
}

enum Which {
    Configured(ConfiguredSource),
    Recorded(SourceSpec),
}

impl Tended {
    /// As the configuration says; `None` if there is nothing to do for it.
    pub fn configured(source: &ConfiguredSource) -> Option<Self> {
        let (every, rights_every, watch) = (source.every, source.rights_every, source.watch);
        (every.is_some() || rights_every.is_some() || watch).then(|| Self {
            source: Which::Configured(source.clone()),
            every,
            rights_every,
            watch,
            unread: true,
        })
    }

    /// Watched alone, and read a moment ago.
    pub fn watched(spec: SourceSpec) -> Self {
        Self { source: Which::Recorded(spec), every: None, rights_every: None, watch: true, unread: false }
    }

    fn name(&self) -> &str {
        match &self.source {
            Which::Configured(source) => &source.name,
            Which::Recorded(spec) => &spec.name,
        }
    }

    fn root(&self) -> PathBuf {
        match &self.source {
            Which::Configured(source) => source.path.clone(),
            Which::Recorded(spec) => PathBuf::from(&spec.root),
        }
    }

    /// The list of whom its rights name, which is no part of the folder.
    fn identity(&self) -> Option<PathBuf> {
        let rights = match &self.source {
            Which::Configured(source) => &source.rights,
            Which::Recorded(spec) => &spec.rights,
        };
        rights.identity.file.as_ref().map(PathBuf::from)
    }
}

/// Tends a source until it is dropped.
pub(super) async fn tend(what: Tended, backend: &Backend, tell: &(dyn Fn(Told<'_>) + Sync)) -> Infallible {
    let now = Instant::now();
    let heard = Seen { everything: what.unread, ..Seen::default() };
    let mut tending = Tending {
        backend,
        tell,
        watch: None,
        // Between the first reading and the watch something may have happened: a listing tells.
        heard: what.watch.then_some(heard),
        rights_at: what.rights_every.map(|_| now),
        full_at: now,
        whole: None,
        watch_at: now,
        listed_at: now,
        retry_at: None,
        rest_until: now,
        wait: FIRST_WAIT,
        complained: false,
        what,
    };
    loop {
        tending.open_watch();
        tending.wait().await;
        tending.act().await;
    }
}

struct Tending<'a> {
    what: Tended,
    backend: &'a Backend,
    tell: &'a (dyn Fn(Told<'_>) + Sync),
    watch: Option<FolderWatch>,
    /// What was heard and is not read yet; an empty one asks for a listing.
    heard: Option<Seen>,
    /// When the rights are read next, without any sign.
    rights_at: Option<Instant>,
    /// When it is next asked whether a run is due.
    full_at: Instant,
    /// When the last run ended that read all of the source, by the clock: what is heard of single files never moves
    /// the time of the next one, which everybody sees (`fresh`).
    whole: Option<i64>,
    /// When the watch is next tried.
    watch_at: Instant,
    /// When the folder is next listed without one.
    listed_at: Instant,
    /// When failed documents are worth another try.
    retry_at: Option<Instant>,
    /// No pass before.
    rest_until: Instant,
    wait: Duration,
    complained: bool,
}

impl Tending<'_> {
    fn open_watch(&mut self) {
        let now = Instant::now();
        if !self.what.watch || self.watch.is_some() || self.watch_at > now {
            return;
        }
        match FolderWatch::open(self.what.root(), self.what.identity())
            .map_err(|error| crate::owner::words(&error))
        {
            Ok(watch) => {
                if std::mem::take(&mut self.complained) {
                    // Nothing was heard meanwhile.
                    self.hear(Seen { everything: true, ..Seen::default() });
                }
                self.watch = Some(watch);
            }
            Err((why, hint)) => {
                if !std::mem::replace(&mut self.complained, true) {
                    let hint = hint.map(|hint| format!("; hint: {hint}")).unwrap_or_default();
                    let every = UNWATCHED.as_secs();
                    self.problem(format!("{why}{hint}; it is listed every {every} s instead"));
                }
                if self.listed_at <= now {
                    self.listed_at = now + UNWATCHED;
                    self.hear(Seen { everything: true, ..Seen::default() });
                }
                self.watch_at = now + LOOK;
            }
        }
    }

    fn hear(&mut self, seen: Seen) {
        self.heard.get_or_insert_default().add(seen);
    }

    fn problem(&self, why: String) {
        (self.tell)(Told::Problem(why));
    }

    /// Waits for something to do.
    async fn wait(&mut self) {
        let begun = Instant::now();
        let (mut first, mut last): (Option<Instant>, Instant) = (None, begun);
        loop {
            let seen = self.watch.as_mut().map(FolderWatch::look);
            match seen {
                None => {}
                Some(Ok(seen)) if seen.is_empty() => {}
                Some(Ok(seen)) => {
                    last = Instant::now();
                    first.get_or_insert(last);
                    self.hear(seen);
                }
                Some(Err(error)) => {
                    self.watch = None;
                    self.watch_at = Instant::now() + QUIET;
                    self.complained = true;
                    self.hear(Seen { everything: true, ..Seen::default() });
                    let why = crate::owner::words(&error).0;
                    self.problem(format!(
                        "the watch was lost ({why}); it is tried again, and the folder listed"
                    ));
                    return;
                }
            }
            let quiet = first.map(|first| (last + QUIET).min(first + PATIENCE));
            let asked = self.heard.is_some().then_some(self.rest_until);
            let full = self.what.every.map(|_| self.full_at);
            let times = [quiet.or(asked), self.rights_at, self.retry_at, full, Some(begun + LOOK)];
            let until = times.into_iter().flatten().min().unwrap_or(begun);
            let until = until.max(self.rest_until.min(begun + LOOK));
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until.min(Instant::now() + GLANCE)).await;
        }
    }

    /// Does what there is to do.
    async fn act(&mut self) {
        let now = Instant::now();
        let retry = self.retry_at.is_some_and(|at| at <= now);
        let rights = self.rights_at.is_some_and(|at| at <= now);
        let asked = retry || rights || self.heard.is_some();
        if now < self.rest_until || !(asked || (self.what.every.is_some() && self.full_at <= now)) {
            return;
        }
        let last = match self.last().await {
            Ok(last) => last,
            Err(why) => return self.failed(why),
        };
        if last.as_ref().is_some_and(|last| last.state == RunState::Running) {
            self.rest_until = now + Duration::from_secs(1);
            return;
        }
        let paused = last.as_ref().is_some_and(|last| last.state == RunState::Paused);
        if self.whole.is_none() {
            self.whole = last.as_ref().map(|last| last.ended.unwrap_or(last.started).0);
        }
        let due = self.what.every.is_some_and(|every| due(last.as_ref(), self.whole, every, clock()));
        self.full_at = now + LOOK.min(self.what.every.unwrap_or(LOOK));
        let heard = self.heard.take();
        if !(due || retry || rights || heard.is_some()) {
            return;
        }
        let done = self.pass(last, heard.clone(), Timed { due, retry }, paused).await;
        if let Some(every) = self.what.rights_every {
            self.rights_at = Some(Instant::now() + every);
        }
        self.rest_until = Instant::now() + now.elapsed() * REST;
        match done {
            Ok(more) => {
                self.wait = FIRST_WAIT;
                if paused {
                    // What was heard waits for the end of the pause.
                    self.heard = heard.or(self.heard.take());
                    self.rest_until = Instant::now() + LOOK;
                } else if more {
                    self.hear(Seen::default());
                }
            }
            Err(why) => {
                if heard.is_some() {
                    self.hear(Seen { everything: true, ..Seen::default() });
                }
                self.failed(why);
            }
        }
    }

    fn failed(&mut self, why: String) {
        self.problem(why);
        self.rest_until = Instant::now() + self.wait;
        self.wait = (self.wait * 2).min(MOST_WAIT);
    }

    async fn last(&self) -> Result<Option<RunRow>, String> {
        let op = Op::Runs { source: Some(self.what.name().to_owned()), limit: 1 };
        match self.ask(op).await? {
            Reply::Runs(rows) => Ok(rows.into_iter().next()),
            other => Err(refused(other)),
        }
    }

    async fn ask(&self, op: Op) -> Result<Reply, String> {
        self.backend.ask(op).await.map_err(|error| crate::owner::words(&error).0)
    }

    /// Reads the rights, then what may have changed. Gives whether another pass should follow.
    async fn pass(
        &mut self,
        last: Option<RunRow>,
        heard: Option<Seen>,
        timed: Timed,
        paused: bool,
    ) -> Result<bool, String> {
        self.record().await?;
        // Of a source that was never read there are no rights to narrow.
        if last.is_some() && (heard.is_some() || self.rights_at.is_some()) {
            match self.ask(Op::SyncRights { source: self.what.name().to_owned() }).await? {
                Reply::RightsRead(read) => (self.tell)(Told::Rights(&read)),
                other => return Err(refused(other)),
            }
        }
        if paused || (heard.is_none() && !timed.due && !timed.retry) {
            return Ok(false);
        }
        let settled = last.is_some_and(|last| last.state == RunState::Done);
        let only = match heard {
            // A run of its time, or after one that came to no end, reads all of it; a failure that is tried again
            // does not make it one.
            _ if timed.due || !settled => None,
            Some(heard) if !heard.everything => Some(heard.paths),
            Some(_) => None,
            None => Some(Default::default()),
        };
        let order = RunOrder {
            source: self.what.name().to_owned(),
            only: only.map(|paths| paths.into_iter().collect()),
            ..RunOrder::default()
        };
        let tell = self.tell;
        let mut progress = |reply: Reply| {
            if let Reply::Progress(event) = &reply {
                tell(Told::Progress(event));
            }
        };
        let reply = self.backend.call(Op::Ingest(order), &mut progress).await;
        match reply.map_err(|error| crate::owner::words(&error).0)? {
            Reply::Ingested(report) => {
                let next = report.failures.iter().filter_map(|failure| failure.next).min();
                self.retry_at = next.filter(|_| self.what.watch).map(|next| {
                    let ahead = u64::try_from(next.0.saturating_sub(clock())).unwrap_or(0);
                    Instant::now() + Duration::from_millis(ahead.clamp(1_000, 24 * 3_600_000))
                });
                if !report.partial {
                    self.whole = Some(clock());
                }
                (self.tell)(Told::Run(&report));
                // What it found changed of rights widens with the next reading of them.
                Ok(report.partial && report.summary.rights_changed > 0)
            }
            other => Err(refused(other)),
        }
    }

    /// Records the source as the configuration has it now.
    async fn record(&self) -> Result<(), String> {
        let Which::Configured(source) = &self.what.source else { return Ok(()) };
        let recorded = match self.ask(Op::Sources).await? {
            Reply::Sources(recorded) => recorded,
            other => return Err(refused(other)),
        };
        let spec = configured(source, &recorded).map_err(|error| error.to_string())?;
        match self.ask(Op::AddSource { spec }).await? {
            Reply::Done => Ok(()),
            other => Err(refused(other)),
        }
    }
}

/// Why nothing came of it.
fn refused(reply: Reply) -> String {
    match reply {
        Reply::NeedsDefault { files, .. } => {
            format!(
                "{} {} no rights of {} own; give the source a `default_allow`",
                super::words::count(files, "file"),
                if files == 1 { "carries" } else { "carry" },
                if files == 1 { "its" } else { "their" }
            )
        }
        Reply::Failed { message, hint: Some(hint) } => format!("{message}; hint: {hint}"),
        other => super::fail::unexpected(other).to_string(),
    }
}

/// Why a pass is made without anything having been heard.
#[derive(Clone, Copy)]
struct Timed {
    /// Its time has come.
    due: bool,
    /// A failure is to be tried again.
    retry: bool,
}

/// Whether a source whose last run is this one, and whose last whole run ended then, is to be run over now.
fn due(last: Option<&RunRow>, whole: Option<i64>, every: Duration, now: i64) -> bool {
    let Some(last) = last else { return true };
    let since = |at: i64| u64::try_from(now.saturating_sub(at)).unwrap_or(0);
    match last.state {
        RunState::Running | RunState::Paused => false,
        RunState::Done | RunState::Cancelled | RunState::Interrupted | RunState::Refused => {
            let ended = whole.unwrap_or_else(|| last.ended.unwrap_or(last.started).0);
            Duration::from_millis(since(ended)) >= every
        }
    }
}

fn clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenward_access::ids::Timestamp;
    use kenward_vault::writer::RunSummary;

    fn row(state: RunState, ended: Option<i64>) -> RunRow {
        RunRow {
            no: 1,
            source: "handbook".into(),
            started: Timestamp(1_000),
            ended: ended.map(Timestamp),
            legs: 1,
            state,
            done: 0,
            of: 0,
            summary: RunSummary::default(),
            why: None,
        }
    }

    #[test]
    fn what_ended_long_enough_ago_is_due_and_what_was_paused_never() {
        let every = Duration::from_secs(10);
        assert!(due(None, None, every, 0));
        // What was read since of single files moves nothing.
        assert!(due(Some(&row(RunState::Done, Some(11_000))), Some(2_000), every, 12_000));
        for state in [RunState::Done, RunState::Cancelled, RunState::Interrupted, RunState::Refused] {
            assert!(due(Some(&row(state, Some(2_000))), None, every, 12_000));
            assert!(!due(Some(&row(state, Some(2_000))), None, every, 11_999));
        }
        // A clock that was set back makes nothing due.
        assert!(!due(Some(&row(RunState::Done, Some(2_000))), None, every, -99_000));
        for state in [RunState::Running, RunState::Paused] {
            assert!(!due(Some(&row(state, Some(2_000))), None, every, i64::MAX));
        }
    }
}
