//! The OAuth 2.1 resource server by the real program: tokens that the tests sign themselves, and those of a real
//! authorization server.

mod fronts;
mod hostile;
mod issuer;
mod mint;
mod provider;
