//! Text that came from a document: data written by somebody else.
//! It must never be displayed, formatted, serialized or dereferenced by accident; the functions
//! that expose it are named after their only allowed use, and `clippy.toml` lists their call sites.

use std::fmt;

/// Text from a source. `Debug` shows only its length.
#[derive(Clone, PartialEq, Eq)]
pub struct UntrustedText(String);

impl UntrustedText {
    /// Marks text as coming from a document. Called by extractors and the text store.
    #[must_use]
    pub fn mint(text: String) -> Self {
        Self(text)
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for UntrustedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UntrustedText({} bytes)", self.0.len())
    }
}

/// For writing it into an index, the text store or an embedder.
#[must_use]
pub fn expose_for_indexing(text: &UntrustedText) -> &str {
    &text.0
}

/// For the pipe between a worker process and its parent.
#[must_use]
pub fn expose_for_pipe(text: &UntrustedText) -> &str {
    &text.0
}

/// For the gate, which sanitizes, fences and labels it.
#[must_use]
pub fn expose_to_gate(text: &UntrustedText) -> &str {
    &text.0
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "they are what is tested")]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_only_a_length() {
        let text = UntrustedText::mint("the merger closes on friday".to_owned());
        assert_eq!(format!("{text:?}"), "UntrustedText(27 bytes)");
        assert_eq!((text.len(), text.is_empty()), (27, false));
        for expose in [expose_for_indexing, expose_for_pipe, expose_to_gate] {
            assert_eq!(expose(&text).len(), 27);
        }
    }
}
