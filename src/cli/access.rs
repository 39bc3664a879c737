//! `kenward access`: who may see what, and why. The explanation is a recording of the decision that
//! guards the document; it shows no content, and asking for it is recorded.

use super::fail::want;
use super::{Context, Outcome, out};
use crate::owner::ops::{Op, Reply};
use clap::Subcommand;
use kenward_vault::vault::Why;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Whether a person may read a document, and by which path; exit code 3 if not
    Why {
        /// The person's handle
        user: String,
        /// `kd_…` or `source/path`
        document: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let Verb::Why { user, document, json } = args.verb;
    let backend = context.backend().await?;
    let reply = backend.ask(Op::Why { user, document }).await;
    backend.close().await;
    let why = want!(reply?, Reply::Why(why) => why);
    if json {
        out::json(&why)?;
    } else {
        out::print(&draw(&why))?;
    }
    Ok(if why.allowed { Outcome::Done } else { Outcome::No })
}

/// The path of the decision: one line per layer, the place where it was written, the groups between.
fn draw(why: &Why) -> String {
    let (verdict, may) = if why.allowed { ("yes", "may") } else { ("no", "may not") };
    let mut text = format!("{verdict}: {} {may} read {}/{}\n", why.user, why.source, why.path);
    text.push_str(&format!("  document   {}\n  container  {}\n", why.document, container(&why.container)));
    for step in &why.steps {
        let mark = if step.allows { "allows" } else { "refuses" };
        text.push_str(&format!("  layer {}    {mark}: {}\n", step.layer, step.because));
        if let Some(origin) = &step.origin {
            text.push_str(&format!("             written in {origin}\n"));
        }
        if !step.chain.is_empty() {
            text.push_str(&format!("             {} > {}\n", why.user, step.chain.join(" > ")));
        }
    }
    for unknown in &why.unresolved {
        text.push_str(&format!("  hidden from everybody: {unknown}\n"));
    }
    let lines: Vec<String> = text.lines().map(out::line).collect();
    lines.join("\n") + "\n"
}

fn container(key: &str) -> &str {
    if key.is_empty() { "(the source's root)" } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenward_vault::vault::WhyStep;

    #[test]
    fn the_path_is_drawn_with_origin_and_groups() {
        let step = WhyStep {
            layer: 1,
            allows: true,
            because: "allow group:finance (entry 1)".into(),
            origin: Some("finance/.access.toml:2".into()),
            chain: vec!["accounting".into(), "finance".into()],
        };
        let why = Why {
            allowed: true,
            user: "dana@harbor.example".into(),
            document: "kd_x".into(),
            source: "harbor".into(),
            path: "finance/pay.md".into(),
            container: "finance".into(),
            steps: vec![step],
            unresolved: vec![],
        };
        assert_eq!(
            draw(&why),
            "yes: dana@harbor.example may read harbor/finance/pay.md\n  document   kd_x\n  container  \
             finance\n  layer 1    allows: allow group:finance (entry 1)\n             written in \
             finance/.access.toml:2\n             dana@harbor.example > accounting > finance\n"
        );
    }
}
