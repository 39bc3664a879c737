//! The rules, tried from outside: against a naive model, by properties, and by what must not compile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests may fail loudly, and try callers and grants without an authenticator and a gate"
)]

mod agreement;
mod model;
mod properties;
mod worlds;

/// What the compiler must refuse; each file says which row of the design's table it holds.
#[test]
fn mistakes_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
