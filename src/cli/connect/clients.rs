//! The clients that `kenward connect` knows: where each keeps its servers, and in what form. A new one
//! is a line in [`CLIENTS`]. It must never hold a secret: over HTTP an entry names the variable that has it.

use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The variable that an entry for HTTP refers to.
pub(super) const TOKEN: &str = "KENWARD_TOKEN";

/// How a client's file lists its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON, an object under this key.
    Json(&'static str),
    /// TOML, tables under `mcp_servers`.
    Toml,
}

/// How a client writes a server that it reaches over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Http {
    /// Not from a file with a token of its own.
    Unable,
    /// URL under this key, headers beside it, the variable written so; some want the type said.
    Headers { url: &'static str, typed: bool, token: &'static str },
    /// The name of the variable in a field of its own.
    Variable,
}

/// Where a user's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// Below the home folder.
    Home,
    /// Below the folder of configurations (`XDG_CONFIG_HOME`; `Library/Application Support` on macOS).
    Config,
}

/// A client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub name: &'static str,
    pub title: &'static str,
    user: (Base, &'static str),
    /// Its file in a project's folder, if it has one.
    pub project: Option<&'static str>,
    pub form: Form,
    /// Whether an entry says `"type": "stdio"`.
    typed: bool,
    pub http: Http,
}

const BRACED: &str = "${KENWARD_TOKEN}";
const ENV: &str = "${env:KENWARD_TOKEN}";

/// All of them.
pub(super) const CLIENTS: [Client; 8] = [
    Client {
        name: "claude",
        title: "Claude Desktop",
        user: (Base::Config, "Claude/claude_desktop_config.json"),
        project: None,
        form: Form::Json("mcpServers"),
        typed: false,
        http: Http::Unable,
    },
    Client {
        name: "code",
        title: "Claude Code",
        user: (Base::Home, ".claude.json"),
        project: Some(".mcp.json"),
        form: Form::Json("mcpServers"),
        typed: true,
        http: Http::Headers { url: "url", typed: true, token: BRACED },
    },
    Client {
        name: "vscode",
        title: "VS Code",
        user: (Base::Config, "Code/User/mcp.json"),
        project: Some(".vscode/mcp.json"),
        form: Form::Json("servers"),
        typed: true,
        http: Http::Headers { url: "url", typed: true, token: ENV },
    },
    Client {
        name: "cursor",
        title: "Cursor",
        user: (Base::Home, ".cursor/mcp.json"),
        project: Some(".cursor/mcp.json"),
        form: Form::Json("mcpServers"),
        typed: false,
        http: Http::Headers { url: "url", typed: false, token: ENV },
    },
    Client {
        name: "windsurf",
        title: "Windsurf",
        user: (Base::Home, ".codeium/windsurf/mcp_config.json"),
        project: None,
        form: Form::Json("mcpServers"),
        typed: false,
        http: Http::Headers { url: "serverUrl", typed: false, token: ENV },
    },
    Client {
        name: "gemini",
        title: "Gemini CLI",
        user: (Base::Home, ".gemini/settings.json"),
        project: Some(".gemini/settings.json"),
        form: Form::Json("mcpServers"),
        typed: false,
        http: Http::Headers { url: "httpUrl", typed: false, token: BRACED },
    },
    Client {
        name: "codex",
        title: "Codex",
        user: (Base::Home, ".codex/config.toml"),
        project: Some(".codex/config.toml"),
        form: Form::Toml,
        typed: false,
        http: Http::Variable,
    },
    Client {
        name: "zed",
        title: "Zed",
        user: (Base::Config, "zed/settings.json"),
        project: Some(".zed/settings.json"),
        form: Form::Json("context_servers"),
        typed: false,
        http: Http::Unable,
    },
];

/// What an entry is to start or to reach.
#[derive(Debug, Clone)]
pub(super) enum Server {
    /// This program, over stdio.
    Stdio { command: String, args: Vec<String> },
    /// A running server.
    Http { url: String },
}

impl Client {
    /// The client's file for this user. Zed keeps its own below `~/.config` on every system.
    pub(super) fn user_file(&self, home: &Path) -> PathBuf {
        let (base, path) = self.user;
        let own = cfg!(target_os = "macos") && self.name != "zed";
        match base {
            Base::Home => home.join(path),
            Base::Config if own => home.join("Library/Application Support").join(path),
            Base::Config => config_home(home).join(path),
        }
    }

    /// The entry as this client writes it; `None` if it cannot reach the server that way.
    pub(super) fn entry(&self, server: &Server) -> Option<Map<String, Value>> {
        let value = match (server, self.http) {
            (Server::Stdio { command, args }, _) if self.typed => {
                json!({ "type": "stdio", "command": command, "args": args })
            }
            (Server::Stdio { command, args }, _) => json!({ "command": command, "args": args }),
            (Server::Http { .. }, Http::Unable) => return None,
            (Server::Http { url }, Http::Variable) => json!({ "url": url, "bearer_token_env_var": TOKEN }),
            (Server::Http { url: address }, Http::Headers { url, typed, token }) => {
                let mut entry = Map::new();
                if typed {
                    entry.insert("type".to_owned(), "http".into());
                }
                entry.insert(url.to_owned(), address.as_str().into());
                let header = format!("Bearer {token}");
                entry.insert("headers".to_owned(), json!({ "Authorization": header }));
                Value::Object(entry)
            }
        };
        match value {
            Value::Object(entry) => Some(entry),
            _ => None,
        }
    }
}

fn config_home(home: &Path) -> PathBuf {
    let of_environment = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    of_environment.filter(|path| path.is_absolute()).unwrap_or_else(|| home.join(".config"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_no_entry_holds_a_secret() {
        let mut names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CLIENTS.len());
        let server = Server::Http { url: "http://127.0.0.1:8765/mcp".into() };
        for client in CLIENTS {
            let Some(entry) = client.entry(&server) else {
                assert_eq!(client.http, Http::Unable, "{}", client.name);
                continue;
            };
            let text = Value::Object(entry).to_string();
            assert!(text.contains(TOKEN) && text.contains("8765"), "{}: {text}", client.name);
        }
    }
}
