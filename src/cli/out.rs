//! Where the command line writes: data to standard output, everything else to standard error.

use std::io::Write;

/// Data, as it is.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Data as JSON, for `--json`.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(print(&text)?)
}

/// A line for the person at the terminal. Nobody may be there to read it; that is no error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A `hint:` line.
pub(crate) fn hint(text: &str) {
    say(&format!("hint: {text}"));
}

/// Rows under their headings, columns aligned.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let clean: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| line(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = clean.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|h| h.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    let heads: Vec<String> = headings.iter().map(|h| h.to_uppercase()).collect();
    for row in std::iter::once(&heads).chain(&clean) {
        let mut written = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            written.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
    text
}

/// One line without control characters: what comes from elsewhere never moves the cursor.
pub(crate) fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Milliseconds as a time in UTC.
pub(crate) fn time(at: kenward_access::ids::Timestamp) -> String {
    use time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000))
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| at.0.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_keep_the_cursor() {
        let rows =
            vec![vec!["a\u{1b}[2J".to_owned(), "x".to_owned()], vec!["bbbbbbb".to_owned(), "y".to_owned()]];
        assert_eq!(table(&["one", "two"], &rows), "ONE      TWO\na [2J    x\nbbbbbbb  y\n");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(kenward_access::ids::Timestamp(1_700_000_000_999)), "2023-11-14T22:13:20Z");
    }
}
