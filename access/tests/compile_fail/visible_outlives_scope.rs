//! What a grant admitted ends with the scope that the grant was made from.
use kenward_access::acl_class::ClassTable;
use kenward_access::ids::{ClassId, DocNo};
use kenward_access::scope::AccessScope;
use kenward_access::visible::{OfDocument, Visible};

struct Passage(DocNo);
impl OfDocument for Passage {
    fn document(&self) -> DocNo {
        self.0
    }
}

fn keep(scope: AccessScope, table: &ClassTable) -> Option<Visible<'_, Passage>> {
    let (_, grant) = scope.check(DocNo(1), ClassId(0), table);
    grant?.admit(Passage(DocNo(1)))
}

fn main() {
    let _ = keep;
}
