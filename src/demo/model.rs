//! Getting the model on first use, with a bar. Without one the demo goes on with words alone, and
//! says so loudly; it must never fail for it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kenward_indexes::models::{self, Artifact, ModelSource, PullError, PullProgress};
use std::path::Path;
use std::time::Duration;

/// What an artefact is called.
#[must_use]
pub fn name(artifact: Artifact) -> &'static str {
    match artifact {
        Artifact::MiniLm => "all-MiniLM-L6-v2",
        Artifact::OnnxRuntime => "ONNX Runtime",
    }
}

/// Fetches one artefact. Blocks.
///
/// # Errors
/// [`PullError`].
pub fn pull(models_dir: &Path, artifact: Artifact) -> Result<(), PullError> {
    let bar = ProgressBar::new_spinner();
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.set_style(style("{spinner} {msg}"));
    bar.set_message(name(artifact));
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut told = |progress: PullProgress<'_>| match progress {
        PullProgress::Step(step) => bar.set_message(format!("{}: {step}", name(artifact))),
        PullProgress::Bytes(_, 0) => {}
        PullProgress::Bytes(done, of) => {
            if bar.length() != Some(of) {
                bar.set_length(of);
                bar.set_style(style("{spinner} {msg} [{bar:24}] {bytes} of {total_bytes}"));
            }
            bar.set_position(done);
        }
    };
    let pulled = models::pull(models_dir, artifact, &ModelSource::Auto, &mut told);
    bar.finish_and_clear();
    pulled.map(|_| ())
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
