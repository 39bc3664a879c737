//! Making a backup while everything goes on. The moment is one commit of the catalog; the locks are held for
//! as long as it takes to name it, not for as long as it takes to copy it. It is written beside its place and renamed,
//! so that what has its name is whole.

use super::manifest::{BackedUp, Counts, Manifest};
use super::seal::{In, Out};
use super::{AUDIT, CATALOG, MANIFEST, TEXTS, VECTORS};
use crate::audit;
use crate::catalog::copy::Pinned;
use crate::catalog::to_json;
use crate::error::VaultError;
use crate::folder::{self, VERSION};
use crate::ledger::Place;
use crate::vault::{Operator, Vault};
use kenward_access::ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Marks a folder as one that a backup did not come to the end of.
const UNFINISHED: &str = "unfinished-kenward-backup";

/// The last backup, as the catalog remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    /// As of when.
    pub made: Timestamp,
    /// Where it was put.
    pub folder: PathBuf,
    /// How many documents it holds.
    pub documents: u64,
}

/// Held while a backup is written: what it names is not removed.
struct Hold<'a>(&'a AtomicUsize);

impl<'a> Hold<'a> {
    /// One at a time: two would write into one folder, and read everything at once.
    fn new(count: &'a AtomicUsize) -> Result<Self, VaultError> {
        match count.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => Ok(Self(count)),
            Err(_) => Err(VaultError::name("another backup is being written", "wait for its end")),
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One moment of the vault.
struct Moment {
    catalog: Pinned,
    vectors: Vec<(String, File, u64)>,
    ledger: Place,
    epoch: u64,
    made: Timestamp,
    sources: Vec<(String, String)>,
}

impl Vault {
    /// Writes a backup into the folder `to`, which must not be there yet, and records it first. Asked again under
    /// the same `id`, it finds what it made.
    ///
    /// # Errors
    /// [`VaultError::Name`] for a place that cannot be used; [`VaultError`].
    pub fn backup(&self, by: &Operator, to: &Path, id: &str) -> Result<BackedUp, VaultError> {
        if let Some(made) = Manifest::peek(to).filter(|made| made.id == id) {
            return Ok(made.told(to));
        }
        let hold = Hold::new(&self.backups)?;
        let beside = self.place_for(to)?;
        let made = self.write_backup(by, to, &beside, id).and_then(|manifest| {
            let shut = || {
                File::open(&beside)?.sync_all()?;
                if to.exists() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                fs::rename(&beside, to)?;
                // Harmless if it stays: the folder has its name.
                let _ = fs::remove_file(to.join(UNFINISHED));
                to.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
            };
            shut().map_err(VaultError::io("making", to))?;
            Ok(manifest.told(to))
        });
        drop(hold);
        if made.is_err() {
            let _ = fs::remove_dir_all(&beside);
            self.core.note_deed(by, "not_done", serde_json::json!({ "act": "backup", "backup": id }));
        }
        // What waited for the backup to end may go now.
        self.sweep_retired()?;
        let made = made?;
        let last =
            LastBackup { made: made.made, folder: made.folder.clone(), documents: made.counts.documents };
        let last = to_json(&last)?;
        self.catalog.lock().transaction("noting a backup", |tx| {
            // From here on there is one that the ledger reaches back to.
            tx.set_meta("ledger_anew", "")?;
            tx.set_meta("last_backup", &last)
        })?;
        Ok(made)
    }

    /// The last backup that was made of this folder.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn last_backup(&self) -> Result<Option<LastBackup>, VaultError> {
        let text = self.catalog.lock().transaction("reading of a backup", |tx| tx.meta("last_backup"))?;
        text.map(|text| crate::catalog::json(&text)).transpose()
    }

    /// The folder beside `to` in which it is written.
    fn place_for(&self, to: &Path) -> Result<PathBuf, VaultError> {
        let name = |what: String, hint: &str| VaultError::name(what, hint);
        let shown = to.display();
        if to.symlink_metadata().is_ok() {
            return Err(name(
                format!("`{shown}` is there already"),
                "give a folder that is not there yet: nothing is written over",
            ));
        }
        let above = to.parent().filter(|above| above.is_dir());
        let (Some(above), Some(last)) = (above, to.file_name()) else {
            return Err(name(
                format!("there is no folder to put `{shown}` in"),
                "make the folder above it first",
            ));
        };
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if real(above).starts_with(real(&self.data_dir)) {
            return Err(name(
                format!("`{shown}` would lie in the data itself"),
                "give a folder elsewhere, best on another disk",
            ));
        }
        let mut beside = last.to_owned();
        beside.push(".unfinished");
        let beside = above.join(beside);
        // One that was cut off before its first file is empty.
        if beside.symlink_metadata().is_ok() && fs::remove_dir(&beside).is_err() {
            if !beside.join(UNFINISHED).exists() {
                return Err(name(
                    format!("`{}` is in the way", beside.display()),
                    "move it, or give another folder",
                ));
            }
            fs::remove_dir_all(&beside).map_err(VaultError::io("removing", &beside))?;
        }
        let make = || {
            fs::DirBuilder::new().mode(0o700).create(&beside)?;
            File::create(beside.join(UNFINISHED)).map(drop)
        };
        make().map_err(VaultError::io("making", &beside))?;
        folder::private_dir(&beside)?;
        Ok(beside)
    }

    /// Names one moment: nothing is copied yet.
    fn moment(&self) -> Result<Moment, VaultError> {
        let engines = self.engines.lock();
        // INVARIANT: under the catalog's lock nothing commits, and the ledger is written under it.
        let mut catalog = self.catalog.lock();
        let mut ledger = self.ledger.lock();
        // A backup that no ledger can tell of would come back with everything hidden.
        self.settle_ledger(&mut catalog, &mut ledger)?;
        let sources = catalog.transaction("listing sources", crate::catalog::sources::all)?;
        Ok(Moment {
            catalog: Pinned::new(&self.data_dir.join(folder::CATALOG))?,
            vectors: engines.vector_files()?,
            ledger: ledger.place(),
            epoch: self.core.rights.load().epoch.0,
            made: self.core.now(),
            sources: sources.into_iter().map(|(_, spec)| (spec.name, spec.root)).collect(),
        })
    }

    fn write_backup(&self, by: &Operator, to: &Path, dir: &Path, id: &str) -> Result<Manifest, VaultError> {
        let moment = &self.moment()?;
        // What leaves is recorded before it leaves.
        let details =
            serde_json::json!({ "backup": id, "folder": to.display().to_string(), "epoch": moment.epoch });
        self.core.record_deed(by, "backup", details)?;
        let catalog = dir.join(CATALOG);
        // Its owner's alone before anything is in it.
        new_file(&catalog)?;
        moment.catalog.copy(&catalog)?;
        let mut files = vec![hashed(&catalog, CATALOG)?];
        let (texts, texts_lost) = self.write_texts(dir, moment, &mut files)?;
        if !moment.vectors.is_empty() {
            let vectors = dir.join(VECTORS);
            fs::DirBuilder::new().mode(0o700).create(&vectors).map_err(VaultError::io("making", &vectors))?;
            for (name, file, length) in &moment.vectors {
                let path = vectors.join(name);
                let mut out = Out::new(new_file(&path)?);
                let copied = io::copy(&mut file.take(*length), &mut out);
                let entry = copied.and_then(|_| out.end(&format!("{VECTORS}/{name}")));
                files.push(entry.map_err(VaultError::io("writing", &path))?);
            }
            File::open(&vectors).and_then(|d| d.sync_all()).map_err(VaultError::io("syncing", &vectors))?;
        }
        // Everything that the catalog's moment rests on was durable in the log before it; so is the record of this backup.
        let path = dir.join(AUDIT);
        let mut out = Out::new(new_file(&path)?);
        let log = self.data_dir.join("audit");
        let verified = audit::copy(&log, &self.core.tenant, self.core.audit.count(), &mut out)?;
        files.push(out.end(AUDIT).map_err(VaultError::io("writing", &path))?);
        let counts = moment.catalog.counts()?;
        let manifest = Manifest {
            format: Manifest::format(),
            data: VERSION,
            id: id.to_owned(),
            tenant: self.core.tenant.as_str().to_owned(),
            made: moment.made,
            epoch: moment.epoch,
            ledger: moment.ledger.clone(),
            counts: Counts {
                sources: counts.sources,
                documents: counts.documents,
                chunks: counts.chunks,
                texts,
                texts_lost,
                audit_records: verified.records,
                bytes: files.iter().map(|file| file.bytes).sum(),
            },
            sources: moment.sources.clone(),
            audit: (verified.records, verified.tip),
            files,
        };
        let sealed = manifest.sealed(&self.core.keys.ledger.current())?;
        let path = dir.join(MANIFEST);
        let mut file = new_file(&path)?;
        file.write_all(sealed.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(VaultError::io("writing", &path))?;
        Ok(manifest)
    }

    /// All texts, each behind its name and its length. Gives how many there are, and how many are lost.
    fn write_texts(
        &self,
        dir: &Path,
        moment: &Moment,
        files: &mut Vec<super::manifest::FileEntry>,
    ) -> Result<(u64, u64), VaultError> {
        let path = dir.join(TEXTS);
        let mut out = Out::new(new_file(&path)?);
        let (mut texts, mut lost) = (0, 0);
        for name in moment.catalog.texts()?.into_keys() {
            let Some(mut file) = self.core.text.file(&name)? else {
                lost += 1;
                continue;
            };
            let mut one = || {
                let length = file.metadata()?.len();
                out.write_all(&(name.len() as u64).to_be_bytes())?;
                out.write_all(name.as_bytes())?;
                out.write_all(&length.to_be_bytes())?;
                match io::copy(&mut Read::by_ref(&mut file).take(length), &mut out)? {
                    copied if copied == length => Ok(()),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            };
            one().map_err(VaultError::io("writing", &path))?;
            texts += 1;
        }
        files.push(out.end(TEXTS).map_err(VaultError::io("writing", &path))?);
        Ok((texts, lost))
    }
}

/// A new file that is its owner's alone.
fn new_file(path: &Path) -> Result<File, VaultError> {
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(VaultError::io("making", path))
}

/// What a file that was written otherwise is, once it is durable.
fn hashed(path: &Path, name: &str) -> Result<super::manifest::FileEntry, VaultError> {
    let hash = || {
        let file = File::open(path)?;
        file.sync_all()?;
        let mut read = In::new(file);
        io::copy(&mut read, &mut io::sink())?;
        Ok(read.end(name))
    };
    hash().map_err(VaultError::io("reading", path))
}
