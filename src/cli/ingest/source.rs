//! Which sources an ingestion is about: configured ones, recorded ones, or a folder, which is then
//! recorded under its last name. What was recorded before is kept unless a flag says otherwise.

use super::super::Context;
use super::super::fail::{Fix, want};
use super::super::out;
use super::{Args, default_allow, rights};
use crate::config::{Config, ConfiguredSource, SOURCE_NAME, valid_source_name};
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use kenward_ingest::source::RIGHTS_FILE;
use kenward_vault::writer::{SourceRights, SourceSpec};
use std::path::{Path, PathBuf};

/// Trust tier of a folder that nobody said anything about: internal, open to edits.
const TIER: u8 = 2;

/// The sources to run over, each as it shall be recorded.
pub(super) async fn chosen(
    args: &Args,
    context: &Context,
    backend: &Backend,
) -> anyhow::Result<Vec<SourceSpec>> {
    let config = &context.config;
    let recorded = want!(backend.ask(Op::Sources).await?, Reply::Sources(sources) => sources);
    let mut chosen = Vec::new();
    if args.sources.is_empty() {
        for configured in &config.sources {
            chosen.push(of_config(configured, &recorded)?);
        }
        let others = recorded.iter().filter(|spec| config.sources.iter().all(|c| c.name != spec.name));
        chosen.extend(others.cloned());
        if chosen.is_empty() {
            let hint = "give a folder: `kenward ingest FOLDER`; or list sources in the configuration";
            return Err(Fix::new("there is nothing to ingest", hint).into());
        }
    }
    if args.name.is_some() && args.sources.len() != 1 {
        return Err(Fix::new("`--name` needs one folder", "give the folder that it is for").into());
    }
    for wanted in &args.sources {
        chosen.push(find(wanted, args, config, &recorded)?);
    }
    if let Some(label) = &args.label {
        // The check of the label's name says which there are.
        super::super::users::clearance(config, label)?;
    }
    let rights = rights::Asked::of(args)?;
    let allow = default_allow::checked(&args.default_allow, context, backend).await?;
    for spec in &mut chosen {
        if let Some(label) = &args.label {
            spec.label = Some(label.clone());
        }
        if !allow.is_empty() {
            spec.default_allow.clone_from(&allow);
        }
        rights.apply(spec, &recorded)?;
        if let Some(configured) = config.sources.iter().find(|source| source.name == spec.name) {
            stays(spec, configured, &of_config(configured, &recorded)?)?;
        }
    }
    Ok(chosen)
}

/// Refuses flags that say otherwise than the configuration: the next run, which nobody may have asked for, would go by
/// that again, and what was narrowed would be wide.
fn stays(asked: &SourceSpec, configured: &ConfiguredSource, by_config: &SourceSpec) -> anyhow::Result<()> {
    let open = configured.default_allow.is_empty();
    let flag = match () {
        () if asked.label != by_config.label => "--label",
        () if asked.default_allow != by_config.default_allow && !open => "--default-allow",
        () if asked.rights != by_config.rights => "--rights` or `--identity",
        () => return Ok(()),
    };
    Err(Fix::new(
        format!("the configuration says otherwise than `{flag}` about the source `{}`", configured.name),
        "change it there, under its `[[source]]`: the next run goes by that",
    )
    .into())
}

fn find(wanted: &Path, args: &Args, config: &Config, recorded: &[SourceSpec]) -> anyhow::Result<SourceSpec> {
    // With another name it is a folder that is meant, not the source of that name.
    let other = |name: &str| args.name.as_deref().is_some_and(|given| given != name);
    if let Some(name) = wanted.to_str().filter(|name| valid_source_name(name) && !other(name)) {
        if let Some(configured) = config.sources.iter().find(|source| source.name == name) {
            return of_config(configured, recorded);
        }
        if let Some(spec) = recorded.iter().find(|spec| spec.name == name) {
            return Ok(spec.clone());
        }
    }
    of_folder(wanted, args.name.as_deref(), config, recorded)
}

/// A configured source as it shall be recorded.
pub(in crate::cli) fn of_config(
    source: &ConfiguredSource,
    recorded: &[SourceSpec],
) -> anyhow::Result<SourceSpec> {
    let root = root_text(&source.path)?;
    let before = recorded.iter().find(|spec| spec.name == source.name && spec.root == root);
    let default_allow = match before {
        // Asked for once and recorded: the configuration left it open.
        Some(before) if source.default_allow.is_empty() => before.default_allow.clone(),
        _ => source.default_allow.clone(),
    };
    Ok(SourceSpec {
        name: source.name.clone(),
        kind: "files".to_owned(),
        root,
        default_allow,
        url_template: source.url_template.clone(),
        tier: source.tier,
        label: source.label.clone(),
        rights: source.rights.clone(),
    })
}

fn of_folder(
    folder: &Path,
    name: Option<&str>,
    config: &Config,
    recorded: &[SourceSpec],
) -> anyhow::Result<SourceSpec> {
    let shown = folder.display();
    let root = std::fs::canonicalize(folder).map_err(|error| {
        let known: Vec<String> = recorded.iter().map(|spec| format!("`{}`", spec.name)).collect();
        let hint = if known.is_empty() {
            "check the path".to_owned()
        } else {
            format!("check the path; recorded sources: {}", known.join(", "))
        };
        Fix::new(format!("`{shown}` is neither a folder nor a recorded source ({error})"), hint)
    })?;
    if !root.is_dir() {
        let hint = "give the folder that holds it";
        return Err(Fix::new(format!("`{shown}` is not a folder"), hint).into());
    }
    let data_dir = std::fs::canonicalize(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    if data_dir.starts_with(&root) || root.starts_with(&data_dir) {
        let message = format!("`{shown}` and the data folder `{}` overlap", data_dir.display());
        let hint = "keep the data elsewhere: set `data_dir`, or give `--data-dir`";
        return Err(Fix::new(message, hint).into());
    }
    let root_text = root_text(&root)?;
    let same_root = recorded.iter().find(|spec| spec.root == root_text);
    if let Some(spec) = same_root.filter(|spec| name.is_none_or(|name| name == spec.name)) {
        return Ok(spec.clone());
    }
    let name = match name {
        Some(name) if valid_source_name(name) => name.to_owned(),
        Some(name) => {
            return Err(
                Fix::new(format!("`{name}` cannot name a source"), format!("use {SOURCE_NAME}")).into()
            );
        }
        None => named_after(&root)?,
    };
    let of_config = config.sources.iter().find(|s| s.name == name).map(|s| s.path.display().to_string());
    let of_record = recorded.iter().find(|spec| spec.name == name).map(|spec| spec.root.clone());
    if let Some(other) = of_config.or(of_record) {
        let hint = "give this one another with `--name NAME`";
        return Err(Fix::new(format!("the source `{name}` is {other}"), hint).into());
    }
    let overlaps = |spec: &&SourceSpec| {
        let other = Path::new(&spec.root);
        other.starts_with(&root) || root.starts_with(other)
    };
    if let Some(other) = recorded.iter().find(overlaps) {
        out::say(&format!(
            "warning: {} and the source `{}` ({}) overlap: what is in both is kept and found twice",
            out::line(&root_text),
            other.name,
            out::line(&other.root)
        ));
    }
    if let Some(file) =
        root.ancestors().skip(1).map(|above| above.join(RIGHTS_FILE)).find(|file| file.exists())
    {
        out::say(&format!(
            "warning: {} is not read: it stands above {}, and rights hold for what is ingested together with them",
            out::line(&file.display().to_string()),
            out::line(&root_text)
        ));
        out::hint("ingest that folder instead, or say the same in a rights file of this one");
    }
    Ok(SourceSpec {
        name,
        kind: "files".to_owned(),
        root: root_text,
        default_allow: Vec::new(),
        url_template: None,
        tier: TIER,
        label: None,
        rights: SourceRights::default(),
    })
}

fn root_text(root: &Path) -> anyhow::Result<String> {
    let canonical: PathBuf = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    canonical.to_str().map(str::to_owned).ok_or_else(|| {
        Fix::new(format!("the folder's name `{}` is not UTF-8", root.display()), "rename it").into()
    })
}

/// The folder's last name, with `-` for what cannot stand in a source's name.
fn named_after(root: &Path) -> anyhow::Result<String> {
    let last = root.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let keep = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let mut name: String = last.trim_start_matches('.').chars().map(keep).collect();
    while name.len() > 63 {
        name.pop();
    }
    if valid_source_name(&name) {
        return Ok(name);
    }
    let hint = "give one with `--name NAME`";
    Err(Fix::new(format!("no name can be made from `{}`", root.display()), hint).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::from_text(Path::new("/nowhere/kenward.toml"), text).unwrap()
    }

    #[test]
    fn a_folder_is_named_after_its_last_name_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("Team notes");
        std::fs::create_dir(&folder).unwrap();
        let config = config("data_dir = \"data\"\n");
        let spec = of_folder(&folder, None, &config, &[]).unwrap();
        assert_eq!((spec.name.as_str(), spec.tier), ("Team-notes", 2));
        let mut recorded = spec.clone();
        recorded.default_allow = vec!["everyone".into()];
        assert_eq!(of_folder(&folder, None, &config, &[recorded.clone()]).unwrap(), recorded);

        let other = dir.path().join("b").join("Team notes");
        std::fs::create_dir_all(&other).unwrap();
        let clash = of_folder(&other, None, &config, &[recorded.clone()]).unwrap_err();
        assert!(clash.to_string().contains("`Team-notes`"), "{clash}");
        assert_eq!(of_folder(&other, Some("b"), &config, &[recorded]).unwrap().name, "b");
    }

    #[test]
    fn the_data_folder_is_never_ingested() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config("data_dir = \"data\"\n");
        config.data_dir = dir.path().join("data");
        std::fs::create_dir(&config.data_dir).unwrap();
        for folder in [dir.path(), config.data_dir.as_path()] {
            let error = of_folder(folder, None, &config, &[]).unwrap_err();
            assert!(error.to_string().contains("overlap"), "{error}");
        }
        assert!(of_folder(&dir.path().join("none"), None, &config, &[]).is_err());
    }
}
