//! The rights of every file of a listing by one reading of them: worked out once, and kept once for all files that hang
//! on the same container. It decides nothing itself.

use crate::acl_mapping::Rules;
use crate::connectors::{ItemRights, Listing};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// Rights by the files' places in the listing.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    files: Arc<[Arc<ItemRights>]>,
}

impl Places {
    /// Works them out.
    pub(super) fn of_all(rules: &Rules, listing: &Listing) -> Self {
        let mut known: HashMap<String, Arc<ItemRights>> = HashMap::new();
        let files = listing.items.iter().map(|item| {
            let rights = rules.of_file(&item.path);
            match known.entry(rights.container.clone()) {
                Entry::Occupied(known) => {
                    // What hangs on one container has its rights, in every format.
                    debug_assert_eq!(**known.get(), rights);
                    Arc::clone(known.get())
                }
                Entry::Vacant(new) => Arc::clone(new.insert(Arc::new(rights))),
            }
        });
        Self { files: files.collect() }
    }

    /// Those of each file, in the listing's order.
    pub(super) fn files(&self) -> &[Arc<ItemRights>] {
        &self.files
    }

    /// Those of each container, once, in no order.
    pub(super) fn containers(&self) -> impl Iterator<Item = &ItemRights> {
        let by_container: HashMap<&str, &ItemRights> =
            self.files.iter().map(|rights| (rights.container.as_str(), rights.as_ref())).collect();
        by_container.into_values()
    }
}
