//! What goes over the control socket: length-prefixed JSON frames. One connection carries one
//! operation: both sides say hello with their version, the front sends the operation, the owner
//! sends progress, signs of life, and one last frame. Never trusted to be of a sane length.

use super::ops::{Op, Reply};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Version of this program. Two of them never share an owner: the operations are typed.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How often the owner shows that it lives while it works.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// Longest frame in bytes.
const LONGEST: u32 = 256 << 20;

/// From a front.
#[derive(Serialize, Deserialize)]
pub(super) enum FromFront {
    /// First.
    Hello { version: String },
    /// Second.
    Op(Box<Op>),
}

/// From the owner.
#[derive(Serialize, Deserialize)]
pub(super) enum FromOwner {
    /// First. Another version than the front's: nothing follows.
    Hello { version: String },
    /// Still working.
    Alive,
    /// More follows after [`Reply::Progress`] only.
    Reply(Box<Reply>),
    /// The owner is letting go, the operation was not done or was stopped: ask the next owner.
    Going,
}

pub(super) async fn write<T: Serialize>(stream: &mut (impl AsyncWrite + Unpin), frame: &T) -> io::Result<()> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, frame)?;
    let length = u32::try_from(bytes.len() - 4).ok().filter(|length| *length <= LONGEST);
    let Some(length) = length else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long for the socket"));
    };
    for (to, from) in bytes.iter_mut().zip(length.to_be_bytes()) {
        *to = from;
    }
    stream.write_all(&bytes).await?;
    stream.flush().await
}

pub(super) async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let length = stream.read_u32().await?;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of an impossible length"));
    }
    // Grows with what really comes, so that a length alone reserves nothing.
    let mut bytes = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if bytes.len() != length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back_as_they_were() {
        let (mut a, mut b) = tokio::io::duplex(64);
        let text = "é\"\n".repeat(1000);
        let sent = FromOwner::Reply(Box::new(Reply::Answer(text.clone())));
        let (written, got) = tokio::join!(write(&mut a, &sent), read::<FromOwner>(&mut b));
        written.unwrap();
        let FromOwner::Reply(reply) = got.unwrap() else { panic!("not a reply") };
        assert!(matches!(*reply, Reply::Answer(got) if got == text));
    }

    #[tokio::test]
    async fn a_silly_length_or_a_cut_frame_is_an_error() {
        let mut huge: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0];
        assert_eq!(read::<FromOwner>(&mut huge).await.err().unwrap().kind(), io::ErrorKind::InvalidData);
        let mut cut: &[u8] = &[0, 0, 0, 9, b'"'];
        assert_eq!(read::<FromOwner>(&mut cut).await.err().unwrap().kind(), io::ErrorKind::UnexpectedEof);
    }
}
