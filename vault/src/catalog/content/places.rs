//! Where a document is, for explanations to its operator. It must never be asked on a caller's behalf: it
//! looks at no rights.

use crate::catalog::Tx;
use crate::error::VaultError;
use kenward_access::ids::DocNo;
use rusqlite::OptionalExtension;

/// For explanations: number and path of a document given as `source/path` or by its hash.
pub(crate) fn find(tx: &Tx<'_>, name: &str) -> Result<Option<DocNo>, VaultError> {
    if let Some(part) = crate::keys::parse_document_id(name) {
        return tx.sql(|c| {
            c.query_row("SELECT no FROM documents WHERE substr(key, 1, 16) = ?1", [part.as_slice()], |r| {
                r.get(0).map(DocNo)
            })
            .optional()
        });
    }
    // A source's name may hold a slash, so it is the names that are tried, not the slashes.
    tx.sql(|c| {
        c.query_row(
            "SELECT d.no FROM documents d JOIN sources s ON s.no = d.source
             JOIN versions v ON v.no = coalesce(d.published, d.waiting)
             WHERE ?1 = s.name || '/' || v.path OR ?1 = s.name || '/' || d.source_id LIMIT 1",
            [name],
            |r| r.get(0).map(DocNo),
        )
        .optional()
    })
}

/// Where a document is: key, source, path, container's key, spec and unknowns, and whether its
/// class is simply what that spec comes to.
pub(crate) struct Place {
    pub(crate) key: [u8; 32],
    pub(crate) source: String,
    pub(crate) path: String,
    pub(crate) container: String,
    pub(crate) spec: String,
    pub(crate) unknown: String,
    pub(crate) plain: bool,
}

/// Where a document is.
pub(crate) fn place(tx: &Tx<'_>, no: DocNo) -> Result<Place, VaultError> {
    tx.sql(|c| {
        c.query_row(
            "SELECT d.key, s.name, d.source_id, k.key, k.spec, k.unknown, d.held IS NULL AND k.class = k.wanted
             FROM documents d JOIN sources s ON s.no = d.source JOIN containers k ON k.no = d.container
             WHERE d.no = ?1",
            [no.0],
            |r| {
                Ok(Place {
                    key: r.get(0)?,
                    source: r.get(1)?,
                    path: r.get(2)?,
                    container: r.get(3)?,
                    spec: r.get(4)?,
                    unknown: r.get(5)?,
                    plain: r.get(6)?,
                })
            },
        )
    })
}
