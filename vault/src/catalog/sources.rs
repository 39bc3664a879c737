//! Sources and failures in the catalog.

use super::{Tx, json, to_json};
use crate::error::VaultError;
use crate::published::SourceMeta;
use crate::sources::SourceInfo;
use crate::writer::{Failure, Freshness, SourceSpec, Standing, Under};
use kenward_access::ids::{DocNo, Timestamp};
use rusqlite::{OptionalExtension, params};

/// All sources, by number.
pub(crate) fn all(tx: &Tx<'_>) -> Result<Vec<(u32, SourceSpec)>, VaultError> {
    let rows: Vec<(u32, String)> = tx.sql(|c| {
        c.prepare("SELECT no, spec FROM sources WHERE removed = 0 ORDER BY no")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect()
    })?;
    rows.into_iter().map(|(no, spec)| Ok((no, json(&spec)?))).collect()
}

/// One source.
pub(crate) fn one(tx: &Tx<'_>, no: u32) -> Result<Option<SourceSpec>, VaultError> {
    let spec: Option<String> = tx.sql(|c| {
        c.query_row("SELECT spec FROM sources WHERE no = ?1 AND removed = 0", [no], |r| r.get(0)).optional()
    })?;
    spec.as_deref().map(json).transpose()
}

/// Adds a source and gives its number: the next one, so that there are no holes.
pub(crate) fn add(tx: &Tx<'_>, id: &str, born: &str, spec: &SourceSpec) -> Result<u32, VaultError> {
    let text = to_json(spec)?;
    let no: u32 =
        tx.sql(|c| c.query_row("SELECT coalesce(max(no) + 1, 0) FROM sources", [], |r| r.get(0)))?;
    tx.sql(|c| {
        c.execute(
            "INSERT INTO sources (no, id, name, spec, born) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![no, id, spec.name, text, born],
        )
    })?;
    Ok(no)
}

/// Replaces what was recorded of a source.
pub(crate) fn set(tx: &Tx<'_>, no: u32, spec: &SourceSpec) -> Result<(), VaultError> {
    let text = to_json(spec)?;
    tx.sql(|c| {
        c.execute(
            "UPDATE sources SET spec = ?2, born = coalesce(born, name), name = ?3 WHERE no = ?1",
            params![no, text, spec.name],
        )
    })
    .map(drop)
}

/// The name that a source's ids are made with.
pub(crate) fn born(tx: &Tx<'_>, no: u32) -> Result<String, VaultError> {
    tx.sql(|c| c.query_row("SELECT coalesce(born, name) FROM sources WHERE no = ?1", [no], |r| r.get(0)))
}

/// The name of the source that was first recorded under the name of this one, over the same folder.
pub(crate) fn formerly(tx: &Tx<'_>, spec: &SourceSpec) -> Result<Option<String>, VaultError> {
    for (no, other) in all(tx)? {
        if (&other.kind, &other.root) == (&spec.kind, &spec.root) && born(tx, no)? == spec.name {
            return Ok(Some(other.name));
        }
    }
    Ok(None)
}

/// A name to make a new source's ids with: its own, unless the ids of one that was renamed are made with that.
pub(crate) fn new_born(tx: &Tx<'_>, name: &str) -> Result<String, VaultError> {
    let taken: Vec<String> = tx.sql(|c| {
        c.prepare("SELECT coalesce(born, name) FROM sources WHERE removed = 0")?
            .query_map([], |r| r.get(0))?
            .collect()
    })?;
    // No name has a line feed.
    let mut names = std::iter::once(name.to_owned()).chain((2_u64..).map(|n| format!("{name}\n{n}")));
    Ok(names.find(|born| !taken.contains(born)).unwrap_or_else(|| name.to_owned()))
}

/// The number of the source with this id.
pub(crate) fn with_id(tx: &Tx<'_>, id: &str) -> Result<Option<(u32, SourceSpec)>, VaultError> {
    let row: Option<(u32, String)> = tx.sql(|c| {
        c.query_row("SELECT no, spec FROM sources WHERE id = ?1 AND removed = 0", [id], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .optional()
    })?;
    row.map(|(no, spec)| Ok((no, json(&spec)?))).transpose()
}

/// The documents of a source.
pub(crate) fn documents(tx: &Tx<'_>, no: u32) -> Result<Vec<DocNo>, VaultError> {
    tx.sql(|c| {
        c.prepare("SELECT no FROM documents WHERE source = ?1 ORDER BY no")?
            .query_map([no], |r| r.get(0).map(DocNo))?
            .collect()
    })
}

/// Takes a source out. Its documents and containers have gone before; its number stays, so that no other gets it.
pub(crate) fn remove(tx: &Tx<'_>, no: u32) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute("DELETE FROM failures WHERE source = ?1", [no])?;
        c.execute(
            "UPDATE sources SET removed = 1, listed = NULL, id = id || '-' || no, name = name || ' (removed, ' || no || ')',
                    born = NULL
             WHERE no = ?1",
            [no],
        )
    })
    .map(drop)
}

/// All sources with what they hold.
pub(crate) fn infos(tx: &Tx<'_>) -> Result<Vec<SourceInfo>, VaultError> {
    type Row = (u32, String, String, Option<i64>, i64, i64);
    let rows: Vec<Row> = tx.sql(|c| {
        c.prepare(
            "SELECT s.no, s.id, s.spec, s.listed,
                    (SELECT count(*) FROM documents d WHERE d.source = s.no AND d.published IS NOT NULL),
                    (SELECT count(*) FROM failures f WHERE f.source = s.no)
             FROM sources s WHERE s.removed = 0 ORDER BY s.name",
        )?
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?)))?
        .collect()
    })?;
    let hidden = super::hidden::counts(tx)?;
    rows.into_iter()
        .map(|(no, id, spec, listed, documents, failures)| {
            let hidden = hidden.get(&no).copied().unwrap_or_default();
            Ok(SourceInfo {
                spec: json(&spec)?,
                id,
                documents: documents.cast_unsigned(),
                failures: failures.cast_unsigned(),
                hidden: hidden.by_rights + hidden.until_ingested,
                hidden_until_ingested: hidden.until_ingested,
                fresh: listed.map(Timestamp),
            })
        })
        .collect()
}

/// Notes the start of a full listing.
pub(crate) fn set_listed(tx: &Tx<'_>, no: u32, started: Timestamp) -> Result<(), VaultError> {
    let sql = "UPDATE sources SET listed = ?2, rights_read = ?2 WHERE no = ?1";
    tx.sql(|c| c.execute(sql, params![no, started.0])).map(drop)
}

/// Notes the start of a reading of all rights.
pub(crate) fn set_rights_read(tx: &Tx<'_>, no: u32, started: Timestamp) -> Result<(), VaultError> {
    let sql = "UPDATE sources SET rights_read = ?2 WHERE no = ?1";
    tx.sql(|c| c.execute(sql, params![no, started.0])).map(drop)
}

/// How recent what is known of each source is.
pub(crate) fn freshness(tx: &Tx<'_>) -> Result<Vec<Freshness>, VaultError> {
    tx.sql(|c| {
        c.prepare("SELECT name, listed, rights_read FROM sources WHERE removed = 0 ORDER BY name")?
            .query_map([], |r| {
                let time = |at| r.get::<_, Option<i64>>(at).map(|at| at.map(Timestamp));
                Ok(Freshness { source: r.get(0)?, listed: time(1)?, rights_as_of: time(2)? })
            })?
            .collect()
    })
}

/// All sources as answers show them; the place in the list is the source's number.
pub(crate) fn metas(tx: &Tx<'_>) -> Result<Vec<SourceMeta>, VaultError> {
    let rows: Vec<(String, String, Option<i64>)> = tx.sql(|c| {
        c.prepare("SELECT id, spec, listed FROM sources ORDER BY no")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect()
    })?;
    rows.into_iter()
        .map(|(id, spec, listed)| {
            let spec: SourceSpec = json(&spec)?;
            Ok(SourceMeta {
                id: id.into(),
                name: spec.name.into(),
                url_template: spec.url_template.map(Into::into),
                tier: spec.tier,
                label: spec.label.map(Into::into),
                fresh: listed.map(Timestamp),
            })
        })
        .collect()
}

/// Records a failed document, in the place of what was recorded of it.
pub(crate) fn fail(tx: &Tx<'_>, source: u32, standing: &Standing) -> Result<(), VaultError> {
    let Standing { failure, raw_hash, under } = standing;
    tx.sql(|c| {
        c.execute(
            "INSERT OR REPLACE INTO failures
               (source, source_id, reason, detail, attempts, raw_hash, pipeline, limits, tried, next)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                source,
                failure.path,
                failure.reason,
                failure.detail,
                failure.attempts,
                raw_hash.as_ref().map(<[u8; 32]>::as_slice),
                under.pipeline,
                under.limits,
                failure.tried.map(|at| at.0),
                failure.next.map(|at| at.0),
            ],
        )
    })
    .map(drop)
}

/// Forgets a failure.
pub(crate) fn unfail(tx: &Tx<'_>, source: u32, source_id: &str) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute("DELETE FROM failures WHERE source = ?1 AND source_id = ?2", params![source, source_id])
    })
    .map(drop)
}

/// Failed documents of a source, by path.
pub(crate) fn failures(tx: &Tx<'_>, source: u32) -> Result<Vec<Standing>, VaultError> {
    tx.sql(|c| {
        c.prepare(
            "SELECT source_id, reason, detail, attempts, tried, next, raw_hash, pipeline, limits
             FROM failures WHERE source = ?1 ORDER BY source_id",
        )?
        .query_map([source], |r| {
            let failure = Failure {
                path: r.get(0)?,
                reason: r.get(1)?,
                detail: r.get(2)?,
                attempts: r.get(3)?,
                tried: r.get::<_, Option<i64>>(4)?.map(Timestamp),
                next: r.get::<_, Option<i64>>(5)?.map(Timestamp),
            };
            let under = Under { pipeline: r.get(7)?, limits: r.get(8)? };
            Ok(Standing { failure, raw_hash: r.get(6)?, under })
        })?
        .collect()
    })
}

/// Documents that rights which could not be resolved hide.
pub(crate) fn hidden(tx: &Tx<'_>, source: u32) -> Result<u64, VaultError> {
    tx.sql(|c| {
        c.query_row(
            "SELECT count(*) FROM documents JOIN containers ON containers.no = documents.container
             WHERE documents.source = ?1 AND containers.unknown <> '[]'",
            [source],
            |r| r.get::<_, i64>(0).map(i64::cast_unsigned),
        )
    })
}

/// How many rows a table has.
pub(crate) fn count(tx: &Tx<'_>, what: Counted) -> Result<u64, VaultError> {
    let sql = match what {
        Counted::Sources => "SELECT count(*) FROM sources WHERE removed = 0",
        Counted::Documents => "SELECT count(*) FROM documents WHERE published IS NOT NULL",
        Counted::Chunks => "SELECT coalesce(sum(count), 0) FROM versions WHERE state = 1",
        Counted::Failures => "SELECT count(*) FROM failures",
        Counted::Unresolved => "SELECT count(*) FROM containers WHERE unknown <> '[]'",
        Counted::Users => "SELECT count(*) FROM users",
        Counted::Groups => "SELECT count(*) FROM groups",
        Counted::Tokens => "SELECT count(*) FROM tokens WHERE revoked IS NULL",
        Counted::Outbox => "SELECT count(*) FROM outbox",
    };
    tx.sql(|c| c.query_row(sql, [], |r| r.get::<_, i64>(0).map(i64::cast_unsigned)))
}

/// What [`count`] counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counted {
    Sources,
    Documents,
    Chunks,
    Failures,
    Unresolved,
    Users,
    Groups,
    Tokens,
    Outbox,
}
