//! What is lost on disk, by the real program: `doctor` names it, callers are told the truth, the next
//! `ingest` brings it back.

use super::served::{BEN, DANA, Home, answer, kenward, newest, refusal, succeeds};
use serde_json::{Value, json};

/// What `doctor` does not find in order, as `check: detail; hint`.
fn warnings(home: &Home) -> Vec<String> {
    let output = kenward(&home.config()).args(["doctor", "--json"]).output().unwrap();
    let checks: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let wrong: Vec<&Value> = checks.iter().filter(|check| check["state"] != "ok").collect();
    assert_eq!(output.status.code(), Some(if wrong.is_empty() { 0 } else { 3 }), "{checks:?}");
    wrong.into_iter().map(|c| format!("{}: {}; {}", c["check"], c["detail"], c["hint"])).collect()
}

fn titles(found: &Value) -> usize {
    found["results"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_texts_are_named_and_come_back_with_the_next_run() {
    let home = Home::new();
    assert_eq!(warnings(&home), Vec::<String>::new());
    let (dana, ben) = (home.token(DANA), home.token(BEN));
    let served = home.serve();
    let (dana, ben) = (served.client(&dana, newest()).await, served.client(&ben, newest()).await);
    let listed = answer(&dana, "list_documents", json!({ "path": "finance" })).await;
    let salaries = listed["documents"][0]["id"].clone();
    let query = json!({ "query": "expense reports" });
    let before = (answer(&dana, "search", query.clone()).await, answer(&ben, "search", query.clone()).await);
    assert_eq!((titles(&before.0), titles(&before.1)), (4, 3));

    // While the server runs.
    std::fs::remove_dir_all(home.path("data/text")).unwrap();
    let error = refusal(&dana, "fetch", json!({ "id": salaries })).await;
    assert_eq!(error["code"], "unreadable", "{error}");
    assert!(error["try"].as_str().unwrap().contains("asking again will not help"), "{error}");
    let request = error["request_id"].as_str().unwrap();
    served.logs(|line| line.contains(request) && line.contains("lost or damaged"));
    // Who may not see it cannot tell it from one that does not exist.
    let mut hidden = refusal(&ben, "fetch", json!({ "id": salaries })).await;
    let mut missing = refusal(&ben, "fetch", json!({ "id": "kd_aaaaaaaaaaaaaaaaaaaaaaaaaa" })).await;
    for error in [&mut hidden, &mut missing] {
        error.as_object_mut().unwrap().remove("request_id").unwrap();
    }
    assert_eq!(hidden, missing);
    for (client, passages) in [(&dana, 4), (&ben, 3)] {
        let found = answer(client, "search", query.clone()).await;
        let left_out = format!("0 passages. Left out: {passages} matching passages are lost or damaged");
        assert!(found["notice"].as_str().unwrap().starts_with(&left_out), "{found}");
    }

    let told = warnings(&home);
    assert!(told.len() == 1 && told[0].starts_with("\"texts\""), "{told:?}");
    assert!(told[0].contains("4 documents") && told[0].contains("`kenward ingest handbook`"), "{told:?}");
    succeeds(kenward(&home.config()).args(["ingest", "handbook"]));
    assert_eq!(warnings(&home), Vec::<String>::new());
    for (client, before) in [(&dana, &before.0), (&ben, &before.1)] {
        let after = answer(client, "search", query.clone()).await;
        let cites = |found: &Value| -> Vec<Value> {
            found["results"].as_array().unwrap().iter().map(|result| result["cite"].clone()).collect()
        };
        assert_eq!(cites(&after), cites(before));
    }
    answer(&dana, "fetch", json!({ "id": salaries })).await;
}

#[test]
fn lost_vectors_are_named_where_a_model_runs() {
    let home = Home::new();
    std::fs::remove_dir_all(home.path("data/vectors")).unwrap();
    let told = warnings(&home);
    assert!(told.len() == 1 && told[0].starts_with("\"embeddings\""), "{told:?}");
    assert!(told[0].contains("4 documents are not embedded"), "{told:?}");
    assert!(told[0].contains("`kenward ingest handbook` embeds them"), "{told:?}");
    // Where none is wanted there is nothing to say.
    let mut doctor = kenward(&home.config());
    let output = succeeds(doctor.args(["doctor"]).env("KENWARD__EMBEDDING__ENGINE", "none"));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains("not embedded") && !said.contains("warn"), "{said}");
    succeeds(kenward(&home.config()).args(["ingest", "handbook"]));
    assert_eq!(warnings(&home), Vec::<String>::new());
}
