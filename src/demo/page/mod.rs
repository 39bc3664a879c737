//! `kenward demo --page`: one question, two people, both answers and the deciding path, on a page of
//! this machine. No script, nothing loaded from elsewhere, every foreign word escaped.
//!
//! Whoever reads the page asks as anybody of the sample company. So its address is a secret of the
//! run, drawn anew each time; it answers under loopback's own names only; what is not under the
//! secret is the same "not found". It must never serve data other than the demo's, or log a path.

mod desk;
mod draw;
mod path;

use super::Serving;
use crate::http::rebinding::Lists;
use crate::http::{self, HttpError, HttpOptions};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
pub use desk::{Desk, Seat};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Random bytes in the page's address.
const SECRET_BYTES: usize = 20;
const STYLE: &str = include_str!("style.css");

/// Headers of every response: nothing runs, nothing is loaded but the style, nothing is kept, framed
/// or told to other pages.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Starts the page on a free port of loopback; [`Serving::url`] is its whole address.
///
/// # Errors
/// [`HttpError`].
pub async fn start(desk: Desk) -> Result<Serving, HttpError> {
    let listener =
        http::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &crate::config::Reach::Loopback).await?;
    let address = listener.local_addr().map_err(HttpError::Serve)?;
    let options = HttpOptions::loopback(address.port());
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret)
        .map_err(|error| HttpError::Serve(std::io::Error::other(error.to_string())))?;
    let root = format!("/{}/", data_encoding::BASE32_NOPAD.encode(&secret).to_lowercase());
    let url = format!("http://{address}{root}");
    let lists = Lists::new(&options.allowed_hosts, &options.allowed_origins);
    let page = Arc::new(Page { desk, lists, root });
    let router = Router::new().fallback(move |request: Request| {
        let page = Arc::clone(&page);
        let request = request.map(drop);
        async move { page.respond(&request, options.request_timeout).await }
    });
    Ok(Serving::on(listener, router, url, options.bounds))
}

struct Page {
    desk: Desk,
    lists: Lists,
    /// `/SECRET/`.
    root: String,
}

impl Page {
    async fn respond(&self, request: &Request<()>, limit: std::time::Duration) -> Response {
        let found = tokio::time::timeout(limit, self.find(request)).await;
        let mut response = found.unwrap_or_else(|_| {
            (StatusCode::SERVICE_UNAVAILABLE, "it took too long; load the page again\n").into_response()
        });
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }

    async fn find(&self, request: &Request<()>) -> Response {
        if let Some(header) = self.lists.refused(request) {
            return (StatusCode::FORBIDDEN, format!("this page is not reached under this {header}\n"))
                .into_response();
        }
        let path = request.uri().path();
        let (root, rest) = path.split_at_checked(self.root.len()).unwrap_or((path, ""));
        // INVARIANT: whoever does not know the secret learns nothing, and gets nobody's answer.
        if !same(root, &self.root) || !["", "style.css"].contains(&rest) {
            return (StatusCode::NOT_FOUND, "there is nothing at this path\n").into_response();
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "ask with GET\n")
                .into_response();
        }
        if rest == "style.css" {
            return ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response();
        }
        let shown = self.desk.ask(request.uri().query().unwrap_or_default()).await;
        let status = if shown.is_an_error() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let html = draw::page(self.desk.people(), &shown);
        (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
    }
}

/// Compares without telling by its time where two texts differ.
fn same(given: &str, wanted: &str) -> bool {
    let differing = given.bytes().zip(wanted.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == wanted.len() && differing == 0
}
