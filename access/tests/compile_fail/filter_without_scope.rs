//! `AccessFilter` is made by `AccessScope::filter` alone: not from parts, not from nothing.
use kenward_access::scope::AccessFilter;

fn main() {
    let _ = AccessFilter::default();
    let _ = AccessFilter { visible: Default::default() };
}
