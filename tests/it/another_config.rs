//! A server goes by the configuration that it was started with; whoever asks it with a newer one is told.

use crate::served::{Home, Served, kenward};

fn run(home: &Home, args: &[&str]) -> crate::machine::Ran {
    kenward(&home.config()).args(args).output().unwrap().into()
}

#[test]
fn a_server_with_an_older_configuration_is_told_by_every_command() {
    let home = Home::new();
    let mut served: Served = home.serve();
    assert!(!run(&home, &["status"]).done().err.contains("another configuration"));
    let config = std::fs::read_to_string(home.config()).unwrap();
    let newer = config.replace("\"hashing\"", "\"none\"");
    std::fs::write(home.config(), format!("{newer}[ingest]\nmax_text_mb = 100\n")).unwrap();
    let words = "`[embedding]`, `[ingest]` differ";
    let handbook = home.path("handbook");
    for args in [&["status"][..], &["users", "list"], &["ingest", handbook.to_str().unwrap()]] {
        let ran = run(&home, args).done();
        assert!(ran.err.contains(words) && ran.err.contains("hint: restart that process"), "{ran:?}");
    }
    let re_embed = run(&home, &["ingest", "--re-embed"]);
    assert!(re_embed.err.contains(words), "{re_embed:?}");
    re_embed.refused(&["goes by another `[embedding]`", "restart"]);
    assert!(run(&home, &["status"]).out.contains("CONFIG    that process goes by an older or other one"));
    let status = run(&home, &["status", "--json"]).done().json();
    assert_eq!(status["configuration_differs"], serde_json::json!(["[embedding]", "[ingest]"]));
    let doctor = run(&home, &["doctor"]);
    assert!(doctor.out.contains(words), "{doctor:?}");
    assert_eq!(served.stop(), Some(0));
    assert!(!run(&home, &["status"]).done().err.contains("another configuration"));
}
