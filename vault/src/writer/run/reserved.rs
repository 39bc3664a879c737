//! A source that is held before a run over it begins, so that it can be listed first. It must never be listed while another
//! run may still bring something: what the listing lacks is removed at the run's end.

use super::Run;
use crate::error::VaultError;
use crate::vault::{Operator, Vault};
use crate::writer::put::In;
use kenward_access::ids::Timestamp;
use std::sync::Arc;

/// A source that is held for a run which has not begun; dropped, it is let go.
pub struct Reserved {
    vault: Arc<Vault>,
    place: Option<In>,
    started: Timestamp,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            self.vault.running.lock().remove(&place.source);
        }
    }
}

impl Reserved {
    /// Begins the run, or goes on with one that came to no end.
    ///
    /// # Errors
    /// [`VaultError`]; the source is then let go.
    pub fn begin(mut self, by: &Operator) -> Result<Run, VaultError> {
        match self.place.take() {
            Some(place) => self.vault.begin_in(by, place, self.started),
            None => Err(VaultError::damaged("a run that has begun already", "report this as a defect")),
        }
    }
}

impl Vault {
    /// Takes a source for a run, before it is listed: what another run keeps or removes after a listing is not in that.
    ///
    /// # Errors
    /// [`VaultError::Name`] for an unknown source, or one that is being ingested already.
    pub fn reserve(self: &Arc<Self>, source: u32) -> Result<Reserved, VaultError> {
        let started = self.core.now();
        let place = self.occupy(source)?;
        Ok(Reserved { vault: Arc::clone(self), place: Some(place), started })
    }
}
