//! Who is asked on the page: every person of the sample company has an agent of their own, which asks
//! over MCP under that person's token. It must never answer for a person in another way.

use crate::demo::agent::{Agent, AgentError, Passage};
use crate::demo::compare::{self, Difference};
use crate::demo::harbor::{ASKERS, QUESTIONS};
use crate::demo::people::Person;
use crate::owner::Backend;
use std::collections::BTreeMap;

/// Passages per answer.
const LIMIT: usize = 3;
/// Longest question, in characters.
pub(super) const LONGEST: usize = 400;

/// A person with their agent.
pub struct Seat {
    /// Who.
    pub person: Person,
    /// Their agent, connected.
    pub agent: Agent,
}

/// Everybody who can be asked.
pub struct Desk {
    people: Vec<Person>,
    agents: Vec<Agent>,
    backend: Backend,
}

/// What a page shows.
pub(super) struct Shown {
    pub(super) question: String,
    /// Indexes of the two people.
    pub(super) chosen: [usize; 2],
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    Answered {
        /// Passages with the paths of their documents.
        answers: [Vec<(Passage, String)>; 2],
        difference: Option<Box<Difference>>,
    },
    /// What is wrong with the question, and what to do.
    Unclear(&'static str),
    /// Something of ours.
    Failed,
}

impl Shown {
    pub(super) fn is_an_error(&self) -> bool {
        !matches!(self.outcome, Outcome::Answered { .. })
    }
}

impl Desk {
    /// With an agent for each person.
    #[must_use]
    pub fn new(seats: Vec<Seat>, backend: Backend) -> Self {
        let (people, agents) = seats.into_iter().map(|seat| (seat.person, seat.agent)).unzip();
        Self { people, agents, backend }
    }

    pub(super) fn people(&self) -> &[Person] {
        &self.people
    }

    /// Answers a query string: `q` the question, `a` and `b` the people's handles. What is not given
    /// is the demo's first question, and its two people.
    pub(super) async fn ask(&self, query: &str) -> Shown {
        let mut given = fields(query);
        let first = QUESTIONS.first().map_or("", |question| question.ask);
        let question = given.remove("q").unwrap_or_else(|| first.to_owned()).trim().to_owned();
        let named = ["a", "b"].map(|name| given.remove(name));
        let found = [0, 1].map(|at| {
            let default = ASKERS.get(at).map(|(handle, _)| *handle);
            let handle = named.get(at).and_then(Option::as_deref).or(default);
            self.people.iter().position(|person| Some(person.handle.as_str()) == handle)
        });
        let chosen = found.map(Option::unwrap_or_default);
        let outcome = if found.iter().any(Option::is_none) {
            Outcome::Unclear("Nobody here has this handle: choose two of the people.")
        } else if question.is_empty() {
            Outcome::Unclear("Write a question first.")
        } else if question.chars().count() > LONGEST {
            Outcome::Unclear("A question has 400 characters at most: make it shorter.")
        } else {
            self.answer(&question, chosen).await.unwrap_or(Outcome::Failed)
        };
        Shown { question, chosen, outcome }
    }

    async fn answer(&self, question: &str, chosen: [usize; 2]) -> Option<Outcome> {
        let [a, b] = chosen.map(|at| self.agents.get(at).zip(self.people.get(at)));
        let ((a, a_is), (b, b_is)) = (a?, b?);
        let (left, right) = tokio::join!(passages(a, question), passages(b, question));
        let (left, right) = (told(left)?, told(right)?);
        let got = |answer: &[(Passage, String)]| answer.iter().map(|(p, _)| p.clone()).collect::<Vec<_>>();
        let people = [a_is.handle.as_str(), b_is.handle.as_str()];
        let differing = compare::difference(&self.backend, people, [&got(&left), &got(&right)]).await;
        Some(Outcome::Answered { answers: [left, right], difference: told(differing)?.map(Box::new) })
    }
}

/// What the agent gets, and where the documents lie.
async fn passages(agent: &Agent, question: &str) -> Result<Vec<(Passage, String)>, AgentError> {
    let (found, paths) = tokio::try_join!(agent.search(question, LIMIT), agent.paths())?;
    let with_path = |passage: Passage| {
        let path = paths.get(&passage.id).cloned().unwrap_or_default();
        (passage, path)
    };
    Ok(found.into_iter().map(with_path).collect())
}

/// Reports a failure of ours.
fn told<T, E: std::error::Error>(result: Result<T, E>) -> Option<T> {
    result.map_err(|error| tracing::error!(%error, "the demo's page could not be answered")).ok()
}

/// The fields of a query string; of several with one name, the first.
fn fields(query: &str) -> BTreeMap<String, String> {
    let Ok(mut url) = reqwest::Url::parse("http://localhost/") else { return BTreeMap::new() };
    url.set_query(Some(query));
    let mut fields = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        fields.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    fields
}

/// A query string of the same form.
pub(super) fn link(question: &str, people: [&str; 2]) -> String {
    let Ok(mut url) = reqwest::Url::parse("http://localhost/") else { return String::new() };
    let [a, b] = people;
    url.query_pairs_mut().append_pair("q", question).append_pair("a", a).append_pair("b", b);
    format!("?{}", url.query().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_it_was_meant() {
        let link = link("a & b = \"c\"? +é", ["dana@x", "ben@x"]);
        assert!(!link.contains(['"', ' ']), "{link}");
        let read = fields(link.strip_prefix('?').unwrap());
        assert_eq!(read["q"], "a & b = \"c\"? +é");
        assert_eq!((read["a"].as_str(), read["b"].as_str()), ("dana@x", "ben@x"));
        assert_eq!(fields("q=1&q=2")["q"], "1");
        assert!(fields("").is_empty());
    }
}
