//! A client's file with an entry put in or taken out, and everything else as it was. It must never
//! write a file that it could not read whole, nor leave half of one.

use super::super::fail::Fix;
use super::clients::Form;
use serde_json::{Map, Value};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What became of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Replaced,
    Removed,
    /// It is as it was.
    None,
}

/// The file's text with the entry under this name, or without it (`entry` = `None`).
pub(super) fn changed(
    text: &str,
    form: Form,
    name: &str,
    entry: Option<&Map<String, Value>>,
    file: &Path,
) -> Result<(String, Change), Fix> {
    match form {
        Form::Json(key) => json(text, key, name, entry, file),
        Form::Toml => toml(text, name, entry, file),
    }
}

fn not_plain(file: &Path, what: &str) -> Fix {
    Fix::new(
        format!("`{}` {what}; nothing was written", file.display()),
        "put the entry in by hand: the same command with `--print` shows it",
    )
}

/// A number of a text that is JSON which would not come back as it is.
fn too_long(text: &str) -> Option<&str> {
    let (mut outside, mut rest) = (true, text);
    while let Some(at) =
        rest.find(
            |c: char| {
                if outside { c == '"' || c == '-' || c.is_ascii_digit() } else { c == '"' || c == '\\' }
            },
        )
    {
        let (_, from) = rest.split_at_checked(at)?;
        let skip = match from.as_bytes().first() {
            Some(b'"') => {
                outside = !outside;
                1
            }
            Some(b'\\') => 2,
            _ => {
                let end = from.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
                let (number, _) = from.split_at_checked(end.unwrap_or(from.len()))?;
                if !comes_back(number) {
                    return Some(number);
                }
                number.len()
            }
        };
        rest = from.get(skip..).unwrap_or_default();
    }
    None
}

/// Whether a number is the same after it was read and written.
fn comes_back(number: &str) -> bool {
    let digits = number.split(['e', 'E']).next().unwrap_or_default().bytes().filter(u8::is_ascii_digit);
    let written = serde_json::from_str::<Value>(number).map(|value| value.to_string());
    // So many digits every double has.
    digits.count() <= 15 || written.is_ok_and(|written| written == number)
}

fn json(
    text: &str,
    key: &str,
    name: &str,
    entry: Option<&Map<String, Value>>,
    file: &Path,
) -> Result<(String, Change), Fix> {
    let blank = text.trim_start_matches('\u{feff}').trim().is_empty();
    let root: Value = if blank {
        Value::Object(Map::new())
    } else {
        // Comments and trailing commas, which some clients allow, would be lost.
        let root = serde_json::from_str(text)
            .map_err(|error| not_plain(file, &format!("is no plain JSON (line {})", error.line())))?;
        if let Some(number) = too_long(text) {
            return Err(not_plain(file, &format!("holds a number that is too long to be kept ({number})")));
        }
        root
    };
    let Value::Object(mut root) = root else { return Err(not_plain(file, "holds no JSON object")) };
    let servers = root.entry(key).or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(servers) = servers else {
        return Err(not_plain(file, &format!("has a `{key}` that is no object")));
    };
    let change = match entry {
        Some(entry) => match servers.insert(name.to_owned(), Value::Object(entry.clone())) {
            None => Change::Added,
            Some(Value::Object(old)) if old == *entry => Change::None,
            Some(_) => Change::Replaced,
        },
        None => servers.shift_remove(name).map_or(Change::None, |_| Change::Removed),
    };
    if change == Change::None {
        return Ok((text.to_owned(), change));
    }
    let mut text = format!("{:#}", Value::Object(root));
    text.push('\n');
    Ok((text, change))
}

/// A table is put at the end or cut out as it stands, so that comments elsewhere stay.
fn toml(
    text: &str,
    name: &str,
    entry: Option<&Map<String, Value>>,
    file: &Path,
) -> Result<(String, Change), Fix> {
    let parsed: toml::Table = text.parse().map_err(|_| not_plain(file, "is no TOML that can be read"))?;
    let servers = match parsed.get("mcp_servers") {
        None => None,
        Some(toml::Value::Table(servers)) => Some(servers),
        Some(_) => return Err(not_plain(file, "has an `mcp_servers` that is no table")),
    };
    let old = servers.and_then(|servers| servers.get(name));
    let wanted =
        entry.map(|entry| toml::Value::try_from(entry).map_err(|_| not_plain(file, "cannot hold it")));
    let wanted = wanted.transpose()?;
    if old == wanted.as_ref() {
        return Ok((text.to_owned(), Change::None));
    }
    let mut kept = match old {
        Some(_) => without_table(text, name).ok_or_else(|| {
            not_plain(file, &format!("has `mcp_servers.{name}` in a form that is not taken apart"))
        })?,
        None => text.to_owned(),
    };
    let change = match (old, &wanted) {
        (Some(_), Some(_)) => Change::Replaced,
        (None, Some(_)) => Change::Added,
        _ => Change::Removed,
    };
    if let Some(toml::Value::Table(wanted)) = &wanted {
        if !kept.is_empty() && !kept.ends_with("\n\n") {
            kept.push_str(if kept.ends_with('\n') { "\n" } else { "\n\n" });
        }
        kept.push_str(&format!("[mcp_servers.{name}]\n"));
        kept.push_str(&toml::to_string(wanted).map_err(|_| not_plain(file, "cannot hold it"))?);
    }
    // What was put together is read once more before it is written.
    let again: toml::Table = kept.parse().map_err(|_| not_plain(file, "cannot be changed safely"))?;
    let now = again.get("mcp_servers").and_then(|servers| servers.get(name));
    if now != wanted.as_ref() {
        return Err(not_plain(file, "cannot be changed safely"));
    }
    Ok((kept, change))
}

/// The text without the table of this name, up to the next header; `None` if it has no header of its own.
fn without_table(text: &str, name: &str) -> Option<String> {
    let header = format!("[mcp_servers.{name}]");
    let (mut kept, mut comments) = (String::new(), String::new());
    let (mut inside, mut found) = (false, false);
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            inside = line.trim() == header;
            found |= inside;
        }
        if !inside {
            kept.push_str(&std::mem::take(&mut comments));
            kept.push_str(line);
        } else if line.trim_start().starts_with('#') {
            // Those that nothing of the table follows are somebody else's.
            comments.push_str(line);
        } else if !line.trim().is_empty() {
            comments.clear();
        }
    }
    kept.push_str(&comments);
    found.then_some(kept)
}

/// The file that a write goes to: where a link leads.
fn target(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}

/// Writes beside the file and puts that in its place, with the mode that the file had.
pub(super) fn write(file: &Path, text: &str) -> Result<(), Fix> {
    let cannot = |error: std::io::Error| {
        Fix::new(
            format!("`{}` cannot be written: {error}", file.display()),
            "see to its folder, name another with `--file`, or `--print` the entry",
        )
    };
    let target = target(file);
    let folder = target.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    if let Ok(old) = std::fs::metadata(&target) {
        beside.as_file().set_permissions(old.permissions()).map_err(cannot)?;
    }
    beside.write_all(text.as_bytes()).and_then(|()| beside.as_file().sync_all()).map_err(cannot)?;
    beside.persist(&target).map_err(|error| cannot(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry() -> Map<String, Value> {
        let Value::Object(entry) = json!({ "command": "/opt/kenward", "args": ["serve", "--stdio"] }) else {
            panic!("no object");
        };
        entry
    }

    fn put(text: &str, form: Form, entry: Option<&Map<String, Value>>) -> Result<(String, Change), Fix> {
        changed(text, form, "kenward", entry, Path::new("x.json"))
    }

    #[test]
    fn numbers_that_would_change_are_refused_and_all_others_are_not() {
        let form = Form::Json("mcpServers");
        for number in ["12345678901234567890123", "0.12345678901234567890", "-98765432109876543210"] {
            let text = format!(r#"{{"id": {number}}}"#);
            assert!(put(&text, form, Some(&entry())).unwrap_err().to_string().contains(number), "{number}");
        }
        for kept in ["18446744073709551615", "-9223372036854775808", "1.2000000000000002", "1e5", "0.1"] {
            let text =
                format!(r#"{{"a\\\"123456789012345678901234": {kept}, "b": "98765432109876543210123"}}"#);
            let (added, _) = put(&text, form, Some(&entry())).unwrap();
            let before: Value = serde_json::from_str(&text).unwrap();
            let after: Value = serde_json::from_str(&added).unwrap();
            assert_eq!((&after["b"], after.as_object().unwrap().len()), (&before["b"], 3), "{kept}");
        }
    }

    #[test]
    fn json_keeps_what_else_is_there_and_its_order() {
        let form = Form::Json("mcpServers");
        let before = r#"{"zebra": 1, "mcpServers": {"other": {"command": "x"}}, "apple": [2]}"#;
        let (added, change) = put(before, form, Some(&entry())).unwrap();
        assert_eq!(change, Change::Added);
        let value: Value = serde_json::from_str(&added).unwrap();
        assert_eq!(value["mcpServers"]["other"]["command"], "x");
        let at = |what: &str| added.find(what).unwrap();
        assert!(at("zebra") < at("mcpServers") && at("mcpServers") < at("apple"), "{added}");
        assert_eq!(put(&added, form, Some(&entry())).unwrap(), (added.clone(), Change::None));
        let (removed, change) = put(&added, form, None).unwrap();
        assert_eq!(change, Change::Removed);
        assert_eq!(
            serde_json::from_str::<Value>(&removed).unwrap(),
            serde_json::from_str::<Value>(before).unwrap()
        );
        for blank in ["", " \n", "{}"] {
            assert_eq!(put(blank, form, Some(&entry())).unwrap().1, Change::Added);
        }
    }

    #[test]
    fn what_cannot_be_kept_whole_is_not_written() {
        let form = Form::Json("mcpServers");
        for text in ["// mine\n{}", "{\"a\": 1,}", "[]", "{\"mcpServers\": []}", "{"] {
            assert!(put(text, form, Some(&entry())).is_err(), "{text}");
        }
        for text in ["mcp_servers = 3\n", "[broken\n", "mcp_servers.kenward = { command = \"x\" }\n"] {
            assert!(put(text, Form::Toml, Some(&entry())).is_err(), "{text}");
        }
    }

    #[test]
    fn toml_keeps_comments_and_replaces_its_own_table_alone() {
        let before = "# mine\nmodel = \"m\"\n\n[mcp_servers.other]\ncommand = \"x\" # keep\n";
        let (added, change) = put(before, Form::Toml, Some(&entry())).unwrap();
        assert_eq!(change, Change::Added);
        assert!(added.starts_with(before) && added.contains("\n[mcp_servers.kenward]\n"));
        let mut other = entry();
        other.insert("command".into(), "/usr/bin/kenward".into());
        let with_more = format!("{added}\n# of zz\n# alone\n[zz]\na = 1 # last\n");
        let (replaced, change) = put(&with_more, Form::Toml, Some(&other)).unwrap();
        assert_eq!(change, Change::Replaced);
        assert!(
            replaced.contains("# keep") && replaced.contains("# last") && !replaced.contains("/opt/"),
            "{replaced}"
        );
        assert!(replaced.contains("# of zz\n# alone\n[zz]\n"), "{replaced}");
        let (removed, change) = put(&replaced, Form::Toml, None).unwrap();
        assert_eq!((change, removed.contains("kenward")), (Change::Removed, false), "{removed}");
    }

    #[test]
    fn a_write_goes_where_a_link_leads_and_keeps_the_mode() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
        std::fs::write(&real, "{}").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &link).unwrap();
        write(&link, "{\"a\": 1}").unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "{\"a\": 1}");
        assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let new = folder.path().join("a/b/new.json");
        write(&new, "{}").unwrap();
        assert_eq!(std::fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
