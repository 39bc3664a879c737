//! What operators' machines ask, on a listener of its own: `/metrics`, `/readyz`, `/healthz`. They count hidden things, so the
//! listener is on loopback, whatever is configured, and is no part of the agents' endpoint. A page in a browser that rebound a
//! name is refused like there.

use super::HttpOptions;
use super::rebinding::{self, Lists};
use crate::owner::Backend;
use crate::owner::ops::{Op, Operate, Operated, Reply};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Router, middleware};
use std::sync::Arc;
use std::time::Duration;

/// The content type of Prometheus' text form.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long the owner may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// The listener's paths.
pub fn router(backend: Backend, port: u16) -> Router {
    let options = HttpOptions::loopback(port);
    let lists = Arc::new(Lists::new(&options.allowed_hosts, &options.allowed_origins));
    let (ready, metrics) = (backend.clone(), backend);
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || readyz(ready.clone())))
        .route("/metrics", get(move || text(metrics.clone())))
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is /metrics, /readyz and /healthz\n") })
        .layer(middleware::from_fn(move |request, next| rebinding::layer(Arc::clone(&lists), request, next)))
}

async fn ask(backend: &Backend, operate: Operate) -> Option<Operated> {
    let reply = tokio::time::timeout(PATIENCE, backend.ask(Op::Operate(operate))).await.ok()?;
    match reply {
        Ok(Reply::Operated(done)) => Some(*done),
        _ => None,
    }
}

/// Whether questions would be answered now, and narrowings kept: the data is open, its indexes too, the audit log and the
/// rights ledger can be written.
async fn readyz(backend: Backend) -> Response {
    let not_ready = |what: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n")).into_response();
    match ask(&backend, Operate::Ready).await {
        Some(Operated::Ready { audit: true, ledger: true }) => "ready\n".into_response(),
        Some(Operated::Ready { audit: false, .. }) => not_ready("the audit log cannot be written"),
        Some(Operated::Ready { .. }) => {
            not_ready("the rights ledger cannot be written: see `kenward doctor`")
        }
        _ => not_ready("the data is not open, or its owner does not answer"),
    }
}

async fn text(backend: Backend) -> Response {
    match ask(&backend, Operate::Metrics).await {
        Some(Operated::Metrics(text)) => {
            ([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")], text).into_response()
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the owner of the data does not answer\n").into_response(),
    }
}
