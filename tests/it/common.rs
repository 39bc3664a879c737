//! What several integration tests need: where the evaluation material lies.

use std::path::PathBuf;

/// The folder of the evaluation material, if this machine has it.
pub fn eval() -> Option<PathBuf> {
    let place = std::env::var_os("KENWARD_EVAL")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/eval"), PathBuf::from);
    if place.is_dir() {
        return Some(place);
    }
    eprintln!("skipped: no evaluation material in {} (set KENWARD_EVAL)", place.display());
    None
}

/// Whether the long variants were asked for (`KENWARD_LONG=1`).
pub fn long() -> bool {
    std::env::var_os("KENWARD_LONG").is_some_and(|v| v != "0")
}

#[test]
fn the_material_is_complete_where_it_is_there() {
    let Some(eval) = eval() else { return };
    for file in ["acl/k8s-community/folders.jsonl", "kb/k8s-community/corpus.jsonl.gz"] {
        assert!(eval.join(file).is_file(), "{file} is missing");
    }
    if long() {
        assert!(eval.join("tenants/rmc-aventro").is_dir());
    }
}
