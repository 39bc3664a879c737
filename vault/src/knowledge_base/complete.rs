//! Names that are being typed, and the document that somebody names: over what the caller can see, and nothing else.
//! What hidden documents are called moves neither the values nor their order.

use super::ask::{Asking, Attempt};
use super::budget::{self, Budget};
use super::list::{note, page_of, visible_sources};
use super::target::{self, Target};
use super::{Completed, KnowledgeBase, errors};
use crate::error::AnswerError;
use crate::gate::envelope::{CompleteAnswer, WhichDocumentAnswer, shown_line};
use crate::gate::{Disclosure, Stop};
use crate::published::DocMeta;
use kenward_access::caller::Caller;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most values, as the protocol has it.
const MOST: usize = 100;
/// What is longer is no beginning of a name.
const LONGEST: usize = 400;

pub(super) fn complete(
    kb: &KnowledgeBase,
    caller: &Caller,
    what: Completed,
    typed: &str,
) -> Result<Disclosure, AnswerError> {
    let kind = match what {
        Completed::Source => "source",
        Completed::Title => "title",
        Completed::Id => "id",
    };
    let asking = asking("complete", typed, kind);
    let typed = typed.trim().to_lowercase();
    kb.answer(caller, &asking, |attempt| {
        let (values, more) = if typed.chars().count() > LONGEST {
            (Vec::new(), false)
        } else {
            match what {
                Completed::Source => sources(attempt, &typed),
                Completed::Title | Completed::Id => documents(attempt, what, &typed)?,
            }
        };
        Ok(CompleteAnswer { values, more, receipt: attempt.receipt.to_owned() })
    })
}

fn asking(tool: &'static str, text: &str, kind: &str) -> Asking {
    Asking {
        tool,
        text: text.to_owned(),
        filters: BTreeMap::from([("of", kind.to_owned())]),
        limit: None,
        cursor: None,
    }
}

/// How well a name goes on from what was typed: 0 from its beginning, 1 from within.
fn fit(name: &str, typed: &str) -> Option<u8> {
    let name = name.to_lowercase();
    if name.starts_with(typed) { Some(0) } else { name.contains(typed).then_some(1) }
}

fn sources(attempt: &Attempt<'_>, typed: &str) -> (Vec<String>, bool) {
    let visible = visible_sources(attempt.gate);
    let fitting = visible.iter().filter_map(|row| Some((fit(&row.source.name, typed)?, &row.source.name)));
    let mut fitting: Vec<(u8, &Box<str>)> = fitting.collect();
    fitting.sort();
    let more = fitting.len() > MOST;
    (fitting.into_iter().take(MOST).map(|(_, name)| shown_line(name)).collect(), more)
}

fn documents(attempt: &Attempt<'_>, what: Completed, typed: &str) -> Result<(Vec<String>, bool), Stop> {
    let gate = attempt.gate;
    let id = |document: &DocMeta| crate::keys::document_id(&document.key);
    let fits = |document: &DocMeta| match what {
        Completed::Id if id(document).starts_with(typed) => Some(0),
        _ => fit(&document.title, typed),
    };
    let (found, _) = page_of(gate, None, usize::MAX - 1, |document| fits(document).is_some());
    let mut found: Vec<(Option<u8>, &Arc<DocMeta>)> =
        found.into_iter().map(|document| (fits(document), document)).collect();
    // Stable: within the same fit the newest first.
    found.sort_by_key(|(fit, _)| *fit);
    let (mut values, mut budget) = (Vec::<String>::new(), Budget::new());
    for (_, document) in found {
        let id = id(document);
        let value = match what {
            Completed::Id => id.clone(),
            Completed::Source | Completed::Title => shown_line(&document.title),
        };
        if values.contains(&value) {
            continue;
        }
        if values.len() == MOST || !budget.takes(budget::size(&value)) {
            return Ok((values, true));
        }
        note(gate, document, &id, values.len() as u64 + 1)?;
        values.push(value);
    }
    Ok((values, false))
}

/// The visible document that somebody names: by its id, cite or URI, or by its title, the last changed of several.
pub(super) fn which_document(
    kb: &KnowledgeBase,
    caller: &Caller,
    named: &str,
) -> Result<Disclosure, AnswerError> {
    let wanted = named.trim();
    kb.answer(caller, &asking("which_document", named, "named"), |attempt| {
        let gate = attempt.gate;
        let found;
        let (document, others) = if is_id(wanted) {
            let image = &gate.pin.published.image;
            let number = image.by_id.get(&Target::of(wanted).id).filter(|n| gate.sees(*n));
            let document = number.and_then(|number| image.documents.get(&number));
            (document.ok_or_else(|| Stop::Told(errors::not_found()))?, false)
        } else {
            let others;
            (found, others) = page_of(gate, None, 1, |document| shown_line(&document.title) == wanted);
            (&**found.first().ok_or_else(|| Stop::Told(errors::no_title()))?, others)
        };
        let id = crate::keys::document_id(&document.key);
        note(gate, document, &id, 1)?;
        Ok(WhichDocumentAnswer { id, others, receipt: attempt.receipt.to_owned() })
    })
}

/// Whether a name is an id, a cite or a URI. No title is read as one.
pub(super) fn is_id(named: &str) -> bool {
    named.starts_with("kd_") || named.starts_with(target::DOCUMENT)
}
