//! A reranker through the real program: a tiny cross-encoder that the test makes puts passages in another order, `status`
//! and `doctor` name it, and a folder that holds none is refused before anything is opened.

use crate::machine::Machine;
use kenward_indexes::reranking::tiny;

const DANA: &str = "dana@acorn.example";

fn titles(machine: &Machine, arguments: &[&str]) -> Vec<String> {
    let always = ["--as", DANA, "--reason", "a test", "--json"];
    let answer = machine.run(&[&["search"], arguments, &always].concat()).done().json();
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| result["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_cross_encoder_reads_the_best_again_and_what_is_none_is_refused() {
    let library = kenward_indexes::models::Artifact::OnnxRuntime;
    if kenward_indexes::models::installed(&kenward_indexes::models::cache_dir(), library).is_none() {
        assert!(std::env::var_os("KENWARD_REQUIRE_MODEL").is_none(), "no ONNX Runtime is here");
        eprintln!("skipped: no ONNX Runtime is here; `kenward models pull onnxruntime` fetches one");
        return;
    }
    let machine = Machine::new();
    machine.run(&["users", "add", DANA]).done();
    // By words the first is ahead; the tiny model counts pairs of `rope` and `mooring`, which alone it knows.
    machine.write("handbook/sheds.md", "# Sheds\n\nRope sheds open early, sheds of rope.\n");
    machine.write(
        "handbook/quays.md",
        "# Quays\n\nAt a quay with many ships, each mooring has a mooring line; a mooring is a mooring.\n",
    );
    machine.write("handbook/meals.md", "# Meals\n\nMeals are served at noon.\n");
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    let query = ["rope sheds mooring"];
    assert_eq!(titles(&machine, &query)[0], "Sheds");

    std::fs::create_dir(machine.path("model")).unwrap();
    tiny::write(&machine.path("model"), &["rope", "mooring"]).unwrap();
    let models = kenward_indexes::models::cache_dir();
    let before = format!("{}models_dir = {models:?}\n", std::fs::read_to_string(machine.config()).unwrap());
    let with = |rest: &str| machine.configure(&format!("{before}[reranking]\nmodel = \"model\"\n{rest}"));
    with("");
    assert_eq!(titles(&machine, &query)[0], "Quays");
    assert_eq!(titles(&machine, &["rope sheds mooring", "--mode", "lexical"])[0], "Sheds");
    let (status, doctor) = (machine.run(&["status"]).done(), machine.run(&["doctor"]));
    assert!(status.out.contains("read again by model@"), "{status:?}");
    assert!(doctor.out.contains("reranker") && doctor.out.contains("for the first 20"), "{doctor:?}");
    with("depth = 1\n");
    assert_eq!(titles(&machine, &query)[0], "Sheds", "one alone is read again");

    with("depth = 51\n");
    machine.run(&["users", "list"]).refused(&["reranking.depth", "1 to 50"]);
    with("deep = 5\n");
    machine.run(&["users", "list"]).refused(&["reranking.deep", "reranking.depth"]);
    with("");
    std::fs::remove_file(machine.path("model/model.onnx")).unwrap();
    let search = ["search", "rope", "--as", DANA, "--reason", "a test"];
    machine.run(&search).refused(&["reranking.model", "model.onnx", "cross-encoder"]);
    machine.configure(&format!("{before}[reranking]\nmodel = \"nowhere\"\n"));
    machine.run(&search).refused(&["reranking.model", "nowhere"]);
    let elsewhere = before.replace("models_dir", "hub = \"off\"\n#models_dir");
    machine.configure(&format!("{elsewhere}[reranking]\nmodel = \"model\"\n"));
    tiny::write(&machine.path("model"), &["rope"]).unwrap();
    machine.run(&search).refused(&["no ONNX Runtime", "kenward models pull"]);
    machine.configure(&before);
    assert_eq!(titles(&machine, &query)[0], "Sheds");
}
