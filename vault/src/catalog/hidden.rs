//! Documents that are there and that nobody sees, counted for operators: by rights that cannot be resolved, or until their
//! source is ingested again (after a restore, when somebody whom old rights name is gone, when labels change). What is
//! nobody's because its rights say so is not among them.

use super::{Tx, json};
use crate::error::VaultError;
use kenward_access::acl::{Acl, AclLayer, Effect};
use rusqlite::OptionalExtension;
use std::collections::BTreeMap;

/// How many of a source are hidden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// By rights that cannot be resolved.
    pub(crate) by_rights: u64,
    /// Until their source is ingested again.
    pub(crate) until_ingested: u64,
}

/// By the number of the source; only those of which something is hidden.
pub(crate) fn counts(tx: &Tx<'_>) -> Result<BTreeMap<u32, Count>, VaultError> {
    type Row = (u32, bool, u32, i64);
    let rows: Vec<Row> = tx.sql(|c| {
        c.prepare(
            "SELECT d.source, c.unknown <> '[]', coalesce(d.held, c.class), count(*)
             FROM documents d JOIN containers c ON c.no = d.container
             WHERE c.unknown <> '[]'
                OR (d.published IS NOT NULL AND (d.held IS NOT NULL OR c.class <> c.wanted))
             GROUP BY 1, 2, 3",
        )?
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?
        .collect()
    })?;
    let mut counts: BTreeMap<u32, Count> = BTreeMap::new();
    for (source, unresolved, class, count) in rows {
        let count = count.cast_unsigned();
        if unresolved {
            counts.entry(source).or_default().by_rights += count;
        } else if is_nobody(tx, class)? {
            counts.entry(source).or_default().until_ingested += count;
        }
    }
    Ok(counts)
}

/// Whether a class grants nothing to anybody.
fn is_nobody(tx: &Tx<'_>, class: u32) -> Result<bool, VaultError> {
    let acl: Option<String> =
        tx.sql(|c| c.query_row("SELECT acl FROM classes WHERE no = ?1", [class], |r| r.get(0)).optional())?;
    let Some(acl) = acl else { return Ok(true) };
    let acl: Acl = json(&acl)?;
    Ok(acl.layers().iter().any(|layer| match layer {
        AclLayer::FirstMatch(entries) => entries.iter().all(|entry| entry.effect == Effect::Deny),
        AclLayer::Label { .. } => false,
    }))
}
