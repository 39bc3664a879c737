//! Typed filters: parsed strictly (an unreadable time is an error), applied to visible documents only.
//! A value in which the caller sees nothing, and one that nobody has, both match nothing.

use super::errors;
use crate::error::AnswerError;
use crate::published::{ContentImage, DocMeta};
use kenward_access::ids::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, Time};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Filters as a search or a list applies them.
#[derive(Debug, Clone, Default)]
pub(super) struct Parsed {
    source: Option<String>,
    path: Option<String>,
    kind: Option<String>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

impl Parsed {
    pub(super) fn of(filters: &super::Filters, prefix: &str) -> Result<Self, AnswerError> {
        let time = |value: &Option<String>, name: &str, end: bool| match value {
            None => Ok(None),
            Some(text) => match moment(text.trim(), end) {
                Some(at) => Ok(Some(at)),
                None => Err(errors::argument(
                    &format!("{prefix}{name}"),
                    format!("`{name}` is neither a date nor a time"),
                    "write a date like `2026-10-02` or a time like `2026-10-02T08:00:00Z`",
                )),
            },
        };
        Ok(Self {
            source: filters.source.clone(),
            path: filters.path.clone(),
            kind: filters.kind.clone(),
            after: time(&filters.modified_after, "modified_after", false)?,
            before: time(&filters.modified_before, "modified_before", true)?,
        })
    }

    /// Whether the document passes.
    pub(super) fn takes(&self, image: &ContentImage, document: &DocMeta) -> bool {
        let source = || image.sources.get(document.source as usize).map(|s| s.name.as_ref());
        self.source.as_deref().is_none_or(|name| source() == Some(name))
            && self.path.as_deref().is_none_or(|path| document.path.starts_with(path.trim_start_matches('/')))
            && self.kind.as_deref().is_none_or(|kind| *document.kind == *kind)
            && self.after.is_none_or(|after| document.modified >= after)
            && self.before.is_none_or(|before| document.modified <= before)
    }

    /// Whether every document passes.
    pub(super) fn is_empty(&self) -> bool {
        self.source.is_none()
            && self.path.is_none()
            && self.kind.is_none()
            && self.after.is_none()
            && self.before.is_none()
    }
}

/// The filters that are set, by name, for the record and the request's hash.
pub(super) fn named(filters: &super::Filters) -> std::collections::BTreeMap<&'static str, String> {
    [
        ("source", &filters.source),
        ("path", &filters.path),
        ("type", &filters.kind),
        ("modified_after", &filters.modified_after),
        ("modified_before", &filters.modified_before),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.clone().map(|value| (name, value)))
    .collect()
}

/// A date (its first or, for an end, its last millisecond) or an RFC 3339 time.
fn moment(text: &str, end: bool) -> Option<Timestamp> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        let ms = i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
        // Times are shown in whole seconds: an end within a second takes all of it.
        let whole = end && time.nanosecond() == 0;
        return Some(Timestamp(if whole { ms + 999 } else { ms }));
    }
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let month = time::Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let start = date.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp() * 1000;
    Some(Timestamp(if end { start + DAY_MS - 1 } else { start }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_strictly_and_ends_are_inclusive() {
        assert_eq!(moment("1970-01-02", false), Some(Timestamp(DAY_MS)));
        assert_eq!(moment("1970-01-02", true), Some(Timestamp(2 * DAY_MS - 1)));
        assert_eq!(moment("1970-01-01T01:00:00+01:00", false), Some(Timestamp(0)));
        assert_eq!(moment("1970-01-01T00:00:00Z", true), Some(Timestamp(999)));
        for bad in
            ["", "yesterday", "2026-13-01", "2026-1-1", "2026-02-30", "+2026-01-01", "1970-01-01T00:00:00"]
        {
            assert_eq!(moment(bad, false), None, "{bad}");
        }
    }
}
