//! Backups and restores: what comes back, what stays away, and what is refused. Whoever could not see something after a
//! narrowing never sees it after a restore.

use super::*;
use crate::backup::{LedgerGiven, Restore, Restored, restore};
use crate::keys::KeyMaterial;
use std::fs;
use std::path::PathBuf;

/// A vault in a folder, and what is made of it beside that.
struct Yard {
    dir: tempfile::TempDir,
}

impl Yard {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self, name: &str) -> Arc<Vault> {
        open(&self.path(name))
    }

    fn backup(&self, vault: &Vault, name: &str) -> PathBuf {
        let made = vault.backup(&by(), &self.path(name), name).unwrap();
        assert_eq!(made.folder, self.path(name));
        made.folder
    }

    fn restore_with(&self, backup: &Path, to: &str, ledger: LedgerGiven) -> Result<Restored, VaultError> {
        restore(Restore {
            backup: backup.to_owned(),
            keys: KeyMaterial::read(&self.path("data/keys")).unwrap(),
            ledger,
            open: options(&self.path(to), Some(hashing(32))),
            by: by(),
        })
    }

    /// With the ledger as it is now.
    fn restore(&self, backup: &Path, to: &str) -> (Restored, Arc<Vault>) {
        let ledger = LedgerGiven::File(self.path("data/keys/rights.ledger"));
        let restored = self.restore_with(backup, to, ledger).unwrap();
        (restored, self.open(to))
    }
}

fn change(vault: &Vault, change: DirectoryChange) {
    vault.change_directory(&by(), &[change]).unwrap();
}

fn join(vault: &Vault, group: &str, member: &str) {
    change(vault, DirectoryChange::AddMember { group: group.into(), member: member.into() });
}

/// Dana is staff and finance, Ben is staff; folders `a` of staff, `b` of finance, `c` of everyone.
fn filled(vault: &Arc<Vault>) {
    people(vault, &["dana", "ben"]);
    for group in ["staff", "finance"] {
        change(vault, DirectoryChange::AddGroup { handle: group.into() });
        join(vault, group, "user:dana");
    }
    join(vault, "staff", "user:ben");
    let mut run = run_under(vault, FOLDERS);
    for (path, container, text) in FILES {
        run.put(document(path, container, text)).unwrap();
    }
    run.finish().unwrap();
}

const FOLDERS: &[(&str, &[&str])] =
    &[("a", &["group:staff"]), ("b", &["group:finance"]), ("c", &["everyone"])];
const FILES: &[(&str, &str, &str)] = &[
    ("a/one.txt", "a", "berth number1\nand more\n"),
    ("a/two.txt", "a", "berth number2\n"),
    ("b/pay.txt", "b", "salary number3\n"),
    ("c/open.txt", "c", "notice number4\n"),
];

/// A run that finds everything as it was, under other rights.
fn again(vault: &Arc<Vault>, folders: &[(&str, &[&str])]) {
    let mut run = run_under(vault, folders);
    for id in run.known_ids() {
        let container = run.known(&id).unwrap().container.clone();
        run.unchanged(&id, &container, Timestamp(5)).unwrap();
    }
    run.finish().unwrap();
}

const ALL: &[&str] = &["a/one.txt", "a/two.txt", "b/pay.txt", "c/open.txt"];

#[test]
fn what_is_restored_is_the_moment_of_the_backup() {
    let yard = Yard::new();
    let vault = yard.open("data");
    filled(&vault);
    let (secret, other) = (create(&vault, "dana"), create(&vault, "ben"));
    let backup = yard.backup(&vault, "backup");
    // More comes, and something changes: none of it is of that moment.
    let mut run = run_under(&vault, FOLDERS);
    for id in run.known_ids() {
        let container = run.known(&id).unwrap().container.clone();
        run.unchanged(&id, &container, Timestamp(5)).unwrap();
    }
    run.put(document("c/open.txt", "c", "another number5\n")).unwrap();
    run.put(document("c/new.txt", "c", "new number6\n")).unwrap();
    run.finish().unwrap();
    let records = vault.stats().unwrap().audit_records;

    let (restored, copy) = yard.restore(&backup, "copy");
    assert_eq!((restored.counts.documents, restored.counts.texts), (4, 4));
    assert_eq!(restored.narrowed, crate::backup::Hidden::default());
    assert_eq!(sees(&copy, "dana"), paths(ALL));
    assert_eq!(sees(&copy, "ben"), paths(&["a/one.txt", "a/two.txt", "c/open.txt"]));
    assert_eq!(text_of(&copy.core, "c/open.txt").unwrap(), "notice number4\n");
    assert_eq!(finds(&copy, "number4"), paths(&["c/open.txt"]));
    assert_eq!(finds(&copy, "number6"), paths(&[]));
    assert_eq!(copy.engines.lock().vector_count(), 5, "vectors come along: nothing is embedded anew");
    assert!(copy.token_subject(&secret).is_some() && copy.token_subject(&other).is_some());
    // The log goes on where it was; the record of the restore is in it.
    let verified = crate::audit::verify(&yard.path("copy/audit"), &copy.core.tenant).unwrap();
    assert!(verified.records > restored.counts.audit_records && restored.counts.audit_records < records + 3);
    let log = fs::read_to_string(yard.path("copy/audit/log.jsonl")).unwrap();
    assert!(log.contains("\"act\":\"backup\"") && log.contains("\"act\":\"restored\""), "{log}");
    // It goes on like any other.
    again(&copy, FOLDERS);
    assert_eq!(sees(&copy, "dana"), paths(ALL));
}

fn create(vault: &Vault, handle: &str) -> String {
    vault.create_token(&by(), handle, None, "t", Duration::from_secs(3600)).unwrap().secret
}

#[test]
fn what_was_taken_away_since_stays_away() {
    let yard = Yard::new();
    let vault = yard.open("data");
    filled(&vault);
    people(&vault, &["cleo", "eve"]);
    join(&vault, "staff", "user:cleo");
    let (revoked, kept, eves) = (create(&vault, "dana"), create(&vault, "dana"), create(&vault, "eve"));
    let backup = yard.backup(&vault, "backup");

    change(&vault, DirectoryChange::RemoveMember { group: "finance".into(), member: "user:dana".into() });
    change(&vault, DirectoryChange::SetDisabled { handle: "ben".into(), disabled: true });
    change(&vault, DirectoryChange::RemoveUser { handle: "eve".into() });
    let id = vault.tokens().unwrap().into_iter().find(|t| {
        vault.token_subject(&revoked).is_some_and(|s| data_encoding::HEXLOWER.encode(&s.hash[..6]) == t.id)
    });
    change(&vault, DirectoryChange::RevokeToken { id: id.unwrap().id });
    // Folder c becomes finance's, a/two.txt goes.
    let mut run =
        run_under(&vault, &[("a", &["group:staff"]), ("b", &["group:finance"]), ("c", &["group:finance"])]);
    for (path, container, _) in FILES.iter().filter(|(path, ..)| *path != "a/two.txt") {
        run.unchanged(path, container, Timestamp(5)).unwrap();
    }
    run.finish().unwrap();

    let (restored, copy) = yard.restore(&backup, "copy");
    let n = restored.narrowed;
    assert_eq!((n.documents, n.removed, n.people, n.memberships, n.tokens), (1, 1, 2, 1, 2), "{n:?}");
    assert_eq!(sees(&copy, "dana"), paths(&["a/one.txt"]));
    assert_eq!(sees(&copy, "cleo"), paths(&["a/one.txt"]));
    assert_eq!(sees(&copy, "ben"), paths(&[]));
    assert_eq!(finds(&copy, "number2"), paths(&[]), "what was deleted is in no engine");
    for gone in [&revoked, &eves] {
        assert!(copy.token_subject(gone).is_none());
    }
    assert!(copy.token_subject(&kept).is_some());
    // Nothing but the next run of the source brings the hidden back, under the rights that it has read.
    change(
        &copy,
        DirectoryChange::AddUser {
            handle: "fay".into(),
            name: "Fay".into(),
            clearance: Clearance::default(),
        },
    );
    drop(copy);
    let copy = yard.open("copy");
    assert_eq!(sees(&copy, "fay"), paths(&[]));
    again(&copy, &[("a", &["group:staff"]), ("b", &["group:finance"]), ("c", &["user:fay"])]);
    assert_eq!(sees(&copy, "fay"), paths(&["c/open.txt"]));
    assert_eq!(sees(&copy, "dana"), paths(&["a/one.txt"]));
}

#[test]
fn a_link_to_an_issuers_subject_that_went_does_not_come_back() {
    use crate::directory::Identity;
    let yard = Yard::new();
    let vault = yard.open("data");
    filled(&vault);
    let identity =
        |subject: &str| Identity { issuer: "https://login.example".into(), subject: subject.into() };
    let link = |handle: &str, subject: &str| {
        change(&vault, DirectoryChange::Link { handle: handle.into(), identity: identity(subject) });
    };
    let unlink = |handle: &str, subject: &str| {
        change(&vault, DirectoryChange::Unlink { handle: handle.into(), identity: identity(subject) });
    };
    for (handle, subject) in [("dana", "stays"), ("dana", "goes"), ("dana", "moves")] {
        link(handle, subject);
    }
    let backup = yard.backup(&vault, "backup");
    unlink("dana", "goes");
    unlink("dana", "moves");
    link("ben", "moves");
    link("ben", "new");
    let (restored, copy) = yard.restore(&backup, "copy");
    assert_eq!(restored.narrowed.links, 2);
    let who =
        |vault: &Vault, subject: &str| vault.linked("https://login.example", subject).map(|user| user.handle);
    assert_eq!(who(&copy, "stays").as_deref(), Some("dana"));
    for gone in ["goes", "moves", "new"] {
        assert_eq!(who(&copy, gone), None, "{gone}");
    }
    let ledger = std::fs::read_to_string(yard.path("data/keys/rights.ledger")).unwrap();
    assert!(!ledger.contains("login.example") && !ledger.contains("moves"), "it holds no subject of anybody");
    // Without a ledger nothing is known, and no link is left.
    yard.restore_with(&backup, "bare", LedgerGiven::Nothing).unwrap();
    let bare = yard.open("bare");
    change(&bare, DirectoryChange::SetDisabled { handle: "dana".into(), disabled: false });
    assert_eq!(who(&bare, "stays"), None);
}

#[test]
fn a_membership_that_a_deny_hangs_on_comes_along() {
    let yard = Yard::new();
    let vault = yard.open("data");
    people(&vault, &["dana"]);
    change(&vault, DirectoryChange::AddGroup { handle: "contractors".into() });
    let run = run_denying(&vault);
    run.finish().unwrap();
    assert_eq!(sees(&vault, "dana"), paths(&["a/one.txt"]));
    let backup = yard.backup(&vault, "backup");
    join(&vault, "contractors", "user:dana");
    assert_eq!(sees(&vault, "dana"), paths(&[]));
    let (_, copy) = yard.restore(&backup, "copy");
    assert_eq!(sees(&copy, "dana"), paths(&[]));
}

/// The backup has the text before it was redacted: whoever was let in after that never sees it.
#[test]
fn whoever_was_let_in_since_does_not_get_what_the_backup_still_holds() {
    for freed in [false, true] {
        let yard = Yard::new();
        let vault = yard.open("data");
        people(&vault, &["dana", "ben"]);
        for group in ["contractors", "outer"] {
            change(&vault, DirectoryChange::AddGroup { handle: group.into() });
        }
        join(&vault, "outer", "group:contractors");
        if freed {
            join(&vault, "contractors", "user:dana");
            run_denying(&vault).finish().unwrap();
        } else {
            let mut run = run_under(&vault, &[("a", &["group:outer"])]);
            run.put(document("a/one.txt", "a", "berth number1\n")).unwrap();
            run.finish().unwrap();
        }
        assert_eq!(sees(&vault, "dana"), paths(&[]), "{freed}");
        let backup = yard.backup(&vault, "backup");
        let (group, member) = ("contractors".into(), "user:dana".into());
        change(
            &vault,
            match freed {
                true => DirectoryChange::RemoveMember { group, member },
                false => DirectoryChange::AddMember { group, member },
            },
        );
        assert_eq!(sees(&vault, "dana"), paths(&["a/one.txt"]), "{freed}");
        let (_, copy) = yard.restore(&backup, "copy");
        assert_eq!(sees(&copy, "dana"), paths(&[]), "{freed}");
    }
}

fn run_denying(vault: &Arc<Vault>) -> Run {
    let mut run = vault.begin_run(&by(), source(vault)).unwrap();
    let mut spec = allow(&["everyone"]);
    let deny = RightsEntry {
        effect: Effect::Deny,
        principal: "group:contractors".into(),
        ..spec.entries[0].clone()
    };
    spec.entries.insert(0, deny);
    run.set_rights([("a".to_owned(), spec)].into()).unwrap();
    run.put(document("a/one.txt", "a", "berth number1\n")).unwrap();
    run
}

#[test]
fn a_source_that_says_otherwise_since_says_so_after_a_restore() {
    let yard = Yard::new();
    let vault = yard.open("data");
    filled(&vault);
    let backup = yard.backup(&vault, "backup");
    let narrower =
        SourceSpec { default_allow: vec!["group:finance".into()], ..spec("handbook", "/srv/handbook") };
    vault.source(&by(), narrower.clone()).unwrap();
    let (restored, copy) = yard.restore(&backup, "copy");
    assert_eq!(restored.narrowed.sources, 1);
    assert_eq!(copy.sources().unwrap()[0].1, narrower);
}

#[test]
fn without_a_ledger_nothing_is_visible_before_it_was_read_anew_and_nobody_is_let_in() {
    let yard = Yard::new();
    let vault = yard.open("data");
    filled(&vault);
    let secret = create(&vault, "dana");
    let backup = yard.backup(&vault, "backup");
    let restored = yard.restore_with(&backup, "copy", LedgerGiven::Nothing).unwrap();
    assert_eq!((restored.ledger_entries, restored.narrowed.documents), (None, 4));
    let copy = yard.open("copy");
    assert!(copy.token_subject(&secret).is_none());
    assert!(copy.sources().unwrap()[0].1.default_allow.is_empty(), "who may read the rest is asked again");
    assert_eq!(sees(&copy, "dana"), paths(&[]));
    for handle in ["dana", "ben"] {
        change(&copy, DirectoryChange::SetDisabled { handle: handle.into(), disabled: false });
        assert_eq!(sees(&copy, handle), paths(&[]), "nor is anything after that");
    }
    // A run that does not get to the end of its listing lets out what it has found unchanged, and no more.
    again(&copy, FOLDERS);
    assert_eq!(sees(&copy, "dana"), paths(ALL));
    // The ledger began anew: the old backup is not reached by it.
    let ledger = LedgerGiven::File(yard.path("copy/keys/rights.ledger"));
    assert!(matches!(yard.restore_with(&backup, "third", ledger), Err(VaultError::Mismatch { .. })));
}

#[test]
fn a_backup_that_is_not_what_was_written_is_refused_and_leaves_nothing() {
    let yard = Yard::new();
    let vault = yard.open("data");
    filled(&vault);
    let backup = yard.backup(&vault, "backup");
    let ledger = || LedgerGiven::File(yard.path("data/keys/rights.ledger"));
    let files = all_files(&backup);
    assert!(files.len() > 5, "{files:?}");
    for file in &files {
        let good = fs::read(file).unwrap();
        let mut flipped = good.clone();
        let middle = good.len() / 2;
        flipped[middle] ^= 1;
        for bad in [&flipped[..], &good[..middle], &good[..good.len() - 1]] {
            fs::write(file, bad).unwrap();
            let refused = yard.restore_with(&backup, "copy", ledger());
            assert!(
                matches!(refused, Err(VaultError::Damaged { .. } | VaultError::Mismatch { .. })),
                "{}: {refused:?}",
                file.display()
            );
            assert!(!yard.path("copy").exists() && !yard.path("copy.unfinished").exists());
        }
        fs::remove_file(file).unwrap();
        assert!(yard.restore_with(&backup, "copy", ledger()).is_err(), "{}", file.display());
        fs::write(file, good).unwrap();
    }
    yard.restore_with(&backup, "copy", ledger()).unwrap();
}

/// Every file below a folder.
pub(super) fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(all_files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

#[test]
fn a_rotated_key_reads_what_it_made_and_restores_what_it_sealed() {
    let yard = Yard::new();
    let vault = yard.open("data");
    filled(&vault);
    let backup = yard.backup(&vault, "backup");
    let old = KeyMaterial::read(&yard.path("data/keys")).unwrap();
    let before: Vec<[u8; 32]> = vault.core.published.load().image.documents.values().map(|d| d.key).collect();
    for name in ["cursors", "receipts", "ledger", "cursors"] {
        let from = vault.keys().into_iter().find(|key| key.name == name).unwrap().fingerprint;
        vault.rotate_key(&by(), name, &from).unwrap();
        // Sent again because no reply came, it is done once.
        vault.rotate_key(&by(), name, &from).unwrap();
    }
    for name in ["ids", "audit", "none"] {
        assert!(matches!(vault.rotate_key(&by(), name, "x"), Err(VaultError::Name { .. })), "{name}");
    }
    change(&vault, DirectoryChange::SetDisabled { handle: "ben".into(), disabled: true });
    drop(vault);
    let vault = yard.open("data");
    let older: Vec<u64> = vault.keys().iter().map(|key| key.older).collect();
    assert_eq!(older, [0, 2, 1, 0, 1]);
    let after: Vec<[u8; 32]> = vault.core.published.load().image.documents.values().map(|d| d.key).collect();
    assert_eq!(before, after, "rotation keeps ids");
    vault.export_keys(&by(), &yard.path("keys.json")).unwrap();
    vault.export_keys(&by(), &yard.path("keys.json")).unwrap();
    assert!(vault.export_keys(&by(), &backup.join("keys.json")).is_err(), "keys and backups are kept apart");
    let ledger = || LedgerGiven::File(yard.path("data/keys/rights.ledger"));
    let restore_by = |keys: KeyMaterial, to: &str| {
        let open = options(&yard.path(to), Some(hashing(32)));
        restore(Restore { backup: backup.clone(), keys, ledger: ledger(), open, by: by() })
    };
    // Keys from before the rotation do not read the ledger since.
    assert!(matches!(restore_by(old, "old"), Err(VaultError::Damaged { .. })));
    restore_by(KeyMaterial::read(&yard.path("keys.json")).unwrap(), "copy").unwrap();
    let copy = yard.open("copy");
    assert_eq!(sees(&copy, "ben"), paths(&[]));
    assert_eq!(sees(&copy, "dana"), paths(ALL));
}

#[test]
fn a_clock_that_goes_backwards_brings_back_nothing() {
    let yard = Yard::new();
    let clock = Arc::new(TestClock::default());
    let at = |ms: i64| clock.0.store(ms, Ordering::Relaxed);
    let options =
        || OpenOptions { clock: Arc::<TestClock>::clone(&clock), ..options(&yard.path("data"), None) };
    at(0);
    let vault = Vault::open(options()).unwrap();
    people(&vault, &["dana"]);
    let secret = create(&vault, "dana");
    assert!(vault.token_subject(&secret).is_some());
    at(4_000_000);
    assert!(vault.token_subject(&secret).is_none(), "it has expired");
    at(0);
    assert!(vault.token_subject(&secret).is_none(), "and does not begin again");
    at(4_000_000);
    people(&vault, &["ben"]);
    drop(vault);
    at(0);
    let vault = Vault::open(options()).unwrap();
    assert!(vault.token_subject(&secret).is_none(), "nor after a restart");
    assert!(vault.clock.behind() > 3_000_000);
    // Unless an operator says that the clock was wrong before.
    let epoch = vault.core.rights.load().epoch;
    vault.accept_clock(&by()).unwrap();
    assert!(vault.token_subject(&secret).is_some() && vault.core.rights.load().epoch > epoch);
    drop(vault);
    at(100);
    let vault = Vault::open(options()).unwrap();
    assert!(vault.clock.behind() == 0 && vault.token_subject(&secret).is_some());
}

#[test]
fn where_the_ledger_cannot_be_written_a_narrowing_acts_and_earlier_backups_are_not_reached() {
    for restarted in [false, true] {
        let yard = Yard::new();
        let vault = yard.open("data");
        filled(&vault);
        let backup = yard.backup(&vault, "backup");
        vault.ledger.lock().fail_for_test(true);
        let disable = [DirectoryChange::SetDisabled { handle: "ben".into(), disabled: true }];
        assert!(vault.change_directory(&by(), &disable).is_err(), "it is not acknowledged");
        assert_eq!(sees(&vault, "ben"), paths(&[]), "and acts");
        // A backup would be one that no ledger can tell of.
        assert!(vault.backup(&by(), &yard.path("second"), "second").is_err());
        assert!(!yard.path("second").exists() && !yard.path("second.unfinished").exists());
        let vault = if restarted {
            drop(vault);
            yard.open("data")
        } else {
            vault.ledger.lock().fail_for_test(false);
            vault
        };
        assert_eq!(sees(&vault, "ben"), paths(&[]));
        change(&vault, DirectoryChange::RemoveMember { group: "finance".into(), member: "user:dana".into() });
        let ledger = || LedgerGiven::File(yard.path("data/keys/rights.ledger"));
        assert!(matches!(yard.restore_with(&backup, "copy", ledger()), Err(VaultError::Mismatch { .. })));
        let later = yard.backup(&vault, "later");
        yard.restore_with(&later, "copy", ledger()).unwrap();
    }
}

#[test]
fn a_backup_of_a_newer_version_is_refused() {
    let yard = Yard::new();
    let vault = yard.open("data");
    filled(&vault);
    let backup = yard.backup(&vault, "backup");
    let manifest = crate::backup::manifest_of_version(&backup, 99);
    let sealed = manifest.sealed(&vault.core.keys.ledger.current()).unwrap();
    fs::write(backup.join("manifest.json"), sealed).unwrap();
    let refused = yard.restore_with(&backup, "copy", LedgerGiven::Nothing).unwrap_err();
    assert!(refused.to_string().contains("of a newer version"), "{refused}");
    assert!(!yard.path("copy").exists());
}
