//! A scope never comes from stored data.
use kenward_access::scope::AccessScope;

fn need<'de, T: serde::Deserialize<'de>>() {}

fn main() {
    need::<AccessScope>();
}
