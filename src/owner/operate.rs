//! What each operation on the data as a whole does. All of them are for operators only, and who asks is settled before
//! anything else.

#![expect(clippy::result_large_err, reason = "what refuses an operation is its reply; there is one of them")]

use super::operations::{Operate, Operated};
use super::operations::{SourceFiles, Verification};
use super::ops::{Claim, Reply};
use super::perform::{self, Asked, failed};
use super::{apart, status};
use kenward_access::caller::Caller;
use kenward_ingest::pipeline::{Stop, plan};
use kenward_vault::VaultError;
use kenward_vault::mirrored::Comparison;
use kenward_vault::vault::Operator;

/// Performs one of them.
pub(super) fn operate(asked: &Asked<'_>, operate: Operate) -> Result<Reply, Reply> {
    // INVARIANT: for operators only, whichever it is.
    let by = asked.operator()?;
    let vault = &asked.opened.vault;
    let done = match operate {
        Operate::Backup { to, id } => {
            apart::output(asked, &to)?;
            vault.backup(&by, &to, &id).map(Operated::BackedUp)
        }
        Operate::Keys => Ok(Operated::Keys(vault.keys())),
        Operate::RotateKey { name, from } => vault.rotate_key(&by, &name, &from).map(|()| Operated::Done),
        Operate::ExportKeys { file } => {
            apart::output(asked, &file)?;
            vault.export_keys(&by, &file).map(Operated::Exported)
        }
        Operate::Sources => vault.source_infos().map(Operated::Sources),
        Operate::RenameSource { id, new } => vault.rename_source(&by, &id, &new).map(|()| Operated::Done),
        Operate::MoveSource { id, root } => {
            apart::source(asked, &root)?;
            vault.move_source(&by, &id, &root).map(|()| Operated::Done)
        }
        Operate::RemoveSource { id } => vault.remove_source(&by, &id).map(Operated::Removed),
        Operate::Verify { sources, repair } => verify(asked, &by, &sources, repair).map(Operated::Verified),
        Operate::Metrics => status::status(asked).map(|status| {
            // A text in memory can always be written.
            Operated::Metrics(asked.metrics.text(&status).unwrap_or_default())
        }),
        Operate::AcceptClock => vault.accept_clock(&by).map(|()| Operated::Done),
        Operate::VectorsElsewhere => Ok(Operated::VectorsElsewhere(vault.vectors_elsewhere())),
        Operate::AskElsewhere { asked: false } => vault.ask_elsewhere(&by, false).map(|()| Operated::Done),
        Operate::AskElsewhere { asked: true } => elsewhere(asked, &by).map(Operated::AskedElsewhere),
        Operate::Ready => {
            let ledger = vault.ledger_standing().is_ok();
            Ok(Operated::Ready { audit: vault.audit_is_writable(), ledger })
        }
        Operate::Status => status::status(asked).map(|status| Operated::Status(Box::new(status))),
    };
    done.map(|done| Reply::Operated(Box::new(done))).map_err(|error| failed(&error))
}

/// People as whom the two ways to an answer are compared, and passages whose like are looked for.
const CALLERS: usize = 8;
const LIKES: usize = 25;

/// Puts questions elsewhere, if people of all over the directory get the same answers.
fn elsewhere(asked: &Asked<'_>, by: &Operator) -> Result<Comparison, VaultError> {
    let vault = &asked.opened.vault;
    let people: Vec<String> =
        vault.users()?.into_iter().filter(|user| !user.disabled).map(|user| user.handle).collect();
    let step = people.len().div_ceil(CALLERS).max(1);
    let reason = "comparing the answers of two vector engines";
    let claims = people
        .into_iter()
        .step_by(step)
        .map(|handle| Claim::Local { act_as: Some(handle), reason: Some(reason.to_owned()) });
    let callers: Vec<Caller> =
        claims.filter_map(|claim| perform::authenticated(asked, &claim).ok()).collect();
    let comparison = vault.compare_elsewhere(&callers, LIKES)?;
    if comparison.agrees() {
        vault.ask_elsewhere(by, true)?;
    } else if comparison.differing > 0 {
        vault.bring_again_elsewhere(by)?;
    }
    Ok(comparison)
}

/// Looks at everything that is kept, then at the files of the sources that are named.
fn verify(
    asked: &Asked<'_>,
    by: &Operator,
    names: &[String],
    repair: bool,
) -> Result<Verification, VaultError> {
    let vault = &asked.opened.vault;
    let stored = vault.verify(repair)?;
    let mut files = Vec::new();
    for (number, spec) in vault.sources()? {
        if !names.contains(&spec.name) {
            continue;
        }
        let options = perform::options(asked, Stop::default());
        let planned = plan::plan(vault, by, Some(number), &spec, &options);
        files.push(match planned {
            Ok(plan) => SourceFiles {
                source: spec.name,
                same: plan.unchanged,
                changed: plan.changed.count,
                added: plan.added.count,
                removed: plan.removed.count,
                failed: plan.failed.len() as u64,
                error: None,
            },
            Err(error) => SourceFiles {
                source: spec.name,
                error: Some(perform::words(&error, None).0),
                ..SourceFiles::default()
            },
        });
    }
    Ok(Verification { stored, files })
}
