//! A machine of its own for the real program: a home folder, a configuration, nothing of the
//! caller's environment.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// How a verb ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// It went well.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It ran, and found something that is not well.
    #[track_caller]
    pub fn found(self) -> Self {
        assert_eq!(self.code, Some(3), "{self:?}");
        self
    }

    /// It was refused as something that the user can fix, in these words, with a hint.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.err.contains("error: ") && self.err.contains("hint: "), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in {self:?}");
        }
        assert!(!self.err.contains("panicked") && self.out.is_empty(), "{self:?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A home folder with a configuration.
pub struct Machine {
    pub home: TempDir,
}

impl Machine {
    /// Without any configuration.
    pub fn bare() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// With a configuration: the hashing embedder, this user as the operator `olga@acorn.example`.
    pub fn new() -> Self {
        let machine = Self::bare();
        let uid = rustix::process::getuid().as_raw();
        machine.configure(&format!(
            "data_dir = \"data\"\nlabels = [\"public\", \"internal\", \"secret\"]\n[operators]\n{uid} = \
             \"olga@acorn.example\"\n[embedding]\nengine = \"hashing\"\n"
        ));
        machine
    }

    pub fn configure(&self, text: &str) {
        std::fs::write(self.config(), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("kenward.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Writes a file, with the folders above it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program, not started yet.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kenward"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["KENWARD", "XDG_", "RUST_LOG", "ORT_"].iter().any(|start| text.starts_with(start)) {
                command.env_remove(&name);
            }
        }
        command.env("HOME", self.home.path()).env("USER", "olga").current_dir(self.home.path());
        // No test calls out by itself: a hub is given by those that are about one.
        command.env("KENWARD__EMBEDDING__HUB", "off");
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Runs a verb to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }
}

/// Whether a file below the folder holds the text.
pub fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}
