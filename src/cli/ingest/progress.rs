//! How a run is shown while it goes: bars on a terminal, JSON lines for programs, plain lines for
//! logs. Paths of failed documents are shown to the operator; their text never is.

use super::super::out;
use crate::cli::words;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kenward_ingest::pipeline::Progress;
use kenward_vault::writer::Failure;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two plain lines about documents.
const EVERY: Duration = Duration::from_secs(5);

/// While documents that are embedded anew cannot be switched to.
const WAITING: &str = "all passages are embedded anew; the switch waits for the end of a run";

/// What shows a run.
pub(super) enum Shown {
    Bar(ProgressBar),
    Json,
    Lines { last: Instant },
}

/// One line, however narrow the terminal is: the bar takes what the words leave.
const BAR: &str = "{prefix} {wide_bar} {pos}/{len} documents, {eta} left, {msg}";
/// Before anything is done nobody knows how long it takes.
const BAR_BEGINS: &str = "{prefix} {wide_bar} {pos}/{len} documents, {msg}";
const BAR_ANEW: &str = "embedding anew {wide_bar} {pos}/{len} passages, {eta} left";

fn style(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Shown {
    pub(super) fn new(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { last: Instant::now() };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(style("{prefix} {spinner} {msg} {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self::Bar(bar)
    }

    /// Shows an event. The end is shown by the report.
    pub(super) fn tell(&mut self, event: &Progress) {
        match self {
            Self::Bar(bar) => on_bar(bar, event),
            Self::Json => {
                if !matches!(event, Progress::Finished(_)) {
                    line(event);
                }
            }
            Self::Lines { last } => on_lines(last, event),
        }
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// An event as a line of JSON. A reader that has gone away ends the verb when the report is printed.
pub(super) fn line(event: &Progress) {
    let line = serde_json::to_string(event).unwrap_or_default();
    let _ = out::print(&format!("{line}\n"));
}

fn on_bar(bar: &ProgressBar, event: &Progress) {
    match event {
        Progress::Started { source } => {
            bar.set_prefix(source.clone());
            bar.set_message("listing");
        }
        Progress::Listed { files, .. } => {
            bar.set_length(*files);
            bar.set_style(style(BAR_BEGINS));
            bar.set_message("0 failed");
        }
        Progress::Documents { done, of, failed, chunks } => {
            // A publication in between had another one.
            bar.set_style(style(if *done > 0 { BAR } else { BAR_BEGINS }));
            bar.set_length(*of);
            bar.set_position(*done);
            bar.set_message(format!("{failed} failed, {}", words::count(*chunks, "passage")));
        }
        Progress::Failed(failure) => bar.println(failed(failure)),
        Progress::Passages { done, of } => {
            bar.set_length(*of);
            bar.set_position(*done);
            bar.set_style(style(BAR_ANEW));
        }
        Progress::Waiting => {
            bar.set_style(style("{prefix} {spinner} {msg} {elapsed}"));
            bar.set_message(WAITING);
        }
        Progress::Publishing => {
            bar.set_style(style("{prefix} {spinner} {msg} {elapsed}"));
            bar.set_message("publishing");
        }
        Progress::Finished(_) => {}
    }
}

fn on_lines(last: &mut Instant, event: &Progress) {
    match event {
        Progress::Started { source } => out::say(&format!("{source}: listing")),
        Progress::Listed { files } => {
            out::say(&words::count(*files, "file"));
        }
        Progress::Documents { done, of, failed, chunks } => {
            if last.elapsed() >= EVERY {
                *last = Instant::now();
                let (of, chunks) = (words::count(*of, "document"), words::count(*chunks, "passage"));
                out::say(&format!("{done} of {of}, {failed} failed, {chunks}"));
            }
        }
        Progress::Passages { done, of } => {
            if last.elapsed() >= EVERY {
                *last = Instant::now();
                out::say(&format!("{done} of {} embedded anew", words::count(*of, "passage")));
            }
        }
        Progress::Waiting => {
            if last.elapsed() >= EVERY {
                *last = Instant::now();
                out::say(WAITING);
            }
        }
        Progress::Failed(failure) => out::say(&failed(failure)),
        Progress::Publishing => out::say("publishing"),
        Progress::Finished(_) => {}
    }
}

fn failed(failure: &Failure) -> String {
    let Failure { path, reason, detail, .. } = failure;
    let colon = if detail.is_empty() { "" } else { ": " };
    out::line(&format!("failed: `{path}` ({reason}{colon}{detail})"))
}
