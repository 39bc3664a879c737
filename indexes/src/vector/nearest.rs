//! The search of the embedded engine: whole numbers first, f32 for what they cannot rule out. The first pass never
//! decides what comes out, so the answer is, to the bit, that of scoring every visible row in f32; where a row lies,
//! and what lies beside it, is in no score and no order. Rows that are not visible must never be touched.

use super::flat::{FlatSnapshot, Place};
use super::int8::{self, Query};
use super::kernel::{self, fetch, sums};
use super::scan::{self, dots};
use super::{Accept, VectorError};
use crate::order::Top;
use crate::places::skip_to;
use crate::{Scored, TieOrder};
use kenward_access::ids::ChunkNo;
use kenward_access::scope::VisibleChunks;

/// Rows that are bounded at once.
const BLOCK: usize = 64;

/// What the visible rows are looked through for.
pub(super) struct Wanted<'a> {
    /// A vector of unit length.
    pub query: &'a [f32],
    pub accept: &'a Accept<'a>,
    pub depth: usize,
    pub ties: &'a dyn TieOrder,
}

/// Visible rows from which on a further thread is worth its start: some milliseconds' work.
const ROWS_OF_A_THREAD: u64 = 131_072;
/// Most threads of one search; others are under way.
const MOST_THREADS: usize = 4;

/// How many threads look through so many visible rows.
pub(super) fn threads(visible: u64) -> usize {
    let worth = usize::try_from(visible / ROWS_OF_A_THREAD).unwrap_or(MOST_THREADS);
    let there = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    worth.min(there).clamp(1, MOST_THREADS)
}

/// The best visible rows, whatever the number of threads.
pub(super) fn nearest(
    snapshot: &FlatSnapshot,
    visible: &VisibleChunks<'_>,
    wanted: &Wanted<'_>,
    threads: usize,
) -> Result<Vec<Scored>, VectorError> {
    let mut top = Top::new(wanted.depth, wanted.ties);
    // Bounds rule nothing out where nearly everything is wanted.
    if visible.len() <= (wanted.depth as u64).saturating_mul(2) {
        let asked = |place: &Place| (wanted.accept)(ChunkNo(place.chunk));
        score(snapshot, seen(snapshot.places(), visible).filter(asked), wanted.query, &mut top)?;
    } else {
        score(snapshot, possible(snapshot, visible, wanted, threads)?, wanted.query, &mut top)?;
    }
    Ok(top.finish())
}

/// Scores rows in f32.
fn score(
    snapshot: &FlatSnapshot,
    mut places: impl Iterator<Item = Place>,
    query: &[f32],
    top: &mut Top<'_>,
) -> Result<(), VectorError> {
    let (mut block, mut rows) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
    let mut scores = [0.0; BLOCK];
    loop {
        block.clear();
        rows.clear();
        for place in places.by_ref().take(BLOCK) {
            let row = snapshot.row(place).ok_or_else(FlatSnapshot::damaged)?;
            if rows.len() < scan::AHEAD {
                fetch(row);
            }
            block.push(place);
            rows.push(row);
        }
        if block.is_empty() {
            return Ok(());
        }
        dots(query, &rows, &mut scores);
        for (place, score) in block.iter().zip(scores) {
            // Only finite vectors are written, so anything else is damage.
            if !score.is_finite() {
                return Err(FlatSnapshot::damaged());
            }
            top.push(Scored { chunk: ChunkNo(place.chunk), score });
        }
    }
}

/// The visible ones of some places. Chunk numbers grow as rows do, so this order is nearly that of storage: memory is
/// read forwards.
fn seen<'a>(mut places: &'a [Place], visible: &'a VisibleChunks<'_>) -> impl Iterator<Item = Place> + 'a {
    let range = match places {
        [first, .., last] => first.chunk..=last.chunk,
        [only] => only.chunk..=only.chunk,
        [] => 0..=0,
    };
    visible.within(range).filter_map(move |chunk| {
        places = skip_to(places, chunk.0, |place| place.chunk);
        places.first().copied().filter(|place| place.chunk == chunk.0)
    })
}

/// The rows that can be among the best: all that reach, at most, what so many others reach at least.
fn possible(
    snapshot: &FlatSnapshot,
    visible: &VisibleChunks<'_>,
    wanted: &Wanted<'_>,
    threads: usize,
) -> Result<impl Iterator<Item = Place>, VectorError> {
    let query = Query::new(wanted.query);
    let mut parts = snapshot.places().chunks(snapshot.places().len().div_ceil(threads.max(1)).max(1));
    let race = |part: &[Place]| run(snapshot, seen(part, visible), wanted, &query);
    let first = parts.next().unwrap_or_default();
    let all = std::thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || race(part))).collect();
        let mut all = race(first)?;
        for other in others {
            // A thread that panicked has told why; here that is a search which failed.
            all.join(other.join().map_err(|_| FlatSnapshot::damaged())??);
        }
        Ok::<_, VectorError>(all)
    });
    Ok(all?.finish())
}

/// Lets rows race.
fn run(
    snapshot: &FlatSnapshot,
    mut places: impl Iterator<Item = Place>,
    wanted: &Wanted<'_>,
    query: &Query,
) -> Result<Race, VectorError> {
    let mut race = Race::new(wanted.depth);
    let (mut block, mut rows) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
    let mut products = [0i64; BLOCK];
    loop {
        block.clear();
        rows.clear();
        for place in places.by_ref().take(BLOCK) {
            // The row itself is not looked at yet: it is on its way into the cache.
            let row = snapshot.coarse(place).ok_or_else(FlatSnapshot::damaged)?;
            if rows.len() < kernel::AHEAD {
                fetch(row);
            }
            block.push(place);
            rows.push(row);
        }
        if block.is_empty() {
            return Ok(race);
        }
        sums(&query.numbers, &rows, &mut products);
        for ((place, row), sum) in block.iter().zip(&rows).zip(products) {
            let bounds = int8::header(row).and_then(|(step, loss)| query.bounds(sum, step, loss));
            let (least, most) = bounds.ok_or_else(FlatSnapshot::damaged)?;
            let chunk = ChunkNo(place.chunk);
            // What is not published, or not asked for, must not take a place from what is.
            if most >= race.floor && (wanted.accept)(chunk) && wanted.ties.tie(chunk).is_some() {
                race.enter(*place, least, most);
            }
        }
    }
}

/// Rows with their bounds, as long as they can be among the best.
struct Race {
    depth: usize,
    /// So many rows reach at least this; whoever cannot reach it is out.
    floor: f64,
    least: Vec<f64>,
    // INVARIANT: every row that entered and is not in it has `depth` others above it, whatever their exact scores are.
    running: Vec<(Place, f64)>,
}

impl Race {
    fn new(depth: usize) -> Self {
        Self { depth, floor: f64::NEG_INFINITY, least: Vec::new(), running: Vec::new() }
    }

    fn enter(&mut self, place: Place, least: f64, most: f64) {
        self.running.push((place, most));
        self.least.push(least);
        if self.least.len() >= self.depth.saturating_mul(2).max(BLOCK) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let Some(last) = self.depth.checked_sub(1).filter(|last| *last < self.least.len()) else { return };
        let (_, floor, _) = self.least.select_nth_unstable_by(last, |a, b| b.total_cmp(a));
        let floor = *floor;
        self.floor = floor;
        self.least.truncate(self.depth);
        self.running.retain(|(_, most)| *most >= floor);
    }

    /// With those of another part.
    fn join(&mut self, other: Self) {
        self.least.extend(other.least);
        self.running.extend(other.running);
        self.cut();
    }

    fn finish(mut self) -> impl Iterator<Item = Place> {
        self.cut();
        self.running.into_iter().map(|(place, _)| place)
    }
}
