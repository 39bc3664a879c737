//! Text of a document cannot be displayed, dereferenced or serialized by accident.
use kenward_access::untrusted::UntrustedText;

fn need<T: serde::Serialize>() {}

fn show(text: &UntrustedText) -> String {
    format!("{text}")
}

fn deref(text: &UntrustedText) -> &str {
    text
}

fn main() {
    let _ = (show, deref);
    need::<UntrustedText>();
}
