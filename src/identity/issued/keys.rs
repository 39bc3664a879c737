//! One issuer's keys, kept: fetched when a token first needs them, again when they are old, and when a token names one
//! that is not there. Who asks for a key that is here never waits, whatever the others ask for; a flood of unknown names
//! asks the issuer nothing more often than [`Bounds::unknown`]; and only so many wait at once for one that is slow.

use super::fetch::{self, FetchError, Key};
use crate::config::{Algorithm, IssuerConfig};
use crate::outgoing::IssuerDoor;
use jsonwebtoken::DecodingKey;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// When keys are fetched again, and who waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Older ones are fetched again, beside the work.
    pub fresh: Duration,
    /// Older ones are used no more.
    pub usable: Duration,
    /// How often an unknown name may make them be fetched.
    pub unknown: Duration,
    /// How long after a try that failed there is none.
    pub failed: Duration,
    /// How long somebody waits for them.
    pub patience: Duration,
    /// How many wait at once.
    pub waiting: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(15 * 60),
            usable: Duration::from_secs(24 * 60 * 60),
            unknown: Duration::from_secs(30),
            failed: Duration::from_secs(5),
            patience: Duration::from_secs(6),
            waiting: 32,
        }
    }
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyError {
    /// The issuer has no such key, or more than one, or none for this algorithm.
    Unknown,
    /// That cannot be told now.
    Later,
}

/// One issuer's keys.
#[derive(Debug)]
pub(super) struct Keys {
    config: IssuerConfig,
    door: IssuerDoor,
    bounds: Bounds,
    state: Mutex<State>,
    fetched: Condvar,
}

#[derive(Debug, Default)]
struct State {
    known: Option<(Vec<Key>, Instant)>,
    /// The last try, and whether it failed.
    tried: Option<(Instant, bool)>,
    /// The last try for a name that was not there.
    for_unknown: Option<Instant>,
    fetching: bool,
    waiting: usize,
}

enum Found {
    Here(DecodingKey),
    /// It is there, and for nothing that was asked.
    Unfit,
    NotHere,
}

impl State {
    /// The one key of this name that does this. Two are as good as none: a token must not choose.
    fn look(&self, kid: &str, algorithm: Algorithm, usable: Duration) -> Option<Found> {
        let (keys, _) = self.known.as_ref().filter(|(_, at)| at.elapsed() < usable)?;
        let mut named = keys.iter().filter(|key| key.kid == kid).peekable();
        if named.peek().is_none() {
            return Some(Found::NotHere);
        }
        let mut fit = named.filter(|key| key.algorithms.contains(&algorithm));
        Some(match (fit.next(), fit.next()) {
            (Some(key), None) => Found::Here(key.key.clone()),
            _ => Found::Unfit,
        })
    }

    fn tried_within(&self, bound: Duration) -> bool {
        self.tried.is_some_and(|(at, _)| at.elapsed() < bound)
    }

    fn failed(&self) -> bool {
        self.tried.is_some_and(|(_, failed)| failed)
    }
}

impl Keys {
    pub(super) fn new(config: IssuerConfig, door: IssuerDoor, bounds: Bounds) -> Self {
        Self { config, door, bounds, state: Mutex::default(), fetched: Condvar::new() }
    }

    /// The issuer's key of this name for this algorithm. Waits, within bounds, if it is not here.
    pub(super) fn find(self: &Arc<Self>, kid: &str, algorithm: Algorithm) -> Result<DecodingKey, KeyError> {
        let bounds = self.bounds;
        let mut state = self.lock();
        match state.look(kid, algorithm, bounds.usable) {
            Some(Found::Here(key)) => {
                let old = state.known.as_ref().is_some_and(|(_, at)| at.elapsed() >= bounds.fresh);
                if old && !state.fetching && !state.tried_within(bounds.unknown) {
                    self.begin(&mut state);
                }
                return Ok(key);
            }
            Some(Found::Unfit) => return Err(KeyError::Unknown),
            Some(Found::NotHere) if state.fetching => {}
            Some(Found::NotHere) => {
                // INVARIANT: a flood of names that nobody has does not hammer the issuer.
                if state.for_unknown.is_some_and(|at| at.elapsed() < bounds.unknown) {
                    return Err(if state.failed() { KeyError::Later } else { KeyError::Unknown });
                }
                state.for_unknown = Some(Instant::now());
                self.begin(&mut state);
            }
            None if state.fetching => {}
            None if state.failed() && state.tried_within(bounds.failed) => return Err(KeyError::Later),
            None => self.begin(&mut state),
        }
        if state.waiting >= bounds.waiting {
            return Err(KeyError::Later);
        }
        state.waiting += 1;
        let waited = self.fetched.wait_timeout_while(state, bounds.patience, |state| state.fetching);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        match state.look(kid, algorithm, bounds.usable) {
            Some(Found::Here(key)) => Ok(key),
            Some(Found::NotHere) if state.fetching || state.failed() => Err(KeyError::Later),
            Some(Found::Unfit | Found::NotHere) => Err(KeyError::Unknown),
            None => Err(KeyError::Later),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to fetch, on a thread of its own: no thread that answers is ever the one that is slow.
    fn begin(self: &Arc<Self>, state: &mut State) {
        state.fetching = true;
        state.tried = Some((Instant::now(), false));
        let keys = Arc::clone(self);
        let work = move || {
            let mut ended = Ended { keys, got: None };
            ended.got = Some(fetch::keys(&ended.keys.config, &ended.keys.door));
        };
        if std::thread::Builder::new().name("issuer-keys".to_owned()).spawn(work).is_err() {
            tracing::warn!("no thread could be started to fetch an issuer's keys");
            state.fetching = false;
            state.tried = Some((Instant::now(), true));
        }
    }
}

/// Puts the outcome where the others wait for it, whatever became of the thread.
struct Ended {
    keys: Arc<Keys>,
    got: Option<Result<Vec<Key>, FetchError>>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let keys = &self.keys;
        let mut state = keys.lock();
        state.fetching = false;
        let now = Instant::now();
        match self.got.take() {
            Some(Ok(found)) => {
                tracing::info!(
                    issuer = keys.config.url.as_str(),
                    keys = found.len(),
                    "an issuer's keys were fetched"
                );
                state.known = Some((found, now));
                state.tried = Some((now, false));
            }
            failed => {
                state.tried = Some((now, true));
                let why = failed.and_then(Result::err).map_or_else(String::new, |error| error.to_string());
                tracing::warn!(
                    issuer = keys.config.url.as_str(),
                    why,
                    "an issuer's keys could not be fetched"
                );
            }
        }
        keys.fetched.notify_all();
    }
}
