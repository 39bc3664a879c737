//! Whole runs against a real vault, with real worker processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "it/archives.rs"]
mod archives;
#[path = "it/bad_input.rs"]
mod bad_input;
#[path = "it/changing.rs"]
mod changing;
#[path = "it/content_moving.rs"]
mod content_moving;
#[path = "it/dates.rs"]
mod dates;
#[path = "it/looking_again.rs"]
mod looking_again;
#[path = "it/memory.rs"]
mod memory;
#[path = "it/partial.rs"]
mod partial;
#[path = "it/plan.rs"]
mod plan;
#[path = "it/rights.rs"]
mod rights;
#[path = "it/rights_formats.rs"]
mod rights_formats;
#[path = "it/rights_moving.rs"]
mod rights_moving;
#[path = "it/rights_only.rs"]
mod rights_only;
#[path = "it/runs.rs"]
mod runs;
#[path = "it/workers.rs"]
mod workers;
#[path = "it/world.rs"]
mod world;
