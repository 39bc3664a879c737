//! One run from its listing to its report: the order in which rights, content and removals are told
//! to the vault. Narrowings act before anything is read; nothing is removed before the guard agreed.

mod arrivals;
mod failures;
mod partial;
mod report;
mod stages;
mod states;
mod waiting;

use failures::shut_by;
pub(super) use failures::{BELOW_UNREADABLE, above};

use super::embed::Busy;
use super::places::Places;
use super::{IngestError, IngestOptions, Progress, RunReport};
use crate::connectors::{ItemRights, Listing, Rights, SourceConnector};
use crate::formats::FailReason;
use kenward_access::rights::{Origin, RightsSpec};
use kenward_vault::Vault;
use kenward_vault::runs::RunState;
use kenward_vault::vault::Operator;
use kenward_vault::writer::{Run, SourceSpec, Tried, Under};
use states::States;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often documents are read again because their rights changed meanwhile.
const ROUNDS: usize = 3;

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
    // INVARIANT: from before the listing on nobody else keeps or removes anything of the source. What another run had
    // brought in between would be missing from the listing, and be removed.
    let reserved = vault.reserve(source)?;
    let listing = connector.list().map_err(|error| IngestError::root(spec, &error))?;
    let rights = connector.rights(&listing);
    let places = Places::of_all(&rights.rules, &listing);
    let unsaid = places.files().iter().filter(|rights| rights.unsaid).count();
    if unsaid > 0 && spec.default_allow.is_empty() {
        return Err(IngestError::NoDefault { source_name: spec.name.as_str().into(), files: unsaid as u64 });
    }
    // Whose text is lost is read again, though its bytes are the same.
    vault.find_lost_texts()?;
    let run = reserved.begin(by)?;
    // INVARIANT: asked for within the run: from here to its end the vault keeps to this embedder.
    let embedder = options.embedder.as_ref().and_then(|_| vault.embedder());
    let options = &IngestOptions { embedder, ..options.clone() };
    let mut drive = Drive {
        run,
        spec,
        options,
        connector,
        progress,
        listing: &listing,
        rights,
        places,
        states: States::of(listing.items.len()),
        tally: Tally { of: (listing.items.len() + listing.failures.len()) as u64, ..Tally::default() },
        under: failures::under(options),
        busy: Busy::default(),
        memory_peak: 0,
        only: None,
        stopped: None,
        blanked: BTreeMap::new(),
        waiting: waiting::Waiting::default(),
        inside: BTreeSet::new(),
    };
    let within = |id: &String| listing.file_of(id) != id;
    drive.inside = drive.run.known_ids().into_iter().filter(within).collect();
    // A run that is gone on with has to come to the end of all of it.
    drive.only = options.only.clone().filter(|_| !drive.run.gone_on());
    progress(Progress::Listed { files: listing.items.len() as u64 });
    drive.count(0);
    drive.run.note()?;
    drive.state_rights()?;
    drive.guard_listing()?;
    drive.unlisted()?;
    drive.rounds()?;
    let report = drive.finish(vault, source, begun)?;
    vault.keep_report(report.run, &report.to_keep())?;
    progress(Progress::Finished(Box::new(report.clone())));
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
    /// The same by the files of the listing.
    places: Places,
    /// In which states they were read.
    states: States,
    tally: Tally,
    /// What works on the documents.
    under: Under,
    busy: Busy,
    /// Of files that the listing shows unchanged, only these are read.
    only: Option<Arc<BTreeSet<String>>>,
    /// The most that documents under way held at once, in bytes.
    memory_peak: u64,
    /// As what it was asked to end before its end.
    stopped: Option<RunState>,
    /// Documents that had text and have no byte now: path, container and what is to be recorded. The
    /// vault is not told that they were seen, so the run's end removes what they were; their failures
    /// are recorded after it.
    blanked: BTreeMap<String, (String, Tried)>,
    /// Documents that are ready to be put.
    waiting: waiting::Waiting,
    /// Known documents that stand in files of the listing, archives, in order.
    inside: BTreeSet<String>,
}

/// Counts of our own.
#[derive(Default)]
struct Tally {
    of: u64,
    done: u64,
    /// Members that came out of archives, by the archives' places in the listing.
    members: HashMap<usize, u64>,
    /// Links that were left out of archives, by the same.
    links: HashMap<usize, u64>,
    unknown: BTreeSet<String>,
    /// Told as failed: for progress.
    failed: u64,
    /// When progress was last told, and of how many documents and passages.
    told: Option<(Instant, (u64, u64))>,
    put_documents: u64,
    put_bytes: usize,
    published: Option<Instant>,
    /// How long the last reading of all rights took.
    rights_took: Duration,
}

impl<'a> Drive<'a> {
    /// The rights of a document: those of the file that it is, or that it stands in.
    fn rights_of(&self, path: &str) -> Arc<ItemRights> {
        let file = self.listing.file_of(path);
        let listed = self.listing.index(file).and_then(|index| self.places.files().get(index));
        listed.cloned().unwrap_or_else(|| Arc::new(self.rights.rules.of_file(file)))
    }

    /// States the rights of every container that holds something. Narrowings act now.
    fn state_rights(&mut self) -> Result<(), IngestError> {
        let mut containers: BTreeMap<String, RightsSpec> = BTreeMap::new();
        for failure in &self.listing.failures {
            let rights = self.rights_of(&failure.path);
            containers.entry(rights.container.clone()).or_insert_with(|| rights.spec.clone());
        }
        for rights in self.places.containers() {
            containers.entry(rights.container.clone()).or_insert_with(|| rights.spec.clone());
        }
        // INVARIANT (I3): of a folder that cannot be read the rights are unknown.
        for folder in &self.listing.unreadable_folders {
            containers.insert(folder.clone(), unreadable(folder));
        }
        self.run.set_rights(containers)?;
        // What gets rights of its own, or loses them, hangs elsewhere: it must not wait for being read.
        let (listing, rules, places) = (self.listing, &self.rights.rules, &self.places);
        self.run.hang(&|id, was| {
            if let Some(folder) = above(&listing.unreadable_folders, id) {
                return Some(folder);
            }
            let file = listing.file_of(id);
            // An archive that is shut is opened by what is in it alone.
            if file != id && was == shut_by(file) {
                return None;
            }
            match listing.index(file).and_then(|index| places.files().get(index)) {
                Some(rights) => Some(rights.container.clone()),
                None => listing.has(file).then(|| rules.of_file(file).container),
            }
        })?;
        Ok(())
    }

    /// Refuses before any work if the listing alone would remove too much.
    fn guard_listing(&self) -> Result<(), IngestError> {
        let stays = |id: &&String| {
            let unreadable = &self.listing.unreadable_folders;
            self.listing.has(self.listing.file_of(id)) || above(unreadable, id).is_some()
        };
        let known = self.run.known_ids();
        self.guard(known.len() - known.iter().filter(stays).count())
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

    /// Reads everything; then again what changed, or had its rights changed, while it was read, until they hold.
    fn rounds(&mut self) -> Result<(), IngestError> {
        let mut files: BTreeSet<usize> = (0..self.listing.items.len()).collect();
        for round in 0..=ROUNDS {
            self.pass(&files)?;
            if self.stopped.is_some() {
                return Ok(());
            }
            let now = self.connector.rights(self.listing);
            let (hold, last) = (now.raw == self.rights.raw, round == ROUNDS);
            if hold {
                self.rights.ways = now.ways;
            } else {
                files = self.go_by(now, last)?;
            }
            if hold || last {
                files = self.hold_back_all_that_stirred()?;
                if files.is_empty() {
                    return Ok(());
                }
            }
            for index in &files {
                self.states.forget(*index);
                // An archive that is read again gives its members again.
                self.tally.of -= self.tally.members.remove(index).unwrap_or_default();
            }
            self.tally.done = self.tally.of.saturating_sub(files.len() as u64);
            self.tally.failed = self.run.summary().failed + self.blanked.len() as u64;
        }
        self.fail_what_stirs(files)
    }

    /// Goes by another reading of the rights from here on, and gives the files that are to be read again: those that have
    /// other rights by it, and those that stirred.
    ///
    /// INVARIANT: nothing is published under a reading of rights older than its content's. Of all files, whatever was
    /// read in this round: what was not, was read under older rights still. Rights that are read in the last round
    /// only were not read before the content.
    fn go_by(&mut self, now: Rights, last: bool) -> Result<BTreeSet<usize>, IngestError> {
        self.rights = now;
        let now = Places::of_all(&self.rights.rules, self.listing);
        let before = std::mem::replace(&mut self.places, now);
        let both = before.files().iter().zip(self.places.files()).enumerate();
        let mut files: BTreeSet<usize> =
            both.filter(|(_, (then, now))| then != now).map(|(index, _)| index).collect();
        if last {
            self.hide(&files, &before)?;
            self.let_rest(&files);
        } else {
            files.extend(self.stirred());
            self.state_rights()?;
            self.look_again(&files);
        }
        self.hold_unlisted()?;
        Ok(files)
    }

    /// Rights that do not hold still: visible to nobody until a run finds them so.
    fn hide(&mut self, files: &BTreeSet<usize>, before: &Places) -> Result<(), IngestError> {
        let (mut containers, mut hangs) = (BTreeMap::new(), BTreeMap::new());
        for index in files {
            let Some(item) = self.listing.items.get(*index) else { continue };
            let path = item.path.as_str();
            let container = self.rights_of(path).container.clone();
            // What comes to hang with others is hidden without them.
            let moves = before.files().get(*index).is_none_or(|then| then.container != container);
            let container = if moves { path.to_owned() } else { container };
            let problem =
                (FailReason::RightsChanging.to_string(), Origin { file: container.clone(), line: 0 });
            let spec = RightsSpec { problem: Some(problem), ..RightsSpec::default() };
            containers.insert(container.clone(), spec);
            hangs.insert(path, container);
        }
        // Where nothing hangs but what could not be listed, what narrows acts all the same.
        for failure in &self.listing.failures {
            let rights = self.rights_of(&failure.path);
            containers.entry(rights.container.clone()).or_insert_with(|| rights.spec.clone());
        }
        self.run.set_rights(containers)?;
        // INVARIANT: nothing of it is published, and what hung elsewhere hangs where it is hidden.
        let listing = self.listing;
        let ids = self.run.look_again(&|id| hangs.contains_key(listing.file_of(id)));
        self.run.hang(&|id, _| hangs.get(listing.file_of(id)).cloned())?;
        self.run.there(ids);
        Ok(())
    }
}

/// The rights of a folder that cannot be read: nobody.
pub(super) fn unreadable(folder: &str) -> RightsSpec {
    let origin = Origin { file: folder.to_owned(), line: 0 };
    RightsSpec { problem: Some(("the folder cannot be read".to_owned(), origin)), ..RightsSpec::default() }
}
