//! The owner's side of the control socket: takes connections, learns from the operating system who
//! is at the other end, and passes their operations on. A front that vanishes stops its run.

use super::ops::{Op, Reply};
use super::owned::Owned;
use super::wire::{self, FromFront, FromOwner, SIGN_OF_LIFE, VERSION};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};

/// How long a front may take to say what it wants.
const IMPATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn accept(listener: UnixListener, owned: Arc<Owned>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let owned = Arc::clone(&owned);
                tokio::spawn(async move {
                    if let Err(error) = connection(stream, &owned).await {
                        tracing::debug!(kind = ?error.kind(), "a front's connection ended early");
                    }
                });
            }
            Err(error) => {
                // Out of file handles, most likely: wait for some to come back.
                tracing::warn!(kind = ?error.kind(), "the control socket could not take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(mut stream: UnixStream, owned: &Arc<Owned>) -> io::Result<()> {
    // INVARIANT: who is asking locally is what the operating system says, never what a front says.
    let uid = stream.peer_cred()?.uid();
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let hello = tokio::time::timeout(IMPATIENCE, wire::read(&mut stream)).await.map_err(late)??;
    let FromFront::Hello { version } = hello else { return Err(io::ErrorKind::InvalidData.into()) };
    wire::write(&mut stream, &FromOwner::Hello { version: VERSION.to_owned() }).await?;
    if version != VERSION {
        return Ok(());
    }
    let op = tokio::time::timeout(IMPATIENCE, wire::read(&mut stream)).await.map_err(late)??;
    let FromFront::Op(op) = op else { return Err(io::ErrorKind::InvalidData.into()) };
    operation(stream, owned, uid, *op).await
}

async fn operation(stream: UnixStream, owned: &Arc<Owned>, uid: u32, op: Op) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let (sender, mut progress) = tokio::sync::mpsc::unbounded_channel();
    let mut forward = move |reply: Reply| {
        // The receiver goes only when the front has gone.
        let _ = sender.send(reply);
    };
    // Dropping the call stops the run behind it.
    let call = owned.call(uid, op, &mut forward);
    tokio::pin!(call);
    let mut alive = tokio::time::interval(SIGN_OF_LIFE);
    let mut byte = [0_u8; 1];
    let reply = loop {
        tokio::select! {
            biased;
            Some(reply) = progress.recv() => {
                wire::write(&mut writer, &FromOwner::Reply(Box::new(reply))).await?;
            }
            reply = &mut call => break reply,
            _ = reader.read(&mut byte) => return Err(io::ErrorKind::ConnectionAborted.into()),
            _ = alive.tick() => wire::write(&mut writer, &FromOwner::Alive).await?,
        }
    };
    while let Ok(reply) = progress.try_recv() {
        wire::write(&mut writer, &FromOwner::Reply(Box::new(reply))).await?;
    }
    let last = reply.map_or(FromOwner::Going, |reply| FromOwner::Reply(Box::new(reply)));
    wire::write(&mut writer, &last).await
}
