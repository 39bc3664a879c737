//! Metrics of the process that owns the data, in Prometheus' text form: how many requests ended how, how long they took, what
//! runs did, how much there is. They count hidden things, so they are for operators; no id, title, query, path or name of a
//! person or source is in any of them, only names of operations and codes of outcomes, of which there are few.

use crate::owner::ops::{Op, Reply, Status};
use kenward_vault::runs::RunState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// Upper bounds of the buckets, in seconds.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Store {
    store: String,
}

/// What is counted while the process lives.
pub struct Metrics {
    requests: Family<Request, Histogram, fn() -> Histogram>,
    documents: Family<What, Counter>,
    runs: Family<What, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        Self {
            requests: Family::new_with_constructor(histogram),
            documents: Family::default(),
            runs: Family::default(),
        }
    }
}

impl Metrics {
    /// Counts one operation that was done or refused.
    pub fn request(&self, operation: &'static str, reply: Option<&Reply>, took: Duration) {
        let outcome = Self::outcome(reply);
        self.requests.get_or_create(&Request { operation, outcome }).observe(took.as_secs_f64());
        let Some(Reply::Ingested(report)) = reply else { return };
        let s = &report.summary;
        for (what, count) in [
            ("added", s.added),
            ("changed", s.changed),
            ("unchanged", s.unchanged),
            ("removed", s.removed),
            ("failed", s.failed),
        ] {
            self.documents.get_or_create(&What { what }).inc_by(count);
        }
        self.runs.get_or_create(&What { what: report.state.word() }).inc();
    }

    /// How an operation ended, as one of few words.
    #[must_use]
    pub fn outcome(reply: Option<&Reply>) -> &'static str {
        match reply {
            Some(Reply::Refused(error)) => error.code.name(),
            Some(reply) => reply.outcome(),
            None => "going",
        }
    }

    /// Whether an operation is worth counting: what only asks whether somebody is there is not.
    #[must_use]
    pub fn counts(op: &Op) -> bool {
        !matches!(op, Op::Ping)
    }

    /// All of it, with the counts of now.
    ///
    /// # Errors
    /// If it cannot be written, which a text in memory can.
    pub fn text(&self, status: &Status) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("kenward");
        let help = "Operations by how they ended, and how long they took";
        registry.register_with_unit("request_duration", help, Unit::Seconds, self.requests.clone());
        registry.register(
            "ingested_documents",
            "Documents by what runs did with them",
            self.documents.clone(),
        );
        registry.register("runs", "Runs by how they ended", self.runs.clone());
        let mut gauge = |name: &str, help: &str, value: u64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        };
        let seconds = |at: kenward_access::ids::Timestamp| u64::try_from(at.0 / 1000).unwrap_or_default();
        let s = &status.stats;
        let open = status.sources.iter().filter_map(|source| source.last_run.as_ref());
        let (mut running, mut stopped) = (0, 0);
        for run in open {
            match run.state {
                RunState::Running => running += 1,
                RunState::Paused | RunState::Interrupted | RunState::Refused => stopped += 1,
                RunState::Done | RunState::Cancelled => {}
            }
        }
        gauge("sources", "Sources", s.sources);
        gauge("documents", "Published documents", s.documents);
        gauge("passages", "Published passages", s.chunks);
        gauge("vectors", "Vectors", s.vectors);
        if let Some(cluster) = &status.vectors {
            gauge("cluster_vectors", "Vectors that the cluster has", cluster.there);
            gauge(
                "cluster_waiting",
                "Vectors that are still to be brought there, or to get another class",
                cluster.waiting,
            );
            let well = cluster.condition == kenward_indexes::vector::qdrant::Condition::Well;
            gauge("cluster_usable", "1 where the cluster can be asked", u64::from(well));
            gauge("cluster_answered", "Questions that the cluster answered", cluster.answered);
            gauge(
                "cluster_fell_back",
                "Questions that it was asked, and that were answered here",
                cluster.fell_back,
            );
        }
        gauge("failed_documents", "Documents whose last reading failed", s.failures);
        gauge("hidden_documents", "Documents that are hidden from everybody", s.hidden);
        gauge(
            "unresolved_rights",
            "Folders and files that rights which cannot be resolved hide",
            s.rights_unresolved,
        );
        gauge("outbox_rows", "Changes that the indexes have still to be told", s.outbox_waiting);
        gauge("audit_records", "Records of the audit log", s.audit_records);
        gauge(
            "rights_ledger_wrong",
            "1 where the rights ledger is not what is written to, or began anew since the last backup",
            u64::from(status.ledger_wrong.is_some()),
        );
        gauge("runs_under_way", "Sources that a run is on", running);
        gauge("runs_stopped", "Sources whose last run came to no end", stopped);
        let unreachable = status.sources.iter().filter(|source| !source.reachable).count() as u64;
        gauge("sources_unreachable", "Sources whose folder is not there", unreachable);
        let listed = status.sources.iter().map(|source| source.source.fresh.map_or(0, seconds));
        gauge(
            "oldest_listing_timestamp_seconds",
            "When the source that was read longest ago was last read in whole; 0 = never",
            listed.min().unwrap_or_default(),
        );
        gauge("uptime_seconds", "Seconds since the data was opened", status.uptime_seconds);
        gauge("disk_free_bytes", "Free on the disk of the data", status.free);
        gauge(
            "clock_behind_seconds",
            "By how much the clock is behind what is recorded",
            status.clock_behind / 1000,
        );
        let backup = status.last_backup.as_ref().map_or(0, |last| seconds(last.made));
        gauge("last_backup_timestamp_seconds", "When the last backup was made; 0 = never", backup);
        let verify = status.last_verify.map_or(0, |last| seconds(last.at));
        gauge("last_verify_timestamp_seconds", "When everything was last looked at; 0 = never", verify);
        let problems = status.last_verify.map_or(0, |last| last.problems);
        gauge("last_verify_problems", "What was wrong then", problems);
        let disk = Family::<Store, Gauge>::default();
        for (store, bytes) in &status.disk {
            let gauge = disk.get_or_create(&Store { store: store.clone() });
            gauge.set(i64::try_from(*bytes).unwrap_or(i64::MAX));
        }
        registry.register_with_unit("disk", "Bytes by store", Unit::Bytes, disk);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}
