//! Rights from the tree to the vault's decision.

use crate::world::{World, by};
use kenward_access::acl::{Clearance, Level};
use kenward_ingest::pipeline::{IngestError, Progress, ingest};
use kenward_vault::directory::DirectoryChange;
use kenward_vault::runs::RunState;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn rights_files_decide_and_a_change_of_them_alone_reads_nothing() {
    let world = World::new();
    world.write("open.md", "open");
    world.write("staff/.access.toml", "allow = [\"group:staff\"]\n");
    world.write("staff/plan.md", "plan");
    world.write("staff/pay.md", "pay");
    world.ingest().unwrap();
    assert_eq!(world.may("bob", "open.md"), Some(true));
    assert_eq!(
        (world.may("ann", "staff/plan.md"), world.may("bob", "staff/plan.md")),
        (Some(true), Some(false))
    );

    world.write(
        "staff/.access.toml",
        "allow = [\"group:staff\"]\n[[file]]\nmatch = \"pay*\"\nonly = true\nallow = [\"user:bob\"]\n",
    );
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.unchanged, report.summary.chunks), (3, 0));
    assert_eq!(
        (world.may("ann", "staff/pay.md"), world.may("bob", "staff/pay.md")),
        (Some(false), Some(true))
    );
    assert_eq!(world.may("ann", "staff/plan.md"), Some(true));

    world.write("staff/.access.toml", "allow = [\"everyone\"]\n");
    world.ingest().unwrap();
    assert_eq!(
        (world.may("ann", "staff/pay.md"), world.may("bob", "staff/plan.md")),
        (Some(true), Some(true))
    );
}

#[test]
fn a_typo_or_an_unknown_name_hides_the_folder_and_says_where() {
    let world = World::new();
    world.write("open.md", "open");
    world.write("typo/.access.toml", "# rights\nalow = [\"everyone\"]\n");
    world.write("typo/a.md", "a");
    world.write("typo/deep/b.md", "b");
    world.write("unknown/.access.toml", "allow = [\"everyone\", \"group:sales\"]\n");
    world.write("unknown/c.md", "c");
    // Named for another file only: hides the folder all the same.
    world.write(
        "other/.access.toml",
        "allow = [\"everyone\"]\n[[file]]\nmatch = \"x*\"\ndeny = [\"user:zoe\"]\n",
    );
    world.write("other/d.md", "d");
    let report = world.ingest().unwrap();
    assert_eq!(report.summary.hidden_for_unresolved_rights, 4, "{report:?}");
    for path in ["typo/a.md", "typo/deep/b.md", "unknown/c.md", "other/d.md"] {
        assert_eq!(world.may("ann", path), Some(false), "{path}");
    }
    assert_eq!(world.may("ann", "open.md"), Some(true));
    let told = |place: &str, what: &str| {
        report.rights_problems.iter().any(|(at, problem)| at == place && problem.contains(what))
    };
    assert!(told("typo/.access.toml:2", "did you mean `allow`"), "{:?}", report.rights_problems);
    assert!(told("unknown/.access.toml:1", "there is no group `sales`"), "{:?}", report.rights_problems);
    assert!(told("other/.access.toml:4", "there is no person `zoe`"), "{:?}", report.rights_problems);

    // The directory comes to know the group: visible without another run.
    world.vault.change_directory(&by(), &[DirectoryChange::AddGroup { handle: "sales".into() }]).unwrap();
    assert_eq!(world.may("ann", "unknown/c.md"), Some(true));
}

#[test]
fn nothing_said_and_no_default_is_refused() {
    let world = World::with(None, &[]);
    world.write("a.md", "a");
    world.write("b/.access.toml", "allow = [\"everyone\"]\n");
    world.write("b/b.md", "b");
    let error = world.ingest().unwrap_err();
    assert!(matches!(error, IngestError::NoDefault { files: 1, .. }), "{error}");
    assert!(error.to_string().contains("--default-allow"));
    world.remove("a.md");
    assert_eq!(world.ingest().unwrap().summary.added, 1);
}

#[test]
fn a_rights_file_that_names_nobody_is_not_a_silent_one() {
    let world = World::new();
    world.write("silent/.access.toml", "# nothing yet\n");
    world.write("silent/a.md", "a");
    world.write("shut/.access.toml", "allow = []\n");
    world.write("shut/a.md", "a");
    world.write("idle/.access.toml", "until = 2099-12-31\n");
    world.write("idle/a.md", "a");
    world.write("one/.access.toml", "[[file]]\nmatch = 'pay*'\nallow = []\n");
    world.write("one/pay.md", "a");
    world.write("one/open.md", "a");
    world.write("meant/.ACCESS.toml", "allow = []\n");
    world.write("meant/a.md", "a");
    let report = world.ingest().unwrap();
    for (path, may) in [
        ("silent/a.md", true),
        ("shut/a.md", false),
        ("idle/a.md", false),
        ("one/pay.md", false),
        ("one/open.md", true),
        ("meant/a.md", true),
    ] {
        assert_eq!(world.may("ann", path), Some(may), "{path}");
    }
    let told: Vec<_> = report.rights_problems.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(told, ["idle/.access.toml:1"]);
    assert_eq!(report.rights_not_read, ["meant/.ACCESS.toml"]);

    // What had been open narrows with the next run.
    world.write("silent/.access.toml", "deny = []\n");
    world.ingest().unwrap();
    assert_eq!(world.may("ann", "silent/a.md"), Some(false));
}

#[test]
fn a_rule_that_has_only_a_label_narrows_what_the_default_allows() {
    let world = World::new();
    let clearance = Clearance { level: Level(1), ..Clearance::default() };
    let cleared = DirectoryChange::SetClearance { handle: "ann".into(), clearance };
    world.vault.change_directory(&by(), &[cleared]).unwrap();
    world.write("pay/.access.toml", "[[file]]\nmatch = 'salaries*'\nlabel = 'internal'\n");
    world.write("pay/salaries.md", "salaries");
    world.write("pay/dates.md", "dates");
    let report = world.ingest().unwrap();
    assert_eq!(report.rights_problems, []);
    for (path, ann, bob) in [("pay/salaries.md", true, false), ("pay/dates.md", true, true)] {
        assert_eq!((world.may("ann", path), world.may("bob", path)), (Some(ann), Some(bob)), "{path}");
    }
    // The rule goes: nothing is narrowed any more, and nothing is read again.
    world.write("pay/.access.toml", "");
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.unchanged, report.summary.chunks), (2, 0));
    assert_eq!(world.may("bob", "pay/salaries.md"), Some(true));
    // Begun and not finished: nobody's, and told.
    world.write("pay/.access.toml", "[[file]]\nmatch = 'salaries*'\n");
    let report = world.ingest().unwrap();
    assert_eq!(
        (world.may("ann", "pay/salaries.md"), world.may("ann", "pay/dates.md")),
        (Some(false), Some(true))
    );
    assert_eq!(report.rights_problems.len(), 1, "{:?}", report.rights_problems);
    assert_eq!(report.rights_problems[0].0, "pay/.access.toml:2");
}

#[test]
fn a_label_needs_clearance_also_below_inherit_false() {
    let world = World::new();
    world.write(".access.toml", "label = \"internal\"\n");
    world.write("in/.access.toml", "inherit = false\nallow = [\"everyone\"]\n");
    world.write("in/a.md", "a");
    let report = world.ingest().unwrap();
    assert_eq!(report.rights_problems, []);
    assert_eq!(world.may("ann", "in/a.md"), Some(false));
}

#[test]
fn rights_that_change_during_a_run_are_read_again_before_anything_is_published() {
    let world = World::new();
    world.write("a/one.md", "one");
    world.write("a/two.md", "two");
    world.write("b/three.md", "three");
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    // Narrowed after the rights were read, before the run ends.
    let report = ingest(&world.vault, &by(), source, &world.spec, &world.options, &|event| {
        if matches!(event, Progress::Listed { .. }) {
            world.write("a/.access.toml", "inherit = false\nallow = [\"user:ann\"]\n");
        }
    })
    .unwrap();
    assert_eq!(report.rights_problems, []);
    assert_eq!((world.may("ann", "a/one.md"), world.may("bob", "a/one.md")), (Some(true), Some(false)));
    assert_eq!(world.may("bob", "b/three.md"), Some(true));
    assert_eq!(world.vault.stats().unwrap().documents, 3);
}

#[test]
fn a_cancelled_run_publishes_what_it_has_only_if_its_rights_still_hold() {
    for narrowed in [false, true] {
        let world = World::new();
        world.write("a/one.md", "one");
        let source = world.vault.source(&by(), world.spec.clone()).unwrap();
        let report = ingest(&world.vault, &by(), source, &world.spec, &world.options, &|event| match event {
            Progress::Listed { .. } if narrowed => {
                world.write("a/.access.toml", "inherit = false\nallow = [\"user:ann\"]\n");
            }
            Progress::Documents { .. } => world.options.stop.ask(RunState::Cancelled),
            _ => {}
        })
        .unwrap();
        assert_eq!(report.state, RunState::Cancelled);
        assert_eq!(world.may("bob", "a/one.md"), Some(!narrowed));
    }
}

#[test]
fn rights_that_never_hold_still_hide_what_they_govern() {
    let world = World::new();
    world.write("a/one.md", "one");
    world.write("b/two.md", "two");
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    let times = AtomicU32::new(0);
    let report = ingest(&world.vault, &by(), source, &world.spec, &world.options, &|event| {
        if matches!(event, Progress::Documents { .. }) {
            let n = times.fetch_add(1, Ordering::Relaxed);
            world.write(
                "a/.access.toml",
                format!("# {n}\nallow = [\"everyone\"]\nuntil = {}-01-01\n", 2100 + n),
            );
        }
    })
    .unwrap();
    assert!(report.rights_problems.iter().any(|(_, what)| what.contains("kept changing")), "{report:?}");
    assert_eq!((world.may("ann", "a/one.md"), world.may("ann", "b/two.md")), (Some(false), Some(true)));
    // Still now: the next run shows it again.
    world.ingest().unwrap();
    assert_eq!(world.may("ann", "a/one.md"), Some(true));
}
