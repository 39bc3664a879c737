//! A stage beside a real Qdrant cluster, where `KENWARD_QDRANT_URL` names one: world A has its vectors there, too, and world B
//! never, so an answer that the cluster made otherwise would differ.

use super::Stage;
use kenward_indexes::KeyPlace;
use kenward_indexes::vector::Engine;
use kenward_indexes::vector::qdrant::{Cluster, Condition, Consistency, Options};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// How many questions the cluster had answered when stages were closed; `None` where there is none.
pub fn answered_elsewhere() -> Option<u64> {
    std::env::var_os("KENWARD_QDRANT_URL").map(|_| ANSWERED.load(Ordering::Relaxed))
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.count_elsewhere();
    }
}

impl Stage {
    /// Before it is closed.
    pub(super) fn count_elsewhere(&self) {
        if let Some(standing) = self.open.as_ref().and_then(|vault| vault.vectors_elsewhere()) {
            ANSWERED.fetch_add(standing.answered, Ordering::Relaxed);
        }
    }

    /// In world A beside a real cluster, where one is named; in world B never.
    pub(super) fn vectors(&self) -> Engine {
        let Some(url) = std::env::var("KENWARD_QDRANT_URL").ok().filter(|_| self.only.is_none()) else {
            return Engine::Flat;
        };
        let name = self.data.parent().and_then(Path::file_name).unwrap().to_string_lossy().replace('.', "");
        let urls = url.split(',').map(str::to_owned).collect();
        let mut options = Options::new(urls, format!("kenward-leak-{name}"), self.data.join("vectors.state"));
        if std::env::var("KENWARD_QDRANT_READ").is_ok_and(|read| read == "one") {
            options.consistency = Consistency::One;
        }
        options.ca = std::env::var_os("KENWARD_QDRANT_CA").map(Into::into);
        let replicas = std::env::var("KENWARD_QDRANT_REPLICAS");
        options.replicas = replicas.map_or(1, |replicas| replicas.parse().unwrap());
        // It is asked for everything, however little that is.
        options.least = 1;
        options.key = std::env::var("KENWARD_QDRANT_KEY")
            .map(|_| KeyPlace::Variable("KENWARD_QDRANT_KEY".to_owned()))
            .ok();
        Engine::Qdrant(Arc::new(Cluster::new(options).unwrap()))
    }

    /// Gives the cluster, if there is one, a moment to be told what there is. Without it questions are about what it
    /// has not got yet as much as about what it has.
    pub(super) fn settle(&self) {
        if self.vault().vectors_elsewhere().is_none() {
            return;
        }
        // Classes are told every fifth of a second.
        std::thread::sleep(Duration::from_millis(450));
        let begun = Instant::now();
        while self.vault().vectors_elsewhere().is_some_and(|standing| {
            !standing.told || standing.waiting > 0 || standing.condition != Condition::Well
        }) && begun.elapsed() < Duration::from_secs(3)
        {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
