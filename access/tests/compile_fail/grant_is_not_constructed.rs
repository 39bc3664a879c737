//! A grant is made by `AccessScope::check` alone: its maker is private.
use kenward_access::ids::DocNo;
use kenward_access::scope::AccessScope;
use kenward_access::visible::Grant;

fn forge(scope: &AccessScope) -> Grant<'_> {
    Grant::mint(scope, DocNo(1))
}

fn main() {
    let _ = forge;
}
