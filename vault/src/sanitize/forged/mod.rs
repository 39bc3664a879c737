//! Rule 5: what is shaped like a chat template, a role's header or our own fence is broken so that
//! a reader sees it, and counted. Quoting marks or look-alikes are put in; nothing is hidden.

mod fences;
mod markers;
mod roles;
mod tokens;

pub(super) use fences::fences;
pub(super) use markers::link_literals;
pub(super) use roles::roles;
pub(super) use tokens::tokens;
