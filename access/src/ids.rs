//! Identifiers: one newtype per thing, so that two of them cannot be swapped.
//! They must never be built from a bare display name or e-mail address.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A text that is not a valid identifier of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}")]
pub struct InvalidId {
    /// Which kind of identifier was expected.
    pub kind: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes the text as an identifier, or says that it is not one.
            ///
            /// # Errors
            /// [`InvalidId`] if the text has not the shape of this kind.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text: String = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text.into_boxed_str())) } else { Err(InvalidId { kind: $kind }) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn slug(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn prefixed(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        !rest.is_empty()
            && rest.len() <= 64
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

text_id!(
    /// One customer: its own `data_dir`, keys and issuer. Part of every key, cursor, id and record.
    TenantId, "tenant id (lower-case letters, digits and dashes, at most 63)", slug
);
text_id!(
    /// Immutable id of a person in the directory, `u_…`.
    UserId, "user id (u_…)", |t| prefixed(t, "u_")
);
text_id!(
    /// Immutable id of a group in the directory, `g_…`.
    GroupId, "group id (g_…)", |t| prefixed(t, "g_")
);
text_id!(
    /// Client id of the agent that acts for a person (1 to 200 visible ASCII characters).
    AgentId, "agent id", |t| !t.is_empty() && t.len() <= 200 && t.bytes().all(|b| b.is_ascii_graphic())
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);
    };
}

number_id!(
    /// Number of an interned ACL ([`crate::acl_class`]).
    ClassId
);
number_id!(
    /// Number of a container: the folder, space or page that rights hang on.
    ContainerNo
);
number_id!(
    /// Number of a document in the catalog. Internal: it counts hidden documents and never leaves.
    DocNo
);
number_id!(
    /// Number of a chunk in the catalog. Internal: it counts hidden chunks and never leaves.
    ChunkNo
);

/// The stable order of equals: a keyed hash of the document's source identity, then the chunk's
/// ordinal. It depends on nothing else that is stored, so hidden documents cannot move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TieKey {
    /// Keyed hash of (tenant, source, source id), all 32 bytes.
    pub document: [u8; 32],
    /// Position of the chunk in its document, from 0.
    pub ordinal: u32,
}

/// Milliseconds since 1970-01-01 UTC. Passed in, never read from a clock here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Counts changes of rights, membership and labels. Never leaves in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RightsEpoch(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked_however_an_id_comes() {
        for bad in ["", "u_", "dana", "g_dana", "u_da na", "u_dana@harbor.example", "u_\u{fc}"] {
            assert!(UserId::new(bad).is_err(), "{bad}");
            assert!(serde_json::from_value::<UserId>(bad.into()).is_err(), "{bad}");
        }
        assert_eq!(UserId::new("u_9Z-_").unwrap().as_str(), "u_9Z-_");
        assert!(UserId::new(format!("u_{}", "x".repeat(65))).is_err());
        assert!(GroupId::new("g_1").is_ok() && GroupId::new("u_1").is_err());
        for bad in ["", "Harbor", "a/b", "a.b", &"x".repeat(64)] {
            assert!(TenantId::new(bad).is_err(), "{bad}");
        }
        assert!(TenantId::new("harbor-1").is_ok());
        assert!(AgentId::new("").is_err() && AgentId::new("a b").is_err() && AgentId::new("cli/1.0").is_ok());
    }

    #[test]
    fn an_error_does_not_quote_its_input() {
        let error = UserId::new("secret word").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn ties_go_by_document_then_ordinal() {
        let key = |byte, ordinal| TieKey { document: [byte; 32], ordinal };
        assert!(key(0, 9) < key(1, 0) && key(1, 0) < key(1, 1));
    }
}
