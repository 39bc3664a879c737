//! Counts and lists in words, alike wherever they are said. It knows nothing of what it counts.

use super::out;
use kenward_vault::reembed::Anew;

/// How many of a list are shown where all of them would be too many.
pub(crate) const LISTED: usize = 10;

/// `1 document`, `2 documents`; the word is given for one.
pub(crate) fn count(n: u64, one: &str) -> String {
    format!("{n} {}", of(n, one))
}

/// The word alone, for so many.
pub(crate) fn of(n: u64, one: &str) -> String {
    if n == 1 {
        return one.to_owned();
    }
    match one.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{stem}ies"),
        _ => format!("{one}s"),
    }
}

/// `1 document is`, `2 documents are`.
pub(crate) fn are(n: u64, one: &str) -> String {
    format!("{} {}", count(n, one), if n == 1 { "is" } else { "are" })
}

/// `1 person`, `2 people`.
pub(crate) fn people(n: u64) -> String {
    if n == 1 { "1 person".to_owned() } else { format!("{n} people") }
}

/// An embedding anew: how far, and what is to be done.
pub(crate) fn anew(anew: &Anew) -> String {
    let how = match anew.under_way {
        true => "under way",
        false => "stopped before its end: `kenward ingest --re-embed` goes on with it",
    };
    format!(
        "by {}: {} of {}, {how}; searches use the old vectors until it is done",
        anew.engine,
        anew.passages,
        count(anew.of, "passage")
    )
}

/// The first of a list in one line.
pub(crate) fn first(all: &[String]) -> String {
    let mut text = all.iter().take(LISTED).map(|one| out::line(one)).collect::<Vec<_>>().join(", ");
    if all.len() > LISTED {
        text.push_str(&format!(" and {} more", all.len() - LISTED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_many_have_their_words() {
        assert_eq!(count(1, "document"), "1 document");
        assert_eq!(count(0, "document"), "0 documents");
        assert_eq!(count(2, "entry"), "2 entries");
        assert_eq!(count(2, "key"), "2 keys");
        assert_eq!((are(1, "file"), are(3, "file")), ("1 file is".to_owned(), "3 files are".to_owned()));
        assert_eq!((people(1), people(2)), ("1 person".to_owned(), "2 people".to_owned()));
        let many: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        assert_eq!(first(&many), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }
}
