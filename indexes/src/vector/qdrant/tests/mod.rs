//! The engine against a scripted peer, and against a real cluster where `KENWARD_QDRANT_URL` names one (its key, if it
//! wants one, in `KENWARD_QDRANT_KEY`): every answer is held against the embedded engine's, to the bit.

mod claims;
mod moods;
mod peer;
mod play;
mod store;

use super::{Cluster, Condition, Consistency, Options, Standing};
use crate::KeyPlace;
use crate::testing::{ByHash, bits, folder, seeing_classes};
use crate::vector::conformance::{self, Numbers};
use crate::vector::flat::Sizes;
use crate::vector::{Compared, VectorError, VectorIndex, VectorSnapshot, open_flat};
use kenward_access::ids::{ChunkNo, ClassId};
use peer::{Mood, Peer};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take to settle.
const PATIENCE: Duration = Duration::from_secs(20);

/// Options that ask for everything, however little it is.
fn options(url: &str, collection: &str, folder: &Path) -> Options {
    let mut options = Options::new(vec![url.to_owned()], collection.to_owned(), folder.join("qdrant.state"));
    options.least = 1;
    options.timeout = Duration::from_millis(600);
    options.longest_wait = Duration::from_millis(300);
    options
}

/// A real cluster, if one is named; says so if not.
fn real() -> Option<(String, Option<KeyPlace>)> {
    let Ok(url) = std::env::var("KENWARD_QDRANT_URL") else {
        eprintln!("KENWARD_QDRANT_URL is not set: nothing is tried on a real cluster");
        return None;
    };
    let key =
        std::env::var("KENWARD_QDRANT_KEY").map(|_| KeyPlace::Variable("KENWARD_QDRANT_KEY".to_owned())).ok();
    Some((url, key))
}

/// A name that no other test has.
fn fresh(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("kenward-test-{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The engine, in a folder of its own or in one that was left, and what tends its cluster.
struct Mirrored {
    /// Closed first.
    index: Box<dyn VectorIndex>,
    cluster: Arc<Cluster>,
}

fn open(dir: &Path, dimension: usize, options: Options) -> Result<Mirrored, VectorError> {
    let cluster = Arc::new(Cluster::new(options)?);
    let sizes = Sizes { segment: 64, waste: 16 };
    let index = cluster.open(&dir.join("vectors"), dimension, None, sizes)?;
    Ok(Mirrored { index, cluster })
}

impl Mirrored {
    fn standing(&self) -> Standing {
        self.cluster.standing()
    }

    /// Waits until it is as `good` wants it.
    fn until(&self, good: impl Fn(&Standing) -> bool) -> Standing {
        let begun = Instant::now();
        loop {
            let standing = self.standing();
            if good(&standing) {
                return standing;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not settle: {standing:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until everything is there.
    fn settle(&self) -> Standing {
        self.until(|standing| standing.condition == Condition::Well && standing.waiting == 0)
    }
}

/// An index that tells classes by itself, and waits for the cluster: what the suite of all engines runs over.
struct Settled(Mirrored, Vec<ChunkNo>);

impl VectorIndex for Settled {
    fn append(&mut self, vectors: &[(ChunkNo, Vec<f32>)]) -> Result<(), VectorError> {
        self.1.extend(vectors.iter().map(|(chunk, _)| *chunk));
        self.0.index.append(vectors)
    }
    fn delete(&mut self, chunks: &[ChunkNo]) -> Result<(), VectorError> {
        self.0.index.delete(chunks)
    }
    fn commit(&mut self, position: u64) -> Result<(), VectorError> {
        self.0.index.commit(position)?;
        // The class that the suite's callers see.
        let all: Vec<ChunkNo> = self.0.index.snapshot().chunks().collect();
        self.0.cluster.tag(&mut all.into_iter().map(|chunk| (chunk, ClassId(0))));
        self.0.settle();
        Ok(())
    }
    fn position(&self) -> u64 {
        self.0.index.position()
    }
    fn snapshot(&self) -> Arc<dyn VectorSnapshot> {
        self.0.index.snapshot()
    }
}

/// Runs the suite, and tells how many questions the cluster answered and did not.
fn conform(url: &str, key: Option<&KeyPlace>) -> (u64, u64) {
    let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let told = Arc::clone(&counts);
    struct Counted(Settled, Arc<(AtomicU64, AtomicU64)>);
    impl Drop for Counted {
        fn drop(&mut self) {
            let standing = self.0.0.standing();
            self.1.0.fetch_add(standing.answered, Ordering::Relaxed);
            self.1.1.fetch_add(standing.fell_back, Ordering::Relaxed);
        }
    }
    impl VectorIndex for Counted {
        fn append(&mut self, vectors: &[(ChunkNo, Vec<f32>)]) -> Result<(), VectorError> {
            self.0.append(vectors)
        }
        fn delete(&mut self, chunks: &[ChunkNo]) -> Result<(), VectorError> {
            self.0.delete(chunks)
        }
        fn commit(&mut self, position: u64) -> Result<(), VectorError> {
            self.0.commit(position)
        }
        fn position(&self) -> u64 {
            self.0.position()
        }
        fn snapshot(&self) -> Arc<dyn VectorSnapshot> {
            self.0.snapshot()
        }
    }
    let (url, key) = (url.to_owned(), key.cloned());
    conformance::run(&move |dir, dimension| {
        let name = format!("kenward-conform-{}", dir.file_name().unwrap().to_string_lossy().replace('.', ""));
        let options =
            Options { key: key.clone(), timeout: Duration::from_secs(5), ..options(&url, &name, dir) };
        let settled = Settled(open(dir, dimension, options)?, Vec::new());
        Ok(Box::new(Counted(settled, Arc::clone(&told))))
    });
    (counts.0.load(Ordering::Relaxed), counts.1.load(Ordering::Relaxed))
}

#[test]
fn conforms_beside_a_peer_that_keeps_its_word() {
    let peer = Peer::start();
    let (answered, fell_back) = conform(&peer.url, None);
    assert!(answered > 250, "the cluster was asked: {answered}");
    assert_eq!(fell_back, 0);
}

#[test]
fn conforms_beside_a_real_cluster() {
    let Some((url, key)) = real() else { return };
    let (answered, fell_back) = conform(&url, key.as_ref());
    eprintln!("a real cluster answered {answered} questions, {fell_back} were answered here instead");
    assert!(answered > 250 && fell_back == 0);
}
