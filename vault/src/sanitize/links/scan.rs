//! The one pass: a place in the text, what was written so far, and what stands open. Each character
//! that may begin a link is handed to the part that knows its form; a step must always move forward.

use super::super::Counts;
use super::super::chars::{CLOSE, OPEN};
use super::super::markup::Style;
use std::collections::{HashMap, HashSet};

pub(super) struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) out: String,
    /// Where in `out` a bracket was opened, and whether a `!` stands before it.
    pub(super) open: Vec<(usize, bool)>,
    pub(super) anchors: Vec<String>,
    /// Elements that are open, by name, and the style in each.
    pub(super) styles: Vec<(String, Style)>,
    /// Where in `out` text begins that the style of the element around it hides.
    pub(super) unseen: Option<usize>,
    /// Names of elements (and `-->`) that have no end after this place.
    pub(super) never_closes: HashSet<String>,
    /// Where the last closing tag of a name begins.
    pub(super) ends: HashMap<String, usize>,
    /// The text in small letters, once it was asked for.
    lower: Option<String>,
    /// Whether what is code in this paragraph depends on who reads it.
    pub(super) doubt: bool,
    /// Whether there may be a table: its cells end code, wherever it began.
    table: bool,
    pub(super) definitions: HashMap<String, String>,
    pub(super) urls: &'a mut Vec<String>,
    pub(super) counts: &'a mut Counts,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        text: &'a str,
        definitions: HashMap<String, String>,
        urls: &'a mut Vec<String>,
        counts: &'a mut Counts,
    ) -> Self {
        let rule = |line: &str| line.contains('-') && line.chars().all(|c| " \t>|:-+".contains(c));
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            out: String::with_capacity(text.len()),
            open: Vec::new(),
            anchors: Vec::new(),
            styles: Vec::new(),
            unseen: None,
            never_closes: HashSet::new(),
            ends: HashMap::new(),
            lower: None,
            doubt: false,
            table: text.contains('|') && text.lines().any(rule),
            definitions,
            urls,
            counts,
        }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn rest(&self, ahead: usize) -> &str {
        self.text.get(self.at + ahead..).unwrap_or_default()
    }

    /// The whole text in small letters, of the same length.
    pub(super) fn lower(&mut self) -> &str {
        self.lower.get_or_insert_with(|| self.text.to_ascii_lowercase())
    }

    pub(super) fn push(&mut self, length: usize) {
        self.out.push_str(self.text.get(self.at..self.at + length).unwrap_or_default());
        self.at += length;
    }

    /// Ends what cannot go on behind a block of code or a blank line.
    pub(super) fn paragraph(&mut self) {
        self.open.clear();
        self.doubt = false;
    }

    /// Takes back what was written behind `to`.
    pub(super) fn take_back(&mut self, to: usize) {
        self.out.truncate(to);
        self.unseen = self.unseen.map(|from| from.min(to));
    }

    /// Writes a marker for the URL, with a blank before it if a word stands there.
    pub(super) fn marker(&mut self, url: &str) {
        let url: String = url.chars().filter(|c| !matches!(*c, OPEN | CLOSE) && !c.is_control()).collect();
        if self
            .out
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, CLOSE | '*' | '_' | '`' | '!' | ']' | ')'))
        {
            self.out.push(' ');
        }
        let number = self.urls.len();
        self.urls.push(url);
        self.out.push(OPEN);
        self.out.push_str(&number.to_string());
        self.out.push(CLOSE);
    }

    pub(super) fn step(&mut self) {
        match self.byte(0) {
            b'\\' if self.byte(1).is_ascii_punctuation() && self.byte(1) != b'<' => self.push(2),
            b'`' => self.code_span(),
            b'<' => self.angle(),
            b'!' if self.byte(1) == b'[' => {
                self.open.push((self.out.len(), true));
                self.push(2);
            }
            b'[' => {
                self.open.push((self.out.len(), false));
                self.push(1);
            }
            b']' => self.close(),
            b':' => self.scheme(),
            b'w' | b'W' => self.www(),
            b'\n' => {
                self.push(1);
                let line = self.rest(0).split('\n').next().unwrap_or_default();
                if line.trim().is_empty() {
                    self.paragraph();
                }
            }
            _ => {
                // From the next character's start on, whatever its length.
                let first = self.rest(0).chars().next().map_or(1, char::len_utf8);
                let rest = self.rest(first);
                let special =
                    |c: char| matches!(c, '\\' | '`' | '<' | '!' | '[' | ']' | ':' | 'w' | 'W' | '\n');
                let length = first + rest.find(special).unwrap_or(rest.len());
                self.push(length);
            }
        }
    }

    /// Code between backticks is left as it is, where all readers agree that it is code: within a line, in a
    /// paragraph without a backtick that ends nowhere, and not across the cells of a table. Anywhere else
    /// what one reader takes for code is a link to another.
    fn code_span(&mut self) {
        let ticks = |text: &str| text.bytes().take_while(|b| *b == b'`').count();
        let run = ticks(self.rest(0));
        if self.doubt {
            return self.push(run);
        }
        let after = self.rest(run);
        let line = after.split('\n').next().unwrap_or_default();
        let mut at = 0;
        let mut length = None;
        while let Some(next) = line.get(at..).and_then(|text| text.find('`')) {
            at += next;
            let closing = ticks(line.get(at..).unwrap_or_default());
            if closing == run {
                length = Some(at);
                break;
            }
            at += closing;
        }
        let cells =
            self.table && length.and_then(|end| line.get(..end)).is_some_and(|code| code.contains('|'));
        self.doubt = cells || length.is_none();
        self.push(match length {
            Some(length) if !self.doubt => run + length + run,
            Some(_) | None => run,
        });
    }
}
