//! `kenward init`: a commented configuration file, a folder for the data, and this machine's user as
//! a person of the directory and its operator. It never writes over a file.

use super::fail::{Fix, want};
use super::{Context, Outcome, out};
use crate::config::{Config, Overrides, place, template};
use crate::owner::ops::{Op, Reply};
use kenward_access::acl::Clearance;
use kenward_vault::directory::DirectoryChange;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write `./kenward.toml`, with the data beside it, instead of the places of this user
    #[arg(long)]
    here: bool,
    /// Your handle in the directory [default: USER@localhost]
    #[arg(long, value_name = "HANDLE")]
    user: Option<String>,
    /// As JSON: the file, the data folder, who you are
    #[arg(long)]
    json: bool,
}

/// Where everything goes.
pub(super) struct Plan {
    file: PathBuf,
    data_dir: String,
    uid: u32,
    handle: String,
    json: bool,
}

pub(super) fn plan(args: Args, overrides: &Overrides) -> anyhow::Result<Plan> {
    let variable = std::env::var_os("KENWARD_CONFIG").is_some_and(|value| !value.is_empty());
    let named =
        if overrides.config.is_some() { Some("--config") } else { variable.then_some("KENWARD_CONFIG") };
    if let Some(named) = named.filter(|_| args.here) {
        let message = format!("`--here` and `{named}` name two places for the configuration");
        return Err(Fix::new(message, "give one of the two").into());
    }
    let file = place::to_write(overrides.config.as_deref(), args.here)?;
    if file.exists() {
        let message = format!("`{}` is already there", file.display());
        let hint = "edit it, or remove it first, or name another with `--config FILE`";
        return Err(Fix::new(message, hint).into());
    }
    let data_dir = match (&overrides.data_dir, args.here || overrides.config.is_some()) {
        (Some(dir), _) => place::absolute(dir),
        (None, true) => PathBuf::from("kenward-data"),
        (None, false) => place::data_home().unwrap_or_else(|| PathBuf::from("kenward-data")),
    };
    let Some(data_dir) = data_dir.to_str().map(str::to_owned) else {
        return Err(Fix::new("the data folder's name is not UTF-8", "choose one with `--data-dir`").into());
    };
    let uid = rustix::process::getuid().as_raw();
    let handle = args.user.unwrap_or_else(|| format!("{}@localhost", own_name(uid)));
    if handle.trim().is_empty() || handle.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Fix::new(format!("`{handle}` is no handle"), "give one without blanks").into());
    }
    Ok(Plan { file, data_dir, uid, handle, json: args.json })
}

/// This user's name on this machine.
fn own_name(uid: u32) -> String {
    let of_environment =
        ["USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
    let of_system = || {
        let text = std::fs::read_to_string("/etc/passwd").ok()?;
        text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        })
    };
    of_environment.or_else(of_system).unwrap_or_else(|| format!("uid-{uid}"))
}

/// Writes the file; the rest needs a runtime ([`finish`]).
pub(super) fn write(plan: &Plan) -> anyhow::Result<()> {
    let cannot = |path: &Path, error: &std::io::Error| {
        let hint = "choose another place with `--config FILE`";
        Fix::new(format!("`{}` cannot be written: {error}", path.display()), hint)
    };
    if let Some(folder) = plan.file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    }
    let text = template::render(&plan.data_dir, plan.uid, &plan.handle);
    let mut file = std::fs::File::create_new(&plan.file).map_err(|error| cannot(&plan.file, &error))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| cannot(&plan.file, &e))?;
    Ok(())
}

/// Reads what was written as any other verb would; if it cannot be used it goes again.
pub(super) fn read_back(plan: &Plan, overrides: Overrides) -> anyhow::Result<Config> {
    Config::load(&Overrides { config: Some(plan.file.clone()), ..overrides }).map_err(|error| {
        let _ = std::fs::remove_file(&plan.file);
        error.into()
    })
}

/// Makes the data and the person. If that fails the file goes again, so that `init` can be repeated.
pub(super) async fn finish(plan: &Plan, config: Config) -> anyhow::Result<Outcome> {
    let context = Context { config: Arc::new(config) };
    if let Err(error) = add_person(plan, &context).await {
        let _ = std::fs::remove_file(&plan.file);
        return Err(error);
    }
    if plan.json {
        let data_dir = &context.config.data_dir;
        out::json(&serde_json::json!({ "file": plan.file, "data_dir": data_dir, "user": plan.handle }))?;
    } else {
        out::print(&format!("{}\n", plan.file.display()))?;
    }
    out::say(&format!("data in {}", context.config.data_dir.display()));
    out::say(&format!("you are `{}`, and an operator", plan.handle));
    if let [lowest, _, ..] = context.config.labels.as_slice() {
        out::say(&format!(
            "you see what is labelled `{lowest}`, like everybody new; `kenward users clear {} LABEL` raises that",
            plan.handle
        ));
    }
    out::hint("next: `kenward ingest FOLDER`, then `kenward search \"a question\"`");
    Ok(Outcome::Done)
}

async fn add_person(plan: &Plan, context: &Context) -> anyhow::Result<()> {
    let backend = context.backend().await?;
    let added = async {
        let users = want!(backend.ask(Op::Users).await?, Reply::Users(users) => users);
        if users.iter().any(|user| user.handle == plan.handle) {
            return Ok(());
        }
        let (handle, name) = (plan.handle.clone(), plan.handle.clone());
        let add = DirectoryChange::AddUser { handle, name, clearance: Clearance::default() };
        super::users::change_directory(&backend, vec![add]).await
    }
    .await;
    backend.close().await;
    added
}
