//! Where the command line writes: data to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};

/// Where a terminal does not say how wide it is.
const COLUMNS: usize = 80;

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

/// How wide standard output may be; `None` if it is no terminal.
pub(crate) fn columns() -> Option<usize> {
    let width = || terminal_size::terminal_size().map_or(COLUMNS, |(width, _)| usize::from(width.0));
    // Lines longer than that are hard to read.
    std::io::stdout().is_terminal().then(|| width().clamp(40, 120))
}

/// A line, in several where it is too long for so many columns: the later ones begin with `indent`.
pub(crate) fn folded(line: &str, indent: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return format!("{line}\n") };
    let mut text = String::new();
    let mut rest = line.to_owned();
    while let Some((at, _)) = rest.char_indices().nth(columns) {
        let least = indent.len();
        // Between two words if there are two, else within one.
        let head = rest.get(..at).unwrap_or_default();
        let cut = match head.rfind(' ').filter(|cut| *cut > least) {
            _ if rest.get(at..).is_some_and(|tail| tail.starts_with(' ')) => at,
            Some(cut) => cut,
            None => at,
        };
        let (head, tail) = rest.split_at(cut);
        text.push_str(head.trim_end());
        text.push('\n');
        rest = format!("{indent}{}", tail.trim_start());
    }
    text + &rest + "\n"
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
    fn long_lines_are_folded_between_words_and_within_those_that_are_too_long() {
        assert_eq!(folded("one two three", "  ", None), "one two three\n");
        assert_eq!(folded("one two three", "  ", Some(7)), "one two\n  three\n");
        assert_eq!(folded("  abcdefghijkl", "  ", Some(6)), "  abcd\n  efgh\n  ijkl\n");
        assert_eq!(folded("ééééé é", "", Some(5)), "ééééé\né\n");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(kenward_access::ids::Timestamp(1_700_000_000_999)), "2023-11-14T22:13:20Z");
    }
}
