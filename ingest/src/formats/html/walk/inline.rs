//! Running text, and the links and images in it. It must never put out text that its style hides.

use super::Walk;
use crate::formats::{Signal, links};
use scraper::node::Element;

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
        let url = element.attr("src").map(links::url_of).unwrap_or_default();
        links::image(&mut self.buffer, element.attr("alt").unwrap_or_default(), &url);
    }

    pub(super) fn anchor(&mut self) {
        let Some(anchor) = self.anchors.pop() else { return };
        if anchor.filling == self.filling && anchor.from <= self.buffer.len() {
            links::wrap(&mut self.buffer, anchor.from, &anchor.url);
        }
    }
}
