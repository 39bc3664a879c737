//! Subscriptions: what somebody watches is looked at on fixed ticks, and only what changed for them is told. The
//! looking is the owner's, under the caller's claim as it is then: a token that was revoked ends the subscription.
//!
//! It must never look because something happened, or tell when: ticks do not depend on what is hidden. At most one
//! notice of each resource goes out in a tick, and nothing piles up for a client that does not read.

use crate::mcp::ask::{Ask, AskError};
use crate::mcp::{errors, request_id::RequestIds};
use crate::owner::ops::Claim;
use kenward_vault::knowledge_base::{LONGEST_WATCHED, MOST_WATCHED, Seen, Watch};
use kenward_vault::{AnswerError, ErrorCode};
use rmcp::model::SubscriptionFilter;
use serde_json::Value;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// Between two looks.
pub const TICK: Duration = Duration::from_secs(1);
/// Longest that one client may take to accept what it is told.
const PATIENCE: Duration = Duration::from_secs(30);
/// Subscriptions at once of one process that speaks for one person.
const MOST: usize = 16;

/// What has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Resources.
    pub updated: Vec<String>,
    /// The list of resources.
    pub list: bool,
}

/// Where it is told.
pub trait Told: Send + Sync {
    /// Tells; `false` if nobody listens any more.
    fn tell(&self, changed: Changed) -> impl Future<Output = bool> + Send;
}

/// How many subscriptions there may still be.
#[derive(Clone)]
pub struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Room {
    /// A place.
    ///
    /// # Errors
    /// There is none left.
    pub fn enter(&self) -> Result<OwnedSemaphorePermit, AnswerError> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| AnswerError {
            code: ErrorCode::TryAgain,
            field: None,
            message: format!("there are {MOST} subscriptions already"),
            hint: "end one of them, or name all resources in one".to_owned(),
        })
    }
}

/// What is accepted of what a client asks to hear: resources and their list. Everybody gets the same answer,
/// whether a resource is there or not (what is longer than any URI of ours is left out); what they may hear is decided when there is something to say.
#[must_use]
pub fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut accepted = SubscriptionFilter::new();
    accepted.resources_list_changed = requested.resources_list_changed;
    accepted.resource_subscriptions = requested.resource_subscriptions.as_ref().map(|uris| {
        uris.iter().filter(|uri| uri.len() <= LONGEST_WATCHED).take(MOST_WATCHED).cloned().collect()
    });
    accepted
}

/// What to watch for an accepted filter.
#[must_use]
pub fn watched(accepted: &SubscriptionFilter) -> Watch {
    Watch {
        uris: accepted.resource_subscriptions.iter().flatten().cloned().collect(),
        list: accepted.resources_list_changed == Some(true),
    }
}

/// Looks and tells until nobody listens or the caller is none any more. `watch` gives what is watched at a tick.
///
/// # Errors
/// The caller's access has ended, or this may not be watched.
pub async fn run<A: Ask>(
    ask: &A,
    claim: &Claim,
    ids: &RequestIds,
    tick: Duration,
    watch: impl Fn() -> Watch + Send + Sync,
    told: &impl Told,
) -> Result<(), AnswerError> {
    let mut ticks = interval_at(Instant::now(), tick);
    // A look that took long does not make others follow at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<(Watch, Seen)> = None;
    loop {
        ticks.tick().await;
        let watch = watch();
        let seen = before.take().filter(|(watched, _)| *watched == watch).map(|(_, seen)| seen);
        match ask.watch(claim.clone(), watch.clone(), seen.clone(), ids.next()).await {
            Ok((now, answer)) => {
                before = Some((watch, now));
                let Some(changed) = answer.as_deref().map(changed).filter(|c| *c != Changed::default())
                else {
                    continue;
                };
                match tokio::time::timeout(PATIENCE, told.tell(changed)).await {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return Ok(()),
                }
            }
            // Gone, or never to be had: the same would be said at every tick.
            Err(AskError::Refused(error))
                if matches!(error.code, ErrorCode::Unauthenticated | ErrorCode::InvalidArgument) =>
            {
                return Err(error);
            }
            // Busy, or out of reach: what was missed is found at the next tick.
            Err(error) => {
                let _ = errors::told(error);
                before = seen.map(|seen| (watch, seen));
            }
        }
    }
}

fn changed(bytes: &str) -> Changed {
    let answer: Value = serde_json::from_str(bytes).unwrap_or_default();
    let updated = answer.get("updated").and_then(Value::as_array).into_iter().flatten();
    Changed {
        updated: updated.filter_map(Value::as_str).map(str::to_owned).collect(),
        list: answer.get("list_changed").and_then(Value::as_bool).unwrap_or_default(),
    }
}
