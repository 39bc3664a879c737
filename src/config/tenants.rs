//! Several tenants in one process: `[[tenants]]` tables, each with the name of one and its own configuration, which
//! has its folder, keys, people and issuers. A tenant's configuration is whole in itself: every other verb is run with it.

use super::error::ConfigError;
use super::raw::Table;
use super::validate::Values;
use kenward_access::ids::TenantId;
use std::path::{Path, PathBuf};

/// A tenant that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantEntry {
    /// Its name, as in its path and in its own configuration.
    pub name: TenantId,
    /// The file of its configuration.
    pub config: PathBuf,
}

pub(super) fn read(written: &[Table], base: &Path) -> Result<Vec<TenantEntry>, ConfigError> {
    let mut tenants: Vec<TenantEntry> = Vec::new();
    for (at, table) in written {
        let values = Values { raw: table, prefix: "tenants." };
        let missing = |key: &str, expected: &str| ConfigError::Value {
            key: key.into(),
            place: at.clone(),
            found: "missing".into(),
            expected: expected.into(),
        };
        let text = values.text("name")?.ok_or_else(|| missing("tenants.name", NAME))?;
        let name =
            TenantId::new(text.clone()).map_err(|_| values.wrong("name", &format!("`{text}`"), NAME))?;
        let config = values.path("config", base)?.ok_or_else(|| missing("tenants.config", FILE))?;
        if tenants.iter().any(|known| known.name == name || known.config == config) {
            let found = format!("`{text}`, whose name or file another tenant has");
            return Err(values.wrong("name", &found, "one table for each tenant"));
        }
        tenants.push(TenantEntry { name, config });
    }
    Ok(tenants)
}

const NAME: &str = "its name: lower-case letters, digits and dashes, at most 63";
const FILE: &str = "the path of the tenant's own configuration";
