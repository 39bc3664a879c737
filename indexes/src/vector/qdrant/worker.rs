//! What tends a cluster: one task that connects, brings what is missing, gives other classes, deletes, and counts. It
//! waits for an acknowledgement before it sends more, so a slow cluster is never given more than it takes; whatever
//! fails is tried again, later and later. Nobody waits for it.

use super::claim::{claim, still_ours};
use super::count::count;
use super::fault::Fault;
use super::ids::Point;
use super::site::{Inner, Site};
use super::standing::Condition;
use super::wire::NewPoint;
use kenward_access::ids::ChunkNo;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Passages of a round: what is under way at once, and lost to questions for a moment if their class changes.
const ROUND: u64 = 4_096;
/// Numbers of a request: a megabyte.
const NUMBERS: usize = 1 << 18;
/// Most points of a request.
const POINTS: usize = 1_000;
/// Requests at once.
const AT_ONCE: usize = 3;
/// The first wait after something failed.
const SOON: Duration = Duration::from_millis(200);
/// How long it is well until what failed before is forgotten.
const FORGIVEN: Duration = Duration::from_secs(60);
/// How often the state is written down while much is brought: a crash brings that again.
const WRITTEN: Duration = Duration::from_secs(5);
/// How long after a count what is doubted is counted again, at the earliest.
const DOUBTED: Duration = Duration::from_secs(20);
/// How long it looks for nothing to do.
const LOOK: Duration = Duration::from_secs(5);

/// What the task remembers.
struct Tending {
    /// The generation that it is connected for.
    connected: Option<u64>,
    counted: Instant,
    written: Instant,
    wait: Duration,
    well_since: Instant,
}

/// Tends a cluster for as long as somebody has it.
pub(super) async fn tend(site: Weak<Site>) {
    let now = Instant::now();
    let mut tending = Tending { connected: None, counted: now, written: now, wait: SOON, well_since: now };
    loop {
        let Some(site) = site.upgrade().filter(|site| !site.is_stopped()) else { return };
        let wake = Arc::clone(&site.wake);
        let next = tending.turn(&site).await;
        drop(site);
        match next {
            Next::Again => {}
            Next::Look => {
                let _ = tokio::time::timeout(LOOK, wake.notified()).await;
            }
            Next::After(wait) => tokio::time::sleep(wait).await,
        }
    }
}

/// When to go on.
enum Next {
    Again,
    Look,
    After(Duration),
}

impl Tending {
    async fn turn(&mut self, site: &Arc<Site>) -> Next {
        let (generation, condition) = site.with(|inner| (inner.generation, inner.condition.clone()));
        if generation == 0 {
            return Next::Look;
        }
        // A question found it down: not at once again, or every question would.
        if matches!(condition, Condition::Down { .. }) && self.connected.take().is_some() {
            return Next::After(self.later(site));
        }
        if self.connected != Some(generation) {
            match connect(site).await {
                Ok(()) => {
                    self.connected = Some(generation);
                    (self.counted, self.well_since) = (Instant::now(), Instant::now());
                    site.now_is(generation, Condition::Well);
                }
                Err(condition) => {
                    site.now_is(generation, condition);
                    return Next::After(self.later(site));
                }
            }
        }
        if self.well_since.elapsed() > FORGIVEN {
            self.wait = SOON;
        }
        match round(site, generation).await {
            Ok(Did::Something) => {
                if self.written.elapsed() > WRITTEN {
                    self.write(site);
                }
                Next::Again
            }
            Ok(Did::Nothing) => {
                self.write(site);
                let doubted = site.with(|inner| inner.doubted) && self.counted.elapsed() > DOUBTED;
                if self.counted.elapsed() < site.options.counted_every && !doubted {
                    return Next::Look;
                }
                self.counted = Instant::now();
                site.with(|inner| inner.doubted = false);
                match count(site).await {
                    Ok(()) => Next::Again,
                    Err(fault) => self.failed(site, generation, &fault),
                }
            }
            Err(fault) => self.failed(site, generation, &fault),
        }
    }

    fn failed(&mut self, site: &Site, generation: u64, fault: &Fault) -> Next {
        if *fault == Fault::Within {
            // A node that is cut off from the others fails so, too.
            site.wire.ask_another();
        }
        site.now_is(generation, condition_of(fault.clone()));
        self.connected = None;
        Next::After(self.later(site))
    }

    /// Twice as late as the last time.
    fn later(&mut self, site: &Site) -> Duration {
        let wait = self.wait.min(site.options.longest_wait);
        self.wait = wait.saturating_mul(2);
        wait
    }

    fn write(&mut self, site: &Site) {
        if site.with(|inner| inner.put_in)
            && let Err(error) = site.save()
        {
            tracing::warn!(%error, "what is at the cluster could not be written down");
        }
        self.written = Instant::now();
    }
}

/// Sees to it that the collection is ours, and has what it should.
async fn connect(site: &Arc<Site>) -> Result<(), Condition> {
    claim(site).await?;
    count(site).await.map_err(|fault| {
        if fault == Fault::Within {
            site.wire.ask_another();
        }
        condition_of(fault)
    })
}

/// How a fault is told.
pub(super) fn condition_of(fault: Fault) -> Condition {
    let what = fault.to_string();
    match fault {
        Fault::Key | Fault::NoKey(_) => {
            let hint = "set `vectors.api_key` to `env:NAME` or `file:PATH` of a key that may write";
            Condition::Refused { what, hint: hint.to_owned() }
        }
        Fault::Certificate => {
            let hint = "set `vectors.ca` to the certificates of its authority (PEM), and `vectors.url` to the name that its \
                        certificate is for";
            Condition::Refused { what, hint: hint.to_owned() }
        }
        _ => Condition::Down { what },
    }
}

enum Did {
    Something,
    Nothing,
}

/// What a round sends.
struct Round {
    deletes: Vec<u64>,
    batches: Vec<Batch>,
    /// The state has to be written first.
    write: bool,
    /// There was something to look at, and there may be more.
    more: bool,
}

/// What one request sends, and what its acknowledgement puts into the state.
#[derive(Default)]
struct Batch {
    /// By class and life.
    passages: BTreeMap<(u32, u32), RoaringBitmap>,
    upserts: Vec<NewPoint>,
    /// Points by the class that they get.
    retags: BTreeMap<i64, Vec<u64>>,
    points: usize,
}

/// Takes from what is to be done as much as goes into a round.
fn pick(inner: &mut Inner) -> Round {
    inner.touched.clear();
    let ids = inner.state.ids();
    let open = &inner.dirty - &inner.held;
    let some: RoaringBitmap = match open.select(ROUND as u32) {
        Some(end) => open.iter().take_while(|chunk| *chunk < end).collect(),
        None => open,
    };
    let more = !some.is_empty();
    let dead = &some - &*inner.live;
    inner.doom(&dead);
    inner.take_out(&dead);
    inner.dirty -= &dead;
    let mut wanted: BTreeMap<u32, RoaringBitmap> = BTreeMap::new();
    for chunk in &some - &dead {
        match inner.wanted.get(&chunk) {
            Some(class) => {
                wanted.entry(*class).or_default().insert(chunk);
            }
            // It is looked through here until its class is told.
            None => {
                inner.dirty.remove(chunk);
            }
        }
    }
    let (mut retags, mut upserts) =
        (Batches::new(POINTS), Batches::new(POINTS.min(NUMBERS / inner.dimension.max(1))));
    let (life, mut moved) = (inner.state.life, RoaringBitmap::new());
    for (class, mut chunks) in wanted {
        if let Some(there) = inner.state.tags.get(&class) {
            inner.dirty -= &(there & &chunks);
            chunks -= there;
        }
        let tag = ids.tag(class);
        for chunk in chunks {
            if let Some(point) = inner.state.point(chunk) {
                moved.insert(chunk);
                let batch = retags.put(chunk, class, point.life);
                batch.retags.entry(tag).or_default().push(ids.point(point));
                continue;
            }
            let snapshot = inner.snapshot.as_ref();
            let vector = snapshot.and_then(|snapshot| snapshot.vector(snapshot.place(chunk)?));
            let Some(vector) = vector else {
                inner.dirty.remove(chunk);
                continue;
            };
            let id = ids.point(Point { chunk: ChunkNo(chunk), life });
            upserts.put(chunk, class, life).upserts.push(NewPoint { id, tag, vector });
        }
    }
    // INVARIANT: out of the state, durably, before anything is sent.
    inner.take_out(&moved);
    let deletes = std::mem::take(&mut inner.doomed);
    let batches = retags.all().chain(upserts.all()).collect();
    Round { deletes, batches, write: inner.taken_out, more }
}

/// Batches that are filled one after the other.
struct Batches {
    full: Vec<Batch>,
    last: Batch,
    most: usize,
}

impl Batches {
    fn new(most: usize) -> Self {
        Self { full: Vec::new(), last: Batch::default(), most: most.max(1) }
    }

    fn all(self) -> impl Iterator<Item = Batch> {
        self.full.into_iter().chain([self.last])
    }

    /// The batch that a passage goes into.
    fn put(&mut self, chunk: u32, class: u32, life: u32) -> &mut Batch {
        if self.last.points >= self.most {
            self.full.push(std::mem::take(&mut self.last));
        }
        self.last.points += 1;
        self.last.passages.entry((class, life)).or_default().insert(chunk);
        &mut self.last
    }
}

/// Sends a round, and notes what was acknowledged.
async fn round(site: &Arc<Site>, generation: u64) -> Result<Did, Fault> {
    let Some(round) = site.with(|inner| (inner.generation == generation).then(|| pick(inner))) else {
        return Ok(Did::Nothing);
    };
    if round.write && site.save().is_err() {
        // A disk that is full: nothing is sent, and all is looked at again later.
        site.with(|inner| inner.dirty |= &*inner.live);
        return Err(Fault::Busy);
    }
    let more = round.more;
    if round.deletes.is_empty() && round.batches.iter().all(|batch| batch.points == 0) {
        return Ok(if more { Did::Something } else { Did::Nothing });
    }
    // INVARIANT: nothing is written into a collection that is not ours.
    let sent = match still_ours(site).await {
        Ok(()) => send(site, generation, round).await,
        Err(fault) => {
            // What was picked is picked again.
            site.with(|inner| inner.dirty |= &*inner.live);
            return Err(fault);
        }
    };
    if let Err(fault) = &sent {
        site.uncertain(fault);
    }
    sent.map(|()| Did::Something)
}

async fn send(site: &Arc<Site>, generation: u64, round: Round) -> Result<(), Fault> {
    // INVARIANT: before a point with the same id is written.
    for batch in round.deletes.chunks(POINTS) {
        site.wire.delete(batch.to_vec()).await?;
    }
    let mut under_way = JoinSet::new();
    let mut failed = None;
    let mut batches = round.batches.into_iter().filter(|batch| batch.points > 0);
    loop {
        while under_way.len() < AT_ONCE && failed.is_none() {
            let Some(batch) = batches.next() else { break };
            let site = Arc::clone(site);
            under_way.spawn(async move {
                if !batch.retags.is_empty() {
                    site.wire.retag(batch.retags).await?;
                }
                if !batch.upserts.is_empty() {
                    site.wire.upsert(batch.upserts).await?;
                }
                site.acknowledged(generation, &batch.passages);
                Ok::<_, Fault>(())
            });
        }
        match under_way.join_next().await {
            None => return failed.map_or(Ok(()), Err),
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(fault))) => failed = Some(fault),
            Some(Err(_)) => failed = Some(Fault::Nonsense),
        }
    }
}

impl Site {
    /// The cluster has these now.
    fn acknowledged(&self, generation: u64, passages: &BTreeMap<(u32, u32), RoaringBitmap>) {
        self.with(|inner| {
            if inner.generation != generation {
                return;
            }
            for ((class, life), chunks) in passages {
                // INVARIANT: what changed while it was sent is not what was acknowledged.
                let sure = chunks - &inner.touched;
                inner.state.insert(*class, *life, &sure);
                inner.dirty -= &sure;
            }
            inner.put_in = true;
        });
    }

    /// A change failed: unless nothing of it can have been done, its points are left behind.
    pub(super) fn uncertain(&self, fault: &Fault) {
        if !fault.nothing_done() {
            self.with(Inner::next_life);
        }
    }

    /// How it is from now on.
    fn now_is(&self, generation: u64, condition: Condition) {
        let stopped = self.is_stopped();
        self.with(|inner| {
            if inner.generation != generation || inner.condition == condition {
                return;
            }
            match &condition {
                Condition::Well => tracing::info!("the vector cluster is in use"),
                // At an end nothing can be written any more: nothing is wrong with the cluster.
                Condition::Down { .. } if stopped => {}
                Condition::Down { what } => tracing::warn!(what, "the vector cluster cannot be used for now"),
                Condition::Refused { what, hint } => {
                    tracing::error!(what, hint, "the vector cluster is not used")
                }
                Condition::Starting => {}
            }
            inner.condition = condition;
        });
    }
}
