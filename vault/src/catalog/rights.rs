//! Rights in the catalog: classes, containers and what guards a document. Every function takes the
//! [`Rights`] that the transaction will publish and changes both alike: what is in memory after the
//! commit is what would be loaded.

use super::{Tx, json, to_json};
use crate::error::VaultError;
use crate::published::Rights;
use kenward_access::acl::{Acl, AclLayer, Level};
use kenward_access::ids::{ClassId, ContainerNo, DocNo, GroupId, UserId};
use kenward_access::principal::Principal;
use kenward_access::rights::{Origin, PrincipalNames, RightsSpec};
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A container's row.
pub(crate) struct Container {
    pub(crate) no: ContainerNo,
    pub(crate) spec: String,
    pub(crate) class: ClassId,
    pub(crate) wanted: ClassId,
    pub(crate) unknown: String,
}

impl Container {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            no: ContainerNo(row.get(0)?),
            spec: row.get(1)?,
            class: ClassId(row.get(2)?),
            wanted: ClassId(row.get(3)?),
            unknown: row.get(4)?,
        })
    }
}

const COLUMNS: &str = "no, spec, class, wanted, unknown";

/// The names that specs are resolved against.
pub(crate) struct Names<'a> {
    pub(crate) rights: &'a Rights,
    pub(crate) labels: &'a [String],
}

impl PrincipalNames for Names<'_> {
    fn user(&self, handle: &str) -> Option<UserId> {
        self.rights.handles.get(handle).cloned()
    }
    fn group(&self, handle: &str) -> Option<GroupId> {
        self.rights.group_handles.get(handle).cloned()
    }
    fn user_any_case(&self, handle: &str) -> Option<UserId> {
        self.rights.any_case.users.get(&handle.to_ascii_lowercase())?.clone()
    }
    fn group_any_case(&self, handle: &str) -> Option<GroupId> {
        self.rights.any_case.groups.get(&handle.to_ascii_lowercase())?.clone()
    }
    fn level(&self, label: &str) -> Option<Level> {
        let at = self.labels.iter().position(|l| l == label)?;
        u16::try_from(at).ok().map(Level)
    }
}

/// The number of an ACL, recorded if it is new.
pub(crate) fn intern(tx: &Tx<'_>, rights: &mut Rights, acl: Acl) -> Result<ClassId, VaultError> {
    let before = rights.classes.len();
    let text = to_json(&acl)?;
    let class = Arc::make_mut(&mut rights.classes).intern(acl);
    if rights.classes.len() > before {
        tx.sql(|c| c.execute("INSERT INTO classes (no, acl) VALUES (?1, ?2)", params![class.0, text]))?;
    }
    Ok(class)
}

/// The class that allows what both allow. An unknown class is nobody.
pub(crate) fn both(
    tx: &Tx<'_>,
    rights: &mut Rights,
    a: Option<ClassId>,
    b: Option<ClassId>,
) -> Result<ClassId, VaultError> {
    let acl = |class: Option<ClassId>| {
        class.and_then(|c| rights.classes.get(c)).cloned().unwrap_or_else(Acl::nobody)
    };
    let joined = acl(a).and(&acl(b));
    intern(tx, rights, joined)
}

/// One container of a source.
pub(crate) fn container(tx: &Tx<'_>, source: u32, key: &str) -> Result<Option<Container>, VaultError> {
    let sql = format!("SELECT {COLUMNS} FROM containers WHERE source = ?1 AND key = ?2");
    tx.sql(|c| c.query_row(&sql, params![source, key], Container::read).optional())
}

/// All containers, for resolving them again.
pub(crate) fn containers(tx: &Tx<'_>) -> Result<Vec<Container>, VaultError> {
    let sql = format!("SELECT {COLUMNS} FROM containers ORDER BY no");
    tx.sql(|c| c.prepare(&sql)?.query_map([], Container::read)?.collect())
}

/// States what a source says about a container. Gives whether what it comes to has changed.
///
/// INVARIANT: where something was read under the old rights, published or not, this only narrows: in
/// force is old AND new, until [`widen`] makes it the new alone.
pub(crate) fn state(
    tx: &Tx<'_>,
    rights: &mut Rights,
    labels: &[String],
    source: u32,
    key: &str,
    spec: &RightsSpec,
) -> Result<bool, VaultError> {
    let resolved = spec.resolve(&Names { rights, labels });
    let (text, unknown) = (to_json(spec)?, to_json(&resolved.unknown)?);
    let plain = intern(tx, rights, resolved.acl)?;
    let Some(old) = container(tx, source, key)? else {
        tx.sql(|c| {
            c.execute(
                "INSERT INTO containers (source, key, spec, class, wanted, unknown) VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
                params![source, key, text, plain.0, unknown],
            )
        })?;
        let no = ContainerNo(tx.sql(|c| {
            c.query_row(
                "SELECT no FROM containers WHERE source = ?1 AND key = ?2",
                params![source, key],
                |r| r.get(0),
            )
        })?);
        rights.containers.insert(no, plain);
        set_label(rights, labels, no, spec);
        return Ok(false);
    };
    if old.spec == text && old.class == plain && old.wanted == plain && old.unknown == unknown {
        return Ok(false);
    }
    let class = if old.class == plain || !holds_anything(tx, old.no)? {
        plain
    } else {
        both(tx, rights, Some(old.class), Some(plain))?
    };
    write(tx, rights, old.no, &text, class, plain, &unknown)?;
    set_label(rights, labels, old.no, spec);
    if old.wanted != plain {
        narrow_held(tx, rights, old.no, plain)?;
    }
    Ok(old.wanted != plain)
}

/// Resolves a container's spec again, after the directory or the labels changed.
pub(crate) fn resolve_again(
    tx: &Tx<'_>,
    rights: &mut Rights,
    labels: &[String],
    old: &Container,
) -> Result<(), VaultError> {
    let spec: RightsSpec = json(&old.spec)?;
    let resolved = spec.resolve(&Names { rights, labels });
    let unknown = to_json(&resolved.unknown)?;
    let plain = intern(tx, rights, resolved.acl)?;
    set_label(rights, labels, old.no, &spec);
    if plain == old.wanted && unknown == old.unknown {
        return Ok(());
    }
    // A widening that waits for content goes on waiting.
    let class = if old.class == old.wanted { plain } else { both(tx, rights, Some(old.class), Some(plain))? };
    write(tx, rights, old.no, &old.spec, class, plain, &unknown)?;
    narrow_held(tx, rights, old.no, plain)
}

fn write(
    tx: &Tx<'_>,
    rights: &mut Rights,
    no: ContainerNo,
    spec: &str,
    class: ClassId,
    wanted: ClassId,
    unknown: &str,
) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute(
            "UPDATE containers SET spec = ?2, class = ?3, wanted = ?4, unknown = ?5 WHERE no = ?1",
            params![no.0, spec, class.0, wanted.0, unknown],
        )
    })?;
    rights.containers.insert(no, class);
    Ok(())
}

fn holds_anything(tx: &Tx<'_>, no: ContainerNo) -> Result<bool, VaultError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM documents WHERE container = ?1)";
    tx.sql(|c| c.query_row(sql, [no.0], |r| r.get(0)))
}

/// Documents with a class of their own take part in every narrowing of their container.
fn narrow_held(
    tx: &Tx<'_>,
    rights: &mut Rights,
    container: ContainerNo,
    plain: ClassId,
) -> Result<(), VaultError> {
    let held: Vec<(u32, u32)> = tx.sql(|c| {
        c.prepare("SELECT no, held FROM documents WHERE container = ?1 AND held IS NOT NULL")?
            .query_map([container.0], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect()
    })?;
    for (no, class) in held {
        let narrower = both(tx, rights, Some(ClassId(class)), Some(plain))?;
        tx.sql(|c| c.execute("UPDATE documents SET held = ?2 WHERE no = ?1", params![no, narrower.0]))?;
        if rights.documents.contains_key(&DocNo(no)) {
            rights.documents.insert(DocNo(no), (container, Some(narrower)));
        }
    }
    Ok(())
}

/// Hides all that old rights still guard, until it is read again: they name labels by places in a list that
/// is another one now.
pub(crate) fn hide_old(tx: &Tx<'_>, rights: &mut Rights) -> Result<(), VaultError> {
    let nobody = intern(tx, rights, Acl::nobody())?;
    for container in containers(tx)?.into_iter().filter(|c| c.class != c.wanted) {
        let Container { no, spec, wanted, unknown, .. } = container;
        write(tx, rights, no, &spec, nobody, wanted, &unknown)?;
    }
    hide_held(tx, rights, nobody, |_| true)
}

/// Gives documents with a class of their own, of which this is so, the class of nobody.
fn hide_held(
    tx: &Tx<'_>,
    rights: &mut Rights,
    nobody: ClassId,
    of: impl Fn(ClassId) -> bool,
) -> Result<(), VaultError> {
    let held: Vec<(u32, u32, u32)> = tx.sql(|c| {
        c.prepare("SELECT no, container, held FROM documents WHERE held IS NOT NULL")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect()
    })?;
    for (no, container, _) in held.into_iter().filter(|(_, _, class)| of(ClassId(*class))) {
        tx.sql(|c| c.execute("UPDATE documents SET held = ?2 WHERE no = ?1", params![no, nobody.0]))?;
        if rights.documents.contains_key(&DocNo(no)) {
            rights.documents.insert(DocNo(no), (ContainerNo(container), Some(nobody)));
        }
    }
    Ok(())
}

/// Hides the documents of which this is so until a run of their source has read them or found them unchanged, or a reading
/// of its rights alone has hashed them and found them unchanged, under the rights that it has read. Gives how many.
///
/// INVARIANT: by a class of their own, which no change of the directory and no run of another source lets go of.
pub(crate) fn hide_until_read(
    tx: &Tx<'_>,
    rights: &mut Rights,
    of: &dyn Fn(DocNo, ContainerNo) -> bool,
) -> Result<u64, VaultError> {
    let nobody = intern(tx, rights, Acl::nobody())?;
    let all: Vec<(u32, u32)> = tx.sql(|c| {
        c.prepare("SELECT no, container FROM documents")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect()
    })?;
    let mut hidden = 0;
    for (no, container) in all.into_iter().map(|(no, container)| (DocNo(no), ContainerNo(container))) {
        if of(no, container) {
            super::content::guard(tx, no, container, Some(nobody), super::content::HELD_FOR_CONTENT)?;
            rights.documents.insert(no, (container, Some(nobody)));
            hidden += 1;
        }
    }
    Ok(hidden)
}

/// Hides what is guarded by rights that name somebody who is gone.
///
/// INVARIANT (I3): a container's own rights are resolved again by their names. The old ones that hold
/// beside them until content is read were resolved once: of somebody who is gone neither a deny nor
/// an allow in them can be believed any more, so until then nobody sees it.
pub(crate) fn hide_what_names(
    tx: &Tx<'_>,
    rights: &mut Rights,
    gone: &[Principal],
) -> Result<(), VaultError> {
    let names = |acl: &Acl| {
        acl.layers().iter().any(|layer| match layer {
            AclLayer::FirstMatch(entries) => entries.iter().any(|entry| gone.contains(&entry.principal)),
            AclLayer::Label { .. } => false,
        })
    };
    let named: BTreeSet<ClassId> =
        rights.classes.iter().filter(|(_, acl)| names(acl)).map(|(class, _)| class).collect();
    if gone.is_empty() || named.is_empty() {
        return Ok(());
    }
    let nobody = intern(tx, rights, Acl::nobody())?;
    for container in containers(tx)?.into_iter().filter(|c| named.contains(&c.class)) {
        let Container { no, spec, wanted, unknown, .. } = container;
        write(tx, rights, no, &spec, nobody, wanted, &unknown)?;
    }
    hide_held(tx, rights, nobody, |class| named.contains(&class))
}

/// Containers of a source whose widening waits: number, key.
pub(crate) fn waiting_to_widen(tx: &Tx<'_>, source: u32) -> Result<Vec<(ContainerNo, String)>, VaultError> {
    tx.sql(|c| {
        c.prepare("SELECT no, key FROM containers WHERE source = ?1 AND class <> wanted ORDER BY no")?
            .query_map([source], |r| Ok((ContainerNo(r.get(0)?), r.get(1)?)))?
            .collect()
    })
}

/// Puts the plain new rights of a container into force.
pub(crate) fn widen(tx: &Tx<'_>, rights: &mut Rights, no: ContainerNo) -> Result<(), VaultError> {
    let wanted: u32 = tx.sql(|c| {
        c.query_row("UPDATE containers SET class = wanted WHERE no = ?1 RETURNING wanted", [no.0], |r| {
            r.get(0)
        })
    })?;
    rights.containers.insert(no, ClassId(wanted));
    Ok(())
}

/// Forgets containers of a source that were not stated and hold nothing.
pub(crate) fn forget_empty(
    tx: &Tx<'_>,
    rights: &mut Rights,
    source: u32,
    stated: &dyn Fn(&str) -> bool,
) -> Result<(), VaultError> {
    let empty: Vec<(u32, String)> = tx.sql(|c| {
        c.prepare(
            "SELECT no, key FROM containers WHERE source = ?1
             AND NOT EXISTS (SELECT 1 FROM documents WHERE container = containers.no)",
        )?
        .query_map([source], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect()
    })?;
    for (no, key) in empty {
        if !stated(&key) {
            tx.sql(|c| c.execute("DELETE FROM containers WHERE no = ?1", [no]))?;
            rights.containers.remove(&ContainerNo(no));
            rights.labels.remove(&ContainerNo(no));
        }
    }
    Ok(())
}

/// What guards a document: its container, and a class of its own.
pub(crate) fn guard_of(tx: &Tx<'_>, no: DocNo) -> Result<Option<(ContainerNo, Option<ClassId>)>, VaultError> {
    tx.sql(|c| {
        c.query_row("SELECT container, held FROM documents WHERE no = ?1", [no.0], |r| {
            Ok((ContainerNo(r.get(0)?), r.get::<_, Option<u32>>(1)?.map(ClassId)))
        })
        .optional()
    })
}

/// What hides documents: (container, place, what), for operators.
pub(crate) fn unresolved(tx: &Tx<'_>, source: u32) -> Result<Vec<(String, Origin, String)>, VaultError> {
    let rows: Vec<(String, String)> = tx.sql(|c| {
        c.prepare("SELECT key, unknown FROM containers WHERE source = ?1 AND unknown <> '[]' ORDER BY key")?
            .query_map([source], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect()
    })?;
    let mut all = Vec::new();
    for (key, unknown) in rows {
        for (what, origin) in json::<Vec<(String, Origin)>>(&unknown)? {
            all.push((key.clone(), origin, what));
        }
    }
    Ok(all)
}

fn set_label(rights: &mut Rights, labels: &[String], no: ContainerNo, spec: &RightsSpec) {
    let place = |name: &str| labels.iter().position(|l| l == name);
    let highest = spec.labels.iter().filter_map(|(name, _)| Some((place(name)?, name))).max();
    match highest {
        Some((_, name)) => drop(rights.labels.insert(no, Arc::from(name.as_str()))),
        None => drop(rights.labels.remove(&no)),
    }
}

/// Loads classes, containers and documents' guards into `rights`.
pub(crate) fn load(tx: &Tx<'_>, rights: &mut Rights, labels: &[String]) -> Result<(), VaultError> {
    let classes: Vec<(u32, String)> = tx.sql(|c| {
        c.prepare("SELECT no, acl FROM classes ORDER BY no")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect()
    })?;
    let table = Arc::make_mut(&mut rights.classes);
    for (no, acl) in classes {
        if table.intern(json(&acl)?) != ClassId(no) {
            return Err(VaultError::damaged(
                "the catalog's table `classes`",
                "put `catalog.sqlite` and `text/` back from a backup",
            ));
        }
    }
    for container in containers(tx)? {
        rights.containers.insert(container.no, container.class);
        set_label(rights, labels, container.no, &json(&container.spec)?);
    }
    let documents: Vec<(u32, u32, Option<u32>)> = tx.sql(|c| {
        c.prepare("SELECT no, container, held FROM documents ORDER BY no")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect()
    })?;
    for (no, container, held) in documents {
        rights.documents.insert(DocNo(no), (ContainerNo(container), held.map(ClassId)));
    }
    Ok(())
}
