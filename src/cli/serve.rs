//! `kenward serve`: agents ask, over Streamable HTTP or over stdio. It starts the protocol's servers
//! over the way to the owner of the data, says how to go on, and ends cleanly; it must never write
//! anything but the protocol to standard output while it serves stdio.

use super::fail::{Fix, unexpected};
use super::{Context, Outcome, hosted, out, schedule};
use crate::config::{Overrides, Reach};
use crate::http::tls::Tls;
use crate::http::{self, HttpOptions};
use crate::mcp::{Claims, KenwardServer};
use crate::owner::Backend;
use crate::owner::ops::{Claim, Op, Operate, Question, Reply, Standing};
use crate::telemetry;
use anyhow::Context as _;
use kenward_vault::knowledge_base::ListSourcesRequest;
use std::io::IsTerminal as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to listen for HTTP, on loopback; port 0 takes a free one [default: `http.addr` of the configuration]
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "stdio")]
    http: Option<String>,
    /// Serve one client on standard input and output, as the person whom `[operators]` names for you
    #[arg(long)]
    stdio: bool,
    /// With --stdio: serve as somebody else; needs the operator role and a reason, and is recorded
    #[arg(long = "as", value_name = "USER", requires = "stdio", requires = "reason")]
    act_as: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", requires = "act_as")]
    reason: Option<String>,
}

impl Args {
    /// What the flags put over the configuration.
    pub fn overrides(&self, overrides: &mut Overrides) {
        if self.http.is_some() {
            overrides.http_addr.clone_from(&self.http);
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    if !context.config.tenants.is_empty() {
        anyhow::ensure!(!args.stdio, hosted::NOT_OVER_STDIO);
        return hosted::run(context).await;
    }
    let backend = context.backend().await?;
    super::ready(&backend).await?;
    let served = until_it_ends(args, &backend, context).await;
    // A run that is under way when serving ends is interrupted, and goes on with the next one.
    backend.close().await;
    match served? {
        Ended::ByItself => Ok(Outcome::Done),
        Ended::BySignal => {
            // A thread may still wait for standard input, which nothing can interrupt; everything
            // that must be kept is closed.
            std::process::exit(0)
        }
    }
}

async fn until_it_ends(args: Args, backend: &Backend, context: &Context) -> anyhow::Result<Ended> {
    if args.stdio {
        let claim = Claim::Local { act_as: args.act_as, reason: args.reason };
        must_be_somebody(backend, &claim).await?;
        return tokio::select! {
            served = stdio(backend, claim) => served,
            never = schedule::run(backend, &context.config) => match never {},
        };
    }
    many_files();
    // Before anything is scheduled: where an address is taken, nothing has been done.
    let agents = listener(context).await?;
    let operators = operations_listener(backend, context).await?;
    tokio::select! {
        served = over_http(backend, context, agents) => served,
        failed = operations(backend, operators) => failed,
        never = schedule::run(backend, &context.config) => match never {},
    }
}

/// Every connection is a file: as many as this process may have.
pub(super) fn many_files() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |most| most.min(FILES));
    if limit.current.is_none_or(|now| now >= wanted) {
        return;
    }
    limit.current = Some(wanted);
    if rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).is_err() {
        tracing::debug!("the limit of open files stays as it is");
    }
}

/// Connections at most, and what the data needs.
const FILES: u64 = 16_384;

/// How serving ended.
pub(super) enum Ended {
    ByItself,
    BySignal,
}

/// The listener for metrics and readiness, if that is configured.
pub(super) async fn operations_listener(
    backend: &Backend,
    context: &Context,
) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = context.config.operations else { return Ok(None) };
    // Whoever runs it must be one who may see what it counts.
    match backend.ask(Op::Operate(Operate::Ready)).await? {
        Reply::Operated(_) => {}
        other => return Err(unexpected(other)),
    }
    match http::bind(address, &Reach::Loopback).await {
        Ok(listener) => Ok(Some(listener)),
        // Any number of servers may run on the same data: the owner, or another of them, serves it already.
        Err(http::HttpError::Bind { source, .. })
            if source.kind() == std::io::ErrorKind::AddrInUse && !backend.is_owner().await =>
        {
            out::say(&format!("warning: metrics and readiness are not served from here: {address} is taken"));
            Ok(None)
        }
        Err(error) => {
            let (message, _) = crate::owner::words(&error);
            Err(Fix::new(message, "choose another address with `operations.listen`").into())
        }
    }
}

/// Serves metrics and readiness, if that is configured, until it is dropped. Ends only with an error.
pub(super) async fn operations(backend: &Backend, listener: Option<TcpListener>) -> anyhow::Result<Ended> {
    let Some(listener) = listener else { return std::future::pending().await };
    let address = listener.local_addr().context("the listener's address")?;
    out::say(&format!("metrics and readiness at http://{address}/metrics and /readyz"));
    let router = http::operations::router(backend.clone(), address.port());
    http::serve(listener, router, http::Bounds::default(), None, std::future::pending()).await;
    Ok(Ended::ByItself)
}

async fn stdio(backend: &Backend, claim: Claim) -> anyhow::Result<Ended> {
    if std::io::stdin().is_terminal() {
        out::say("speaking MCP on standard input and output; an MCP client usually starts this itself:");
        out::say("  claude mcp add kenward -- kenward serve --stdio");
    }
    let server = KenwardServer::new(backend.clone(), Claims::Process(claim));
    let serving = async {
        match rmcp::serve_server(server, rmcp::transport::io::stdio_pipes()).await {
            Ok(running) => running.waiting().await.map(|_| ()).context("serving stdio"),
            // The client went before it said anything: nothing was asked, nothing failed.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            // rmcp's own words quote the message.
            Err(_) => anyhow::bail!("what came on standard input is not how an MCP client begins"),
        }
    };
    tokio::select! {
        served = serving => served.map(|()| Ended::ByItself),
        () = told_to_stop()? => Ok(Ended::BySignal),
    }
}

/// Refuses to start for nobody: the client would see every single call fail.
async fn must_be_somebody(backend: &Backend, claim: &Claim) -> anyhow::Result<()> {
    match backend.ask(Op::Authenticate { claim: claim.clone() }).await? {
        Reply::Authenticated(Standing::Accepted(_)) => return Ok(()),
        Reply::Authenticated(_) => {}
        other => return Err(unexpected(other)),
    }
    // The reason is told in the answer to a question.
    let question = Question::ListSources(ListSourcesRequest::default());
    let ask = Op::Ask { claim: claim.clone(), question, request_id: telemetry::request_id() };
    match backend.ask(ask).await? {
        Reply::Answer(_) => Ok(()),
        other => Err(unexpected(other)),
    }
}

/// The listener for agents.
pub(super) async fn listener(context: &Context) -> anyhow::Result<TcpListener> {
    let bound = http::bind(context.config.http_addr, &context.config.http.reach).await;
    bound.map_err(|error| {
        let (message, hint) = crate::owner::words(&error);
        Fix::new(message, hint.unwrap_or_default()).into()
    })
}

async fn over_http(backend: &Backend, context: &Context, listener: TcpListener) -> anyhow::Result<Ended> {
    let address = listener.local_addr().context("the listener's address")?;
    let options = HttpOptions::of(&context.config, address.port());
    let tls = tls(context)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let router = http::router(backend.clone(), &options);
    // Before anybody is told the address: a signal from now on ends it cleanly.
    let (told, ending) = (told_to_stop()?, options.ending);
    let stop = async move {
        told.await;
        ending.cancel();
    };
    let url = format!("{scheme}://{address}{}", http::MCP_PATH);
    out::print(&format!("{url}\n"))?;
    how_to_go_on(backend, context, &url).await;
    let serving = http::serve(listener, router, options.bounds.clone(), tls.clone(), stop);
    match tls {
        None => serving.await,
        Some(tls) => tokio::select! {
            () = serving => {}
            never = tls.keep() => match never {},
        },
    }
    out::say("stopped");
    Ok(Ended::ByItself)
}

/// TLS, if it is spoken here. Where the configuration lets others reach the address, it is that or a proxy.
pub(super) fn tls(context: &Context) -> anyhow::Result<Option<Tls>> {
    let config = &context.config.http;
    let Some(files) = config.tls.clone() else {
        anyhow::ensure!(config.reach != Reach::Direct, "without TLS or a proxy nothing is served to others");
        return Ok(None);
    };
    let read = Tls::read(files).map_err(|error| {
        let (message, _) = crate::owner::words(&error);
        Fix::new(message, "give the chain and its key as PEM with `http.tls_certificate` and `http.tls_key`")
    });
    Ok(Some(read?))
}

async fn how_to_go_on(backend: &Backend, context: &Context, url: &str) {
    let owner = if backend.is_owner().await { "owned by this process" } else { "owned by another process" };
    out::say(&format!("serving MCP at {url}"));
    out::say(&format!("  data      {} ({owner})", context.config.data_dir.display()));
    out::say("connect an agent:");
    out::say("  kenward tokens create USER      a token with that person's rights, shown once");
    out::say(&format!(
        "  claude mcp add --transport http kenward {url} --header \"Authorization: Bearer TOKEN\""
    ));
    out::say("  any other client: this URL, and the header `Authorization: Bearer TOKEN`");
    out::say("stop with Ctrl-C");
}

/// Done when the process is told to stop (SIGINT, SIGTERM). Listens from the moment it is called.
pub(super) fn told_to_stop() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for signals")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
