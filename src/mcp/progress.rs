//! Progress and cancellation of one request: a client that gave a token hears on fixed ticks that its call is still
//! under way, and one that went away is waited for no longer.
//!
//! Progress is time that passed and nothing else: it must never say how far something is, because that would depend
//! on what there is.

use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, interval_at};

/// Between two notices; most calls are answered long before the first.
pub const EVERY: Duration = Duration::from_secs(2);

/// The outcome of `work`, or an error that nobody reads if the request was cancelled meanwhile.
pub async fn during<T>(
    context: &RequestContext<RoleServer>,
    every: Duration,
    work: impl Future<Output = T>,
) -> Result<T, ErrorData> {
    let token = context.meta.get_progress_token();
    let mut ticks = interval_at(Instant::now() + every, every);
    let mut told = 0.0;
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = context.ct.cancelled() => {
                return Err(ErrorData::internal_error("the request was cancelled", None));
            }
            _ = ticks.tick(), if token.is_some() => {
                let Some(token) = token.clone() else { continue };
                told += every.as_secs_f64();
                let notice = ProgressNotificationParam::new(token, told).with_message("still working");
                // Who does not read it must not hold up the work.
                let _ = tokio::time::timeout(every, context.peer.notify_progress(notice)).await;
            }
        }
    }
}
