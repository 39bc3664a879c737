//! What a file of `tests/agent` may say: its turns as types, and the variables in them. A key that nobody knows is
//! an error: a check that is misspelt would check nothing.

use super::yaml;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    pub about: String,
    #[serde(rename = "as")]
    pub person: Person,
    pub protocol: String,
    pub turns: Vec<Turn>,
    #[serde(skip)]
    pub name: String,
}

/// Whose agent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Person {
    Dana,
    Ben,
}

/// One turn of an agent, and what must come of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What the agent has in mind; for people.
    pub why: Option<String>,
    /// Another person than the file's.
    #[serde(rename = "as")]
    pub person: Option<Person>,
    /// A tool.
    pub call: Option<String>,
    /// A resource's URI.
    pub read: Option<String>,
    /// A prompt.
    pub prompt: Option<String>,
    /// A prompt or a template, whose argument in `with` is to be completed.
    pub complete: Option<String>,
    /// The list of resources.
    #[serde(default)]
    pub list: bool,
    /// A JSON-RPC message, to which what the protocol wants is added; or a text that is sent as it is.
    pub raw: Option<Value>,
    #[serde(default)]
    pub with: Map<String, Value>,
    /// Checks of the answer, by JSON pointer.
    #[serde(default)]
    pub gives: Map<String, Value>,
    /// Checks of the error.
    pub refused: Option<Refused>,
    /// What the error's `try` says to do instead: it must be answered.
    pub then: Option<Then>,
    /// Names for what stands at a pointer of the answer.
    #[serde(default)]
    pub keep: BTreeMap<String, String>,
    /// Goes on to the last page.
    pub until: Option<Until>,
    /// Several at once.
    #[serde(default)]
    pub parallel: Vec<Turn>,
}

/// What an error must say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    pub code: String,
    pub field: Option<String>,
    /// Stands in `try`.
    #[serde(rename = "try")]
    pub hint: String,
    /// All refusals of this name in a file say the same, word for word.
    pub same: Option<String>,
}

/// The next call.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Then {
    /// `example`: the very call that stands in the hint as JSON.
    Word(String),
    Turn(Box<Turn>),
}

/// How a list is gone through.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// Where the next page's argument is found; null there ends it.
    pub next: String,
    /// The argument that takes it.
    pub goes: String,
    /// Where the items of a page are, and what names each.
    pub items: Option<String>,
    pub key: Option<String>,
    /// How many items there are in all.
    pub count: Option<usize>,
    /// On how many pages.
    pub pages: usize,
}

impl Turn {
    /// How many turns it is: one, or those at once, if they check something.
    pub fn checks(&self) -> usize {
        if self.parallel.is_empty() {
            usize::from(!self.gives.is_empty() || self.refused.is_some() || self.until.is_some())
        } else {
            self.parallel.iter().map(Self::checks).sum()
        }
    }
}

/// Where the files lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agent")
}

/// All files, by name.
pub fn all() -> Vec<Script> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    // The sample for a model has another form.
    files.retain(|path| path.file_name().is_some_and(|name| name != "sample.yaml"));
    files.sort();
    files
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let value = yaml::parse(&std::fs::read_to_string(path).unwrap());
            let value = value.unwrap_or_else(|error| panic!("{name}: {error}"));
            let script: Script = serde_json::from_value(value).unwrap_or_else(|e| panic!("{name}: {e}"));
            Script { name, ..script }
        })
        .collect()
}

/// What is known by name while a file is played.
pub type Names = BTreeMap<String, Value>;

/// Puts what is known into a value: `{name}` alone is the value itself, within a text it is put in as text.
/// `{word*200}` is a text 200 times.
pub fn filled(value: &Value, names: &Names) -> Result<Value, String> {
    match value {
        Value::String(text) => filled_text(text, names),
        Value::Array(list) => list.iter().map(|item| filled(item, names)).collect(),
        Value::Object(map) => Ok(Value::Object(filled_map(map, names)?)),
        other => Ok(other.clone()),
    }
}

/// The same for arguments; their names may hold variables, too.
pub fn filled_map(map: &Map<String, Value>, names: &Names) -> Result<Map<String, Value>, String> {
    let pair = |(key, value): (&String, &Value)| {
        let key = match filled_text(key, names)? {
            Value::String(key) => key,
            other => other.to_string(),
        };
        Ok((key, filled(value, names)?))
    };
    map.iter().map(pair).collect()
}

fn filled_text(text: &str, names: &Names) -> Result<Value, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        let value = if let Some(value) = names.get(name) {
            value.clone()
        } else if let Some((word, times)) = name.rsplit_once('*') {
            let times: usize = times.parse().map_err(|_| format!("`{{{name}}}` is no number of times"))?;
            Value::String(word.repeat(times))
        } else if name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.contains([' ', '"']) {
            // The variables of a URI's template are none of ours.
            if !["id", "n", "name"].contains(&name) {
                return Err(format!("`{{{name}}}` is not known"));
            }
            Value::String(format!("{{{name}}}"))
        } else {
            Value::String(format!("{{{name}}}"))
        };
        if before.is_empty() && behind.is_empty() && out.is_empty() {
            return Ok(value);
        }
        out.push_str(before);
        out.push_str(value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str());
        rest = behind;
    }
    out.push_str(rest);
    Ok(Value::String(out))
}

#[test]
fn names_are_put_in() {
    let names = Names::from([("a".to_owned(), Value::from(7)), ("id:x.md".to_owned(), Value::from("kd_x"))]);
    let fill = |text: &str| filled(&Value::from(text), &names);
    assert_eq!(fill("{a}").unwrap(), 7);
    assert_eq!(fill("{id:x.md}#{a}@9f").unwrap(), "kd_x#7@9f");
    assert_eq!(fill("{ab*3}").unwrap(), "ababab");
    assert_eq!(fill("kb://document/{id}").unwrap(), "kb://document/{id}");
    assert!(fill("{unknown}").is_err());
}
