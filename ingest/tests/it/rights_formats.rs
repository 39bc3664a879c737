//! Rights in files of other systems, and in the file system itself, from the tree to the vault's decision.

use crate::world::{World, by};
use kenward_access::acl::Clearance;
use kenward_ingest::pipeline::plan::plan;
use kenward_vault::directory::DirectoryChange;
use kenward_vault::writer::{RightsFormat, SourceIdentity, SourceRights};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

/// `ann` and `bob`, the group `staff` with `ann` in it, and a source with rights of this format.
fn world(format: RightsFormat) -> World {
    let mut world = World::with(None, &[]);
    world.spec.rights = SourceRights { format, ..SourceRights::default() };
    world
}

fn add(handle: &str) -> DirectoryChange {
    let (handle, name) = (handle.to_owned(), handle.to_owned());
    DirectoryChange::AddUser { handle, name, clearance: Clearance::default() }
}

/// Whether ann and bob may read it.
fn both(world: &World, path: &str) -> (bool, bool) {
    (world.may("ann", path).unwrap(), world.may("bob", path).unwrap())
}

#[test]
fn owners_are_readers_and_whom_the_directory_does_not_know_is_nobody() {
    let world = world(RightsFormat::Owners);
    world.write("OWNERS", "approvers:\n- Leads\n");
    world.write("OWNERS_ALIASES", "aliases:\n  leads:\n  - Ann\n  - zoe\n");
    world.write("top.md", "top");
    world.write("a/OWNERS", "reviewers: [\"@BOB\", vera]\nemeritus_approvers: [zoe]\n");
    world.write("a/page.md", "page");
    world.write(
        "a/b/OWNERS",
        "options:\n  no_parent_owners: true\nfilters:\n  'plan\\.md$':\n    approvers: [bob]\n",
    );
    world.write("a/b/plan.md", "plan");
    world.write("a/b/else.md", "else");
    world.write("a/owners", "approvers: [bob]\n");
    let report = world.ingest().unwrap();
    // The rights files are no documents, and nothing was asked for a default.
    assert_eq!((report.summary.added, report.summary.failed), (4, 0), "{report:?}");
    assert_eq!(both(&world, "top.md"), (true, false));
    assert_eq!(both(&world, "a/page.md"), (true, true));
    assert_eq!(both(&world, "a/b/plan.md"), (false, true));
    assert_eq!(both(&world, "a/b/else.md"), (false, false));
    assert_eq!(report.rights_not_read, ["a/owners"]);
    let fidelity = &report.fidelity;
    assert!(fidelity.is_exact() && fidelity.format == RightsFormat::Owners, "{fidelity:?}");
    let names: Vec<&str> = fidelity.unmapped_first.iter().map(|one| one.name.as_str()).collect();
    assert_eq!((fidelity.unmapped, names), (2, vec!["user:vera", "user:zoe"]));
    assert_eq!(fidelity.unmapped_first[0].place, "a/OWNERS:1");
    assert_eq!(fidelity.nobodys, 1);

    let why = world.vault.why(&by(), "ann", "handbook/top.md").unwrap();
    let origin = why.steps[0].origin.as_deref();
    assert_eq!(origin, Some("OWNERS:2, alias `leads`, OWNERS_ALIASES:3"), "{why:?}");

    // The directory comes to know somebody under the name that the file has: without another run.
    world.vault.change_directory(&by(), &[add("Vera")]).unwrap();
    assert_eq!((world.may("Vera", "a/page.md"), world.may("Vera", "top.md")), (Some(true), Some(false)));
    // Two whose handles differ in nothing but case: which of them is meant, nobody knows.
    world.vault.change_directory(&by(), &[add("VERA")]).unwrap();
    assert_eq!((world.may("Vera", "a/page.md"), world.may("VERA", "a/page.md")), (Some(false), Some(false)));
    world.vault.change_directory(&by(), &[DirectoryChange::RemoveUser { handle: "Vera".into() }]).unwrap();
    assert_eq!(world.may("VERA", "a/page.md"), Some(true));
}

#[test]
fn owners_that_cannot_be_read_hide_what_they_govern_and_say_where() {
    let world = world(RightsFormat::Owners);
    world.write("OWNERS", "approvers: [ann]\n");
    world.write("open.md", "x");
    let broken: [(&str, Vec<u8>); 6] = [
        ("typo", b"aprovers:\n- bob\n".to_vec()),
        ("yaml", b"approvers: [ann\n".to_vec()),
        ("pattern", b"filters:\n  '(':\n    approvers: [bob]\n".to_vec()),
        ("bytes", b"approvers: [\xff]\n".to_vec()),
        ("long", [b"approvers: [ann]\n".to_vec(), b"# and on\n".repeat(1_200_000)].concat()),
        ("bomb", b"a: &a [x]\nb: &b [*a,*a]\napprovers: [*b,*b]\n".to_vec()),
    ];
    for (folder, bytes) in &broken {
        world.write(&format!("{folder}/OWNERS"), bytes);
        world.write(&format!("{folder}/deep/x.md"), "x");
    }
    world.write("link/x.md", "x");
    symlink(world.root.join("OWNERS"), world.root.join("link/OWNERS")).unwrap();
    fs::create_dir_all(world.root.join("folder/OWNERS")).unwrap();
    world.write("folder/x.md", "x");
    let report = world.ingest().unwrap();
    assert_eq!(both(&world, "open.md"), (true, false));
    for (folder, _) in &broken {
        assert_eq!(both(&world, &format!("{folder}/deep/x.md")), (false, false), "{folder}");
        assert!(
            report.rights_problems.iter().any(|(place, _)| place.starts_with(&format!("{folder}/OWNERS"))),
            "{folder}: {:?}",
            report.rights_problems
        );
    }
    assert_eq!((both(&world, "link/x.md"), both(&world, "folder/x.md")), ((false, false), (false, false)));
    assert!(report.rights_problems.iter().any(|(place, _)| place == "typo/OWNERS:1"), "{report:?}");
    let refused = report.fidelity.constructs.iter().find(|one| one.name == "OWNERS file").unwrap();
    assert_eq!((refused.refused, report.fidelity.is_exact()), (8, false));

    // Aliases that name each other end, and stand for nobody; one that cannot be read hides everything.
    world.write("OWNERS", "approvers: [a, ann]\n");
    world.write("OWNERS_ALIASES", "aliases:\n  a: [b]\n  b: [a, bob]\n");
    let report = world.ingest().unwrap();
    assert_eq!(both(&world, "open.md"), (true, false));
    assert!(
        report.fidelity.inexact.iter().any(|one| !one.refused && one.place.starts_with("OWNERS_ALIASES:"))
    );
    world.write("OWNERS_ALIASES", "alias:\n  a: [ann]\n");
    world.ingest().unwrap();
    assert_eq!(both(&world, "open.md"), (false, false));
}

#[test]
fn an_owners_file_that_went_takes_its_readers_with_it() {
    let mut world = world(RightsFormat::Owners);
    world.write("a/OWNERS", "approvers: [ann]\n");
    world.write("a/x.md", "x");
    world.ingest().unwrap();
    assert_eq!(both(&world, "a/x.md"), (true, false));
    world.remove("a/OWNERS");
    let report = world.ingest().unwrap();
    assert_eq!((both(&world, "a/x.md"), report.fidelity.nobodys), ((false, false), 1));
    // Where nothing speaks, the default that somebody gave does.
    world.spec.default_allow = vec!["user:bob".into()];
    world.ingest().unwrap();
    assert_eq!(both(&world, "a/x.md"), (false, true));
}

#[test]
fn another_format_is_a_change_of_everybodys_rights() {
    let mut world = World::new();
    world.write(".access.toml", "allow = ['user:ann']\n");
    world.write("OWNERS", "approvers: [bob]\n");
    world.write("x.md", "x");
    world.ingest().unwrap();
    assert_eq!(both(&world, "x.md"), (true, false));
    // Under `.access.toml` it was a document like others.
    assert!(world.may("ann", "OWNERS").is_some());

    let owners = SourceRights { format: RightsFormat::Owners, ..SourceRights::default() };
    let before = world.spec.clone();
    world.spec.rights = owners;
    let planned = plan(&world.vault, &by(), Some(0), &world.spec, &world.options).unwrap();
    assert_eq!(planned.view.gains.keys().collect::<Vec<_>>(), ["user:bob"], "{:?}", planned.view);
    assert_eq!(planned.view.losses.keys().collect::<Vec<_>>(), ["user:ann"], "{:?}", planned.view);
    assert_eq!(planned.fidelity.format, RightsFormat::Owners);
    assert_eq!(both(&world, "x.md"), (true, false));
    let report = world.ingest().unwrap();
    assert_eq!(both(&world, "x.md"), (false, true));
    assert_eq!((world.may("ann", "OWNERS"), report.summary.removed), (None, 1));
    assert_eq!(report.rights_not_read, [".access.toml"]);

    world.spec = before;
    world.ingest().unwrap();
    assert_eq!(both(&world, "x.md"), (true, false));
}

#[test]
fn the_last_line_of_codeowners_decides_and_without_the_file_nobody_reads() {
    let mut world = world(RightsFormat::Codeowners);
    world.write("x.md", "x");
    world.write("docs/y.md", "y");
    world.write("docs/pay/z.md", "z");
    world.write("docs/pay/none.md", "z");
    world.write("other/w.md", "w");
    world.write("other/v.md", "v");
    let report = world.ingest().unwrap();
    assert_eq!(report.summary.hidden_for_unresolved_rights, 6);
    assert!(report.rights_problems.iter().any(|(_, what)| what.contains("there is no CODEOWNERS")));

    let lines = "*.md @ann\r\n/docs/ @harbor/Staff @nobody-known\r\ndocs/pay/ Bob@harbor.example\r\n\
                 docs/pay/none.md\r\n!other/v.md @bob\r\n";
    world.write(".github/CODEOWNERS", lines);
    world.write("CODEOWNERS", "* @bob\n");
    let names = [("harbor/staff", "group:staff"), ("bob@harbor.example", "user:bob")];
    world.spec.rights.identity.names =
        names.into_iter().map(|(name, principal)| (name.to_owned(), principal.to_owned())).collect();
    let report = world.ingest().unwrap();
    assert_eq!(both(&world, "x.md"), (true, false));
    assert_eq!(both(&world, "docs/y.md"), (true, false));
    assert_eq!(both(&world, "docs/pay/z.md"), (false, true));
    assert_eq!(both(&world, "docs/pay/none.md"), (false, false));
    assert_eq!(both(&world, "other/w.md"), (true, false));
    assert_eq!(both(&world, "other/v.md"), (false, false));
    assert!(report.rights_problems.iter().any(|(place, _)| place == ".github/CODEOWNERS:5"), "{report:?}");
    assert_eq!((report.fidelity.unmapped, report.fidelity.nobodys), (1, 1), "{:?}", report.fidelity);
    assert_eq!(world.may("ann", "CODEOWNERS"), None);
    let why = world.vault.why(&by(), "bob", "handbook/docs/pay/z.md").unwrap();
    assert_eq!(why.steps[0].origin.as_deref(), Some(".github/CODEOWNERS:3"));

    // It went: the next place is read, and decides otherwise; without any, nobody reads.
    world.remove(".github/CODEOWNERS");
    world.ingest().unwrap();
    assert_eq!(both(&world, "x.md"), (false, true));
    world.remove("CODEOWNERS");
    world.ingest().unwrap();
    assert_eq!(both(&world, "x.md"), (false, false));
}

#[test]
fn modes_decide_with_every_folder_on_the_way_for_those_on_the_list() {
    let mut world = world(RightsFormat::Posix);
    let mode = |path: &str, mode: u32| {
        fs::set_permissions(world.root.join(path), Permissions::from_mode(mode)).unwrap();
    };
    for path in ["own.md", "group.md", "all.md", "shut/all.md", "odd.md"] {
        world.write(path, "x");
    }
    for (path, bits) in
        [("", 0o755), ("shut", 0o700), ("own.md", 0o600), ("group.md", 0o640), ("odd.md", 0o604)]
    {
        mode(path, bits);
    }
    mode("all.md", 0o644);
    mode("shut/all.md", 0o644);
    let list = world.root.parent().unwrap().join("names.toml");
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    world.spec.rights.identity =
        SourceIdentity { file: Some(list.to_str().unwrap().into()), ..Default::default() };
    // The list is not there yet: nothing is guessed.
    let report = world.ingest().unwrap();
    assert_eq!(report.summary.hidden_for_unresolved_rights, 5, "{report:?}");

    fs::write(
        &list,
        format!("other = 'everyone'\n[uid]\n{uid} = 'user:bob'\n[gid]\n{gid} = 'group:staff'\n"),
    )
    .unwrap();
    let report = world.ingest().unwrap();
    for (path, seen) in [
        ("own.md", (false, true)),
        ("group.md", (true, true)),
        ("all.md", (true, true)),
        ("shut/all.md", (false, true)),
        // Who is in the group is refused, whatever others may.
        ("odd.md", (false, true)),
    ] {
        assert_eq!(both(&world, path), seen, "{path}");
    }
    assert!(report.fidelity.is_exact(), "{:?}", report.fidelity);
    let why = world.vault.why(&by(), "ann", "handbook/shut/all.md").unwrap();
    let origin = why.steps.last().unwrap().origin.clone().unwrap();
    assert_eq!(origin, format!("shut: rwx------ uid {uid} gid {gid}"), "{why:?}");

    // Whoever is not on the list is nobody; a refusal of somebody who is not on it may mean anybody.
    fs::write(&list, format!("other = 'everyone'\n[uid]\n{uid} = 'user:bob'\n")).unwrap();
    let report = world.ingest().unwrap();
    assert_eq!((both(&world, "group.md"), both(&world, "odd.md")), ((false, true), (false, true)));
    assert_eq!(both(&world, "all.md"), (true, true));
    assert_eq!(report.fidelity.unmapped_first[0].name, format!("unmapped:gid.{gid}"));
    fs::write(&list, format!("[uid]\n{uid} = 'user:bob'\n")).unwrap();
    world.ingest().unwrap();
    assert_eq!(both(&world, "all.md"), (false, true));

    // A folder that shuts takes all below it away at the next run.
    fs::set_permissions(world.root.join("shut"), Permissions::from_mode(0o600)).unwrap();
    if rustix::process::getuid().is_root() {
        world.ingest().unwrap();
        assert_eq!(both(&world, "shut/all.md"), (false, false));
    }
}

/// What stands at a place of a rights file, or on the way to it, and is no file that can be read.
fn cannot_be_read(world: &World, path: &str, what: &str) {
    let place = world.root.join(path);
    match what {
        "link" => {
            world.write("kept/away", "nothing");
            symlink(world.root.join("kept"), place).unwrap();
        }
        "nowhere" => symlink("/nonexistent", place).unwrap(),
        "folder" => fs::create_dir_all(place).unwrap(),
        "pipe" => rustix::fs::mknodat(
            rustix::fs::CWD,
            &place,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_rights_file_that_may_be_there_and_cannot_be_read_hides() {
    let (owners, codeowners) = (RightsFormat::Owners, RightsFormat::Codeowners);
    for (format, path, whats) in [
        (codeowners, ".github", "link nowhere pipe"),
        (codeowners, ".github/CODEOWNERS", "link nowhere folder pipe"),
        (owners, "OWNERS_ALIASES", "link nowhere folder pipe"),
        (owners, "a/OWNERS", "link nowhere folder pipe"),
        (RightsFormat::AccessToml, "a/.access.toml", "link nowhere folder pipe"),
        (RightsFormat::AccessToml, ".access.toml", "link nowhere folder pipe"),
    ] {
        for what in whats.split(' ') {
            let mut world = world(format);
            world.spec.default_allow = vec!["everyone".into()];
            world.write("a/x.md", "x");
            world.write("CODEOWNERS", "* @ann @bob\n");
            world.write("docs/CODEOWNERS", "* @ann @bob\n");
            world.write("OWNERS", "approvers: [ann, bob]\n");
            if path == ".github/CODEOWNERS" {
                fs::create_dir(world.root.join(".github")).unwrap();
            }
            world.ingest().unwrap();
            assert_eq!(both(&world, "a/x.md"), (true, true), "{path}");
            cannot_be_read(&world, path, what);
            crate::rights_only::sync(&world);
            assert_eq!(both(&world, "a/x.md"), (false, false), "{path}: {what}, by its rights alone");
            let report = world.ingest().unwrap();
            assert_eq!(both(&world, "a/x.md"), (false, false), "{path}: {what}");
            let told = report.rights_problems.iter().any(|(place, _)| place.starts_with(path));
            assert!(told, "{path}: {what}: {:?}", report.rights_problems);
        }
    }
    // In a plain file there is nothing: the next place is read. The others follow each other in the same way.
    let world = world(codeowners);
    world.write("x.md", "x");
    world.write(".github", "no folder");
    world.write("docs/CODEOWNERS", "* @ann\n");
    world.ingest().unwrap();
    assert_eq!(both(&world, "x.md"), (true, false));
    cannot_be_read(&world, "CODEOWNERS", "link");
    world.ingest().unwrap();
    assert_eq!(both(&world, "x.md"), (false, false));
}

/// Run as somebody who is not root, to whom nothing is refused.
pub fn rights_that_the_system_refuses() {
    let (owners, codeowners) = (RightsFormat::Owners, RightsFormat::Codeowners);
    for (format, path) in [
        (codeowners, ".github"),
        (codeowners, ".github/CODEOWNERS"),
        (owners, "OWNERS_ALIASES"),
        (owners, "a/OWNERS"),
        (RightsFormat::AccessToml, "a/.access.toml"),
    ] {
        let mut world = world(format);
        world.spec.default_allow = vec!["everyone".into()];
        world.write("a/x.md", "x");
        world.write(".github/CODEOWNERS", "* @ann @bob\n");
        world.write("CODEOWNERS", "* @ann @bob\n");
        world.write("OWNERS", "approvers: [ann, bob]\n");
        world.write("a/OWNERS", "approvers: [ann, bob]\n");
        world.write("OWNERS_ALIASES", "aliases: {}\n");
        world.write("a/.access.toml", "allow = ['everyone']\n");
        world.ingest().unwrap();
        assert_eq!(both(&world, "a/x.md"), (true, true), "{path}");
        fs::set_permissions(world.root.join(path), Permissions::from_mode(0o000)).unwrap();
        world.ingest().unwrap();
        assert_eq!(both(&world, "a/x.md"), (false, false), "{path}");
        fs::set_permissions(world.root.join(path), Permissions::from_mode(0o755)).unwrap();
    }
}
