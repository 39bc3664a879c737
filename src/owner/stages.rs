//! The stages of a run, for the log: one span and one line each, told by the run's own progress. It
//! logs counts and durations, and of the documents nothing.

use super::perform::millis;
use kenward_ingest::pipeline::Progress;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tracing::Span;

/// Which stage is under way.
pub(super) struct Stages {
    source: String,
    now: Mutex<Option<Stage>>,
}

struct Stage {
    span: Span,
    since: Instant,
}

impl Stages {
    pub(super) fn begin(source: &str) -> Self {
        Self { source: source.to_owned(), now: Mutex::new(None) }
    }

    /// Ends and begins what an event says.
    pub(super) fn reached(&self, event: &Progress) {
        match event {
            Progress::Started { .. } => self.next("listing"),
            Progress::Listed { files, .. } => {
                self.end(|| tracing::info!(files, "listed"));
                self.next("reading");
            }
            Progress::Documents { done, of, failed, chunks } if done >= of => {
                self.within(|| tracing::info!(done, failed, chunks, "read"));
            }
            Progress::Publishing => self.next("publishing"),
            Progress::Finished(report) => {
                let s = &report.summary;
                self.end(|| {
                    tracing::info!(
                        added = s.added,
                        changed = s.changed,
                        unchanged = s.unchanged,
                        removed = s.removed,
                        failed = s.failed,
                        seconds = report.seconds,
                        embedder_seconds = report.embedder_seconds,
                        state = report.state.word(),
                        "run over"
                    );
                });
            }
            Progress::Documents { .. }
            | Progress::Failed(_)
            | Progress::Passages { .. }
            | Progress::Waiting => {}
        }
    }

    fn next(&self, stage: &'static str) {
        self.end(|| ());
        let span = tracing::info_span!("ingest", source = self.source, stage);
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Stage { span, since: Instant::now() });
    }

    fn within(&self, say: impl FnOnce()) {
        if let Some(stage) = &*self.now.lock().unwrap_or_else(PoisonError::into_inner) {
            stage.span.in_scope(say);
        }
    }

    fn end(&self, say: impl FnOnce()) {
        let ended = self.now.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Stage { span, since }) = ended {
            let _within = span.enter();
            say();
            tracing::info!(milliseconds = millis(since), "stage over");
        }
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        // A run that was stopped has a stage that it did not come to the end of.
        self.end(|| tracing::info!("stopped"));
    }
}
