//! The outermost layer (request id, span, headers of every response), the time limit, and the JSON
//! errors of this listener. It must never put a header's or a path's value into a log line.

use super::body::unread;
use super::envelope;
use super::limits;
use crate::mcp::errors;
use crate::mcp::request_id::{HttpRequestId, RequestIds};
use axum::Json;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONNECTION, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use kenward_vault::{AnswerError, ErrorCode};
use std::time::Duration;
use tracing::Instrument as _;

/// The header that names the request in every response.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id and a span, and its response the headers that all have.
pub async fn outermost(ids: RequestIds, mut request: Request, next: Next) -> Response {
    let id = ids.next();
    request.extensions_mut().insert(HttpRequestId(id.clone()));
    // INVARIANT: of the path only which of our own it is, never the path (I11).
    let route = match request.uri().path() {
        path if super::is_endpoint(path) => super::MCP_PATH,
        "/healthz" => "/healthz",
        path if path.starts_with(super::resource::METADATA_PATH) => super::resource::METADATA_PATH,
        _ => "other",
    };
    let span = tracing::info_span!("http", request_id = %id, route);
    async {
        let posted = envelope::Posted::of(&request);
        let mut response = envelope::in_our_form(posted, next.run(request).await, &id).await;
        tracing::debug!(status = response.status().as_u16(), "responded");
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(id) = HeaderValue::try_from(id.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        response
    }
    .instrument(span)
    .await
}

/// Ends a request that takes too long, its body included.
pub async fn within(limit: Duration, request: Request, next: Next) -> Response {
    let id = request_id(&request);
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => try_again("the request took too long", &id),
    }
}

/// Everything that is not one of our paths.
pub async fn not_here(request: Request) -> Response {
    let error = AnswerError {
        code: ErrorCode::NotFound,
        field: None,
        message: "there is nothing at this path".to_owned(),
        hint: "use the URL that `kenward serve` prints".to_owned(),
    };
    let response = json(StatusCode::NOT_FOUND, &error, &request_id(&request));
    unread(request, response).await
}

/// The server is busy or its owner is out of reach.
#[must_use]
pub fn try_again(message: &str, request_id: &str) -> Response {
    let error = AnswerError {
        code: ErrorCode::TryAgain,
        field: None,
        message: message.to_owned(),
        hint: "send the same request again in a few seconds".to_owned(),
    };
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &error, request_id);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

/// A caller asks for more than one may. The connection is closed: it must not keep a seat.
#[must_use]
pub fn too_much(refused: limits::Refused, request_id: &str) -> Response {
    let seconds = refused.after.as_secs().max(1);
    let error = AnswerError {
        code: ErrorCode::TryAgain,
        field: None,
        message: refused.what.to_owned(),
        hint: format!("send the same request again in {seconds} s, and fewer at a time"),
    };
    let mut response = json(StatusCode::TOO_MANY_REQUESTS, &error, request_id);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// An error as JSON.
#[must_use]
pub fn json(status: StatusCode, error: &AnswerError, request_id: &str) -> Response {
    (status, Json(errors::object(error, request_id))).into_response()
}

/// The id that [`outermost`] gave.
#[must_use]
pub fn request_id(request: &Request) -> String {
    request.extensions().get::<HttpRequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use axum::{Router, middleware};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_ended_and_may_be_sent_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limit = Duration::from_millis(100);
        let router = Router::new()
            .route("/", get(std::future::pending::<&'static str>))
            .layer(middleware::from_fn(move |request, next| within(limit, request, next)));
        tokio::spawn(crate::http::serve(
            listener,
            router,
            crate::http::Bounds::default(),
            None,
            std::future::pending(),
        ));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer));
        read.await.expect("nothing ended it").unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 2\r\n"), "{answer}");
        assert!(answer.contains("the request took too long"), "{answer}");
    }
}
