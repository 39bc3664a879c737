//! Answers and their records: none is given without one, and one that was cut off says so.

use super::*;

#[test]
fn an_answer_whose_hand_over_was_not_written_is_marked_at_the_next_start() {
    let world = world(HANDBOOK);
    let receipt = world.search("omar", "harbor dues")["receipt"].as_str().unwrap().to_owned();
    let record = world.vault.receipt_record(&receipt).unwrap();
    let World { vault, clock, dir } = world;
    drop(vault);
    let path = dir.path().join("audit/log.jsonl");
    let log = std::fs::read_to_string(&path).unwrap();
    let answer = log.lines().position(|l| l.contains("\"kind\":\"answer\"") && l.contains(&record)).unwrap();
    let cut: String = log.split_inclusive('\n').take(answer + 1).collect();
    std::fs::write(&path, cut).unwrap();
    drop(open(dir.path(), &clock));
    let after = std::fs::read_to_string(&path).unwrap();
    let last: Value = serde_json::from_str(after.lines().nth(answer + 1).unwrap()).unwrap();
    assert_eq!(last["record"]["kind"], "unconfirmed");
    assert_eq!(last["record"]["answer"], *record);
}

#[test]
#[ignore = "run by `without_a_record_there_is_no_answer`"]
fn within_a_file_limit() {
    let texts: Vec<String> = (0..100).map(|n| format!("d{n:03}.md")).collect();
    let documents: Vec<_> = texts.iter().map(|p| (p.as_str(), "everyone", "harbor\n")).collect();
    let world = world(&documents);
    let kb = world.vault.knowledge_base();
    let omar = world.caller("omar");
    let mut refused = 0;
    for _ in 0..1000 {
        if let Err(error) = kb.list_documents(&omar, &ListDocumentsRequest::default()) {
            assert_eq!(error.code, ErrorCode::TryAgain);
            refused += 1;
        }
    }
    assert!(refused > 10, "{refused}");
    // Where a smaller record still fits, answers go on; every one given has its record.
    let dir = world.dir.path().join("audit");
    drop(kb);
    let given = 1000 - refused;
    let World { vault, dir: _kept, .. } = world;
    drop(vault);
    let tenant = TenantId::new("harbor").unwrap();
    crate::audit::verify(&dir, &tenant).unwrap();
    let log = std::fs::read_to_string(dir.join("log.jsonl")).unwrap();
    let records =
        log.lines().filter(|l| l.contains("\"tool\":\"list_documents\"") && l.contains("\"code\":\"ok\""));
    assert_eq!(records.count(), given);
    println!("the limit was met");
}

#[test]
fn without_a_record_there_is_no_answer() {
    with_small_files(8192, "knowledge_base::tests::records::within_a_file_limit");
}
