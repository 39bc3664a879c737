//! Two engines under one hand: the embedded one alone, and with a cluster beside it. Whatever is done to both, and
//! whatever the cluster does meanwhile, their answers are the same.

use super::*;
use proptest::prelude::*;

pub(super) const DIMENSION: usize = 12;
pub(super) const CLASSES: u32 = 6;

/// The two.
pub(super) struct Both {
    pub mirrored: Mirrored,
    flat: Box<dyn VectorIndex>,
    /// Class of each chunk.
    pub classes: BTreeMap<u32, u32>,
    pub numbers: Numbers,
    position: u64,
    folder: tempfile::TempDir,
    options: Options,
}

impl Both {
    pub(super) fn new(options: impl Fn(&Path) -> Options) -> Self {
        let folder = folder();
        let options = options(folder.path());
        let mirrored = open(folder.path(), DIMENSION, options.clone()).unwrap();
        let flat = open_flat(&folder.path().join("flat"), DIMENSION).unwrap();
        let (classes, numbers) = (BTreeMap::new(), Numbers(7));
        Self { mirrored, flat, classes, numbers, position: 0, folder, options }
    }

    pub(super) fn append(&mut self, chunks: impl Iterator<Item = u32>) {
        for chunk in chunks {
            let vector = self.numbers.vector(DIMENSION);
            self.mirrored.index.append(&[(ChunkNo(chunk), vector.clone())]).unwrap();
            self.flat.append(&[(ChunkNo(chunk), vector)]).unwrap();
            let class = (self.numbers.next() % u64::from(CLASSES)) as u32;
            self.classes.entry(chunk).or_insert(class);
        }
        self.tag();
    }

    /// All of these with one vector.
    pub(super) fn append_alike(&mut self, chunks: std::ops::Range<u32>) {
        let vector = self.numbers.vector(DIMENSION);
        let all: Vec<_> = chunks.clone().map(|chunk| (ChunkNo(chunk), vector.clone())).collect();
        self.mirrored.index.append(&all).unwrap();
        self.flat.append(&all).unwrap();
        self.classes.extend(chunks.map(|chunk| (chunk, chunk % CLASSES)));
        self.tag();
    }

    pub(super) fn delete(&mut self, chunks: &[u32]) {
        let chunks: Vec<ChunkNo> = chunks.iter().map(|chunk| ChunkNo(*chunk)).collect();
        self.mirrored.index.delete(&chunks).unwrap();
        self.flat.delete(&chunks).unwrap();
    }

    pub(super) fn commit(&mut self) {
        self.position += 1;
        self.mirrored.index.commit(self.position).unwrap();
        self.flat.commit(self.position).unwrap();
    }

    /// Tells the engine what the rights say.
    pub(super) fn tag(&mut self) {
        self.mirrored
            .cluster
            .tag(&mut self.classes.iter().map(|(chunk, class)| (ChunkNo(*chunk), ClassId(*class))));
    }

    /// Passages get other classes; the engine is told, or is not yet.
    pub(super) fn reclass(&mut self, chunks: impl Iterator<Item = u32>, class: u32, told: bool) {
        for chunk in chunks {
            self.classes.entry(chunk).and_modify(|known| *known = class);
        }
        if told {
            self.tag();
        }
    }

    /// Opens it again, as after a crash.
    pub(super) fn reopen(&mut self) {
        let nothing = open_flat(&self.folder.path().join("nothing"), 1).unwrap();
        self.mirrored.index = nothing;
        // As the vault does: whoever opens next is alone with the state.
        self.mirrored.cluster.stop();
        self.mirrored = open(self.folder.path(), DIMENSION, self.options.clone()).unwrap();
        self.tag();
    }

    pub(super) fn state(&self) -> std::path::PathBuf {
        self.options.state.clone()
    }

    pub(super) fn snapshots(&self) -> (Arc<dyn VectorSnapshot>, Arc<dyn VectorSnapshot>) {
        (self.mirrored.index.snapshot(), self.flat.snapshot())
    }

    /// Asks as so many callers, each with a filter and without, and compares.
    pub(super) fn compare(&mut self, callers: usize) {
        let snapshots = self.snapshots();
        self.compare_of(&snapshots, callers);
    }

    pub(super) fn compare_of(
        &mut self,
        (mirrored, flat): &(Arc<dyn VectorSnapshot>, Arc<dyn VectorSnapshot>),
        callers: usize,
    ) {
        for _ in 0..callers {
            let seen: Vec<u32> = (0..CLASSES).filter(|_| self.numbers.next().is_multiple_of(2)).collect();
            let query = self.numbers.vector(DIMENSION);
            let depth = [1, 5, 40][self.numbers.next() as usize % 3];
            let chunks = || self.classes.iter().map(|(chunk, class)| (*chunk, *class));
            for modulus in [1, 3] {
                let accept = |chunk: ChunkNo| chunk.0.is_multiple_of(modulus);
                let ask = |snapshot: &dyn VectorSnapshot| {
                    seeing_classes(&seen, CLASSES, chunks(), |visible| {
                        snapshot.search(&query, visible, &accept, depth, &ByHash).unwrap()
                    })
                };
                let (there, here) = (ask(mirrored.as_ref()), ask(flat.as_ref()));
                assert_eq!(bits(&there), bits(&here), "{seen:?}, the best {depth}");
                // Beside the comparison: nobody gets what they do not see.
                assert!(there.iter().all(|scored| seen.contains(&self.classes[&scored.chunk.0])));
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append(u32, u32),
    Delete(u32),
    Reclass(u32, u32, bool),
    Commit,
    Mood(Mood),
    Settle,
    Reopen,
    Ask,
    Keep,
}

fn step() -> impl Strategy<Value = Step> {
    let mood = prop_oneof![
        4 => Just(Mood::Honest),
        1 => Just(Mood::Down),
        2 => Just(Mood::LosesAnswers(3)),
        1 => Just(Mood::Busy),
        1 => Just(Mood::OtherClasses),
        1 => Just(Mood::UnknownIds),
    ];
    prop_oneof![
        5 => (0..300u32, 1..60u32).prop_map(|(first, count)| Step::Append(first, count)),
        2 => (0..300u32).prop_map(Step::Delete),
        3 => (0..300u32, 0..CLASSES, any::<bool>()).prop_map(|(from, class, told)| Step::Reclass(from, class, told)),
        5 => Just(Step::Commit),
        3 => mood.prop_map(Step::Mood),
        2 => Just(Step::Settle),
        1 => Just(Step::Reopen),
        6 => Just(Step::Ask),
        1 => Just(Step::Keep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 60, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_answers_are_those_of_the_embedded_engine(steps in prop::collection::vec(step(), 10..40)) {
        let peer = Peer::start();
        let mut both = Both::new(|folder| options(&peer.url, "kenward-play", folder));
        let mut kept = Vec::new();
        for step in steps {
            match step {
                Step::Append(first, count) => both.append(first..first + count),
                Step::Delete(chunk) => both.delete(&(chunk..chunk + 9).collect::<Vec<_>>()),
                Step::Reclass(from, class, told) => both.reclass(from..from + 40, class, told),
                Step::Commit => both.commit(),
                Step::Mood(mood) => peer.mood(mood),
                Step::Settle => {
                    peer.mood(Mood::Honest);
                    both.mirrored.settle();
                    both.compare(2);
                }
                Step::Reopen => {
                    // What was not committed is lost by both.
                    both.commit();
                    both.reopen();
                }
                Step::Ask => both.compare(2),
                // An answer may go by a snapshot that is older than what is there.
                Step::Keep => kept.push((both.snapshots(), both.classes.clone())),
            }
        }
        let now = both.classes.clone();
        for (snapshots, classes) in kept {
            both.classes = classes;
            both.compare_of(&snapshots, 2);
        }
        both.classes = now;
        peer.mood(Mood::Honest);
        both.commit();
        both.mirrored.settle();
        let before = both.mirrored.standing();
        both.compare(6);
        let after = both.mirrored.standing();
        prop_assert_eq!(after.fell_back, before.fell_back, "a cluster that keeps its word is believed again");
    }
}
