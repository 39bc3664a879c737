//! What every error that an agent gets must be, whatever it was about: asked of each refused turn, beside what the
//! turn itself asks. It knows the documents and the fixed texts, and nothing of the product's code.

use serde_json::Value;
use std::collections::BTreeSet;

/// Longest piece of what was sent that an error may repeat.
const ECHO: usize = 40;
/// Errors in which no argument is at fault.
const FAULTLESS: &[&str] = &["unauthenticated", "try_again", "internal", "unreadable"];
/// Words of the documents that stand in the examples of fixed texts.
const OF_EXAMPLES: &[&str] = &["expense", "reports", "example"];

/// The words that no error may hold.
pub struct Words(BTreeSet<String>);

impl Words {
    /// The words of documents, without those of the server's own fixed texts.
    pub fn of<'t>(documents: impl Iterator<Item = &'t str>, fixed: &str) -> Self {
        let fixed: BTreeSet<String> = words(fixed).collect();
        let told = |word: &String| !fixed.contains(word) && !OF_EXAMPLES.contains(&word.as_str());
        Self(documents.flat_map(words).filter(told).collect())
    }
}

/// Words of five letters and more.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= 5);
    words.map(str::to_lowercase)
}

/// All that is wrong with an error, about a call in which this was sent.
pub fn faults(error: &Value, sent: &Value, documents: &Words) -> Vec<String> {
    let mut faults = Vec::new();
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    for name in ["code", "message", "try"] {
        if text(name).trim().is_empty() {
            faults.push(format!("no `{name}`"));
        }
    }
    if !text("request_id").starts_with("r_") {
        faults.push("no `request_id`".to_owned());
    }
    if !FAULTLESS.contains(&text("code")) && text("field").trim().is_empty() {
        faults.push("no `field`, though an argument is at fault".to_owned());
    }
    let mut pieces = Vec::new();
    strings(sent, &mut pieces);
    let said = format!("{}\n{}\n{}", text("field"), text("message"), text("try"));
    for piece in &pieces {
        let letters: Vec<char> = piece.chars().collect();
        let mut longer = letters.windows(ECHO + 1).map(|run| run.iter().collect::<String>());
        if longer.any(|run| said.contains(&run)) {
            faults.push(format!("more than {ECHO} characters of what was sent are repeated"));
        }
    }
    let sent: BTreeSet<String> = pieces.iter().flat_map(|piece| words(piece)).collect();
    for word in words(&said).filter(|word| documents.0.contains(word) && !sent.contains(word)) {
        faults.push(format!("`{word}` is a word of a document"));
    }
    faults
}

/// Every text in a value, names included.
pub fn strings(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|item| strings(item, into)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            into.push(key.clone());
            strings(value, into);
        }),
        _ => {}
    }
}

#[test]
fn a_poor_error_is_seen() {
    use serde_json::json;
    let documents = Words::of(["The quillfeather band; a passage"].into_iter(), "a passage of a document");
    let good = json!({
        "code": "not_found", "field": "id", "message": "no document with this id", "try": "take an `id`",
        "request_id": "r_1",
    });
    let sent = json!({ "id": "x".repeat(100) });
    assert_eq!(faults(&good, &sent, &documents), Vec::<String>::new());
    for (name, value, fault) in [
        ("field", json!(null), "no `field`"),
        ("try", json!(" "), "no `try`"),
        ("request_id", json!(""), "no `request_id`"),
        ("message", json!(format!("`{}` is unknown", "x".repeat(41))), "more than 40"),
        ("message", json!("did you mean Quillfeather?"), "`quillfeather` is a word"),
    ] {
        let mut poor = good.clone();
        poor[name] = value;
        let found = faults(&poor, &sent, &documents);
        assert!(found.iter().any(|found| found.contains(fault)), "{poor}: {found:?}");
    }
    let mut echo = good;
    echo["message"] = json!(format!("`{}` is unknown", "x".repeat(40)));
    assert!(faults(&echo, &sent, &documents).is_empty());
}
