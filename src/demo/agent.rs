//! An agent of the demo: a real MCP client over HTTP, under one person's token.

use rmcp::model::{CallToolRequestParams, ClientConfig, Implementation, JsonObject, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
    #[error("calling `{tool}`")]
    Call {
        /// The tool.
        tool: &'static str,
        /// Why.
        #[source]
        source: Box<rmcp::ServiceError>,
    },
    /// The answer is not of the form that the tool declares.
    #[error("the answer of `{0}` does not have its declared form")]
    Form(&'static str),
}

/// One person's agent, connected.
pub struct Agent {
    client: RunningService<RoleClient, ClientConfig>,
}

/// A passage, as far as the demo shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passage {
    /// Document.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What to cite.
    pub cite: String,
    /// `high`, `medium`, `low`.
    pub relevance: String,
    /// Its source.
    pub source: String,
    /// The headings it stands under, outermost first.
    pub headings: Vec<String>,
    /// The page it stands on, where there are pages.
    pub page: Option<u64>,
    /// Its paragraphs and items of lists without boundary and marks, each in one line.
    pub text: Vec<String>,
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
        let answer = self.call("search", json!({ "query": question, "limit": limit })).await?;
        let results = answer.get("results").and_then(Value::as_array).ok_or(AgentError::Form("search"))?;
        results.iter().map(|result| passage(result).ok_or(AgentError::Form("search"))).collect()
    }

    /// The path of every document that the person can see, by its id.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn paths(&self) -> Result<BTreeMap<String, String>, AgentError> {
        let tool = "list_documents";
        let mut paths = BTreeMap::new();
        let mut arguments = json!({});
        loop {
            let answer = self.call(tool, arguments).await?;
            let rows = answer.get("documents").and_then(Value::as_array).ok_or(AgentError::Form(tool))?;
            for row in rows {
                let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
                paths.extend(text("id").zip(text("path")));
            }
            match answer.get("next_cursor").and_then(Value::as_str) {
                Some(cursor) => arguments = json!({ "cursor": cursor }),
                None => return Ok(paths),
            }
        }
    }

    /// Calls a tool, and gives what it answered.
    async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value, AgentError> {
        let arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => JsonObject::new(),
        };
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        let called = self.client.call_tool(call).await;
        let result = called.map_err(|source| AgentError::Call { tool, source: Box::new(source) })?;
        result.structured_content.ok_or(AgentError::Form(tool))
    }

    /// Says goodbye.
    pub async fn leave(self) {
        // The server keeps nothing about us; there is nothing to do if the goodbye fails.
        let _ = self.client.cancel().await;
    }
}

fn passage(result: &Value) -> Option<Passage> {
    let text = |name: &str| result.get(name).and_then(Value::as_str).map(str::to_owned);
    let texts = |place: &str| -> Vec<String> {
        let list = result.pointer(place).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Some(Passage {
        id: text("id")?,
        title: text("title")?,
        cite: text("cite")?,
        relevance: text("relevance")?,
        source: result.pointer("/provenance/source").and_then(Value::as_str)?.to_owned(),
        headings: texts("/provenance/headings"),
        page: result.pointer("/provenance/page").and_then(Value::as_u64),
        text: unfenced(&text("text")?),
        flags: texts("/trust/flags"),
    })
}

/// The words between the boundary lines, without the mark of each line and without headings: a
/// paragraph, an item of a list or a row of a table each. Words of a heading alone are better than none.
fn unfenced(fenced: &str) -> Vec<String> {
    let inside = fenced.lines().filter(|line| !line.starts_with("=== "));
    let lines: Vec<&str> = inside.filter_map(|line| Some(line.split_once('|')?.1.trim())).collect();
    let body = blocks(lines.iter().copied().filter(|line| !line.starts_with('#')));
    if body.is_empty() { blocks(lines.iter().map(|line| line.trim_start_matches('#').trim())) } else { body }
}

fn blocks<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.is_empty() {
            goes_on = false;
            continue;
        }
        let number = words.split_once(". ").is_some_and(|(n, _)| n.bytes().all(|b| b.is_ascii_digit()));
        let row = words.contains(" | ");
        let begins = number || row || ["- ", "* "].iter().any(|mark| words.starts_with(mark));
        match blocks.last_mut().filter(|_| goes_on && !begins) {
            Some(block) => {
                block.push(' ');
                block.push_str(&words);
            }
            None => blocks.push(words),
        }
        goes_on = true;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_taken_off_for_reading() {
        let fenced = "=== 7Q4XK2M9VD3R BEGIN ===\n7Q| ## Deadlines\n7Q|\n7Q| Reports are due\n7Q| on the 5th|of each month.\n7Q| - by  post\n7Q| - or not\n7Q|\n7Q| a | 1\n7Q| b | 2\n7Q|\n7Q| End.\n=== 7Q4XK2M9VD3R END ===";
        let read =
            ["Reports are due on the 5th|of each month.", "- by post", "- or not", "a | 1", "b | 2", "End."];
        assert_eq!(unfenced(fenced), read);
        assert_eq!(unfenced("=== A BEGIN ===\nA| # Only this\n=== A END ==="), ["Only this"]);
    }
}
