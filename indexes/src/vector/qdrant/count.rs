//! Whether the cluster has what it acknowledged: counted by class, and where a count differs, looked at point by point.
//! What is missing is taken out of the state, and brought again; what nobody knows of is deleted. A cluster that lost
//! something is found out here at the latest, and not asked meanwhile.

use super::claim::still_ours;
use super::fault::Fault;
use super::options::Consistency;
use super::site::Site;
use super::wire::Reach;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Points of a page.
const PAGE: u32 = 8_192;
/// Points of a request that deletes.
const POINTS: usize = 1_000;
/// Most classes that are counted one by one; beyond it every point is looked at.
const CLASSES: usize = 20_000;

/// Counts, and mends what does not agree: what any replica has not counts as missing. Where one is down, and questions are
/// answered by what is up, those are counted that questions are put to.
pub(super) async fn count(site: &Arc<Site>) -> Result<(), Fault> {
    match count_of(site, Consistency::All).await {
        Err(Fault::Within) => count_of(site, site.options.consistency).await,
        counted => counted,
    }
}

async fn count_of(site: &Arc<Site>, of: Consistency) -> Result<(), Fault> {
    let (before, ids) = site.with(|inner| {
        let counts: BTreeMap<u32, u64> =
            inner.state.tags.iter().map(|(tag, set)| (*tag, set.len())).collect();
        (counts, inner.state.ids())
    });
    if before.len() <= CLASSES {
        let there = site.wire.per_class(before.len() as u64 + 64, of).await?;
        let there: Option<BTreeMap<u32, u64>> =
            there.into_iter().filter(|(_, n)| *n > 0).map(|(tag, n)| Some((ids.class(tag)?, n))).collect();
        let all = site.wire.count(Reach::All, of).await?;
        if there.as_ref() == Some(&before) && all == before.values().sum::<u64>() {
            return Ok(());
        }
    }
    // INVARIANT: nothing is deleted in a collection that is not ours.
    still_ours(site).await?;
    look(site, of).await
}

/// Looks at every point.
async fn look(site: &Arc<Site>, of: Consistency) -> Result<(), Fault> {
    let (ids, generation, before) =
        site.with(|inner| (inner.state.ids(), inner.generation, inner.state.all.clone()));
    let (mut there, mut stray, mut from) = (RoaringBitmap::new(), Vec::new(), None);
    loop {
        let (points, next) = site.wire.scroll(from, PAGE, of).await?;
        // Replicas that differ give shorter pages, and say that there are no more.
        let next = next.or(points.iter().map(|(id, _)| *id).max().and_then(|last| last.checked_add(1)));
        site.with(|inner| {
            for (id, tag) in points {
                let point = ids.passage(id);
                let class = tag.and_then(|tag| ids.class(tag));
                let tagged = class
                    .and_then(|class| inner.state.tags.get(&class))
                    .is_some_and(|chunks| chunks.contains(point.chunk.0));
                if tagged && inner.state.is_point(point) {
                    there.insert(point.chunk.0);
                } else {
                    stray.push(id);
                }
            }
        });
        match next {
            // Of a page that goes back, the same would come for ever.
            Some(next) if from.is_some_and(|from| next <= from) => return Err(Fault::Nonsense),
            Some(next) => from = Some(next),
            None => break,
        }
    }
    let missing = before - there;
    site.with(|inner| {
        if inner.generation == generation {
            let missing = &missing & &inner.state.all;
            inner.dirty |= &missing;
            inner.take_out(&missing);
        }
    });
    if !missing.is_empty() {
        tracing::warn!(
            missing = missing.len(),
            stray = stray.len(),
            "the cluster has not what it acknowledged; it is mended"
        );
    } else if !stray.is_empty() {
        // Of a filling that was broken off, or of a change whose fate was not known.
        tracing::info!(stray = stray.len(), "what the cluster has and nobody knows of is deleted there");
    }
    if !stray.is_empty() {
        still_ours(site).await?;
    }
    for batch in stray.chunks(POINTS) {
        if let Err(fault) = site.wire.delete(batch.to_vec()).await {
            site.uncertain(&fault);
            return Err(fault);
        }
    }
    Ok(())
}
