//! The built-in engine on a tiny model, against numbers of a reference made apart, and against what a damaged
//! model may look like. The real model is in `embedding/tests.rs`.

use super::super::synthetic;
use super::*;

fn model() -> (tempfile::TempDir, BuiltIn) {
    let folder = tempfile::tempdir().unwrap();
    synthetic::write(folder.path());
    let built = BuiltIn::open(folder.path()).unwrap();
    (folder, built)
}

/// From a reference that shares no code with this: the formulas of the paper in Python with numpy, in f64,
/// tokens written out by hand. Text, first and last four numbers.
const REFERENCE: [(&str, [f32; 4], [f32; 4]); 3] = [
    ("", [-0.297656, 0.063858, 0.067961, 0.246414], [-0.225825, 0.153203, 0.036494, -0.002649]),
    (
        "The harbour master signs.",
        [-0.268088, -0.034828, 0.121655, 0.303057],
        [-0.149581, -0.199339, 0.17593, -0.09435],
    ),
    (
        "Untie the ropes, .",
        [-0.253265, -0.02256, 0.077699, 0.223889],
        [-0.080179, -0.284372, 0.018762, -0.034578],
    ),
];

#[test]
fn the_numbers_are_those_of_a_reference_made_apart() {
    let (_folder, model) = model();
    for (text, first, last) in REFERENCE {
        let vector = &model.embed(&[text]).unwrap()[0];
        for (got, want) in vector.iter().zip(first).chain(vector[28..].iter().zip(last)) {
            assert!((got - want).abs() < 3e-6, "{text}: {got} instead of {want}");
        }
    }
    // 254 times `rope`, and everything after that cut off.
    let vector = &model.embed(&[&"rope ".repeat(1_000)]).unwrap()[0];
    let want = [-0.020843, -0.097261, 0.005816, 0.284512];
    assert!(vector.iter().zip(want).all(|(got, want): (&f32, f32)| (got - want).abs() < 3e-6), "{vector:?}");
}

#[test]
fn it_does_what_every_embedder_does() {
    let (_folder, model) = model();
    super::super::conformance::run(&model, 64);
}

#[test]
fn weights_that_do_not_fit_are_errors_that_name_the_tensor() {
    let folder = tempfile::tempdir().unwrap();
    synthetic::write(folder.path());
    let open = |tensors: &[(String, Vec<usize>, Vec<f32>)]| {
        std::fs::write(folder.path().join(WEIGHTS_FILE), synthetic::safetensors(tensors)).unwrap();
        BuiltIn::open(folder.path()).map(|_| ()).map_err(|error| error.to_string())
    };
    let whole = synthetic::tensors();
    assert_eq!(open(&whole), Ok(()));
    for at in 0..whole.len() {
        let mut lacking = whole.clone();
        let (name, ..) = lacking.remove(at);
        let error = open(&lacking).unwrap_err();
        assert!(error.contains(&name), "{error}");
        // Of another shape: one row or number less, or a table of the same numbers that stands upright.
        let mut other = whole.clone();
        let (_, shape, numbers) = &mut other[at];
        let row = numbers.len() / shape[0];
        shape[0] -= 1;
        numbers.truncate(numbers.len() - row);
        let fewer_words = name.contains("word_") || name.contains("type_");
        assert_eq!(open(&other).is_ok(), fewer_words, "{name}");
        let mut flat = whole.clone();
        flat[at].1.reverse();
        flat[at].1.push(1);
        assert!(open(&flat).unwrap_err().contains(&name));
    }
}

#[test]
fn a_file_that_is_cut_or_no_file_of_weights_is_an_error() {
    let (folder, _) = model();
    let path = folder.path().join(WEIGHTS_FILE);
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 7, 8, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert!(BuiltIn::open(folder.path()).is_err(), "{cut}");
    }
    std::fs::write(&path, [0xff; 64]).unwrap();
    assert!(BuiltIn::open(folder.path()).is_err());
    std::fs::remove_file(&path).unwrap();
    let error = BuiltIn::open(folder.path()).err().unwrap();
    assert!(matches!(error, EmbedError::ModelMissing { .. }), "{error}");
}

#[test]
fn the_hash_is_that_of_the_whole_file() {
    use sha2::{Digest, Sha256};
    let (folder, model) = model();
    let bytes = std::fs::read(folder.path().join(WEIGHTS_FILE)).unwrap();
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
    assert_eq!(model.space().model, format!("all-MiniLM-L6-v2@{}", &hash[..16]));
}

#[test]
fn weights_that_are_no_numbers_give_an_error_without_words_of_the_text() {
    let folder = tempfile::tempdir().unwrap();
    synthetic::write(folder.path());
    let mut tensors = synthetic::tensors();
    tensors[0].2.fill(f32::NAN);
    std::fs::write(folder.path().join(WEIGHTS_FILE), synthetic::safetensors(&tensors)).unwrap();
    let error = BuiltIn::open(folder.path()).unwrap().embed(&["harbour"]).unwrap_err();
    assert!(!error.to_string().contains("harbour"), "{error}");
}
