//! Everything that is logged while worlds are played, at the lowest level, from every crate, behind
//! the cap that the product puts on other people's crates whatever is asked for.

use crate::words::CANARY;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Keeps the lines that hold a canary, and counts the others.
#[derive(Clone, Default)]
pub struct Logs(Arc<Mutex<Caught>>);

#[derive(Default)]
struct Caught {
    bytes: u64,
    lines: Vec<String>,
}

/// Starts capturing, once per process.
pub fn capture() -> Logs {
    static LOGS: OnceLock<Logs> = OnceLock::new();
    LOGS.get_or_init(|| {
        let logs = Logs::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(logs.clone())
            .with_filter(filter_fn(kenward::telemetry::capped));
        tracing_subscriber::registry().with(layer).init();
        logs
    })
    .clone()
}

impl Logs {
    /// No canary was logged, neither of a document nor of a query.
    pub fn assert_silent(&self) {
        let caught = self.0.lock().unwrap();
        assert!(caught.lines.is_empty(), "logged: {}", caught.lines[0]);
        println!("{} bytes logged, no canary", caught.bytes);
    }
}

impl Write for Logs {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut caught = self.0.lock().unwrap();
        caught.bytes += line.len() as u64;
        if line.windows(CANARY.len()).any(|w| w == CANARY.as_bytes()) {
            caught.lines.push(String::from_utf8_lossy(line).into_owned());
        }
        Ok(line.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
