//! Which document a caller means: an id, a cite, or a URI. It must never say whether there is such a document.

/// What stands before a document's id in its URI.
pub(super) const DOCUMENT: &str = "kb://document/";
const PASSAGE: &str = "/passage/";

/// A document, and perhaps a passage of it. What is in no form of ours has an empty id, which no document has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) id: String,
    /// Number of the passage.
    pub(super) passage: Option<u32>,
    /// Version of a cite.
    pub(super) version: Option<String>,
}

impl Target {
    /// `kd_…`, `kd_…#passage@version`, `kd_…#passage`, `kb://document/kd_…`, `kb://document/kd_…/passage/n`.
    pub(super) fn of(text: &str) -> Self {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix(DOCUMENT)
            && let Some((id, number)) = rest.split_once(PASSAGE)
        {
            return match number.parse() {
                Ok(number) => Self { id: id.to_owned(), passage: Some(number), version: None },
                Err(_) => Self::default(),
            };
        }
        let text = text.strip_prefix(DOCUMENT).unwrap_or(text);
        let Some((id, rest)) = text.split_once('#') else {
            return Self { id: text.to_owned(), ..Self::default() };
        };
        let (number, version) = rest.split_once('@').unwrap_or((rest, ""));
        match number.parse() {
            Ok(number) => Self {
                id: id.to_owned(),
                passage: Some(number),
                version: Some(version.to_owned()).filter(|version| !version.is_empty()),
            },
            Err(_) => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_no_other() {
        let plain = Target { id: "kd_a".into(), ..Target::default() };
        assert_eq!(Target::of(" kd_a "), plain);
        assert_eq!(Target::of("kb://document/kd_a"), plain);
        let third = Target { passage: Some(3), ..plain };
        assert_eq!(Target::of("kd_a#3"), third);
        assert_eq!(Target::of("kb://document/kd_a/passage/3"), third);
        assert_eq!(Target::of("kd_a#3@9f"), Target { version: Some("9f".into()), ..third });
        for none in ["kd_a#x@9f", "kb://document/kd_a/passage/x", "kb://document/kd_a/passage/-1"] {
            assert_eq!(Target::of(none), Target::default(), "{none}");
        }
    }
}
