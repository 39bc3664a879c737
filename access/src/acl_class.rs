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
        // INVARIANT (I3): the last number is never given to an ACL. When all others are used up it
        // is what further ACLs get, and as the table does not know it, it means nobody.
        let id = match u32::try_from(self.classes.len()) {
            Ok(number) if number < u32::MAX => ClassId(number),
            _ => return ClassId(u32::MAX),
        };
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
        (0..u32::MAX).zip(&self.classes).map(|(n, acl)| (ClassId(n), acl.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::{Ace, AclLayer, Effect, Window};
    use crate::principal::Principal;

    #[test]
    fn equal_acls_share_a_number_and_unknown_numbers_have_none() {
        let everyone = Ace { effect: Effect::Allow, principal: Principal::Everyone, window: Window::ALWAYS };
        let open = Acl::new(vec![AclLayer::FirstMatch(vec![everyone])]);
        let mut table = ClassTable::default();
        assert!(table.is_empty());
        let (a, b) = (table.intern(open.clone()), table.intern(Acl::nobody()));
        assert_ne!(a, b);
        assert_eq!(table.intern(open.clone()), a);
        assert_eq!(table.len(), 2);
        assert_eq!(table.get(a), Some(&open));
        assert_eq!(table.get(ClassId(2)), None);
        assert_eq!(table.get(ClassId(u32::MAX)), None);
        assert!(table.iter().map(|(id, _)| id).eq([a, b]));
    }
}
