//! `kenward demo`: see [`crate::demo`]. Phases and bars go to standard error, answers to standard
//! output. The temporary folder goes away whatever happens.

use super::fail::want;
use super::{Context, Outcome, directory_file, out};
use crate::app;
use crate::demo::agent::{Agent, Passage};
use crate::demo::company::{Company, Person};
use crate::demo::show::{self, GO_ON, Style};
use crate::demo::{self, Serving, model};
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kenward_ingest::pipeline::{Progress, RunReport};
use kenward_vault::writer::SourceSpec;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Passages per answer.
const LIMIT: usize = 3;
/// Life of the demo's tokens: the shortest there is.
const DAYS: u32 = 1;

#[derive(clap::Args)]
#[command(after_help = "Everything but the model lies in a temporary folder, which is removed at the end.")]
pub(crate) struct Args {
    /// Search by words alone: no model is fetched or used
    #[arg(long)]
    no_model: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Outcome> {
    let company = demo::company::harbor();
    let style = Style::of_stdout();
    let folder = tempfile::Builder::new().prefix("kenward-demo-").tempdir()?;
    let mut phases = Phases::default();
    out::say(&format!("{}: a fictional company, {} files with their rights\n", company.name, company.files.len()));

    let uid = rustix::process::geteuid().as_raw();
    let config = Arc::new(demo::config(&company, folder.path(), uid, !args.no_model)?);
    if args.no_model {
        phases.done("model", "none wanted: words alone");
    } else {
        let said = get_model(&config).await;
        phases.done("model", &said);
    }

    let context = Context { config: Arc::clone(&config) };
    let backend = Backend::open(config).await?;
    let shown = show_all(&company, &context, &backend, folder.path(), style, &mut phases).await;
    backend.close().await;
    shown?;
    let gone = folder.path().display().to_string();
    folder.close()?;
    out::print(&format!("\n{GO_ON}"))?;
    out::say(&format!("\n{} seconds in all; {gone} is gone again", phases.seconds()));
    Ok(Outcome::Done)
}

/// Fetches what is missing; without it the demo goes on, loudly.
async fn get_model(config: &Arc<crate::config::Config>) -> String {
    let missing = app::missing_artifacts(config);
    if missing.is_empty() {
        return "there already".to_owned();
    }
    for artifact in missing {
        let models_dir = config.models_dir.clone();
        let pulled = tokio::task::spawn_blocking(move || model::pull(&models_dir, artifact)).await;
        let problem = match pulled {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => crate::owner::words(&error).0,
            Err(_) => "fetching it failed inside".to_owned(),
        };
        out::say(&format!("WARNING: no {}: {problem}", model::name(artifact)));
        out::say("WARNING: the demo goes on with words alone (BM25); meaning is not searched");
        return "none: words alone".to_owned();
    }
    format!("fetched into {}", config.models_dir.display())
}

async fn show_all(
    company: &Company,
    context: &Context,
    backend: &Backend,
    folder: &Path,
    style: Style,
    phases: &mut Phases,
) -> anyhow::Result<()> {
    let report = ingest(company, context, backend, folder).await?;
    let by = report.embedder.as_deref().unwrap_or("words alone");
    phases.done(
        "ingest",
        &format!("{} documents in, {} failed, {} chunks, {by}", report.summary.added, report.summary.failed, report.summary.chunks),
    );

    let serving = Serving::start(backend.clone()).await?;
    phases.done("serve", &format!("MCP at {}", serving.url));
    let answered = ask(company, backend, &serving.url).await;
    serving.stop().await?;
    let answers = answered?;
    phases.done("ask", &format!("{} questions by two people's agents, over MCP", company.questions.len()));

    let people = company.people.map(|person| person.name);
    for (at, (question, [left, right])) in company.questions.iter().zip(&answers).enumerate() {
        out::print(&format!("\n{}", show::question(at + 1, question, people, [left, right], style)))?;
        let said = difference(company, backend, [left, right], style).await?;
        out::print(&format!("\n{said}"))?;
    }
    Ok(())
}

async fn ingest(
    company: &Company,
    context: &Context,
    backend: &Backend,
    folder: &Path,
) -> anyhow::Result<RunReport> {
    let root = folder.join("harbor");
    demo::write_files(company, &root)?;
    let directory = folder.join("directory.toml");
    std::fs::write(&directory, company.directory)?;
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
async fn ask(company: &Company, backend: &Backend, url: &str) -> anyhow::Result<Vec<[Vec<Passage>; 2]>> {
    let [a, b] = company.people;
    let (a, b) = (agent(backend, url, a).await?, agent(backend, url, b).await?);
    let mut answers = Vec::new();
    for question in company.questions {
        answers.push([a.search(question, LIMIT).await?, b.search(question, LIMIT).await?]);
    }
    a.leave().await;
    b.leave().await;
    Ok(answers)
}

async fn agent(backend: &Backend, url: &str, person: Person) -> anyhow::Result<Agent> {
    let op = Op::CreateToken {
        user: person.handle.to_owned(),
        agent: None,
        label: "demo".to_owned(),
        days: DAYS,
    };
    let token = want!(backend.ask(op).await?, Reply::NewToken(token) => token);
    Ok(Agent::connect(url, &token.secret).await?)
}

async fn why(backend: &Backend, person: Person, passage: &Passage) -> anyhow::Result<kenward_vault::vault::Why> {
    let op = Op::Why { user: person.handle.to_owned(), document: passage.id.clone() };
    Ok(want!(backend.ask(op).await?, Reply::Why(why) => why))
}

/// Why the two answers differ: the deciding path of the best passage that only one of them may see.
async fn difference(
    company: &Company,
    backend: &Backend,
    answers: [&[Passage]; 2],
    style: Style,
) -> anyhow::Result<String> {
    let [left, right] = answers;
    let [a, b] = company.people;
    for passage in only_one_got(left, right) {
        let (first, second) = (why(backend, a, passage).await?, why(backend, b, passage).await?);
        // With equal rights it fell out of one answer for its rank.
        if first.allowed != second.allowed {
            return Ok(show::why(&passage.title, [(a.name, &first), (b.name, &second)], style));
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
struct Phases {
    begun: Instant,
    last: Instant,
}

impl Default for Phases {
    fn default() -> Self {
        let now = Instant::now();
        Self { begun: now, last: now }
    }
}

impl Phases {
    fn done(&mut self, name: &str, said: &str) {
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        out::say(&format!("  {name:<8}{seconds:>6.1} s  {said}"));
    }

    fn seconds(&self) -> String {
        format!("{:.1}", self.begun.elapsed().as_secs_f64())
    }
}
