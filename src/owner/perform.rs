//! What each operation does with the open data. Who asks is settled first, by the authenticator;
//! administration is for operators only. Words that go back never hold text of a document.

#![expect(clippy::result_large_err, reason = "what refuses an operation is its reply; there is one of them")]

use super::ops::{
    Accepted, Claim, Health, INTERNAL, Op, Question, Reply, RightsRead, RunOrder, SourceFailures, Standing,
};
use super::stages::Stages;
use super::{BackendError, apart};
use crate::app::{Opened, Told};
use crate::config::Config;
use crate::identity::{self, Refusal};
use crate::metrics::Metrics;
use kenward_access::caller::Caller;
use kenward_access::ids::AgentId;
use kenward_indexes::vector::qdrant::{Condition, Standing as VectorStanding};
use kenward_ingest::pipeline::{
    self, IngestError, IngestOptions, Progress, RightsReport, Stop, ingest as run_ingest,
};
use kenward_ingest::worker::{Limits, WorkerCommand};
use kenward_vault::directory::TokenOrder;
use kenward_vault::knowledge_base::{Seen, Watch};
use kenward_vault::reembed::{Ended, Step};
use kenward_vault::runs::RunState;
use kenward_vault::vault::Operator;
use kenward_vault::writer::SourceSpec;
use kenward_vault::{AnswerError, Disclosure, ErrorCode, VaultError};
use std::error::Error;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who asks, and what they ask of.
pub(super) struct Asked<'a> {
    pub opened: &'a Opened,
    pub config: &'a Config,
    pub metrics: &'a Metrics,
    pub uid: u32,
}

impl Asked<'_> {
    pub(super) fn operator(&self) -> Result<Operator, Reply> {
        identity::operator(&self.opened.vault, self.config, self.uid).map_err(refused_operator)
    }
}

/// Performs an operation; `Ping`, `Ingest` and `ReEmbed` are dealt with before.
pub(super) fn perform(asked: &Asked<'_>, op: Op) -> Reply {
    administer(asked, op).unwrap_or_else(|reply| reply)
}

/// Why something is refused that needs a model which cannot be had.
fn cannot_be_had(told: Option<&Told>) -> Result<(), Reply> {
    told.map_or(Ok(()), |(message, hint)| Err(Reply::Failed { message: message.clone(), hint: hint.clone() }))
}

fn administer(asked: &Asked<'_>, op: Op) -> Result<Reply, Reply> {
    let vault = &asked.opened.vault;
    let reply = match op {
        Op::Ready => return cannot_be_had(asked.opened.broken.for_search()).map(|()| Reply::Done),
        Op::Ask { claim, question, .. } => return ask(asked, &claim, &question),
        Op::Watch { claim, watch, seen, .. } => return Ok(watched(asked, &claim, &watch, seen.as_ref())),
        Op::Authenticate { claim } => {
            return Ok(Reply::Authenticated(match authenticated(asked, &claim) {
                Ok(caller) => Standing::Accepted(Accepted::of(&caller)),
                Err(Refusal::Scope) => Standing::Scope,
                Err(Refusal::Later) => Standing::Later,
                Err(_) => Standing::Refused,
            }));
        }
        Op::ChangeDirectory { operation, changes } => {
            vault.change_directory_once(&asked.operator()?, &operation, &changes).map(|()| Reply::Done)
        }
        Op::Labels => asked.operator().map(|_| Ok(Reply::Labels(asked.config.labels.clone())))?,
        Op::Users => asked.operator().map(|_| vault.users().map(Reply::Users))?,
        Op::Groups => asked.operator().map(|_| vault.groups().map(Reply::Groups))?,
        Op::Tokens => asked.operator().map(|_| vault.tokens().map(Reply::Tokens))?,
        Op::CreateToken { hash, user, agent, label, days } => {
            let by = asked.operator()?;
            let agent = agent.map(AgentId::new).transpose().map_err(|_| Reply::Failed {
                message: "the agent's id is not valid".to_owned(),
                hint: Some("give 1 to 200 visible ASCII characters with `--agent`".to_owned()),
            })?;
            let life = Duration::from_secs(u64::from(days) * 86_400);
            vault.add_token(&by, &TokenOrder { hash, user, agent, label, life }).map(Reply::Token)
        }
        Op::Why { user, document } => vault.why(&asked.operator()?, &user, &document).map(Reply::Why),
        Op::Sources => {
            asked.operator()?;
            vault.sources().map(|all| Reply::Sources(all.into_iter().map(|(_, spec)| spec).collect()))
        }
        Op::AddSource { spec } => {
            let by = asked.operator()?;
            apart::source(asked, &spec.root)?;
            apart::identity(&spec)?;
            vault.source(&by, spec).map(|_| Reply::Done)
        }
        Op::Plan { spec } => return plan(asked, &spec),
        Op::Runs { source, limit } => {
            asked.operator()?;
            vault.runs(source.as_deref(), limit).map(|mut rows| {
                asked.opened.live.overlay(&mut rows);
                Reply::Runs(rows)
            })
        }
        Op::Run { no } => {
            asked.operator()?;
            return run(asked, no);
        }
        Op::StopRun { no, state } => return stop_run(asked, &asked.operator()?, no, state),
        Op::Stats => asked.operator().map(|_| vault.stats().map(Reply::Stats))?,
        Op::Health => {
            asked.operator()?;
            health(asked).map(|health| Reply::Health(Box::new(health)))
        }
        Op::Operate(operate) => return super::operate::operate(asked, operate),
        Op::Ping | Op::Ingest(_) | Op::SyncRights { .. } | Op::ReEmbed => return Ok(internal()),
    };
    reply.map_err(|error| failed(&error))
}

fn run(asked: &Asked<'_>, no: i64) -> Result<Reply, Reply> {
    let found = asked.opened.vault.run(no).map_err(|error| failed(&error))?;
    let (row, report) = found.ok_or_else(|| no_run(no))?;
    let mut row = [row];
    asked.opened.live.overlay(&mut row);
    let [row] = row;
    // A report of another version of the program, which this one does not read, is none.
    let report = report.as_deref().and_then(|text| serde_json::from_str(text).ok());
    Ok(Reply::Run(Box::new((row, report))))
}

fn stop_run(asked: &Asked<'_>, by: &Operator, no: i64, state: RunState) -> Result<Reply, Reply> {
    let vault = &asked.opened.vault;
    let (row, _) = vault.run(no).map_err(|error| failed(&error))?.ok_or_else(|| no_run(no))?;
    if !matches!(state, RunState::Paused | RunState::Cancelled) {
        return Err(internal());
    }
    if row.state == RunState::Running && asked.opened.live.stop(&row.source, state) {
        vault.note_stop(by, &row, state);
        return Ok(Reply::Done);
    }
    vault.mark_run(by, no, state).map(|()| Reply::Done).map_err(|error| failed(&error))
}

fn no_run(no: i64) -> Reply {
    let hint = Some("see `kenward runs list`".to_owned());
    Reply::Failed { message: format!("there is no run {no}"), hint }
}

fn ask(asked: &Asked<'_>, claim: &Claim, question: &Question) -> Result<Reply, Reply> {
    let started = Instant::now();
    let caller = authenticated(asked, claim).map_err(|refusal| Reply::Refused(refusal.answer()))?;
    // Not before it is known who asks: nobody else is told how this machine is set up.
    if matches!(question, Question::Search(_)) {
        cannot_be_had(asked.opened.broken.for_search())?;
    }
    let answer = asked.opened.vault.knowledge_base().answer_to(&caller, question);
    let milliseconds = millis(started);
    Ok(match answer.map(Disclosure::into_bytes).map(String::from_utf8) {
        Ok(Ok(answer)) => {
            tracing::info!(milliseconds, bytes = answer.len(), "answered");
            Reply::Answer(answer)
        }
        Ok(Err(_)) => Reply::Refused(internal_answer()),
        Err(error) => {
            tracing::info!(milliseconds, code = ?error.code, "not answered");
            Reply::Refused(error)
        }
    })
}

fn watched(asked: &Asked<'_>, claim: &Claim, watch: &Watch, seen: Option<&Seen>) -> Reply {
    let caller = match authenticated(asked, claim) {
        Ok(caller) => caller,
        Err(refusal) => return Reply::Refused(refusal.answer()),
    };
    match asked.opened.vault.knowledge_base().watch(&caller, watch, seen) {
        Ok((seen, told)) => match told.map(Disclosure::into_bytes).map(String::from_utf8).transpose() {
            Ok(told) => Reply::Watched { seen, told },
            Err(_) => Reply::Refused(internal_answer()),
        },
        Err(error) => Reply::Refused(error),
    }
}

/// Whole milliseconds since then, as logs have them.
pub(super) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Proves a claim, or notes that it was refused.
pub(super) fn authenticated(asked: &Asked<'_>, claim: &Claim) -> Result<Caller, Refusal> {
    let opened = asked.opened;
    let proof = (opened.vault.as_ref(), &opened.issuers);
    identity::authenticate(proof, asked.config, claim, asked.uid).inspect_err(|refusal| {
        tracing::info!(reason = refusal.code(), "refused");
        if *refusal == Refusal::Later {
            return;
        }
        // What comes over a front is known by the front's user id; a network address is not.
        opened.refusals.count(&opened.vault, &format!("uid:{}", asked.uid));
    })
}

/// How vectors that are elsewhere are doing; after the opening it takes a moment until that is known.
fn looked_at(vault: &kenward_vault::Vault) -> Option<VectorStanding> {
    let begun = Instant::now();
    loop {
        let standing = vault.vectors_elsewhere()?;
        if standing.condition != Condition::Starting || begun.elapsed() > LOOKED_AT {
            return Some(standing);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How long `looked_at` waits.
const LOOKED_AT: Duration = Duration::from_secs(6);

fn health(asked: &Asked<'_>) -> Result<Health, VaultError> {
    let vault = &asked.opened.vault;
    let mut failures = Vec::new();
    for (number, spec) in vault.sources()? {
        let failed = vault.failures(number)?;
        if !failed.is_empty() {
            failures.push(SourceFailures { source: spec.name, failures: failed });
        }
    }
    Ok(Health {
        // Read again from the disk, all of it: opening checked it once, this process has written since.
        audit: vault.verify_audit().map_err(|error| words(&error, None).0),
        ledger: vault
            .verify_ledger()
            .and_then(|entries| vault.ledger_is_whole().map(|()| entries))
            .map_err(|error| super::status::otherwise(&error)),
        clock_behind: vault.clock_behind(),
        version: super::wire::VERSION.to_owned(),
        pid: std::process::id(),
        embedding: asked.opened.embedding(),
        reranking: asked.opened.reranking.clone(),
        read_again: vault.read_again()?,
        hidden: vault.hidden()?,
        freshness: vault.freshness()?,
        stats: vault.stats()?,
        vectors: looked_at(vault),
        failures,
    })
}

pub(super) fn options(asked: &Asked<'_>, stop: Stop) -> IngestOptions {
    let limits = &asked.config.ingest;
    IngestOptions {
        worker: WorkerCommand {
            program: asked.config.worker_program.clone(),
            args: vec!["__worker".to_owned()],
        },
        limits: Limits {
            cpu_seconds: limits.worker_seconds,
            memory_bytes: limits.worker_memory_bytes,
            wall_seconds: limits.worker_seconds.saturating_mul(2),
            output_bytes: limits.max_text_bytes.saturating_mul(2),
        },
        embedder: asked.opened.vault.embedder(),
        max_text_bytes: limits.max_text_bytes,
        memory_bytes: limits.memory_bytes,
        allow_mass_delete: false,
        retry_failed: false,
        only: None,
        stop,
    }
}

fn plan(asked: &Asked<'_>, spec: &SourceSpec) -> Result<Reply, Reply> {
    let by = asked.operator()?;
    apart::identity(spec)?;
    let vault = &asked.opened.vault;
    let recorded = vault.sources().map_err(|error| failed(&error))?;
    let number = recorded.into_iter().find(|(_, known)| known.name == spec.name).map(|(number, _)| number);
    let planned = pipeline::plan::plan(vault, &by, number, spec, &options(asked, Stop::default()));
    planned.map(|plan| Reply::Plan(Box::new(plan))).map_err(|error| {
        let (message, hint) = words(&error, None);
        Reply::Failed { message, hint }
    })
}

/// Runs over a recorded source.
pub(super) fn ingest(
    asked: &Asked<'_>,
    order: &RunOrder,
    stop: Stop,
    tell: &(dyn Fn(Progress) + Sync),
) -> Reply {
    let (by, number, spec) = match asked.operator().and_then(|by| {
        cannot_be_had(asked.opened.broken.embedding.as_ref())?;
        let (number, spec) = recorded(asked, &order.source)?;
        Ok((by, number, spec))
    }) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    let options = IngestOptions {
        allow_mass_delete: order.allow_mass_delete,
        retry_failed: order.retry_failed,
        only: order.only.as_ref().map(|only| Arc::new(only.iter().cloned().collect())),
        ..options(asked, stop)
    };
    let listed = asked.opened.live.begin(&spec.name, &options.stop);
    let stages = Stages::begin(&spec.name);
    let tell = |event: Progress| {
        listed.reached(&event);
        stages.reached(&event);
        tell(event);
    };
    let ended = run_ingest(&asked.opened.vault, &by, number, &spec, &options, &tell);
    // What refuses a run before it begins is told, and is no run's end.
    let begun = |error: &IngestError| {
        use IngestError::{NoDefault, Root, Vault};
        !matches!(error, NoDefault { .. } | Root { .. } | Vault(VaultError::Name { .. }))
    };
    if let Some(error) = ended.as_ref().err().filter(|error| begun(error)) {
        let (why, _) = words(error, None);
        let vault = &asked.opened.vault;
        let kept = match error {
            IngestError::MassDelete { .. } => vault.refuse_run(number, &why),
            _ => vault.explain_run(number, &why),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "what stopped a run could not be kept");
        }
    }
    match ended {
        Ok(report) => Reply::Ingested(Box::new(report)),
        Err(IngestError::NoDefault { source_name, files }) => {
            Reply::NeedsDefault { source: source_name.into(), files }
        }
        Err(IngestError::Vault(error)) => failed(&error),
        Err(error @ IngestError::Internal) => {
            tracing::error!(%error, "a run was stopped");
            Reply::Failed { message: INTERNAL.to_owned(), hint: Some(error.to_string()) }
        }
        Err(error) => {
            let (message, hint) = words(&error, None);
            let embeds = matches!(error, IngestError::Embed(_));
            let hint =
                hint.or_else(|| embeds.then(|| format!("{EMBEDS}; the same command goes on with the run")));
            tracing::info!("a run was stopped");
            Reply::Failed { message, hint }
        }
    }
}

/// Reads the rights of a recorded source.
pub(super) fn sync_rights(asked: &Asked<'_>, source: &str, stop: &Stop) -> Reply {
    let found = asked.operator().and_then(|by| Ok((by, recorded(asked, source)?)));
    let (by, (number, spec)) = match found {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    let before = match asked.opened.vault.guarded(number) {
        Ok(before) => before,
        Err(error) => return failed(&error),
    };
    match pipeline::sync_rights(&asked.opened.vault, &by, number, &spec, stop) {
        Ok(report) => {
            let RightsReport { changed, looked_at, widened, waiting, gone, .. } = &report;
            let source = spec.name.as_str();
            tracing::info!(source, changed, looked_at, widened, waiting, gone, "rights read");
            let views = asked.opened.vault.views_changed(&before);
            Reply::RightsRead(Box::new(RightsRead { report, views }))
        }
        Err(error) => {
            let (message, hint) = words(&error, None);
            Reply::Failed { message, hint }
        }
    }
}

/// Embeds all documents anew.
pub(super) fn re_embed(asked: &Asked<'_>, stop: &Stop, tell: &(dyn Fn(Progress) + Sync)) -> Reply {
    let by = match asked.operator() {
        Ok(by) => by,
        Err(reply) => return reply,
    };
    let embedder = match crate::app::target(asked.config) {
        Ok(embedder) => embedder,
        Err((message, hint)) => return Reply::Failed { message, hint: Some(hint) },
    };
    let stopped = || stop.asked().is_some();
    let told = |step: Step| match step {
        Step::Passages(done, of) => tell(Progress::Passages { done, of }),
        Step::Waiting => tell(Progress::Waiting),
    };
    match asked.opened.vault.embed_anew(&by, &embedder, &stopped, &told) {
        Ok(ended) => {
            if matches!(ended, Ended::Switched { .. }) {
                asked.opened.embeds_by(&embedder);
            }
            Reply::ReEmbedded(ended)
        }
        Err(error) => failed(&error),
    }
}

/// The source of this name, if it may be read: nothing of ours lies in its folder.
fn recorded(asked: &Asked<'_>, name: &str) -> Result<(u32, SourceSpec), Reply> {
    let found = named(asked, name)?;
    apart::source(asked, &found.1.root)?;
    apart::identity(&found.1)?;
    Ok(found)
}

fn named(asked: &Asked<'_>, name: &str) -> Result<(u32, SourceSpec), Reply> {
    let sources = asked.opened.vault.sources().map_err(|error| failed(&error))?;
    let known = sources.iter().map(|(_, spec)| format!("`{}`", spec.name)).collect::<Vec<_>>().join(", ");
    sources.into_iter().find(|(_, spec)| spec.name == name).ok_or_else(|| Reply::Failed {
        message: format!("there is no source `{name}`"),
        hint: Some(if known.is_empty() {
            "give a folder: `kenward ingest PATH`".to_owned()
        } else {
            format!("recorded sources: {known}; or give a folder: `kenward ingest PATH`")
        }),
    })
}

fn refused_operator(refusal: Refusal) -> Reply {
    tracing::info!(reason = refusal.code(), "refused");
    Reply::Failed { message: refusal.to_string(), hint: refusal.hint() }
}

pub(super) fn failed(error: &VaultError) -> Reply {
    let (message, hint) = words(error, None);
    Reply::Failed { message, hint }
}

/// An error's chain in one line; what its own words give as a hint goes apart.
pub(super) fn words(error: &(dyn Error + 'static), hint: Option<String>) -> (String, Option<String>) {
    if let Some(BackendError::Vault(inner)) = error.downcast_ref::<BackendError>() {
        return words(inner, hint);
    }
    match error.downcast_ref::<VaultError>() {
        Some(VaultError::Name { what, hint } | VaultError::Mismatch { what, hint }) => {
            return (what.to_string(), Some(hint.to_string()));
        }
        Some(VaultError::Damaged { what, hint }) => {
            return (format!("{what} is damaged"), Some(hint.to_string()));
        }
        _ => {}
    }
    let (mut message, mut own) = (String::new(), None);
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let (what, hint) = text.split_once("; hint: ").map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
        own = own.or_else(|| hint.map(str::to_owned));
        if message.is_empty() {
            what.clone_into(&mut message);
        } else if !message.ends_with(what) {
            message = format!("{message}: {what}");
        }
        next = error.source();
    }
    (message, hint.or(own).or_else(|| way_out(error)))
}

/// What to do about an engine that failed.
const EMBEDS: &str = "`kenward doctor` looks at what embeds";

/// What to do about an error whose words do not say it.
fn way_out(error: &(dyn Error + 'static)) -> Option<String> {
    let text = match error.downcast_ref::<VaultError>()? {
        VaultError::DiskFull { .. } => "nothing that was acknowledged is lost",
        VaultError::Audit(error)
            if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
        {
            "the disk is full: free some space and run the same command again"
        }
        VaultError::Audit(_) => "see to it that `data_dir/audit` can be written, then run it again",
        VaultError::Io { .. } => "check owner, mode and disk of that file, then run it again",
        VaultError::Catalog { .. } | VaultError::Lexical(_) | VaultError::Vector(_) => {
            "`kenward doctor` looks at all of it; the log has more (`--log debug`)"
        }
        VaultError::Embed(_) => EMBEDS,
        VaultError::Mismatch { .. } | VaultError::Damaged { .. } | VaultError::Name { .. } => return None,
    };
    Some(text.to_owned())
}

/// For what should not happen.
pub(super) fn internal() -> Reply {
    Reply::Failed {
        message: INTERNAL.to_owned(),
        hint: Some("the log of the process that owns the data has more".to_owned()),
    }
}

fn internal_answer() -> AnswerError {
    AnswerError {
        code: ErrorCode::Internal,
        field: None,
        message: INTERNAL.to_owned(),
        hint: "try again; the log has more under the request id".to_owned(),
    }
}
