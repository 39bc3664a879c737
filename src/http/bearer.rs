//! The bearer layer: no request goes on without a token that the owner accepts now. The token leaves
//! the headers here, and goes on only as a claim that the owner proves again when it answers.
//!
//! It must never log, store or echo a token, accept one from a URL, or decide by itself.

use super::body;
use super::limits::{Callers, Kind};
use super::resource::{self, Refused, Resource};
use super::respond;
use crate::identity::issued::LONGEST_TOKEN;
use crate::mcp::server::RequestClaim;
use crate::mcp::{Ask, errors};
use crate::owner::ops::{Claim, Standing};
use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use tracing::Instrument as _;

/// What the header holds.
#[derive(Debug, PartialEq, Eq)]
enum Header {
    Missing,
    /// Another scheme, no token, more than one header.
    Unusable,
    Token(String),
}

/// Reads the header and takes every copy of it away.
fn take(headers: &mut HeaderMap) -> Header {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let found = match (values.next(), values.next()) {
        (None, _) => Header::Missing,
        (Some(value), None) => token(value).map_or(Header::Unusable, Header::Token),
        (Some(_), Some(_)) => Header::Unusable,
    };
    headers.remove(AUTHORIZATION);
    found
}

/// The token of a `Bearer` header: one word of visible ASCII.
fn token(value: &HeaderValue) -> Option<String> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    let one_word = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && one_word && token.len() <= LONGEST_TOKEN)
        .then(|| token.to_owned())
}

/// Lets a request pass whose token the owner accepts.
pub async fn layer<A: Ask>(
    ask: A,
    resource: Option<Arc<Resource>>,
    (callers, max_body_bytes): (Callers, usize),
    mut request: Request,
    next: Next,
) -> Response {
    let request_id = respond::request_id(&request);
    let refuse = async |request, refused| {
        body::unread(request, resource::refuse(resource.as_deref(), refused, &request_id)).await
    };
    let later = async |request| body::unread(request, respond::try_again(LATER, &request_id)).await;
    let header = take(request.headers_mut());
    // INVARIANT: addresses are logged and remembered. Even beside a good header, a token there is told to be a mistake.
    if in_address(request.uri().query().unwrap_or_default()) {
        return refuse(request, Some(Refused::InAddress)).await;
    }
    let token = match header {
        Header::Missing => return refuse(request, None).await,
        Header::Unusable => return refuse(request, Some(Refused::Header)).await,
        Header::Token(token) => token,
    };
    let claim = Claim::Bearer(token);
    match ask.authenticate(claim.clone()).await {
        Ok(Standing::Accepted(accepted)) => match callers.enter(accepted.counted_as, kind(&request)) {
            Ok(pass) => {
                // What comes slowly, or not, ends with the request's time or its client: it is no work yet.
                let mut request = match body::whole(request, max_body_bytes).await {
                    Ok(request) => request,
                    Err(response) => return response,
                };
                request.extensions_mut().insert(RequestClaim { claim, accepted });
                // INVARIANT: a request counts until its work is done, also when its client has gone meanwhile: the
                // owner's work goes on then, and must not be more than the caller may ask for at once.
                let work = async move { pass.until_sent(next.run(request).await) };
                tokio::spawn(work.in_current_span())
                    .await
                    .unwrap_or_else(|_| respond::try_again("something failed inside", &request_id))
            }
            Err(refused) => body::last(respond::too_much(refused, &request_id), request.into_body()),
        },
        Ok(Standing::Refused) => refuse(request, Some(Refused::Token)).await,
        Ok(Standing::Scope) => refuse(request, Some(Refused::Scope)).await,
        Ok(Standing::Later) => later(request).await,
        Err(error) => {
            tracing::error!(error = %errors::chain(&error), "a token could not be checked");
            later(request).await
        }
    }
}

/// Whether a request says that it stays open; one that lies is refused by the protocol's library.
fn kind(request: &Request) -> Kind {
    let method = request.headers().get("mcp-method");
    if method.is_some_and(|method| method == "subscriptions/listen") { Kind::Listen } else { Kind::Call }
}

const LATER: &str = "the token cannot be checked right now";

/// Whether a query has the member in which RFC 6750 lets tokens stand, however it is written.
fn in_address(query: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(&format!("http://localhost/?{query}")) else { return true };
    url.query_pairs().any(|(name, _)| name.eq_ignore_ascii_case("access_token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(values: &[&str]) -> Header {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        let found = take(&mut headers);
        assert!(!headers.contains_key(AUTHORIZATION), "the header stayed");
        found
    }

    #[test]
    fn one_bearer_header_is_taken_and_nothing_else() {
        assert_eq!(taken(&[]), Header::Missing);
        assert_eq!(taken(&["Bearer kwt_abc"]), Header::Token("kwt_abc".to_owned()));
        assert_eq!(taken(&["bearer  kwt_abc "]), Header::Token("kwt_abc".to_owned()));
        let long = format!("Bearer {}", "x".repeat(LONGEST_TOKEN + 1));
        for bad in ["Bearer", "Bearer ", "Basic abc", "kwt_abc", "Bearer a b", "Bearer a,b c", long.as_str()]
        {
            assert_eq!(taken(&[bad]), Header::Unusable, "{bad}");
        }
        assert_eq!(taken(&["Bearer a", "Bearer a"]), Header::Unusable);
    }

    #[test]
    fn a_token_in_the_address_is_seen_however_it_is_written() {
        for there in
            ["access_token=a", "a=1&access_token=b", "access%5Ftoken=x", "ACCESS_TOKEN=", "access_token"]
        {
            assert!(in_address(there), "{there}");
        }
        for not in ["", "a=access_token", "xaccess_token=1", "access_tokens=1"] {
            assert!(!in_address(not), "{not}");
        }
    }
}
