//! Embedding anew: nobody's answers change before the switch, nothing is lost by a stop, an error or an end of the
//! process, and nothing that came meanwhile is left out.

use super::*;
use crate::catalog::content;
use crate::reembed::{Ended, Step};
use kenward_indexes::embedding::{EmbedError, EmbeddingSpace};
use parking_lot::Mutex;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// The hashing embedder, that counts, and fails if it is told to.
struct Counting {
    inner: Arc<dyn Embedder>,
    texts: AtomicUsize,
    fails: AtomicBool,
}

impl Counting {
    fn of(dimension: usize) -> Arc<Self> {
        let inner = hashing(dimension);
        Arc::new(Self { inner, texts: AtomicUsize::new(0), fails: AtomicBool::new(false) })
    }
}

impl Embedder for Counting {
    fn space(&self) -> &EmbeddingSpace {
        self.inner.space()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(EmbedError::Engine { reason: "it was told to".into() });
        }
        self.texts.fetch_add(texts.len(), Ordering::Relaxed);
        self.inner.embed(texts)
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.inner.count_tokens(text)
    }

    fn workers(&self) -> usize {
        2
    }
}

const DOCUMENTS: usize = 60;
const LINES: usize = 40;

/// 60 documents of 40 passages, embedded by the hashing embedder of 32 numbers.
fn filled(dir: &Path) -> Arc<Vault> {
    let vault = open(dir);
    people(&vault, &["dana"]);
    let mut run = open_run(&vault);
    for n in 0..DOCUMENTS {
        let text: String = (0..LINES).map(|line| format!("line {line} of document {n}\n")).collect();
        run.put(document(&format!("{n}.txt"), ".", &text)).unwrap();
    }
    run.finish().unwrap();
    vault
}

/// Dimension and number of the vectors that questions are answered from.
fn answers_from(vault: &Vault) -> (usize, usize) {
    let published = vault.core.published.load();
    let vectors = published.vectors.as_ref().unwrap();
    (vectors.embedder.space().dimension, vectors.snapshot.len())
}

fn anew(vault: &Vault, by_this: &Arc<Counting>) -> Result<Ended, VaultError> {
    let embedder: Arc<dyn Embedder> = Arc::<Counting>::clone(by_this);
    vault.embed_anew(&by(), &embedder, &|| false, &|_| ())
}

/// Stops when so many passages are embedded.
fn anew_until(vault: &Vault, by_this: &Arc<Counting>, passages: usize) -> Ended {
    let embedder: Arc<dyn Embedder> = Arc::<Counting>::clone(by_this);
    let enough = || by_this.texts.load(Ordering::Relaxed) >= passages;
    vault.embed_anew(&by(), &embedder, &enough, &|_| assert_eq!(answers_from(vault).0, 32)).unwrap()
}

fn folders(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("vectors")).collect();
    names.sort();
    names
}

#[test]
fn all_documents_are_embedded_and_then_the_answers_change_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    let other = Counting::of(48);
    let seen = Mutex::new(Vec::new());
    let embedder: Arc<dyn Embedder> = Arc::<Counting>::clone(&other);
    let ended = vault.embed_anew(&by(), &embedder, &|| false, &|step| {
        assert_eq!(answers_from(&vault), (32, DOCUMENTS * LINES));
        seen.lock().push(step);
    });
    let all = (DOCUMENTS * LINES) as u64;
    assert!(matches!(
        ended.unwrap(),
        Ended::Switched { documents: 60, passages, unreadable: 0, .. } if passages == all
    ));
    assert_eq!(seen.lock().last(), Some(&Step::Passages(all, all)));
    assert_eq!(other.texts.load(Ordering::Relaxed), DOCUMENTS * LINES);
    assert_eq!(answers_from(&vault), (48, DOCUMENTS * LINES));
    assert_eq!(vault.embedder().unwrap().space().dimension, 48);
    assert_eq!((folders(dir.path()), vault.stats().unwrap().anew), (vec!["vectors-2".to_owned()], None));
    // Once more: there is nothing to do.
    assert!(matches!(anew(&vault, &other).unwrap(), Ended::Already { .. }));
    // What comes next is embedded by the new one, and the next opening knows.
    let mut run = open_run(&vault);
    assert!(run.known("7.txt").unwrap().embedded);
    let mut new = document("new.txt", ".", "one line\n");
    new.chunks[0].vector = Some(hashing(48).embed(&["one line"]).unwrap().remove(0));
    run.put(new).unwrap();
    run.publish().unwrap();
    drop((run, vault));
    assert_eq!(crate::recorded_space(dir.path()).unwrap().dimension, 48);
    assert!(matches!(Vault::open(options(dir.path(), Some(hashing(32)))), Err(VaultError::Mismatch { .. })));
    let vault = Vault::open(options(dir.path(), Some(hashing(48)))).unwrap();
    assert_eq!(answers_from(&vault), (48, DOCUMENTS * LINES + 1));
    assert_eq!(folders(dir.path()), ["vectors"], "under its usual name");
    // Back again, twice without an opening between.
    anew(&vault, &Counting::of(32)).unwrap();
    assert_eq!((answers_from(&vault).0, folders(dir.path())), (32, vec!["vectors-2".to_owned()]));
    anew(&vault, &Counting::of(48)).unwrap();
    assert_eq!((answers_from(&vault).0, folders(dir.path())), (48, vec!["vectors-3".to_owned()]));
}

#[test]
fn what_was_stopped_or_ended_with_its_process_goes_on_and_nothing_is_embedded_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut vault = filled(dir.path());
    let other = Counting::of(48);
    for (turn, until) in [(1, 300), (2, 1_500), (3, 2_000)] {
        let ended = anew_until(&vault, &other, until);
        let Ended::Stopped { passages, of, .. } = ended else { panic!("{ended:?}") };
        assert_eq!((passages, of), (other.texts.load(Ordering::Relaxed) as u64, 2_400), "turn {turn}");
        let told = vault.stats().unwrap().anew.unwrap();
        assert_eq!((told.passages, told.of), (passages, 2_400));
        assert_eq!(answers_from(&vault), (32, 2_400));
        drop(vault);
        // The next opening answers from what it did before, and leaves what was made.
        fs::create_dir(dir.path().join("vectors-9")).unwrap();
        vault = open(dir.path());
        assert_eq!(answers_from(&vault), (32, 2_400));
        assert_eq!(folders(dir.path()), ["vectors", "vectors-2"], "and removes what is for nothing");
    }
    assert!(matches!(anew(&vault, &other).unwrap(), Ended::Switched { passages: 2_400, .. }));
    assert_eq!(other.texts.load(Ordering::Relaxed), 2_400);
    // A crash may leave the old folder behind.
    drop(vault);
    fs::create_dir(dir.path().join("vectors")).unwrap();
    let vault = Vault::open(options(dir.path(), Some(hashing(48)))).unwrap();
    assert_eq!((answers_from(&vault), folders(dir.path())), ((48, 2_400), vec!["vectors".to_owned()]));
    // Or come between the new name and the catalog's word of it; a copy may have the usual name, too.
    anew(&vault, &Counting::of(32)).unwrap();
    drop(vault);
    fs::rename(dir.path().join("vectors-2"), dir.path().join("vectors")).unwrap();
    let vault = open(dir.path());
    assert_eq!((answers_from(&vault), folders(dir.path())), ((32, 2_400), vec!["vectors".to_owned()]));
}

#[test]
fn the_end_of_the_process_after_the_last_vector_and_before_the_switch_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    let other = Counting::of(48);
    // A run is under way: all is embedded, and the switch waits; then it is stopped.
    let run = open_run(&vault);
    let embedder: Arc<dyn Embedder> = Arc::<Counting>::clone(&other);
    let waits = AtomicBool::new(false);
    let ended = vault.embed_anew(&by(), &embedder, &|| waits.load(Ordering::Relaxed), &|step| {
        waits.store(step == Step::Waiting, Ordering::Relaxed);
    });
    assert!(matches!(ended.unwrap(), Ended::Stopped { passages: 2_400, of: 2_400, .. }));
    drop((run, vault));
    let vault = open(dir.path());
    assert_eq!(answers_from(&vault).0, 32);
    assert!(matches!(anew(&vault, &other).unwrap(), Ended::Switched { .. }));
    assert_eq!(other.texts.load(Ordering::Relaxed), 2_400);
}

#[test]
fn a_run_meanwhile_is_waited_for_and_what_it_brings_and_takes_is_in() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    let other = Counting::of(48);
    let (begun, waited) = (std::sync::Barrier::new(2), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut run = open_run(&vault);
            begun.wait();
            while !waited.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            // Still embedded by the old one, and published from it.
            run.put(document("0.txt", ".", "changed\nin the meantime\n")).unwrap();
            run.put(document("new.txt", ".", "brand new\n")).unwrap();
            run.publish().unwrap();
            assert_eq!(answers_from(&vault).0, 32);
            for n in 2..DOCUMENTS {
                run.unchanged(&format!("{n}.txt"), ".", Timestamp(5)).unwrap();
            }
            // 1.txt is gone.
            run.finish().unwrap();
        });
        begun.wait();
        let embedder: Arc<dyn Embedder> = Arc::<Counting>::clone(&other);
        let ended = vault.embed_anew(&by(), &embedder, &|| false, &|step| {
            if step == Step::Waiting {
                waited.store(true, Ordering::Relaxed);
            }
        });
        let passages = (DOCUMENTS - 2) * LINES + 3;
        assert!(
            matches!(ended.unwrap(), Ended::Switched { documents: 60, passages: p, .. } if p == passages as u64)
        );
        assert_eq!(answers_from(&vault), (48, passages));
    });
    // Exactly the published chunks have a vector.
    let published = vault.core.published.load();
    let mut chunks: Vec<_> = published.image.chunks.iter().map(|(no, _)| no).collect();
    chunks.sort_unstable();
    assert_eq!(published.vectors.as_ref().unwrap().snapshot.chunks().collect::<Vec<_>>(), chunks);
    assert!(vault.read_again().unwrap().is_empty());
}

#[test]
fn a_version_that_waits_keeps_its_place_and_gets_its_vectors() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    {
        // Cut off: what was put is not published.
        let mut run = open_run(&vault);
        run.put(document("3.txt", ".", "not out yet\n")).unwrap();
    }
    anew(&vault, &Counting::of(48)).unwrap();
    assert!(finds(&vault, "yet").is_empty(), "a switch publishes nothing");
    assert_eq!(answers_from(&vault), (48, 2_401));
    drop(vault);
    let vault = Vault::open(options(dir.path(), Some(hashing(48)))).unwrap();
    assert_eq!(answers_from(&vault), (48, 2_401), "nothing of the old space was told again");
    let mut run = open_run(&vault);
    assert!(run.known("3.txt").unwrap().embedded);
    run.unchanged("3.txt", ".", Timestamp(5)).unwrap();
    run.publish().unwrap();
    assert_eq!(finds(&vault, "yet"), paths(&["3.txt"]));
}

#[test]
fn an_engine_that_fails_changes_nothing_and_the_next_call_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    let other = Counting::of(48);
    anew_until(&vault, &other, 500);
    let so_far = other.texts.load(Ordering::Relaxed);
    other.fails.store(true, Ordering::Relaxed);
    assert!(matches!(anew(&vault, &other), Err(VaultError::Embed(_))));
    assert_eq!((answers_from(&vault), folders(dir.path()).len()), ((32, 2_400), 2));
    other.fails.store(false, Ordering::Relaxed);
    anew(&vault, &other).unwrap();
    assert!(so_far >= 500 && other.texts.load(Ordering::Relaxed) == 2_400);
}

#[test]
fn another_space_begins_from_its_beginning_and_the_old_one_gives_up_what_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    anew_until(&vault, &Counting::of(48), 500);
    anew_until(&vault, &Counting::of(64), 500);
    let told = vault.stats().unwrap().anew.unwrap();
    assert!(told.passages >= 500 && told.passages < 2_400, "{told:?}");
    assert!(matches!(anew(&vault, &Counting::of(32)).unwrap(), Ended::Already { .. }));
    assert_eq!((folders(dir.path()), vault.stats().unwrap().anew), (vec!["vectors".to_owned()], None));
    // One at a time.
    let _other = vault.embedding_anew.lock();
    assert!(matches!(anew(&vault, &Counting::of(48)), Err(VaultError::Name { .. })));
}

#[test]
fn a_lost_text_is_told_and_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    let lost = {
        let published = vault.core.published.load();
        published.image.documents.values().find(|d| &*d.path == "9.txt").unwrap().text.to_string()
    };
    vault.core.text.remove(&lost).unwrap();
    let ended = anew(&vault, &Counting::of(48)).unwrap();
    assert!(matches!(ended, Ended::Switched { documents: 59, unreadable: 1, .. }), "{ended:?}");
    assert!(!open_run(&vault).known("9.txt").unwrap().embedded);
}

#[test]
fn without_an_embedder_there_is_one_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let vault = Vault::open(options(dir.path(), None)).unwrap();
    assert!(vault.embedder().is_none());
    anew(&vault, &Counting::of(48)).unwrap();
    assert_eq!(answers_from(&vault), (48, 2_400));
    // And where nothing was ever embedded.
    let empty = tempfile::tempdir().unwrap();
    let vault = Vault::open(options(empty.path(), None)).unwrap();
    let mut run = open_run(&vault);
    let mut plain = document("plain.txt", ".", "no vector here\n");
    plain.chunks[0].vector = None;
    run.put(plain).unwrap();
    run.finish().unwrap();
    assert!(matches!(
        anew(&vault, &Counting::of(16)).unwrap(),
        Ended::Switched { documents: 1, passages: 1, .. }
    ));
    assert_eq!(answers_from(&vault), (16, 1));
    assert!(content::embeddable(&vault.core.catalog).unwrap().len() == 1);
}
