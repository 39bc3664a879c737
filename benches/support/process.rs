//! What the system says of processes: time they took, and memory (Linux).

use std::path::{Path, PathBuf};

/// Cargo's target folder.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| super::repository().join("target"), PathBuf::from)
}

/// The program that is measured: `KENWARD_PROGRAM`, or the one in `target/release`.
pub fn program() -> PathBuf {
    std::env::var_os("KENWARD_PROGRAM").map_or_else(|| target().join("release/kenward"), PathBuf::from)
}

/// A figure of a process's memory, in MiB.
pub fn memory(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().map_or(0.0, |kib| kib / 1024.0)
}

/// Makes a process's peak of resident memory (`VmHWM`) what it holds now.
pub fn forget_peak(pid: u32) {
    let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// CPU time of a process so far, without that of its children.
pub fn seconds(pid: u32) -> f64 {
    ticks(Path::new(&format!("/proc/{pid}/stat")), 12)
}

/// CPU time of this process's ended children, and theirs.
pub fn children_seconds() -> f64 {
    ticks(Path::new("/proc/self/stat"), 14)
}

/// Two neighbouring fields of a `stat` file, of which the first has so many before it behind the name.
fn ticks(stat: &Path, skip: usize) -> f64 {
    let stat = std::fs::read_to_string(stat).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks: Vec<f64> = rest.split(' ').skip(skip).take(2).filter_map(|t| t.parse().ok()).collect();
    ticks.iter().sum::<f64>() / 100.0
}
