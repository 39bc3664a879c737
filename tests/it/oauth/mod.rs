//! The OAuth 2.1 resource server by the real program: tokens that the tests sign themselves, and those of a real
//! authorization server.

mod cases;
mod fronts;
pub mod hostile;
pub mod issuer;
pub mod mint;
mod provider;
