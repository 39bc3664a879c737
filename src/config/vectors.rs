//! `[vectors]`: what keeps vectors. Where a cluster is named, it is reached over TLS, or lies on this machine; its key is
//! a reference, never a value.

use super::error::ConfigError;
use super::validate::Values;
use kenward_access::ids::TenantId;
use kenward_indexes::KeyPlace;
use kenward_indexes::vector::Engine;
use kenward_indexes::vector::qdrant::{Consistency, Options};
use std::path::Path;
use std::time::Duration;

/// What a cluster's address may be, in words.
const ADDRESS: &str = "`https://` addresses of the cluster's gRPC port (`http://` on this machine only), such as \
                       `http://127.0.0.1:6334`";

/// The file, in the folder of data, that says what is at the cluster.
const STATE: &str = "vectors.state";

/// How the cluster is used; `None` = vectors are kept here alone.
pub(super) fn read(
    values: Values<'_>,
    base: &Path,
    data_dir: &Path,
    tenant: &TenantId,
) -> Result<Option<Options>, ConfigError> {
    let engine = values.text("vectors.engine")?.unwrap_or_else(|| "flat".to_owned());
    if !Engine::NAMES.contains(&engine.as_str()) {
        let names: Vec<String> = Engine::NAMES.iter().map(|name| format!("`{name}`")).collect();
        let expected = format!("one of {}", names.join(", "));
        return Err(values.wrong("vectors.engine", &format!("`{engine}`"), &expected));
    }
    let options = options(values, base, data_dir, tenant)?;
    // What is written of a cluster is checked though it is not used: it may be tomorrow.
    if engine == "flat" {
        return Ok(None);
    }
    if options.urls.is_empty() {
        return Err(values.wrong("vectors.url", "missing, with `vectors.engine = \"qdrant\"`", ADDRESS));
    }
    Ok(Some(options))
}

fn options(
    values: Values<'_>,
    base: &Path,
    data_dir: &Path,
    tenant: &TenantId,
) -> Result<Options, ConfigError> {
    let urls = values.texts("vectors.url")?.unwrap_or_default();
    for text in &urls {
        let url = reqwest::Url::parse(text).ok().filter(|url| {
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            bare && url.username().is_empty()
                && url.password().is_none()
                && crate::outgoing::may_be_asked(url)
        });
        url.ok_or_else(|| values.wrong("vectors.url", &format!("`{}`", without_secrets(text)), ADDRESS))?;
    }
    let collection = match values.text("vectors.collection")? {
        None => format!("kenward-{}", tenant.as_str()),
        Some(name) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || name.len() > 100 || !name.chars().all(plain) {
                let expected = "letters, digits, `-` and `_`, at most 100";
                return Err(values.wrong("vectors.collection", &format!("`{name}`"), expected));
            }
            name
        }
    };
    let mut options = Options::new(urls, collection, data_dir.join(STATE));
    options.key = key(values, "vectors.api_key", base)?;
    options.ca = values.path("vectors.ca", base)?;
    let small = |name, default, most| -> Result<u32, ConfigError> {
        Ok(u32::try_from(values.number(name, default, 0..=most)?).unwrap_or_default())
    };
    options.shards = Some(small("vectors.shards", 0, 1_024)?).filter(|shards| *shards > 0);
    options.replicas = small("vectors.replicas", 1, 32)?.max(1);
    options.consistency = consistency(values)?;
    options.timeout = Duration::from_millis(values.number("vectors.timeout_ms", 2_000, 50..=60_000)?);
    options.least = values.number("vectors.ask_from", options.least, 1..=u64::from(u32::MAX))?;
    options.counted_every =
        Duration::from_secs(values.number("vectors.count_every_seconds", 600, 5..=86_400)?);
    Ok(options)
}

/// Where a key is, of the cluster or of another that wants one.
pub(super) fn key(values: Values<'_>, name: &str, base: &Path) -> Result<Option<KeyPlace>, ConfigError> {
    let Some(text) = values.text(name)? else { return Ok(None) };
    let named = |prefix| text.strip_prefix(prefix).filter(|rest: &&str| !rest.trim().is_empty());
    if let Some(name) = named("env:") {
        return Ok(Some(KeyPlace::Variable(name.to_owned())));
    }
    if let Some(path) = named("file:") {
        return Ok(Some(KeyPlace::File(super::place::absolute(&base.join(path)))));
    }
    // It may be the key itself: it is not told again.
    Err(values.wrong(name, "no reference", "`env:NAME` of a variable or `file:PATH` of a file that holds it"))
}

fn consistency(values: Values<'_>) -> Result<Consistency, ConfigError> {
    let Some(text) = values.text("vectors.read_consistency")? else { return Ok(Consistency::Majority) };
    match text.as_str() {
        "majority" => Ok(Consistency::Majority),
        "quorum" => Ok(Consistency::Quorum),
        "all" => Ok(Consistency::All),
        "one" => Ok(Consistency::One),
        _ => {
            let expected = "one of `majority`, `quorum`, `all`, `one`";
            Err(values.wrong("vectors.read_consistency", &format!("`{text}`"), expected))
        }
    }
}

/// An address without what may be a secret in it.
pub(super) fn without_secrets(text: &str) -> String {
    // What is behind host and port may be a key as well.
    let host = text.find("://").map_or(0, |at| at + 3);
    let (text, more) = match text.get(host..).and_then(|rest| rest.find(['/', '?', '#'])) {
        Some(end) => (
            text.get(..host + end).unwrap_or_default(),
            text.get(host + end + 1..).is_some_and(|rest| !rest.is_empty()),
        ),
        None => (text, false),
    };
    let shown = without_user(text);
    if more { format!("{shown}/…") } else { shown }
}

fn without_user(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, rest)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://…@{rest}"),
            None => format!("…@{rest}"),
        },
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn of(text: &str) -> Result<Option<Options>, ConfigError> {
        let text = format!("data_dir = \"data\"\ntenant = \"harbor\"\n{text}");
        Config::from_text(Path::new("/etc/kenward/kenward.toml"), &text).map(|config| config.vectors)
    }

    #[test]
    fn a_cluster_is_read_whole() {
        let text = "[vectors]\nengine = \"qdrant\"\nurl = [\"https://a.example:6334\", \"http://127.0.0.1:6334\"]\n\
                    api_key = \"file:key\"\nca = \"ca.pem\"\nshards = 3\nreplicas = 2\nread_consistency = \"all\"\n\
                    timeout_ms = 500\nask_from = 7\ncount_every_seconds = 60\n";
        let options = of(text).unwrap().unwrap();
        assert_eq!(options.urls.len(), 2);
        assert_eq!(options.collection, "kenward-harbor");
        assert_eq!(options.key, Some(KeyPlace::File("/etc/kenward/key".into())));
        assert_eq!(options.state, Path::new("/etc/kenward/data/vectors.state"));
        assert_eq!((options.shards, options.replicas, options.least), (Some(3), 2, 7));
        assert_eq!((options.consistency, options.timeout), (Consistency::All, Duration::from_millis(500)));
        assert_eq!(
            (options.counted_every, options.ca),
            (Duration::from_secs(60), Some("/etc/kenward/ca.pem".into()))
        );
        for (name, consistency) in
            [("majority", Consistency::Majority), ("quorum", Consistency::Quorum), ("one", Consistency::One)]
        {
            let text = text.replace("\"all\"", &format!("\"{name}\""));
            assert_eq!(of(&text).unwrap().unwrap().consistency, consistency);
        }
        assert_eq!(of(&text.replace("qdrant", "flat")).unwrap(), None);
        assert_eq!(of("").unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_named_and_a_key_is_never_told() {
        for (text, names) in [
            ("engine = \"hnsw\"", "`flat`, `qdrant`"),
            ("engine = \"qdrant\"", "`vectors.url`"),
            ("url = \"http://cluster.example:6334\"", "https"),
            ("url = \"https://me:pAss@cluster.example:6334\"", "https://…@cluster.example:6334"),
            ("url = \"cluster\"", "`cluster`"),
            ("url = \"http://127.0.0.1:6334?api_key=pAss\"", "`http://127.0.0.1:6334/…`"),
            ("url = \"https://cluster.example/pAss\"", "`https://cluster.example/…`"),
            ("api_key = \"pAss\"", "env:NAME"),
            ("api_key = \"env:\"", "env:NAME"),
            ("collection = \"a/b\"", "`a/b`"),
            ("read_consistency = \"some\"", "majority"),
            ("timeout_ms = 1", "50 to 60000"),
            ("replicas = 33", "0 to 32"),
            ("ask_fro = 1", "vectors.ask_fro"),
            ("api_key = \"pAss", "line 4, column"),
        ] {
            let error = of(&format!("[vectors]\n{text}\n")).unwrap_err();
            let words = format!("{error}; {}", error.hint());
            assert!(words.contains(names), "{text}: {words}");
            assert!(!words.contains("pAss"), "{words}");
        }
    }
}
