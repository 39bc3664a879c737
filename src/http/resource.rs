//! The protected resource, as OAuth clients see it (RFC 9728): its metadata, for anybody, and the challenges that point
//! to it. It says which issuers are trusted and under which name tokens are issued for here, and nothing else.

use super::respond;
use crate::config::Config;
use crate::identity::issued::READ;
use axum::Json;
use axum::extract::Request;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use kenward_vault::{AnswerError, ErrorCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// The root form of the metadata's path; what it is of comes after it.
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// The protected resource, if there are issuers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The URL under which clients reach `/mcp`, exactly.
    pub url: String,
    /// The issuers.
    pub issuers: Vec<String>,
}

impl Resource {
    /// That of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let issuers = config.issuers.iter().map(|issuer| issuer.url.clone()).collect();
        config.resource().map(|url| Self { url, issuers })
    }

    /// Origin and path of the URL.
    fn split(&self) -> (&str, &str) {
        let host = self.url.find("://").map_or(0, |at| at + 3);
        let path = self.url.get(host..).and_then(|rest| rest.find('/')).map(|at| host + at);
        self.url.split_at_checked(path.unwrap_or(self.url.len())).unwrap_or((&self.url, ""))
    }

    /// The path of its metadata: RFC 9728 puts its name before the resource's own path.
    #[must_use]
    pub fn metadata_path(&self) -> String {
        format!("{METADATA_PATH}{}", self.split().1)
    }

    fn metadata(&self) -> Value {
        json!({
            "resource": self.url,
            "authorization_servers": self.issuers,
            "scopes_supported": [READ],
            "bearer_methods_supported": ["header"],
            "resource_name": "Kenward knowledge base",
        })
    }

    /// A challenge that says where to learn how to get a token, and for what.
    fn challenge(&self, refused: Option<Refused>) -> String {
        let mut challenge = format!(
            r#"Bearer resource_metadata="{}{}", scope="{READ}""#,
            self.split().0,
            self.metadata_path()
        );
        if let Some(refused) = refused {
            challenge.push_str(&format!(
                r#", error="{}", error_description="{}""#,
                refused.code(),
                refused.words()
            ));
        }
        challenge
    }
}

/// Why what came is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No header of one token.
    Header,
    /// A token in the address, where it is logged and remembered.
    InAddress,
    /// No valid token. Unknown, expired and revoked ones are told apart by nobody.
    Token,
    /// A valid one, for something else.
    Scope,
}

impl Refused {
    fn code(self) -> &'static str {
        match self {
            Self::Header | Self::InAddress => "invalid_request",
            Self::Token => "invalid_token",
            Self::Scope => "insufficient_scope",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Header => "send one header: Authorization: Bearer TOKEN",
            Self::InAddress => "send the token in the header Authorization, never in the address",
            Self::Token => "the token is unknown, expired or revoked",
            Self::Scope => "the token was not issued for this",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Header | Self::Token => StatusCode::UNAUTHORIZED,
            Self::InAddress => StatusCode::BAD_REQUEST,
            Self::Scope => StatusCode::FORBIDDEN,
        }
    }
}

/// A refusal with its challenge; `None` = nothing came.
pub fn refuse(resource: Option<&Resource>, refused: Option<Refused>, request_id: &str) -> Response {
    let challenge = match (resource, refused) {
        (Some(resource), refused) => resource.challenge(refused),
        (None, None) => r#"Bearer realm="kenward""#.to_owned(),
        (None, Some(refused)) => format!(
            r#"Bearer realm="kenward", error="{}", error_description="{}""#,
            refused.code(),
            refused.words()
        ),
    };
    let error = match refused {
        Some(Refused::InAddress) => AnswerError {
            code: ErrorCode::InvalidArgument,
            field: Some("access_token".to_owned()),
            message: "a token came in the address".to_owned(),
            hint:
                "send it in the header `Authorization: Bearer TOKEN`, and get a new one: addresses are logged"
                    .to_owned(),
        },
        Some(Refused::Scope) => AnswerError {
            code: ErrorCode::InsufficientScope,
            field: None,
            message: "the token does not hold the scope that this needs".to_owned(),
            hint: format!("ask the issuer for a token with the scope `{READ}`"),
        },
        _ => {
            let mut error = crate::mcp::errors::unauthenticated();
            if resource.is_some() {
                error.hint = format!(
                    "get an access token from an issuer that the metadata of this resource names, with the scope `{READ}`, and send \
                     it in the header `Authorization: Bearer TOKEN`; or a token that an operator made with `kenward tokens create`"
                );
            }
            error
        }
    };
    let status = refused.map_or(StatusCode::UNAUTHORIZED, Refused::status);
    let mut response = respond::json(status, &error, request_id);
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The metadata, for anybody.
pub async fn metadata(resource: Option<Arc<Resource>>, request: Request) -> Response {
    let Some(resource) = resource else { return respond::not_here(request).await };
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let error = AnswerError {
            code: ErrorCode::InvalidArgument,
            field: None,
            message: "this HTTP method is not served".to_owned(),
            hint: "read it with GET".to_owned(),
        };
        let mut response =
            respond::json(StatusCode::METHOD_NOT_ALLOWED, &error, &respond::request_id(&request));
        response.headers_mut().insert(axum::http::header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    Json(resource.metadata()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_stands_between_origin_and_path() {
        for (url, origin, path) in [
            ("https://kb.example.com/mcp", "https://kb.example.com", "/mcp"),
            ("http://127.0.0.1:8765/mcp", "http://127.0.0.1:8765", "/mcp"),
            ("https://example.com/kb/mcp", "https://example.com", "/kb/mcp"),
        ] {
            let resource =
                Resource { url: url.to_owned(), issuers: vec!["https://login.example".to_owned()] };
            assert_eq!(resource.metadata_path(), format!("/.well-known/oauth-protected-resource{path}"));
            let expected = format!(
                "Bearer resource_metadata=\"{origin}{}\", scope=\"kb:read\"",
                resource.metadata_path()
            );
            assert_eq!(resource.challenge(None), expected);
            assert_eq!(resource.metadata()["resource"], url);
        }
    }
}
