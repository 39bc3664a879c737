//! One run from its listing to its report: the order in which rights, content and removals are told
//! to the vault. Narrowings act before anything is read; nothing is removed before the guard agreed.

use super::budget::Budget;
use super::embed::{Batch, Busy, Embedded, dispatch, embed};
use super::read::{Outcome, Prepared, Reader, Task};
use super::{IngestError, IngestOptions, PIPELINE, Progress, RunReport};
use crate::chunking::Sizer;
use crate::connectors::{Item, ItemRights, Listing, Rights, SourceConnector};
use crate::doors::mint;
use crate::formats::FailReason;
use crate::worker::Worker;
use crossbeam_channel::{Receiver, bounded};
use kenward_access::acl::Effect;
use kenward_access::rights::{Origin, RightsSpec};
use kenward_vault::Vault;
use kenward_vault::vault::Operator;
use kenward_vault::writer::{Failure, NewChunk, NewDocument, Run, RunSummary, SourceSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Readers, each with a worker process.
const READERS: usize = 2;
/// What was put is published after this many documents, bytes of text, or this long.
const PUBLISH_DOCUMENTS: u64 = 500;
const PUBLISH_BYTES: usize = 64 << 20;
const PUBLISH_AFTER: Duration = Duration::from_secs(5);
/// How often documents are read again because their rights changed meanwhile.
const ROUNDS: usize = 3;
/// Progress is told at most this often.
const TELL: Duration = Duration::from_millis(100);

/// Added to a failure of a document that was read before.
const STILL_ANSWERS: &str = "the version read before still answers";

pub(super) fn drive(
    vault: &Arc<Vault>,
    by: &Operator,
    source: u32,
    spec: &SourceSpec,
    options: &IngestOptions,
    connector: &dyn SourceConnector,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<RunReport, IngestError> {
    let begun = Instant::now();
    progress(Progress::Started { source: spec.name.clone() });
    let listing = connector.list().map_err(|error| IngestError::Root {
        source_name: spec.name.as_str().into(),
        root: spec.root.as_str().into(),
        problem: error.problem.into(),
        hint: error.hint.into(),
    })?;
    let rights = connector.rights(&listing);
    let unsaid = listing.items.iter().filter(|item| rights.rules.of_file(&item.path).unsaid).count();
    if unsaid > 0 && spec.default_allow.is_empty() {
        return Err(IngestError::NoDefault { source_name: spec.name.as_str().into(), files: unsaid as u64 });
    }
    let attempts =
        vault.failures(source)?.into_iter().map(|failure| (failure.path, failure.attempts)).collect();
    let mut drive = Drive {
        run: vault.begin_run(by, source)?,
        spec,
        options,
        connector,
        progress,
        listing: &listing,
        rights,
        tally: Tally { of: (listing.items.len() + listing.failures.len()) as u64, ..Tally::default() },
        attempts,
        busy: Busy::default(),
        cancelled: false,
        blanked: BTreeMap::new(),
        again: false,
    };
    progress(Progress::Listed { files: listing.items.len() as u64, skipped_unknown: 0 });
    drive.state_rights()?;
    drive.guard_listing()?;
    drive.unlisted()?;
    drive.rounds()?;
    let report = drive.finish(vault, source, begun)?;
    progress(Progress::Finished(report.clone()));
    Ok(report)
}

/// A run under way.
struct Drive<'a> {
    run: Run,
    spec: &'a SourceSpec,
    options: &'a IngestOptions,
    connector: &'a dyn SourceConnector,
    progress: &'a (dyn Fn(Progress) + Sync),
    listing: &'a Listing,
    rights: Rights,
    tally: Tally,
    attempts: BTreeMap<String, u32>,
    busy: Busy,
    cancelled: bool,
    /// Documents that had text and have no byte now: path, container and failure. The vault is not
    /// told that they were seen, so the run's end removes what they were.
    blanked: BTreeMap<String, (String, Failure)>,
    /// A round after the first: what was put before may be read once more.
    again: bool,
}

/// Counts of our own: for progress, and for a run that was cancelled.
#[derive(Default)]
struct Tally {
    of: u64,
    done: u64,
    unknown: BTreeSet<String>,
    summary: RunSummary,
    told: Option<Instant>,
    put_documents: u64,
    put_bytes: usize,
    published: Option<Instant>,
}

impl Drive<'_> {
    fn rights_of(&self, path: &str) -> ItemRights {
        self.rights.rules.of_file(path)
    }

    /// States the rights of every container that holds something. Narrowings act now.
    fn state_rights(&mut self) -> Result<(), IngestError> {
        let paths = self.listing.items.iter().map(|item| item.path.as_str());
        let paths = paths.chain(self.listing.failures.iter().map(|failure| failure.path.as_str()));
        let mut containers: BTreeMap<String, RightsSpec> = BTreeMap::new();
        for path in paths {
            let rights = self.rights_of(path);
            containers.entry(rights.container).or_insert(rights.spec);
        }
        // INVARIANT (I3): of a folder that cannot be read the rights are unknown.
        for folder in &self.listing.unreadable_folders {
            containers.insert(folder.clone(), unreadable(folder));
        }
        self.run.set_rights(containers)?;
        Ok(())
    }

    /// Refuses before any work if the listing alone would remove too much.
    fn guard_listing(&self) -> Result<(), IngestError> {
        let listed = self.listing.items.iter().filter(|item| self.run.known(&item.path).is_some()).count();
        let unreadable = self.below_unreadable().len();
        self.guard(self.run.known_count().saturating_sub(listed + unreadable))
    }

    fn guard(&self, would_remove: usize) -> Result<(), IngestError> {
        let known = self.run.known_count();
        if self.options.allow_mass_delete || would_remove * 2 <= known {
            return Ok(());
        }
        Err(IngestError::MassDelete {
            source_name: self.spec.name.as_str().into(),
            would_remove: would_remove as u64,
            of: known as u64,
        })
    }

    /// What could not even be listed.
    fn unlisted(&mut self) -> Result<(), IngestError> {
        for failure in &self.listing.failures {
            let container = self.rights_of(&failure.path).container;
            self.fail(&failure.path, &container, failure.reason, failure.detail)?;
        }
        // What is known below a folder that cannot be read is not gone: it fails with its folder.
        for (id, folder) in self.below_unreadable() {
            self.fail_as(&id, &folder, FailReason::Unreadable.code(), "its folder cannot be read")?;
        }
        Ok(())
    }

    fn below_unreadable(&self) -> Vec<(String, String)> {
        let folders = &self.listing.unreadable_folders;
        if folders.is_empty() {
            return Vec::new();
        }
        let above = |id: &str| {
            let folder = folders
                .iter()
                .find(|folder| id.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/')));
            folder.cloned()
        };
        self.run.known_ids().into_iter().filter_map(|id| above(&id).map(|folder| (id, folder))).collect()
    }

    /// A failure; says so if an older version goes on answering.
    fn fail(&mut self, path: &str, container: &str, reason: &str, detail: &str) -> Result<(), IngestError> {
        // Under rights that cannot be used nothing answers.
        let answers = self.run.known(path).is_some() && self.rights_of(path).spec.problem.is_none();
        if answers {
            self.fail_as(path, container, reason, &format!("{detail}; {STILL_ANSWERS}"))
        } else {
            self.fail_as(path, container, reason, detail)
        }
    }

    fn fail_as(
        &mut self,
        path: &str,
        container: &str,
        reason: &str,
        detail: &str,
    ) -> Result<(), IngestError> {
        self.run.failed(path, container, reason, detail)?;
        self.tell_failure(path, reason, detail);
        Ok(())
    }

    fn tell_failure(&mut self, path: &str, reason: &str, detail: &str) -> Failure {
        self.tally.summary.failed += 1;
        self.tally.done += 1;
        let attempts = self.attempts.get(path).copied().unwrap_or(0).saturating_add(1);
        let failure =
            Failure { path: path.to_owned(), reason: reason.to_owned(), detail: detail.to_owned(), attempts };
        (self.progress)(Progress::Failed(failure.clone()));
        failure
    }

    /// A document without a byte. What it was goes at the run's end, counted by the guard.
    fn blank(&mut self, path: String, container: String) -> Result<(), IngestError> {
        let (reason, detail) = (FailReason::Empty.code(), FailReason::Empty.to_string());
        if self.blanked.contains_key(&path) {
            self.tally.done += 1;
            return Ok(());
        }
        // Put in an earlier round, it counts as seen: the next run removes it.
        if self.again || self.run.known(&path).is_none() {
            return self.fail(&path, &container, reason, &detail);
        }
        let failure = self.tell_failure(&path, reason, &detail);
        self.blanked.insert(path, (container, failure));
        Ok(())
    }

    /// The run removes nothing after all: blanked documents are failures like others.
    fn keep_blanked(&mut self) -> Result<(), IngestError> {
        for (path, (container, failure)) in std::mem::take(&mut self.blanked) {
            let detail = format!("{}; {STILL_ANSWERS}", failure.detail);
            self.run.failed(&path, &container, &failure.reason, &detail)?;
        }
        Ok(())
    }

    /// Reads everything; then again what had its rights changed while it was read, until they hold.
    fn rounds(&mut self) -> Result<(), IngestError> {
        let mut items: Vec<Item> = self.listing.items.clone();
        for round in 0..=ROUNDS {
            self.pass(&items)?;
            if self.cancelled {
                return Ok(());
            }
            let now = self.connector.rights(self.listing);
            if now.raw == self.rights.raw {
                return Ok(());
            }
            // INVARIANT: nothing is published under a reading of rights older than its content's.
            let before = std::mem::replace(&mut self.rights, now);
            items.retain(|item| before.rules.of_file(&item.path) != self.rights.rules.of_file(&item.path));
            // Rights that were read in the last round only were not read before the content.
            if round == ROUNDS {
                self.hide(&items)?
            } else {
                self.state_rights()?
            }
            self.tally.done = self.tally.of.saturating_sub(items.len() as u64);
            self.again = true;
        }
        Ok(())
    }

    /// Rights that do not hold still: visible to nobody until a run finds them so.
    fn hide(&mut self, items: &[Item]) -> Result<(), IngestError> {
        let mut containers = BTreeMap::new();
        for item in items {
            let container = self.rights_of(&item.path).container;
            let problem =
                (FailReason::RightsChanging.to_string(), Origin { file: container.clone(), line: 0 });
            containers.insert(container, RightsSpec { problem: Some(problem), ..RightsSpec::default() });
        }
        self.run.set_rights(containers)?;
        Ok(())
    }

    /// Reads, embeds and puts these documents, all stages at once.
    fn pass(&mut self, items: &[Item]) -> Result<(), IngestError> {
        let tasks: Vec<Task> =
            items.iter().map(|item| Task { item: item.clone(), known: self.run.known(&item.path) }).collect();
        let rights = self.rights.clone();
        let sizer = Sizer::new(self.options.embedder.clone());
        let stop = AtomicBool::new(false);
        let busy = std::mem::take(&mut self.busy);
        let (options, connector) = (self.options, self.connector);
        let stopped = || stop.load(Ordering::Relaxed) || options.cancel.load(Ordering::Relaxed);
        let result = std::thread::scope(|scope| {
            let (to_read, tasks_in) = bounded::<Task>(16);
            let (to_embed, batches_in) = bounded::<Batch>(32);
            let (to_put, documents_in) = bounded::<Embedded>(16);
            let (stopped, busy, sizer, rights) = (&stopped, &busy, &sizer, &rights);
            scope.spawn(move || {
                for task in tasks {
                    if stopped() || to_read.send(task).is_err() {
                        return;
                    }
                }
            });
            let budget = Budget::new();
            for _ in 0..READERS {
                let (tasks_in, to_embed, to_put) = (tasks_in.clone(), to_embed.clone(), to_put.clone());
                let mut reader = Reader {
                    connector,
                    rights,
                    options,
                    sizer: sizer.clone(),
                    budget: budget.clone(),
                    worker: Worker::new(options.worker.clone(), options.limits),
                };
                scope.spawn(move || {
                    let embeds = options.embedder.is_some();
                    for task in tasks_in {
                        if stopped() || !dispatch(reader.read(&task), embeds, &to_embed, &to_put) {
                            return;
                        }
                    }
                });
            }
            if let Some(embedder) = &options.embedder {
                for _ in 0..embedder.workers().max(1) {
                    let (batches_in, to_put) = (batches_in.clone(), to_put.clone());
                    scope.spawn(move || {
                        for batch in batches_in {
                            if !embed(batch, embedder.as_ref(), sizer, busy, &to_put) {
                                return;
                            }
                        }
                    });
                }
            }
            // Only the stages hold the ends now: the channels close when they are through.
            drop((tasks_in, to_embed, to_put, batches_in));
            let result = self.put_all(documents_in, busy);
            stop.store(true, Ordering::Relaxed);
            result
        });
        self.busy = busy;
        self.cancelled = options.cancel.load(Ordering::Relaxed);
        result
    }

    /// Takes documents as they are ready. Returning early closes the channel, which ends all stages.
    fn put_all(&mut self, documents: Receiver<Embedded>, busy: &Busy) -> Result<(), IngestError> {
        for Embedded { read, vectors } in documents {
            let super::read::Arrival { path, container, outcome, permit } = read;
            if !matches!(outcome, Outcome::Blank) {
                self.blanked.remove(&path);
            }
            match outcome {
                Outcome::Fatal(error) => return Err(error),
                Outcome::Blank => self.blank(path, container)?,
                Outcome::Failed(reason) => {
                    self.fail(&path, &container, reason.code(), &reason.to_string())?
                }
                Outcome::Unknown => {
                    self.tally.done += 1;
                    self.tally.unknown.insert(path);
                }
                Outcome::Unchanged(modified) => {
                    self.run.unchanged(&path, &container, modified)?;
                    self.tally.done += 1;
                    self.tally.summary.unchanged += 1;
                }
                Outcome::Ready(prepared) => self.put(path, container, *prepared, vectors)?,
            }
            drop(permit);
            self.tell(busy, false);
            self.publish_if_due()?;
        }
        self.tell(busy, true);
        Ok(())
    }

    fn put(
        &mut self,
        path: String,
        container: String,
        prepared: Prepared,
        vectors: Vec<Vec<f32>>,
    ) -> Result<(), IngestError> {
        let new = self.run.known(&path).is_none();
        let size = prepared.text.len();
        let mut vectors = vectors.into_iter();
        let chunks: Vec<NewChunk> = prepared
            .chunks
            .into_iter()
            .map(|chunk| NewChunk {
                span: chunk.span,
                page: chunk.page,
                headings: chunk.headings.into_iter().map(mint).collect(),
                vector: vectors.next(),
            })
            .collect();
        let summary = &mut self.tally.summary;
        summary.chunks += chunks.len() as u64;
        if new {
            summary.added += 1
        } else {
            summary.changed += 1
        }
        self.tally.done += 1;
        self.tally.put_documents += 1;
        self.tally.put_bytes += size;
        self.run.put(NewDocument {
            source_id: path.clone(),
            path,
            title: mint(prepared.title),
            kind: prepared.format.name(),
            modified: prepared.modified,
            length: prepared.length,
            raw_hash: prepared.raw_hash,
            pipeline: PIPELINE,
            container,
            text: mint(prepared.text),
            chunks,
            links: prepared.links,
            flags: prepared.flags,
            removed: prepared.removed,
        })?;
        Ok(())
    }

    fn tell(&mut self, busy: &Busy, now: bool) {
        if now || self.tally.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.tally.told = Some(Instant::now());
            let embedded =
                if self.options.embedder.is_some() { busy.chunks() } else { self.tally.summary.chunks };
            (self.progress)(Progress::Documents {
                done: self.tally.done,
                of: self.tally.of,
                failed: self.tally.summary.failed,
                chunks: embedded,
            });
        }
    }

    /// Publishes what was put, if there is enough of it and the rights still are what they were.
    fn publish_if_due(&mut self) -> Result<(), IngestError> {
        let tally = &mut self.tally;
        let since = tally.published.get_or_insert_with(Instant::now);
        let due = tally.put_documents >= PUBLISH_DOCUMENTS
            || tally.put_bytes >= PUBLISH_BYTES
            || (tally.put_documents > 0 && since.elapsed() >= PUBLISH_AFTER);
        if !due {
            return Ok(());
        }
        (tally.put_documents, tally.put_bytes, tally.published) = (0, 0, None);
        self.publish_if_rights_hold()
    }

    fn publish_if_rights_hold(&mut self) -> Result<(), IngestError> {
        // INVARIANT: content becomes visible only under rights that were the same before and after
        // it was read. If they are not, the round's end sorts it out.
        if self.connector.rights(self.listing).raw == self.rights.raw {
            (self.progress)(Progress::Publishing);
            self.run.publish()?;
        }
        Ok(())
    }

    fn finish(mut self, vault: &Arc<Vault>, source: u32, begun: Instant) -> Result<RunReport, IngestError> {
        let rights_problems = self.rights_problems()?;
        let summary = if !self.cancelled {
            if let Err(refused) = self.guard(self.run.would_remove()) {
                self.keep_blanked()?;
                return Err(refused);
            }
            (self.progress)(Progress::Publishing);
            let mut summary = self.run.finish()?;
            summary.failed += self.blanked.len() as u64;
            summary
        } else {
            self.keep_blanked()?;
            self.publish_if_rights_hold()?;
            drop(self.run);
            self.tally.summary
        };
        // The vault records them from the next run on, when they are failures without an older version.
        let mut failures = vault.failures(source)?;
        failures.extend(self.blanked.into_values().map(|(_, failure)| failure));
        failures.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(RunReport {
            source: self.spec.name.clone(),
            summary,
            failures,
            skipped_unknown: self.tally.unknown.len() as u64,
            skipped_links: self.listing.links.len() as u64,
            rights_problems,
            embedder: self.options.embedder.as_ref().map(|embedder| {
                let space = embedder.space();
                format!("{} ({})", space.model, space.engine)
            }),
            seconds: begun.elapsed().as_secs_f64(),
            embedder_seconds: self.busy.seconds(),
            cancelled: self.cancelled,
        })
    }

    /// Why rights hide documents: rights files that cannot be used, names that nobody knows, and
    /// entries that deny without allowing anybody.
    fn rights_problems(&self) -> Result<Vec<(String, String)>, IngestError> {
        let mut problems: BTreeSet<(String, String)> = self.run.rights_problems()?.into_iter().collect();
        for (file, line, what) in self.rights.rules.problems() {
            problems.insert((place(&file, line), what.to_owned()));
        }
        for path in &self.listing.near_rights {
            let what = "is not read: a rights file is named exactly `.access.toml`; rename or remove it";
            problems.insert((path.clone(), what.to_owned()));
        }
        for item in &self.listing.items {
            let rights = self.rights_of(&item.path);
            let denies = rights.spec.entries.first().filter(|entry| entry.effect == Effect::Deny);
            let allows = rights.spec.entries.iter().any(|entry| entry.effect == Effect::Allow);
            if let (Some(deny), false) = (denies, allows) {
                let what = "denies and allows nobody: what it governs is visible to nobody; add an `allow`";
                problems.insert((place(&deny.origin.file, deny.origin.line), what.to_owned()));
            }
        }
        Ok(problems.into_iter().collect())
    }
}

/// The rights of a folder that cannot be read: nobody.
fn unreadable(folder: &str) -> RightsSpec {
    let origin = Origin { file: folder.to_owned(), line: 0 };
    RightsSpec { problem: Some(("the folder cannot be read".to_owned(), origin)), ..RightsSpec::default() }
}

fn place(file: &str, line: u32) -> String {
    if line == 0 { file.to_owned() } else { format!("{file}:{line}") }
}
