//! `kenward demo`: the whole path once, for real, in a folder that goes away. A fictional company's
//! files are ingested with their rights, a server is started, two people's agents ask the same
//! questions through an MCP client over HTTP, and both answers are shown with the deciding path.
//!
//! Nothing here is a shortcut: what is shown came over the wire under each person's own token. It
//! must never leave anything behind but the model in its cache, and never touch other data.

pub mod agent;
pub mod columns;
pub mod compare;
pub mod page;
pub mod people;
pub mod show;

#[path = "../../examples/harbor/mod.rs"]
pub mod harbor;

use crate::config::{Config, ConfigError};
use crate::http::{self, Bounds, HttpError, HttpOptions};
use crate::owner::Backend;
use axum::Router;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Who operates the demo: somebody of the company.
const OPERATOR: &str = "dana@harbor.example";

/// A configuration for the demo's folder.
///
/// # Errors
/// A defect of the text in here.
pub fn config(folder: &Path, uid: u32, with_model: bool) -> Result<Config, ConfigError> {
    let labels = harbor::LABELS.map(|label| toml::Value::String(label.to_owned()));
    let text = format!(
        "data_dir = \"data\"\nlabels = {}\n[operators]\n{uid} = \"{OPERATOR}\"\n[embedding]\nengine = \"{}\"\n",
        toml::Value::Array(labels.to_vec()),
        if with_model { "auto" } else { "none" },
    );
    Config::from_text(&folder.join("kenward.toml"), &text)
}

/// Writes the company's documents and rights files under `folder`.
///
/// # Errors
/// A file cannot be written.
pub fn write_files(folder: &Path) -> std::io::Result<()> {
    for (path, bytes) in harbor::FILES {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(file, bytes)?;
    }
    Ok(())
}

/// A server of the demo's own, on a free port of loopback.
pub struct Serving {
    /// Where it answers: the MCP endpoint, or the page.
    pub url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Starts one that answers over MCP.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn start(backend: Backend) -> Result<Self, HttpError> {
        let listener =
            http::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &crate::config::Reach::Loopback).await?;
        let address = listener.local_addr().map_err(HttpError::Serve)?;
        let options = HttpOptions::loopback(address.port());
        let router = http::router(backend, &options);
        let url = format!("http://{address}{}", http::MCP_PATH);
        Ok(Self::on(listener, router, url, options.bounds))
    }

    /// Serves what `router` answers.
    fn on(listener: TcpListener, router: Router, url: String, bounds: Bounds) -> Self {
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            // An error is the sender gone, which is a stop as well.
            let _ = stopped.await;
        };
        Self { url, stop, task: tokio::spawn(http::serve(listener, router, bounds, None, stopped)) }
    }

    /// Stops it, and waits until it has.
    ///
    /// # Errors
    /// [`HttpError::Serve`].
    pub async fn stop(self) -> Result<(), HttpError> {
        // The receiver is gone only if serving has ended already.
        let _ = self.stop.send(());
        self.task.await.map_err(|_| HttpError::Serve(std::io::Error::other("the server panicked")))
    }
}
