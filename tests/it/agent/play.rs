//! Plays a file, turn by turn, as an agent would call; and checks each answer and each error. It never looks at the
//! server but through the protocol.

use super::house::House;
use super::refusal;
use super::script::{Names, Person, Refused, Script, Then, Turn, Until, filled, filled_map};
use super::walk::Walk;
use crate::served::http;
use rmcp::ServiceError;
use rmcp::model::{
    ArgumentInfo, CallToolRequestParams, CompleteRequestParams, GetPromptRequestParams,
    PaginatedRequestParams, ReadResourceRequestParams, Reference,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What came back.
#[derive(Debug, Clone)]
enum Outcome {
    Answer(Value),
    /// `{code, field, message, try, request_id}`.
    Refused(Value),
}

/// One file being played.
pub struct Player<'h> {
    house: &'h House,
    person: Person,
    protocol: String,
    names: Names,
    /// What refusals of one name say.
    same: BTreeMap<String, Value>,
    /// The answers that hints led to.
    pub followed: usize,
}

/// Plays a file; gives what is wrong, and how many hints were followed.
pub async fn play(house: &House, script: &Script) -> (Vec<String>, usize) {
    let mut player = Player {
        house,
        person: script.person,
        protocol: script.protocol.clone(),
        names: house.names.clone(),
        same: BTreeMap::new(),
        followed: 0,
    };
    let mut wrong = Vec::new();
    for (number, turn) in (1..).zip(&script.turns) {
        if let Err(why) = player.turn(turn).await {
            let meant = turn.why.as_ref().map_or_else(String::new, |meant| format!(" ({meant})"));
            wrong.push(format!("{}, turn {number}{meant}: {why}", script.name));
        }
    }
    (wrong, player.followed)
}

impl Player<'_> {
    async fn turn(&mut self, turn: &Turn) -> Result<(), String> {
        if turn.parallel.is_empty() {
            let outcome = self.act(turn).await?;
            return self.judge(turn, outcome).await;
        }
        // All are on their way before one is looked at.
        let this = &*self;
        let mut outcomes: Vec<Option<Result<Outcome, String>>> = vec![None; turn.parallel.len()];
        let mut calls: Vec<_> = turn.parallel.iter().map(|call| Some(Box::pin(this.act(call)))).collect();
        std::future::poll_fn(|context| {
            for (call, outcome) in calls.iter_mut().zip(&mut outcomes) {
                if let Some(future) = call
                    && let std::task::Poll::Ready(done) = future.as_mut().poll(context)
                {
                    (*outcome, *call) = (Some(done), None);
                }
            }
            if calls.iter().all(Option::is_none) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        drop(calls);
        for (call, outcome) in turn.parallel.iter().zip(outcomes) {
            Box::pin(self.judge(call, outcome.unwrap()?)).await?;
        }
        Ok(())
    }

    async fn judge(&mut self, turn: &Turn, outcome: Outcome) -> Result<(), String> {
        match (outcome, &turn.refused) {
            (Outcome::Refused(error), Some(expected)) => {
                self.refusal(turn, expected, &error)?;
                self.follow(turn, &error).await
            }
            (Outcome::Refused(error), None) => Err(format!("it was refused: {error}")),
            (Outcome::Answer(answer), Some(_)) => Err(format!("it was not refused: {}", short(&answer))),
            (Outcome::Answer(answer), None) => {
                for (pointer, check) in &turn.gives {
                    self.check(&answer, pointer, check)?;
                }
                for (name, pointer) in &turn.keep {
                    let value = answer.pointer(pointer).filter(|value| !value.is_null());
                    let value =
                        value.ok_or_else(|| format!("{pointer} is not there to keep: {}", short(&answer)))?;
                    self.names.insert(name.clone(), value.clone());
                }
                match &turn.until {
                    Some(until) => self.pages_to_the_end(turn, until, answer).await,
                    None => Ok(()),
                }
            }
        }
    }

    fn refusal(&mut self, turn: &Turn, expected: &Refused, error: &Value) -> Result<(), String> {
        let sent = json!([filled_map(&turn.with, &self.names)?, turn.call, turn.read, turn.prompt, turn.raw]);
        let sent = filled(&sent, &self.names)?;
        let faults = refusal::faults(error, &sent, &self.house.words);
        if !faults.is_empty() {
            return Err(format!("{faults:?} in {error}"));
        }
        let hint = filled(&Value::from(expected.hint.as_str()), &self.names)?;
        let said = |name: &str| error.get(name).and_then(Value::as_str);
        let field = expected.field.as_ref().map(|field| filled(&Value::from(field.as_str()), &self.names));
        let field = field.transpose()?;
        if said("code") != Some(&expected.code)
            || said("field") != field.as_ref().and_then(Value::as_str)
            || !said("try").unwrap_or_default().contains(hint.as_str().unwrap_or_default())
        {
            return Err(format!("another error: {error}"));
        }
        if let Some(name) = &expected.same {
            let mut words = error.clone();
            let map = words.as_object_mut().ok_or("an error is an object")?;
            // The id of the request, and the caller's own URI, which the specification wants.
            map.retain(|key, _| key != "request_id" && key != "uri");
            let first = self.same.entry(name.clone()).or_insert_with(|| words.clone());
            if *first != words {
                return Err(format!("`{name}` said {first} before, now {words}"));
            }
        }
        Ok(())
    }

    /// Makes the call that the hint names: it must be answered.
    async fn follow(&mut self, turn: &Turn, error: &Value) -> Result<(), String> {
        let hint = error.get("try").and_then(Value::as_str).unwrap_or_default();
        let next = match turn.then.as_ref().ok_or("a refusal without `then` proves no valid next call")? {
            Then::Turn(next) => {
                let tool = next.call.as_ref().filter(|tool| Some(*tool) != turn.call.as_ref());
                if let Some(tool) = tool.filter(|tool| !hint.contains(&format!("`{tool}`"))) {
                    return Err(format!("`{tool}` is not what the hint names: {hint}"));
                }
                if next.list && !hint.contains("`resources/list`") && !hint.contains("without `cursor`") {
                    return Err(format!("the list is not what the hint names: {hint}"));
                }
                if next.read.is_some() && turn.read.is_none() && !hint.contains("`resources/read`") {
                    return Err(format!("reading is not what the hint names: {hint}"));
                }
                (**next).clone()
            }
            Then::Word(word) if word == "example" => {
                let begins = hint.find('{').ok_or_else(|| format!("no example is in the hint: {hint}"))?;
                let mut read =
                    serde_json::Deserializer::from_str(&hint[begins..]).into_iter::<Map<String, Value>>();
                let example = read.next().and_then(Result::ok).ok_or_else(|| format!("no JSON: {hint}"))?;
                let with = example.into_iter().map(|(name, value)| {
                    let id = name == "id" && value == "kd_…";
                    (name, if id { self.names["id:expenses.md"].clone() } else { value })
                });
                Turn { call: turn.call.clone(), with: with.collect(), ..Turn::default() }
            }
            Then::Word(word) => return Err(format!("`then: {word}` is not known")),
        };
        let next = Turn { person: next.person.or(turn.person), ..next };
        self.followed += 1;
        let outcome = self.act(&next).await?;
        let judged = Box::pin(self.judge(&next, outcome)).await;
        judged.map_err(|why| format!("what the hint names: {why}"))
    }

    async fn pages_to_the_end(&mut self, turn: &Turn, until: &Until, first: Value) -> Result<(), String> {
        let (mut walk, mut page, mut turn) = (Walk::default(), first, turn.clone());
        while let Some(next) = walk.takes(&page, until)? {
            turn.with.insert(until.goes.clone(), next);
            page = match self.act(&turn).await? {
                Outcome::Answer(page) => page,
                Outcome::Refused(error) => return Err(format!("a page was refused: {error}")),
            };
        }
        Ok(())
    }

    fn check(&self, answer: &Value, pointer: &str, check: &Value) -> Result<(), String> {
        let found = answer.pointer(pointer);
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let wrong = || format!("{pointer} is not {check}: {}", short(found.unwrap_or(answer)));
        let checks: Vec<(&str, Value)> = match check {
            Value::Object(checks) => {
                let one =
                    |(kind, value): (&'_ String, &Value)| Ok((kind.clone(), filled(value, &self.names)?));
                let checks = checks.iter().map(one).collect::<Result<Vec<_>, String>>()?;
                return checks.iter().try_for_each(|(kind, wanted)| {
                    let size = || match found {
                        Some(Value::Array(list)) => Some(list.len() as u64),
                        Some(Value::String(text)) => Some(text.chars().count() as u64),
                        _ => None,
                    };
                    let good = match kind.as_str() {
                        "equals" => found == Some(wanted),
                        "not" => found.is_some_and(|found| found != wanted),
                        "contains" => found.is_some_and(|found| text(found).contains(&text(wanted))),
                        "lacks" => found.is_some_and(|found| !text(found).contains(&text(wanted))),
                        "absent" => found.is_none_or(Value::is_null) == (*wanted == true),
                        "count" => size() == wanted.as_u64(),
                        "least" => size() >= wanted.as_u64() && size().is_some(),
                        _ => return Err(format!("`{kind}` is no check")),
                    };
                    if good { Ok(()) } else { Err(wrong()) }
                });
            }
            value => vec![("equals", filled(value, &self.names)?)],
        };
        if checks.iter().all(|(_, wanted)| found == Some(wanted)) { Ok(()) } else { Err(wrong()) }
    }

    async fn act(&self, turn: &Turn) -> Result<Outcome, String> {
        let person = turn.person.unwrap_or(self.person);
        let client = self.house.client(person, &self.protocol)?;
        let with = filled_map(&turn.with, &self.names)?;
        let fill = |text: &String| match filled(&Value::from(text.as_str()), &self.names)? {
            Value::String(text) => Ok(text),
            other => Err(format!("{other} is no text")),
        };
        let json = |value: Result<Value, serde_json::Error>| value.map_err(|error| error.to_string());
        if let Some(tool) = &turn.call {
            let called = client.call_tool(CallToolRequestParams::new(fill(tool)?).with_arguments(with)).await;
            return match called {
                Err(error) => refused(error),
                Ok(result) => {
                    let text = result.content.first().and_then(|item| item.as_text()).ok_or("no text")?;
                    let value: Value = json(serde_json::from_str(&text.text))?;
                    if result.is_error == Some(true) {
                        return Ok(Outcome::Refused(value["error"].clone()));
                    }
                    if result.structured_content.as_ref() != Some(&value) {
                        return Err("text and structured content are not the same".to_owned());
                    }
                    Ok(Outcome::Answer(value))
                }
            };
        }
        if let Some(uri) = &turn.read {
            return match client.read_resource(ReadResourceRequestParams::new(fill(uri)?)).await {
                Err(error) => refused(error),
                Ok(result) => {
                    let result = json(serde_json::to_value(result))?;
                    let text = result["contents"][0]["text"].as_str().ok_or("no text")?;
                    Ok(Outcome::Answer(json(serde_json::from_str(text))?))
                }
            };
        }
        if let Some(prompt) = &turn.prompt {
            let request = GetPromptRequestParams::new(fill(prompt)?).with_arguments(with);
            return match client.get_prompt(request).await {
                Err(error) => refused(error),
                Ok(result) => Ok(Outcome::Answer(json(serde_json::to_value(result))?)),
            };
        }
        if let Some(what) = &turn.complete {
            let reference = if what.contains("://") {
                Reference::for_resource(what.as_str())
            } else {
                Reference::for_prompt(what.as_str())
            };
            let (name, typed) = with.iter().next().ok_or("nothing is to be completed")?;
            let typed = typed.as_str().ok_or("what is typed is a text")?;
            let request = CompleteRequestParams::new(reference, ArgumentInfo::new(name, typed));
            return match client.complete(request).await {
                Err(error) => refused(error),
                Ok(result) => Ok(Outcome::Answer(json(serde_json::to_value(result.completion))?)),
            };
        }
        if turn.list {
            let cursor = with.get("cursor").and_then(Value::as_str).map(str::to_owned);
            let page = PaginatedRequestParams::default().with_cursor(cursor);
            return match client.list_resources(Some(page)).await {
                Err(error) => refused(error),
                Ok(result) => Ok(Outcome::Answer(json(serde_json::to_value(result))?)),
            };
        }
        match &turn.raw {
            Some(message) => self.post(person, &filled(message, &self.names)?).await,
            None => Err("the turn does nothing".to_owned()),
        }
    }

    /// Sends a message of the protocol past its library.
    async fn post(&self, person: Person, message: &Value) -> Result<Outcome, String> {
        let newest = self.protocol == "2026-07-28";
        let mut request = http()
            .post(&self.house.served.url)
            .bearer_auth(&self.house.tokens[&person])
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", &self.protocol);
        let body = match message {
            Value::String(text) => text.clone(),
            message => {
                let mut message = message.clone();
                message["jsonrpc"] = "2.0".into();
                message["id"] = 1.into();
                if newest {
                    for (header, at) in
                        [("mcp-method", "/method"), ("mcp-name", "/params/name"), ("mcp-name", "/params/uri")]
                    {
                        if let Some(value) = message.pointer(at).and_then(Value::as_str) {
                            request = request.header(header, value);
                        }
                    }
                    if message["params"].is_null() || message["params"].is_object() {
                        message["params"]["_meta"] = json!({
                            "io.modelcontextprotocol/protocolVersion": self.protocol,
                            "io.modelcontextprotocol/clientInfo": { "name": "agent", "version": "0" },
                            "io.modelcontextprotocol/clientCapabilities": {},
                        });
                    }
                }
                message.to_string()
            }
        };
        let response = request.body(body).send().await.map_err(|error| error.to_string())?;
        let text = response.text().await.map_err(|error| error.to_string())?;
        // One message, as it is or as the event of a stream.
        let data = text.lines().find_map(|line| line.strip_prefix("data: {")).map(|line| format!("{{{line}"));
        let value: Value =
            serde_json::from_str(data.as_deref().unwrap_or(&text)).map_err(|_| format!("no JSON: {text}"))?;
        if let Some(error) = value.get("error") {
            return Ok(Outcome::Refused(told(error)));
        }
        let result = value["result"].clone();
        if result["isError"] == true {
            let text = result["content"][0]["text"].as_str().ok_or("no text")?;
            let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            return Ok(Outcome::Refused(value["error"].clone()));
        }
        Ok(Outcome::Answer(result.get("structuredContent").unwrap_or(&result).clone()))
    }
}

/// A protocol error in the form of ours: `data` is ours already, or has the request's id and the hint alone.
fn told(error: &Value) -> Value {
    let mut told = error.get("data").cloned().unwrap_or_else(|| json!({}));
    if told.get("code").is_none() {
        told["code"] = error["code"].to_string().into();
    }
    if told.get("message").is_none() {
        told["message"] = error["message"].clone();
    }
    told
}

fn refused(error: ServiceError) -> Result<Outcome, String> {
    match error {
        ServiceError::McpError(error) => {
            Ok(Outcome::Refused(told(&serde_json::to_value(&error).map_err(|error| error.to_string())?)))
        }
        other => Err(format!("no answer at all: {other}")),
    }
}

/// The beginning of a value, for people who read what failed.
fn short(value: &Value) -> String {
    value.to_string().chars().take(1_500).collect()
}
