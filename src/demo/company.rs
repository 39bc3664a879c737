//! The built-in sample company, as the demo needs it. It is fictional, and its first page says so.

/// A company to show.
#[derive(Debug, Clone, Copy)]
pub struct Company {
    /// Its name.
    pub name: &'static str,
    /// Sensitivity labels, least sensitive first.
    pub labels: &'static [&'static str],
    /// The person of the directory who operates the demo.
    pub operator: &'static str,
    /// People and groups, as `users import` reads them.
    pub directory: &'static str,
    /// Paths and contents, rights files included.
    pub files: &'static [(&'static str, &'static [u8])],
    /// The two people who ask, with handle and name.
    pub people: [Person; 2],
    /// What both are asked.
    pub questions: &'static [&'static str],
}

/// Somebody who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Handle in the directory.
    pub handle: &'static str,
    /// Name, with what they do.
    pub name: &'static str,
}
