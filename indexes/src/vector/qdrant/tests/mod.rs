//! The engine against a scripted peer, and against a real cluster where `KENWARD_QDRANT_URL` names one (several addresses with
//! commas; its key, if it wants one, in `KENWARD_QDRANT_KEY`; its authority in the file that `KENWARD_QDRANT_CA` names; replicas
//! of a new collection in `KENWARD_QDRANT_REPLICAS`, which of them are read in `KENWARD_QDRANT_READ`): every answer is held against the embedded engine's, to the bit.

mod claims;
mod moods;
mod peer;
mod play;
mod store;
mod tls;

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

/// What changes options so that they mean the real cluster, if one is named; says so if not.
fn real() -> Option<impl Fn(Options) -> Options + 'static> {
    let Ok(urls) = std::env::var("KENWARD_QDRANT_URL") else {
        eprintln!("KENWARD_QDRANT_URL is not set: nothing is tried on a real cluster");
        return None;
    };
    let set = |name: &str| std::env::var(name).ok();
    let key = set("KENWARD_QDRANT_KEY").map(|_| KeyPlace::Variable("KENWARD_QDRANT_KEY".to_owned()));
    let ca = set("KENWARD_QDRANT_CA").map(Into::into);
    let replicas = set("KENWARD_QDRANT_REPLICAS").map_or(1, |replicas| replicas.parse().unwrap());
    let consistency = match set("KENWARD_QDRANT_READ").as_deref() {
        None | Some("majority") => Consistency::Majority,
        Some("quorum") => Consistency::Quorum,
        Some("one") => Consistency::One,
        Some(other) => panic!("KENWARD_QDRANT_READ={other}"),
    };
    let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
    Some(move |options| Options {
        urls: urls.clone(),
        key: key.clone(),
        ca: ca.clone(),
        replicas,
        consistency,
        timeout: Duration::from_secs(5),
        ..options
    })
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
fn conform(url: &str, change: impl Fn(Options) -> Options + 'static) -> (u64, u64) {
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
    let url = url.to_owned();
    conformance::run(&move |dir, dimension| {
        let name = format!("kenward-conform-{}", dir.file_name().unwrap().to_string_lossy().replace('.', ""));
        let settled = Settled(open(dir, dimension, change(options(&url, &name, dir)))?, Vec::new());
        Ok(Box::new(Counted(settled, Arc::clone(&told))))
    });
    (counts.0.load(Ordering::Relaxed), counts.1.load(Ordering::Relaxed))
}

#[test]
fn conforms_beside_a_peer_that_keeps_its_word() {
    let peer = Peer::start();
    let (answered, fell_back) =
        conform(&peer.url, |options| Options { timeout: Duration::from_secs(5), ..options });
    assert!(answered > 250, "the cluster was asked: {answered}");
    assert_eq!(fell_back, 0);
}

#[test]
fn conforms_beside_a_real_cluster() {
    let Some(change) = real() else { return };
    let (answered, fell_back) = conform("", change);
    eprintln!("a real cluster answered {answered} questions, {fell_back} were answered here instead");
    assert!(answered > 250 && fell_back == 0);
}

/// How long a real cluster is used while somebody takes its nodes away and gives them back; seconds.
fn soak() -> Duration {
    let set = std::env::var("KENWARD_QDRANT_SECONDS").ok();
    Duration::from_secs(set.map_or(5, |seconds| seconds.parse().unwrap()))
}

#[test]
fn a_real_cluster_is_right_or_not_needed_whatever_its_nodes_do() {
    let Some(change) = real() else { return };
    let mut both = play::Both::new(|folder| {
        change(Options { counted_every: Duration::from_secs(5), ..options("", &fresh("soak"), folder) })
    });
    let (begun, mut next, mut asked, mut down) = (Instant::now(), 2_000, 0_u64, Duration::ZERO);
    let (mut seen, mut before) = (begun, Condition::Starting);
    both.append(0..next);
    both.commit();
    while begun.elapsed() < soak() {
        let class = (both.numbers.next() % u64::from(play::CLASSES)) as u32;
        match both.numbers.next() % 6 {
            0 => {
                both.append(next..next + 50);
                next += 50;
                both.commit();
            }
            1 => {
                let from = (both.numbers.next() % u64::from(next)) as u32;
                both.delete(&(from..from + 20).collect::<Vec<_>>());
                both.commit();
            }
            // Another vector for a passage that is there.
            2 => {
                let from = (both.numbers.next() % u64::from(next - 20)) as u32;
                both.append(from..from + 20);
                both.commit();
            }
            told => {
                let from = (both.numbers.next() % u64::from(next - 200)) as u32;
                both.reclass(from..from + 200, class, told != 3);
            }
        }
        // It stops where one differs.
        both.compare(10);
        asked += 20;
        let condition = both.mirrored.standing().condition;
        if condition != Condition::Well {
            down += seen.elapsed();
        }
        if condition != before {
            eprintln!("{:.1} s: {condition:?}", begun.elapsed().as_secs_f64());
            before = condition;
        }
        seen = Instant::now();
    }
    both.tag();
    let standing = both.mirrored.settle();
    both.compare(50);
    eprintln!(
        "{asked} questions while it was changed, none answered otherwise; {} answered there, {} asked there and answered here, {:.0} of \
         {:.0} s it was not to be asked; {next} passages were given, {} of {} are there",
        standing.answered,
        standing.fell_back,
        down.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        standing.there,
        standing.of
    );
}
