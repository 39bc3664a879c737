//! `kenward tokens`: bearer tokens of directory people, for agents. A secret is drawn here, shown once,
//! on standard output, and kept nowhere: it never leaves this process in any other way.

use super::fail::want;
use super::users::change_directory;
use super::{Context, Outcome, out};
use crate::config::agents::Agents;
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use clap::Subcommand;
use kenward_access::ids::Timestamp;
use kenward_vault::directory::{DirectoryChange, NewToken, TokenSecret};
use kenward_vault::seams::SystemEntropy;
use std::collections::HashMap;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// All tokens, without their secrets
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes a token for a person; prints it once
    Create {
        /// For whom, by handle
        user: String,
        /// The agent (client id) that it is for
        #[arg(long)]
        agent: Option<String>,
        /// What it is called, in your words
        #[arg(long = "name", alias = "label", value_name = "TEXT", default_value = "")]
        label: String,
        /// Days until it ends
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// As JSON, with everything about it
        #[arg(long)]
        json: bool,
    },
    /// Revokes a token at once
    Revoke {
        /// Its id, as `tokens list` shows it
        id: String,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let backend = context.backend().await?;
    let outcome = act(args.verb, &backend, &context.config.agents).await;
    backend.close().await;
    outcome
}

async fn act(verb: Verb, backend: &Backend, agents: &Agents) -> anyhow::Result<Outcome> {
    match verb {
        Verb::List { json } => list(json, backend).await?,
        Verb::Create { user, agent, label, days, json } => {
            let unnamed = super::agents::of_token(agents, agent.as_deref());
            let made = create(backend, user.clone(), agent, label, days).await?;
            let (id, ends) = (&made.token.id, out::time(made.token.expires));
            if json {
                out::json(&made)?;
            } else {
                out::print(&format!("{}\n", made.secret))?;
            }
            out::say(&format!("token {id} of `{user}`, until {ends}; it is not shown again"));
            if let Some(unnamed) = unnamed {
                out::say(&unnamed);
            }
            out::hint(&format!("end it with `kenward tokens revoke {id}`"));
        }
        Verb::Revoke { id } => {
            change_directory(backend, vec![DirectoryChange::RevokeToken { id: id.clone() }]).await?;
            out::say(&format!("revoked token `{id}`; no answer is given for it any more"));
        }
    }
    Ok(Outcome::Done)
}

/// Draws a secret and has its token made.
pub(super) async fn create(
    backend: &Backend,
    user: String,
    agent: Option<String>,
    label: String,
    days: u32,
) -> anyhow::Result<NewToken> {
    let secret = TokenSecret::draw(&SystemEntropy);
    let op = Op::CreateToken { hash: secret.hash(), user, agent, label, days };
    let token = want!(backend.ask(op).await?, Reply::Token(token) => token);
    Ok(NewToken { secret: secret.into_text(), token })
}

async fn list(json: bool, backend: &Backend) -> anyhow::Result<()> {
    let tokens = want!(backend.ask(Op::Tokens).await?, Reply::Tokens(tokens) => tokens);
    if json {
        return out::json(&tokens);
    }
    let users = want!(backend.ask(Op::Users).await?, Reply::Users(users) => users);
    let handles: HashMap<&str, &str> =
        users.iter().map(|user| (user.id.as_str(), user.handle.as_str())).collect();
    let milliseconds = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let now = Timestamp(i64::try_from(milliseconds).unwrap_or(i64::MAX));
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let state = match token.revoked {
                Some(_) => "revoked",
                None if token.expires <= now => "expired",
                None => "valid",
            };
            vec![
                token.id.clone(),
                handles.get(token.user.as_str()).copied().unwrap_or(token.user.as_str()).to_owned(),
                token.agent.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
                token.label.clone(),
                out::time(token.created),
                out::time(token.expires),
                state.to_owned(),
            ]
        })
        .collect();
    let headings = ["id", "user", "agent", "name", "created", "expires", "state"];
    Ok(out::print(&out::table(&headings, &rows))?)
}
