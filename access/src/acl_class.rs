//! Interned ACLs: equal ones share a number, and one evaluation.
//! A number that the table does not know is visible to nobody.

use crate::acl::Acl;
use crate::ids::ClassId;
use std::collections::HashMap;
use std::sync::Arc;

/// All distinct ACLs of a tenant, numbered from 0 in the order in which they were first seen.
#[derive(Debug, Clone, Default)]
pub struct ClassTable {
    classes: Vec<Arc<Acl>>,
    numbers: HashMap<Arc<Acl>, ClassId>,
}

impl ClassTable {
    /// The number of this ACL, given a new one if it was not there.
    pub fn intern(&mut self, acl: Acl) -> ClassId {
        if let Some(id) = self.numbers.get(&acl) {
            return *id;
        }
        // More than 2^32 distinct ACLs cannot be stored; the last number then stands for nobody.
        let id = ClassId(u32::try_from(self.classes.len()).unwrap_or(u32::MAX));
        let acl = Arc::new(acl);
        self.classes.push(Arc::clone(&acl));
        self.numbers.insert(acl, id);
        id
    }

    /// The ACL of a number.
    #[must_use]
    pub fn get(&self, id: ClassId) -> Option<&Acl> {
        self.classes.get(id.0 as usize).map(Arc::as_ref)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// All classes with their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (ClassId, &Acl)> {
        (0u32..).zip(&self.classes).map(|(n, acl)| (ClassId(n), acl.as_ref()))
    }
}
