//! How large an answer may become: a caller reads it with a context that is not endless, and one that does
//! not fit is worth nothing to it. What is left out is always said, with the way to go on.
//! It must never depend on anything but what is going to be shown.

use serde::Serialize;

/// Bytes of an answer's JSON. At four bytes a token, as English has, 12,000 tokens; at two, as encoded blobs have,
/// 24,000: clients cut at 25,000.
const MOST: usize = 48_000;
/// What stands around the rows: notice, cursor, receipt, braces.
const AROUND: usize = 1_500;

/// What is left of an answer's room.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    rows: usize,
}

impl Budget {
    /// All of it.
    pub(super) fn new() -> Self {
        Self { left: MOST - AROUND, rows: 0 }
    }

    /// Takes the room that a row needs. `false`: it does not fit, and an answer that has a row already ends here.
    pub(super) fn takes(&mut self, row: usize) -> bool {
        if row > self.left && self.rows > 0 {
            return false;
        }
        self.left = self.left.saturating_sub(row);
        self.rows += 1;
        true
    }

    /// Room for one text with its labels.
    pub(super) fn one_text() -> usize {
        MOST - 2 * AROUND
    }
}

/// Bytes of something as JSON.
pub(super) fn size(part: &impl Serialize) -> usize {
    serde_json::to_vec(part).map_or(MOST, |json| json.len())
}

/// Bytes that a text takes behind the fence: escaped, every line with its mark.
pub(super) fn fenced(text: &str) -> usize {
    size(&text) + 4 * text.bytes().filter(|byte| *byte == b'\n').count() + 80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_always_fits_and_the_sum_is_bounded() {
        let mut budget = Budget::new();
        assert!(budget.takes(1_000_000), "an answer with nothing in it helps nobody");
        assert!(!budget.takes(1));
        let mut budget = Budget::new();
        let rows = (0..1000).take_while(|_| budget.takes(1_000)).count();
        assert_eq!(rows, 46);
    }

    #[test]
    fn a_text_is_measured_as_it_leaves() {
        assert_eq!(fenced("a\nb"), "\"a\\nb\"".len() + 4 + 80);
    }
}
