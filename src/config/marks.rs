//! Marks of a configuration: a short hash of each part that the owner of the data goes by. A process that goes by another
//! configuration than the owner's can tell so, and in what; the values are never told.

use super::Config;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// By part, as the file names it.
pub type Marks = BTreeMap<String, String>;

impl Config {
    /// Of what answers, runs and rights depend on. How a single process logs, and where it listens, is its own affair.
    #[must_use]
    pub fn marks(&self) -> Marks {
        let Self {
            file: _,
            data_dir: _,
            tenant,
            labels,
            operators,
            http_addr: _,
            http: _,
            issuers,
            agents,
            // Each has an owner and marks of its own.
            tenants: _,
            engine,
            model,
            precision,
            remote,
            hub,
            models_dir,
            ingest,
            vectors,
            reranking,
            log: _,
            ledger,
            operations: _,
            traces: _,
            sources,
            worker_program: _,
        } = self;
        let parts = [
            ("tenant", format!("{tenant:?}")),
            ("labels", format!("{labels:?}")),
            ("[operators]", format!("{operators:?}")),
            ("[embedding]", format!("{engine:?} {model:?} {precision:?} {remote:?} {hub:?} {models_dir:?}")),
            ("[reranking]", format!("{reranking:?}")),
            ("[vectors]", format!("{vectors:?}")),
            ("[ingest]", format!("{ingest:?}")),
            ("backup.ledger", format!("{ledger:?}")),
            ("[[source]]", format!("{sources:?}")),
            ("[[agent]]", format!("{agents:?}")),
            ("[[issuer]]", format!("{issuers:?} {:?}", self.resource())),
        ];
        parts.into_iter().map(|(part, value)| (part.to_owned(), short(&value))).collect()
    }
}

/// The parts in which two configurations differ.
#[must_use]
pub fn differing(one: &Marks, other: &Marks) -> Vec<String> {
    let parts = one.keys().chain(other.keys()).filter(|part| one.get(*part) != other.get(*part));
    let mut parts: Vec<String> = parts.cloned().collect();
    parts.sort();
    parts.dedup();
    parts
}

fn short(value: &str) -> String {
    let hash = Sha256::digest(value.as_bytes());
    HEXLOWER.encode(hash.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn of(text: &str) -> Marks {
        Config::from_text(Path::new("/nowhere/kenward.toml"), text).unwrap().marks()
    }

    #[test]
    fn what_differs_is_named_and_what_is_a_process_own_affair_is_not() {
        let plain = of("data_dir = \"data\"\n");
        assert_eq!(differing(&plain, &plain), [""; 0]);
        let own = of("data_dir = \"data\"\n[log]\nlevel = \"debug\"\n[http]\naddr = \"127.0.0.1:1\"\n");
        assert_eq!(differing(&plain, &own), [""; 0]);
        let other = of(
            "data_dir = \"data\"\nlabels = [\"public\"]\n[embedding]\nengine = \"none\"\n[[source]]\nname = \"a\"\n\
             path = \"a\"\n",
        );
        assert_eq!(differing(&plain, &other), ["[[source]]", "[embedding]", "labels"]);
        assert!(!format!("{other:?}").contains("public"), "no value is told");
    }
}
