//! What callers ask: pages, cursors, and arguments that are wrong.

use super::*;

#[test]
fn pages_continue_and_cursors_belong_to_one_caller_and_request() {
    let texts: Vec<(String, String)> =
        (0..130).map(|n| (format!("d{n:03}.md"), format!("harbor note number {n}\n"))).collect();
    let documents: Vec<_> = texts.iter().map(|(p, t)| (p.as_str(), "everyone", t.as_str())).collect();
    let world = world(&documents);
    let kb = world.vault.knowledge_base();
    let omar = world.caller("omar");
    let page =
        |cursor: Option<String>, limit| SearchRequest { limit: Some(limit), cursor, ..asking("harbor note") };
    let whole = json(kb.search(&omar, &page(None, 40)).unwrap());
    let mut ids = Vec::new();
    let mut cursor = None;
    for _ in 0..8 {
        let next = json(kb.search(&omar, &page(cursor.clone(), 5)).unwrap());
        for result in next["results"].as_array().unwrap() {
            ids.push(result["id"].clone());
            assert_eq!(result["rank"], ids.len());
        }
        cursor = next["next_cursor"].as_str().map(str::to_owned);
    }
    let expected: Vec<_> = whole["results"].as_array().unwrap().iter().map(|r| r["id"].clone()).collect();
    assert_eq!(ids, expected);
    let foreign = kb.search(&world.caller("dana"), &page(cursor.clone(), 5)).unwrap_err();
    let other = kb.search(&omar, &SearchRequest { cursor: cursor.clone(), ..asking("another") }).unwrap_err();
    let forged = kb.search(&omar, &page(Some("A".repeat(300)), 5)).unwrap_err();
    world.clock.0.store(3_600_000, Ordering::Relaxed);
    let old = kb.search(&omar, &page(cursor, 5)).unwrap_err();
    assert!([&foreign, &other, &forged].iter().all(|e| **e == old) && old.code == ErrorCode::InvalidCursor);
    let first = json(kb.list_documents(&omar, &ListDocumentsRequest::default()).unwrap());
    let cursor = first["next_cursor"].as_str().map(str::to_owned);
    let second =
        json(kb.list_documents(&omar, &ListDocumentsRequest { cursor, ..Default::default() }).unwrap());
    let rows = |v: &Value| v["documents"].as_array().unwrap().len();
    assert_eq!((rows(&first), rows(&second), second["next_cursor"].is_null()), (100, 30, true));
}

#[test]
fn wrong_arguments_are_told_what_to_change_and_recorded() {
    let world = world(HANDBOOK);
    let kb = world.vault.knowledge_base();
    let omar = world.caller("omar");
    for (request, field, said) in [
        (SearchRequest { limit: Some(0), ..asking("x") }, "limit", "`limit` is 0; it must be from 1 to 40"),
        (SearchRequest { limit: Some(10_000_000), ..asking("x") }, "limit", "from 1 to 40"),
        (asking("  "), "query", "`query` is empty"),
        (asking(&"x".repeat(1 << 20)), "query", "1048576 characters; at most 4000"),
    ] {
        let error = kb.search(&omar, &request).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::InvalidArgument, Some(field)));
        assert!(error.message.contains(said), "{}", error.message);
    }
    let filters = Filters { modified_after: Some("soon".into()), ..Filters::default() };
    let error = kb.search(&omar, &SearchRequest { filters, ..asking("x") }).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("filters.modified_after"));
    for source in ["nowhere", "handbook"] {
        let filters = Filters { source: Some(source.into()), kind: Some("pdf".into()), ..Filters::default() };
        let none = json(kb.search(&omar, &SearchRequest { filters, ..asking("dues") }).unwrap());
        assert_eq!(none["results"].as_array().unwrap().len(), 0);
    }
    let told = world.log().iter().filter(|r| r["outcome"]["code"] == "invalid_argument").count();
    assert_eq!(told, 5);
}
