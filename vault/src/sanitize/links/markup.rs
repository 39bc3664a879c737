//! What begins with an angle bracket: comments, autolinks, tags. Markup goes, what it links to becomes a
//! marker, what it hides goes with it; a tag without an end is broken so that a reader sees it.

use super::super::chars::{CLOSE, OPEN};
use super::super::markup::Style;
use super::super::{count, html};
use super::LONGEST_URL;
use super::bare::{Autolink, autolink};
use super::scan::Scan;

/// Elements that are open at once, beyond which the style of one is that of the last that counted.
const DEEPEST: usize = 64;

impl Scan<'_> {
    pub(super) fn angle(&mut self) {
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
                None => self.plain_angle(),
            }
            return;
        }
        match autolink(here) {
            Some(Autolink::Url(url, length)) => {
                let url = url.to_owned();
                self.at += length;
                return self.marker(&url);
            }
            Some(Autolink::Mail(address, length)) => {
                let address = address.to_owned();
                self.out.push_str(&address);
                self.at += length;
                return self.marker(&address);
            }
            Some(Autolink::Form) => return self.break_angle(),
            None => {}
        }
        match html::parse(here) {
            Some(tag) => self.tag(&tag),
            None if html::begins(here) => self.break_angle(),
            None => self.plain_angle(),
        }
    }

    /// One that begins nothing here. Another reader may take it for a tag, with the backticks in it.
    fn plain_angle(&mut self) {
        let here = self.rest(0);
        let here = here.get(..here.floor_char_boundary(LONGEST_URL)).unwrap_or_default();
        let end = match here.as_bytes().get(1) {
            Some(b'?') => here.find("?>"),
            Some(b'!') => here.find('>'),
            _ => html::end(here),
        };
        self.doubt |= end.and_then(|end| here.get(..end)).is_some_and(|tag| tag.contains('`'));
        self.push(1);
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
        let last = if tag.closing { 0 } else { self.last_end(&tag.name) };
        if tag.is_word(|| last > self.at) {
            return self.break_angle();
        }
        let around = self.styles.last().map_or(Style::ROOT, |(_, style)| *style);
        let swallows = tag.swallows(around);
        if let Some(kind) = swallows
            && !self.never_closes.contains(&tag.name)
        {
            if let Some(end) = html::closing(self.rest(tag.length), &tag.name) {
                self.drop_markup(kind, tag.length + end);
                return;
            }
            self.never_closes.insert(tag.name.clone());
        }
        self.drop_markup("html_tag", tag.length);
        if tag.closing {
            let open = self.styles.iter().rposition(|(name, _)| *name == tag.name);
            self.styles.truncate(open.unwrap_or(self.styles.len()));
        } else if swallows.is_none() && !tag.is_void() && self.styles.len() < DEEPEST {
            self.styles.push((tag.name.clone(), tag.style(around)));
        }
        self.see();
        match (tag.name.as_str(), tag.closing) {
            ("a", false) => {
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

    /// Where the last closing tag of this name begins, 0 if there is none: looked for once.
    fn last_end(&mut self, name: &str) -> usize {
        if let Some(at) = self.ends.get(name) {
            return *at;
        }
        let wanted = format!("</{name}");
        let at = self.lower().rfind(&wanted).unwrap_or(0);
        self.ends.insert(name.to_owned(), at);
        at
    }

    /// Where the style changes: takes back what it hid until here, or notes that it hides from here on. What
    /// is never closed stays, as everything does that begins and has no end.
    fn see(&mut self) {
        let shows = self.styles.last().is_none_or(|(_, style)| style.shows_text());
        match self.unseen {
            Some(from) if shows => {
                if !self.out.get(from..).unwrap_or_default().trim().is_empty() {
                    count(self.counts, "html_hidden", 1);
                }
                self.take_back(from);
                self.open.retain(|(at, _)| *at < from);
                self.unseen = None;
            }
            None if !shows => self.unseen = Some(self.out.len()),
            Some(_) | None => {}
        }
    }

    pub(super) fn image(&mut self, alt: &str) {
        count(self.counts, "image", 1);
        let alt: String = alt.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
        let alt = alt.replace(['[', ']'], "'");
        self.out.push(OPEN);
        self.out.push('i');
        self.out.push_str(&alt.replace([OPEN, CLOSE], "'"));
        self.out.push(CLOSE);
    }
}
