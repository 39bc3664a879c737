//! A front's side of the control socket: one operation over one connection. It must tell apart an
//! owner that is gone (try again), one that is silent (an error), and one of another version.

use super::ops::{Op, Reply};
use super::wire::{self, FromFront, FromOwner, VERSION};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long an owner may be silent, at the start and between signs of life.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a new connection may wait for the owner's hello.
const HELLO: Duration = Duration::from_secs(10);

/// How an attempt ended.
pub(super) enum Attempt {
    /// The reply.
    Done(Box<Reply>),
    /// Nobody listens.
    NotThere,
    /// The owner is letting go: the next one has to be asked.
    Going,
    /// The connection broke; the operation may have been under way.
    Broken,
    /// It took the connection and said nothing.
    Silent,
    /// It runs another version.
    Version(String),
}

pub(super) async fn attempt(
    socket: &Path,
    op: &Op,
    progress: &mut (dyn FnMut(Reply) + Send),
) -> io::Result<Attempt> {
    let mut stream = match timeout(HELLO, UnixStream::connect(socket)).await {
        Err(_) => return Ok(Attempt::Silent),
        Ok(Ok(stream)) => stream,
        // Whatever the reason, nobody was reached; who then tries to own the data learns what is wrong.
        Ok(Err(_)) => return Ok(Attempt::NotThere),
    };
    let hello = FromFront::Hello { version: VERSION.to_owned() };
    if let Err(error) = wire::write(&mut stream, &hello).await {
        return ended(error, Attempt::NotThere);
    }
    match timeout(HELLO, wire::read(&mut stream)).await {
        Err(_) => return Ok(Attempt::Silent),
        Ok(Err(error)) => return ended(error, Attempt::NotThere),
        Ok(Ok(FromOwner::Hello { version })) if version == VERSION => {}
        Ok(Ok(FromOwner::Hello { version })) => return Ok(Attempt::Version(version)),
        Ok(Ok(_)) => return Err(io::ErrorKind::InvalidData.into()),
    }
    if let Err(error) = wire::write(&mut stream, &FromFront::Op(Box::new(op.clone()))).await {
        return ended(error, Attempt::Broken);
    }
    loop {
        match timeout(PATIENCE, wire::read(&mut stream)).await {
            Err(_) => return Ok(Attempt::Silent),
            Ok(Err(error)) => return ended(error, Attempt::Broken),
            Ok(Ok(FromOwner::Reply(reply))) => match *reply {
                Reply::Progress(_) => progress(*reply),
                _ => return Ok(Attempt::Done(reply)),
            },
            Ok(Ok(FromOwner::Going)) => return Ok(Attempt::Going),
            Ok(Ok(FromOwner::Alive | FromOwner::Hello { .. })) => {}
        }
    }
}

/// Sorts the ways in which a socket says that nobody is at its other end from real errors.
fn ended(error: io::Error, meaning: Attempt) -> io::Result<Attempt> {
    use io::ErrorKind as K;
    match error.kind() {
        K::NotFound | K::ConnectionRefused | K::ConnectionReset | K::ConnectionAborted => Ok(meaning),
        K::BrokenPipe | K::UnexpectedEof | K::NotConnected => Ok(meaning),
        // The listener's queue is full: it is there, and will take us later.
        K::WouldBlock => Ok(Attempt::NotThere),
        _ => Err(error),
    }
}
