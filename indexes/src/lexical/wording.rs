//! What a passage says, sign for sign, whatever its layout: two passages with the same text but for blanks and line ends have
//! one wording. One letter, sign or mark more or less is another: it may say the opposite.

/// Hash of a passage's text without its layout (BLAKE3, 128 bits); 0 for a blank one, which is like no other.
pub(super) fn of(body: &str) -> (u64, u64) {
    let mut hash = blake3::Hasher::new();
    let mut any = false;
    for word in body.split_whitespace() {
        any = true;
        // No word holds a blank, so the words can be told from the whole.
        hash.update(word.as_bytes()).update(b" ");
    }
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
    fn layout_is_nothing_and_every_sign_counts() {
        let one = of("Reports of C++ are due on the 5th, if x < 5.");
        assert_eq!(one, of(" Reports of C++\n are due on   the 5th, if\tx < 5.\n"));
        for other in [
            "Reports of C++ are not due on the 5th, if x < 5.",
            "Reports of C# are due on the 5th, if x < 5.",
            "Reports of C++ are due on the 5th, if x > 5.",
            "Reports of C++ are due on the 6th, if x < 5.",
            "reports of C++ are due on the 5th, if x < 5.",
            "Reports of C++",
        ] {
            assert_ne!(one, of(other), "{other}");
        }
        assert_ne!(of("set up"), of("setup"));
        assert_ne!(of("one two"), of("two one"));
        assert_eq!(of(" \n "), (0, 0));
    }
}
