//! Schedules: while a server runs, configured sources are tended (`tend`): read again by `every`, their rights
//! by `rights_every`, what changes by `watch`. What comes of it goes to the log.

use super::out;
use super::tend::{Tended, Told, tend};
use crate::config::{Config, Role};
use crate::owner::Backend;
use std::convert::Infallible;
use tokio::task::JoinSet;

/// Tends what has a schedule until it is dropped.
pub(super) async fn run(backend: &Backend, config: &Config) -> Infallible {
    let uid = rustix::process::getuid().as_raw();
    let operates = config.operators.get(&uid).is_some_and(|person| person.role == Role::Operator);
    let mut tending = JoinSet::new();
    for source in config.sources.iter().filter(|_| operates) {
        let Some(what) = Tended::configured(source) else { continue };
        let (backend, name) = (backend.clone(), source.name.clone());
        tending.spawn(async move { tend(what, &backend, &move |told| log(&name, told)).await });
    }
    // One that ended panicked; the others go on.
    while tending.join_next().await.is_some() {
        tracing::error!("a source is tended no more; restart the server");
    }
    std::future::pending().await
}

fn log(source: &str, told: Told<'_>) {
    match told {
        Told::Progress(_) => {}
        Told::Run(report) => {
            let (run, state, failed) = (report.run, report.state.word(), report.summary.failed);
            tracing::info!(source, run, state, failed, partial = report.partial, "a scheduled run ended");
        }
        Told::Rights(read) => {
            let (changed, waiting) = (read.report.changed, read.report.waiting);
            let (fewer, more) = (read.views.seen_by_fewer, read.views.seen_by_more);
            tracing::debug!(source, changed, fewer, more, waiting, "its rights were read");
        }
        Told::Problem(why) => {
            tracing::warn!(source, why = out::line(&why), "a scheduled run did not come about");
        }
    }
}
