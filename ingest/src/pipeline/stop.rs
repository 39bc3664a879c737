//! How a run is asked from outside to stop cleanly, and as what it then ends. What was put stays.

use kenward_vault::runs::RunState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Shared by a run and whoever may stop it. The first who asks decides.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicU8>);

/// In the order of their numbers, from 1.
const STATES: [RunState; 3] = [RunState::Interrupted, RunState::Paused, RunState::Cancelled];

impl Stop {
    /// Asks the run to end as interrupted, paused or cancelled. As anything else nothing is asked.
    pub fn ask(&self, state: RunState) {
        let number = STATES.iter().zip(1..).find(|(known, _)| **known == state).map(|(_, number)| number);
        if let Some(number) = number {
            let _ = self.0.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// What was asked.
    #[must_use]
    pub fn asked(&self) -> Option<RunState> {
        let number = usize::from(self.0.load(Ordering::Relaxed));
        number.checked_sub(1).and_then(|at| STATES.get(at)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_who_asks_decides() {
        let stop = Stop::default();
        stop.ask(RunState::Done);
        assert_eq!(stop.asked(), None);
        stop.ask(RunState::Paused);
        stop.clone().ask(RunState::Interrupted);
        assert_eq!(stop.asked(), Some(RunState::Paused));
    }
}
