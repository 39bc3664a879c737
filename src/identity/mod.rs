//! Who is asking: tokens of the directory and of trusted issuers, and people of this machine. Here a claim becomes a
//! proven caller, or a refusal; nothing is ever taken from what a request says about itself.

mod authenticator;
pub mod issued;
mod refusals;

pub use authenticator::{authenticate, operator};
pub use refusals::Refusals;

use kenward_vault::{AnswerError, ErrorCode};

/// Why a claim was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A token that is unknown, expired or revoked, or whose person is disabled: one value.
    #[error("not authenticated")]
    Token,
    /// A token that holds, of a caller whom there is, without the scope that is needed.
    #[error("the token does not hold the scope that this needs")]
    Scope,
    /// Whether a token holds cannot be told now: its issuer's keys cannot be had.
    #[error("the token cannot be checked right now")]
    Later,
    /// A user id that the configuration does not name.
    #[error("user id {uid} is nobody here")]
    NotNamed {
        /// The user id.
        uid: u32,
    },
    /// A user id without a person of the directory.
    #[error("user id {uid} may administer, but is no person of the directory")]
    NobodyHere {
        /// The user id.
        uid: u32,
    },
    /// A handle that the directory does not know, or a disabled person.
    #[error("there is no active person `{handle}` in the directory")]
    UnknownPerson {
        /// The handle.
        handle: String,
        /// It is known, and disabled.
        disabled: bool,
    },
    /// Something for operators.
    #[error("user id {uid} is not an operator")]
    NotOperator {
        /// The user id.
        uid: u32,
    },
    /// Acting as somebody else without saying why.
    #[error("acting as `{handle}` needs a reason")]
    NoReason {
        /// The handle.
        handle: String,
    },
    /// It could not be recorded, so it does not happen.
    #[error("acting as somebody else could not be recorded")]
    NotRecorded,
}

impl Refusal {
    /// A fixed word for logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Scope => "scope",
            Self::Later => "later",
            Self::NotNamed { .. } => "not_named",
            Self::NobodyHere { .. } => "nobody_here",
            Self::UnknownPerson { .. } => "unknown_person",
            Self::NotOperator { .. } => "not_operator",
            Self::NoReason { .. } => "no_reason",
            Self::NotRecorded => "not_recorded",
        }
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Token => Some("get a new token from whoever runs this server".to_owned()),
            Self::Scope => Some(format!("ask the issuer for a token with the scope `{}`", issued::READ)),
            Self::Later => Some("send the same request again in a few seconds".to_owned()),
            Self::NotNamed { uid } => {
                Some(format!("name it under `[operators]` in kenward.toml: `{uid} = \"HANDLE\"`"))
            }
            Self::NobodyHere { .. } => {
                Some("say who is asking with `--as HANDLE --reason TEXT`, or run `kenward init`".to_owned())
            }
            Self::UnknownPerson { handle, disabled: true } => Some(format!(
                "it is disabled, as after a restore without a ledger: `kenward users enable {handle}`"
            )),
            Self::UnknownPerson { .. } => {
                Some("see `kenward users list`; add people with `kenward users add HANDLE`".to_owned())
            }
            Self::NotOperator { .. } => {
                Some("ask one, or give it the role under `[operators]` in kenward.toml".to_owned())
            }
            Self::NoReason { .. } => Some("say why with `--reason TEXT`; it is recorded".to_owned()),
            Self::NotRecorded => Some("see `kenward doctor`".to_owned()),
        }
    }

    /// What the caller is told. Strangers with a token get fixed words; people of this machine, who
    /// can open the control socket, get the reason.
    #[must_use]
    pub fn answer(&self) -> AnswerError {
        AnswerError {
            code: match self {
                Self::Later => ErrorCode::TryAgain,
                Self::Scope => ErrorCode::InsufficientScope,
                _ => ErrorCode::Unauthenticated,
            },
            field: None,
            message: self.to_string(),
            hint: self.hint().unwrap_or_default(),
        }
    }
}
