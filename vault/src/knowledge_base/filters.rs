//! Typed filters: parsed strictly (an unreadable time is an error), applied to visible documents only.
//! A value in which the caller sees nothing, and one that nobody has, both match nothing.

use super::errors;
use crate::error::AnswerError;
use crate::gate::Gate;
use crate::published::DocMeta;
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
    language: Option<String>,
    label: Option<String>,
    min_trust: Option<u8>,
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
            language: filters.language.as_ref().map(|text| text.trim().to_ascii_lowercase()),
            label: filters.label.clone(),
            min_trust: filters.min_trust.map(|tier| trust(tier, prefix)).transpose()?,
        })
    }

    /// Whether a visible document passes.
    pub(super) fn takes(&self, gate: &Gate<'_>, document: &DocMeta) -> bool {
        let source = gate.pin.published.image.sources.get(document.source as usize);
        let sensitivity = || gate.core.sensitivity(&gate.pin.published, &gate.pin.rights, document);
        self.source.as_deref().is_none_or(|name| source.is_some_and(|s| *s.name == *name))
            && self.path.as_deref().is_none_or(|path| document.path.starts_with(path.trim_start_matches('/')))
            && self.kind.as_deref().is_none_or(|kind| *document.kind == *kind)
            && self.after.is_none_or(|after| document.modified >= after)
            && self.before.is_none_or(|before| document.modified <= before)
            && self.language.as_deref().is_none_or(|wanted| document.language.as_deref() == Some(wanted))
            && self.min_trust.is_none_or(|least| source.is_some_and(|s| s.tier >= least))
            && self.label.as_deref().is_none_or(|wanted| sensitivity().as_deref() == Some(wanted))
    }

    /// Whether every document passes.
    pub(super) fn is_empty(&self) -> bool {
        let Self { source, path, kind, after, before, language, label, min_trust } = self;
        let texts = [source, path, kind, language, label];
        texts.into_iter().all(Option::is_none) && after.is_none() && before.is_none() && min_trust.is_none()
    }
}

fn trust(tier: i64, prefix: &str) -> Result<u8, AnswerError> {
    u8::try_from(tier).ok().filter(|tier| *tier <= 4).ok_or_else(|| {
        errors::argument(
            &format!("{prefix}min_trust"),
            format!("`min_trust` is {tier}; it must be from 0 to 4"),
            "send 0 (all), 1 (external, known), 2 (internal, open to edit), 3 (internal, controlled) or 4 (reviewed)",
        )
    })
}

/// The filters that are set, by name, for the record and the request's hash.
pub(super) fn named(filters: &super::Filters) -> std::collections::BTreeMap<&'static str, String> {
    let min_trust = filters.min_trust.map(|tier| tier.to_string());
    [
        ("source", &filters.source),
        ("path", &filters.path),
        ("type", &filters.kind),
        ("modified_after", &filters.modified_after),
        ("modified_before", &filters.modified_before),
        ("language", &filters.language),
        ("label", &filters.label),
        ("min_trust", &min_trust),
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
