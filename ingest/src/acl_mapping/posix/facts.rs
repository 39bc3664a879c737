//! Owner, group, mode and access ACL of one file or folder, as a connector hands them over: in bytes, so that
//! two readings can be compared. It must never make up a mode for an ACL that it does not know.

/// The version of Linux's ACLs in extended attributes.
const VERSION: u32 = 2;

/// One entry of an ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub tag: Tag,
    /// r = 4, w = 2, x = 1.
    pub perm: u8,
}

/// Whom an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Owner,
    User(u32),
    OwningGroup,
    Group(u32),
    Mask,
    Other,
}

/// What stands at one file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u32,
    pub(super) acl: Vec<Entry>,
}

/// What a connector found, in bytes.
#[must_use]
pub fn encode(mode: u32, uid: u32, gid: u32, acl: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = vec![b'p'];
    for number in [mode & 0o7777, uid, gid] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(acl.unwrap_or_default());
    bytes
}

/// Stands for something whose rights could not be read.
pub const UNREADABLE: &[u8] = b"?";
/// Stands for something that has an ACL of another kind.
pub const OTHER_ACL: &[u8] = b"!";

impl Facts {
    /// Reads what a connector found.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        match bytes {
            UNREADABLE => return Err("owner, mode and ACL cannot be read"),
            OTHER_ACL => {
                return Err("it has an ACL that is none of POSIX (NFSv4, richacl), which is not read");
            }
            _ => {}
        }
        let damaged = "its ACL is not understood";
        let number = |at: usize| {
            let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(four))
        };
        let (Some(mode), Some(uid), Some(gid)) = (number(1), number(5), number(9)) else {
            return Err(damaged);
        };
        let rest = bytes.get(13..).unwrap_or_default();
        let mut facts = Self { uid, gid, mode, acl: Vec::new() };
        if rest.is_empty() {
            for (tag, shift) in [(Tag::Owner, 6), (Tag::OwningGroup, 3), (Tag::Other, 0)] {
                facts.acl.push(Entry { tag, perm: ((mode >> shift) & 7) as u8 });
            }
            return Ok(facts);
        }
        if number(13) != Some(VERSION) || rest.len() % 8 != 4 {
            return Err(damaged);
        }
        for entry in rest.get(4..).unwrap_or_default().chunks_exact(8) {
            let [a, b, c, d, e, f, g, h] = entry else { return Err(damaged) };
            let (tag, perm) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
            let id = u32::from_le_bytes([*e, *f, *g, *h]);
            let tag = match tag {
                0x01 => Tag::Owner,
                0x02 => Tag::User(id),
                0x04 => Tag::OwningGroup,
                0x08 => Tag::Group(id),
                0x10 => Tag::Mask,
                0x20 => Tag::Other,
                _ => return Err(damaged),
            };
            let perm = u8::try_from(perm).ok().filter(|perm| *perm <= 7).ok_or(damaged)?;
            facts.acl.push(Entry { tag, perm });
        }
        let count = |tag: Tag| facts.acl.iter().filter(|entry| entry.tag == tag).count();
        let named = facts.acl.iter().any(|entry| matches!(entry.tag, Tag::User(_) | Tag::Group(_)));
        let masks = count(Tag::Mask);
        let whole = [Tag::Owner, Tag::OwningGroup, Tag::Other].into_iter().all(|tag| count(tag) == 1);
        if whole && masks <= 1 && (masks == 1 || !named) { Ok(facts) } else { Err(damaged) }
    }

    /// Whether it has entries beyond owner, group and other.
    pub(super) fn extended(&self) -> bool {
        self.acl.iter().any(|entry| matches!(entry.tag, Tag::User(_) | Tag::Group(_) | Tag::Mask))
    }

    /// The permissions of one entry that the mask leaves.
    pub(super) fn left(&self, entry: Entry) -> u8 {
        let mask = self.acl.iter().find(|entry| entry.tag == Tag::Mask).map_or(7, |mask| mask.perm);
        match entry.tag {
            Tag::User(_) | Tag::OwningGroup | Tag::Group(_) => entry.perm & mask,
            Tag::Owner | Tag::Other | Tag::Mask => entry.perm,
        }
    }

    /// `rw-r----- uid 1000 gid 50`, as explanations show it.
    pub(super) fn words(&self) -> String {
        let bits = [0o400, 0o200, 0o100, 0o40, 0o20, 0o10, 4, 2, 1];
        let letters = bits.iter().zip("rwxrwxrwx".chars());
        let mode: String = letters.map(|(bit, c)| if self.mode & bit == 0 { '-' } else { c }).collect();
        let acl = if self.extended() { "+" } else { "" };
        format!("{mode}{acl} uid {} gid {}", self.uid, self.gid)
    }
}
