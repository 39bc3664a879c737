//! `kenward demo`: see [`crate::demo`]. Phases and bars go to standard error, answers to standard
//! output. The temporary folder goes away whatever happens. With `--page` it stays until it is told
//! to stop, which is how it then ends well.

use super::fail::want;
use super::{Context, Outcome, directory_file, models, out, tokens};
use crate::app;
use crate::config::Config;
use crate::demo::agent::{Agent, Passage};
use crate::demo::harbor::{ASKERS, DIRECTORY, FILES, QUESTIONS};
use crate::demo::page::{self, Desk, Seat};
use crate::demo::show::{self, GO_ON, Style};
use crate::demo::{self, Serving, compare};
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply, RunOrder};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kenward_indexes::models::Artifact;
use kenward_ingest::pipeline::{Progress, RunReport};
use kenward_vault::writer::{SourceRights, SourceSpec};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

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
    /// Afterwards, show both answers and the deciding path on a page for your browser, for any two of
    /// the company's people and any question; on loopback, until Ctrl-C
    #[arg(long)]
    page: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("kenward-demo-").tempdir()?;
    let begun = Instant::now();
    let stop = told_to_stop()?;
    tokio::pin!(stop);
    let shown = tokio::select! {
        shown = all(&args, folder.path()) => shown,
        () = &mut stop => {
            // What is under way holds nothing but files of this folder.
            let _ = folder.close();
            std::process::exit(INTERRUPTED)
        }
    };
    let gone = folder.path().display().to_string();
    let ended = match shown {
        Ok(standing) => goodbye(standing, stop).await,
        Err(error) => Err(error),
    };
    folder.close()?;
    ended?;
    out::say(&format!("\n{:.1} seconds in all; {gone} is gone again", begun.elapsed().as_secs_f64()));
    Ok(Outcome::Done)
}

/// What still stands when the answers are printed.
struct Standing {
    backend: Backend,
    serving: Serving,
    page: Option<Serving>,
}

/// Says how to go on, and lets go of everything: at once, or when it is told to.
async fn goodbye(standing: Standing, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let Standing { backend, serving, page } = standing;
    let told = match &page {
        None => {
            let offer = "Both answers side by side in your browser, for any two of its people:\n\n  kenward demo --page\n";
            out::print(&format!("\n{offer}\n{GO_ON}"))
        }
        Some(page) => {
            let printed = out::print(&format!("\n{GO_ON}\nBoth answers side by side:\n\n  {}\n", page.url));
            out::say(
                "\nThe address is a secret of this run: whoever has it asks as anybody of the company.\nstop with Ctrl-C",
            );
            if printed.is_ok() {
                stop.await;
            }
            printed
        }
    };
    if let Some(page) = page {
        page.stop().await?;
    }
    let stopped = serving.stop().await;
    backend.close().await;
    stopped?;
    Ok(told?)
}

/// As [`super::serve::told_to_stop`], and when the terminal is closed: the folder goes then, too.
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let told = super::serve::told_to_stop()?;
    let mut hung_up = signal(SignalKind::hangup()).context("listening for signals")?;
    Ok(async move {
        tokio::select! {
            () = told => {}
            _ = hung_up.recv() => {}
        }
    })
}

async fn all(args: &Args, folder: &Path) -> anyhow::Result<Standing> {
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
    match show_all(&context, &backend, folder, style, &mut phases, args.page).await {
        Ok((serving, page)) => Ok(Standing { backend, serving, page }),
        Err(error) => {
            // Servers that were started have stopped with what held them.
            backend.close().await;
            Err(error)
        }
    }
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
    with_page: bool,
) -> anyhow::Result<(Serving, Option<Serving>)> {
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
    let answers = ask(backend, &serving.url).await?;
    phases.done("ask", &format!("{} questions by two people's agents, over MCP", QUESTIONS.len()));

    let people = ASKERS.map(|(_, name)| name);
    for (at, (question, [left, right])) in QUESTIONS.iter().zip(&answers).enumerate() {
        out::print(&format!("\n{}", show::question(at + 1, question.ask, people, [left, right], style)))?;
        let said = difference(backend, [left, right], style).await?;
        out::print(&format!("\n{said}"))?;
    }
    let page = if with_page { Some(open_page(backend, &serving.url).await?) } else { None };
    Ok((serving, page))
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
        rights: SourceRights::default(),
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
    let op = Op::Ingest(RunOrder { source: "harbor".to_owned(), ..RunOrder::default() });
    let reply = backend.call(op, &mut told).await?;
    bar.finish_and_clear();
    Ok(want!(reply, Reply::Ingested(report) => *report))
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

/// The page, with an agent for each person of the company.
async fn open_page(backend: &Backend, url: &str) -> anyhow::Result<Serving> {
    let mut seats = Vec::new();
    for person in demo::people::people()? {
        let agent = agent(backend, url, &person.handle).await?;
        seats.push(Seat { person, agent });
    }
    Ok(page::start(Desk::new(seats, backend.clone())).await?)
}

/// Why the two answers differ: the deciding path of the best passage that only one of them may see.
async fn difference(backend: &Backend, answers: [&[Passage]; 2], style: Style) -> anyhow::Result<String> {
    let [(a, a_name), (b, b_name)] = ASKERS;
    Ok(match compare::difference(backend, [a, b], answers).await? {
        Some(found) => {
            let [first, second] = &found.decisions;
            show::why(&found.passage.title, [(a_name, first), (b_name, second)], style)
        }
        None => "  Both may see all of this.\n".to_owned(),
    })
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
