//! Two texts side by side, wrapped to a width; one under the other where there is no room.
//! What comes from documents is kept from moving the cursor: control characters become spaces.

/// Below this a column is no pleasure to read.
const NARROWEST: usize = 34;
/// Wider lines are hard to read as well.
const WIDEST: usize = 78;
const BETWEEN: &str = " │ ";

/// A paragraph of a column: its first line begins with `mark`, the others are set in as deep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    /// `1. `, for instance.
    pub mark: String,
    /// Its words.
    pub text: String,
}

impl Paragraph {
    /// A paragraph.
    #[must_use]
    pub fn new(mark: impl Into<String>, text: impl Into<String>) -> Self {
        Self { mark: mark.into(), text: text.into() }
    }
}

/// Breaks a paragraph into lines of at most `width` characters.
#[must_use]
pub fn wrap(paragraph: &Paragraph, width: usize) -> Vec<String> {
    let indent = paragraph.mark.chars().count();
    let room = width.saturating_sub(indent).max(8);
    let clean: String = paragraph.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in clean.split(' ').filter(|word| !word.is_empty()) {
        for piece in pieces(word, room) {
            let needed = line.chars().count() + usize::from(!line.is_empty()) + piece.chars().count();
            if needed > room && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&piece);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    let set_in = " ".repeat(indent);
    let begin = |at: usize| if at == 0 { paragraph.mark.as_str() } else { set_in.as_str() };
    lines.iter().enumerate().map(|(at, line)| format!("{}{line}", begin(at)).trim_end().to_owned()).collect()
}

/// A word in pieces that fit.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    letters.chunks(room).map(|piece| piece.iter().collect()).collect()
}

/// Two columns under their headings. `width` is the terminal's; `None` = not a terminal: one
/// under the other, not wrapped to any width.
#[must_use]
pub fn side_by_side(headings: [&str; 2], columns: [&[Paragraph]; 2], width: Option<usize>) -> String {
    let room = width.map_or(0, |width| width.saturating_sub(BETWEEN.chars().count() + 2) / 2).min(WIDEST);
    if room < NARROWEST {
        return one_under_the_other(headings, columns, width);
    }
    let [left, right] = [0, 1].map(|at| {
        let heading = headings.get(at).copied().unwrap_or_default();
        let rule = Paragraph::new("", "─".repeat(room));
        let body = columns.get(at).copied().unwrap_or_default();
        let mut lines = wrap(&Paragraph::new("", heading), room);
        lines.extend(wrap(&rule, room));
        lines.extend(body.iter().flat_map(|paragraph| wrap(paragraph, room)));
        lines
    });
    let mut out = String::new();
    for at in 0..left.len().max(right.len()) {
        let line = |column: &[String]| column.get(at).cloned().unwrap_or_default();
        let (left, right) = (line(&left), line(&right));
        let gap = " ".repeat(room.saturating_sub(left.chars().count()));
        out.push_str(format!("  {left}{gap}{BETWEEN}{right}").trim_end());
        out.push('\n');
    }
    out
}

fn one_under_the_other(headings: [&str; 2], columns: [&[Paragraph]; 2], width: Option<usize>) -> String {
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(4).max(20));
    let mut out = String::new();
    for (heading, column) in headings.iter().zip(columns) {
        out.push_str(&format!("  {heading}\n"));
        for line in column.iter().flat_map(|paragraph| wrap(paragraph, room)) {
            out.push_str(format!("    {line}").trim_end());
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_and_set_in() {
        let lines = wrap(&Paragraph::new("1. ", "the quick brown fox jumps over"), 16);
        assert_eq!(lines, ["1. the quick", "   brown fox", "   jumps over"]);
        assert_eq!(wrap(&Paragraph::new("", "abcdefghijkl"), 8), ["abcdefgh", "ijkl"]);
        assert_eq!(wrap(&Paragraph::new("", ""), 8), [""]);
    }

    #[test]
    fn columns_align_whatever_their_lengths() {
        let left = [Paragraph::new("1. ", "one two three four five six seven eight nine ten eleven")];
        let right = [Paragraph::new("", "nothing")];
        let text = side_by_side(["Dana", "Ben"], [&left, &right], Some(80));
        let bars: Vec<_> = text.lines().map(|line| line.chars().position(|c| c == '│')).collect();
        assert!(bars.iter().all(|bar| *bar == bars[0] && bar.is_some()), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn narrow_terminals_and_pipes_get_one_under_the_other() {
        let left = [Paragraph::new("1. ", "one \u{1b}[31mred")];
        for width in [None, Some(60)] {
            let text = side_by_side(["Dana", "Ben"], [&left, &[]], width);
            assert!(!text.contains('│'));
            assert!(!text.contains('\u{1b}'));
            assert_eq!(text.lines().next(), Some("  Dana"));
        }
    }
}
