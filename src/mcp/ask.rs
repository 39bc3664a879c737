//! The one thing that the protocol needs of the rest: somebody who answers a question under a claim.
//! In the product that is the [`Backend`]; in-process tests may give another.
//! It must never look into the answer.

use crate::owner::ops::{Claim, Op, Question, Reply, Standing};
use crate::owner::{Backend, BackendError};
use kenward_vault::AnswerError;
use kenward_vault::knowledge_base::{Seen, Watch};
use std::future::Future;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The caller is told so, in these words.
    #[error(transparent)]
    Refused(#[from] AnswerError),
    /// The owner could not be reached; the caller is told to try again.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The owner cannot answer anybody now; its words are for an operator.
    #[error("the owner of the data cannot answer: {0}")]
    Owner(Box<str>),
    /// The owner replied with something that is no reply to a question.
    #[error("the owner's reply does not fit the question")]
    Reply,
}

/// Answers questions.
pub trait Ask: Clone + Send + Sync + 'static {
    /// Asks, and gives the final bytes of the disclosure (one JSON object).
    ///
    /// # Errors
    /// [`AskError`].
    fn ask(
        &self,
        claim: Claim,
        question: Question,
        request_id: String,
    ) -> impl Future<Output = Result<String, AskError>> + Send;

    /// Looks at what somebody watches: as it is seen now, and the final bytes of what is told, if anything changed
    /// since it was seen last.
    ///
    /// # Errors
    /// [`AskError`].
    fn watch(
        &self,
        claim: Claim,
        watch: Watch,
        seen: Option<Seen>,
        request_id: String,
    ) -> impl Future<Output = Result<(Seen, Option<String>), AskError>> + Send;

    /// How the claim stands now.
    ///
    /// # Errors
    /// [`AskError::Backend`], [`AskError::Reply`].
    fn authenticate(&self, claim: Claim) -> impl Future<Output = Result<Standing, AskError>> + Send;
}

impl Ask for Backend {
    async fn ask(&self, claim: Claim, question: Question, request_id: String) -> Result<String, AskError> {
        let op = Op::Ask { claim, question, request_id };
        match self.call(op, &mut |_| ()).await? {
            Reply::Answer(bytes) => Ok(bytes),
            Reply::Refused(error) => Err(AskError::Refused(error)),
            other => Err(unfit(other)),
        }
    }

    async fn watch(
        &self,
        claim: Claim,
        watch: Watch,
        seen: Option<Seen>,
        request_id: String,
    ) -> Result<(Seen, Option<String>), AskError> {
        let op = Op::Watch { claim, watch, seen, request_id };
        match self.call(op, &mut |_| ()).await? {
            Reply::Watched { seen, told } => Ok((seen, told)),
            Reply::Refused(error) => Err(AskError::Refused(error)),
            other => Err(unfit(other)),
        }
    }

    async fn authenticate(&self, claim: Claim) -> Result<Standing, AskError> {
        match self.call(Op::Authenticate { claim }, &mut |_| ()).await? {
            Reply::Authenticated(standing) => Ok(standing),
            other => Err(unfit(other)),
        }
    }
}

fn unfit(reply: Reply) -> AskError {
    match reply {
        Reply::Failed { message, .. } => AskError::Owner(message.into()),
        _ => AskError::Reply,
    }
}
