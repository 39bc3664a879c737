//! Versions whose stored text is lost, and what the next run of a source reads again without its
//! having changed. A lost version stays what it is to everybody else: its rights and its place in
//! lists do not depend on its text.

use super::Tx;
use crate::error::VaultError;
use crate::lost::ReadAgain;
use std::collections::HashMap;

/// What stands for the pipeline of a version whose text is lost. No pipeline has this number, so the
/// next run takes the document for one that another pipeline made, and reads it again.
pub(crate) const TEXT_LOST: u32 = 0;

/// The texts of all versions that are read or wait, with the versions' rows.
pub(crate) const TEXTS: &str = "SELECT text, no FROM versions WHERE state <> 2";

/// What [`TEXTS`] gives.
pub(crate) fn texts(tx: &Tx<'_>) -> Result<HashMap<String, i64>, VaultError> {
    tx.sql(|c| c.prepare(TEXTS)?.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
}

/// Marks versions whose text is lost; gives how many were not marked before.
pub(crate) fn mark(tx: &Tx<'_>, rows: &[i64]) -> Result<usize, VaultError> {
    tx.sql(|c| {
        let mut mark =
            c.prepare("UPDATE versions SET pipeline = 0 WHERE no = ?1 AND state <> 2 AND pipeline <> 0")?;
        rows.iter().try_fold(0, |marked, row| Ok(marked + mark.execute([row])?))
    })
}

/// By source and its number: documents whose text is lost, others that have passages without vectors
/// of the space in `meta`, and those that wait. By the version that the next run compares with.
pub(crate) fn read_again(tx: &Tx<'_>) -> Result<Vec<(u32, ReadAgain)>, VaultError> {
    tx.sql(|c| {
        c.prepare(
            "SELECT s.no, s.name, sum(v.pipeline = 0), sum(v.pipeline <> 0 AND v.embedded = 0 AND v.count > 0),
                    sum(d.waiting IS NOT NULL)
             FROM documents d JOIN sources s ON s.no = d.source
             JOIN versions v ON v.no = coalesce(d.waiting, d.published)
             GROUP BY s.no ORDER BY s.name",
        )?
        .query_map([], |r| {
            let count = |at| r.get::<_, i64>(at).map(i64::cast_unsigned);
            let (text_lost, not_embedded, waiting) = (count(2)?, count(3)?, count(4)?);
            Ok((r.get(0)?, ReadAgain { source: r.get(1)?, text_lost, not_embedded, waiting }))
        })?
        .collect()
    })
}
