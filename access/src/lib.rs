//! Who may see what: pure rules, no I/O, no clock, no async.
//!
//! # One question's journey
//!
//! Dana asks. The authenticator has proven who she is: a [`caller::Caller`]. Her groups come from
//! the [`groups::GroupGraph`], cycles and all, as [`groups::Memberships`]. Both, with her clearance
//! and the request's fixed clock, give an [`scope::AccessScope`]. Its
//! [`filter`](scope::AccessScope::filter) evaluates every interned [`acl::Acl`] once with
//! [`decision::decide`], the only function that decides, and is what a search must carry. When a
//! candidate's text is about to be read, [`check`](scope::AccessScope::check) decides again, with
//! the rights as they are now, and gives a [`visible::Grant`]; what the grant admits is
//! [`visible::Visible`], and ends with the request.
//!
//! [`rights`] turns what a source wrote into an ACL; [`explain`] renders a decision's path;
//! [`untrusted`] holds text that documents brought.

pub mod acl;
pub mod acl_class;
pub mod agent;
pub mod caller;
pub mod decision;
pub mod explain;
pub mod groups;
pub mod ids;
pub mod principal;
pub mod rights;
pub mod scope;
pub mod untrusted;
pub mod visible;
