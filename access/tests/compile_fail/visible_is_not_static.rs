//! Nothing that a caller may see is kept beyond a request, so none of it is `'static`.
use kenward_access::acl_class::ClassTable;
use kenward_access::ids::{ClassId, DocNo};
use kenward_access::scope::AccessScope;
use kenward_access::visible::Grant;

fn keep(scope: &AccessScope, table: &ClassTable) -> Option<Grant<'static>> {
    scope.check(DocNo(1), ClassId(0), table).1
}

fn main() {
    let _ = keep;
}
