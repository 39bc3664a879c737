//! Whether a document is for anybody at all: for what operators are told. It must decide nothing.

use crate::catalog::rights as rights_sql;
use crate::error::VaultError;
use crate::vault::Vault;
use kenward_access::ids::DocNo;

impl Vault {
    /// Whether what guards a document, and the rights of this container, leave anybody.
    pub(crate) fn is_for_anybody(&self, source: u32, no: DocNo, container: &str) -> Result<bool, VaultError> {
        // Under the writer's lock, so that both are of one moment.
        let mut catalog = self.catalog.lock();
        let there =
            catalog.transaction("reading rights", |tx| rights_sql::container(tx, source, container))?;
        let rights = self.core.rights.load();
        let acl = |class| rights.classes.get(class);
        let both = [rights.class_of(no).and_then(acl), there.and_then(|there| acl(there.wanted))];
        // What is not stated is nobody's (I3).
        Ok(both.into_iter().all(|acl| acl.is_some_and(|acl| !acl.is_nobodys())))
    }
}
