//! `kenward demo`: see [`crate::demo`]. Phases and bars go to standard error, answers to standard
//! output. The temporary folder goes away whatever happens.

use super::fail::want;
use super::{Context, Outcome, directory_file, models, out, tokens};
use crate::app;
use crate::config::Config;
use crate::demo::agent::{Agent, Passage};
use crate::demo::harbor::{ASKERS, DIRECTORY, FILES, QUESTIONS};
use crate::demo::show::{self, GO_ON, Style};
use crate::demo::{self, Serving};
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kenward_indexes::models::Artifact;
use kenward_ingest::pipeline::{Progress, RunReport};
use kenward_vault::writer::SourceSpec;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Passages per answer.
const LIMIT: usize = 3;
/// Life of the demo's tokens: the shortest there is.
const DAYS: u32 = 1;
/// Exit code of a program that was told to stop.
const INTERRUPTED: i32 = 130;

#[derive(clap::Args)]
#[command(after_help = "Everything but the model lies in a temporary folder, which is removed at the end.")]
pub(crate) struct Args {
    /// Search by words alone: no model is fetched or used
    #[arg(long)]
    no_model: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("kenward-demo-").tempdir()?;
    let begun = Instant::now();
    let stop = super::serve::told_to_stop()?;
    let shown = tokio::select! {
        shown = all(&args, folder.path()) => shown,
        () = stop => {
            // What is under way holds nothing but files of this folder.
            let _ = folder.close();
            std::process::exit(INTERRUPTED)
        }
    };
    let gone = folder.path().display().to_string();
    folder.close()?;
    shown?;
    out::print(&format!("\n{GO_ON}"))?;
    out::say(&format!("\n{:.1} seconds in all; {gone} is gone again", begun.elapsed().as_secs_f64()));
    Ok(Outcome::Done)
}

async fn all(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let style = Style::of_stdout();
    let mut phases = Phases(Instant::now());
    out::say(&format!(
        "Harbor & Vale Shipping, a fictional company: {} files, rights among them\n",
        FILES.len()
    ));
    let uid = rustix::process::geteuid().as_raw();
    let config = Arc::new(demo::config(folder, uid, !args.no_model)?);
    phases.done("model", get_model(&config, args.no_model).await?);
    let context = Context { config: Arc::clone(&config) };
    let backend = Backend::open(config).await?;
    let shown = show_all(&context, &backend, folder, style, &mut phases).await;
    backend.close().await;
    shown
}

/// Fetches the model if it is not here; says what there is.
async fn get_model(config: &Arc<Config>, unwanted: bool) -> anyhow::Result<&'static str> {
    if unwanted {
        return Ok("none wanted: words alone");
    }
    if app::missing_artifacts(config).is_empty() {
        return Ok("all-MiniLM-L6-v2, there already");
    }
    let pulling = Arc::clone(config);
    tokio::task::spawn_blocking(move || models::ensure(&pulling)).await??;
    // Without the library the built-in engine runs it.
    Ok(if app::missing_artifacts(config).contains(&Artifact::MiniLm) {
        "NONE COULD BE HAD: the demo goes on with words alone; meaning is not searched"
    } else {
        "all-MiniLM-L6-v2, fetched once and kept"
    })
}

async fn show_all(
    context: &Context,
    backend: &Backend,
    folder: &Path,
    style: Style,
    phases: &mut Phases,
) -> anyhow::Result<()> {
    let report = ingest(context, backend, folder).await?;
    let by = report.embedder.as_deref().unwrap_or("words alone");
    phases.done(
        "ingest",
        &format!(
            "{} documents in, {} failed, {} chunks, {by}",
            report.summary.added, report.summary.failed, report.summary.chunks
        ),
    );

    let serving = Serving::start(backend.clone()).await?;
    phases.done("serve", &format!("MCP at {}", serving.url));
    let answered = ask(backend, &serving.url).await;
    serving.stop().await?;
    let answers = answered?;
    phases.done("ask", &format!("{} questions by two people's agents, over MCP", QUESTIONS.len()));

    let people = ASKERS.map(|(_, name)| name);
    for (at, (question, [left, right])) in QUESTIONS.iter().zip(&answers).enumerate() {
        out::print(&format!("\n{}", show::question(at + 1, question.ask, people, [left, right], style)))?;
        let said = difference(backend, [left, right], style).await?;
        out::print(&format!("\n{said}"))?;
    }
    Ok(())
}

async fn ingest(context: &Context, backend: &Backend, folder: &Path) -> anyhow::Result<RunReport> {
    let root = folder.join("harbor");
    demo::write_files(&root)?;
    let directory = folder.join("directory.toml");
    std::fs::write(&directory, DIRECTORY)?;
    directory_file::apply(&directory, context, backend).await?;
    let spec = SourceSpec {
        name: "harbor".to_owned(),
        kind: "files".to_owned(),
        root: std::fs::canonicalize(&root)?.to_string_lossy().into_owned(),
        default_allow: Vec::new(),
        url_template: None,
        tier: 2,
        label: None,
    };
    want!(backend.ask(Op::AddSource { spec }).await?, Reply::Done => ());
    let bar = ProgressBar::new(0);
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.set_style(
        ProgressStyle::with_template("  {spinner} reading [{bar:24}] {pos} of {len} documents")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut told = |reply: Reply| {
        if let Reply::Progress(Progress::Documents { done, of, .. }) = reply {
            bar.set_length(of);
            bar.set_position(done);
        }
    };
    let op = Op::Ingest { source: "harbor".to_owned(), allow_mass_delete: false };
    let reply = backend.call(op, &mut told).await?;
    bar.finish_and_clear();
    Ok(want!(reply, Reply::Ingested(report) => report))
}

/// Asks every question as both people, each with their own token.
async fn ask(backend: &Backend, url: &str) -> anyhow::Result<Vec<[Vec<Passage>; 2]>> {
    let [(a, _), (b, _)] = ASKERS;
    let (a, b) = (agent(backend, url, a).await?, agent(backend, url, b).await?);
    let mut answers = Vec::new();
    for question in &QUESTIONS {
        answers.push([a.search(question.ask, LIMIT).await?, b.search(question.ask, LIMIT).await?]);
    }
    a.leave().await;
    b.leave().await;
    Ok(answers)
}

async fn agent(backend: &Backend, url: &str, handle: &str) -> anyhow::Result<Agent> {
    let token = tokens::create(backend, handle.to_owned(), None, "demo".to_owned(), DAYS).await?;
    Ok(Agent::connect(url, &token.secret).await?)
}

async fn why(
    backend: &Backend,
    handle: &str,
    passage: &Passage,
) -> anyhow::Result<kenward_vault::vault::Why> {
    let op = Op::Why { user: handle.to_owned(), document: passage.id.clone() };
    Ok(want!(backend.ask(op).await?, Reply::Why(why) => why))
}

/// Why the two answers differ: the deciding path of the best passage that only one of them may see.
async fn difference(backend: &Backend, answers: [&[Passage]; 2], style: Style) -> anyhow::Result<String> {
    let [left, right] = answers;
    let [(a, a_name), (b, b_name)] = ASKERS;
    for passage in only_one_got(left, right) {
        let (first, second) = (why(backend, a, passage).await?, why(backend, b, passage).await?);
        // With equal rights it fell out of one answer for its rank.
        if first.allowed != second.allowed {
            return Ok(show::why(&passage.title, [(a_name, &first), (b_name, &second)], style));
        }
    }
    Ok("  Both may see all of this.\n".to_owned())
}

/// Passages of documents that only one of them got, best first.
fn only_one_got<'a>(left: &'a [Passage], right: &'a [Passage]) -> Vec<&'a Passage> {
    let only = |one: &'a [Passage], other: &[Passage]| -> Vec<(usize, &'a Passage)> {
        one.iter().enumerate().filter(|(_, mine)| !other.iter().any(|theirs| theirs.id == mine.id)).collect()
    };
    let mut found = only(left, right);
    found.extend(only(right, left));
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, passage)| passage).collect()
}

/// Says how long each phase took.
struct Phases(Instant);

impl Phases {
    fn done(&mut self, name: &str, said: &str) {
        let seconds = self.0.elapsed().as_secs_f64();
        self.0 = Instant::now();
        out::say(&format!("  {name:<8}{seconds:>6.1} s  {said}"));
    }
}
