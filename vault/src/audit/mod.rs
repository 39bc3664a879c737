//! The audit log: append-only, hash-chained, durable before an answer is given.

/// The log of one vault.
pub(crate) struct AuditLog {}
