//! The facade that agents' questions go through, one file each. Each call resolves the caller's scope
//! anew, and ends in a [`Disclosure`] or an [`AnswerError`], both recorded.

mod ask;
mod budget;
mod candidates;
mod complete;
mod errors;
mod fetch;
mod filters;
mod list;
mod list_marks;
mod place;
mod quote;
mod requests;
mod rerank;
mod resources;
mod search;
mod target;
#[cfg(test)]
mod tests;
mod verify_quote;
mod views;
mod watch;

pub(crate) use list_marks::ListMarks;
pub use requests::{
    Completed, FetchRequest, Filters, ListDocumentsRequest, ListSourcesRequest, Mode, Question,
    SearchRequest, VerifyQuoteRequest,
};
pub(crate) use views::Views;
pub use watch::{LONGEST_WATCHED, MOST_WATCHED, Seen, Watch};

use crate::core::Core;
use crate::error::AnswerError;
use crate::gate::Disclosure;
use kenward_access::caller::Caller;
use std::sync::Arc;

/// What agents may ask of one vault.
#[derive(Clone)]
pub struct KnowledgeBase {
    core: Arc<Core>,
    /// Run between the durable record and the final check, so that a test can revoke there.
    #[cfg(any(test, feature = "faults"))]
    gap: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl KnowledgeBase {
    /// Over what an opened vault holds.
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            #[cfg(any(test, feature = "faults"))]
            gap: None,
        }
    }

    /// The same, with code that runs in every answer between its record and its final check.
    #[cfg(any(test, feature = "faults"))]
    #[must_use]
    pub fn with_gap(mut self, gap: Arc<dyn Fn() + Send + Sync>) -> Self {
        self.gap = Some(gap);
        self
    }

    fn gap(&self) {
        #[cfg(any(test, feature = "faults"))]
        if let Some(gap) = &self.gap {
            gap();
        }
    }

    /// Passages that answer a question, best first.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn search(&self, caller: &Caller, request: &SearchRequest) -> Result<Disclosure, AnswerError> {
        search::search(self, caller, request)
    }
    /// A window of a document.
    ///
    /// # Errors
    /// [`AnswerError`]; missing and forbidden are one value.
    pub fn fetch(&self, caller: &Caller, request: &FetchRequest) -> Result<Disclosure, AnswerError> {
        fetch::fetch(self, caller, request)
    }
    /// Sources in which the caller can see something.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn list_sources(
        &self,
        caller: &Caller,
        request: &ListSourcesRequest,
    ) -> Result<Disclosure, AnswerError> {
        list::sources(self, caller, request)
    }
    /// Documents that the caller can see.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn list_documents(
        &self,
        caller: &Caller,
        request: &ListDocumentsRequest,
    ) -> Result<Disclosure, AnswerError> {
        list::documents(self, caller, request)
    }
    /// Whether words stand in a document, and where.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn verify_quote(
        &self,
        caller: &Caller,
        request: &VerifyQuoteRequest,
    ) -> Result<Disclosure, AnswerError> {
        verify_quote::verify(self, caller, request)
    }

    /// What has changed of what the caller watches since they saw it last, as they see it now; nothing the first
    /// time, and `None` where nothing changed.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn watch(
        &self,
        caller: &Caller,
        watch: &Watch,
        seen: Option<&Seen>,
    ) -> Result<(Seen, Option<Disclosure>), AnswerError> {
        watch::watch(self, caller, watch, seen)
    }

    /// The answer to any question.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn answer_to(&self, caller: &Caller, question: &Question) -> Result<Disclosure, AnswerError> {
        if question.tools().iter().all(|tool| caller.limits().tools.holds(tool)) {
            return self.answered(caller, question);
        }
        match question {
            Question::Search(_)
            | Question::Fetch(_)
            | Question::ListSources(_)
            | Question::ListDocuments(_)
            | Question::VerifyQuote(_) => {
                let asking = ask::Asking::of_another_tool(question);
                Err(self.refuse(caller, &asking, errors::not_for_this_agent()))
            }
            // What is no tool is there for everybody, and holds nothing for who may not have it.
            Question::ReadResource { .. }
            | Question::ListResources { .. }
            | Question::Complete { .. }
            | Question::WhichDocument { .. } => self.answered(&caller.seeing_nothing(), question),
        }
    }

    fn answered(&self, caller: &Caller, question: &Question) -> Result<Disclosure, AnswerError> {
        match question {
            Question::Search(request) => self.search(caller, request),
            Question::Fetch(request) => self.fetch(caller, request),
            Question::ListSources(request) => self.list_sources(caller, request),
            Question::ListDocuments(request) => self.list_documents(caller, request),
            Question::VerifyQuote(request) => self.verify_quote(caller, request),
            Question::ReadResource { uri } => resources::read(self, caller, uri),
            Question::ListResources { cursor } => resources::list(self, caller, cursor.as_deref()),
            Question::Complete { what, typed } => complete::complete(self, caller, *what, typed),
            Question::WhichDocument { named } => complete::which_document(self, caller, named),
        }
    }
}
