//! The bearer layer: no request goes on without a token that the owner accepts now. The token leaves
//! the headers here, and goes on only as a claim that the owner proves again when it answers.
//!
//! It must never log, store or echo a token, accept one from a URL, or decide by itself.

use super::respond;
use crate::mcp::server::RequestClaim;
use crate::mcp::{Ask, errors};
use crate::owner::ops::Claim;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

/// Longer is no token of ours, and nothing that the owner needs to see.
const MAX_TOKEN_BYTES: usize = 4096;

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
    (scheme.eq_ignore_ascii_case("bearer") && one_word && token.len() <= MAX_TOKEN_BYTES)
        .then(|| token.to_owned())
}

/// Lets a request pass whose token the owner accepts.
pub async fn layer<A: Ask>(ask: A, mut request: Request, next: Next) -> Response {
    let request_id = respond::request_id(&request);
    let token = match take(request.headers_mut()) {
        Header::Missing => return challenge(None, &request_id),
        Header::Unusable => return challenge(Some("invalid_request"), &request_id),
        Header::Token(token) => token,
    };
    let claim = Claim::Bearer(token);
    match ask.authenticate(claim.clone()).await {
        Ok(true) => {
            request.extensions_mut().insert(RequestClaim(claim));
            next.run(request).await
        }
        Ok(false) => challenge(Some("invalid_token"), &request_id),
        Err(error) => {
            tracing::error!(error = %errors::chain(&error), "a token could not be checked");
            respond::try_again("the token cannot be checked right now", &request_id)
        }
    }
}

/// 401 with a challenge. Unknown, expired and revoked tokens are told apart by nobody.
fn challenge(error: Option<&'static str>, request_id: &str) -> Response {
    let value = match error {
        None => HeaderValue::from_static(r#"Bearer realm="kenward""#),
        Some("invalid_request") => HeaderValue::from_static(
            r#"Bearer realm="kenward", error="invalid_request", error_description="send one header: Authorization: Bearer TOKEN""#,
        ),
        Some(_) => HeaderValue::from_static(
            r#"Bearer realm="kenward", error="invalid_token", error_description="the token is unknown, expired or revoked""#,
        ),
    };
    let mut response = respond::json(StatusCode::UNAUTHORIZED, &errors::unauthenticated(), request_id);
    response.headers_mut().insert(WWW_AUTHENTICATE, value);
    response
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
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN_BYTES + 1));
        for bad in ["Bearer", "Bearer ", "Basic abc", "kwt_abc", "Bearer a b", "Bearer a,b c", long.as_str()]
        {
            assert_eq!(taken(&[bad]), Header::Unusable, "{bad}");
        }
        assert_eq!(taken(&["Bearer a", "Bearer a"]), Header::Unusable);
    }
}
