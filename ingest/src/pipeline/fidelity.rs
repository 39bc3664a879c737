//! How faithfully a source's rights were mapped, with what only the directory and the listing can tell:
//! names that stand for nobody, and documents that are nobody's. It decides nothing.

use crate::acl_mapping::{Fidelity, KEPT, Rules, Unmapped};
use crate::connectors::ItemRights;
use kenward_access::acl::Effect;
use kenward_vault::Vault;
use std::sync::Arc;

/// The whole report.
pub(super) fn of(vault: &Vault, rules: &Rules, files: &[Arc<ItemRights>]) -> Fidelity {
    let mut fidelity = rules.fidelity();
    let names = rules.names();
    let asked: Vec<&str> = names.keys().map(String::as_str).collect();
    let unmapped = vault.unmapped(&asked);
    fidelity.unmapped = unmapped.len() as u64;
    let first = unmapped.into_iter().take(KEPT);
    fidelity.unmapped_first = first
        .map(|name| Unmapped { name: name.to_owned(), place: names.get(name).cloned().unwrap_or_default() })
        .collect();
    let nobodys = |rights: &ItemRights| {
        let spec = &rights.spec;
        spec.problem.is_none() && !spec.entries.iter().any(|entry| entry.effect == Effect::Allow)
    };
    fidelity.nobodys = files.iter().filter(|rights| nobodys(rights)).count() as u64;
    fidelity
}
