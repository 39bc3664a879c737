//! Checks as lines: how each came out, and what to do about it. It words what others found, and looks at nothing.

use super::out;
use serde::Serialize;

/// Stands before what goes on in another line.
const INDENT: &str = "                       ";

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Ok,
    /// Nothing is wrong, and there is something to do.
    Note,
    /// Works, but not as it could.
    Warning,
    /// Has to be fixed.
    Failed,
}

#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub check: &'static str,
    pub state: State,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

pub(super) fn ok(check: &'static str, detail: impl Into<String>) -> Check {
    Check { check, state: State::Ok, detail: detail.into(), hint: None }
}

pub(super) fn wrong(
    check: &'static str,
    state: State,
    detail: impl Into<String>,
    hint: impl Into<String>,
) -> Check {
    Check { check, state, detail: detail.into(), hint: Some(hint.into()) }
}

/// All of them, one a line, with their hints.
pub(super) fn render(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let mark = match check.state {
            State::Ok => "ok    ",
            State::Note => "note  ",
            State::Warning => "warn  ",
            State::Failed => "FAILED",
        };
        let line = format!("{mark}  {:<14} {}", check.check, out::line(&check.detail));
        text.push_str(&out::folded(&line, INDENT, out::columns()));
        if let Some(hint) = &check.hint {
            text.push_str(&out::folded(
                &format!("{INDENT} hint: {}", out::line(hint)),
                INDENT,
                out::columns(),
            ));
        }
    }
    text
}
