//! `kenward serve` for several tenants: each has its own configuration, folder, keys, issuers and owner of its data;
//! what they share is this process and its listener. One that cannot be served keeps all from starting: a server that
//! came up without one of them would look like one that lost it.

use super::fail::Fix;
use super::serve::{self, listener, many_files, operations, operations_listener, tls};
use super::{Context, Outcome, out, schedule};
use crate::config::{Config, Reach};
use crate::http::{self, HttpOptions};
use crate::owner::Backend;
use anyhow::Context as _;
use kenward_access::ids::TenantId;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Why one cannot be served to a client that starts the program itself.
pub(super) const NOT_OVER_STDIO: &str = "`[[tenants]]` are served over HTTP; hint: run `kenward --config FILE serve --stdio` with the tenant's own file";

/// A tenant that is served.
struct Tenant {
    name: TenantId,
    context: Context,
    backend: Backend,
}

/// Serves them until told to stop.
pub(super) async fn run(context: &Context) -> anyhow::Result<Outcome> {
    let configs = configs(context)?;
    let mut tenants: Vec<Tenant> = Vec::with_capacity(configs.len());
    let served = match open(configs, &mut tenants).await {
        Ok(()) => until_it_ends(context, &tenants).await,
        Err(error) => Err(error),
    };
    for tenant in &tenants {
        tenant.backend.close().await;
    }
    served.map(|()| Outcome::Done)
}

/// Their configurations, each checked against what lists it.
fn configs(context: &Context) -> anyhow::Result<Vec<(TenantId, Arc<Config>)>> {
    let mut configs: Vec<(TenantId, Arc<Config>)> = Vec::new();
    let reachable = context.config.http.reach != Reach::Loopback;
    for entry in &context.config.tenants {
        let name = &entry.name;
        let wrong = |what: String, hint: String| Fix::new(format!("tenant `{name}`: {what}"), hint);
        let config = Config::of_tenant(&entry.config).with_context(|| format!("tenant `{name}`"))?;
        let file = entry.config.display();
        if config.tenant != *name {
            let what = format!("`{file}` is of tenant `{}`", config.tenant);
            return Err(wrong(what, format!("write `tenant = \"{name}\"` in it")).into());
        }
        if !config.tenants.is_empty() {
            let hint = "list all tenants in one file".to_owned();
            return Err(wrong(format!("`{file}` lists tenants itself"), hint).into());
        }
        let path = http::tenant_path(name);
        match &config.http.public_url {
            Some(url) if !url.ends_with(&path) => {
                let hint = format!("end it with `{path}`, where it is served");
                return Err(wrong(format!("`http.public_url` is `{url}`"), hint).into());
            }
            None if !config.issuers.is_empty() => {
                let what = "it has issuers and no `http.public_url`".to_owned();
                return Err(wrong(what, format!("give the URL that ends with `{path}`")).into());
            }
            _ => {}
        }
        if reachable && config.issuers.is_empty() {
            let what = "others can reach this server, and it has no `[[issuer]]`".to_owned();
            return Err(wrong(what, "name the issuer whose tokens its people bring".to_owned()).into());
        }
        if configs.iter().any(|(_, known)| known.data_dir == config.data_dir) {
            let what = format!("its `data_dir` is another tenant's: `{}`", config.data_dir.display());
            return Err(wrong(what, "give each a folder of its own".to_owned()).into());
        }
        configs.push((name.clone(), Arc::new(config)));
    }
    Ok(configs)
}

async fn open(configs: Vec<(TenantId, Arc<Config>)>, tenants: &mut Vec<Tenant>) -> anyhow::Result<()> {
    for (name, config) in configs {
        let context = Context { config };
        let backend = context.backend().await.with_context(|| format!("tenant `{name}`"))?;
        super::ready(&backend).await.with_context(|| format!("tenant `{name}`"))?;
        tenants.push(Tenant { name, context, backend });
    }
    Ok(())
}

async fn until_it_ends(context: &Context, tenants: &[Tenant]) -> anyhow::Result<()> {
    many_files();
    let agents = listener(context).await?;
    let address = agents.local_addr().context("the listener's address")?;
    let mut beside = JoinSet::new();
    for tenant in tenants {
        let listener = operations_listener(&tenant.backend, &tenant.context).await?;
        let (backend, config) = (tenant.backend.clone(), Arc::clone(&tenant.context.config));
        beside.spawn(async move { schedule::run(&backend, &config).await });
        let backend = tenant.backend.clone();
        if listener.is_some() {
            beside.spawn(async move {
                // Ends only with an error, which the others need not end for.
                if let Err(error) = operations(&backend, listener).await {
                    tracing::error!(%error, "metrics are served no more");
                }
                std::future::pending().await
            });
        }
    }
    let options = HttpOptions::of(&context.config, address.port());
    let endpoints = tenants.iter().map(|tenant| {
        (tenant.name.clone(), tenant.backend.clone(), options.of_tenant(&tenant.context.config))
    });
    let router = http::hosted(endpoints.collect(), &options);
    let tls = tls(context)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let told = serve::told_to_stop()?;
    let ending = options.ending.clone();
    let stop = async move {
        told.await;
        ending.cancel();
    };
    let mut urls = String::new();
    for tenant in tenants {
        urls.push_str(&format!("{scheme}://{address}{}\n", http::tenant_path(&tenant.name)));
    }
    out::print(&urls)?;
    out::say(&format!("serving MCP for {} tenants; stop with Ctrl-C", tenants.len()));
    let serving = http::serve(agents, router, options.bounds.clone(), tls.clone(), stop);
    match tls {
        None => serving.await,
        Some(tls) => tokio::select! {
            () = serving => {}
            never = tls.keep() => match never {},
        },
    }
    beside.abort_all();
    out::say("stopped");
    Ok(())
}
