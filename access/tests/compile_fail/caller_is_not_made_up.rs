//! A caller is proven by the authenticator: not default, not read from a request, not copied.
use kenward_access::caller::Caller;

fn default<T: Default>() {}
fn stored<'de, T: serde::Deserialize<'de>>() {}
fn copied<T: Clone>() {}

fn main() {
    default::<Caller>();
    stored::<Caller>();
    copied::<Caller>();
}
