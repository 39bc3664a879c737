//! Kenward: how people and agents talk to the knowledge base. See ARCHITECTURE.md for the tour.

pub mod http;
pub mod mcp;
pub mod owner;
