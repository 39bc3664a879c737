//! A peer: a process that answers lines of JSON. Nothing of a peer's answer may be taken for ours: the names stay apart.

use super::process;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A process that was started, and is ended with this.
pub struct Peer {
    child: Child,
    answers: BufReader<ChildStdout>,
    name: String,
}

/// The python3 that has the peers: `KENWARD_PYTHON`, or what `benches/peers/setup.sh` made.
pub fn python() -> Option<PathBuf> {
    let made = process::target().join("peers/bin/python");
    let python = std::env::var_os("KENWARD_PYTHON").map_or(made, PathBuf::from);
    if !python.is_absolute() || python.is_file() {
        return Some(python);
    }
    eprintln!("no peers at {}: run benches/peers/setup.sh, or set KENWARD_PYTHON", python.display());
    None
}

/// A script among the peers.
pub fn script(name: &str) -> PathBuf {
    super::repository().join("benches/peers").join(name)
}

impl Peer {
    /// Starts a program, held to so many cores if any number is given.
    pub fn start(program: &Path, arguments: &[&OsStr], cores: Option<usize>) -> Self {
        let mut command = match cores {
            Some(cores) => {
                let mut held = Command::new("taskset");
                let list = (0..cores).map(|core| core.to_string()).collect::<Vec<_>>().join(",");
                held.args(["-c", &list]).arg(program);
                held
            }
            None => Command::new(program),
        };
        command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let name =
            arguments.first().map_or(program.as_os_str(), |first| *first).to_string_lossy().into_owned();
        Self { child, answers, name }
    }

    /// A script of the peers, as `python` runs it.
    pub fn script(python: &Path, name: &str, cores: Option<usize>) -> Self {
        Self::start(python, &[script(name).as_os_str()], cores)
    }

    /// Sends one line that is not answered.
    pub fn tell(&mut self, told: &Value) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{told}").and_then(|()| input.flush()).unwrap();
    }

    /// Sends one line and waits for the answer.
    pub fn ask(&mut self, asked: &Value) -> Value {
        self.tell(asked);
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("no answer of {} to {asked}: {line}", self.name))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A list of numbers in an answer.
pub fn numbers(answer: &Value) -> Vec<f64> {
    serde_json::from_value(answer.clone()).unwrap()
}
