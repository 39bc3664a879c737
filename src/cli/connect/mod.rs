//! `kenward connect CLIENT`: this program as a server in a client's own configuration. It changes one
//! entry of one file, and must never write a token anywhere.

mod clients;
mod files;

use super::fail::Fix;
use super::{Context, Outcome, out};
use clap::builder::PossibleValuesParser;
use clients::{CLIENTS, Client, Form, Http, Server, TOKEN};
use files::Change;
use serde_json::{Map, Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The client; `kenward connect` alone lists them with their files
    #[arg(value_name = "CLIENT", value_parser = PossibleValuesParser::new(CLIENTS.map(|client| client.name)))]
    client: Option<String>,
    /// Write the file that the client reads in this project, instead of this user's
    #[arg(long, value_name = "FOLDER", requires = "client")]
    project: Option<PathBuf>,
    /// The client's file, where it is not at its usual place
    #[arg(long, value_name = "FILE", requires = "client", conflicts_with = "project")]
    file: Option<PathBuf>,
    /// What the client calls the server
    #[arg(long, value_name = "NAME", default_value = "kenward")]
    name: String,
    /// Reach a server that runs at this URL, with the token that is in the variable KENWARD_TOKEN of the
    /// client, instead of starting one over stdio
    #[arg(long, value_name = "URL", requires = "client", conflicts_with = "remove")]
    http: Option<String>,
    /// Show the entry, and write nothing
    #[arg(long, requires = "client", conflicts_with = "remove")]
    print: bool,
    /// Take the entry out again
    #[arg(long, requires = "client")]
    remove: bool,
    /// As JSON: the client, its file, what was done
    #[arg(long, conflicts_with = "print")]
    json: bool,
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let Some(client) = args.client.as_deref().and_then(|name| CLIENTS.iter().find(|c| c.name == name)) else {
        list(&home, args.json)?;
        return Ok(Outcome::Done);
    };
    if args.name.is_empty() || !args.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Err(Fix::new(
            format!("`{}` is no name for a server", args.name),
            "use letters, digits, `-` and `_`",
        )
        .into());
    }
    let file = place(&args, client, &home)?;
    let entry = match args.remove {
        true => None,
        false => Some(entry(client, &server(&args, context)?)?),
    };
    if let (true, Some(entry)) = (args.print, &entry) {
        out::print(&shown(client.form, &args.name, entry)?)?;
        out::say(&format!("nothing was written; {} reads it from {}", client.title, file.display()));
        return Ok(Outcome::Done);
    }
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            let hint = "see to the file, name another with `--file`, or `--print` the entry";
            return Err(Fix::new(format!("`{}` cannot be read: {error}", file.display()), hint).into());
        }
    };
    let (text, change) = files::changed(&text, client.form, &args.name, entry.as_ref(), &file)?;
    if change != Change::None {
        files::write(&file, &text)?;
    }
    let done = match change {
        Change::Added => "added",
        Change::Replaced => "replaced",
        Change::Removed => "removed",
        Change::None => "unchanged",
    };
    if args.json {
        out::json(&json!({ "client": client.name, "file": file, "name": args.name, "entry": done }))?;
    } else {
        out::print(&format!("{}\n", file.display()))?;
    }
    out::say(&format!("`{}` of {}: {done}", args.name, client.title));
    if !args.remove {
        if args.http.is_some() {
            out::hint(&format!(
                "set {TOKEN} where the client starts: `kenward tokens create USER` makes a token"
            ));
        } else {
            out::hint("restart the client; it asks as the person whom `[operators]` names for you");
        }
    }
    Ok(Outcome::Done)
}

fn list(home: &Path, json: bool) -> anyhow::Result<()> {
    let file = |client: &Client| client.user_file(home).display().to_string();
    if json {
        let row =
            |c: &Client| json!({ "client": c.name, "title": c.title, "file": file(c), "project": c.project });
        return out::json(&CLIENTS.iter().map(row).collect::<Vec<_>>());
    }
    let row = |c: &Client| {
        vec![c.name.to_owned(), c.title.to_owned(), file(c), c.project.unwrap_or("-").to_owned()]
    };
    let rows: Vec<Vec<String>> = CLIENTS.iter().map(row).collect();
    out::print(&out::table(&["client", "", "file", "in a project"], &rows))?;
    Ok(())
}

fn place(args: &Args, client: &Client, home: &Path) -> anyhow::Result<PathBuf> {
    if let Some(file) = &args.file {
        return Ok(std::path::absolute(file)?);
    }
    if let Some(folder) = &args.project {
        let Some(inside) = client.project else {
            let what = format!("{} reads no file in a project", client.title);
            return Err(Fix::new(what, "leave `--project` out").into());
        };
        if !folder.is_dir() {
            return Err(Fix::new(
                format!("`{}` is no folder", folder.display()),
                "give the project's folder",
            )
            .into());
        }
        return Ok(std::path::absolute(folder.join(inside))?);
    }
    if home.as_os_str().is_empty() {
        return Err(Fix::new("there is no HOME, so no user's file", "name it with `--file FILE`").into());
    }
    Ok(client.user_file(home))
}

fn server(args: &Args, context: &Context) -> anyhow::Result<Server> {
    if let Some(url) = &args.http {
        let known = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if known
            .is_none_or(|rest| rest.is_empty() || rest.chars().any(|c| c.is_whitespace() || c.is_control()))
        {
            let hint = "as `kenward serve` says it, such as http://127.0.0.1:8765/mcp";
            return Err(Fix::new(format!("`{url}` is no URL of a server"), hint).into());
        }
        return Ok(Server::Http { url: url.clone() });
    }
    let utf8 = |path: &Path, what: &str| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| Fix::new(format!("the path of {what} is not UTF-8"), "move it to one that is"))
    };
    // A client starts the program in a folder of its own, with an environment of its own.
    let command = utf8(&std::env::current_exe()?, "this program")?;
    let mut more = Vec::new();
    let config = &context.config;
    if let Some(file) = &config.file {
        more.extend(["--config".to_owned(), utf8(&std::path::absolute(file)?, "the configuration")?]);
    } else {
        more.extend(["--data-dir".to_owned(), utf8(&config.data_dir, "the data folder")?]);
    }
    more.extend(["serve".to_owned(), "--stdio".to_owned()]);
    Ok(Server::Stdio { command, args: more })
}

fn entry(client: &Client, server: &Server) -> Result<Map<String, Value>, Fix> {
    client.entry(server).ok_or_else(|| {
        let able = CLIENTS.iter().filter(|c| c.http != Http::Unable).map(|c| c.name).collect::<Vec<_>>();
        Fix::new(
            format!("{} takes no URL with a token from its file", client.title),
            format!(
                "leave `--http` out: it then starts `kenward serve --stdio`; with a URL: {}",
                able.join(", ")
            ),
        )
    })
}

/// The entry as it stands in the client's file.
fn shown(form: Form, name: &str, entry: &Map<String, Value>) -> anyhow::Result<String> {
    let (text, _) = files::changed("", form, name, Some(entry), Path::new("an empty file"))?;
    Ok(text)
}
