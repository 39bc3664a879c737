//! What documents say: a small vocabulary, so that hidden and visible ones share their words, and
//! one canary word for each version, by which a leaked byte is known.

use crate::dice::Dice;

/// Frequent ones first.
pub const WORDS: &[&str] = &[
    "harbor",
    "tide",
    "ledger",
    "vessel",
    "policy",
    "expense",
    "crew",
    "dock",
    "cargo",
    "berth",
    "invoice",
    "signal",
    "anchor",
    "weather",
    "customs",
    "salary",
    "pilot",
    "warehouse",
    "crane",
    "manifest",
    "schedule",
    "inspection",
    "Überfahrt",
    "naïve",
    "café",
    "船舶",
    "港口",
    "C-17",
    "iso9001",
    "kran.example",
    "re-entry",
];

/// What every canary begins with: long enough that no random id in a log line holds it by chance.
pub const CANARY: &str = "zqxzqxzq";

/// Seeds of what nobody may ever read.
pub const CELLAR: u64 = 0xff_0000_0000;

/// What a query that is found nowhere begins with.
pub const QUERY_CANARY: &str = "zqxzqxzqq";

/// The word that only this version holds.
pub fn canary(seed: u64) -> String {
    format!("{CANARY}{:010x}", seed & 0xff_ffff_ffff)
}

/// A word; the first ones come often.
pub fn word(dice: &mut Dice) -> &'static str {
    let at = dice.below(WORDS.len()).min(dice.below(WORDS.len()));
    WORDS[at]
}

pub struct Written {
    pub title: String,
    pub text: String,
    /// Spans of chunks in Unicode scalars, with their headings.
    pub chunks: Vec<((u32, u32), Vec<String>)>,
}

/// What one version of a document says. Two with the same `twin` say the same but for the canary.
pub fn write(seed: u64, twin: u64) -> Written {
    let mut dice = Dice::of(twin, "text");
    let mark = canary(seed);
    let mut title = [word(&mut dice), word(&mut dice)].join(" ");
    if dice.percent(50) {
        title = format!("{title} {mark}");
    }
    let mut text = String::new();
    let mut chunks = Vec::new();
    let mut at = 0u32;
    for number in 0..=dice.below(3) {
        let mut chunk: Vec<String> = (0..=dice.below(24)).map(|_| word(&mut dice).to_owned()).collect();
        if number == 0 && dice.percent(70) {
            chunk.push(mark.clone());
        }
        let mut chunk = chunk.join(" ");
        chunk.push_str(if dice.percent(50) { ".\nSee [link 1].\n" } else { ".\n" });
        let length = u32::try_from(chunk.chars().count()).unwrap();
        let headings = (0..dice.below(3)).map(|_| word(&mut dice).to_owned()).collect();
        chunks.push(((at, at + length), headings));
        at += length;
        text.push_str(&chunk);
    }
    Written { title, text, chunks }
}
