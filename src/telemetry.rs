//! Logs: one span per request and per stage of an ingestion, to standard error. They carry request
//! ids, counts and durations; never titles, queries, content or tokens. Logs are not audit.

use crate::config::{Level, LogConfig};
use crate::traces::Traces;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that may wait to be written.
const WAITING: usize = 4096;
/// How long the end of the program waits for them.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to the thread that writes the log. Whoever started this process may never read what it
/// says: logging must not wait for them, so lines are dropped when too many wait.
static LOG: OnceLock<SyncSender<Message>> = OnceLock::new();

enum Message {
    Line(Vec<u8>),
    /// All before it was written: say so.
    Flush(SyncSender<()>),
}

fn log() -> &'static SyncSender<Message> {
    LOG.get_or_init(|| {
        let (sender, receiver) = sync_channel(WAITING);
        // Without the thread nothing is logged; nothing else depends on it.
        let _ = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            for message in receiver {
                match message {
                    Message::Line(line) => drop(std::io::stderr().lock().write_all(&line)),
                    Message::Flush(done) => drop(done.try_send(())),
                }
            }
        });
        sender
    })
}

/// One event on its way to the log.
struct Lines(Vec<u8>);

impl Lines {
    fn start() -> Self {
        Self(Vec::new())
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Full or gone: the line is lost, the work goes on.
        let _ = log().try_send(Message::Line(std::mem::take(&mut self.0)));
    }
}

/// Waits a moment for lines that are not written yet: at the end of the program.
pub fn finish() {
    crate::traces::finish();
    if let Some(log) = LOG.get() {
        let (done, written) = sync_channel(1);
        if log.try_send(Message::Flush(done)).is_ok() {
            // Nobody reads them: they are lost.
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

/// Starts logging. `default` counts where neither the configuration nor `RUST_LOG` says a level.
///
/// With an endpoint for traces, spans of requests and stages go there, too.
pub fn start(config: LogConfig, default: Level, traces: Option<&str>) {
    let level = filter_of(config.level.unwrap_or(default));
    let wanted = match (std::env::var("RUST_LOG"), config.level) {
        (Ok(text), None) if !text.is_empty() => EnvFilter::builder().parse_lossy(text),
        // Other people's crates say little that an operator can use below a warning, and the protocol's library calls
        // it an error when a client goes away: any client could fill the log with that.
        _ => EnvFilter::builder().parse_lossy(format!("warn,rmcp=off,kenward={level},{}", rooms(level))),
    };
    // INVARIANT (I11): whatever `RUST_LOG` says, no other crate logs below `info`: some log whole
    // requests and responses there.
    let filter = wanted.and(filter_fn(capped));
    let layer = fmt::layer().with_writer(Lines::start).with_target(true);
    let layer = if config.json {
        layer.json().flatten_event(true).with_current_span(true).with_span_list(true).boxed()
    } else {
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr())
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        layer.with_ansi(colours).boxed()
    };
    // Fails only if a subscriber is there already, as in a test that starts several verbs.
    let traces = traces.map(|endpoint| Traces::to(endpoint).with_filter(filter_fn(Traces::takes)));
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).with(traces).try_init();
}

/// Makes a panic say where it happened and not what it says: some messages of the standard library
/// quote the text that was worked on.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let _ = writeln!(std::io::stderr().lock(), "error: something failed inside, at {place}");
    }));
}

fn rooms(level: LevelFilter) -> String {
    ["access", "indexes", "vault", "ingest"].map(|room| format!("kenward_{room}={level}")).join(",")
}

/// Whether something may be logged at all, whatever level is asked for. Tests that listen at the
/// lowest level listen behind this, as every process of the product does.
#[must_use]
pub fn capped(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().split("::").next().is_some_and(|root| {
        root == "kenward" || root.strip_prefix("kenward_").is_some_and(|rest| !rest.is_empty())
    });
    // The protocol's library repeats what clients send even in its warnings.
    let most =
        if metadata.target().starts_with("rmcp") { tracing::Level::ERROR } else { tracing::Level::INFO };
    ours || *metadata.level() <= most
}

fn filter_of(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

/// A new request id: `r_` and 16 characters. Random, so that it says nothing about other requests.
#[must_use]
pub fn request_id() -> String {
    let mut bytes = [0_u8; 10];
    match getrandom::fill(&mut bytes) {
        Ok(()) => format!("r_{}", data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase()),
        Err(_) => "r_unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_distinct_and_of_one_length() {
        let (a, b) = (request_id(), request_id());
        assert!(a != b && a.len() == 18 && b.len() == 18, "{a} {b}");
    }

    #[test]
    fn every_level_is_understood() {
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            let filter = filter_of(level);
            EnvFilter::try_new(format!("warn,kenward={filter},{}", rooms(filter))).unwrap();
        }
    }
}
