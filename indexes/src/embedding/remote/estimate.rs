//! How many tokens a text has for a model whose tokenizer is not here: an estimate that is meant to be too high. It must
//! never depend on anything but the text.
//!
//! Of a word in ASCII letters three letters count as one token; every digit and every other sign counts as one, and so
//! does every character of what looks like no word (digits among letters, or more than 20 letters). Beyond ASCII a
//! character counts as many as its bytes less one. Byte-pair and word-piece tokenizers make fewer of ordinary text; never
//! is it less than a third of the text's bytes without its white space.

/// Tokens that go around a text.
pub(super) const SPECIAL: usize = 2;
/// Letters of a word that count as one token.
const LETTERS: usize = 3;
/// More letters than this are no word.
const LONGEST_WORD: usize = 20;

/// Tokens of a text, without those around it.
pub(super) fn tokens(text: &str) -> usize {
    pieces(text).map(|(_, tokens)| tokens).sum()
}

/// The text's beginning that has so many tokens at most; it ends between words, or between characters.
pub(super) fn within(text: &str, most: usize) -> &str {
    let mut left = most;
    for (piece, tokens) in pieces(text) {
        if tokens > left {
            let begin = piece.as_ptr() as usize - text.as_ptr() as usize;
            // Of a word that alone is too long, each letter counts as one.
            let part = if begin == 0 { piece.char_indices().nth(left).map_or(0, |(at, _)| at) } else { 0 };
            return text.get(..begin + part).unwrap_or_default();
        }
        left -= tokens;
    }
    text
}

/// Words in ASCII letters and digits, and single characters, each with its tokens.
fn pieces(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (piece, after) = rest.split_at_checked(word.max(first.len_utf8() * usize::from(word == 0)))?;
        rest = after;
        let tokens = match word {
            0 if first.is_whitespace() => 0,
            0 if first.is_ascii() => 1,
            0 => first.len_utf8() - 1,
            letters if letters > LONGEST_WORD || piece.bytes().any(|b| b.is_ascii_digit()) => letters,
            letters => letters.div_ceil(LETTERS),
        };
        Some((piece, tokens))
    })
}
