//! Sessions of a model that serve one caller at a time: as many are made as are used at once, up to a number, and they
//! wait for their next caller. It must never make more than that many: each may hold the model's weights.

use parking_lot::{Condvar, Mutex};

/// Sessions that wait, and how many there are.
struct State<S> {
    idle: Vec<S>,
    made: usize,
}

/// The sessions of one model.
pub(crate) struct Sessions<S> {
    state: Mutex<State<S>>,
    returned: Condvar,
    most: usize,
}

impl<S> Sessions<S> {
    /// None yet, and never more than `most` (at least one).
    pub(crate) fn new(most: usize) -> Self {
        let state = Mutex::new(State { idle: Vec::new(), made: 0 });
        Self { state, returned: Condvar::new(), most: most.max(1) }
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// One that waits, or a new one by `make`, or, where there are as many as may be, the next that comes back.
    ///
    /// # Errors
    /// What `make` says.
    pub(crate) fn lend<E>(&self, make: impl FnOnce() -> Result<S, E>) -> Result<Lent<'_, S>, E> {
        let mut state = self.state.lock();
        loop {
            if let Some(session) = state.idle.pop() {
                return Ok(Lent { sessions: self, session: Some(session) });
            }
            if state.made < self.most {
                state.made += 1;
                break;
            }
            self.returned.wait(&mut state);
        }
        drop(state);
        // Gives the place back if the session cannot be made.
        let mut lent = Lent { sessions: self, session: None };
        lent.session = Some(make()?);
        Ok(lent)
    }
}

/// A session in use; it goes back when dropped.
pub(crate) struct Lent<'a, S> {
    sessions: &'a Sessions<S>,
    session: Option<S>,
}

impl<S> Lent<'_, S> {
    /// The session; `None` never after [`Sessions::lend`] gave it.
    pub(crate) fn session(&mut self) -> Option<&mut S> {
        self.session.as_mut()
    }
}

impl<S> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        let mut state = self.sessions.state.lock();
        match self.session.take() {
            Some(session) => state.idle.push(session),
            None => state.made = state.made.saturating_sub(1),
        }
        drop(state);
        self.sessions.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_are_made_than_may_be_and_a_failure_gives_its_place_back() {
        let sessions = Sessions::<usize>::new(2);
        assert!(sessions.lend(|| Err::<usize, _>("no")).is_err());
        assert!(sessions.lend(|| Err::<usize, _>("no")).is_err());
        let made = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let busy = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let make = || Ok::<_, ()>(made.fetch_add(1, Ordering::SeqCst));
                        let mut lent = sessions.lend(make).unwrap();
                        assert!(lent.session().is_some());
                        most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        busy.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(made.load(Ordering::SeqCst) <= 2 && most.load(Ordering::SeqCst) <= 2);
    }
}
