//! Numbers and bullets of lists and headings, counted as a word processor does. It must never count without
//! bound: levels are at most nine.

use super::xml::{Tag, Xml, read};
use crate::formats::FailReason;
use std::collections::HashMap;

/// Levels that a list can have.
const LEVELS: usize = 9;

#[derive(Debug, Clone, Default)]
struct Level {
    format: String,
    text: String,
    start: Option<u32>,
}

#[derive(Debug, Clone, Default)]
struct Number {
    definition: String,
    /// By level: where it begins anew.
    starts: HashMap<usize, u32>,
}

/// The definitions of lists.
#[derive(Debug, Default)]
pub(super) struct Lists {
    definitions: HashMap<String, Vec<Level>>,
    numbers: HashMap<String, Number>,
}

/// What stands before an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    /// A bullet.
    Bullet,
    /// A number, as it is written.
    Number(String),
    /// Nothing is seen.
    Nothing,
}

/// How far each list has counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    by_definition: HashMap<String, Vec<Option<u32>>>,
    begun: std::collections::HashSet<String>,
}

/// Where in the part the reading is.
#[derive(Default)]
struct Place {
    definition: Option<String>,
    number: Option<String>,
    level: Option<usize>,
    overriding: Option<usize>,
}

impl Lists {
    pub(super) fn of(source: &str) -> Result<Self, FailReason> {
        let mut lists = Self::default();
        let mut place = Place::default();
        read(source, |xml| {
            match xml {
                Xml::Open(name, tag) => lists.open(name, tag, &mut place),
                Xml::Close("abstractNum") => place.definition = None,
                Xml::Close("num") => place.number = None,
                Xml::Close("lvl") => place.level = None,
                Xml::Close("lvlOverride") => place.overriding = None,
                Xml::Close(_) | Xml::Text(_) => {}
            }
            Ok(())
        })?;
        Ok(lists)
    }

    fn open(&mut self, name: &str, tag: Tag<'_>, place: &mut Place) {
        let at_level = || tag.get("ilvl").and_then(|level| level.parse().ok()).filter(|l| *l < LEVELS);
        match name {
            "abstractNum" => {
                let id = tag.get("abstractNumId").unwrap_or_default();
                self.definitions.insert(id.clone(), vec![Level::default(); LEVELS]);
                place.definition = Some(id);
            }
            "num" => {
                let id = tag.get("numId").unwrap_or_default();
                self.numbers.insert(id.clone(), Number::default());
                place.number = Some(id);
            }
            "lvl" => place.level = at_level(),
            "lvlOverride" => place.overriding = at_level(),
            "abstractNumId" => {
                if let Some(number) = place.number.as_ref().and_then(|id| self.numbers.get_mut(id)) {
                    number.definition = tag.val().unwrap_or_default();
                }
            }
            "startOverride" => {
                let number = place.number.as_ref().and_then(|id| self.numbers.get_mut(id));
                if let (Some(number), Some(level), Some(start)) = (number, place.overriding, tag.number()) {
                    number.starts.insert(level, start);
                }
            }
            "numFmt" | "lvlText" | "start" => {
                let definition = place.definition.as_ref().and_then(|id| self.definitions.get_mut(id));
                let Some(level) = definition.zip(place.level).and_then(|(d, level)| d.get_mut(level)) else {
                    return;
                };
                match name {
                    "numFmt" => level.format = tag.val().unwrap_or_default(),
                    "lvlText" => level.text = tag.val().unwrap_or_default().chars().take(64).collect(),
                    _ => level.start = tag.number(),
                }
            }
            _ => {}
        }
    }

    /// Counts an item of a list on; `None` if there is no such list.
    pub(super) fn next(&self, number: &str, level: usize, counters: &mut Counters) -> Option<Label> {
        let (of, level) = (self.numbers.get(number)?, level.min(LEVELS - 1));
        let levels = self.definitions.get(&of.definition)?;
        let counts =
            counters.by_definition.entry(of.definition.clone()).or_insert_with(|| vec![None; LEVELS]);
        if counters.begun.insert(number.to_owned()) {
            for (level, start) in &of.starts {
                if let Some(count) = counts.get_mut(*level) {
                    *count = Some(start.saturating_sub(1));
                }
            }
        }
        let start = |at: usize| levels.get(at).and_then(|level| level.start).unwrap_or(1);
        for (at, count) in counts.iter_mut().enumerate() {
            match at.cmp(&level) {
                std::cmp::Ordering::Less => *count = Some(count.unwrap_or_else(|| start(at))),
                std::cmp::Ordering::Equal => {
                    *count = Some(count.map_or_else(|| start(at), |count| count.saturating_add(1)));
                }
                std::cmp::Ordering::Greater => *count = None,
            }
        }
        let own = levels.get(level)?;
        if own.format == "bullet" {
            return Some(Label::Bullet);
        }
        let mut text = own.text.clone();
        for (at, count) in counts.iter().enumerate().take(level + 1) {
            let format = levels.get(at).map_or("decimal", |level| level.format.as_str());
            text = text.replace(&format!("%{}", at + 1), &written(count.unwrap_or(1), format));
        }
        let text = text.trim().to_owned();
        Some(if text.is_empty() || own.format == "none" { Label::Nothing } else { Label::Number(text) })
    }
}

fn written(number: u32, format: &str) -> String {
    match format {
        "lowerLetter" => letters(number),
        "upperLetter" => letters(number).to_uppercase(),
        "lowerRoman" => roman(number),
        "upperRoman" => roman(number).to_uppercase(),
        "decimalZero" => format!("{number:02}"),
        "none" => String::new(),
        _ => number.to_string(),
    }
}

/// a, b, … z, aa, bb, …
fn letters(number: u32) -> String {
    let Some(at) = number.checked_sub(1) else { return "0".to_owned() };
    let letter = char::from(b'a' + u8::try_from(at % 26).unwrap_or_default());
    let times = usize::try_from(at / 26 + 1).unwrap_or(1).min(10);
    String::from(letter).repeat(times)
}

fn roman(number: u32) -> String {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    if number > 3_999 {
        return number.to_string();
    }
    let mut rest = number;
    let mut out = String::new();
    for (value, sign) in SIGNS {
        while rest >= value {
            out.push_str(sign);
            rest -= value;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_numbered_as_they_are_written() {
        let source = r#"<numbering xmlns:w="w"><w:abstractNum w:abstractNumId="0">
            <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
            <w:lvl w:ilvl="1"><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1.%2)"/></w:lvl>
            <w:lvl w:ilvl="2"><w:numFmt w:val="bullet"/><w:lvlText w:val="x"/></w:lvl>
            </w:abstractNum><w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num>
            <w:num w:numId="6"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num></numbering>"#;
        let lists = Lists::of(source).unwrap();
        let mut counters = Counters::default();
        let number = |text: &str| Some(Label::Number(text.to_owned()));
        for (id, level, expected) in [
            ("5", 0, number("1.")),
            ("5", 1, number("1.I)")),
            ("5", 1, number("1.II)")),
            ("5", 2, Some(Label::Bullet)),
            ("5", 0, number("2.")),
            ("5", 1, number("2.I)")),
            ("6", 0, number("7.")),
            ("6", 0, number("8.")),
            ("9", 0, None),
        ] {
            assert_eq!(lists.next(id, level, &mut counters), expected);
        }
        assert_eq!((roman(1994).as_str(), letters(28).as_str()), ("mcmxciv", "bb"));
    }
}
