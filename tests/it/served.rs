//! A small company in a folder of its own, and the real program over it: what the tests of the MCP
//! surface share. Everything goes through the command line, as it would for a user.

use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub type Client = RunningService<RoleClient, ClientConfig>;

pub const DANA: &str = "dana@acorn.example";
pub const BEN: &str = "ben@acorn.example";

/// Stands in the text of a document that Dana may read.
pub const DOCUMENT_CANARY: &str = "quillfeather";

const DIRECTORY: &str = r#"
[[user]]
handle = "dana@acorn.example"
name = "Dana Reyes"

[[user]]
handle = "ben@acorn.example"
name = "Ben Okafor"

[[group]]
handle = "finance"
members = ["user:dana@acorn.example"]

[[group]]
handle = "staff"
members = ["user:ben@acorn.example", "group:finance"]
"#;

pub const FILES: &[(&str, &str)] = &[
    (
        "handbook/expenses.md",
        "# Expense policy\n\nExpense reports are due on the 5th of each month. Receipts go to the shared mailbox.\n",
    ),
    ("handbook/travel.md", "# Travel\n\nBook trains early. Expense reports for travel name the trip.\n"),
    ("handbook/onboarding.txt", "Welcome to Acorn.\n\nYour first week: laptop, badge, handbook.\n"),
    (
        "handbook/finance/salaries.md",
        "# Salary bands\n\nThe quillfeather band starts at 71,000 and is reviewed with the expense reports.\n",
    ),
    ("handbook/finance/.access.toml", "inherit = false\nallow = [\"group:finance\"]\n"),
    ("handbook/.access.toml", "allow = [\"group:staff\"]\n"),
];

/// The program, with nothing of the caller's own configuration.
pub fn kenward(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kenward"));
    for name in ["KENWARD_CONFIG", "RUST_LOG", "KENWARD__LOG__LEVEL"] {
        command.env_remove(name);
    }
    command.env("KENWARD_CONFIG", config);
    command
}

/// Runs it to its end, and shows its words if it fails.
pub fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A folder with configuration, directory, documents ingested.
pub struct Home {
    folder: TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self::of("local")
    }

    /// The data of this tenant.
    pub fn of(tenant: &str) -> Self {
        Self::furnished(tenant, &[], "")
    }

    /// With more files; the first folder of each is the handbook, or a source that these lines of configuration name.
    pub fn furnished(tenant: &str, more: &[(String, String)], configuration: &str) -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap() };
        let uid = rustix::process::geteuid().as_raw();
        std::fs::write(
            home.config(),
            format!(
                "data_dir = \"data\"\ntenant = \"{tenant}\"\n[operators]\n{uid} = \"{DANA}\"\n[embedding]\nengine = \"hashing\"\n{configuration}"
            ),
        )
        .unwrap();
        let directory = home.path("directory.toml");
        std::fs::write(&directory, DIRECTORY).unwrap();
        let more = more.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        let mut sources = Vec::new();
        for (path, text) in FILES.iter().copied().chain(more) {
            let source = path.split('/').next().unwrap();
            if !sources.contains(&source) {
                sources.push(source);
            }
            let file = home.path(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        succeeds(kenward(&home.config()).arg("users").arg("import").arg(directory));
        succeeds(kenward(&home.config()).arg("ingest").arg(home.path("handbook")));
        for source in sources.into_iter().filter(|source| *source != "handbook") {
            succeeds(kenward(&home.config()).arg("ingest").arg(source));
        }
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("kenward.toml")
    }

    /// A new token of a person.
    pub fn token(&self, user: &str) -> String {
        let output = succeeds(kenward(&self.config()).args(["tokens", "create", user]));
        let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        assert!(token.starts_with("kwt_"), "not a token is all that `tokens create` prints");
        token
    }

    /// Starts the HTTP server on a free port.
    pub fn serve(&self) -> Served {
        self.serve_with(&[])
    }

    /// The same with more variables.
    pub fn serve_with(&self, variables: &[(&str, &str)]) -> Served {
        let mut command = kenward(&self.config());
        command.args(["serve", "--http", "127.0.0.1:0"]).envs(variables.iter().copied());
        Served::start(&mut command, self.path("serve.out"), self.path("serve.log"))
    }
}

/// A running HTTP server.
pub struct Served {
    child: Child,
    pub url: String,
    log: PathBuf,
    /// All that it printed: one URL a line.
    pub urls: Vec<String>,
}

impl Served {
    /// Starts a command that serves over HTTP, and waits for its URL in `out`.
    pub fn start(command: &mut Command, out: PathBuf, log: PathBuf) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut served = Self { child, url: String::new(), log, urls: Vec::new() };
        let deadline = Instant::now() + Duration::from_secs(30);
        while served.url.is_empty() {
            assert!(Instant::now() < deadline, "no URL: {}", served.log());
            assert!(served.child.try_wait().unwrap().is_none(), "it ended: {}", served.log());
            std::thread::sleep(Duration::from_millis(20));
            let printed = std::fs::read_to_string(&out).unwrap();
            if let Some(line) = printed.strip_suffix('\n') {
                served.urls = line.lines().map(str::to_owned).collect();
                served.url = served.urls.first().cloned().unwrap_or_default();
            }
        }
        served
    }

    /// Ends it with SIGKILL: nothing is said, nothing is cleaned up. Gives its process id.
    pub fn kill(&mut self) -> u32 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child.id()
    }

    /// Everything that it wrote to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for a line of its log: an answer may be here before what was said of it.
    pub fn logs(&self, is_it: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.log().lines().any(&is_it) {
            assert!(Instant::now() < deadline, "no such line: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The most memory that it has had so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// How many files and connections it has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub fn origin(&self) -> &str {
        self.url.strip_suffix("/mcp").unwrap()
    }

    pub fn authority(&self) -> &str {
        self.origin().strip_prefix("http://").unwrap()
    }

    pub async fn client(&self, token: &str, lifecycle: ClientLifecycleMode) -> Client {
        let config = StreamableHttpClientTransportConfig::with_uri(self.url.as_str()).auth_header(token);
        let transport = StreamableHttpClientTransport::with_client(http(), config);
        ClientConfig::default().serve_with_lifecycle(transport, lifecycle).await.unwrap()
    }

    /// Asks it to stop, and gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not stop: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended; then both fail, and nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP client that goes straight to loopback.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub fn newest() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

/// Both ways to open a connection.
pub fn lifecycles() -> [(ClientLifecycleMode, &'static str); 2] {
    [(ClientLifecycleMode::Initialize, "2025-11-25"), (newest(), "2026-07-28")]
}

/// Calls a tool and gives (is an error, its text item as JSON).
pub async fn call(client: &Client, tool: &'static str, arguments: Value) -> (bool, Value) {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let result = client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap();
    // Links to what is named may follow.
    assert!(result.content.iter().skip(1).all(|item| item.as_resource_link().is_some()), "{result:?}");
    let text = &result.content[0].as_text().unwrap().text;
    if let Some(structured) = &result.structured_content {
        assert_eq!(&structured.to_string(), text, "the same bytes");
    }
    (result.is_error == Some(true), serde_json::from_str(text).unwrap())
}

/// Calls a tool that must succeed.
pub async fn answer(client: &Client, tool: &'static str, arguments: Value) -> Value {
    let (failed, value) = call(client, tool, arguments).await;
    assert!(!failed, "{tool}: {value}");
    value
}

/// Calls a tool that must fail, and gives the error.
pub async fn refusal(client: &Client, tool: &'static str, arguments: Value) -> Value {
    let (failed, value) = call(client, tool, arguments).await;
    assert!(failed, "{tool}: {value}");
    value["error"].clone()
}
