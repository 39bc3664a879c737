//! The built-in directory in the catalog: people, groups, memberships, tokens.

use super::{Tx, json, to_json};
use crate::directory::{Identity, Token, User};
use crate::error::VaultError;
use crate::published::{AnyCase, LiveToken, Rights};
use kenward_access::acl::{Clearance, Level};
use kenward_access::groups::{GroupGraph, Member};
use kenward_access::ids::{AgentId, GroupId, InvalidId, Timestamp, UserId};
use rusqlite::{OptionalExtension, params};
use std::collections::HashMap;
use std::sync::Arc;

fn damaged(_: InvalidId) -> VaultError {
    VaultError::damaged("an id in the catalog", "put `catalog.sqlite` back from a backup")
}

pub(crate) fn add_user(
    tx: &Tx<'_>,
    id: &UserId,
    handle: &str,
    name: &str,
    clearance: &Clearance,
    labels: &[String],
) -> Result<(), VaultError> {
    let (clearance, label) = (to_json(clearance)?, label_of(clearance, labels));
    tx.sql(|c| {
        c.execute(
            "INSERT INTO users (id, handle, name, clearance, label, disabled) VALUES (?1, ?2, ?3, ?4, ?5, 0)",
            params![id.as_str(), handle, name, clearance, label],
        )
    })
    .map(drop)
}

fn label_of<'l>(clearance: &Clearance, labels: &'l [String]) -> Option<&'l str> {
    labels.get(usize::from(clearance.level.0)).map(String::as_str)
}

/// Keeps every clearance what it was by name, where the configuration has other labels now.
///
/// INVARIANT: what is decided by is a place in the list of labels, and another list would give it another
/// meaning. Of a label that is gone, the next lower one that is left counts; its name is kept, so that a slip
/// in the list is undone with the list.
pub(crate) fn relabel(
    tx: &Tx<'_>,
    rights: &mut Rights,
    before: &[String],
    labels: &[String],
) -> Result<(), VaultError> {
    let place = |name: &str| labels.iter().position(|label| label == name);
    let users = Arc::make_mut(&mut rights.users);
    for user in users.values_mut() {
        let id = user.id.as_str().to_owned();
        let meant: Option<String> =
            tx.sql(|c| c.query_row("SELECT label FROM users WHERE id = ?1", [&id], |r| r.get(0)))?;
        let meant = meant.or_else(|| label_of(&user.clearance, before).map(str::to_owned));
        let had = before.iter().take(usize::from(user.clearance.level.0) + 1).rev();
        let lower = had.filter_map(|name| place(name));
        let now = meant.as_deref().and_then(place).into_iter().chain(lower).next();
        user.clearance.level = Level(now.and_then(|at| u16::try_from(at).ok()).unwrap_or_default());
        let clearance = to_json(&user.clearance)?;
        tx.sql(|c| {
            c.execute(
                "UPDATE users SET clearance = ?2, label = ?3 WHERE id = ?1",
                params![id, clearance, meant],
            )
        })?;
    }
    Ok(())
}

pub(crate) fn set_clearance(
    tx: &Tx<'_>,
    id: &UserId,
    clearance: &Clearance,
    labels: &[String],
) -> Result<(), VaultError> {
    let (clearance, label) = (to_json(clearance)?, label_of(clearance, labels));
    tx.sql(|c| {
        c.execute(
            "UPDATE users SET clearance = ?2, label = ?3 WHERE id = ?1",
            params![id.as_str(), clearance, label],
        )
    })
    .map(drop)
}

pub(crate) fn set_disabled(tx: &Tx<'_>, id: &UserId, disabled: bool) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("UPDATE users SET disabled = ?2 WHERE id = ?1", params![id.as_str(), disabled]))
        .map(drop)
}

pub(crate) fn remove_user(tx: &Tx<'_>, id: &UserId) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("DELETE FROM users WHERE id = ?1", [id.as_str()])).map(drop)
}

pub(crate) fn add_group(tx: &Tx<'_>, id: &GroupId, handle: &str) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("INSERT INTO groups (id, handle) VALUES (?1, ?2)", [id.as_str(), handle])).map(drop)
}

pub(crate) fn remove_group(tx: &Tx<'_>, id: &GroupId) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("DELETE FROM groups WHERE id = ?1", [id.as_str()])).map(drop)
}

fn member_columns(member: &Member) -> (Option<&str>, Option<&str>) {
    match member {
        Member::User(id) => (Some(id.as_str()), None),
        Member::Group(id) => (None, Some(id.as_str())),
    }
}

pub(crate) fn add_member(tx: &Tx<'_>, group: &GroupId, member: &Member) -> Result<(), VaultError> {
    let (user, inner) = member_columns(member);
    tx.sql(|c| {
        c.execute(
            "INSERT OR IGNORE INTO members (group_id, member_user, member_group) VALUES (?1, ?2, ?3)",
            params![group.as_str(), user, inner],
        )
    })
    .map(drop)
}

/// Removes a membership, and says whether it was there.
pub(crate) fn remove_member(tx: &Tx<'_>, group: &GroupId, member: &Member) -> Result<bool, VaultError> {
    let (user, inner) = member_columns(member);
    tx.sql(|c| {
        c.execute(
            "DELETE FROM members WHERE group_id = ?1 AND (member_user = ?2 OR member_group = ?3)",
            params![group.as_str(), user, inner],
        )
    })
    .map(|n| n > 0)
}

pub(crate) fn add_token(tx: &Tx<'_>, hash: &[u8; 32], token: &Token) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute(
            "INSERT INTO tokens (hash, user, agent, label, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                hash.as_slice(),
                token.user.as_str(),
                token.agent,
                token.label,
                token.created.0,
                token.expires.0
            ],
        )
    })
    .map(drop)
}

/// Links an issuer's subject to a person. One that is linked already is an error of the catalog: ask first.
pub(crate) fn link(tx: &Tx<'_>, id: &UserId, identity: &Identity, now: Timestamp) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute(
            "INSERT INTO identities (issuer, subject, user, made) VALUES (?1, ?2, ?3, ?4)",
            params![identity.issuer, identity.subject, id.as_str(), now.0],
        )
    })
    .map(drop)
}

/// Takes a link away, and says whether it was there.
pub(crate) fn unlink(tx: &Tx<'_>, id: &UserId, identity: &Identity) -> Result<bool, VaultError> {
    tx.sql(|c| {
        c.execute(
            "DELETE FROM identities WHERE issuer = ?1 AND subject = ?2 AND user = ?3",
            params![identity.issuer, identity.subject, id.as_str()],
        )
    })
    .map(|n| n > 0)
}

/// Takes all links away, and gives how many there were.
pub(crate) fn unlink_all(tx: &Tx<'_>) -> Result<usize, VaultError> {
    tx.sql(|c| c.execute("DELETE FROM identities", []))
}

/// Revokes the tokens whose hash begins with `id` (hex), and gives how many there were.
pub(crate) fn revoke_token(tx: &Tx<'_>, id: &str, now: Timestamp) -> Result<usize, VaultError> {
    tx.sql(|c| {
        c.execute(
            "UPDATE tokens SET revoked = coalesce(revoked, ?2) WHERE lower(substr(hex(hash), 1, 12)) = ?1",
            params![id, now.0],
        )
    })
}

/// Revokes all tokens, and gives how many there were.
pub(crate) fn revoke_all(tx: &Tx<'_>, now: Timestamp) -> Result<usize, VaultError> {
    tx.sql(|c| c.execute("UPDATE tokens SET revoked = ?1 WHERE revoked IS NULL", [now.0]))
}

const TOKENS: &str = "SELECT hash, user, agent, label, created, expires, revoked FROM tokens";

/// A token's row.
type TokenRow = (Vec<u8>, String, Option<String>, String, i64, i64, Option<i64>);

fn token_row(r: &rusqlite::Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?))
}

fn token_of(row: TokenRow) -> Result<Token, VaultError> {
    let (hash, user, agent, label, created, expires, revoked) = row;
    Ok(Token {
        id: token_id(&hash),
        user: UserId::new(user).map_err(damaged)?,
        agent,
        label,
        created: Timestamp(created),
        expires: Timestamp(expires),
        revoked: revoked.map(Timestamp),
    })
}

/// All tokens, newest first.
pub(crate) fn tokens(tx: &Tx<'_>) -> Result<Vec<Token>, VaultError> {
    let rows: Vec<TokenRow> = tx.sql(|c| {
        c.prepare(&format!("{TOKENS} ORDER BY created DESC, hash"))?.query_map([], token_row)?.collect()
    })?;
    rows.into_iter().map(token_of).collect()
}

/// The token with this hash.
pub(crate) fn token(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<Option<Token>, VaultError> {
    let row = tx.sql(|c| {
        c.query_row(&format!("{TOKENS} WHERE hash = ?1"), [hash.as_slice()], token_row).optional()
    })?;
    row.map(token_of).transpose()
}

/// The name of a token: the first 12 hex digits of its hash.
pub(crate) fn token_id(hash: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(hash.get(..6).unwrap_or_default())
}

/// Loads people, groups, memberships and live tokens into `rights`.
pub(crate) fn load(tx: &Tx<'_>, rights: &mut Rights) -> Result<(), VaultError> {
    let mut users = HashMap::new();
    let mut handles = HashMap::new();
    for (id, handle, name, clearance, disabled) in tx.sql(|c| {
        c.prepare("SELECT id, handle, name, clearance, disabled FROM users")?
            .query_map([], |r| {
                Ok((
                    r.get::<_, String>(0)?,
                    r.get::<_, String>(1)?,
                    r.get::<_, String>(2)?,
                    r.get::<_, String>(3)?,
                    r.get::<_, bool>(4)?,
                ))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()
    })? {
        let id = UserId::new(id).map_err(damaged)?;
        handles.insert(handle.clone(), id.clone());
        let (clearance, identities) = (json(&clearance)?, Vec::new());
        users.insert(id.clone(), User { id, handle, name, clearance, disabled, identities });
    }
    let mut identities = HashMap::new();
    for (issuer, subject, user) in tx.sql(|c| {
        c.prepare("SELECT issuer, subject, user FROM identities ORDER BY issuer, subject")?
            .query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()
    })? {
        let (identity, id) = (Identity { issuer, subject }, UserId::new(user).map_err(damaged)?);
        if let Some(user) = users.get_mut(&id) {
            user.identities.push(identity.clone());
        }
        identities.insert(identity, id);
    }
    rights.identities = Arc::new(identities);
    let mut group_handles = HashMap::new();
    for (id, handle) in tx.sql(|c| {
        c.prepare("SELECT id, handle FROM groups")?
            .query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()
    })? {
        group_handles.insert(handle, GroupId::new(id).map_err(damaged)?);
    }
    let mut graph = GroupGraph::default();
    for (group, user, inner) in tx.sql(|c| {
        c.prepare("SELECT group_id, member_user, member_group FROM members")?
            .query_map([], |r| {
                Ok((r.get::<_, String>(0)?, r.get::<_, Option<String>>(1)?, r.get::<_, Option<String>>(2)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()
    })? {
        let group = GroupId::new(group).map_err(damaged)?;
        if let Some(user) = user {
            graph.add(group, Member::User(UserId::new(user).map_err(damaged)?));
        } else if let Some(inner) = inner {
            graph.add(group, Member::Group(GroupId::new(inner).map_err(damaged)?));
        }
    }
    rights.any_case = Arc::new(AnyCase::of(&handles, &group_handles));
    rights.users = Arc::new(users);
    rights.handles = Arc::new(handles);
    rights.group_handles = Arc::new(group_handles);
    rights.groups = Arc::new(graph);
    load_tokens(tx, rights)
}

/// One membership: group, person, inner group.
type Edge = (String, Option<String>, Option<String>);

/// All memberships.
pub(crate) fn edges(tx: &Tx<'_>) -> Result<Vec<Edge>, VaultError> {
    tx.sql(|c| {
        c.prepare("SELECT group_id, member_user, member_group FROM members")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect()
    })
}

/// Loads live tokens alone.
pub(crate) fn load_tokens(tx: &Tx<'_>, rights: &mut Rights) -> Result<(), VaultError> {
    let mut tokens = HashMap::new();
    for (hash, user, agent, expires) in tx.sql(|c| {
        c.prepare("SELECT hash, user, agent, expires FROM tokens WHERE revoked IS NULL")?
            .query_map([], |r| {
                Ok((
                    r.get::<_, [u8; 32]>(0)?,
                    r.get::<_, String>(1)?,
                    r.get::<_, Option<String>>(2)?,
                    r.get::<_, i64>(3)?,
                ))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()
    })? {
        let agent = agent.map(AgentId::new).transpose().map_err(damaged)?;
        let user = UserId::new(user).map_err(damaged)?;
        tokens.insert(hash, LiveToken { user, agent, expires: Timestamp(expires) });
    }
    rights.tokens = Arc::new(tokens);
    Ok(())
}

/// Whether an id is taken, for making new ones.
pub(crate) fn id_taken(tx: &Tx<'_>, id: &str) -> Result<bool, VaultError> {
    let found: Option<i64> = tx.sql(|c| {
        c.query_row(
            "SELECT 1 FROM users WHERE id = ?1 UNION ALL SELECT 1 FROM groups WHERE id = ?1",
            [id],
            |r| r.get(0),
        )
        .optional()
    })?;
    Ok(found.is_some())
}
