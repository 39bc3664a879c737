//! A grant is made by `AccessScope::check` alone: its fields are private.
use kenward_access::ids::DocNo;
use kenward_access::visible::Grant;

fn assemble() -> Grant<'static> {
    Grant { document: DocNo(1), scope: std::marker::PhantomData }
}

fn main() {
    let _ = assemble;
}
