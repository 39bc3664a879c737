//! The end of a run and its report: what was removed after the guard agreed, what failed, and why
//! rights hide documents.

use super::Drive;
use crate::acl_mapping::place;
use crate::pipeline::{IngestError, Progress, RunReport, fidelity};
use kenward_access::acl::Effect;
use kenward_vault::Vault;
use kenward_vault::runs::RunState;
use kenward_vault::writer::Tried;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

impl Drive<'_> {
    /// Ends the run, unless it was stopped or would remove too much, and says what it came to.
    pub(super) fn finish(
        mut self,
        vault: &Arc<Vault>,
        source: u32,
        begun: Instant,
    ) -> Result<RunReport, IngestError> {
        let rights_problems = self.rights_problems()?;
        let rules_unmatched = self.rules_unmatched();
        let fidelity = fidelity::of(vault, &self.rights.rules, self.places.files());
        let partial = self.only.is_some();
        let (run, state) = (self.run.number(), self.stopped.unwrap_or(RunState::Done));
        self.count(self.tally.done);
        let summary = if self.stopped.is_none() {
            if let Err(refused) = self.guard(self.run.would_remove()) {
                self.keep_blanked()?;
                return Err(refused);
            }
            (self.progress)(Progress::Publishing);
            let blanked: Vec<(String, Tried)> =
                self.blanked.into_iter().map(|(path, (_, tried))| (path, tried)).collect();
            if self.only.is_some() {
                self.run.finish_partial(&blanked)?
            } else {
                self.run.finish_failing(&blanked)?
            }
        } else {
            self.keep_blanked()?;
            self.publish_if_rights_hold()?;
            let summary = self.run.summary().clone();
            self.run.stop(state);
            summary
        };
        Ok(RunReport {
            source: self.spec.name.clone(),
            run,
            state,
            partial,
            summary,
            failures: vault.failures(source)?,
            skipped_unknown: self.tally.unknown.into_iter().collect(),
            links: self.listing.links.clone(),
            skipped_links: self.listing.links.len() as u64 + self.tally.links.values().sum::<u64>(),
            rights_problems,
            rights_not_read: self.listing.near_rights.clone(),
            rules_unmatched,
            fidelity,
            embedder: self.options.embedder.as_ref().map(|embedder| {
                let space = embedder.space();
                let other = if space.precision == "f32" { "" } else { ", in whole numbers" };
                format!("{} ({}{other})", space.model, space.engine)
            }),
            seconds: begun.elapsed().as_secs_f64(),
            embedder_seconds: self.busy.seconds(),
            memory_peak: self.memory_peak,
        })
    }

    /// Why rights hide documents: rights files that cannot be used, names that nobody knows, and
    /// entries that deny without allowing anybody.
    fn rights_problems(&self) -> Result<Vec<(String, String)>, IngestError> {
        let mut problems: BTreeSet<(String, String)> = self.run.rights_problems()?.into_iter().collect();
        for (file, line, what) in self.rights.rules.problems() {
            problems.insert((place(&file, line), what));
        }
        for rights in self.places.containers() {
            let denies = rights.spec.entries.first().filter(|entry| entry.effect == Effect::Deny);
            let allows = rights.spec.entries.iter().any(|entry| entry.effect == Effect::Allow);
            if let (Some(deny), false) = (denies, allows) {
                let what = "denies and allows nobody: what it governs is visible to nobody; add an `allow`";
                problems.insert((place(&deny.origin.file, deny.origin.line), what.to_owned()));
            }
        }
        Ok(problems.into_iter().collect())
    }

    /// The `[[file]]` rules that guard nothing now. Where a folder could not be listed, nobody knows.
    fn rules_unmatched(&self) -> Vec<String> {
        if !self.listing.unreadable_folders.is_empty() {
            return Vec::new();
        }
        let paths = self.listing.items.iter().map(|item| item.path.as_str());
        let unmatched = self.rights.rules.unmatched(paths);
        unmatched.into_iter().map(|(file, line)| place(&file, line)).collect()
    }
}
