//! What is ours and what is read, kept apart: the data, the rights ledger, backups and keys are no documents, and a
//! run over a folder that holds them would make them some. It looks at places only, and must never open a file.

#![expect(clippy::result_large_err, reason = "what refuses an operation is its reply; there is one of them")]

use super::ops::Reply;
use super::perform::{Asked, failed};
use kenward_vault::writer::SourceSpec;
use std::path::{Path, PathBuf};

/// Refuses a source whose folder holds the data or lies in it, or holds the rights ledger.
pub(super) fn source(asked: &Asked<'_>, root: &str) -> Result<(), Reply> {
    let (root, data) = (real(Path::new(root)), real(&asked.config.data_dir));
    if root.starts_with(&data) || data.starts_with(&root) {
        return Err(refusal(
            format!(
                "the source's folder `{}` and the data folder `{}` overlap",
                root.display(),
                data.display()
            ),
            "keep the data elsewhere: set `data_dir`, or give `--data-dir`",
        ));
    }
    match asked.config.ledger.as_deref().map(real) {
        Some(ledger) if ledger.starts_with(&root) => Err(refusal(
            format!(
                "the rights ledger `{}` lies in the source's folder `{}`",
                ledger.display(),
                root.display()
            ),
            "keep it elsewhere: set `backup.ledger`",
        )),
        _ => Ok(()),
    }
}

/// Refuses a list of names that is no plain file: a device has no end, and a pipe waits.
pub(super) fn identity(spec: &SourceSpec) -> Result<(), Reply> {
    let Some(file) = &spec.rights.identity.file else { return Ok(()) };
    match std::fs::metadata(file) {
        // One that is missing hides the source, and is told by its run.
        Err(_) => Ok(()),
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err(refusal(
            format!("the list of names `{file}` of the source `{}` is no plain file", spec.name),
            "give a TOML file as `identity` (`--identity`)",
        )),
    }
}

/// Refuses to write a backup or keys into a source's folder, whose next run would read them, or into the data.
pub(super) fn output(asked: &Asked<'_>, path: &Path) -> Result<(), Reply> {
    let path = real(path);
    if path.starts_with(real(&asked.config.data_dir)) {
        return Err(refusal(
            format!("`{}` would lie in the data itself, and be lost with it", path.display()),
            "give a place elsewhere, best on another disk",
        ));
    }
    let recorded = asked.opened.vault.sources().map_err(|error| failed(&error))?;
    let recorded = recorded.into_iter().map(|(_, spec)| (spec.name, PathBuf::from(spec.root)));
    let configured = asked.config.sources.iter().map(|source| (source.name.clone(), source.path.clone()));
    match recorded.chain(configured).find(|(_, root)| path.starts_with(real(root))) {
        Some((name, _)) => Err(refusal(
            format!("`{}` would lie in the source `{name}`, whose next run would read it", path.display()),
            "give a place outside of all sources",
        )),
        None => Ok(()),
    }
}

fn refusal(message: String, hint: &str) -> Reply {
    Reply::Failed { message, hint: Some(hint.to_owned()) }
}

/// A place as the system knows it; of what is not there yet, where it will be.
pub(crate) fn real(path: &Path) -> PathBuf {
    if let Ok(real) = std::fs::canonicalize(path) {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(above), Some(name)) if !above.as_os_str().is_empty() => real(above).join(name),
        _ => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}
