//! One process that serves HTTP on loopback by the product's own listener and layers: one tenant, or that one beside
//! another. It must never know what is asked.

use crate::broken;
use crate::served::{Answers, PACE};
use crate::stage::{OTHER, Stage, TENANT};
use crate::wire::Place;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use kenward::http::limits::{Callers, Kind, Limits};
use kenward::http::{HttpOptions, MCP_PATH, bind, hosted, respond, router, serve, tenant_path};
use kenward_access::ids::TenantId;
use std::num::NonZeroU32;

/// What somebody of the other tenant may ask for: so little that it is used up in a moment.
pub const LITTLE: Limits = Limits {
    per_second: NonZeroU32::new(10).unwrap(),
    at_once: NonZeroU32::new(8).unwrap(),
    listens: NonZeroU32::MIN,
};

/// A process that is asked.
pub struct House {
    pub asked: Stage,
    pub at: Place,
    pub answers: Answers,
    pub beside: Option<Beside>,
}

/// The other tenant of it.
pub struct Beside {
    pub stage: Stage,
    pub at: Place,
    pub answers: Answers,
}

impl House {
    pub async fn open(asked: Stage, beside: Option<Stage>) -> Self {
        let listener = bind("127.0.0.1:0".parse().unwrap(), &kenward::config::Reach::Loopback).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut options = HttpOptions { pace: PACE, ..HttpOptions::loopback(address.port()) };
        options.limits.per_second = NonZeroU32::MAX;
        let name = |tenant| TenantId::new(tenant).unwrap();
        let place = |path: String| Place { address, path };
        let own = Answers::of(&asked);
        let (endpoints, at, answers, beside) = match beside {
            None => (router(own.clone(), &options), place(MCP_PATH.to_owned()), own, None),
            Some(stage) => {
                let others = Answers::of(&stage).beside();
                let own = own.with_next(&others);
                let theirs = HttpOptions { limits: LITTLE, ..options.clone() };
                let tenants =
                    vec![(name(TENANT), own.clone(), options.clone()), (name(OTHER), others.clone(), theirs)];
                let at = place(tenant_path(&name(OTHER)));
                let beside = Beside { stage, at, answers: others };
                (hosted(tenants, &options), place(tenant_path(&name(TENANT))), own, Some(beside))
            }
        };
        let callers = Callers::new(Limits { listens: NonZeroU32::MIN, ..options.limits });
        let front = endpoints
            .layer(from_fn(move |request: Request, next: Next| one_count(callers.clone(), request, next)));
        tokio::spawn(serve(listener, front, options.bounds, None, std::future::pending()));
        Self { asked, at, answers, beside }
    }
}

/// A front that counts the people of all tenants as one, while it is broken on purpose.
async fn one_count(callers: Callers, request: Request, next: Next) -> Response {
    if !broken::is_on(&broken::ONE_COUNT) {
        return next.run(request).await;
    }
    let method = request.headers().get("mcp-method");
    let listens = method.is_some_and(|method| method == "subscriptions/listen");
    match callers.enter([0; 16], if listens { Kind::Listen } else { Kind::Call }) {
        Ok(pass) => pass.until_sent(next.run(request).await),
        Err(refused) => respond::too_much(refused, "r_fixed"),
    }
}
