//! The one ONNX Runtime of the process: loaded from a given file, checked, and kept.
//!
//! The library under this engine panics when it meets a missing or old ONNX Runtime on its own, so it
//! never gets to look for one: everything goes through [`environment`], which answers with an error.

use super::EmbedError;
use ort::environment::Environment;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};

/// A process can load one ONNX Runtime and build one environment; both stay until it ends.
struct Loaded {
    path: PathBuf,
    environment: Option<Environment>,
}

static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// The environment of the library at `path`, loaded on first use. A failed attempt leaves nothing
/// behind, so that another file can be tried.
///
/// # Errors
/// [`EmbedError::RuntimeMissing`]; [`EmbedError::RuntimeUnusable`] for a file that is no ONNX Runtime,
/// is too old, or differs from the one that this process has loaded already.
pub(crate) fn environment(path: &Path) -> Result<Environment, EmbedError> {
    // Absolute, because the loader takes a bare name for a library to look for on the system.
    let path =
        std::fs::canonicalize(path).map_err(|_| EmbedError::RuntimeMissing { path: path.to_owned() })?;
    let unusable = |reason: String| EmbedError::RuntimeUnusable { path: path.clone(), reason: reason.into() };
    let mut loaded = LOADED.lock();
    if let Some(known) = &*loaded {
        if known.path != path {
            return Err(unusable(format!("this process has loaded {} already", known.path.display())));
        }
        return known
            .environment
            .clone()
            .ok_or_else(|| unusable("it could not be initialised earlier in this process".to_owned()));
    }
    let builder = ort::init_from(&path).map_err(|error| unusable(reason(&error)))?;
    // INVARIANT: the library itself never calls out (I12): its telemetry is off.
    let environment = builder.with_name("kenward").with_telemetry(false).build();
    *loaded = Some(Loaded { path: path.clone(), environment: environment.as_ref().ok().cloned() });
    environment.map_err(|error| unusable(error.to_string()))
}

fn reason(error: &ort::LoadDynamicError) -> String {
    match error {
        ort::LoadDynamicError::Dlopen { error, .. } => format!("it could not be loaded ({error})"),
        ort::LoadDynamicError::MissingApi { .. } | ort::LoadDynamicError::InvalidVersionString => {
            "it is not an ONNX Runtime library".to_owned()
        }
        ort::LoadDynamicError::BadVersion { version_str, .. } => {
            format!("it is version {version_str}, and 1.{} or newer is needed", ort::MINOR_VERSION)
        }
    }
}
