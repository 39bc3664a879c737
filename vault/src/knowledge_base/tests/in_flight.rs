//! Rights that change while an answer is being made, and rights that end by themselves.

use super::*;
use crate::gate::{Gate, Pin, Stop};
use crate::receipt::RecordId;

#[test]
fn a_right_revoked_between_record_and_release_gives_no_old_answer() {
    let world = world(HANDBOOK);
    let vault = Arc::clone(&world.vault);
    let once = AtomicBool::new(true);
    let spec = world.vault.sources().unwrap()[0].clone();
    let gap = move || {
        if once.swap(false, Ordering::Relaxed) {
            let mut run = vault.begin_run(&by(), spec.0).unwrap();
            run.set_rights([("user:dana".to_owned(), rights("user:omar", Window::ALWAYS))].into()).unwrap();
        }
    };
    let kb = world.vault.knowledge_base().with_gap(Arc::new(gap));
    let answer = json(kb.search(&world.caller("dana"), &asking("salaries")).unwrap());
    let text = serde_json::to_string(&answer).unwrap();
    assert!(!text.contains("Salaries"), "{text}");
    drop(kb);
    let kinds: Vec<_> = world.log().iter().map(|r| r["kind"].as_str().unwrap().to_owned()).collect();
    assert!(kinds.contains(&"withdrawn".to_owned()), "{kinds:?}");
}

#[test]
fn a_document_deleted_between_record_and_release_is_not_given() {
    let world = world(HANDBOOK);
    let (vault, once) = (Arc::clone(&world.vault), AtomicBool::new(true));
    let source = world.vault.sources().unwrap()[0].0;
    let gap = move || {
        if once.swap(false, Ordering::Relaxed) {
            let mut run = vault.begin_run(&by(), source).unwrap();
            for path in run.known_ids().into_iter().filter(|path| path != "pay.md") {
                let known = run.known(&path).unwrap();
                run.unchanged(&path, &known.container, known.modified).unwrap();
            }
            assert_eq!(run.finish().unwrap().removed, 1);
        }
    };
    let kb = world.vault.knowledge_base().with_gap(Arc::new(gap));
    let answer = json(kb.search(&world.caller("dana"), &asking("salaries of the crew")).unwrap());
    assert!(!answer.to_string().contains("About pay.md"), "{answer}");
}

#[test]
fn a_right_revoked_while_the_answer_waits_for_the_lock_gives_no_old_answer() {
    let world = world(HANDBOOK);
    let core = &world.vault.core;
    let pay = core.published.load().image.documents.values().find(|d| &*d.path == "pay.md").unwrap().no;
    let (reached, at_gap) = std::sync::mpsc::channel();
    let kb = world.vault.knowledge_base().with_gap(Arc::new(move || assert!(reached.send(()).is_ok())));
    let dana = world.caller("dana");
    // Before anything changes, she finds it.
    let query = asking("salaries of the crew");
    let finds = |answer: &serde_json::Value| answer.to_string().contains("About pay.md");
    assert!(finds(&json(kb.search(&dana, &query).unwrap())));
    at_gap.recv().unwrap();
    let held = core.release.write();
    let answer = std::thread::scope(|scope| {
        let asks = scope.spawn(|| json(kb.search(&dana, &query).unwrap()));
        at_gap.recv().unwrap();
        // Long enough to have come to the lock; if it has not, what comes before it finds the change.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let mut rights = (*core.rights.load_full()).clone();
        rights.documents.remove(&pay);
        rights.epoch.0 += 1;
        core.rights.store(Arc::new(rights));
        drop(held);
        asks.join().unwrap()
    });
    assert!(!finds(&answer), "{answer}");
}

#[test]
fn what_is_opened_is_decided_by_the_rights_as_they_are_then() {
    let world = world(HANDBOOK);
    let (core, dana) = (&world.vault.core, world.caller("dana"));
    let pin = Pin::take(core);
    let scope = Gate::scope(core, &dana, &pin.rights, pin.now).unwrap();
    let gate = Gate::new(core, &dana, &pin, &scope, RecordId([0; 16]));
    let pay = pin.published.image.documents.values().find(|d| &*d.path == "pay.md").unwrap().no;
    assert!(gate.sees(pay) && gate.open(pay).is_ok());
    let source = world.vault.sources().unwrap()[0].0;
    let mut run = world.vault.begin_run(&by(), source).unwrap();
    run.set_rights([("user:dana".to_owned(), rights("user:omar", Window::ALWAYS))].into()).unwrap();
    assert!(gate.sees(pay), "a pin stays");
    assert!(matches!(gate.open(pay), Err(Stop::Again)));
}

#[test]
fn a_document_that_moves_between_record_and_release_is_labelled_as_where_it_is() {
    let world = world(HANDBOOK);
    let (vault, once) = (Arc::clone(&world.vault), AtomicBool::new(true));
    let source = world.vault.sources().unwrap()[0].0;
    let gap = move || {
        if once.swap(false, Ordering::Relaxed) {
            let mut moved = rights("everyone", Window::ALWAYS);
            moved.labels.push(("public".into(), Origin { file: ".access.toml".into(), line: 1 }));
            let mut run = vault.begin_run(&by(), source).unwrap();
            run.set_rights([("moved".to_owned(), moved)].into()).unwrap();
            run.unchanged("dues.md", "moved", Timestamp(1_780_000_000_000)).unwrap();
        }
    };
    assert_eq!(world.search("omar", "harbor dues")["results"][0]["sensitivity"], "internal");
    let kb = world.vault.knowledge_base().with_gap(Arc::new(gap));
    let answer = json(kb.search(&world.caller("omar"), &asking("harbor dues")).unwrap());
    assert_eq!(answer["results"][0]["title"], "About dues.md");
    assert_eq!(answer["results"][0]["sensitivity"], "public");
}

#[test]
fn what_they_could_not_see_changing_in_the_gap_does_not_matter() {
    let world = world(HANDBOOK);
    let vault = Arc::clone(&world.vault);
    let gap = move || {
        let handle = format!("new{}", vault.users().unwrap().len());
        let add = DirectoryChange::AddUser {
            handle: handle.clone(),
            name: handle,
            clearance: Clearance::default(),
        };
        vault.change_directory(&by(), &[add]).unwrap();
    };
    let kb = world.vault.knowledge_base().with_gap(Arc::new(gap));
    let answer = json(kb.search(&world.caller("omar"), &asking("harbor dues")).unwrap());
    assert_eq!(answer["results"][0]["title"], "About dues.md");
    assert_eq!(world.vault.users().unwrap().len(), 3, "answered at the first attempt");
}

#[test]
fn a_disabled_person_and_a_revoked_token_end_an_answer_in_flight() {
    let world = world(HANDBOOK);
    let life = Duration::from_secs(3600);
    let token = world.vault.create_token(&by(), "omar", None, "laptop", life).unwrap();
    let subject = world.vault.token_subject(&token.secret).unwrap();
    let caller = || {
        let tenant = TenantId::new("harbor").unwrap();
        Caller::authenticated(
            tenant,
            Subject::User(subject.user.clone()),
            None,
            Credential::Token(subject.hash),
        )
    };
    assert!(world.vault.knowledge_base().search(&caller(), &asking("dues")).is_ok());
    let vault = Arc::clone(&world.vault);
    let gap = move || {
        vault.change_directory(&by(), &[DirectoryChange::RevokeToken { id: token.token.id.clone() }]).ok();
    };
    let kb = world.vault.knowledge_base().with_gap(Arc::new(gap));
    assert_eq!(kb.search(&caller(), &asking("dues")).unwrap_err().code, ErrorCode::Unauthenticated);
    let dana = world.caller("dana");
    let disable = DirectoryChange::SetDisabled { handle: "dana".into(), disabled: true };
    world.vault.change_directory(&by(), &[disable]).unwrap();
    let error = world.vault.knowledge_base().fetch(&dana, &fetching("kd_x")).unwrap_err();
    assert_eq!(error.code, ErrorCode::Unauthenticated);
}

#[test]
fn a_window_ends_when_it_says() {
    let world = world(&[]);
    let until = Some(Timestamp(1_790_000_000_000 + 1000));
    world.ingest(HANDBOOK, Window { from: None, until });
    assert_eq!(world.search("omar", "harbor dues")["results"].as_array().unwrap().len(), 2);
    world.clock.0.store(999, Ordering::Relaxed);
    assert_eq!(world.search("omar", "harbor dues")["results"].as_array().unwrap().len(), 2);
    world.clock.0.store(1000, Ordering::Relaxed);
    let after = world.search("omar", "harbor dues");
    assert_eq!(after["results"].as_array().unwrap().len(), 0);
    assert!(after["notice"].as_str().unwrap().starts_with("0 passages."));
}

#[test]
fn a_window_that_closes_between_record_and_release_gives_no_answer_of_before() {
    let world = world(&[]);
    let until = Some(Timestamp(1_790_000_000_000 + 1000));
    world.ingest(HANDBOOK, Window { from: None, until });
    let clock = Arc::clone(&world.clock);
    let gap = Arc::new(move || clock.0.store(1000, Ordering::Relaxed));
    let kb = world.vault.knowledge_base().with_gap(gap);
    let answer = json(kb.search(&world.caller("omar"), &asking("harbor dues")).unwrap());
    assert_eq!(answer["results"].as_array().unwrap().len(), 0);
    let withdrawn = world.log().iter().filter(|r| r["kind"] == "withdrawn").count();
    assert_eq!(withdrawn, 1);
}

#[test]
fn a_token_that_ends_between_record_and_release_ends_the_answer() {
    let world = world(HANDBOOK);
    let token = world.vault.create_token(&by(), "omar", None, "laptop", Duration::from_secs(3600)).unwrap();
    let subject = world.vault.token_subject(&token.secret).unwrap();
    let tenant = TenantId::new("harbor").unwrap();
    let caller =
        Caller::authenticated(tenant, Subject::User(subject.user), None, Credential::Token(subject.hash));
    let clock = Arc::clone(&world.clock);
    let kb = world.vault.knowledge_base().with_gap(Arc::new(move || {
        clock.0.store(3_600_000, Ordering::Relaxed);
    }));
    assert_eq!(kb.search(&caller, &asking("dues")).unwrap_err().code, ErrorCode::Unauthenticated);
}
