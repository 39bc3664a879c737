//! Streamable HTTP: `/mcp` behind the bearer layer, `/healthz` and what OAuth clients read ([`resource`]) in front of it.
//!
//! Connections are bounded by [`listen`]. A request passes, from the outside in: a request id and a span ([`respond`]) → the lists of
//! allowed Hosts and Origins ([`rebinding`]) → whether it came as it must ([`proxied`]) → a time limit → the bearer layer ([`bearer`]), which
//! asks the owner, takes the header away, counts the request for its caller ([`limits`]) and reads its body, at most
//! [`HttpOptions::max_body_bytes`] → rmcp's stateless service, which calls the MCP server.
//!
//! It must never listen beyond loopback unless issuer, public URL, hosts, and proxies or TLS ([`tls`]) are configured, keep a session, or log
//! a header's value.

pub mod bearer;
mod body;
mod envelope;
pub mod limits;
mod listen;
pub mod operations;
pub mod proxied;
pub mod rebinding;
pub mod resource;
pub mod respond;
mod seats;
pub mod tls;

use crate::config::{Config, Reach};
use crate::mcp::request_id::RequestIds;
use crate::mcp::{Ask, Claims, KenwardServer, Pace};
use axum::routing::{any, get};
use axum::{Router, middleware};
use kenward_access::ids::TenantId;
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
/// What stands before a tenant's name in its path.
const TENANTS: &str = "/t/";

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
    /// How often is looked at what is watched. The product has one pace; tests that wait for a notice take another.
    pub pace: Pace,
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
            pace: Pace::default(),
            ending: CancellationToken::new(),
        }
    }

    /// A tenant's, behind the listener that these are of.
    #[must_use]
    pub fn of_tenant(&self, config: &Config) -> Self {
        Self { resource: Resource::of(config), limits: config.http.limits, ..self.clone() }
    }

    /// As configured, for a listener on this port.
    #[must_use]
    pub fn of(config: &Config, port: u16) -> Self {
        let mut options = Self::loopback(port);
        options.allowed_hosts.extend(config.http.allowed_hosts.iter().cloned());
        options.allowed_origins.extend(config.http.allowed_origins.iter().cloned());
        let (reach, limits) = (config.http.reach.clone(), config.http.limits);
        let of_one_address = config.http.connections_per_address;
        let bounds = Bounds { reach: reach.clone(), of_one_address, ..Bounds::default() };
        Self { reach, resource: Resource::of(config), limits, bounds, ..options }
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

/// The path of a tenant's endpoint, where several are served.
#[must_use]
pub fn tenant_path(tenant: &TenantId) -> String {
    format!("{TENANTS}{tenant}{MCP_PATH}")
}

/// Whether a path is one of an MCP endpoint.
pub(crate) fn is_endpoint(path: &str) -> bool {
    let tenant = path.strip_prefix(TENANTS).and_then(|rest| rest.strip_suffix(MCP_PATH));
    path == MCP_PATH || tenant.is_some_and(|tenant| TenantId::new(tenant).is_ok())
}

/// The whole endpoint.
pub fn router<A: Ask>(ask: A, options: &HttpOptions) -> Router {
    let ids = RequestIds::default();
    let mcp = Router::new().route_service(MCP_PATH, service(ask.clone(), &ids, options));
    around(ask, options, ids, mcp)
}

/// The endpoints of several tenants, each behind its own bearer layer and with its own limits. Nothing of one is known
/// to another: what they share is the listener.
pub fn hosted<A: Ask>(tenants: Vec<(TenantId, A, HttpOptions)>, options: &HttpOptions) -> Router {
    let ids = RequestIds::default();
    let endpoints = tenants.into_iter().map(|(tenant, ask, own)| {
        let path = tenant_path(&tenant);
        let mcp = Router::new().route_service(&path, service(ask.clone(), &ids, &own));
        endpoint(ask, &own, mcp, vec![format!("{}{path}", resource::METADATA_PATH)])
    });
    outside(options, ids.clone(), endpoints.fold(Router::new(), Router::merge))
}

fn service<A: Ask>(
    ask: A,
    ids: &RequestIds,
    options: &HttpOptions,
) -> StreamableHttpService<KenwardServer<A>, NeverSessionManager> {
    let server =
        KenwardServer::new(ask, Claims::Request).with_request_ids(ids.clone()).with_pace(options.pace);
    let sessions = Arc::new(NeverSessionManager::default());
    StreamableHttpService::new(move || Ok(server.clone()), sessions, protocol(options))
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
    let paths = vec![resource::METADATA_PATH.to_owned(), format!("{}{MCP_PATH}", resource::METADATA_PATH)];
    outside(options, ids, endpoint(ask, options, mcp, paths))
}

/// One protected resource: the protocol's service behind the bearer layer, and its metadata in front of it.
fn endpoint<A: Ask>(ask: A, options: &HttpOptions, mcp: Router, mut metadata: Vec<String>) -> Router {
    let resource = options.resource.clone().map(Arc::new);
    metadata.extend(resource.as_ref().map(|resource| resource.metadata_path()));
    metadata.sort();
    metadata.dedup();
    let mut public = Router::new();
    for path in &metadata {
        let resource = resource.clone();
        public = public.route(path, any(move |request| resource::metadata(resource.clone(), request)));
    }
    let (timeout, most) = (options.request_timeout, options.max_body_bytes);
    let callers = Callers::new(options.limits);
    let bearer = move |request, next| {
        bearer::layer(ask.clone(), resource.clone(), (callers.clone(), most), request, next)
    };
    mcp.layer(middleware::from_fn(envelope::spoken))
        .layer(middleware::from_fn(bearer))
        .layer(middleware::from_fn(move |request, next| respond::within(timeout, request, next)))
        .merge(public)
}

/// What every request passes first, whatever it is for.
fn outside(options: &HttpOptions, ids: RequestIds, inside: Router) -> Router {
    let reach = Arc::new(options.reach.clone());
    let lists = Arc::new(Lists::new(&options.allowed_hosts, &options.allowed_origins));
    inside
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(any(respond::not_here))
        .layer(middleware::from_fn(move |request, next| proxied::layer(Arc::clone(&reach), request, next)))
        .layer(middleware::from_fn(move |request, next| rebinding::layer(Arc::clone(&lists), request, next)))
        .layer(middleware::from_fn(move |request, next| respond::outermost(ids.clone(), request, next)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::ask::AskError;
    use crate::owner::ops::{Accepted, Claim, Question, Standing};
    use kenward_vault::knowledge_base::{Seen, Watch};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

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

    /// Accepts everybody, and answers nothing.
    #[derive(Clone)]
    struct Nobody;

    impl Ask for Nobody {
        async fn ask(&self, _: Claim, _: Question, _: String) -> Result<String, AskError> {
            Err(AskError::Reply)
        }

        async fn watch(
            &self,
            _: Claim,
            _: Watch,
            _: Option<Seen>,
            _: String,
        ) -> Result<(Seen, Option<String>), AskError> {
            Err(AskError::Reply)
        }

        async fn authenticate(&self, _: Claim) -> Result<Standing, AskError> {
            Ok(Standing::Accepted(Accepted::default()))
        }
    }

    #[tokio::test]
    async fn a_body_that_trickles_ends_with_its_request_and_counts_no_more() {
        let listener = bind("127.0.0.1:0".parse().unwrap(), &Reach::Loopback).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut options = HttpOptions::loopback(address.port());
        options.request_timeout = Duration::from_millis(300);
        options.limits.at_once = std::num::NonZeroU32::MIN;
        let router = router(Nobody, &options);
        tokio::spawn(serve(listener, router, Bounds::default(), None, std::future::pending()));
        let head = |length: usize| {
            format!(
                "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer t\r\ncontent-type: application/json\r\n\
                 accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n\
                 content-length: {length}\r\n\r\n"
            )
        };
        for _ in 0..2 {
            let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
            let slow = head(1_000_000);
            tokio::spawn(async move {
                let _ = write.write_all(slow.as_bytes()).await;
                while write.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            let mut answer = Vec::new();
            let read = tokio::time::timeout(Duration::from_secs(20), read.read_to_end(&mut answer)).await;
            let _ = read.expect("the connection stays");
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        }
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{}{ping}", head(ping.len())).as_bytes()).await.unwrap();
        let mut answer = vec![0; 1 << 10];
        let n = stream.read(&mut answer).await.unwrap();
        assert!(answer[..n].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..n]));
    }
}
