//! The mapping against the kernel: files and folders with drawn owners, modes and ACLs, and processes of
//! several users and groups that try to open each file. Only root can set that up; otherwise it says so.

use super::*;
use crate::connectors::{FilesConnector, SourceConnector};
use kenward_vault::writer::{RightsFormat, SourceRights, SourceSpec};
use rustix::fs::{XattrFlags, chown, setxattr};
use rustix::process::{Gid, Uid};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Users 60001 and on, groups 60101 and on: of nobody.
const USERS: u32 = 60_001;
const GROUPS: u32 = 60_101;

/// SplitMix64: the same draws on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) % bound).unwrap()
    }
}

/// Draws rights for a file or folder; gives whether its ACL has an empty mask, which the kernel takes for
/// no ACL at all.
fn draw(path: &Path, dice: &mut Dice, folder: bool, with_acl: bool) -> bool {
    let user = Uid::from_raw(USERS + dice.below(3));
    let group = Gid::from_raw(GROUPS + dice.below(3));
    chown(path, Some(user), Some(group)).unwrap();
    // Most folders let most people through, or nobody would get to a file.
    let perm = |dice: &mut Dice| if folder && dice.below(4) > 0 { 7 } else { dice.below(8) };
    let mode = perm(dice) << 6 | perm(dice) << 3 | perm(dice);
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if !with_acl || dice.below(2) == 0 {
        return false;
    }
    let mut acl = 2_u32.to_le_bytes().to_vec();
    let mut entry = |tag: u16, perm: u32, id: u32| {
        acl.extend(tag.to_le_bytes());
        acl.extend(u16::try_from(perm).unwrap().to_le_bytes());
        acl.extend(id.to_le_bytes());
    };
    entry(1, perm(dice), u32::MAX);
    for user in 0..3 {
        if dice.below(3) == 0 {
            entry(2, perm(dice), USERS + user);
        }
    }
    entry(4, perm(dice), u32::MAX);
    for group in 0..3 {
        if dice.below(3) == 0 {
            entry(8, perm(dice), GROUPS + group);
        }
    }
    let mask = perm(dice);
    entry(16, mask, u32::MAX);
    entry(32, perm(dice), u32::MAX);
    setxattr(path, "system.posix_acl_access", &acl, XattrFlags::empty()).unwrap();
    mask == 0
}

#[test]
fn nobody_reads_here_whom_the_kernel_refuses_and_the_other_way_round() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can make files of others and become them");
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let probe = tree.path().join("probe");
    fs::write(&probe, "x").unwrap();
    let minimal: Vec<u8> = [
        2_u32.to_le_bytes().as_slice(),
        &[1, 0, 6, 0, 255, 255, 255, 255],
        &[4, 0, 4, 0, 255, 255, 255, 255],
        &[32, 0, 4, 0, 255, 255, 255, 255],
    ]
    .concat();
    let with_acl = setxattr(&probe, "system.posix_acl_access", &minimal, XattrFlags::empty()).is_ok();
    if !with_acl {
        eprintln!("ACLs are left out: this file system keeps none");
    }
    let root = tree.path().join("root");
    let mut dice = Dice(7);
    let folders = ["", "a", "a/b", "a/b/c", "d", "d/e"];
    let mut files = Vec::new();
    for folder in folders {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let mut loose = BTreeSet::new();
    for folder in folders {
        for number in 0..12 {
            let path =
                if folder.is_empty() { format!("{number}.md") } else { format!("{folder}/{number}.md") };
            fs::write(root.join(&path), "x").unwrap();
            if draw(&root.join(&path), &mut dice, false, with_acl) {
                loose.insert(path.clone());
            }
            files.push(path);
        }
    }
    for folder in folders {
        if draw(&root.join(folder), &mut dice, true, with_acl) {
            loose.insert(folder.to_owned());
        }
    }
    let mut rights = SourceRights { format: RightsFormat::Posix, ..SourceRights::default() };
    for number in 0..4 {
        rights.identity.names.insert(format!("uid.{}", USERS + number), format!("user:u{number}"));
        rights.identity.names.insert(format!("gid.{}", GROUPS + number), format!("group:g{number}"));
    }
    rights.identity.names.insert("other".into(), "everyone".into());
    let spec = SourceSpec {
        name: "drawn".into(),
        kind: "files".into(),
        root: root.to_str().unwrap().into(),
        default_allow: Vec::new(),
        url_template: None,
        tier: 2,
        label: None,
        rights,
    };
    let connector = FilesConnector::of(&spec);
    let listing = connector.list().unwrap();
    assert_eq!(listing.items.len(), files.len());
    let read = connector.rights(&listing);
    let script = "for f in \"$@\"; do if ( : <\"$f\" ) 2>/dev/null; then echo 1; else echo 0; fi; done";
    let (mut yes, mut no, mut stricter) = (0, 0, 0);
    for user in 0..4 {
        for group in 0..4 {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script, "sh"]).args(files.iter().map(|file| root.join(file)));
            command.uid(USERS + user).gid(GROUPS + group).current_dir("/");
            let output = command.output().unwrap();
            let answers: Vec<bool> =
                String::from_utf8(output.stdout).unwrap().lines().map(|line| line == "1").collect();
            assert_eq!(answers.len(), files.len());
            let held: BTreeSet<String> =
                [format!("user:u{user}"), format!("group:g{group}"), "everyone".to_owned()].into();
            for (file, kernel) in files.iter().zip(answers) {
                let spec = read.rules.of_file(file).spec;
                assert!(spec.problem.is_none(), "{spec:?}");
                let lets = |list: &Vec<RightsEntry>| {
                    let first = list.iter().find(|entry| held.contains(&entry.principal));
                    first.is_some_and(|entry| entry.effect == Effect::Allow)
                };
                let mapped = lets(&spec.entries) && spec.also.iter().all(lets);
                let empty_mask = loose.contains(file) || ancestors(parent(file)).any(|at| loose.contains(at));
                if empty_mask && !mapped && kernel {
                    stricter += 1;
                    continue;
                }
                assert_eq!(mapped, kernel, "user {user} group {group} {file}: {spec:?}");
                if kernel { yes += 1 } else { no += 1 }
            }
        }
    }
    eprintln!(
        "{yes} may be read and {no} may not, by the kernel and the mapping alike; {stricter} only by the kernel"
    );
    assert!(yes > 50 && no > 50);
}
