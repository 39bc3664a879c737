//! Which names can be completed: arguments of prompts and variables of resource templates. The values come from the
//! owner, who knows what the caller can see.

use crate::mcp::arguments::{echo, listed};
use crate::mcp::surfaces::TEMPLATES;
use crate::mcp::{errors, prompts};
use kenward_vault::AnswerError;
use kenward_vault::knowledge_base::{Completed, Question};
use rmcp::model::{CompleteRequestParams, CompletionInfo, Reference};
use serde_json::Value;

/// The question that gives the values; `None` for what nothing completes.
///
/// # Errors
/// There is no such prompt, template or argument.
pub fn question(request: &CompleteRequestParams) -> Result<Option<Question>, AnswerError> {
    let argument = request.argument.name.as_str();
    let (names, what): (Vec<&str>, Option<Completed>) = match &request.r#ref {
        Reference::Prompt(prompt) => {
            let prompt = prompts::find(&prompt.name)?;
            let found = prompt.arguments.iter().find(|known| known.name == argument);
            (
                prompt.arguments.iter().map(|known| known.name).collect(),
                found.and_then(|known| known.completed),
            )
        }
        Reference::Resource(template) => {
            let found = TEMPLATES.iter().find(|known| known.uri == template.uri);
            let found = found.ok_or_else(|| no_template(&template.uri))?;
            let variable = found.variables.iter().find(|(name, _)| *name == argument);
            (found.variables.iter().map(|(name, _)| *name).collect(), variable.and_then(|(_, what)| *what))
        }
        _ => return Err(errors::argument("ref", "unknown kind of reference".to_owned(), KINDS.to_owned())),
    };
    if !names.contains(&argument) {
        return Err(errors::argument(
            "argument.name",
            format!("unknown argument `{}`", echo(argument)),
            format!("the arguments are {}", listed(&names)),
        ));
    }
    Ok(what.map(|what| Question::Complete { what, typed: request.argument.value.clone() }))
}

const KINDS: &str =
    "send `ref` with `type` `ref/prompt` and a `name`, or `ref/resource` and a template's `uri`";

fn no_template(uri: &str) -> AnswerError {
    let templates: Vec<&str> = TEMPLATES.iter().map(|template| template.uri).collect();
    errors::argument(
        "ref.uri",
        format!("unknown resource template `{}`", echo(uri)),
        format!("the templates are {}", listed(&templates)),
    )
}

/// The values of an answer, as the protocol has them. No total: `hasMore` says enough.
///
/// # Errors
/// The bytes are no answer to a completion: a defect of the owner.
pub fn values(bytes: &str) -> Result<CompletionInfo, serde_json::Error> {
    let answer: Value = serde_json::from_str(bytes)?;
    let values: Vec<String> = serde_json::from_value(answer.get("values").cloned().unwrap_or_default())?;
    let more = answer.get("more").and_then(Value::as_bool).unwrap_or_default();
    // The owner gives no more than the protocol's hundred.
    Ok(CompletionInfo::with_pagination(values, None, more).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::model::ArgumentInfo;

    fn ask(reference: Reference, name: &str) -> Result<Option<Question>, AnswerError> {
        question(&CompleteRequestParams::new(reference, ArgumentInfo::new(name, "ha")))
    }

    #[test]
    fn names_are_completed_and_free_text_is_not() {
        let what = |found: Option<Question>| match found {
            Some(Question::Complete { what, typed }) if typed == "ha" => Some(what),
            _ => None,
        };
        let prompt = |name: &str| Reference::for_prompt(name);
        let template = |uri: &str| Reference::for_resource(uri);
        assert_eq!(what(ask(prompt("answer_with_citations"), "source").unwrap()), Some(Completed::Source));
        assert_eq!(what(ask(prompt("compare_documents"), "first").unwrap()), Some(Completed::Title));
        assert_eq!(what(ask(template("kb://document/{id}"), "id").unwrap()), Some(Completed::Id));
        assert_eq!(what(ask(template("kb://source/{name}"), "name").unwrap()), Some(Completed::Source));
        assert!(ask(prompt("answer_with_citations"), "question").unwrap().is_none());
        assert!(ask(template("kb://document/{id}/passage/{n}"), "n").unwrap().is_none());
        for (reference, name, field) in [
            (prompt("answer"), "source", "name"),
            (prompt("compare_documents"), "third", "argument.name"),
            (template("kb://document/kd_a"), "id", "ref.uri"),
            (template("kb://source/{name}"), "id", "argument.name"),
        ] {
            assert_eq!(ask(reference, name).unwrap_err().field.as_deref(), Some(field));
        }
    }

    #[test]
    fn no_total_is_given() {
        let info = values(r#"{"values":["harbor"],"more":true,"receipt":"kr_x"}"#).unwrap();
        assert_eq!((info.values, info.total, info.has_more), (vec!["harbor".to_owned()], None, Some(true)));
    }
}
