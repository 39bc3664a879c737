//! From what a source says about rights to what the catalog keeps. For folders: `.access.toml`.
//!
//! Walk through one file, `pay/2026/salaries-q1.xlsx`: the rights files of `""`, `pay` and `pay/2026`
//! are its chain. The deepest one with `inherit = false` cuts off the entries (never the labels) of
//! those above it. All denies in force come first, then all allows; each label is a layer. A
//! `[[file]]` rule that matches gives the file a container of its own. If nothing in the chain speaks
//! of who may read it (an empty list does, a label alone does not), the source's `default_allow` decides.
//!
//! It must never widen: whatever cannot be understood makes everything below it visible to nobody.

mod combine;
mod parse;
#[cfg(test)]
mod reference;

pub use combine::{Defaults, Rules};
