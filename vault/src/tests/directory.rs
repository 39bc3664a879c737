//! The directory: all or none, once, tokens, explanations, and what is recorded.

use super::*;
use crate::directory::{OperationId, TokenOrder, TokenSecret};
use kenward_access::ids::AgentId;

fn change(vault: &Vault, changes: &[DirectoryChange]) -> Result<(), VaultError> {
    vault.change_directory(&by(), changes)
}

fn add_group(handle: &str) -> DirectoryChange {
    DirectoryChange::AddGroup { handle: handle.into() }
}

fn add_member(group: &str, member: &str) -> DirectoryChange {
    DirectoryChange::AddMember { group: group.into(), member: member.into() }
}

#[test]
fn a_list_of_changes_is_done_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana"]);
    let wrong = [
        vec![add_group("crew"), add_member("crew", "user:nobody")],
        vec![add_group("crew"), add_group("crew")],
        vec![add_group("crew"), add_member("crew", "dana")],
        vec![
            add_group("crew"),
            DirectoryChange::RemoveMember { group: "crew".into(), member: "user:dana".into() },
        ],
        vec![add_group("crew"), add_group("with space")],
        vec![add_group("crew"), DirectoryChange::RevokeToken { id: "0123456789ab".into() }],
        vec![add_group("crew"), DirectoryChange::RemoveUser { handle: "omar".into() }],
    ];
    for changes in wrong {
        let error = change(&vault, &changes).unwrap_err();
        assert!(matches!(error, VaultError::Name { .. }), "{error}");
        assert_eq!(vault.groups().unwrap(), vec![]);
    }
    let right = [
        add_group("crew"),
        add_group("all"),
        add_member("all", "group:crew"),
        add_member("crew", "user:dana"),
    ];
    change(&vault, &right).unwrap();
    let groups = vault.groups().unwrap();
    assert_eq!(groups[0].members, vec!["group:crew"]);
    assert_eq!(groups[1].members, vec!["user:dana"]);
    assert!(groups[0].id.as_str().starts_with("g_"));
    drop(vault);
    let vault = open(dir.path());
    assert_eq!(vault.groups().unwrap(), groups);
    assert!(vault.users().unwrap()[0].id.as_str().starts_with("u_"));
}

#[test]
fn a_person_who_comes_back_is_another_person() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana"]);
    change(&vault, &[add_group("crew"), add_member("crew", "user:dana")]).unwrap();
    let first = vault.user_by_handle("dana").unwrap().id;
    let token = vault.create_token(&by(), "dana", None, "laptop", Duration::from_secs(60)).unwrap();
    change(&vault, &[DirectoryChange::RemoveUser { handle: "dana".into() }]).unwrap();
    assert!(vault.token_subject(&token.secret).is_none());
    people(&vault, &["dana"]);
    assert_ne!(vault.user_by_handle("dana").unwrap().id, first);
    assert_eq!(vault.groups().unwrap()[0].members, Vec::<String>::new());
    assert!(vault.token_subject(&token.secret).is_none());
}

#[test]
fn tokens_work_until_they_end_are_revoked_or_their_person_is_disabled() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let with = OpenOptions { clock: Arc::<TestClock>::clone(&clock), ..options(dir.path(), None) };
    let vault = Vault::open(with).unwrap();
    people(&vault, &["dana"]);
    let agent = AgentId::new("helper").unwrap();
    let make = |life| vault.create_token(&by(), "dana", Some(agent.clone()), "laptop", life).unwrap();
    let token = make(Duration::from_secs(3600));
    assert!(token.secret.starts_with("kwt_") && token.secret.len() == 47);
    let subject = vault.token_subject(&token.secret).unwrap();
    assert_eq!(subject.user, vault.user_by_handle("dana").unwrap().id);
    assert_eq!(subject.agent.as_deref(), Some("helper"));
    assert_eq!(token.token.id, data_encoding::HEXLOWER.encode(&subject.hash[..6]));
    assert!(vault.token_subject(&token.secret[4..]).is_none());
    assert!(vault.token_subject(&format!("{}x", token.secret)).is_none());

    let disable = |disabled| DirectoryChange::SetDisabled { handle: "dana".into(), disabled };
    change(&vault, &[disable(true)]).unwrap();
    assert!(vault.token_subject(&token.secret).is_none());
    assert!(vault.user_by_handle("dana").is_none());
    assert!(matches!(
        vault.create_token(&by(), "dana", None, "", Duration::from_secs(1)),
        Err(VaultError::Name { .. })
    ));
    change(&vault, &[disable(false)]).unwrap();
    assert!(vault.token_subject(&token.secret).is_some());

    change(&vault, &[DirectoryChange::RevokeToken { id: token.token.id.clone() }]).unwrap();
    assert!(vault.token_subject(&token.secret).is_none());
    assert!(vault.tokens().unwrap()[0].revoked.is_some());

    let short = make(Duration::from_secs(60));
    assert!(vault.token_subject(&short.secret).is_some());
    clock.0.fetch_add(60_000, Ordering::Relaxed);
    assert!(vault.token_subject(&short.secret).is_none());

    // The secret is nowhere in the folder.
    let live = make(Duration::from_secs(60));
    drop(vault);
    let mut files = vec![dir.path().to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let secret = live.secret.trim_start_matches("kwt_").as_bytes();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret), "in {}", path.display());
    }
}

/// The records of this kind in the audit log. Call it when the vault is closed.
fn recorded(dir: &Path, act: &str) -> usize {
    let log = std::fs::read_to_string(dir.join("audit/log.jsonl")).unwrap();
    log.lines().filter(|line| line.contains(&format!("\"{act}\""))).count()
}

#[test]
fn a_token_that_is_asked_for_again_is_the_same_token() {
    let dir = tempfile::tempdir().unwrap();
    let secret = TokenSecret::draw(&SystemEntropy);
    let order = TokenOrder {
        hash: secret.hash(),
        user: "dana".into(),
        agent: Some(AgentId::new("helper").unwrap()),
        label: "laptop".into(),
        life: Duration::from_secs(3600),
    };
    let (first, epoch) = {
        let vault = open(dir.path());
        people(&vault, &["dana", "omar"]);
        (vault.add_token(&by(), &order).unwrap(), vault.core.rights.load().epoch)
    };
    // Its owner died before the reply; the next one is asked.
    let vault = open(dir.path());
    for _ in 0..2 {
        assert_eq!(vault.add_token(&by(), &order).unwrap(), first);
    }
    assert_eq!(vault.tokens().unwrap(), std::slice::from_ref(&first));
    assert_eq!(vault.core.rights.load().epoch, epoch, "nothing has changed");
    // Under the same hash another token is nobody's retry.
    for other in [
        TokenOrder { user: "omar".into(), ..order.clone() },
        TokenOrder { agent: None, ..order.clone() },
        TokenOrder { label: "phone".into(), ..order.clone() },
        TokenOrder { life: Duration::from_secs(7200), ..order.clone() },
    ] {
        assert!(matches!(vault.add_token(&by(), &other), Err(VaultError::Name { .. })), "{other:?}");
    }
    // What was revoked meanwhile stays revoked, and the answer says so.
    change(&vault, &[DirectoryChange::RevokeToken { id: first.id.clone() }]).unwrap();
    assert!(vault.add_token(&by(), &order).unwrap().revoked.is_some());
    let text = secret.into_text();
    assert!(vault.token_subject(&text).is_none());
    assert_eq!(vault.tokens().unwrap().len(), 1);
    drop(vault);
    assert_eq!(recorded(dir.path(), "token_made"), 1);
}

#[test]
fn a_secret_is_never_printed() {
    let secret = TokenSecret::draw(&SystemEntropy);
    let shown = format!("{secret:?}");
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana"]);
    let token = vault.create_token(&by(), "dana", None, "laptop", Duration::from_secs(60)).unwrap();
    assert!(!format!("{token:?}").contains(&token.secret[4..]), "{token:?}");
    assert!(!shown.contains(&secret.into_text()[4..]), "{shown}");
}

#[test]
fn a_change_that_is_asked_for_again_is_done_once() {
    let dir = tempfile::tempdir().unwrap();
    let add = |handle: &str| DirectoryChange::AddUser {
        handle: handle.into(),
        name: handle.into(),
        clearance: Clearance::default(),
    };
    let (first, second) = (OperationId::draw(&SystemEntropy), OperationId::draw(&SystemEntropy));
    {
        let vault = open(dir.path());
        vault.change_directory_once(&by(), &first, &[add("dana")]).unwrap();
    }
    let vault = open(dir.path());
    let id = vault.user_by_handle("dana").unwrap().id;
    vault.change_directory_once(&by(), &first, &[add("dana")]).unwrap();
    // Under another name it is another wish, and fails as it should; what failed is not done.
    assert!(matches!(
        vault.change_directory_once(&by(), &second, &[add("dana")]),
        Err(VaultError::Name { .. })
    ));
    vault
        .change_directory_once(&by(), &second, &[DirectoryChange::RemoveUser { handle: "dana".into() }])
        .unwrap();
    // Late, and out of order: a removed person does not come back.
    vault.change_directory_once(&by(), &first, &[add("dana")]).unwrap();
    vault
        .change_directory_once(&by(), &second, &[DirectoryChange::RemoveUser { handle: "dana".into() }])
        .unwrap();
    assert!(vault.user_by_handle("dana").is_none());
    people(&vault, &["dana"]);
    assert_ne!(vault.user_by_handle("dana").unwrap().id, id);
    // The names do not pile up, and the last ones are remembered.
    for n in 0..300 {
        vault
            .change_directory_once(&by(), &OperationId::draw(&SystemEntropy), &[add_group(&format!("g{n}"))])
            .unwrap();
    }
    let last = OperationId::draw(&SystemEntropy);
    vault.change_directory_once(&by(), &last, &[add_group("last")]).unwrap();
    vault.change_directory_once(&by(), &last, &[add_group("last")]).unwrap();
    let noted = vault.catalog.lock().transaction("test", |tx| tx.meta("operations")).unwrap().unwrap();
    assert!(noted.len() < 256 * 36, "{}", noted.len());
}

#[test]
fn why_says_the_same_as_the_decision_and_where_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana", "omar"]);
    let groups = [
        add_group("crew"),
        add_group("all"),
        add_member("all", "group:crew"),
        add_member("crew", "user:dana"),
    ];
    change(&vault, &groups).unwrap();
    let mut run = run_under(&vault, &[(".", &["group:all"])]);
    run.put(document("hr/a.txt", ".", "text\n")).unwrap();
    run.finish().unwrap();
    // Its record is durable, and so behind the run's notes, which nobody waited for.
    let why = vault.why(&by(), "dana", "handbook/hr/a.txt").unwrap();
    let before = vault.stats().unwrap().audit_records;
    assert!(why.allowed);
    assert_eq!(why.steps.len(), 1);
    assert_eq!(why.steps[0].origin.as_deref(), Some(".access.toml:1"));
    assert_eq!(why.steps[0].chain, vec!["group:crew", "group:all"]);
    assert!(why.steps[0].because.contains("group:all"), "{}", why.steps[0].because);
    assert_eq!(vault.why(&by(), "dana", &why.document).unwrap().path, "hr/a.txt");
    assert!(!vault.why(&by(), "omar", &why.document).unwrap().allowed);
    assert_eq!(vault.stats().unwrap().audit_records, before + 2, "each reading is recorded");
    let disable = DirectoryChange::SetDisabled { handle: "dana".into(), disabled: true };
    change(&vault, &[disable]).unwrap();
    let why = vault.why(&by(), "dana", "handbook/hr/a.txt").unwrap();
    assert!(!why.allowed && !why.steps[0].allows);
    for (who, what) in [("nobody", "handbook/hr/a.txt"), ("dana", "handbook/none"), ("dana", "kd_none")] {
        assert!(matches!(vault.why(&by(), who, what), Err(VaultError::Name { .. })));
    }
}

#[test]
fn a_subject_is_one_person_by_a_link_alone_and_a_link_is_all_or_none() {
    use crate::directory::Identity;
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana", "omar"]);
    let issuer = "https://login.harbor.example";
    let identity = |issuer: &str, subject: &str| Identity { issuer: issuer.into(), subject: subject.into() };
    let link = |handle: &str, identity: Identity| DirectoryChange::Link { handle: handle.into(), identity };
    let unlink =
        |handle: &str, identity: Identity| DirectoryChange::Unlink { handle: handle.into(), identity };
    change(&vault, &[link("dana", identity(issuer, "7")), link("omar", identity(issuer, "8"))]).unwrap();
    let who = |issuer: &str, subject: &str| vault.linked(issuer, subject).map(|user| user.handle);
    assert_eq!(who(issuer, "7").as_deref(), Some("dana"));
    for (issuer, subject) in [
        (issuer, "9"),
        (issuer, "7 "),
        (issuer, ""),
        ("https://login.harbor.example/", "7"),
        ("", "7"),
        (issuer, "dana"),
    ] {
        assert_eq!(who(issuer, subject), None, "{issuer} {subject}");
    }
    for wrong in [
        link("dana", identity(issuer, "7")),
        link("omar", identity(issuer, "7")),
        link("nobody", identity(issuer, "9")),
        link("dana", identity(issuer, "")),
        link("dana", identity(issuer, &"s".repeat(256))),
        link("dana", identity("", "9")),
        link("dana", identity("https://a b", "9")),
        unlink("dana", identity(issuer, "8")),
        unlink("dana", identity(issuer, "9")),
    ] {
        let both = [link("dana", identity("https://other.example", "7")), wrong.clone()];
        assert!(matches!(change(&vault, &both), Err(VaultError::Name { .. })), "{wrong:?}");
        assert_eq!(who("https://other.example", "7"), None, "all or none");
    }
    change(&vault, &[DirectoryChange::SetDisabled { handle: "omar".into(), disabled: true }]).unwrap();
    assert_eq!(who(issuer, "8"), None);
    change(&vault, &[DirectoryChange::RemoveUser { handle: "omar".into() }]).unwrap();
    // It may pass to somebody else in one go.
    change(&vault, &[unlink("dana", identity(issuer, "7")), link("dana", identity(issuer, "8"))]).unwrap();
    drop(vault);
    let vault = open(dir.path());
    assert_eq!(vault.users().unwrap()[0].identities, [identity(issuer, "8")]);
    assert!(vault.linked(issuer, "7").is_none() && vault.linked(issuer, "8").is_some());
}
