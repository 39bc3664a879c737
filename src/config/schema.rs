//! The keys that a configuration may hold, in one table: what reads files and variables, what
//! suggests a key, and the commented file that `init` writes all go by it.

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A list of texts.
    Texts,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name with its section: `http.addr`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

/// Keys outside of tables that repeat.
pub const KEYS: &[Key] = &[
    key("data_dir", Kind::Text),
    key("tenant", Kind::Text),
    key("labels", Kind::Texts),
    key("http.addr", Kind::Text),
    key("http.public_url", Kind::Text),
    key("http.allowed_hosts", Kind::Texts),
    key("http.allowed_origins", Kind::Texts),
    key("http.trusted_proxies", Kind::Texts),
    key("http.tls_certificate", Kind::Text),
    key("http.tls_key", Kind::Text),
    key("http.requests_per_second", Kind::Number),
    key("http.requests_at_once", Kind::Number),
    key("http.connections_per_address", Kind::Number),
    key("http.listens_at_once", Kind::Number),
    key("embedding.engine", Kind::Text),
    key("embedding.model", Kind::Text),
    key("embedding.precision", Kind::Text),
    key("embedding.hub", Kind::Text),
    key("embedding.models_dir", Kind::Text),
    key("embedding.remote.url", Kind::Text),
    key("embedding.remote.model", Kind::Text),
    key("embedding.remote.dimension", Kind::Number),
    key("embedding.remote.max_tokens", Kind::Number),
    key("embedding.remote.batch", Kind::Number),
    key("embedding.remote.api_key", Kind::Text),
    key("embedding.remote.query_prefix", Kind::Text),
    key("embedding.remote.passage_prefix", Kind::Text),
    key("reranking.model", Kind::Text),
    key("reranking.depth", Kind::Number),
    key("vectors.engine", Kind::Text),
    key("vectors.url", Kind::Texts),
    key("vectors.collection", Kind::Text),
    key("vectors.api_key", Kind::Text),
    key("vectors.ca", Kind::Text),
    key("vectors.shards", Kind::Number),
    key("vectors.replicas", Kind::Number),
    key("vectors.read_consistency", Kind::Text),
    key("vectors.timeout_ms", Kind::Number),
    key("vectors.ask_from", Kind::Number),
    key("vectors.count_every_seconds", Kind::Number),
    key("ingest.max_text_mb", Kind::Number),
    key("ingest.memory", Kind::Text),
    key("ingest.worker_memory_mb", Kind::Number),
    key("ingest.worker_seconds", Kind::Number),
    key("backup.ledger", Kind::Text),
    key("operations.listen", Kind::Text),
    key("operations.traces", Kind::Text),
    key("log.level", Kind::Text),
    key("log.json", Kind::Flag),
];

/// Keys of one `[[source]]`.
pub const SOURCE_KEYS: &[Key] = &[
    key("name", Kind::Text),
    key("path", Kind::Text),
    key("default_allow", Kind::Texts),
    key("label", Kind::Text),
    key("tier", Kind::Number),
    key("url_template", Kind::Text),
    key("every", Kind::Text),
    key("rights", Kind::Text),
    // A file's name or a table.
    key("identity", Kind::Text),
    key("rights_every", Kind::Text),
    key("watch", Kind::Flag),
];

/// Keys of one `[[issuer]]`.
pub const ISSUER_KEYS: &[Key] = &[
    key("url", Kind::Text),
    key("audience", Kind::Texts),
    key("jwks_uri", Kind::Text),
    key("algorithms", Kind::Texts),
    key("any_typ", Kind::Flag),
    key("groups", Kind::Text),
    key("groups_claim", Kind::Text),
    // A table.
    key("group_names", Kind::Text),
];

/// Keys of one `[[agent]]`.
pub const AGENT_KEYS: &[Key] = &[
    key("id", Kind::Text),
    key("tools", Kind::Texts),
    key("sources", Kind::Texts),
    key("label", Kind::Text),
];

/// Keys of one `[[tenants]]`.
pub const TENANT_KEYS: &[Key] = &[key("name", Kind::Text), key("config", Kind::Text)];

/// The section whose keys are user ids of this machine.
pub const OPERATORS: &str = "operators";
/// The tables that repeat.
pub const SOURCE: &str = "source";
/// Another one.
pub const ISSUER: &str = "issuer";
/// Another one.
pub const AGENT: &str = "agent";
/// Another one.
pub const TENANTS: &str = "tenants";

/// The key with this full name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// What may stand in a section (`""` = the top): its keys and the sections in it.
#[must_use]
pub fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    let mut add = |name: &'static str| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    for key in KEYS {
        let inside = match section {
            "" => Some(key.name),
            section => key.name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')),
        };
        // A key of its own, or the section that it is in.
        if let Some(name) = inside.and_then(|inside| inside.split('.').next()) {
            add(name);
        }
    }
    if section.is_empty() {
        add(OPERATORS);
        add(SOURCE);
        add(ISSUER);
        add(AGENT);
        add(TENANTS);
    }
    names
}

/// The name nearest to what was written, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), *name))
        .filter(|(distance, name)| *distance <= (name.len().max(3) / 3) && distance < &name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_matched_and_nonsense_is_not() {
        let top = names_in("");
        assert_eq!(nearest("data_dri", &top), Some("data_dir"));
        assert_eq!(nearest("lables", &top), Some("labels"));
        assert_eq!(nearest("sources", &top), Some("source"));
        assert_eq!(nearest("zzzzzz", &top), None);
        assert_eq!(nearest("adr", &names_in("http")), Some("addr"));
    }

    #[test]
    fn sections_are_listed_once() {
        let top = names_in("");
        assert_eq!(top.iter().filter(|n| **n == "log").count(), 1);
        assert_eq!(names_in("log"), ["level", "json"]);
        assert_eq!(names_in("embedding"), ["engine", "model", "precision", "hub", "models_dir", "remote"]);
        assert_eq!(names_in("embedding.remote").first(), Some(&"url"));
    }
}
