//! The configuration as written: a file, then variables, then flags, each value with its place.
//! Nothing is checked here but that every key exists; nothing unknown is ever passed over.

use super::error::{ConfigError, Place};
use super::schema::{self, Kind};
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub value: toml::Value,
    pub place: Place,
}

/// A table that repeats, and where it begins.
pub(super) type Table = (Place, BTreeMap<String, Entry>);

/// Everything that was written.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// By full name (`http.addr`).
    pub values: BTreeMap<String, Entry>,
    /// By user id of this machine; `None` = there is no such section.
    pub operators: Option<BTreeMap<String, Entry>>,
    /// `[[source]]` tables, in order, each with its place.
    pub sources: Vec<Table>,
    /// `[[issuer]]` tables, likewise.
    pub issuers: Vec<Table>,
    /// `[[agent]]` tables, likewise.
    pub agents: Vec<Table>,
    /// `[[tenants]]` tables, likewise.
    pub tenants: Vec<Table>,
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn place(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        Place::File { path: self.path.to_owned(), line: before.matches('\n').count() + 1 }
    }

    fn unknown(&self, section: &str, name: &str, at: usize, known: &[&str]) -> ConfigError {
        unknown_key(section, name, self.place(at), known)
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> ConfigError {
        ConfigError::Value {
            key: key.into(),
            place: self.place(value.span().start),
            found: format!("of type {}", value.get_ref().type_str()).into(),
            expected: expected.into(),
        }
    }

    fn entry(&self, value: &Spanned<DeValue<'_>>) -> Entry {
        Entry { value: plain(value.get_ref()), place: self.place(value.span().start) }
    }
}

fn unknown_key(section: &str, name: &str, place: Place, known: &[&str]) -> ConfigError {
    let full = |name: &str| if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
    ConfigError::UnknownKey {
        key: full(name).into(),
        place,
        suggestion: schema::nearest(name, known).map(|near| full(near).into()),
        known: known.iter().map(|k| format!("`{}`", full(k))).collect::<Vec<_>>().join(", ").into(),
    }
}

/// Where an error is, and which. The line itself may hold a key that does not belong there, and is not told.
fn place_of(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {}", error.message())
}

fn plain(value: &DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
            .map_or_else(|_| toml::Value::String(number.to_string()), toml::Value::Integer),
        DeValue::Float(number) => toml::Value::String(number.as_str().to_owned()),
        DeValue::Boolean(flag) => toml::Value::Boolean(*flag),
        DeValue::Datetime(time) => toml::Value::Datetime(*time),
        DeValue::Array(items) => toml::Value::Array(items.iter().map(|item| plain(item.get_ref())).collect()),
        DeValue::Table(table) => toml::Value::Table(
            table.iter().map(|(k, v)| (k.get_ref().to_string(), plain(v.get_ref()))).collect(),
        ),
    }
}

impl Raw {
    /// Adds what a file says.
    pub fn read(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            message: place_of(&error, text).into(),
        })?;
        let reader = Reader { path, text };
        let top = schema::names_in("");
        for (name, value) in table.get_ref() {
            let at = name.span().start;
            let name = name.get_ref().as_ref();
            match name {
                schema::OPERATORS => self.read_operators(&reader, value)?,
                schema::SOURCE => {
                    self.sources.extend(tables(&reader, value, schema::SOURCE, schema::SOURCE_KEYS)?);
                }
                schema::ISSUER => {
                    self.issuers.extend(tables(&reader, value, schema::ISSUER, schema::ISSUER_KEYS)?);
                }
                schema::TENANTS => {
                    self.tenants.extend(tables(&reader, value, schema::TENANTS, schema::TENANT_KEYS)?);
                }
                schema::AGENT => {
                    self.agents.extend(tables(&reader, value, schema::AGENT, schema::AGENT_KEYS)?);
                }
                _ if schema::find(name).is_some() => {
                    self.values.insert(name.to_owned(), reader.entry(value));
                }
                _ if top.contains(&name) => {
                    self.read_section(&reader, name, value)?;
                }
                _ => return Err(reader.unknown("", name, at, &top)),
            }
        }
        Ok(())
    }

    /// A section, and those in it.
    fn read_section(
        &mut self,
        reader: &Reader<'_>,
        name: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let section = value.get_ref().as_table().ok_or_else(|| reader.wrong(name, value, "a section"))?;
        let known = schema::names_in(name);
        for (inner, value) in section {
            let full = format!("{name}.{}", inner.get_ref());
            if schema::find(&full).is_some() {
                self.values.insert(full, reader.entry(value));
            } else if known.contains(&inner.get_ref().as_ref()) {
                self.read_section(reader, &full, value)?;
            } else {
                return Err(reader.unknown(name, inner.get_ref(), inner.span().start, &known));
            }
        }
        Ok(())
    }

    fn read_operators(
        &mut self,
        reader: &Reader<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let table = value
            .get_ref()
            .as_table()
            .ok_or_else(|| reader.wrong(schema::OPERATORS, value, "a section of user ids"))?;
        let operators = self.operators.get_or_insert_default();
        for (uid, value) in table {
            operators.insert(uid.get_ref().to_string(), reader.entry(value));
        }
        Ok(())
    }

    /// Puts a variable `KENWARD__SECTION__KEY` over what the file says.
    pub fn set_variable(&mut self, variable: &str, text: &str) -> Result<(), ConfigError> {
        let place = Place::Variable(variable.into());
        let path = variable.trim_start_matches("KENWARD__").to_lowercase();
        let name = path.split("__").collect::<Vec<_>>().join(".");
        if let Some(uid) = name.strip_prefix("operators.") {
            let entry = Entry { value: toml::Value::String(text.to_owned()), place };
            self.operators.get_or_insert_default().insert(uid.to_owned(), entry);
            return Ok(());
        }
        let Some(key) = schema::find(&name) else {
            let (section, name) = name.rsplit_once('.').unwrap_or(("", &name));
            let (section, known) = match schema::names_in(section) {
                known if known.is_empty() => ("", schema::names_in("")),
                known => (section, known),
            };
            return Err(unknown_key(section, name, place, &known));
        };
        let value = from_text(key.kind, text);
        self.values.insert(name, Entry { value, place });
        Ok(())
    }

    /// Puts a flag over everything else.
    pub fn set_flag(&mut self, name: &str, flag: &'static str, value: toml::Value) {
        self.values.insert(name.to_owned(), Entry { value, place: Place::Flag(flag) });
    }
}

/// The tables of one kind that repeats, each with its place.
fn tables(
    reader: &Reader<'_>,
    value: &Spanned<DeValue<'_>>,
    section: &'static str,
    keys: &[schema::Key],
) -> Result<Vec<Table>, ConfigError> {
    let expected = format!("a list of tables, each written `[[{section}]]`");
    let items = value.get_ref().as_array().ok_or_else(|| reader.wrong(section, value, &expected))?;
    let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
    let mut tables = Vec::new();
    for item in items.iter() {
        let table = item.get_ref().as_table().ok_or_else(|| reader.wrong(section, item, &expected))?;
        let mut entries = BTreeMap::new();
        for (name, value) in table {
            if !known.contains(&name.get_ref().as_ref()) {
                return Err(reader.unknown(section, name.get_ref(), name.span().start, &known));
            }
            entries.insert(name.get_ref().to_string(), reader.entry(value));
        }
        tables.push((reader.place(item.span().start), entries));
    }
    Ok(tables)
}

/// A variable's text as a value of the kind that its key takes; a text that does not fit stays a
/// text, and the check of the values then says so.
fn from_text(kind: Kind, text: &str) -> toml::Value {
    let other = || toml::Value::String(text.to_owned());
    match kind {
        Kind::Text => other(),
        Kind::Flag => text.parse().map_or_else(|_| other(), toml::Value::Boolean),
        Kind::Number => text.parse().map_or_else(|_| other(), toml::Value::Integer),
        Kind::Texts => toml::Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| toml::Value::String(item.to_owned()))
                .collect(),
        ),
    }
}
