//! A scope is resolved once per request; a copy could outlive it.
use kenward_access::scope::AccessScope;

fn twice(scope: &AccessScope) -> AccessScope {
    scope.clone()
}

fn need<T: Clone>() {}

fn main() {
    let _ = twice;
    need::<AccessScope>();
}
