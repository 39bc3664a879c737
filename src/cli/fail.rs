//! How a verb fails: in lower case, user input in backticks, then `hint:`. Exit code 1 is for what
//! the user can fix, 2 for what is ours; what ran and is not all well is no failure, and ends with 3.

use super::out;
use crate::config::ConfigError;
use crate::owner::BackendError;
use crate::owner::ops::{self, Reply};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether errors are told as a line of JSON, as everything else was asked for.
static JSON: AtomicBool = AtomicBool::new(false);

/// Tells errors as JSON from here on, if the command line asks for JSON.
pub(crate) fn as_asked() {
    let asked = std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    JSON.store(asked, Ordering::Relaxed);
}

/// Something that the user can fix.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fix {
    message: String,
    hint: Option<String>,
}

impl Fix {
    /// What is wrong, and what to do.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// Something that is ours, with what may be done about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Internal {
    message: String,
    hint: Option<String>,
}

/// A reply that is not the one that was waited for, as an error.
pub(crate) fn unexpected(reply: Reply) -> anyhow::Error {
    match reply {
        Reply::Failed { message, hint } if message == ops::INTERNAL => Internal { message, hint }.into(),
        Reply::Failed { message, hint } => Fix { message, hint }.into(),
        Reply::Refused(error) => {
            let hint = Some(error.hint).filter(|hint| !hint.is_empty());
            Fix { message: error.message, hint }.into()
        }
        _ => anyhow::anyhow!("the owner's reply does not fit the operation"),
    }
}

/// Takes what was waited for out of a reply, or fails.
macro_rules! want {
    ($reply:expr, $pattern:pat => $value:expr) => {
        match $reply {
            $pattern => $value,
            other => return Err($crate::cli::fail::unexpected(other)),
        }
    };
}
pub(crate) use want;

/// Says what went wrong, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // Whoever reads our output has seen enough.
    if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    ExitCode::from(tell(error))
}

/// Says what went wrong, and what to do; gives the exit code as a number.
pub(crate) fn tell(error: &anyhow::Error) -> u8 {
    let (code, hint) = if let Some(fix) = error.downcast_ref::<Fix>() {
        (1, fix.hint.clone())
    } else if let Some(config) = error.downcast_ref::<ConfigError>() {
        (1, Some(config.hint()))
    } else if let Some(backend) = error.downcast_ref::<BackendError>() {
        match backend {
            BackendError::Io(_) | BackendError::OwnersLost | BackendError::Closed => (2, backend.hint()),
            _ => (1, backend.hint()),
        }
    } else if let Some(internal) = error.downcast_ref::<Internal>() {
        (2, internal.hint.clone())
    } else if error.downcast_ref::<kenward_indexes::models::PullError>().is_some() {
        (1, None)
    } else {
        (2, None)
    };
    let (message, own) = crate::owner::words(error.as_ref());
    // What a user gave never moves the cursor.
    let message = message.lines().map(out::line).collect::<Vec<_>>().join("\n");
    let hint = hint.or(own).map(|hint| out::line(&hint));
    if JSON.load(Ordering::Relaxed) {
        out::say(&serde_json::json!({ "error": message, "hint": hint, "exit_code": code }).to_string());
        return code;
    }
    out::say(&format!("error: {message}"));
    if let Some(hint) = hint {
        out::hint(&hint);
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_ends_with_two_and_what_the_user_can_fix_with_one() {
        let failed = |message: &str| Reply::Failed { message: message.into(), hint: Some("look".into()) };
        assert_eq!(tell(&unexpected(failed(ops::INTERNAL))), 2);
        assert_eq!(tell(&unexpected(failed("there is no person `x`"))), 1);
        assert_eq!(tell(&unexpected(Reply::Done)), 2);
        assert_eq!(tell(&BackendError::OwnersLost.into()), 2);
        assert_eq!(tell(&Fix::new("what", "how").into()), 1);
    }
}
