//! Integration tests through the public face, one binary so that they link once.
//!
//! One file per subject, one `mod` line per file. Tests that need the evaluation material look for
//! it in `KENWARD_EVAL`, else beside the repository, and skip with a message when it is absent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail by panicking and print their figures"
)]

mod agent;
mod another_config;
mod backup;
mod bad_http;
mod bad_input;
mod cli;
mod clients;
mod cluster;
mod common;
mod connect;
mod demo;
mod demo_page;
mod denial;
mod deploy;
mod eval_k8s;
mod eval_k8s_owners;
mod eval_rmc;
mod flow;
mod full_disk;
mod harbor;
mod hub;
mod hub_named;
mod killed;
mod limits;
mod lost;
mod machine;
mod mcp_http;
mod mcp_surface;
mod metrics;
mod oauth;
mod operators;
mod owner;
mod plan;
mod re_embed;
mod remote_embedding;
mod reranked;
mod rights_flags;
mod rights_only;
mod runs;
mod served;
mod sources;
mod stdio;
mod tenants;
mod tls;
mod upgrade;
mod watch;
mod world;
