//! `kenward demo`: the whole path once, for real, in a folder that goes away. A fictional company's
//! files are ingested with their rights, a server is started, two people's agents ask the same
//! questions through an MCP client over HTTP, and both answers are shown with the deciding path.
//!
//! Nothing here is a shortcut: what is shown came over the wire under each person's own token. It
//! must never leave anything behind but the model in its cache, and never touch other data.

pub mod agent;
pub mod columns;
pub mod company;
pub mod model;
pub mod show;

use crate::config::Config;
use crate::http::{self, HttpError, HttpOptions};
use crate::owner::Backend;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The text of the temporary folder's configuration.
#[must_use]
pub fn config_text(company: &company::Company, uid: u32, with_model: bool) -> String {
    let labels: Vec<toml::Value> = company.labels.iter().map(|l| toml::Value::String((*l).to_owned())).collect();
    let engine = if with_model { "auto" } else { "none" };
    format!(
        "data_dir = \"data\"\nlabels = {}\n[operators]\n{uid} = {}\n[http]\naddr = \"127.0.0.1:0\"\n[embedding]\nengine = \"{engine}\"\n",
        toml::Value::Array(labels),
        toml::Value::String(company.operator.to_owned()),
    )
}

/// Writes the company's files under `folder`.
///
/// # Errors
/// A file cannot be written.
pub fn write_files(company: &company::Company, folder: &Path) -> std::io::Result<()> {
    for (path, bytes) in company.files {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(file, bytes)?;
    }
    Ok(())
}

/// The demo's own server, on a free port of loopback.
pub struct Serving {
    /// Its MCP endpoint.
    pub url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), HttpError>>,
}

impl Serving {
    /// Starts it.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn start(backend: Backend) -> Result<Self, HttpError> {
        let listener = http::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr().map_err(HttpError::Serve)?;
        let options = HttpOptions::loopback(address.port());
        let router = http::router(backend, &options);
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            // An error is the sender gone, which is a stop as well.
            let _ = stopped.await;
        };
        let task = tokio::spawn(http::serve(listener, router, options.drain, stopped));
        Ok(Self { url: format!("http://{address}{}", http::MCP_PATH), stop, task })
    }

    /// Stops it, and waits until it has.
    ///
    /// # Errors
    /// [`HttpError::Serve`].
    pub async fn stop(self) -> Result<(), HttpError> {
        // The receiver is gone only if serving has ended already.
        let _ = self.stop.send(());
        self.task.await.unwrap_or_else(|_| Err(HttpError::Serve(std::io::Error::other("the server panicked"))))
    }
}

/// A configuration for the demo's folder.
///
/// # Errors
/// A defect of [`config_text`].
pub fn config(
    company: &company::Company,
    folder: &Path,
    uid: u32,
    with_model: bool,
) -> Result<Config, crate::config::ConfigError> {
    Config::from_text(&folder.join("kenward.toml"), &config_text(company, uid, with_model))
}
