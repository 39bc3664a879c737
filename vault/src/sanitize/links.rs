//! Rule 4: links and images, in every form that Markdown and HTML have, become markers.
//! One pass from left to right with a stack of open brackets, as Markdown itself is read; what it
//! looks ahead for has a longest length, so hostile input costs no more than linear time.

use super::chars::{CLOSE, OPEN};
use super::{Counts, code, count, html};
use std::collections::{HashMap, HashSet};

const LONGEST_URL: usize = 4096;
const LONGEST_LABEL: usize = 999;
const LONGEST_CODE: usize = 4000;
/// Schemes that work without `//`.
const BARE_SCHEMES: &[&str] =
    &["mailto", "javascript", "vbscript", "tel", "sms", "data", "blob", "file", "view-source"];

/// Replaces all of them; `urls` grows by what was found.
pub(super) fn replace(text: &str, urls: &mut Vec<String>, counts: &mut Counts) -> String {
    let (definitions, skipped) = definitions(text);
    count(counts, "link_definition", skipped.len() as u64);
    let mut scan = Scan {
        text,
        bytes: text.as_bytes(),
        at: 0,
        out: String::with_capacity(text.len()),
        open: Vec::new(),
        anchors: Vec::new(),
        never_closes: HashSet::new(),
        definitions,
        urls,
        counts,
    };
    let blocks = code::blocks(text);
    let mut blocks = blocks.iter().peekable();
    let mut skipped = skipped.iter().peekable();
    while scan.at < text.len() {
        if let Some(block) = blocks.next_if(|b| b.start <= scan.at) {
            let content = text.get(scan.at..block.end).unwrap_or_default();
            scan.out.push_str(content);
            scan.at = block.end.max(scan.at);
            scan.open.clear();
            continue;
        }
        if let Some(line) = skipped.next_if(|l| l.0 <= scan.at) {
            scan.at = line.1.max(scan.at);
            continue;
        }
        let before = scan.at;
        scan.step();
        if scan.at <= before {
            scan.at = text.len();
        }
    }
    while let Some(url) = scan.anchors.pop() {
        scan.marker(&url);
    }
    scan.out
}

/// Link definitions outside code (`[label]: url`): what they define, and their lines' byte ranges.
fn definitions(text: &str) -> (HashMap<String, String>, Vec<(usize, usize)>) {
    let mut map = HashMap::new();
    let mut lines = Vec::new();
    if !text.contains("]:") {
        return (map, lines);
    }
    let blocks = code::blocks(text);
    let mut blocks = blocks.iter().peekable();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        while blocks.next_if(|b| b.end <= start).is_some() {}
        let in_code = blocks.peek().is_some_and(|b| b.start <= start);
        if let Some((label, url)) = definition(line).filter(|_| !in_code) {
            map.entry(key(label)).or_insert_with(|| url.to_owned());
            lines.push((start, start + line.trim_end_matches('\n').len()));
        }
        start += line.len();
    }
    (map, lines)
}

fn definition(line: &str) -> Option<(&str, &str)> {
    let body = line.trim_start_matches([' ', '>']).strip_prefix('[')?;
    let (label, rest) = body.split_once("]:")?;
    if label.is_empty()
        || label.len() > LONGEST_LABEL
        || label.starts_with('^')
        || label.contains(['[', ']', OPEN])
    {
        return None;
    }
    let rest = rest.trim();
    let (url, after) = match rest.strip_prefix('<') {
        Some(inner) => inner.split_once('>')?,
        None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
    };
    let after = after.trim();
    let title = after.is_empty()
        || ["\"\"", "''", "()"].iter().any(|q| {
            let mut q = q.chars();
            after.len() >= 2
                && q.next().is_some_and(|o| after.starts_with(o))
                && q.next().is_some_and(|c| after.ends_with(c))
        });
    let like_url = rest.starts_with('<') || url.contains(['/', '.', '#', ':']);
    (title && like_url && !url.contains(OPEN)).then_some((label, url))
}

fn key(label: &str) -> String {
    label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    out: String,
    /// Where in `out` a bracket was opened, and whether a `!` stands before it.
    open: Vec<(usize, bool)>,
    anchors: Vec<String>,
    /// Names of elements (and `-->`) that have no end after this place.
    never_closes: HashSet<String>,
    definitions: HashMap<String, String>,
    urls: &'a mut Vec<String>,
    counts: &'a mut Counts,
}

impl Scan<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn rest(&self, ahead: usize) -> &str {
        self.text.get(self.at + ahead..).unwrap_or_default()
    }

    fn push(&mut self, length: usize) {
        self.out.push_str(self.text.get(self.at..self.at + length).unwrap_or_default());
        self.at += length;
    }

    /// Writes a marker for the URL, with a blank before it if a word stands there.
    fn marker(&mut self, url: &str) {
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

    fn step(&mut self) {
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
                    self.open.clear();
                }
            }
            _ => {
                let rest = self.rest(1);
                let special =
                    |c: char| matches!(c, '\\' | '`' | '<' | '!' | '[' | ']' | ':' | 'w' | 'W' | '\n');
                // From the next character's start on, whatever its length.
                let first = self.rest(0).chars().next().map_or(1, char::len_utf8);
                let rest = if first == 1 { rest } else { self.rest(first) };
                let length = first + rest.find(special).unwrap_or(rest.len());
                self.push(length);
            }
        }
    }

    fn code_span(&mut self) {
        let run = self.rest(0).bytes().take_while(|b| *b == b'`').count();
        let after = self.rest(run);
        let mut length = None;
        let mut at = 0;
        while let Some(next) = after.get(at..).and_then(|t| t.find(['`', '\n'])) {
            at += next;
            let here = after.get(at..).unwrap_or_default();
            if at > LONGEST_CODE || here.starts_with("\n\n") {
                break;
            }
            let ticks = here.bytes().take_while(|b| *b == b'`').count();
            if ticks == run {
                length = Some(run + at + run);
                break;
            }
            at += ticks.max(1);
        }
        self.push(length.unwrap_or(run));
    }

    fn angle(&mut self) {
        let here = self.rest(0);
        if here.starts_with("<!--") {
            let end = if self.never_closes.contains("-->") { None } else { here.find("-->") };
            match end {
                Some(end) => self.drop_markup("html_comment", end + 3),
                None => {
                    self.never_closes.insert("-->".to_owned());
                    self.break_angle();
                }
            }
            return;
        }
        if here.starts_with("<!") || here.starts_with("<?") {
            let word =
                here.get(2..).is_some_and(|t| t.starts_with(|c: char| c.is_ascii_alphabetic() || c == '['));
            let end = here.char_indices().take(1000).find(|(_, c)| *c == '>').map(|(at, _)| at + 1);
            match end.filter(|_| word) {
                Some(end) => self.drop_markup("html_tag", end),
                None => self.push(1),
            }
            return;
        }
        if let Some((url, shown, length)) = autolink(here) {
            let (url, shown) = (url.to_owned(), shown.map(str::to_owned));
            self.out.push_str(shown.as_deref().unwrap_or_default());
            self.at += length;
            self.marker(&url);
            return;
        }
        match html::parse(here) {
            Some(tag) => self.tag(&tag),
            None if html::begins(here) => self.break_angle(),
            None => self.push(1),
        }
    }

    fn break_angle(&mut self) {
        count(self.counts, "html_tag", 1);
        self.out.push('‹');
        self.at += 1;
    }

    fn drop_markup(&mut self, kind: &str, length: usize) {
        count(self.counts, kind, 1);
        self.at += length;
    }

    fn tag(&mut self, tag: &html::Tag) {
        if let Some(kind) = tag.swallows()
            && !self.never_closes.contains(&tag.name)
        {
            if let Some(end) = html::closing(self.rest(tag.length), &tag.name) {
                self.drop_markup(kind, tag.length + end);
                return;
            }
            self.never_closes.insert(tag.name.clone());
        }
        self.drop_markup("html_tag", tag.length);
        match (tag.name.as_str(), tag.closing) {
            ("a" | "area", false) => {
                if let Some(url) = tag.attribute("href") {
                    self.anchors.push(url.to_owned());
                }
            }
            ("a", true) => {
                if let Some(url) = self.anchors.pop() {
                    self.marker(&url);
                }
            }
            ("img" | "image", false) => {
                let alt = tag.attribute("alt").unwrap_or_default().to_owned();
                self.image(&alt);
            }
            (_, false) => {
                let url = [
                    "src",
                    "href",
                    "data",
                    "action",
                    "formaction",
                    "poster",
                    "background",
                    "cite",
                    "xlink:href",
                ]
                .iter()
                .find_map(|name| tag.attribute(name));
                if let Some(url) = url {
                    self.marker(url);
                }
            }
            (_, true) => {}
        }
        let joined = self.out.chars().next_back().is_some_and(|c| !c.is_whitespace());
        if tag.is_block() && joined && !self.rest(0).starts_with(char::is_whitespace) {
            self.out.push(' ');
        }
    }

    fn image(&mut self, alt: &str) {
        count(self.counts, "image", 1);
        let alt: String = alt.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
        let alt = alt.replace(['[', ']'], "'");
        self.out.push(OPEN);
        self.out.push('i');
        self.out.push_str(&alt.replace([OPEN, CLOSE], "'"));
        self.out.push(CLOSE);
    }

    /// A `]`: looks back for what was opened and ahead for where it leads.
    fn close(&mut self) {
        let Some((from, image)) = self.open.pop() else { return self.push(1) };
        let inside = from + if image { 2 } else { 1 };
        let inner = self.out.get(inside..).unwrap_or_default().to_owned();
        let Some((url, length)) = self.target(&inner) else { return self.push(1) };
        self.at += length;
        self.out.truncate(from);
        if image {
            let plain = shown(&inner);
            self.image(&plain);
            return;
        }
        let text = inner.trim();
        self.out.push_str(text);
        // The visible text of `[https://a.example](https://a.example)` has its marker already.
        let same = marker_alone(text).is_some_and(|n| self.urls.get(n) == Some(&url));
        if !same && !url.is_empty() {
            if text.chars().next_back().is_some_and(|c| !c.is_whitespace()) {
                self.out.push(' ');
            }
            self.marker(&url);
        }
        // A link within the text of a link is none: brackets opened before stay as characters only for links.
        let images: Vec<_> = self.open.iter().copied().filter(|(_, image)| *image).collect();
        if images.len() < self.open.len() && self.open.len() > 64 {
            self.open = images;
        }
    }

    /// Where the bracket that closes here leads, and the bytes up to the end of that.
    fn target(&self, inner: &str) -> Option<(String, usize)> {
        let after = self.rest(1);
        if let Some(inline) = after.strip_prefix('(')
            && let Some((url, length)) = destination(inline)
        {
            return Some((url.to_owned(), 2 + length));
        }
        if self.definitions.is_empty() {
            return None;
        }
        if let Some(reference) = after.strip_prefix('[')
            && let Some(end) =
                reference.char_indices().take(LONGEST_LABEL).find(|(_, c)| matches!(c, ']' | '['))
            && end.1 == ']'
        {
            let label = reference.get(..end.0)?;
            let label = if label.trim().is_empty() { inner } else { label };
            if let Some(url) = self.definitions.get(&key(label)) {
                return Some((url.clone(), 3 + end.0));
            }
        }
        if inner.len() > LONGEST_LABEL {
            return None;
        }
        self.definitions.get(&key(inner)).map(|url| (url.clone(), 1))
    }

    fn scheme(&mut self) {
        let floor = self.out.len().saturating_sub(64);
        let tail = self.out.as_bytes().get(floor..).unwrap_or_default();
        let of_scheme = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'+' | b'.' | b'-');
        let length = tail.iter().rev().take_while(of_scheme).count();
        let from = self.out.len() - length;
        let word = self.out.get(from..).unwrap_or_default();
        let skip = word.bytes().take_while(|b| !b.is_ascii_alphabetic()).count();
        let word = word.get(skip..).unwrap_or_default().to_owned();
        let after = self.rest(1);
        let end = if word.is_empty() {
            None
        } else if let Some(rest) = after.strip_prefix("//") {
            url_end(rest).map(|end| 3 + end)
        } else if BARE_SCHEMES.iter().any(|s| word.eq_ignore_ascii_case(s)) {
            let data = word.eq_ignore_ascii_case("data");
            let typed = after.find('/').is_some_and(|at| {
                at > 0 && after.get(..at).is_some_and(|t| t.bytes().all(|b| b.is_ascii_lowercase()))
            });
            url_end(after).filter(|_| !data || typed).map(|end| 1 + end)
        } else {
            None
        };
        match end {
            Some(end) => {
                let url = format!("{word}{}", self.rest(0).get(..end).unwrap_or_default());
                let keep = self.out.len() - word.len();
                self.out.truncate(keep);
                self.at += end;
                self.marker(&url);
            }
            None => self.push(1),
        }
    }

    fn www(&mut self) {
        let here = self.rest(0);
        let prefix = here.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("www."));
        let begins = !self.out.ends_with(|c: char| c.is_alphanumeric());
        let host = here.get(4..).is_some_and(|t| t.starts_with(char::is_alphanumeric));
        match url_end(here).filter(|_| prefix && begins && host) {
            Some(end) => {
                let url = here.get(..end).unwrap_or_default().to_owned();
                self.at += end;
                self.marker(&url);
            }
            None => self.push(1),
        }
    }
}

/// `<https://…>` and `<name@host>`: the URL, what stays visible, the length in bytes.
fn autolink(here: &str) -> Option<(&str, Option<&str>, usize)> {
    let inner = here.get(1..)?;
    let (end, last) = inner
        .char_indices()
        .take(LONGEST_URL)
        .find(|(_, c)| c.is_whitespace() || matches!(*c, '<' | '>' | '"' | OPEN | CLOSE))?;
    if last != '>' || end == 0 {
        return None;
    }
    let url = inner.get(..end)?;
    if let Some((scheme, rest)) = url.split_once(':') {
        let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'));
        let known = rest.starts_with("//") || BARE_SCHEMES.iter().any(|s| scheme.eq_ignore_ascii_case(s));
        return (named && known && !rest.is_empty()).then_some((url, None, end + 2));
    }
    let (name, host) = url.split_once('@')?;
    let mail = !name.is_empty()
        && host.contains('.')
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
        && name.chars().all(|c| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c));
    mail.then_some((url, Some(url), end + 2))
}

/// Behind `](`: the destination, and the bytes up to behind the `)`.
fn destination(inline: &str) -> Option<(&str, usize)> {
    let rest = inline.trim_start_matches([' ', '\t', '\n']);
    let (url, after) = if let Some(inner) = rest.strip_prefix('<') {
        let (end, _) = inner.char_indices().take(LONGEST_URL).find(|(_, c)| matches!(c, '>' | '\n'))?;
        (inner.get(..end)?, inner.get(end..)?.strip_prefix('>')?)
    } else {
        let mut depth = 0_usize;
        let mut escaped = false;
        let mut end = None;
        for (at, c) in rest.char_indices().take(LONGEST_URL) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '(' => depth += 1,
                ')' if depth == 0 => {
                    end = Some(at);
                    break;
                }
                ')' => depth -= 1,
                c if c.is_whitespace() => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        rest.split_at(end?)
    };
    let after = after.trim_start_matches([' ', '\t', '\n']);
    let after = match after.chars().next()? {
        open @ ('"' | '\'' | '(') => {
            let close = if open == '(' { ')' } else { open };
            let body = after.get(1..)?;
            let (end, _) = body.char_indices().take(LONGEST_URL).find(|(_, c)| *c == close)?;
            body.get(end + 1..)?.trim_start_matches([' ', '\t', '\n'])
        }
        _ => after,
    };
    let after = after.strip_prefix(')')?;
    Some((url, inline.len() - after.len()))
}

/// Where a bare URL ends: at a blank or a bracket that it did not open, without closing punctuation.
fn url_end(rest: &str) -> Option<usize> {
    let mut opened: Vec<char> = Vec::new();
    let mut end = rest.len();
    for (at, c) in rest.char_indices() {
        let stop = match c {
            '<' | '>' | '"' | '`' | '|' | '\\' | OPEN | CLOSE | '。' | '、' | '，' | '）' | '」' | '》'
            | '”' | '’' => true,
            '[' if at > 0 => true,
            '(' | '[' | '{' => {
                opened.push(c);
                false
            }
            ')' => opened.pop() != Some('('),
            ']' => opened.pop() != Some('['),
            '}' => opened.pop() != Some('{'),
            c => c.is_whitespace() || c.is_control(),
        };
        if stop || at >= LONGEST_URL {
            end = at;
            break;
        }
    }
    let found = rest.get(..end)?;
    let found = found.trim_end_matches(['.', ',', ':', ';', '!', '?', '\'', '*', '_', '~']);
    (!found.is_empty()).then_some(found.len())
}

/// The number of the marker, if the text is one and nothing else.
fn marker_alone(text: &str) -> Option<usize> {
    text.strip_prefix(OPEN)?.strip_suffix(CLOSE)?.parse().ok()
}

/// An image's alternative text without the markers in it.
fn shown(inner: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    for c in inner.chars() {
        match c {
            OPEN => depth += 1,
            CLOSE => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// Breaks, wherever it stands, the one form that a renderer could still follow: `](scheme:`. Only
/// code can hold it at this point.
pub(super) fn break_forms(text: &str, counts: &mut Counts) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let (before, here) = rest.split_at(at + 1);
        out.push_str(before);
        let target = here.get(1..).unwrap_or_default().trim_start_matches([' ', '\t', '<']);
        let scheme = target
            .bytes()
            .take(64)
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'));
        let scheme = scheme.count();
        let leads = target.starts_with("//")
            || (scheme > 1 && target.get(scheme..).is_some_and(|t| t.starts_with(':')));
        if leads {
            count(counts, "code_link", 1);
            out.push(' ');
        }
        rest = here;
    }
    out.push_str(rest);
    out
}

/// For single lines: `https://a.example/b` stays as `a.example/b`.
pub(super) fn without_schemes(text: &str, counts: &mut Counts) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, here) = rest.split_at(at);
        let word =
            before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'));
        out.push_str(word);
        count(counts, "scheme", 1);
        if word.len() == before.len() {
            out.push(' ');
        }
        rest = here.get(3..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Gives the markers their numbers, in the order of the text, and their final form.
pub(super) fn number(text: &str, urls: &[String], first: u32) -> (String, Vec<String>) {
    if !text.contains([OPEN, CLOSE]) {
        return (text.to_owned(), Vec::new());
    }
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut links = Vec::new();
    let mut number = first;
    let mut rest = text;
    while let Some(at) = rest.find([OPEN, CLOSE]) {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        rest = here.get(OPEN.len_utf8()..).unwrap_or_default();
        if !here.starts_with(OPEN) {
            continue;
        }
        let end = rest.find([OPEN, CLOSE]).unwrap_or(rest.len());
        let body = rest.get(..end).unwrap_or_default();
        if let Some(alt) = body.strip_prefix('i') {
            let alt = alt.trim();
            out.push_str("[image");
            if !alt.is_empty() {
                out.push_str(": ");
                out.push_str(alt);
            }
            out.push(']');
        } else if let Some(url) = body.parse().ok().and_then(|n: usize| urls.get(n)) {
            out.push_str(&format!("[link {number}]"));
            links.push(url.clone());
            number = number.saturating_add(1);
        }
        rest = rest.get(end..).unwrap_or_default();
        rest = rest.strip_prefix(CLOSE).unwrap_or(rest);
        // What follows must not turn the marker into the text of another link.
        if rest.starts_with(['(', '[', ':', OPEN]) {
            out.push(' ');
        }
    }
    out.push_str(rest);
    (out, links)
}
