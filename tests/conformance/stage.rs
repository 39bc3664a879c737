//! The server under test: the product's layers, claims and handler over a real folder of data, and
//! between them the fixtures and the sessions. It must hold nothing that the product could use.

use super::bound::{self, Owners};
use super::cut;
use super::fixtures::{Fixtures, Shared};
use super::served::{BEN, DANA, Home};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::{Router, middleware};
use kenward::config::{Config, Overrides};
use kenward::http::{self, HttpOptions, MCP_PATH};
use kenward::mcp::request_id::RequestIds;
use kenward::mcp::{Claims, KenwardServer};
use kenward::owner::Backend;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use std::sync::Arc;
use std::time::Duration;

/// Two people of a small company, and a server on a free port.
pub struct Stage {
    pub url: String,
    /// Two tokens of one person, and one of another.
    pub dana: [String; 2],
    pub ben: String,
    _home: Home,
}

/// What is served.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Serve {
    /// Fixtures and sessions, each session bound to its user.
    Bound,
    /// The same without the binding: what rmcp does by itself.
    Unbound,
    /// The product, as it is.
    Product,
}

impl Stage {
    pub async fn start(serve: Serve) -> Self {
        let home = Home::new();
        let dana = [home.token(DANA), home.token(DANA)];
        let ben = home.token(BEN);
        let config =
            Config::load(&Overrides { config: Some(home.config()), ..Overrides::default() }).unwrap();
        let backend = Backend::open(Arc::new(config)).await.unwrap();
        let listener =
            http::bind("127.0.0.1:0".parse().unwrap(), &kenward::config::Reach::Loopback).await.unwrap();
        let address = listener.local_addr().unwrap();
        let options = HttpOptions::loopback(address.port());
        let router = match serve {
            Serve::Product => http::router(backend, &options),
            Serve::Bound | Serve::Unbound => {
                let people = dana.iter().map(|token| (token.clone(), DANA)).chain([(ben.clone(), BEN)]);
                let owners = (serve == Serve::Bound).then(|| Arc::new(Owners::new(people)));
                with_fixtures(&backend, &options, owners)
            }
        };
        // The suite cannot send a token: whoever sends none is Dana, from outside of everything.
        let stand_in = HeaderValue::try_from(format!("Bearer {}", dana[0])).unwrap();
        let router = router.layer(middleware::map_request(move |mut request: Request| {
            let stand_in = stand_in.clone();
            async move {
                request.headers_mut().entry(AUTHORIZATION).or_insert(stand_in);
                request
            }
        }));
        tokio::spawn(http::serve(listener, router, options.bounds, None, std::future::pending()));
        Self { url: format!("http://{address}{MCP_PATH}"), dana, ben, _home: home }
    }
}

fn with_fixtures(backend: &Backend, options: &HttpOptions, owners: Option<Arc<Owners>>) -> Router {
    let ids = RequestIds::default();
    let server = KenwardServer::new(backend.clone(), Claims::Request).with_request_ids(ids.clone());
    let shared = Shared::default();
    let config = http::protocol(options)
        .with_legacy_session_mode(true)
        .with_sse_retry(Some(Duration::from_millis(500)));
    let service = StreamableHttpService::new(
        move || Ok(Fixtures::new(server.clone(), shared.clone())),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let mut mcp = Router::new().route_service(MCP_PATH, service).layer(middleware::from_fn(cut::layer));
    if let Some(owners) = owners {
        mcp = mcp.layer(middleware::from_fn(move |request, next| {
            bound::layer(Arc::clone(&owners), request, next)
        }));
    }
    http::around(backend.clone(), options, ids, mcp)
}
