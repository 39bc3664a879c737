//! Streamable HTTP: `/mcp` behind the bearer layer, `/healthz` and what OAuth clients read ([`resource`]) in front of it.
//!
//! Connections are bounded by [`listen`]. A request passes, from the outside in: a request id and a span ([`respond`]) → the lists of
//! allowed Hosts and Origins ([`rebinding`]) → whether it came as it must ([`proxied`]) → a time limit → the bearer layer ([`bearer`]), which
//! asks the owner, takes the header away and counts the request for its caller ([`limits`]) → rmcp's stateless service, which reads at most
//! [`HttpOptions::max_body_bytes`] and calls the MCP server.
//!
//! It must never listen beyond loopback unless issuer, public URL, hosts, and proxies or TLS ([`tls`]) are configured, keep a session, or log
//! a header's value.

pub mod bearer;
mod envelope;
pub mod limits;
mod listen;
pub mod operations;
pub mod proxied;
pub mod rebinding;
pub mod resource;
pub mod respond;
pub mod tls;

use crate::config::{Config, Reach};
use crate::mcp::request_id::RequestIds;
use crate::mcp::{Ask, Claims, KenwardServer};
use axum::routing::{any, get};
use axum::{Router, middleware};
use limits::{Callers, Limits};
pub use listen::{Bounds, serve};
use rebinding::Lists;
use resource::Resource;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The path of the MCP endpoint.
pub const MCP_PATH: &str = "/mcp";

/// How the endpoint behaves.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Authorities that a request's `Host` may name, with port (`localhost:8731`).
    pub allowed_hosts: Vec<String>,
    /// Origins of pages that may call, with port (`http://localhost:8731`).
    pub allowed_origins: Vec<String>,
    /// From where requests may come.
    pub reach: Reach,
    /// What issuers issue tokens for, if there are any.
    pub resource: Option<Resource>,
    /// Largest body of a request; more is 413.
    pub max_body_bytes: usize,
    /// Longest time for one request, its body included.
    pub request_timeout: Duration,
    /// Bounds on connections.
    pub bounds: Bounds,
    /// What one caller may ask for.
    pub limits: Limits,
    /// Cancelled when serving ends: subscriptions end then, and are not waited for.
    pub ending: CancellationToken,
}

impl HttpOptions {
    /// For a listener on loopback: its own names with its port, and pages of its own origin only.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        let names = ["localhost", "127.0.0.1", "[::1]"];
        Self {
            allowed_hosts: names.iter().map(|name| format!("{name}:{port}")).collect(),
            allowed_origins: names.iter().map(|name| format!("http://{name}:{port}")).collect(),
            reach: Reach::Loopback,
            resource: None,
            max_body_bytes: 4 << 20,
            request_timeout: Duration::from_secs(60),
            bounds: Bounds::default(),
            limits: Limits::default(),
            ending: CancellationToken::new(),
        }
    }

    /// As configured, for a listener on this port.
    #[must_use]
    pub fn of(config: &Config, port: u16) -> Self {
        let mut options = Self::loopback(port);
        options.allowed_hosts.extend(config.http.allowed_hosts.iter().cloned());
        options.allowed_origins.extend(config.http.allowed_origins.iter().cloned());
        let (reach, limits) = (config.http.reach.clone(), config.http.limits);
        Self { reach, resource: Resource::of(config), limits, ..options }
    }
}

/// Why the endpoint does not stand.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// An address that others can reach.
    #[error(
        "`{0}` can be reached from other machines; hint: use `127.0.0.1:{port}`, and a reverse proxy on this machine if others must reach it", port = .0.port()
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

/// Listens: on loopback, or elsewhere if the configuration came to have all that this needs.
///
/// # Errors
/// [`HttpError::NotLoopback`], [`HttpError::Bind`].
pub async fn bind(address: SocketAddr, reach: &Reach) -> Result<TcpListener, HttpError> {
    // INVARIANT: whatever address the configuration let through, nothing listens beyond loopback without a proxy to trust or TLS here.
    let reachable = match reach {
        Reach::Loopback => false,
        Reach::Proxied(proxies) => !proxies.is_empty(),
        Reach::Direct => true,
    };
    if !address.ip().is_loopback() && !reachable {
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
        .with_cancellation_token(options.ending.clone())
}

/// All that stands around the protocol's service, which `mcp` has at [`MCP_PATH`]. It is apart from
/// [`router`] so that the conformance tests put their fixtures behind the very same layers; the
/// product has this one caller.
pub fn around<A: Ask>(ask: A, options: &HttpOptions, ids: RequestIds, mcp: Router) -> Router {
    let resource = options.resource.clone().map(Arc::new);
    let metadata = resource.clone();
    let mut public = Router::new();
    let mut paths =
        vec![resource::METADATA_PATH.to_owned(), format!("{}{MCP_PATH}", resource::METADATA_PATH)];
    paths.extend(resource.as_ref().map(|resource| resource.metadata_path()));
    paths.sort();
    paths.dedup();
    for path in &paths {
        let metadata = metadata.clone();
        public = public.route(path, any(move |request| resource::metadata(metadata.clone(), request)));
    }
    let reach = Arc::new(options.reach.clone());
    let lists = Arc::new(Lists::new(&options.allowed_hosts, &options.allowed_origins));
    let timeout = options.request_timeout;
    let callers = Callers::new(options.limits);
    let mcp = mcp
        .layer(middleware::from_fn(move |request, next| {
            bearer::layer(ask.clone(), resource.clone(), callers.clone(), request, next)
        }))
        .layer(middleware::from_fn(move |request, next| respond::within(timeout, request, next)));
    Router::new()
        .merge(mcp)
        .merge(public)
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(any(respond::not_here))
        .layer(middleware::from_fn(move |request, next| proxied::layer(Arc::clone(&reach), request, next)))
        .layer(middleware::from_fn(move |request, next| rebinding::layer(Arc::clone(&lists), request, next)))
        .layer(middleware::from_fn(move |request, next| respond::outermost(ids.clone(), request, next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_listens_beyond_loopback_whatever_was_configured() {
        for open in ["0.0.0.0:0", "[::]:0", "192.0.2.7:0"] {
            let refused = bind(open.parse().unwrap(), &Reach::Loopback).await;
            assert!(matches!(refused, Err(HttpError::NotLoopback(_))), "{open}: {refused:?}");
        }
        let none = Reach::Proxied(Vec::new());
        assert!(bind("0.0.0.0:0".parse().unwrap(), &none).await.is_err());
        assert!(
            bind("127.0.0.1:0".parse().unwrap(), &Reach::Loopback)
                .await
                .unwrap()
                .local_addr()
                .unwrap()
                .ip()
                .is_loopback()
        );
    }
}
