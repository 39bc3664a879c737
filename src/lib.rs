//! How people and agents talk to the knowledge base: the top of the five rooms.
//!
//! A verb's journey: [`cli`] parses it, [`config`] says where the data lies, [`telemetry`] starts
//! logging; the verb makes typed operations and sends them through [`owner::Backend`] to the one
//! process that owns the data, which may be this one. There [`identity`] proves who asks, [`app`]
//! has wired the vault to its engines, and the vault answers, within what that person may see.
//! Agents come in through [`mcp`], over standard input or [`http`]: two more fronts of the same kind.

pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod html;
pub mod http;
pub mod identity;
pub mod mcp;
pub mod metrics;
pub mod outgoing;
pub mod owner;
pub mod telemetry;
pub mod traces;
