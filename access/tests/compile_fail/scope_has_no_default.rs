//! There is no scope without a caller.
use kenward_access::scope::AccessScope;

fn main() {
    let _: AccessScope = Default::default();
}
