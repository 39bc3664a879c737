//! `[embedding.remote]`: an endpoint elsewhere that embeds. It is used only where `embedding.engine` names it: what is
//! embedded leaves this machine. Its key is a reference, never a value.

use super::Engine;
use super::error::ConfigError;
use super::validate::Values;
use kenward_indexes::KeyPlace;
use kenward_indexes::embedding::remote::Asked;
use reqwest::Url;
use std::path::Path;

/// The section.
const SECTION: &str = "embedding.remote";
/// What its address may be, in words.
const ADDRESS: &str = "an `https://` address (`http://` on this machine only) such as `https://api.example.com/v1`, \
                       without user, password, query";

/// An endpoint that embeds, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// What is posted to.
    pub url: Url,
    /// What is asked for there.
    pub asked: Asked,
    /// Where its key is; `None` = it wants none.
    pub key: Option<KeyPlace>,
}

/// The endpoint; `None` = nothing leaves this machine to be embedded.
pub(super) fn read(values: Values<'_>, engine: Engine, base: &Path) -> Result<Option<Remote>, ConfigError> {
    let written = values.raw.keys().find(|key| key.starts_with("embedding.remote."));
    match (engine, written) {
        (Engine::Remote, None) => {
            let expected = "a section `[embedding.remote]` with `url`, `model` and `dimension`";
            Err(values.wrong("embedding.engine", "`remote`, without `[embedding.remote]`", expected))
        }
        (Engine::Remote, Some(_)) => endpoint(values, base).map(Some),
        (_, None) => Ok(None),
        // INVARIANT: nobody half switches it on: neither names alone, nor an address alone.
        (_, Some(key)) => {
            let found = format!("set, with `embedding.engine = \"{}\"`", engine.name());
            let expected = "`embedding.engine = \"remote\"` beside it, or no `[embedding.remote]`";
            Err(values.wrong(key, &found, expected))
        }
    }
}

fn endpoint(values: Values<'_>, base: &Path) -> Result<Remote, ConfigError> {
    let key = |name| format!("{SECTION}.{name}");
    let needed = |name, expected: &str| -> Result<String, ConfigError> {
        let text = values.text(&key(name))?.filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| values.wrong(&key(name), "missing", expected))
    };
    let text = needed("url", ADDRESS)?;
    let url = Url::parse(&text).ok().filter(|url| {
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        plain && url.password().is_none() && crate::outgoing::may_be_asked(url)
    });
    let posted =
        url.and_then(|url| Url::parse(&format!("{}/embeddings", url.as_str().trim_end_matches('/'))).ok());
    let url = posted.ok_or_else(|| {
        values.wrong(&key("url"), &format!("`{}`", super::vectors::without_secrets(&text)), ADDRESS)
    })?;
    let model = needed("model", "the model's name at the endpoint")?;
    if !values.raw.contains_key(&key("dimension")) {
        return Err(values.wrong(&key("dimension"), "missing", "how many numbers the model's vectors have"));
    }
    let number = |name, default, bounds| -> Result<usize, ConfigError> {
        Ok(usize::try_from(values.number(&key(name), default, bounds)?).unwrap_or(usize::MAX))
    };
    let asked = Asked {
        host: url.origin().ascii_serialization(),
        model,
        dimension: number("dimension", 1, 1..=16_384)?,
        max_tokens: number("max_tokens", 512, 32..=32_768)?,
        batch: number("batch", 8, 1..=256)?,
        query_prefix: values.text(&key("query_prefix"))?.unwrap_or_default(),
        passage_prefix: values.text(&key("passage_prefix"))?.unwrap_or_default(),
    };
    let key = super::vectors::key(values, &key("api_key"), base)?;
    Ok(Remote { url, asked, key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const WHOLE: &str = "url = \"https://api.example.com/v1\"\nmodel = \"small\"\ndimension = 384\n";

    fn of(engine: &str, remote: &str) -> Result<Option<Remote>, ConfigError> {
        let text = format!("[embedding]\nengine = \"{engine}\"\n{remote}");
        Config::from_text(Path::new("/etc/kenward/kenward.toml"), &text).map(|config| config.remote)
    }

    #[test]
    fn an_endpoint_is_read_whole() {
        let more = "max_tokens = 8000\nbatch = 1\nquery_prefix = \"query: \"\napi_key = \"file:key\"\n";
        let remote = of("remote", &format!("[embedding.remote]\n{WHOLE}{more}")).unwrap().unwrap();
        assert_eq!(remote.url.as_str(), "https://api.example.com/v1/embeddings");
        assert_eq!(remote.key, Some(KeyPlace::File("/etc/kenward/key".into())));
        let Asked { host, model, dimension, max_tokens, batch, query_prefix, passage_prefix } = remote.asked;
        assert_eq!((host.as_str(), model.as_str()), ("https://api.example.com", "small"));
        assert_eq!((dimension, max_tokens, batch), (384, 8000, 1));
        assert_eq!((query_prefix.as_str(), passage_prefix.as_str()), ("query: ", ""));
        let plain = of("remote", &format!("[embedding.remote]\n{WHOLE}")).unwrap().unwrap();
        assert_eq!((plain.asked.max_tokens, plain.asked.batch, plain.key), (512, 8, None));
        assert_eq!(of("auto", "").unwrap(), None);
    }

    #[test]
    fn it_is_on_by_name_and_address_together_or_it_is_an_error() {
        let section = format!("[embedding.remote]\n{WHOLE}");
        let words = |error: ConfigError| format!("{error}; {}", error.hint());
        let error = words(of("remote", "").unwrap_err());
        assert!(error.contains("`[embedding.remote]`") && error.contains("embedding.engine"), "{error}");
        for engine in ["auto", "fastembed", "builtin", "none", "hashing"] {
            let error = words(of(engine, &section).unwrap_err());
            assert!(error.contains("engine = \"remote\""), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_a_key_is_never_told() {
        for (from, to, names) in [
            ("https://api.example.com/v1", "http://api.example.com/v1", "http://api.example.com"),
            ("https://api.example.com/v1", "https://me:pAss@api.example.com/v1", "https://…@api.example.com"),
            ("https://api.example.com/v1", "https://api.example.com/v1?key=1", "embedding.remote.url"),
            ("https://api.example.com/v1", "api", "`api`"),
            ("model = \"small\"", "", "embedding.remote.model"),
            ("dimension = 384", "", "embedding.remote.dimension"),
            ("dimension = 384", "dimension = 0", "1 to 16384"),
            ("dimension = 384", "dimension = 384\nbatch = 257", "1 to 256"),
            ("dimension = 384", "dimension = 384\nmax_tokens = 1", "32 to 32768"),
            ("dimension = 384", "dimension = 384\napi_key = \"pAss\"", "env:NAME"),
            ("dimension = 384", "dimension = 384\nmodle = \"x\"", "embedding.remote.model"),
        ] {
            let section = format!("[embedding.remote]\n{WHOLE}").replace(from, to);
            let error = of("remote", &section).unwrap_err();
            let words = format!("{error}; {}", error.hint());
            assert!(words.contains(names), "{to}: {words}");
            assert!(!words.contains("pAss"), "{words}");
        }
    }
}
