//! Whether the collection is ours: made by this folder of data, and held by nobody else since. One that is not is never
//! written into and never dropped; one that is not there is made. Ours is known by a mark that only our secret gives, and
//! every opening writes a name of its own into it, so that a copied folder of data never shares it with the first.

use super::fault::Fault;
use super::ids::Ids;
use super::site::{Site, secret};
use super::standing::Condition;
use super::wire::Info;
use super::worker::condition_of;
use std::sync::Arc;

/// The least version: of its answers no other has been tried.
const LEAST: (u32, u32) = (1, 19);
/// Names of holders that are remembered: one may arrive after the next.
const HOLDERS: usize = 16;
/// gRPC's code for what is there already: somebody made it at the same moment.
const THERE_ALREADY: i32 = 6;

/// Sees to it that the collection is there and ours.
pub(super) async fn claim(site: &Arc<Site>) -> Result<(), Condition> {
    let fault = condition_of;
    if let Some(what) = site.with(|inner| inner.unknown.clone()) {
        return refused(
            what,
            "give that file back to the user that Kenward runs as (or remove it, and drop the collection there: it is filled again), \
             and start again",
        );
    }
    if let Some(what) = &site.wire.unfit {
        return refused(
            what.to_string(),
            "set `vectors.ca` to the certificates of the cluster's authority (PEM), and start again",
        );
    }
    site.wire.key(site.options.read_key().map_err(fault)?);
    let version = site.wire.version().await.map_err(fault)?;
    if !new_enough(&version) {
        let named: String =
            version.chars().filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).take(24).collect();
        return refused(format!("the server is of version `{named}`"), "run Qdrant 1.19 or newer there");
    }
    // It is looked at again after each step: somebody else may be at it, too.
    for _ in 0..4 {
        match site.wire.info().await {
            Err(Fault::NoCollection) => make(site).await?,
            Err(other) => return Err(fault(other)),
            Ok(info) => {
                if ours(site, &info).await? {
                    return Ok(());
                }
            }
        }
    }
    Err(Condition::Down { what: "the collection changes while it is looked at".to_owned() })
}

fn refused<T>(what: String, hint: impl Into<String>) -> Result<T, Condition> {
    Err(Condition::Refused { what, hint: hint.into() })
}

fn in_use<T>(name: &str) -> Result<T, Condition> {
    refused(
        format!("the collection `{name}` is in use by a copy of this data"),
        "set `vectors.collection` to another name in one of the two",
    )
}

/// Whether it is the collection still that was claimed: somebody may have dropped it, and made another of its name.
pub(super) async fn still_ours(site: &Arc<Site>) -> Result<(), Fault> {
    let info = site.wire.info().await?;
    let (mark, holder) = site.with(|inner| (inner.state.ids().mark(), inner.state.holders.last().cloned()));
    let ours = info.mark.as_ref() == Some(&mark) && info.holder == holder;
    if ours { Ok(()) } else { Err(Fault::Exchanged) }
}

fn not_written() -> Condition {
    Condition::Down { what: "what is at the cluster cannot be written down here".to_owned() }
}

fn new_enough(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split(['.', '-']).map(|part| part.parse::<u32>().ok());
    matches!((parts.next().flatten(), parts.next().flatten()), (Some(major), Some(minor)) if (major, minor) >= LEAST)
}

/// Makes the collection. What was in one that is gone is to be brought again.
async fn make(site: &Arc<Site>) -> Result<(), Condition> {
    let new = secret().map_err(|_| not_written())?;
    let (mark, dimension) = site.with(|inner| {
        let was_there = !inner.state.holders.is_empty();
        if was_there {
            let of = inner.state.of.clone();
            let all = inner.state.all.clone();
            inner.take_out(&all);
            inner.state.begin_anew(new, &of);
            inner.dirty |= &*inner.live;
        }
        // It is not there: nor is an earlier one.
        inner.state.former = None;
        inner.doomed.clear();
        (inner.state.ids().mark(), inner.dimension as u64)
    });
    // INVARIANT: a collection is made only when it will be known again.
    site.save().map_err(|_| not_written())?;
    match site.wire.create(dimension, &mark, &site.options).await {
        Ok(()) | Err(Fault::Code(THERE_ALREADY)) => Ok(()),
        Err(fault) => Err(condition_of(fault)),
    }
}

/// Whether a collection that is there is ours, and held by us now.
async fn ours(site: &Arc<Site>, info: &Info) -> Result<bool, Condition> {
    let (state, dimension) = site.with(|inner| (inner.state.clone(), inner.dimension as u64));
    let name = &site.options.collection;
    let marked = |ids: Ids| info.mark.as_ref() == Some(&ids.mark());
    if state.former.as_ref().is_some_and(|former| marked(Ids::new(former))) {
        // INVARIANT: what a copy of this data has taken since is not dropped.
        if info.holder.as_ref().is_some_and(|holder| !state.former_holders.contains(holder)) {
            return in_use(name);
        }
        site.wire.drop_collection().await.map_err(condition_of)?;
        site.with(|inner| inner.state.former = None);
        return Ok(false);
    }
    if !marked(state.ids()) {
        let what = match info.mark {
            Some(_) => format!("the collection `{name}` there belongs to other data of this program"),
            None => format!("the collection `{name}` there is somebody else's"),
        };
        return refused(
            what,
            "set `vectors.collection` to a name that is free there; or, if it is left over from a folder of data that is \
             gone, drop it there, and it is filled again. Nothing was written into it",
        );
    }
    // One without a name was made and not held yet.
    if info.holder.as_ref().is_some_and(|holder| !state.holders.contains(holder)) {
        return in_use(name);
    }
    if info.dimension != Some(dimension) {
        let has =
            info.dimension.map_or("other vectors".to_owned(), |has| format!("vectors of {has} numbers"));
        return refused(
            format!("the collection `{name}` has {has}, and the embedding space has {dimension}"),
            "somebody changed it: drop it there, and it is filled again",
        );
    }
    // Whoever made it may have ended before this.
    if !info.indexed {
        site.wire.index_classes().await.map_err(condition_of)?;
    }
    let new = data_encoding::HEXLOWER.encode(&secret().map_err(|_| not_written())?.0);
    site.with(|inner| {
        inner.replicas = info.replicas;
        inner.state.holders.push(new.clone());
        let many = inner.state.holders.len().saturating_sub(HOLDERS);
        inner.state.holders.drain(..many);
    });
    // INVARIANT: whichever of these names is there after a crash, or arrives late, is known here.
    site.save().map_err(|_| not_written())?;
    site.wire.hold(&new).await.map_err(condition_of)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::new_enough;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(["1.19.0", "1.19.0-dev", "v1.20.3", "2.0.0", "1.100.0"].iter().all(|v| new_enough(v)));
        assert!(["1.18.9", "1.9.0", "0.20.0", "", "new", "1", "x.20"].iter().all(|v| !new_enough(v)));
    }
}
