//! Running text, and the links and images in it, which are written as `[text](<url>)` and `![alt](<url>)`
//! for the sanitizer to number. A URL must never be able to break out of its `<…>`.

use super::Walk;
use crate::formats::Signal;
use scraper::node::Element;

/// Longest URL that is kept.
const URL_MAX: usize = 2048;

/// A link being read: where its text begins in the buffer, and in which filling of it.
pub(super) struct Anchor {
    pub(super) filling: u64,
    pub(super) from: usize,
    pub(super) url: String,
}

impl Walk<'_, '_> {
    pub(super) fn text(&mut self, text: &str) {
        if !self.style().shows_text() {
            self.meta.count(Signal::HiddenText, u64::from(!text.trim().is_empty()));
            return;
        }
        if self.pre > 0 {
            self.buffer.push_str(text);
            return;
        }
        let mut gap: Option<char> = None;
        for c in text.chars() {
            if c.is_ascii_whitespace() {
                let space = if c == '\n' && self.rendered { '\n' } else { ' ' };
                gap = Some(if gap == Some('\n') { '\n' } else { space });
            } else {
                if let Some(gap) = gap.take() {
                    self.space(gap);
                }
                self.buffer.push(c);
            }
        }
        if let Some(gap) = gap {
            self.space(gap);
        }
    }

    fn space(&mut self, gap: char) {
        if !self.buffer.is_empty() && !self.buffer.ends_with([' ', '\n']) {
            self.buffer.push(gap);
        }
    }

    pub(super) fn image(&mut self, element: &Element) {
        let alt = element.attr("alt").unwrap_or_default();
        let alt: Vec<&str> = alt.split_whitespace().collect();
        if !alt.is_empty() {
            let alt = alt.join(" ").replace('[', "(").replace(']', ")");
            let url = element.attr("src").map(url_of).unwrap_or_default();
            self.buffer.push_str(&format!("![{alt}](<{url}>)"));
        }
    }

    /// `[text](<url>)`, which the sanitizer turns into a numbered marker. Links within the page stay text.
    pub(super) fn anchor(&mut self) {
        let Some(anchor) = self.anchors.pop() else { return };
        let same = anchor.filling == self.filling && anchor.from <= self.buffer.len();
        if !same || anchor.url.is_empty() || anchor.url.starts_with('#') {
            return;
        }
        let text = self.buffer.split_off(anchor.from);
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.contains("](<") {
            // Nothing to click on, or a picture that is a link: its own marker is enough.
            self.buffer.push_str(&text);
            return;
        }
        let before = text.len() - text.trim_start().len();
        let after = text.trim_end().len();
        self.buffer.push_str(text.get(..before).unwrap_or_default());
        self.buffer.push_str(&format!("[{trimmed}](<{}>)", anchor.url));
        self.buffer.push_str(text.get(after..).unwrap_or_default());
    }
}

/// A URL that cannot break out of `<…>`.
pub(super) fn url_of(raw: &str) -> String {
    let mut url = String::new();
    for c in raw.trim().chars() {
        match c {
            '<' => url.push_str("%3C"),
            '>' => url.push_str("%3E"),
            '\\' => url.push_str("%5C"),
            c if c.is_whitespace() => url.push_str("%20"),
            c if c.is_control() => {}
            c => url.push(c),
        }
        if url.len() >= URL_MAX {
            break;
        }
    }
    url
}
