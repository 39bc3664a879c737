//! The lists of allowed Hosts and Origins: a page in somebody's browser must not reach this server
//! through a name that it rebound to loopback, nor a foreign page call it at all. Checked for every
//! path, before any token is looked at.

use super::body;
use super::respond;
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use kenward_vault::{AnswerError, ErrorCode};
use std::sync::Arc;

/// The two lists, in the form in which they are compared.
#[derive(Debug)]
pub struct Lists {
    hosts: Vec<(String, u16)>,
    origins: Vec<(String, String, u16)>,
}

impl Lists {
    /// From authorities with ports and origins with ports. What cannot be read allows nothing.
    #[must_use]
    pub fn new(hosts: &[String], origins: &[String]) -> Self {
        Self {
            hosts: hosts.iter().filter_map(|host| authority(host, 80)).collect(),
            origins: origins.iter().filter_map(|value| origin(value)).collect(),
        }
    }

    /// The header for which a request is refused, if it is.
    #[must_use]
    pub fn refused<B>(&self, request: &Request<B>) -> Option<&'static str> {
        if !self.host_is_allowed(request.uri(), request.headers()) {
            Some("Host")
        } else if !self.origin_is_allowed(request.headers()) {
            Some("Origin")
        } else {
            None
        }
    }

    /// Exactly one Host, and an allowed one; and if the request line names an authority, an allowed one too.
    fn host_is_allowed(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let allowed = |text: &str| authority(text, 80).is_some_and(|host| self.hosts.contains(&host));
        let mut values = headers.get_all(HOST).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        value.to_str().is_ok_and(allowed)
            && uri.authority().is_none_or(|authority| allowed(authority.as_str()))
    }

    /// No Origin (not a browser), or exactly one, and an allowed one.
    fn origin_is_allowed(&self, headers: &HeaderMap) -> bool {
        let allowed = |value: &HeaderValue| {
            value.to_str().ok().and_then(origin).is_some_and(|origin| self.origins.contains(&origin))
        };
        let mut values = headers.get_all(ORIGIN).iter();
        match (values.next(), values.next()) {
            (None, _) => true,
            (Some(value), None) => allowed(value),
            (Some(_), Some(_)) => false,
        }
    }
}

/// Host in lower case, and port.
fn authority(text: &str, default_port: u16) -> Option<(String, u16)> {
    // User information in front of a host is there to mislead.
    if text.contains('@') {
        return None;
    }
    let authority: Authority = text.parse().ok()?;
    let port = match authority.port() {
        Some(port) => port.as_str().parse().ok()?,
        None => default_port,
    };
    Some((authority.host().to_ascii_lowercase(), port))
}

/// Scheme, host and port.
fn origin(text: &str) -> Option<(String, String, u16)> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (host, port) = authority(rest, default_port)?;
    Some((scheme, host, port))
}

/// Refuses what neither list allows.
pub async fn layer(lists: Arc<Lists>, request: Request, next: Next) -> Response {
    let Some(header) = lists.refused(&request) else { return next.run(request).await };
    // Which header, never its value: that is the caller's text.
    tracing::warn!(header, "refused a request that names another host or comes from a foreign page");
    let error = AnswerError {
        code: ErrorCode::InvalidArgument,
        field: Some(header.to_owned()),
        message: format!("this server is not reached under this {header}"),
        hint: "use the URL that `kenward serve` prints; foreign web pages may not call it".to_owned(),
    };
    let response = respond::json(StatusCode::FORBIDDEN, &error, &respond::request_id(&request));
    body::unread(request, response).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpOptions;

    fn lists() -> Lists {
        let options = HttpOptions::loopback(8731);
        Lists::new(&options.allowed_hosts, &options.allowed_origins)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_loopback_names_with_the_right_port_are_hosts() {
        let uri = Uri::from_static("/mcp");
        for good in ["localhost:8731", "LOCALHOST:8731", "127.0.0.1:8731", "[::1]:8731"] {
            assert!(lists().host_is_allowed(&uri, &headers(&[("host", good)])), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:8731",
            "localhost",
            "localhost:8732",
            "127.0.0.1.evil.example:8731",
            "localhost:8731@evil.example",
            "evil@localhost:8731",
            "localhost.:8731",
            "0.0.0.0:8731",
            "",
        ] {
            assert!(!lists().host_is_allowed(&uri, &headers(&[("host", bad)])), "{bad}");
        }
        assert!(!lists().host_is_allowed(&uri, &headers(&[])));
        let twice = headers(&[("host", "localhost:8731"), ("host", "evil.example")]);
        assert!(!lists().host_is_allowed(&uri, &twice));
        let absolute = Uri::from_static("http://evil.example/mcp");
        assert!(!lists().host_is_allowed(&absolute, &headers(&[("host", "localhost:8731")])));
    }

    #[test]
    fn foreign_pages_are_refused() {
        assert!(lists().origin_is_allowed(&headers(&[])));
        assert!(lists().origin_is_allowed(&headers(&[("origin", "http://localhost:8731")])));
        for bad in [
            "null",
            "",
            "http://localhost",
            "https://localhost:8731",
            "http://localhost:8731.evil.example",
            "http://evil.example:8731",
            "file://",
        ] {
            assert!(!lists().origin_is_allowed(&headers(&[("origin", bad)])), "{bad}");
        }
    }
}
