//! An agent of the demo: a real MCP client over HTTP, under one person's token.

use rmcp::model::{CallToolRequestParams, ClientConfig, Implementation, JsonObject, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};

/// Why an agent did not get an answer.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The HTTP client could not be made.
    #[error("making an HTTP client")]
    Client(#[from] reqwest::Error),
    /// The server could not be reached.
    #[error("connecting to the server")]
    Connect(#[source] Box<rmcp::service::ClientInitializeError>),
    /// The call failed.
    #[error("calling `search`")]
    Call(#[source] Box<rmcp::ServiceError>),
    /// The answer is not of the form that the tool declares.
    #[error("the answer of `search` does not have its declared form")]
    Form,
}

/// One person's agent, connected.
pub struct Agent {
    client: RunningService<RoleClient, ClientConfig>,
}

/// A passage, as far as the demo shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Document.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What to cite.
    pub cite: String,
    /// `high`, `medium`, `low`.
    pub relevance: String,
    /// Its words without boundary and marks, in one line.
    pub text: String,
    /// What was noticed about the document (`hidden_characters_removed`, …).
    pub flags: Vec<String>,
}

impl Agent {
    /// Connects with the newest version of the protocol.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn connect(url: &str, token: &str) -> Result<Self, AgentError> {
        // Loopback: no proxy is on the way, whatever the environment says, and nobody redirects us.
        let http =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let mut client = ClientConfig::default();
        client.client_info = Implementation::new("kenward-demo", env!("CARGO_PKG_VERSION"));
        let versions = vec![ProtocolVersion::V_2026_07_28];
        let client = client
            .serve_with_lifecycle(transport, ClientLifecycleMode::Discover { preferred_versions: versions })
            .await
            .map_err(|error| AgentError::Connect(Box::new(error)))?;
        Ok(Self { client })
    }

    /// Asks, and gives the passages in order.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn search(&self, question: &str, limit: usize) -> Result<Vec<Passage>, AgentError> {
        let arguments = match json!({ "query": question, "limit": limit }) {
            Value::Object(arguments) => arguments,
            _ => JsonObject::new(),
        };
        let call = CallToolRequestParams::new("search").with_arguments(arguments);
        let result = self.client.call_tool(call).await.map_err(|error| AgentError::Call(Box::new(error)))?;
        let results = result
            .structured_content
            .as_ref()
            .and_then(|content| content.get("results"))
            .and_then(Value::as_array)
            .ok_or(AgentError::Form)?;
        results.iter().map(|result| passage(result).ok_or(AgentError::Form)).collect()
    }

    /// Says goodbye.
    pub async fn leave(self) {
        // The server keeps nothing about us; there is nothing to do if the goodbye fails.
        let _ = self.client.cancel().await;
    }
}

fn passage(result: &Value) -> Option<Passage> {
    let text = |name: &str| result.get(name).and_then(Value::as_str).map(str::to_owned);
    let flags = result.pointer("/trust/flags").and_then(Value::as_array);
    Some(Passage {
        id: text("id")?,
        title: text("title")?,
        cite: text("cite")?,
        relevance: text("relevance")?,
        text: unfenced(&text("text")?),
        flags: flags.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
    })
}

/// The words between the boundary lines, without the mark of each line and without headings, in one
/// line. Words of a heading alone are better than none.
fn unfenced(fenced: &str) -> String {
    let lines = || {
        let inside = fenced.lines().filter(|line| !line.starts_with("=== "));
        inside.filter_map(|line| line.split_once('|').map(|(_, text)| text.trim()))
    };
    let joined =
        |lines: Vec<&str>| lines.into_iter().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    let body = joined(lines().filter(|line| !line.starts_with('#')).collect());
    if body.is_empty() { joined(lines().map(|line| line.trim_start_matches('#')).collect()) } else { body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_taken_off_for_reading() {
        let fenced = "=== 7Q4XK2M9VD3R BEGIN ===\n7Q| ## Deadlines\n7Q|\n7Q| Reports are due\n7Q| on the 5th | of each month.\n=== 7Q4XK2M9VD3R END ===";
        assert_eq!(unfenced(fenced), "Reports are due on the 5th | of each month.");
        assert_eq!(unfenced("=== A BEGIN ===\nA| # Only this\n=== A END ==="), "Only this");
    }
}
