//! The catalog's shape: what goes must not make it look through what stays.

use super::*;
use rusqlite::Connection;

/// Tables of which rows go; `classes` and `sources` keep all of theirs.
const ROWS_GO: [&str; 4] = ["containers", "versions", "users", "groups"];

/// Columns that name a row of such a table, and for which SQLite would look through all rows when that row goes.
fn looked_through(catalog: &Connection) -> Vec<String> {
    let named = "SELECT m.name || '.' || f.\"from\", m.name, f.\"from\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f
                 WHERE m.type = 'table' AND f.\"table\" = ?1";
    let mut slow = Vec::new();
    for table in ROWS_GO {
        let mut ask = catalog.prepare(named).unwrap();
        let rows = ask.query_map([table], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).unwrap();
        let named: Vec<(String, String, String)> = rows.map(Result::unwrap).collect();
        assert!(!named.is_empty(), "nothing names a row of `{table}`");
        for (name, child, column) in named {
            let plan = format!("EXPLAIN QUERY PLAN SELECT 1 FROM {child} WHERE {column} = ?1");
            let plan: String = catalog.query_row(&plan, [0], |r| r.get(3)).unwrap();
            if !plan.starts_with("SEARCH") {
                slow.push(name);
            }
        }
    }
    slow
}

#[test]
fn what_goes_is_asked_for_by_an_index_also_in_a_catalog_that_had_none() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = dir.path().join("catalog.sqlite");
    let catalog = Connection::open(&path).unwrap();
    assert_eq!(looked_through(&catalog), Vec::<String>::new());
    let named = "SELECT name FROM sqlite_master WHERE type = 'index' AND name IN
                 ('documents_published', 'documents_waiting', 'members_user', 'members_group', 'tokens_user', 'identities_user')";
    let ours: Vec<String> =
        catalog.prepare(named).unwrap().query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    ours.iter().for_each(|name| catalog.execute_batch(&format!("DROP INDEX {name}")).unwrap());
    assert_eq!(looked_through(&catalog).len(), 6);
    drop(catalog);
    drop(open(dir.path()));
    assert_eq!(looked_through(&Connection::open(&path).unwrap()), Vec::<String>::new());
}
