//! The bodies of requests: read whole for a caller who got in, or read and thrown away behind a refusal.
//!
//! A server that answers and closes while its client still writes cuts the client off: the client's system may throw
//! the answer away with the rest (RFC 9112, section 9.6), and it never learns that its body was too long. So what
//! follows a refusal is read for a while. It must never be kept, nor be read without an end.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use std::time::Duration;

/// The longest rest of a refused request after which its connection is used again, and for how long it is waited for:
/// what clients write in two pieces is on its way.
const SHORT: u64 = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest rest that is read behind an answer, for how long, and how long its next piece may take.
const LONG: u64 = 256 << 20;
const LINGER: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(2);

/// How reading came to an end.
enum End {
    /// There was no more.
    Whole,
    /// There is more than was to be read.
    More,
    /// The client went away, or breaks the protocol.
    Broken,
}

/// A response that was ready before the request's body was read. hyper ends the connection of such a request without
/// a word, and a client that sends its next request there has it cut off (seen with Python's `mcp` while it signs in: it
/// writes header and body apart). What is short is read and thrown away; for the rest, the response says that the
/// connection ends.
pub(super) async fn unread(request: Request, response: Response) -> Response {
    let mut body = request.into_body();
    let read = short(&mut body, SHORT, drop);
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(End::Whole) => response,
        Ok(End::More) | Err(_) => last(response, body),
        Ok(End::Broken) => closing(response),
    }
}

/// The request with its whole body in memory.
///
/// # Errors
/// The body is longer than `most`, or its client went away: the response.
pub(super) async fn whole(request: Request, most: usize) -> Result<Request, Response> {
    let (parts, mut body) = request.into_parts();
    let mut read = Vec::new();
    match short(&mut body, most as u64, |piece| read.extend_from_slice(&piece)).await {
        End::Whole => Ok(Request::from_parts(parts, read.into())),
        End::More => Err(last(StatusCode::PAYLOAD_TOO_LARGE.into_response(), body)),
        End::Broken => Err(closing(StatusCode::BAD_REQUEST.into_response())),
    }
}

/// The last response of its connection: it goes out now, and the client may write on for a while.
pub(super) fn last(response: Response, mut body: Body) -> Response {
    tokio::spawn(tokio::time::timeout(LINGER, async move {
        let mut left = LONG;
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(PAUSE, body.frame()).await {
            let read = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(less) = left.checked_sub(read) else { break };
            left = less;
        }
    }));
    closing(response)
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Reads what is at most so long. Of what says that it is longer, nothing is waited for.
async fn short(body: &mut Body, most: u64, mut piece: impl FnMut(Bytes)) -> End {
    if body.size_hint().lower() > most {
        return End::More;
    }
    let mut left = most;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return End::Broken };
        let Ok(data) = frame.into_data() else { continue };
        match left.checked_sub(data.len() as u64) {
            Some(less) => left = less,
            None => return End::More,
        }
        piece(data);
    }
    End::Whole
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, respond, serve};
    use super::*;
    use axum::Router;
    use axum::routing::any;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    const SOON: Duration = Duration::from_secs(20);

    /// A client of a server that answers so.
    async fn client(router: Router) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, router, Bounds::default(), None, std::future::pending()));
        TcpStream::connect(address).await.unwrap()
    }

    async fn some(stream: &mut TcpStream) -> String {
        let mut answer = vec![0; 4 << 10];
        let read = tokio::time::timeout(SOON, stream.read(&mut answer)).await.unwrap().unwrap_or(0);
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }

    /// Sends a header, the body a moment later, and then whether the response said that the connection ends, and
    /// whether it did.
    async fn in_two_pieces(length: usize) -> (bool, bool) {
        let mut stream = client(Router::new().fallback(any(respond::not_here))).await;
        let header = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(header.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let _ = stream.write_all(&vec![b' '; length.min(1 << 10)]).await;
        let answer = some(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        (answer.contains("connection: close\r\n"), some(&mut stream).await.is_empty())
    }

    #[tokio::test]
    async fn what_is_refused_before_its_body_came_leaves_the_connection_or_says_that_it_ends() {
        assert_eq!(in_two_pieces(40).await, (false, false), "a short body");
        assert_eq!(in_two_pieces(1 << 20).await, (true, true), "a body that does not come");
    }

    #[tokio::test]
    async fn a_client_that_writes_everything_first_learns_that_it_was_too_much() {
        let refusing = || {
            any(|request| async move {
                whole(request, 4 << 20).await.err().unwrap_or_else(|| "short".into_response())
            })
        };
        let elsewhere = || any(respond::not_here);
        let lengths = [5 << 20, 100 << 20];
        let chunk = [b"400\r\n".as_slice(), &[b' '; 1 << 10], b"\r\n"].concat();
        for (status, length) in
            [413, 404].into_iter().flat_map(|status| lengths.map(|length| (status, length)))
        {
            for chunked in [false, true] {
                let said = match chunked {
                    true => "transfer-encoding: chunked".to_owned(),
                    false => format!("content-length: {length}"),
                };
                let router = if status == 413 { refusing() } else { elsewhere() };
                let mut stream = client(Router::new().fallback(router)).await;
                let head = format!("POST / HTTP/1.1\r\nhost: x\r\n{said}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                let case = format!("{status}, {length} bytes, chunked: {chunked}");
                let piece = if chunked { chunk.repeat(64) } else { vec![b' '; 64 << 10] };
                for _ in 0..length / (64 << 10) {
                    let wrote = tokio::time::timeout(SOON, stream.write_all(&piece)).await.expect(&case);
                    wrote.unwrap_or_else(|error| panic!("{case}: {error}"));
                    // The server has the time to close, if it would.
                    tokio::task::yield_now().await;
                }
                if chunked {
                    stream.write_all(b"0\r\n\r\n").await.unwrap();
                }
                let mut answer = String::new();
                tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await.expect(&case).unwrap();
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: {answer}");
                assert!(answer.contains("connection: close\r\n"), "{case}: {answer}");
            }
        }
    }

    #[tokio::test]
    async fn nobody_is_listened_to_without_an_end() {
        let mut stream = client(Router::new().fallback(any(respond::not_here))).await;
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 4 * LONG);
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b' '; 1 << 20];
        let mut wrote = 0;
        while stream.write_all(&piece).await.is_ok() {
            wrote += 1 << 20;
            assert!(wrote < 2 * LONG, "it is read without an end");
        }
    }
}
