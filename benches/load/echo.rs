//! The peer: a bare server of the protocol's library, as ours uses it (stateless, JSON answers), with one tool that gives
//! back a text made beforehand. It has no tokens, no documents, no record: what it takes is what the protocol takes.

use axum::Router;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use std::io::Write as _;
use std::sync::Arc;

/// What makes this program the peer: `ARGUMENT FILE…`, each file one text.
pub const ARGUMENT: &str = "--echo";

#[derive(Clone)]
struct Echo {
    texts: Arc<Vec<String>>,
}

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let which = arguments.get("text").and_then(serde_json::Value::as_u64).unwrap_or_default();
        let text = self.texts[which as usize].clone();
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

/// Serves until it is killed; says its URL first.
pub fn serve(files: impl Iterator<Item = String>) {
    let texts = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let echo = Echo { texts: Arc::new(texts) };
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_sse_retry(None);
        let sessions = Arc::new(NeverSessionManager::default());
        let service = StreamableHttpService::new(move || Ok(echo.clone()), sessions, config);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("http://{}/mcp", listener.local_addr().unwrap());
        std::io::stdout().flush().unwrap();
        axum::serve(listener, Router::new().route_service("/mcp", service)).await.unwrap();
    });
}
