//! Streamable HTTP on loopback: `/mcp` behind the bearer layer, `/healthz` in front of it.
//!
//! Connections are bounded by [`listen`]. A request passes, from the outside in: a request id and a span ([`respond`]) → the lists of
//! allowed Hosts and Origins ([`rebinding`]) → a time limit → the bearer layer ([`bearer`]), which
//! asks the owner and takes the header away → rmcp's stateless service, which reads at most
//! [`HttpOptions::max_body_bytes`] and calls the MCP server.
//!
//! It must never listen beyond loopback (that needs issuer, audience and hosts, which come with
//! OAuth), keep a session, or log a header's value.

pub mod bearer;
mod envelope;
mod listen;
pub mod operations;
pub mod rebinding;
pub mod respond;

use crate::mcp::request_id::RequestIds;
use crate::mcp::{Ask, Claims, KenwardServer};
use axum::routing::{any, get};
use axum::{Router, middleware};
pub use listen::{Bounds, serve};
use rebinding::Lists;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The path of the MCP endpoint.
pub const MCP_PATH: &str = "/mcp";

/// How the endpoint behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Authorities that a request's `Host` may name, with port (`localhost:8731`).
    pub allowed_hosts: Vec<String>,
    /// Origins of pages that may call, with port (`http://localhost:8731`).
    pub allowed_origins: Vec<String>,
    /// Largest body of a request; more is 413.
    pub max_body_bytes: usize,
    /// Longest time for one request, its body included.
    pub request_timeout: Duration,
    /// Bounds on connections.
    pub bounds: Bounds,
}

impl HttpOptions {
    /// For a listener on loopback: its own names with its port, and pages of its own origin only.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        let names = ["localhost", "127.0.0.1", "[::1]"];
        Self {
            allowed_hosts: names.iter().map(|name| format!("{name}:{port}")).collect(),
            allowed_origins: names.iter().map(|name| format!("http://{name}:{port}")).collect(),
            max_body_bytes: 4 << 20,
            request_timeout: Duration::from_secs(60),
            bounds: Bounds::default(),
        }
    }
}

/// Why the endpoint does not stand.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// An address that others can reach.
    #[error(
        "`{0}` can be reached from other machines, and this version answers on loopback only; hint: use `127.0.0.1:{port}`, and a reverse proxy on this machine if others must reach it", port = .0.port()
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error(
        "listening on `{address}`; hint: if the port is taken, choose another with `--http 127.0.0.1:PORT` (port 0 takes a free one)"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Serving ended.
    #[error("serving HTTP")]
    Serve(#[source] std::io::Error),
}

/// Listens, on loopback only.
///
/// # Errors
/// [`HttpError::NotLoopback`], [`HttpError::Bind`].
pub async fn bind(address: SocketAddr) -> Result<TcpListener, HttpError> {
    // INVARIANT: whatever the configuration let through, nothing listens beyond loopback here.
    if !address.ip().is_loopback() {
        return Err(HttpError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| HttpError::Bind { address, source })
}

/// The whole endpoint.
pub fn router<A: Ask>(ask: A, options: &HttpOptions) -> Router {
    let ids = RequestIds::default();
    let server = KenwardServer::new(ask.clone(), Claims::Request).with_request_ids(ids.clone());
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        protocol(options),
    );
    around(ask, options, ids, Router::new().route_service(MCP_PATH, service))
}

/// How the protocol's library serves the endpoint. Stateless: no sessions (they are not bound to
/// whoever opened them) and no event store. Host and Origin are checked by our own outer layer for
/// every path, and once more by rmcp for its own.
#[must_use]
pub fn protocol(options: &HttpOptions) -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_retry(None)
        .with_max_request_body_bytes(options.max_body_bytes)
        .with_allowed_hosts(options.allowed_hosts.clone())
        .with_allowed_origins(options.allowed_origins.clone())
        .enforce_origin_validation()
}

/// All that stands around the protocol's service, which `mcp` has at [`MCP_PATH`]. It is apart from
/// [`router`] so that the conformance tests put their fixtures behind the very same layers; the
/// product has this one caller.
pub fn around<A: Ask>(ask: A, options: &HttpOptions, ids: RequestIds, mcp: Router) -> Router {
    let lists = Arc::new(Lists::new(&options.allowed_hosts, &options.allowed_origins));
    let timeout = options.request_timeout;
    let mcp = mcp
        .layer(middleware::from_fn(move |request, next| bearer::layer(ask.clone(), request, next)))
        .layer(middleware::from_fn(move |request, next| respond::within(timeout, request, next)));
    Router::new()
        .merge(mcp)
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(any(respond::not_here))
        .layer(middleware::from_fn(move |request, next| rebinding::layer(Arc::clone(&lists), request, next)))
        .layer(middleware::from_fn(move |request, next| respond::outermost(ids.clone(), request, next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_listens_beyond_loopback_whatever_was_configured() {
        for open in ["0.0.0.0:0", "[::]:0", "192.0.2.7:0"] {
            let refused = bind(open.parse().unwrap()).await;
            assert!(matches!(refused, Err(HttpError::NotLoopback(_))), "{open}: {refused:?}");
        }
        assert!(bind("127.0.0.1:0".parse().unwrap()).await.unwrap().local_addr().unwrap().ip().is_loopback());
    }
}
