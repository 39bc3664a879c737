//! A question to the cluster: which passages may be among the best. What comes back is scored here again, and nothing
//! of it is believed but one thing: that what did not come back is no nearer than what came last. That is held against
//! our own scores, and where it cannot be, or what came back shows that it is not so, the answer is made here alone.

use super::fault::Fault;
use super::mirror::MirrorSnapshot;
use super::site::{Plan, Site};
use super::standing::Condition;
use super::wire::Reach;
use crate::order::Top;
use crate::vector::nearest::{Wanted, nearest, threads};
use crate::vector::{Accept, VectorError};
use crate::{Scored, TieOrder};
use kenward_access::ids::ChunkNo;
use kenward_access::scope::VisibleChunks;
use roaring::RoaringBitmap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Points of a first page, beside twice those that are wanted.
const PAGE: u64 = 64;
/// Most points of a page: whoever needs more is answered here.
const MOST: u64 = 16_384;
/// Passages that are looked at to tell how many a filter takes.
const SAMPLE: u64 = 128;

/// Why the cluster did not answer a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// It is not to be asked, or not worth it.
    NotAsked,
    /// Something failed.
    Fault(Fault),
    /// Passages are not there that it has acknowledged, or with other vectors.
    Wrong,
    /// Its replicas agree on too little: something is being written, or one of them is behind.
    Disagree,
    /// It has to tell too much for one answer.
    TooMuch,
}

/// What is looked for.
pub(super) struct Question<'a> {
    /// At unit length.
    pub query: &'a [f32],
    pub visible: &'a VisibleChunks<'a>,
    pub accept: &'a Accept<'a>,
    pub depth: usize,
    pub ties: &'a dyn TieOrder,
    /// Though questions are not put to it yet, and however few passages it is about.
    pub forced: bool,
}

impl Question<'_> {
    fn wants(&self, chunk: u32) -> bool {
        (self.accept)(ChunkNo(chunk)) && self.ties.tie(ChunkNo(chunk)).is_some()
    }

    /// Of so many the filter takes one; `None` = perhaps none.
    fn one_in(&self, asked: &RoaringBitmap) -> Option<u64> {
        let step = (asked.len() / SAMPLE).max(1);
        let looked: Vec<u32> =
            (0..SAMPLE).map_while(|n| asked.select(u32::try_from(n * step).ok()?)).collect();
        let taken = looked.iter().filter(|chunk| self.wants(**chunk)).count();
        (looked.len() as u64).checked_div(taken as u64)
    }
}

/// The best, if they can be told by the cluster: exactly what a look through all of them here would give.
pub(super) fn ask(
    snapshot: &MirrorSnapshot,
    question: &Question<'_>,
) -> Result<Result<Vec<Scored>, Why>, VectorError> {
    let site = &snapshot.site;
    let least = if question.forced { 1 } else { site.options.least.max(1) };
    let not_asked = Ok(Err(Why::NotAsked));
    if question.depth == 0 {
        return not_asked;
    }
    let live = &snapshot.live;
    let Some(plan) = site.plan(snapshot.at(), question.visible, live, question.forced) else {
        return not_asked;
    };
    if plan.asked.len() < least {
        return not_asked;
    }
    let one_in = question.one_in(&plan.asked);
    if !question.forced && one_in.is_none_or(|one_in| plan.asked.len() / one_in < least) {
        return not_asked;
    }
    let Some(reach) = reach(site, &plan) else { return not_asked };
    let answer = pages(snapshot, question, &plan, &reach, one_in.unwrap_or(1))?;
    match &answer {
        Ok(_) => site.answered.fetch_add(1, Ordering::Relaxed),
        Err(why) => {
            match why {
                Why::Fault(fault) => site.is_down(fault),
                Why::Disagree => site.doubt(),
                Why::NotAsked | Why::Wrong | Why::TooMuch => {}
            }
            tracing::debug!(?why, "a question was answered without the cluster");
            site.fell_back.fetch_add(1, Ordering::Relaxed)
        }
    };
    Ok(answer)
}

/// The classes to be named: those that the caller sees, or those there that they do not see, whichever are fewer. Where
/// even these are too many for a filter, nobody is asked.
fn reach(site: &Site, plan: &Plan) -> Option<Reach> {
    site.with(|inner| {
        let ids = inner.state.ids();
        let unseen = inner.state.tags.len().saturating_sub(plan.seen.len());
        if plan.seen.len().min(unseen) > site.options.most_classes {
            return None;
        }
        if unseen == 0 {
            return Some(Reach::All);
        }
        if plan.seen.len() <= unseen {
            return Some(Reach::Any(plan.seen.iter().map(|class| ids.tag(*class)).collect()));
        }
        let unseen = inner.state.tags.keys().filter(|class| plan.seen.binary_search(class).is_err());
        Some(Reach::But(unseen.map(|class| ids.tag(*class)).collect()))
    })
}

/// Asks for more and more until what did not come back cannot be among the best.
fn pages(
    snapshot: &MirrorSnapshot,
    question: &Question<'_>,
    plan: &Plan,
    reach: &Reach,
    one_in: u64,
) -> Result<Result<Vec<Scored>, Why>, VectorError> {
    let site = &snapshot.site;
    let Some(ids) = site.ids_of(snapshot.generation) else { return Ok(Err(Why::NotAsked)) };
    let mut limit = (question.depth as u64 * 2 + PAGE).saturating_mul(one_in).min(MOST);
    let slack = rounding(snapshot.flat.dimension());
    let agreed_on = site.is_agreed_on();
    let out_of_order = if agreed_on { Why::Disagree } else { Why::Fault(Fault::Nonsense) };
    let rest = question.visible.without(&plan.asked);
    let mut here = None;
    loop {
        let answer = begin(site, question.query, reach, limit);
        // What is not there is looked through meanwhile.
        if here.is_none() {
            here = Some(look(snapshot, question, &rest)?);
        }
        let points = match wait(&answer, site.options.timeout) {
            Ok(points) => points,
            Err(fault) => return Ok(Err(Why::Fault(fault))),
        };
        if points.len() as u64 > limit {
            return Ok(Err(Why::Fault(Fault::Nonsense)));
        }
        let all = (points.len() as u64) < limit;
        let life = site.with(|inner| inner.state.life);
        let mut top = Top::new(question.depth, question.ties);
        here.iter().flatten().for_each(|scored| top.push(*scored));
        let (mut came, mut wrong) = (RoaringBitmap::new(), RoaringBitmap::new());
        let mut last = f64::INFINITY;
        for (id, claimed) in points {
            let claimed = f64::from(claimed);
            let point = ids.passage(id);
            // It is no number that we gave out: it may stand for one that we did.
            if point.life > life {
                return Ok(Err(Why::Fault(Fault::Nonsense)));
            }
            let chunk = point.chunk.0;
            // INVARIANT: whatever comes back, only what was asked for, is seen and lives gets any further.
            let ours = plan.asked.contains(chunk) && site.is_point(snapshot.generation, point);
            let Some(place) = snapshot.flat.place(chunk).filter(|_| ours) else {
                // What comes last bounds what does not come: so its order matters, whosever it is.
                if claimed.is_nan() || claimed > last + slack {
                    return Ok(Err(out_of_order));
                }
                last = last.min(claimed);
                continue;
            };
            let scored = snapshot.flat.score(question.query, place)?;
            // It has another vector there, or counts otherwise; or they are in no order.
            if (scored.score - claimed).abs() > slack || claimed.is_nan() {
                wrong.insert(chunk);
            } else if claimed > last + slack {
                if agreed_on {
                    return Ok(Err(Why::Disagree));
                }
                wrong.insert(chunk);
            }
            last = last.min(claimed);
            if came.insert(chunk) && question.wants(chunk) {
                top.push(scored);
            }
        }
        // What was taken out meanwhile may have been elsewhere when it was looked for.
        let Some(moved) = site.taken_out_since(snapshot.generation, plan) else {
            return Ok(Err(Why::NotAsked));
        };
        let moved = (moved & &plan.asked) - &came;
        for chunk in moved.iter().filter(|chunk| question.wants(*chunk)) {
            if let Some(place) = snapshot.flat.place(chunk) {
                top.push(snapshot.flat.score(question.query, place)?);
            }
        }
        let missing = &(&plan.asked - &came) - &moved;
        if all && !agreed_on {
            wrong |= &missing;
        }
        if !wrong.is_empty() {
            tracing::warn!(
                passages = wrong.len(),
                "the cluster does not have these as it acknowledged them; they are brought again"
            );
            site.mend(snapshot.generation, &wrong);
            return Ok(Err(Why::Wrong));
        }
        let best = top.finish();
        // Strictly: what has the same score may come before it by its key.
        let certain =
            best.len() == question.depth && best.last().is_some_and(|kept| kept.score > last + slack);
        if all && !missing.is_empty() {
            // Of what is missing it is not known how near it would be.
            return Ok(Err(Why::Disagree));
        }
        if all || certain {
            return Ok(Ok(best));
        }
        if limit >= MOST {
            return Ok(Err(Why::TooMuch));
        }
        limit = limit.saturating_mul(4).min(MOST);
    }
}

fn look(
    snapshot: &MirrorSnapshot,
    question: &Question<'_>,
    rest: &VisibleChunks<'_>,
) -> Result<Vec<Scored>, VectorError> {
    let wanted =
        Wanted { query: question.query, accept: question.accept, depth: question.depth, ties: question.ties };
    nearest(&snapshot.flat, rest, &wanted, threads(rest.len()))
}

type Answer = Receiver<Result<Vec<(u64, f32)>, Fault>>;

fn begin(site: &Arc<Site>, query: &[f32], reach: &Reach, limit: u64) -> Answer {
    let (tell, answer) = channel();
    let (own, query, reach) = (Arc::clone(site), query.to_vec(), reach.clone());
    site.spawn(async move {
        // Nobody may wait for it any more.
        let _ = tell.send(own.wire.query(query, reach, limit).await);
    });
    answer
}

fn wait(answer: &Answer, timeout: Duration) -> Result<Vec<(u64, f32)>, Fault> {
    match answer.recv_timeout(timeout.saturating_add(Duration::from_millis(100))) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => Err(Fault::Slow),
        Err(RecvTimeoutError::Disconnected) => Err(Fault::Unreachable),
    }
}

/// By how much two sums of the products of two vectors of unit length can differ, both in f32, whatever the order:
/// each is off by at most n units in the last place of the sum of the products' magnitudes, which is at most 1
/// (Higham, Accuracy and Stability of Numerical Algorithms, 3.1); ours has fewer steps, and both are rounded.
pub(super) fn rounding(dimension: usize) -> f64 {
    let unit = f64::from(f32::EPSILON) / 2.0;
    let steps = dimension as f64;
    (steps + steps / 16.0 + 8.0) * unit * 1.01
}

impl Site {
    /// A question failed: nobody asks until it has been looked at.
    fn is_down(&self, fault: &Fault) {
        self.with(|inner| {
            if inner.condition == Condition::Well {
                tracing::warn!(%fault, "the vector cluster does not answer; questions are answered here");
                inner.condition = Condition::Down { what: fault.to_string() };
            }
        });
        self.wake.notify_one();
    }
}
