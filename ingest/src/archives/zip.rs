//! ZIP files, by their directory: what stands in the file and not in the directory is not read.

use super::{Found, Stop, Walk};
use crate::formats::FailReason;
use crate::formats::package::{Member, Package};
use rawzip::time::ZipDateTimeKind;
use time::{Date, Month, PrimitiveDateTime, Time};

pub(super) fn walk(walk: &mut Walk<'_>, bytes: &[u8], below: &str, depth: usize) -> Result<(), Stop> {
    let package = Package::open(bytes).map_err(Stop::Here)?;
    let members = package.members().map_err(Stop::Here)?;
    if package.overlaps(&members) {
        return Err(Stop::Whole(FailReason::Expands));
    }
    for member in &members {
        let Some(path) = walk.name(member.file_path().as_bytes(), below)? else { continue };
        if is_special(member) {
            walk.tell(Found::Link)?;
            continue;
        }
        let read = package.read(member, walk.most());
        walk.member(path, modified(member), read, depth)?;
    }
    Ok(())
}

/// A link, a device or the like, by the mode that Unix programs write.
fn is_special(member: &Member<'_>) -> bool {
    const KIND: u32 = 0o170_000;
    const FILE: u32 = 0o100_000;
    let kind = (member.external_attributes() >> 16) & KIND;
    kind != 0 && kind != FILE
}

/// Milliseconds UTC. A time without a zone is taken to be UTC: whose zone it is nobody wrote down.
fn modified(member: &Member<'_>) -> Option<i64> {
    let at: ZipDateTimeKind = member.last_modified();
    let date =
        Date::from_calendar_date(i32::from(at.year()), Month::try_from(at.month()).ok()?, at.day()).ok()?;
    let time = Time::from_hms(at.hour(), at.minute(), at.second()).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp() * 1_000)
}
