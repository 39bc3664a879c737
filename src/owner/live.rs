//! The runs under way in this owner, by source: how far each has come, and how it is asked to stop.
//! What has ended is in the catalog; nothing here outlives the process.

use kenward_ingest::pipeline::{Progress, Stop};
use kenward_vault::runs::{RunRow, RunState};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// All of them.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<BTreeMap<String, Going>>>);

struct Going {
    stop: Stop,
    done: u64,
    of: u64,
}

/// A run that is in the list until this is dropped.
pub(super) struct Listed {
    live: Live,
    source: Option<String>,
}

impl Live {
    fn all<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Going>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a run in the list. A second one over the same source will be refused, and does not get in.
    pub(super) fn begin(&self, source: &str, stop: &Stop) -> Listed {
        let first = self.all(|all| {
            let vacant = !all.contains_key(source);
            if vacant {
                all.insert(source.to_owned(), Going { stop: stop.clone(), done: 0, of: 0 });
            }
            vacant
        });
        Listed { live: self.clone(), source: first.then(|| source.to_owned()) }
    }

    /// Asks the run over a source to end so. `false` = there is none.
    pub(super) fn stop(&self, source: &str, state: RunState) -> bool {
        self.all(|all| all.get(source).map(|going| going.stop.ask(state)).is_some())
    }

    /// Brings rows of running runs up to now.
    pub(super) fn overlay(&self, rows: &mut [RunRow]) {
        self.all(|all| {
            for row in rows.iter_mut().filter(|row| row.state == RunState::Running) {
                if let Some(going) = all.get(&row.source) {
                    (row.done, row.of) = (going.done, going.of);
                }
            }
        });
    }
}

impl Listed {
    /// Takes note of how far the run has come.
    pub(super) fn reached(&self, event: &Progress) {
        let (Some(source), Progress::Documents { done, of, .. }) = (&self.source, event) else { return };
        self.live.all(|all| {
            if let Some(going) = all.get_mut(source) {
                (going.done, going.of) = (*done, *of);
            }
        });
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            self.live.all(|all| all.remove(source));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_over_a_source_neither_replaces_nor_removes_the_first() {
        let (live, stop) = (Live::default(), Stop::default());
        let first = live.begin("handbook", &stop);
        drop(live.begin("handbook", &Stop::default()));
        assert!(live.stop("handbook", RunState::Paused));
        assert_eq!(stop.asked(), Some(RunState::Paused));
        drop(first);
        assert!(!live.stop("handbook", RunState::Paused));
    }
}
