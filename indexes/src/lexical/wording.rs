//! What a passage says, word for word, whatever its form: two passages with the same words in the same order, but for case,
//! marks, signs and layout, have one wording. A passage with one word more or less has another: it may say the opposite.

use super::words::words;

/// Hash of a passage's words (BLAKE3, 128 bits); 0 for a passage without words, which is like no other.
pub(super) fn of(body: &str) -> (u64, u64) {
    let mut hash = blake3::Hasher::new();
    let mut any = false;
    words(body, |word| {
        any = true;
        // No word holds a blank, so the words can be told from the whole.
        hash.update(word.as_bytes()).update(b" ");
    });
    if !any {
        return (0, 0);
    }
    let hash = hash.finalize();
    let mut halves = hash.as_bytes().as_chunks::<8>().0.iter().map(|half| u64::from_le_bytes(*half));
    (halves.next().unwrap_or(0), halves.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_nothing_and_every_word_counts() {
        let one = of("Expense reports are due on the 5th.");
        assert_eq!(one, of("EXPENSE reports —\n are due, on   the 5th"));
        for other in [
            "Expense reports are not due on the 5th.",
            "Expense reports are due on the 6th.",
            "Expense report",
        ] {
            assert_ne!(one, of(other), "{other}");
        }
        assert_ne!(of("set up"), of("setup"));
        assert_ne!(of("one two"), of("two one"));
        assert_eq!(of(" … "), (0, 0));
    }
}
