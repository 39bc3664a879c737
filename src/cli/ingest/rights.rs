//! Where a source's rights are written: from the flags, or as it was recorded. A change of that is a change
//! of everybody's rights at once, and is said before it acts.

use super::super::fail::Fix;
use super::super::out;
use super::Args;
use crate::config::parse_rights;
use kenward_ingest::pipeline::rights_are_in;
use kenward_vault::writer::{RightsFormat, SourceIdentity, SourceSpec};

/// What the flags ask for.
pub(super) struct Asked {
    format: Option<RightsFormat>,
    identity: Option<String>,
    /// Nothing is done.
    plan: bool,
}

impl Asked {
    /// Reads the flags.
    pub(super) fn of(args: &Args) -> anyhow::Result<Self> {
        let format = match &args.rights {
            None => None,
            Some(text) => Some(parse_rights(text).ok_or_else(|| {
                let names: Vec<String> =
                    RightsFormat::ALL.iter().map(|format| format!("`{}`", format.name())).collect();
                Fix::new(
                    format!("`{text}` is no format of rights"),
                    format!("give one of {}", names.join(", ")),
                )
            })?),
        };
        let identity = match &args.identity {
            None => None,
            Some(file) => {
                let shown = file.display();
                let found = std::fs::canonicalize(file).map_err(|error| {
                    Fix::new(format!("`{shown}` cannot be read ({error})"), "check the path of `--identity`")
                })?;
                if !found.is_file() {
                    let hint = "give a TOML file to `--identity`";
                    return Err(Fix::new(format!("`{shown}` is no plain file"), hint).into());
                }
                let text = found.to_str().map(str::to_owned);
                Some(text.ok_or_else(|| Fix::new(format!("`{shown}` is not UTF-8"), "rename it"))?)
            }
        };
        Ok(Self { format, identity, plan: args.plan })
    }

    /// Puts it into a source, and says what changes of one that was recorded otherwise.
    pub(super) fn apply(&self, spec: &mut SourceSpec, recorded: &[SourceSpec]) -> anyhow::Result<()> {
        let rights = &mut spec.rights;
        rights.format = self.format.unwrap_or(rights.format);
        if let Some(file) = &self.identity {
            rights.identity = SourceIdentity { file: Some(file.clone()), ..SourceIdentity::default() };
        }
        if rights.format == RightsFormat::AccessToml {
            if self.identity.is_some() {
                let hint = "give `--rights` with it; `.access.toml` names people as the directory does";
                return Err(Fix::new("`--identity` has no use here", hint).into());
            }
            rights.identity = SourceIdentity::default();
        }
        let before = recorded.iter().find(|known| known.name == spec.name);
        if let Some(before) = before.filter(|before| before.rights.format != spec.rights.format) {
            let (name, was, is) =
                (out::line(&spec.name), before.rights.format.name(), spec.rights.format.name());
            let where_from = rights_are_in(spec.rights.format);
            if self.plan {
                out::say(&format!("`{name}` has its rights as {was}; with {is} it would be: {where_from}"));
                return Ok(());
            }
            out::say(&format!(
                "`{name}` had its rights as {was}, and has them as {is} from now on: {where_from}"
            ));
            out::hint(
                "whom that shows less ceases to see it at once, whom it shows more sees it when the run ends; `--plan` says who",
            );
        }
        Ok(())
    }
}
