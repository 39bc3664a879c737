//! What came of asking the cluster, in our words: no word of the server's gets into them, since it may say anything.

use tonic::{Code, Status};

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// No connection, or it broke.
    #[error("it cannot be reached")]
    Unreachable,
    /// Somebody is there, and does not prove to be it.
    #[error(
        "its certificate does not prove that it is the one that is meant: another authority's, another name's, or out of date"
    )]
    Certificate,
    /// No answer in time.
    #[error("it does not answer in time")]
    Slow,
    /// The API key is missing or wrong.
    #[error("it refuses the API key")]
    Key,
    /// There is no such collection.
    #[error("the collection is not there")]
    NoCollection,
    /// Another collection has that name now.
    #[error("the collection there is not the one that was filled")]
    Exchanged,
    /// Something else listens there.
    #[error(
        "what listens there speaks gRPC, but not Qdrant's for clients (its port is 6334, if nobody has changed that)"
    )]
    Another,
    /// It has too much to do.
    #[error("it is overloaded")]
    Busy,
    /// It fails in the request: so it tells that too few of its replicas are up, too.
    #[error(
        "it fails within itself, as it does while too few replicas are up for what `vectors.read_consistency` wants"
    )]
    Within,
    /// It refuses the request, or fails in it.
    #[error("it answers with the gRPC code {0}")]
    Code(i32),
    /// What it says is no answer.
    #[error("its answer makes no sense")]
    Nonsense,
    /// The key cannot be read here.
    #[error("the API key cannot be read from {0}")]
    NoKey(Box<str>),
}

impl Fault {
    /// Whether nothing of a change that failed so can have been done, or be done later.
    pub(super) fn nothing_done(&self) -> bool {
        match self {
            Self::Key
            | Self::NoKey(_)
            | Self::NoCollection
            | Self::Certificate
            | Self::Another
            | Self::Exchanged => true,
            Self::Code(code) => *code == Code::InvalidArgument as i32,
            Self::Unreachable | Self::Slow | Self::Busy | Self::Within | Self::Nonsense => false,
        }
    }

    pub(super) fn of(status: &Status) -> Self {
        if not_trusted(status) {
            return Self::Certificate;
        }
        let own = std::error::Error::source(status).is_some();
        match status.code() {
            // Of an answer that is no gRPC: another port, or TLS where there is none.
            Code::Internal if own => Self::Another,
            Code::Unavailable | Code::Cancelled => Self::Unreachable,
            // What the client makes of a broken connection.
            Code::Unknown if std::error::Error::source(status).is_some() => Self::Unreachable,
            Code::DeadlineExceeded => Self::Slow,
            Code::Unauthenticated | Code::PermissionDenied => Self::Key,
            Code::NotFound => Self::NoCollection,
            Code::ResourceExhausted => Self::Busy,
            Code::Internal => Self::Within,
            Code::Unimplemented => Self::Another,
            code => Self::Code(code as i32),
        }
    }
}

/// Whether no connection came about because of the server's certificate.
fn not_trusted(status: &Status) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(status);
    while let Some(error) = cause {
        let within = match error.downcast_ref::<std::io::Error>() {
            // What it holds is not its source, but what that has as one is.
            Some(io) => io.get_ref().and_then(|held| held.downcast_ref::<rustls::Error>()),
            None => error.downcast_ref::<rustls::Error>(),
        };
        if matches!(within, Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        cause = error.source();
    }
    false
}
