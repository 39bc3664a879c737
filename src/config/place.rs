//! Where things lie by default: the configuration file, the data, the models. Only names are made
//! here; nothing is read or written.

use super::error::ConfigError;
use std::path::{Path, PathBuf};

/// The file's name.
pub const FILE_NAME: &str = "kenward.toml";

/// The configuration file: `--config`, then `KENWARD_CONFIG`, then `./kenward.toml`, then the XDG
/// place. The last two only if they are there.
///
/// # Errors
/// [`ConfigError::NotFound`] for a file that was asked for and is not there.
pub fn find(flag: Option<&Path>) -> Result<Option<PathBuf>, ConfigError> {
    let asked = flag
        .map(Path::to_owned)
        .or_else(|| std::env::var_os("KENWARD_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from));
    if let Some(path) = asked {
        let path = absolute(&path);
        return if path.exists() { Ok(Some(path)) } else { Err(ConfigError::NotFound { path }) };
    }
    let here = absolute(Path::new(FILE_NAME));
    if here.is_file() {
        return Ok(Some(here));
    }
    Ok(config_home().map(|dir| dir.join(FILE_NAME)).filter(|path| path.is_file()))
}

/// Where `init` writes: the file that was asked for, or the XDG place.
///
/// # Errors
/// [`ConfigError::NoHome`].
pub fn to_write(flag: Option<&Path>, here: bool) -> Result<PathBuf, ConfigError> {
    let asked = flag
        .map(Path::to_owned)
        .or_else(|| std::env::var_os("KENWARD_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from));
    match asked {
        Some(path) => Ok(absolute(&path)),
        None if here => Ok(absolute(Path::new(FILE_NAME))),
        None => config_home().map(|dir| dir.join(FILE_NAME)).ok_or(ConfigError::NoHome { key: "--config" }),
    }
}

fn config_home() -> Option<PathBuf> {
    xdg("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("kenward"))
}

/// The default `data_dir`.
#[must_use]
pub fn data_home() -> Option<PathBuf> {
    xdg("XDG_DATA_HOME", ".local/share").map(|dir| dir.join("kenward"))
}

/// The folder for sockets whose path would be too long; `None` = there is no such folder.
#[must_use]
pub fn runtime_home() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute() && dir.is_dir())
}

fn xdg(variable: &str, below_home: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home)))
        .filter(|dir| dir.is_absolute())
}

/// The path made absolute without asking the file system.
#[must_use]
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
