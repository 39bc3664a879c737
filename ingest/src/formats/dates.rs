//! Dates as documents state them, read leniently: milliseconds UTC. What is not clearly a date is none; whether
//! one is plausible is decided by whoever knows what time it is.

use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// `2026-10-02`, `2026-10-02T08:00:00+02:00`, `2026-10-02 08:00`, `Fri, 02 Oct 2026 08:00:00 GMT`. A date is
/// its first moment; a time without a zone is in UTC.
pub(super) fn read(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339).or_else(|_| OffsetDateTime::parse(text, &Rfc2822))
    {
        return millis(time);
    }
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let date = date_of(parts.next()?, parts.next()?, parts.next()?)?;
    let rest = rest.trim_start_matches(['T', 't', ' ']).trim_end_matches(['Z', 'z']).trim();
    let mut clock = rest.get(..rest.find(['+', '.', ' ']).unwrap_or(rest.len()))?.split(':');
    let mut number =
        || clock.next().filter(|part| !part.is_empty()).map_or(Some(0), |part| part.parse().ok());
    let time = Time::from_hms(number()?, number()?, number()?).ok()?;
    let offset = rest.find('+').map_or(Some(UtcOffset::UTC), |at| zone(rest.get(at..)?))?;
    millis(PrimitiveDateTime::new(date, time).assume_offset(offset))
}

/// `D:20261002080000+02'00'`, as PDF has it.
pub(super) fn read_pdf(text: &str) -> Option<i64> {
    let text = text.trim().trim_start_matches("D:");
    let digits = text.get(..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))?;
    let part = |from: usize, or: &'static str| digits.get(from..from + 2).unwrap_or(or);
    let date = date_of(digits.get(..4)?, part(4, "01"), part(6, "01"))?;
    let clock = [8, 10, 12].map(|from| part(from, "00").parse::<u8>().ok());
    let [Some(hour), Some(minute), Some(second)] = clock else { return None };
    let time = Time::from_hms(hour, minute, second).ok()?;
    let rest: String = text.get(digits.len()..)?.chars().filter(|c| *c != '\'').collect();
    let offset = if rest.starts_with(['+', '-']) { zone(&rest)? } else { UtcOffset::UTC };
    millis(PrimitiveDateTime::new(date, time).assume_offset(offset))
}

fn date_of(year: &str, month: &str, day: &str) -> Option<Date> {
    if year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

/// `+02:00`, `+0200`, `-05`.
fn zone(text: &str) -> Option<UtcOffset> {
    let sign: i8 = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let hours: i8 = digits.get(..2)?.parse().ok()?;
    let minutes: i8 = digits.get(2..4).unwrap_or("00").parse().ok()?;
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

fn millis(time: OffsetDateTime) -> Option<i64> {
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-10-02T08:00:00Z
    const AT: i64 = 1_790_928_000_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn dates_are_read_as_they_are_written() {
        for (text, expected) in [
            ("2026-10-02T08:00:00Z", Some(AT)),
            ("2026-10-02T10:00:00+02:00", Some(AT)),
            ("2026-10-02 08:00", Some(AT)),
            ("2026-10-02T08:00:00", Some(AT)),
            ("2026-10-02T08:00:00.25", Some(AT)),
            ("2026-10-02 10:00 +0200", Some(AT)),
            (" 2026-10-02 ", Some(AT - 8 * HOUR)),
            ("Fri, 02 Oct 2026 08:00:00 +0000", Some(AT)),
            ("2026-13-02", None),
            ("2026-1-2", None),
            ("02.10.2026", None),
            ("yesterday, I think", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for (text, expected) in [
            ("D:20261002080000Z", Some(AT)),
            ("D:20261002100000+02'00'", Some(AT)),
            ("D:20261002030000-05'00", Some(AT)),
            ("20261002", Some(AT - 8 * HOUR)),
            ("D:2026", Some(1_767_225_600_000)),
            ("D:20261302", None),
            ("D:soon", None),
        ] {
            assert_eq!(read_pdf(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,40}|D:[0-9+'-]{0,24}|[0-9T:+ -]{0,30}") {
            let _ = (read(&text), read_pdf(&text));
        }
    }
}
