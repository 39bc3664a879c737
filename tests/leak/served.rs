//! Who answers servers of the harness: the vault of a stage, through the product's authenticator, in this process.
//! It counts looks at what is watched, so that nobody has to guess when the next one is over.

use crate::broken;
use crate::stage::{Served, Stage};
use kenward::config::Config;
use kenward::identity::issued::Issuers;
use kenward::mcp::Pace;
use kenward::mcp::ask::{Ask, AskError};
use kenward::owner::ops::{Accepted, Claim, Question, Standing};
use kenward_access::caller::Caller;
use kenward_vault::knowledge_base::{Seen, Watch};
use kenward_vault::{AnswerError, Vault};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two looks at what is watched: as fast as one world's stream can be told apart from noise.
pub const PACE: Pace = Pace { tick: Duration::from_millis(5), progress: Duration::from_secs(3_600) };

/// Answers from a stage.
#[derive(Clone)]
pub struct Answers {
    served: Arc<Served>,
    config: Arc<Config>,
    looks: Arc<AtomicU64>,
    /// Looks that were refused.
    refused: Arc<AtomicU64>,
    /// It answers on threads of its own, at the same time as others.
    beside: bool,
    /// Whom a broken front asks as well, when this one knows the token for nobody's.
    next: Option<Arc<Answers>>,
}

impl Answers {
    pub fn of(stage: &Stage) -> Self {
        let (looks, refused) = (Arc::default(), Arc::default());
        Self { served: stage.served(), config: stage.config(), looks, refused, beside: false, next: None }
    }

    pub fn beside(self) -> Self {
        Self { beside: true, ..self }
    }

    pub fn with_next(self, next: &Self) -> Self {
        Self { next: Some(Arc::new(next.clone())), ..self }
    }

    /// Waits until whoever watches has looked, and has told what they saw.
    pub async fn looked(&self) -> Result<(), String> {
        let (begun, wanted) = (Instant::now(), self.looks.load(Ordering::SeqCst) + 2);
        while self.looks.load(Ordering::SeqCst) < wanted {
            let refused = self.refused.load(Ordering::SeqCst);
            if refused > 0 || begun.elapsed() > Duration::from_secs(60) {
                return Err(format!("nobody looks any more; {refused} looks were refused"));
            }
            tokio::time::sleep(PACE.tick).await;
        }
        Ok(())
    }

    /// Waits until a look was refused.
    pub async fn ended(&self) -> Result<(), String> {
        let begun = Instant::now();
        while self.refused.load(Ordering::SeqCst) == 0 {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err("nobody was told that the access has ended".to_owned());
            }
            tokio::time::sleep(PACE.tick).await;
        }
        Ok(())
    }

    fn caller(&self, claim: &Claim) -> Result<(Arc<Vault>, Caller), AnswerError> {
        let vault = self.served.vault();
        match kenward::identity::authenticate((&vault, &Issuers::default()), &self.config, claim, 0) {
            Ok(caller) => Ok((vault, caller)),
            Err(refusal) => match &self.next {
                Some(next) if broken::is_on(&broken::ONE_DOOR) => next.caller(claim),
                _ => Err(refusal.answer()),
            },
        }
    }

    fn answer(&self, claim: &Claim, question: &Question) -> Result<String, AnswerError> {
        let (vault, caller) = self.caller(claim)?;
        let bytes = vault.knowledge_base().answer_to(&caller, question)?.into_bytes();
        Ok(String::from_utf8(bytes).unwrap())
    }
}

impl Ask for Answers {
    async fn ask(&self, claim: Claim, question: Question, _: String) -> Result<String, AskError> {
        if !self.beside {
            return self.answer(&claim, &question).map_err(AskError::Refused);
        }
        let own = self.clone();
        let answer = tokio::task::spawn_blocking(move || own.answer(&claim, &question)).await;
        answer.unwrap().map_err(AskError::Refused)
    }

    async fn watch(
        &self,
        claim: Claim,
        watch: Watch,
        seen: Option<Seen>,
        _: String,
    ) -> Result<(Seen, Option<String>), AskError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let caller = self.caller(&claim);
        self.refused.fetch_add(u64::from(caller.is_err()), Ordering::SeqCst);
        let (vault, caller) = caller.map_err(AskError::Refused)?;
        let looked = vault.knowledge_base().watch(&caller, &watch, seen.as_ref());
        let (seen, told) = looked.map_err(AskError::Refused)?;
        Ok((seen, told.map(|told| String::from_utf8(told.into_bytes()).unwrap())))
    }

    async fn authenticate(&self, claim: Claim) -> Result<Standing, AskError> {
        let caller = self.caller(&claim);
        Ok(caller.map_or(Standing::Refused, |(_, caller)| Standing::Accepted(Accepted::of(&caller))))
    }
}
