//! The official conformance suite, run against the product's own layers and handler, with the tools,
//! resources and prompts that the suite asks for put in front of them ([`fixtures`]). None of those is
//! in the product, and neither are sessions of the older protocol, which are on here only, each bound
//! to the person who opened it ([`bound`]).
//!
//! The suite comes by npm, with the Node that it needs ([`package`]); where npm cannot be had the test says
//! so and passes, unless `KENWARD_CONFORMANCE=required`. `KENWARD_CONFORMANCE_PACKAGE=FOLDER` runs the suite
//! that is installed there, which is how `scripts/conformance-newest.sh` looks at the newest one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod bound;
mod cut;
mod fixtures;
mod package;
mod sessions;
mod stage;
mod suite;

#[allow(dead_code, reason = "it is shared with the integration tests, which use more of it")]
#[path = "../it/served.rs"]
mod served;
