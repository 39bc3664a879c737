//! Who is at the other end of a connection that comes from elsewhere: a proxy that ends TLS, or nobody. What a request
//! says of how it came is believed of such a proxy alone. Tokens must never cross a network in clear.

use super::{body, respond};
use crate::config::Reach;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use kenward_vault::{AnswerError, ErrorCode};
use std::net::SocketAddr;
use std::sync::Arc;

/// The address at the other end of the connection, put into the request by the listener.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The header in which a proxy says how a request came to it.
const PROTO: &str = "x-forwarded-proto";

/// Whether a request may go on.
fn may(reach: &Reach, request: &Request) -> bool {
    match reach {
        // TLS ends at the listener, which serves nothing else.
        Reach::Loopback | Reach::Direct => true,
        Reach::Proxied(proxies) => {
            let peer = request.extensions().get::<Peer>();
            let trusted = peer.is_some_and(|peer| proxies.iter().any(|network| network.holds(peer.0.ip())));
            let mut said = request.headers().get_all(PROTO).iter();
            // A proxy that says nothing ends TLS as it was configured to; one that says otherwise passes on what came in clear.
            let in_clear = match (said.next(), said.next()) {
                (None, _) => false,
                (Some(proto), None) => !proto.as_bytes().eq_ignore_ascii_case(b"https"),
                (Some(_), Some(_)) => true,
            };
            trusted && !in_clear
        }
    }
}

/// Refuses what did not come through a trusted proxy, by TLS.
pub async fn layer(reach: Arc<Reach>, request: Request, next: Next) -> Response {
    if may(&reach, &request) {
        return next.run(request).await;
    }
    tracing::warn!("refused a request that came by no trusted proxy, or in clear");
    let error = AnswerError {
        code: ErrorCode::InvalidArgument,
        field: None,
        message: "this server is reached through its proxy, by HTTPS".to_owned(),
        hint: "use its public URL".to_owned(),
    };
    let response = respond::json(StatusCode::FORBIDDEN, &error, &respond::request_id(&request));
    body::unread(request, response).await
}
