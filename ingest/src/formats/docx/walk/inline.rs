//! Running text: what of it is seen, fields, links, pictures and notes. It must never put out text that a
//! reader does not see.

use super::super::xml::Tag;
use super::{Anchor, Walk};
use crate::formats::{Signal, links};

impl Walk<'_, '_> {
    /// Whether text here is out of sight.
    pub(super) fn unseen(&mut self) -> bool {
        if self.hidden > 0 || self.tables.iter().any(|table| table.hidden) {
            return true;
        }
        if let Some(known) = self.run.unseen {
            return known;
        }
        let styles = &self.parts.styles;
        let paragraph = self.paragraphs.last();
        let style = styles.paragraph(paragraph.and_then(|p| p.style.as_deref()));
        let of_style = styles.look(style, self.run.style.as_deref());
        let mut look = self.run.look.over(&of_style);
        let own = self.run.look.paper.clone().or_else(|| paragraph.and_then(|p| p.paper.clone()));
        let table = self.tables.last();
        let of_table = || table.and_then(|t| t.cell_paper.clone().or_else(|| t.paper.clone()));
        let of_box = || self.boxes.last().cloned().flatten();
        let around = || of_box().or_else(of_table).or_else(|| self.page.clone());
        look.paper = own.or(of_style.paper).or_else(around);
        let unseen = look.unseen();
        self.run.unseen = Some(unseen);
        unseen
    }

    /// Whether a field's code is being read here, or a result that is no text.
    pub(super) fn in_code(&self) -> bool {
        self.fields.iter().any(|field| field.result.is_none())
    }

    pub(super) fn put(&mut self, text: &str) {
        if self.in_code() {
            return;
        }
        if self.unseen() {
            self.meta.count(Signal::HiddenText, u64::from(!text.trim().is_empty()));
            return;
        }
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.buffer.push_str(text);
        }
    }

    pub(super) fn end_text(&mut self) {
        let Some((preserve, text)) = self.text.take() else { return };
        let text = text.replace(['\n', '\t'], " ");
        // Of white space only that of XML: a space that does not break is a letter like others.
        self.put(if preserve { &text } else { text.trim_matches([' ', '\r']) });
    }

    pub(super) fn picture(&mut self, words: &str) {
        let mut marker = String::new();
        links::image(&mut marker, words, "");
        if !marker.is_empty() {
            self.put(&marker);
        }
    }

    pub(super) fn begin_result(&mut self) {
        let place = (self.filling, self.paragraphs.last().map_or(0, |p| p.buffer.len()));
        if let Some(field) = self.fields.last_mut()
            && field.result.is_none()
        {
            field.result = Some(place);
            let word = field.code.split_whitespace().next().unwrap_or_default().to_uppercase();
            if let (true, Some(paragraph)) =
                (matches!(word.as_str(), "PAGE" | "NUMPAGES" | "SECTIONPAGES"), self.paragraphs.last_mut())
            {
                paragraph.numbered = true;
            }
        }
    }

    pub(super) fn end_field(&mut self) {
        let Some(field) = self.fields.pop() else { return };
        let (Some((filling, from)), Some(url)) = (field.result, target(&field.code)) else { return };
        self.link(&Anchor { filling, from, url: links::url_of(&url) });
    }

    pub(super) fn link(&mut self, anchor: &Anchor) {
        if anchor.filling == self.filling
            && let Some(paragraph) = self.paragraphs.last_mut()
            && anchor.from <= paragraph.buffer.len()
        {
            links::wrap(&mut paragraph.buffer, anchor.from, &anchor.url);
        }
    }

    /// A note is told where it is referred to, and stands after the paragraph.
    pub(super) fn refer(&mut self, kind: &'static str, tag: Tag<'_>) {
        let id = tag.get("id").unwrap_or_default();
        let Some(texts) = self.notes.get(&(kind, id)) else { return };
        if self.unseen() || self.in_code() {
            return;
        }
        self.noted += 1;
        self.waiting.push((self.noted, texts.clone()));
        self.put(&format!(" [note {}]", self.noted));
    }
}

/// The address in the code of a link.
fn target(code: &str) -> Option<String> {
    let code = code.trim();
    let rest = code.get(..9).filter(|word| word.eq_ignore_ascii_case("HYPERLINK")).and(code.get(9..))?.trim();
    if rest.starts_with('\\') {
        return None;
    }
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().map(str::to_owned),
        None => rest.split_whitespace().next().map(str::to_owned),
    }
}
