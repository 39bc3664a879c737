//! Traces by OTLP, as JSON over HTTP, if an endpoint is configured: one span per request and per stage of an ingestion, with
//! when it began and ended, what kind of operation it was, and how it ended. Of a span's fields only those in [`FIELDS`] are
//! taken: no id, title, query, path or name leaves (I11, I12). It must never hold anything up: what a collector
//! does not take in time is lost.

use serde_json::{Value, json};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Spans that are exported.
const SPANS: [&str; 3] = ["request", "ingest", "http"];
/// Fields that are: names of operations, of stages and of routes, and codes of outcomes. All are words of this program.
const FIELDS: [&str; 4] = ["op", "stage", "route", "outcome"];
/// Spans that may wait.
const WAITING: usize = 4_096;
/// Spans of one message, and the longest time until it is sent.
const BATCH: (usize, Duration) = (512, Duration::from_secs(5));
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(3);

static EXPORT: OnceLock<SyncSender<Message>> = OnceLock::new();

enum Message {
    Span(Box<Ended>),
    /// All before it was sent, or given up: say so.
    Flush(SyncSender<()>),
}

/// A span that ended.
struct Ended {
    trace: [u8; 16],
    span: [u8; 8],
    parent: Option<[u8; 8]>,
    name: &'static str,
    begun: SystemTime,
    took: Duration,
    fields: Vec<(&'static str, String)>,
}

/// A span that is open.
struct Open {
    trace: [u8; 16],
    span: [u8; 8],
    parent: Option<[u8; 8]>,
    begun: SystemTime,
    since: Instant,
    fields: Vec<(&'static str, String)>,
}

/// What listens to spans.
pub struct Traces(());

impl Traces {
    /// Begins to send to an endpoint (`http://…/v1/traces`). The first one counts.
    #[must_use]
    pub fn to(endpoint: &str) -> Self {
        let endpoint = endpoint.to_owned();
        EXPORT.get_or_init(|| {
            let (sender, receiver) = sync_channel(WAITING);
            // Without the thread nothing is exported; nothing else depends on it.
            let _ = std::thread::Builder::new()
                .name("traces".to_owned())
                .spawn(move || export(&endpoint, &receiver));
            sender
        });
        Self(())
    }

    /// Whether a span is of those that are exported.
    #[must_use]
    pub fn takes(metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target() == "kenward" || metadata.target().starts_with("kenward::");
        metadata.is_span()
            && ours
            && SPANS.contains(&metadata.name())
            && *metadata.level() <= tracing::Level::INFO
    }
}

/// Waits a moment for spans that are not sent yet: at the end of the program.
pub fn finish() {
    if let Some(export) = EXPORT.get() {
        let (done, sent) = sync_channel(1);
        if export.try_send(Message::Flush(done)).is_ok() {
            // The collector is slow or gone: they are lost.
            let _ = sent.recv_timeout(Duration::from_secs(1));
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Traces {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let above = span
            .scope()
            .skip(1)
            .find_map(|above| above.extensions().get::<Open>().map(|open| (open.trace, open.span)));
        let mut open = Open {
            trace: above.map_or_else(random, |(trace, _)| trace),
            span: random(),
            parent: above.map(|(_, span)| span),
            begun: SystemTime::now(),
            since: Instant::now(),
            fields: Vec::new(),
        };
        attributes.record(&mut Taken(&mut open.fields));
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut Taken(&mut open.fields));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        let ended = Ended {
            trace: open.trace,
            span: open.span,
            parent: open.parent,
            name: span.name(),
            begun: open.begun,
            took: open.since.elapsed(),
            fields: open.fields,
        };
        if let Some(export) = EXPORT.get() {
            // Too many wait: this one is lost, the work goes on.
            let _ = export.try_send(Message::Span(Box::new(ended)));
        }
    }
}

/// Takes the fields that may leave.
struct Taken<'a>(&'a mut Vec<(&'static str, String)>);

impl Visit for Taken<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // INVARIANT (I11): only these, whatever a span is given.
        if FIELDS.contains(&field.name()) {
            self.0.push((field.name(), value.to_owned()));
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness the spans fall together; nothing else depends on it.
    let _ = getrandom::fill(&mut bytes);
    bytes
}

fn export(endpoint: &str, inbox: &Receiver<Message>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build() else { return };
    let mut complained = false;
    loop {
        let (batch, flush, ended) = gather(inbox);
        if !batch.is_empty() {
            let body = message(&batch).to_string();
            let request = client.post(endpoint).header("content-type", "application/json").body(body);
            let taken = runtime
                .block_on(async { request.send().await })
                .is_ok_and(|response| response.status().is_success());
            if !taken && !complained {
                tracing::warn!("the collector of traces does not take them; they are lost");
            }
            complained = !taken;
        }
        if let Some(done) = flush {
            let _ = done.try_send(());
        }
        if ended {
            return;
        }
    }
}

/// Waits for spans: so many, or for so long. Also who waits for them to be sent, and whether no more come.
fn gather(inbox: &Receiver<Message>) -> (Vec<Ended>, Option<SyncSender<()>>, bool) {
    let (most, longest) = BATCH;
    let until = Instant::now() + longest;
    let mut batch = Vec::new();
    while batch.len() < most {
        match inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Message::Span(span)) => batch.push(*span),
            Ok(Message::Flush(done)) => return (batch, Some(done), false),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return (batch, None, true),
        }
    }
    (batch, None, false)
}

/// As OTLP has it in JSON.
fn message(spans: &[Ended]) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let spans: Vec<Value> = spans
        .iter()
        .map(|span| {
            let begun = span.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
            let mut one = json!({
                "traceId": data_encoding::HEXLOWER.encode(&span.trace),
                "spanId": data_encoding::HEXLOWER.encode(&span.span),
                "name": span.name,
                "kind": 1,
                "startTimeUnixNano": begun.as_nanos().to_string(),
                "endTimeUnixNano": (begun + span.took).as_nanos().to_string(),
                "attributes": span.fields.iter().map(|(key, value)| text(key, value)).collect::<Vec<_>>(),
            });
            if let (Some(parent), Value::Object(fields)) = (&span.parent, &mut one) {
                fields.insert("parentSpanId".to_owned(), data_encoding::HEXLOWER.encode(parent).into());
            }
            one
        })
        .collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            text("service.name", "kenward"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ] },
        "scopeSpans": [{ "scope": { "name": "kenward" }, "spans": spans }],
    }] })
}
