//! The listener's loop: accepts connections and serves them until it is told to stop.
//! A connection must never cost more than its seat: who does not send a whole header in time, or takes nothing of what
//! it is sent, is closed; and there are only so many seats ([`super::seats`]), so a stranger without a token cannot use
//! up the process's files. (RFC 9112 leaves this to the server.)

use super::proxied::Peer;
use super::seats::Seats;
use super::tls::Tls;
use crate::config::Reach;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_io_timeout::TimeoutStream;

/// Bounds on connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Longest time from the opening of a connection, or the end of its last answer, to the end of
    /// the next request's header.
    pub header: Duration,
    /// Longest time in which a client takes nothing of what is being sent to it.
    pub write: Duration,
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// And of one address, unless it stands for many; further ones are closed.
    pub of_one_address: usize,
    /// From where they may come.
    pub reach: Reach,
    /// Longest time that open requests get at the end.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(30),
            write: Duration::from_secs(30),
            connections: 4096,
            of_one_address: 512,
            reach: Reach::Loopback,
            drain: Duration::from_secs(10),
        }
    }
}

/// Between two words of the log about addresses that have their share.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Serves, by TLS if that is given, until `shutdown` is done, then lets open requests end, for [`Bounds::drain`] at most.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    tls: Option<Tls>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.header);
    let open = GracefulShutdown::new();
    let seats = Seats::new(bounds.connections, bounds.of_one_address, bounds.reach);
    let mut last_said: Option<Instant> = None;
    tokio::pin!(shutdown);
    loop {
        let seat = tokio::select! {
            seat = seats.free() => seat,
            () = &mut shutdown => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let Some(seat) = seat else { break };
        match accepted {
            Ok((stream, address)) => {
                let Some(seat) = seats.give(seat, address.ip()) else {
                    // Often enough to be seen, and too seldom to fill the log.
                    if last_said.is_none_or(|then| then.elapsed() >= SAID_EVERY) {
                        tracing::warn!("an address has its share of connections; further ones are closed");
                        last_said = Some(Instant::now());
                    }
                    continue;
                };
                let mut stream = TimeoutStream::new(stream);
                stream.set_write_timeout(Some(bounds.write));
                let stream = Box::pin(stream);
                let service = TowerToHyperService::new(router.clone().layer(Extension(Peer(address))));
                let (http, watcher, tls) = (http.clone(), open.watcher(), tls.clone());
                tokio::spawn(async move {
                    let ended = match tls {
                        None => watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await,
                        Some(tls) => match tls.accept(stream).await {
                            Some(stream) => {
                                watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await
                            }
                            // Who does not shake hands is served nothing, in clear least of all.
                            None => Ok(()),
                        },
                    };
                    if ended.is_err() {
                        tracing::debug!("a connection ended early");
                    }
                    drop(seat);
                });
            }
            Err(_) => {
                // Out of files, most likely: those that are open must end first.
                tracing::warn!("a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(bounds.drain, open.shutdown()).await.is_err() {
        tracing::warn!("open requests did not end in time and were dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn unfinished_headers_are_closed_and_their_seats_are_given_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "here" }));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let bounds = Bounds { header: Duration::from_millis(300), connections: 2, ..Bounds::default() };
        let serving = tokio::spawn(serve(listener, router, bounds, None, async move {
            let _ = stopped.await;
        }));
        let mut idle = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
            idle.push(stream);
        }
        // Both seats are taken; this one is answered when the idle ones are gone.
        let mut asked = TcpStream::connect(address).await.unwrap();
        asked.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        asked.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        for mut stream in idle {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            assert!(!rest.starts_with(b"HTTP/1.1 200"));
        }
        stop.send(()).unwrap();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn who_takes_nothing_of_its_answer_gives_its_seat_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let long = || async { vec![b'x'; 64 << 20] };
        let router = Router::new().route("/", get(|| async { "here" })).route("/long", get(long));
        let bounds = Bounds { write: Duration::from_millis(300), connections: 1, ..Bounds::default() };
        tokio::spawn(serve(listener, router, bounds, None, std::future::pending()));
        let mut deaf = TcpStream::connect(address).await.unwrap();
        deaf.write_all(b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut asked = TcpStream::connect(address).await.unwrap();
        asked.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let answered = tokio::time::timeout(Duration::from_secs(20), asked.read_to_string(&mut answer)).await;
        answered.expect("the seat was given on").unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        let mut rest = Vec::new();
        let _ = deaf.read_to_end(&mut rest).await;
        assert!(rest.len() < 64 << 20, "it got all of it");
    }
}
