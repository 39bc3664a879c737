//! Binds each session of the older protocol to the person who opened it: rmcp lets whoever knows a
//! session's id use and end it. It stands behind the bearer layer, so a request has proven who sends it.
//!
//! Somebody else's session is answered like one that never was.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use kenward::mcp::server::RequestClaim;
use kenward::owner::ops::Claim;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Who opened which session.
pub struct Owners {
    /// Whose a token is. In these tests that is known; the product's front never learns it.
    people: HashMap<String, &'static str>,
    sessions: Mutex<HashMap<String, &'static str>>,
}

impl Owners {
    pub fn new(people: impl IntoIterator<Item = (String, &'static str)>) -> Self {
        Self { people: people.into_iter().collect(), sessions: Mutex::default() }
    }

    fn who(&self, request: &Request) -> Option<&'static str> {
        match request.extensions().get::<RequestClaim>()? {
            RequestClaim { claim: Claim::Bearer(token), .. } => self.people.get(token).copied(),
            RequestClaim { .. } => None,
        }
    }

    fn are(&self, who: &str, session: &str) -> bool {
        self.sessions.lock().unwrap().get(session).is_some_and(|owner| *owner == who)
    }
}

/// The one session that the headers name. `Err` if that cannot be said.
fn named(headers: &HeaderMap) -> Result<Option<String>, ()> {
    let mut values = headers.get_all(SESSION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|value| Some(value.to_owned())).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// In rmcp's own words for a session that is not there; the outer layers put them into our form.
fn not_there() -> Response {
    (StatusCode::NOT_FOUND, Body::from("Not Found: Session not found")).into_response()
}

pub async fn layer(owners: Arc<Owners>, request: Request, next: Next) -> Response {
    let Some(who) = owners.who(&request) else { return StatusCode::UNAUTHORIZED.into_response() };
    let Ok(asked) = named(request.headers()) else { return not_there() };
    if let Some(session) = &asked
        && !owners.are(who, session)
    {
        return not_there();
    }
    let ends = request.method() == Method::DELETE;
    let response = next.run(request).await;
    match asked {
        Some(session) if ends && response.status().is_success() => {
            owners.sessions.lock().unwrap().remove(&session);
        }
        Some(_) => {}
        None => {
            if let Ok(Some(opened)) = named(response.headers()) {
                owners.sessions.lock().unwrap().insert(opened, who);
            }
        }
    }
    response
}
