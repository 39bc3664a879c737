//! The MCP surface: the protocol, and no policy. A request is checked for its form, gets a request
//! id, and becomes one typed [`Question`](crate::owner::ops::Question) under a
//! [`Claim`](crate::owner::ops::Claim); the owner of the data decides who that is and what they may
//! see, and its answer leaves here byte for byte.
//!
//! One request's walk: [`server`] receives it from rmcp → [`tools`] turn its arguments into a
//! question, or into an error that says what to change ([`arguments`]) → [`ask`] takes it to the
//! owner → [`render`] wraps the answer, unread but for its labels → rmcp sends it.
//!
//! It must never decide what somebody may see, make a caller, change an answer's bytes, keep
//! anything between two requests, or log a query, an answer, an id of a document or a token.

pub mod arguments;
pub mod ask;
pub mod completions;
pub mod errors;
pub mod listen;
pub mod progress;
pub mod prompts;
pub mod render;
pub mod request_id;
pub mod server;
mod stdio;
pub mod surfaces;
pub mod tools;

#[cfg(test)]
mod tests;

pub use ask::Ask;
pub use server::{Claims, KenwardServer, Pace};
