//! Who may read what carries no rights of its own: from the flag, or asked once on a terminal, and
//! recorded with the source. Without an answer nothing is ingested: nobody is not everybody.

use super::super::Context;
use super::super::fail::{Fix, want};
use super::super::out;
use crate::config::{PRINCIPAL, valid_principal};
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use std::io::{BufRead, IsTerminal};

const HINT: &str = "say who may read them: `--default-allow everyone`, `--default-allow user:HANDLE` or \
                    `--default-allow group:HANDLE`; it is recorded with the source";

/// Whom this machine's user is in the directory.
fn own_handle(context: &Context) -> Option<&str> {
    let uid = rustix::process::getuid().as_raw();
    context.config.operators.get(&uid)?.handle.as_deref()
}

/// The flag's words, each one somebody that the directory knows.
pub(super) async fn checked(
    given: &[String],
    context: &Context,
    backend: &Backend,
) -> anyhow::Result<Vec<String>> {
    let mut allow = Vec::new();
    for text in given {
        let principal = match text.as_str() {
            "me" => format!("user:{}", own_handle(context).ok_or_else(nobody)?),
            text => text.to_owned(),
        };
        if !valid_principal(&principal) {
            let hint = format!("give {PRINCIPAL}, or `me`");
            return Err(Fix::new(format!("`{principal}` names nobody"), hint).into());
        }
        known(&principal, backend).await?;
        if !allow.contains(&principal) {
            allow.push(principal);
        }
    }
    Ok(allow)
}

fn nobody() -> Fix {
    let hint = "run `kenward init`, or name somebody: `user:HANDLE`";
    Fix::new("this machine's user is nobody in the directory", hint)
}

/// Says so where the directory has nobody: then nobody can ask.
pub(super) async fn somebody(context: &Context, backend: &Backend) -> anyhow::Result<()> {
    let users = want!(backend.ask(Op::Users).await?, Reply::Users(users) => users);
    if users.is_empty() {
        out::say("warning: the directory of this data has nobody, so nobody can ask it");
        out::hint(&format!("`kenward users add {}`", own_handle(context).unwrap_or("HANDLE")));
    }
    Ok(())
}

/// Refuses somebody whom the directory does not know: what names them would be visible to nobody.
async fn known(principal: &str, backend: &Backend) -> anyhow::Result<()> {
    if let Some(handle) = principal.strip_prefix("user:") {
        let users = want!(backend.ask(Op::Users).await?, Reply::Users(users) => users);
        if users.iter().all(|user| user.handle != handle) {
            let hint = format!("add them first: `kenward users add {handle}`");
            return Err(Fix::new(format!("there is no person `{handle}` in the directory"), hint).into());
        }
    }
    if let Some(handle) = principal.strip_prefix("group:") {
        let groups = want!(backend.ask(Op::Groups).await?, Reply::Groups(groups) => groups);
        if groups.iter().all(|group| group.handle != handle) {
            let hint = format!("add it first: `kenward groups add {handle}`");
            return Err(Fix::new(format!("there is no group `{handle}` in the directory"), hint).into());
        }
    }
    Ok(())
}

/// Asks on a terminal; elsewhere refuses with the hint.
pub(super) async fn ask(
    source: &str,
    files: u64,
    may_ask: bool,
    context: &Context,
    backend: &Backend,
) -> anyhow::Result<Vec<String>> {
    let problem = format!(
        "`{source}`: {files} {} no rights of {} own",
        if files == 1 { "file carries" } else { "files carry" },
        if files == 1 { "its" } else { "their" }
    );
    if !may_ask || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Fix::new(problem, HINT).into());
    }
    out::say(&format!("{problem}. Who may read such files?"));
    let own = own_handle(context).map(str::to_owned);
    let me = own.as_deref().map_or_else(
        || "only me (not possible: run `kenward init`)".to_owned(),
        |own| format!("only me ({own})"),
    );
    out::say(&format!("  1  {me}\n  2  everyone in the directory\n  3  a group"));
    loop {
        let choice = read("1, 2 or 3: ").await?;
        let principal = match (choice.as_str(), &own) {
            ("1", Some(own)) => format!("user:{own}"),
            ("2", _) => "everyone".to_owned(),
            ("3", _) => format!("group:{}", read("which group: ").await?),
            _ => continue,
        };
        match known(&principal, backend).await {
            Ok(()) => return Ok(vec![principal]),
            Err(error) => out::say(&error.to_string()),
        }
    }
}

/// One line from the terminal; its end, and Ctrl-C, are refusals.
async fn read(prompt: &str) -> anyhow::Result<String> {
    {
        use std::io::Write;
        let mut terminal = std::io::stderr().lock();
        write!(terminal, "{prompt}").and_then(|()| terminal.flush())?;
    }
    // On a thread of its own, which nobody waits for: a read from a terminal cannot be called off.
    let (told, line) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).map(|bytes| (bytes > 0).then_some(line));
        // Whoever asked may have gone.
        let _ = told.send(read);
    });
    let line = tokio::select! {
        line = line => line??,
        _ = tokio::signal::ctrl_c() => None,
    };
    match line {
        Some(line) => Ok(line.trim().to_owned()),
        None => Err(Fix::new("nobody said who may read these files", HINT).into()),
    }
}
