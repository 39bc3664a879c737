//! Subscriptions of the older protocol, which exist over stdio alone: one process speaks for one person there, so
//! what it may hear is what that person may. It must never be used where a connection carries several people.

use crate::mcp::ask::Ask;
use crate::mcp::errors;
use crate::mcp::listen::{self, Changed, Told};
use crate::mcp::request_id::RequestIds;
use crate::owner::ops::Claim;
use kenward_vault::AnswerError;
use kenward_vault::knowledge_base::{LONGEST_WATCHED, MOST_WATCHED, Watch};
use rmcp::RoleServer;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::Peer;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What one client of the older version watches.
#[derive(Clone, Default)]
pub struct Subscribed(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    uris: BTreeSet<String>,
    /// Something looks already.
    looking: bool,
}

impl Subscribed {
    /// Adds a resource; the first one begins the looking, which also watches the list of resources.
    ///
    /// # Errors
    /// It would be too many.
    pub fn add<A: Ask>(
        &self,
        uri: String,
        peer: Peer<RoleServer>,
        ask: A,
        claim: Claim,
        ids: RequestIds,
        tick: Duration,
    ) -> Result<(), AnswerError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uri.len() > LONGEST_WATCHED {
            let message = format!("`uri` is longer than {LONGEST_WATCHED} bytes");
            return Err(errors::argument("uri", message, "take a `uri` from `resources/list`".to_owned()));
        }
        if state.uris.len() == MOST_WATCHED && !state.uris.contains(&uri) {
            return Err(errors::argument(
                "uri",
                format!("there are {MOST_WATCHED} subscriptions already"),
                "end one with `resources/unsubscribe`".to_owned(),
            ));
        }
        state.uris.insert(uri);
        if std::mem::replace(&mut state.looking, true) {
            return Ok(());
        }
        let own = self.clone();
        tokio::spawn(async move {
            let watch = || Watch { uris: own.uris(), list: true };
            let ended = listen::run(&ask, &claim, &ids, tick, watch, &Sink(peer)).await;
            if ended.is_err() {
                tracing::info!("a subscription ended with the access of its person");
            }
            own.0.lock().unwrap_or_else(PoisonError::into_inner).looking = false;
        });
        Ok(())
    }

    /// Takes a resource out.
    pub fn remove(&self, uri: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).uris.remove(uri);
    }

    fn uris(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).uris.clone()
    }
}

struct Sink(Peer<RoleServer>);

impl Told for Sink {
    async fn tell(&self, changed: Changed) -> bool {
        for uri in changed.updated {
            if self.0.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_err() {
                return false;
            }
        }
        !changed.list || self.0.notify_resource_list_changed().await.is_ok()
    }
}
