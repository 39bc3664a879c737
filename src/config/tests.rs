//! Tests of the configuration: what is read, what is refused, and in which words.

use super::*;
use kenward_vault::writer::RightsFormat;

pub(super) fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_text(Path::new("/srv/kw/kenward.toml"), text)
}

fn refused(text: &str) -> (String, String) {
    let error = read(text).expect_err("it should be refused");
    (error.to_string(), error.hint())
}

#[test]
fn the_written_file_is_valid_and_names_every_key() {
    let text = template::render("data", 1000, "dana@harbor.example");
    let config = read(&text).unwrap();
    assert_eq!(config.data_dir, Path::new("/srv/kw/data"));
    let dana = LocalPerson { handle: Some("dana@harbor.example".into()), role: Role::Operator };
    assert_eq!(config.operators.get(&1000), Some(&dana));

    // Uncommenting every example line must give a valid file as well.
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    // An endpoint is on by both its section and its name, or it is an error.
    assert!(read(&uncommented).is_err());
    // A folder of one's own is for fastembed.
    let remote = uncommented.replace("engine = \"auto\"", "engine = \"remote\"");
    assert!(read(&remote).is_err());
    let full = read(&remote.replace("model = \"bge-small-en-v1.5\"\n", "")).unwrap();
    assert_eq!((full.sources.len(), full.issuers.len()), (1, 1));
    for key in schema::KEYS.iter().chain(schema::SOURCE_KEYS).chain(schema::ISSUER_KEYS) {
        let name = key.name.rsplit('.').next().unwrap();
        assert!(uncommented.lines().any(|l| l.starts_with(&format!("{name} ="))), "`{name}` is not in it");
    }
}

#[test]
fn rights_formats_and_whom_names_stand_for() {
    let source = "[[source]]\nname = \"a\"\npath = \"b\"\n";
    let of = |more: &str| read(&format!("{source}{more}")).map(|config| config.sources[0].rights.clone());
    assert_eq!(of("").unwrap(), SourceRights::default());
    let file = of("rights = \"codeowners\"\nidentity = \"names.toml\"\n").unwrap();
    assert_eq!(file.format, RightsFormat::Codeowners);
    assert_eq!(file.identity.file.as_deref(), Some("/srv/kw/names.toml"));
    let table = "rights = \"posix\"\n[source.identity]\nother = \"everyone\"\nuid.1000 = \"user:dana\"\n";
    let table = of(table).unwrap();
    assert_eq!(table.identity.names["uid.1000"], "user:dana");
    assert_eq!(table.identity.names["other"], "everyone");
    let only =
        "rights = \"owners\"\n[source.identity]\nlisted_only = true\n\"@harbor/pay\" = \"group:pay\"\n";
    assert!(of(only).unwrap().identity.listed_only);
    for (more, word) in [
        ("rights = \"owner\"\n", "`owners`"),
        ("identity = \"names.toml\"\n", "`.access.toml`"),
        ("rights = \"owners\"\nidentity = { dana = \"dana\" }\n", "`dana`"),
        ("rights = \"owners\"\nidentity = [\"dana\"]\n", "table of names"),
        ("rights = \"posix\"\nidentity = { uid = { 1000 = 7 } }\n", "`uid.1000`"),
    ] {
        let error = of(more).unwrap_err();
        let told = format!("{error} {}", error.hint());
        assert!((told.contains("line 4") || told.contains("line 5")) && told.contains(word), "{told}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_a_suggestion() {
    let (message, hint) = refused("labels = []\n\n[http]\nadr = \"127.0.0.1:1\"\n");
    assert_eq!(message, "unknown key `http.adr` in line 4 of /srv/kw/kenward.toml");
    assert_eq!(hint, "did you mean `http.addr`?");

    let (message, hint) = refused("[[source]]\nname = \"a\"\npth = \"b\"\n");
    assert_eq!(message, "unknown key `source.pth` in line 3 of /srv/kw/kenward.toml");
    assert_eq!(hint, "did you mean `source.path`?");

    let (message, hint) = refused("qqqqqqqq = 1\n");
    assert!(message.contains("`qqqqqqqq`"), "{message}");
    assert!(hint.contains("`data_dir`"), "{hint}");
}

#[test]
fn what_would_be_open_is_refused() {
    let (message, hint) = refused("[http]\naddr = \"0.0.0.0:8765\"\n");
    assert!(message.contains("`http.addr`") && message.contains("open"), "{message}");
    assert!(hint.contains("127.0.0.1"), "{hint}");
    assert!(read("[http]\naddr = \"[::1]:9000\"\n").is_ok());
}

#[test]
fn a_file_without_operators_makes_nobody_one() {
    assert!(read("data_dir = \"x\"\n").unwrap().operators.is_empty());
}

#[test]
fn wrong_kinds_and_values_name_the_key() {
    for (text, key) in [
        ("data_dir = 3\n", "`data_dir`"),
        ("labels = [1]\n", "`labels`"),
        ("labels = [\"a\", \"a\"]\n", "`labels`"),
        ("tenant = \"No Good\"\n", "`tenant`"),
        ("http = 4\n", "`http`"),
        ("[http]\naddr = \"nowhere\"\n", "`http.addr`"),
        ("[embedding]\nengine = \"magic\"\n", "`embedding.engine`"),
        ("[log]\nlevel = \"loud\"\n", "`log.level`"),
        ("[log]\njson = \"yes\"\n", "`log.json`"),
        ("[ingest]\nmax_text_mb = -1\n", "`ingest.max_text_mb`"),
        ("[operators]\nroot = \"a@b\"\n", "`operators.root`"),
        ("[operators]\n0 = { user = \"a@b\", role = \"king\" }\n", "`operators.0`"),
        ("[[source]]\nname = \"a\"\n", "`source.path`"),
        ("[[source]]\nname = \"a\"\npath = \"b\"\nlabel = \"x\"\n", "`source.label`"),
        ("[[source]]\nname = \"a\"\npath = \"b\"\ntier = 9\n", "`source.tier`"),
        ("[[source]]\nname = \"a\"\npath = \"b\"\nevery = \"0m\"\n", "`source.every`"),
        ("[[source]]\nname = \"a\"\npath = \"b\"\nevery = \"1 week\"\n", "`source.every`"),
        ("[[source]]\nname = \"a\"\npath = \"b\"\nevery = \"é\"\n", "`source.every`"),
        ("[[source]]\nname = \"a\"\npath = \"b\"\ndefault_allow = [\"bob\"]\n", "`source.default_allow`"),
        ("[[source]]\nname = \"a/b\"\npath = \"b\"\n", "`source.name`"),
    ] {
        let (message, _) = refused(text);
        assert!(message.contains(key) && message.contains("/srv/kw/kenward.toml"), "{text}: {message}");
    }
}

#[test]
fn broken_toml_is_refused_with_its_line() {
    let (message, _) = refused("data_dir = \n");
    assert!(message.contains("line 1"), "{message}");
}

#[test]
fn variables_go_over_the_file_and_unknown_ones_are_refused() {
    let mut raw = raw::Raw::default();
    raw.read(Path::new("/srv/kw/kenward.toml"), "labels = [\"a\"]\n[log]\nlevel = \"warn\"\n").unwrap();
    raw.set_variable("KENWARD__LOG__LEVEL", "debug").unwrap();
    raw.set_variable("KENWARD__LOG__JSON", "true").unwrap();
    raw.set_variable("KENWARD__LABELS", "low, high").unwrap();
    raw.set_variable("KENWARD__INGEST__MAX_TEXT_MB", "5").unwrap();
    raw.set_variable("KENWARD__OPERATORS__7", "eve@harbor.example").unwrap();
    let remote = [("URL", "http://[::1]:7/v1"), ("MODEL", "words"), ("DIMENSION", "3")];
    for (key, value) in remote {
        raw.set_variable(&format!("KENWARD__EMBEDDING__REMOTE__{key}"), value).unwrap();
    }
    raw.set_variable("KENWARD__EMBEDDING__ENGINE", "remote").unwrap();
    let error = raw.set_variable("KENWARD__EMBEDDING__REMOTE__MODLE", "words").unwrap_err();
    assert_eq!(error.hint(), "did you mean `embedding.remote.model`?");
    let error = raw.set_variable("KENWARD__LOG__LEVLE", "debug").unwrap_err();
    assert_eq!(error.hint(), "did you mean `log.level`?");
    let error = raw.set_variable("KENWARD__LGO", "debug").unwrap_err();
    assert!(error.to_string().contains("KENWARD__LGO"));
    raw.set_flag("log.level", "--log", toml::Value::String("trace".into()));
    let config = validate::validate(raw, Some(Path::new("/srv/kw/kenward.toml"))).unwrap();
    assert_eq!(config.log, LogConfig { level: Some(Level::Trace), json: true });
    assert_eq!(config.labels, ["low", "high"]);
    assert_eq!(config.level_of("high"), Some(1));
    assert_eq!(config.ingest.max_text_bytes, 5 << 20);
    assert!(config.operators.contains_key(&7));
    assert_eq!(config.remote.map(|remote| remote.asked.dimension), Some(3));
}

#[test]
fn sizes_have_units_and_a_least_one() {
    let memory = |text: &str| {
        let file = format!("data_dir = \"data\"\n[ingest]\nmemory = {text}\n");
        Config::from_text(Path::new("/nowhere/kenward.toml"), &file).map(|config| config.ingest.memory_bytes)
    };
    assert_eq!(memory("\"64MiB\"").unwrap(), 64 << 20);
    assert_eq!(memory("\"2 GiB\"").unwrap(), 2 << 30);
    for wrong in ["\"63MiB\"", "\"1024\"", "\"-1GiB\"", "\"99999999999999GiB\"", "1024"] {
        assert!(memory(wrong).unwrap_err().to_string().contains("ingest.memory"), "{wrong}");
    }
}

#[test]
fn an_issuer_is_what_its_tokens_say_and_nothing_is_left_open() {
    let issuer = |more: &str| {
        let text = format!("data_dir = \"data\"\n[[issuer]]\nurl = \"https://login.example.com\"\n{more}");
        Config::from_text(Path::new("/nowhere/kenward.toml"), &text)
    };
    let config = issuer("").unwrap();
    assert_eq!(config.resource().as_deref(), Some("http://127.0.0.1:8765/mcp"));
    assert_eq!(config.issuers[0].algorithms.len(), 4);
    let groups =
        issuer("groups = \"intersect\"\ngroups_claim = \"roles\"\ngroup_names = { \"x\" = \"crew\" }\n")
            .unwrap();
    assert_eq!(groups.issuers[0].groups.name(), "intersect");
    for (more, key) in [
        ("algorithms = [\"none\"]\n", "issuer.algorithms"),
        ("algorithms = [\"HS256\"]\n", "issuer.algorithms"),
        ("algorithms = [\"rs256\"]\n", "issuer.algorithms"),
        ("algorithms = []\n", "issuer.algorithms"),
        ("groups = \"union\"\n", "issuer.groups"),
        ("groups_claim = \"roles\"\n", "issuer.groups_claim"),
        ("group_names = { \"x\" = \"crew\" }\n", "issuer.group_names"),
        ("groups = \"claims\"\ngroup_names = { \"x\" = 7 }\n", "issuer.group_names"),
        ("jwks_uri = \"http://login.example.com/keys\"\n", "issuer.jwks_uri"),
        ("audience = [\"\"]\n", "issuer.audience"),
        ("any_typ = \"yes\"\n", "issuer.any_typ"),
        ("scopes = [\"kb:read\"]\n", "issuer.scopes"),
        ("[[issuer]]\nurl = \"https://login.example.com\"\n", "issuer.url"),
        ("[[issuer]]\nurl = \"http://login.example.com\"\n", "issuer.url"),
        ("[[issuer]]\nurl = \"https://Login.example.com\"\n", "issuer.url"),
        ("[[issuer]]\nurl = \"https://login.example.com/a?b\"\n", "issuer.url"),
        ("[[issuer]]\nurl = \"https://u@login.example.com\"\n", "issuer.url"),
        ("[[issuer]]\naudience = [\"a\"]\n", "issuer.url"),
        ("[http]\npublic_url = \"https://kb.example.com/mcp/\"\n", "http.public_url"),
        ("[http]\npublic_url = \"https://kb.example.com\"\n", "http.public_url"),
        ("[http]\npublic_url = \"http://kb.example.com/mcp\"\n", "http.public_url"),
        ("[http]\npublic_url = \"https://kb.example.com/mcp?a\"\n", "http.public_url"),
        ("[http]\naddr = \"127.0.0.1:0\"\n", "http.public_url"),
        ("[http]\nallowed_hosts = [\"a b\"]\n", "http.allowed_hosts"),
        ("[http]\nallowed_origins = [\"kb.example.com\"]\n", "http.allowed_origins"),
        ("[http]\nallowed_origins = [\"https://kb.example.com/\"]\n", "http.allowed_origins"),
        ("[http]\ntrusted_proxies = [\"0.0.0.0/0\"]\n", "http.trusted_proxies"),
    ] {
        let error = issuer(more).unwrap_err().to_string();
        assert!(error.contains(&format!("`{key}`")), "{more}: {error}");
    }
}
