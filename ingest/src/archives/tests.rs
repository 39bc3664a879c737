//! What comes out of archives and what does not, without a worker.

use super::{Contents, Entry, unpack};
use crate::formats::package::write_for_test as zip;
use crate::formats::{FailReason, Packed};
use flate2::Compression;
use flate2::write::GzEncoder;
use kenward_vault::writer::RightsFormat;
use std::io::Write;

/// A path, and what came of it.
type Told = (String, Result<String, FailReason>);

fn all(packed: Packed, bytes: &[u8]) -> Result<(Vec<Told>, Contents), FailReason> {
    let mut entries = Vec::new();
    let contents = unpack(packed, RightsFormat::AccessToml, bytes, &mut |entry| {
        entries.push(match entry {
            Entry::File { path, bytes, .. } => (path, Ok(String::from_utf8_lossy(&bytes).into_owned())),
            Entry::Failed { path, reason } => (path, Err(reason)),
        });
        true
    })?;
    Ok((entries, contents))
}

fn tar(members: &[(&str, ::tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, kind, content) in members {
        let mut header = ::tar::Header::new_ustar();
        // The builder refuses the names that are tried here.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mtime(1_700_000_000);
        if *kind == ::tar::EntryType::Symlink || *kind == ::tar::EntryType::Link {
            header.set_link_name("../../etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn ok(path: &str, text: &str) -> Told {
    (path.to_owned(), Ok(text.to_owned()))
}

fn failed(path: &str, reason: FailReason) -> Told {
    (path.to_owned(), Err(reason))
}

#[test]
fn members_come_with_their_paths_and_names_that_lead_out_do_not() {
    let bytes = zip(&[
        ("a/", b""),
        ("a/one.md", b"one"),
        ("../two.md", b"two"),
        ("/three.md", b"three"),
        ("a\\four.md", b"four"),
        (".hidden", b"five"),
        ("__MACOSX/._one.md", b"six"),
        ("same.md", b"seven"),
        ("./same.md", b"eight"),
    ]);
    let (entries, contents) = all(Packed::Zip, &bytes).unwrap();
    let expected = [
        ok("a/one.md", "one"),
        failed("../two.md", FailReason::Name),
        failed("/three.md", FailReason::Name),
        failed("a\\four.md", FailReason::Name),
        failed("same.md", FailReason::Twice),
    ];
    assert_eq!(entries, expected);
    assert_eq!(contents.entries, 5);

    use ::tar::EntryType as Kind;
    let members: [(&str, Kind, &[u8]); 7] = [
        ("./a/", Kind::Directory, b""),
        ("./a/one.md", Kind::Regular, b"one"),
        ("../two.md", Kind::Regular, b"two"),
        ("a/link.md", Kind::Symlink, b""),
        ("a/hard.md", Kind::Link, b""),
        ("a/null", Kind::Char, b""),
        ("c.md", Kind::Regular, b"three"),
    ];
    for (packed, bytes) in [(Packed::Tar, tar(&members)), (Packed::Gzip, gzip(&tar(&members)))] {
        let (entries, contents) = all(packed, &bytes).unwrap();
        assert_eq!(
            entries,
            [ok("a/one.md", "one"), failed("../two.md", FailReason::Name), ok("c.md", "three")]
        );
        assert_eq!(contents.links, 3);
    }
}

#[test]
fn an_archive_in_an_archive_is_opened_and_a_third_is_not() {
    let third = zip(&[("deep.md", b"deep")]);
    let second = zip(&[("inner.md", b"inner"), ("third.zip", &third)]);
    let broken = &second[..second.len() - 40];
    let gone = gzip(b"just text");
    let first = zip(&[("second.zip", &second), ("broken.zip", broken), ("notes.txt.gz", &gone)]);
    let (entries, _) = all(Packed::Zip, &first).unwrap();
    assert_eq!(
        entries[..2],
        [ok("second.zip/inner.md", "inner"), failed("second.zip/third.zip", FailReason::Nested)]
    );
    // What is broken is told as what it is by whoever reads it.
    assert_eq!(entries[2].0, "broken.zip");
    assert_eq!(entries[3].0, "notes.txt.gz");
    assert_eq!(all(Packed::Gzip, &gone).unwrap_err(), FailReason::NoArchive);
}

#[test]
fn a_rights_file_inside_refuses_the_whole() {
    let inner = zip(&[("pay/.access.toml", b"allow = []"), ("pay/bands.md", b"bands")]);
    for members in [
        &[("a.md", &b"a"[..]), ("pay/.access.toml", b"allow = []")][..],
        &[("a.md", b"a"), ("pay/.acces.toml", b"allow = []")],
        &[("a.md", b"a"), ("inner.zip", &inner)],
    ] {
        let mut given = 0;
        let refused = unpack(Packed::Zip, RightsFormat::AccessToml, &zip(members), &mut |_| {
            given += 1;
            true
        });
        assert_eq!((refused.unwrap_err(), given), (FailReason::RightsInside, 0));
    }
}

#[test]
fn what_is_damaged_gives_nothing_and_a_damaged_member_only_itself() {
    let whole = zip(&[("a.md", b"a"), ("b.md", b"b")]);
    assert_eq!(all(Packed::Zip, &whole[..whole.len() - 30]).unwrap_err(), FailReason::Broken);
    let mut flipped = zip(&[("a.md", b"the first text"), ("b.md", b"b")]);
    let at = flipped.windows(4).position(|four| four == b"a.md").unwrap() + 6;
    flipped[at] ^= 0x55;
    let (entries, _) = all(Packed::Zip, &flipped).unwrap();
    assert_eq!(entries, [failed("a.md", FailReason::Broken), ok("b.md", "b")]);
    use ::tar::EntryType::Regular;
    let long = "x".repeat(2_000);
    let bytes = tar(&[("a.md", Regular, b"a"), ("b.md", Regular, long.as_bytes())]);
    assert_eq!(all(Packed::Tar, &bytes[..1_800]).unwrap_err(), FailReason::Broken);
    let bytes = gzip(&bytes);
    assert_eq!(all(Packed::Gzip, &bytes[..bytes.len() - 20]).unwrap_err(), FailReason::Broken);
}

#[test]
fn bombs_are_refused_before_anything_comes_out() {
    let zeros = vec![0; 70 << 20];
    assert_eq!(
        all(Packed::Zip, &zip(&[("a.md", b"a"), ("zeros", &zeros)])).unwrap_err(),
        FailReason::Expands
    );
    use ::tar::EntryType::{Regular, Symlink};
    let bytes = gzip(&tar(&[("a.md", Regular, b"a"), ("zeros", Regular, &zeros)]));
    assert_eq!(all(Packed::Gzip, &bytes).unwrap_err(), FailReason::Expands);
    // What is skipped counts as well.
    let bytes = gzip(&tar(&[("a.md", Regular, b"a"), ("zeros", Symlink, &zeros)]));
    assert_eq!(all(Packed::Gzip, &bytes).unwrap_err(), FailReason::Expands);
    let inner = zip(&[("zeros", &zeros)]);
    assert_eq!(all(Packed::Zip, &zip(&[("inner.zip", &inner)])).unwrap_err(), FailReason::Expands);
    let names: Vec<String> = (0..20_001).map(|n| format!("{n}.md")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(all(Packed::Zip, &zip(&many)).unwrap_err(), FailReason::Expands);
}

#[test]
fn encrypted_members_are_told_and_a_wholly_encrypted_archive_once() {
    let set = |bytes: &mut Vec<u8>, name: &[u8]| {
        // The flag stands in both headers, 24 and 38 bytes before the name.
        let places: Vec<usize> =
            bytes.windows(name.len()).enumerate().filter(|(_, w)| *w == name).map(|(at, _)| at).collect();
        bytes[places[0] - 24] |= 1;
        bytes[places[1] - 38] |= 1;
    };
    let mut bytes = zip(&[("a.md", b"a"), ("b.md", b"b")]);
    set(&mut bytes, b"a.md");
    assert_eq!(all(Packed::Zip, &bytes).unwrap().0, [failed("a.md", FailReason::Encrypted), ok("b.md", "b")]);
    set(&mut bytes, b"b.md");
    assert_eq!(all(Packed::Zip, &bytes).unwrap_err(), FailReason::Encrypted);
}

/// A file that is still being copied is cut off at a block as often as not: what it lacks is not gone, and may be a
/// rights file.
#[test]
fn a_tar_file_without_its_end_is_no_whole_one() {
    let file = ::tar::EntryType::Regular;
    let whole = tar(&[("a.md", file, b"one"), ("b.md", file, b"two"), (".access.toml", file, b"allow = []")]);
    for length in [1_024, 2_048] {
        assert_eq!(all(Packed::Tar, &whole[..length]).unwrap_err(), FailReason::Broken, "{length}");
        assert_eq!(all(Packed::Gzip, &gzip(&whole[..length])).unwrap_err(), FailReason::Broken, "{length}");
    }
    assert_eq!(all(Packed::Tar, &whole).unwrap_err(), FailReason::RightsInside);
    let plain = tar(&[("a.md", file, b"one")]);
    assert_eq!(all(Packed::Tar, &plain[..plain.len() - 1_024]).unwrap_err(), FailReason::Broken);
    // One block of its end is enough.
    for length in [plain.len(), plain.len() - 512] {
        assert_eq!(all(Packed::Tar, &plain[..length]).unwrap().0, [ok("a.md", "one")]);
    }
}
