//! The generator: `wrk` with a script of ours. It sends prepared requests in turn and looks at every status, and into
//! every eighth answer, so that what it counts as an answer is one.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A call of a tool by somebody.
pub struct Call {
    /// `None` for a peer that asks for none.
    pub token: Option<String>,
    pub tool: &'static str,
    pub arguments: serde_json::Value,
}

impl Call {
    /// The headers of the newest version of the protocol.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "application/json, text/event-stream".to_owned()),
            ("MCP-Protocol-Version", "2026-07-28".to_owned()),
            ("Mcp-Method", "tools/call".to_owned()),
            ("Mcp-Name", self.tool.to_owned()),
        ];
        headers.extend(self.token.iter().map(|token| ("Authorization", format!("Bearer {token}"))));
        headers
    }

    pub fn body(&self) -> String {
        let meta = serde_json::json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "load", "version": "0" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = serde_json::json!({ "name": self.tool, "arguments": self.arguments, "_meta": meta });
        serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
    }
}

/// What one run of it counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    pub answers: u64,
    pub seconds: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    pub most: f64,
    /// Other statuses than 200, broken connections, answers that did not come, and, of those looked into, what is an error.
    pub errors: u64,
    /// Bytes of a body, on average.
    pub bytes: f64,
}

impl Counted {
    pub fn per_second(&self) -> f64 {
        self.answers as f64 / self.seconds
    }
}

/// Where `wrk` is: `KENWARD_WRK`, or somewhere in `PATH`.
pub fn find() -> Option<PathBuf> {
    let named = std::env::var_os("KENWARD_WRK").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("wrk")).find(|file| file.is_file());
    named.or(found).filter(|file| file.is_file())
}

/// What stands behind the prepared requests.
const SCRIPT: &str = r#"
local threads, at = {}, 0
seen, refused, wrong, octets, first = 0, 0, 0, 0, ""
function setup(thread) threads[#threads + 1] = thread end
function request()
  at = at % #requests + 1
  return requests[at]
end
local function bad(status, body)
  if first == "" then first = status .. " " .. string.sub(body, 1, 400) end
end
function response(status, headers, body)
  seen = seen + 1
  octets = octets + #body
  if status ~= 200 then
    refused = refused + 1
    bad(status, body)
  elseif seen % 8 == 0 and not string.find(body, '"isError":false', 1, true) then
    wrong = wrong + 1
    bad(status, body)
  end
end
function done(summary, latency)
  local errors, octets, first = 0, 0, ""
  for _, thread in ipairs(threads) do
    errors = errors + thread:get("refused") + thread:get("wrong")
    octets = octets + thread:get("octets")
    if first == "" then first = thread:get("first") end
  end
  local e = summary.errors
  errors = errors + e.connect + e.read + e.write + e.timeout
  print(string.format("COUNTED %d %d %d %d %d %d %d", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), latency.max, errors, octets))
  if first ~= "" then print("BAD " .. string.gsub(first, "%s+", " ")) end
end
"#;

/// Writes the script that sends these calls in turn.
pub fn script(file: &Path, calls: &[Call]) {
    let mut lua = String::from(
        "requests = {}\nfunction init()\n  local function add(headers, body) requests[#requests + 1] = wrk.format(\"POST\", nil, headers, body) end\n",
    );
    for call in calls {
        let headers: Vec<String> =
            call.headers().iter().map(|(name, value)| format!("[\"{name}\"]=[==[{value}]==]")).collect();
        let body = call.body();
        assert!(!body.contains("]==]"), "{body}");
        let _ = writeln!(lua, "  add({{{}}}, [==[{body}]==])", headers.join(","));
    }
    lua.push_str("end\n");
    lua.push_str(SCRIPT);
    std::fs::write(file, lua).unwrap();
}

/// Sends what the script says over so many connections for so long.
pub fn run(wrk: &Path, script: &Path, url: &str, connections: usize, seconds: u64) -> Counted {
    let output = Command::new(wrk)
        .args(["--threads", "1", "--timeout", "30s", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--script"])
        .arg(script)
        .arg(url)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let told = || format!("{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    let line =
        text.lines().find_map(|line| line.strip_prefix("COUNTED ")).unwrap_or_else(|| panic!("{}", told()));
    let numbers: Vec<f64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
    let [answers, micros, p50, p99, most, errors, octets] = numbers[..] else { panic!("{}", told()) };
    if let Some(bad) = text.lines().find_map(|line| line.strip_prefix("BAD ")) {
        eprintln!("what was no answer: {bad}");
    }
    Counted {
        answers: answers as u64,
        seconds: micros / 1e6,
        p50: p50 / 1e3,
        p99: p99 / 1e3,
        most: most / 1e3,
        errors: errors as u64,
        bytes: octets / answers.max(1.0),
    }
}
