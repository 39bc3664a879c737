//! The walk through the text of a document: paragraphs, runs, tables, fields and links as they begin and end.
//! It must never recurse, and never put out text that a reader does not see.

mod blocks;
mod inline;

use super::Notes;
use super::lists::Counters;
use super::look::{Color, Look};
use super::parts::{Parts, Relations};
use super::styles::InList;
use super::xml::{Tag, Xml, read};
use crate::formats::{FailReason, Meta, Signal, Sink, links};
use kenward_vault::sanitize::markup::{Style, declarations};

/// Which part is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    /// The text itself.
    Body,
    /// Headers and footers.
    Margin,
    /// Notes at the foot of pages or at the end.
    Notes,
}

/// What an element is to those within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    ParagraphProps,
    RunProps,
    CellProps,
    RowProps,
    TableProps,
    Other,
}

/// A paragraph being read; one in a text box stands within another.
#[derive(Default)]
struct Paragraph {
    buffer: String,
    style: Option<String>,
    outline: Option<u8>,
    list: InList,
    paper: Option<Color>,
    /// It shows the number of a page.
    numbered: bool,
}

/// A run being read.
#[derive(Default)]
struct Run {
    style: Option<String>,
    look: Look,
    unseen: Option<bool>,
}

#[derive(Default)]
struct Table {
    rows: usize,
    cells: Vec<String>,
    cell: Option<String>,
    /// The look of the table makes its first row a head.
    first_is_head: bool,
    head: bool,
    hidden: bool,
    paper: Option<Color>,
    cell_paper: Option<Color>,
}

/// A field: its code, and from where on its result stands.
#[derive(Default)]
struct Field {
    code: String,
    result: Option<(u64, usize)>,
}

struct Anchor {
    filling: u64,
    from: usize,
    url: String,
}

/// What was put aside when a text box began.
struct Outside {
    run: Run,
    fields: Vec<Field>,
}

pub(super) struct Walk<'a, 's> {
    parts: &'a Parts,
    relations: &'a Relations,
    story: Story,
    notes: &'a Notes,
    meta: &'a mut Meta,
    sink: &'a mut Sink<'s>,
    page: Option<Color>,
    /// What fills the shape that is being read, and each text box that is open.
    fill: Option<Color>,
    boxes: Vec<Option<Color>>,
    within: Vec<Within>,
    /// Elements open within one that is left out, and whether its text was to be seen.
    skipped: usize,
    /// Elements open within a drawing that is out of sight.
    hidden: usize,
    /// For each alternative that is open, whether one was taken.
    alternatives: Vec<bool>,
    paragraphs: Vec<Paragraph>,
    outside: Vec<Outside>,
    run: Run,
    text: Option<(bool, String)>,
    fields: Vec<Field>,
    anchors: Vec<Anchor>,
    tables: Vec<Table>,
    counters: Counters,
    filling: u64,
    code: String,
    waiting: Vec<(u32, Vec<String>)>,
    noted: u32,
    given: usize,
    begun: Vec<(String, usize)>,
    title: Option<String>,
    first_heading: Option<(u8, String)>,
}

impl<'a, 's> Walk<'a, 's> {
    pub(super) fn new(
        parts: &'a Parts,
        relations: &'a Relations,
        story: Story,
        notes: &'a Notes,
        meta: &'a mut Meta,
        sink: &'a mut Sink<'s>,
    ) -> Self {
        Self {
            parts,
            relations,
            story,
            notes,
            meta,
            sink,
            page: None,
            fill: None,
            boxes: Vec::new(),
            within: Vec::new(),
            skipped: 0,
            hidden: 0,
            alternatives: Vec::new(),
            paragraphs: Vec::new(),
            outside: Vec::new(),
            run: Run::default(),
            text: None,
            fields: Vec::new(),
            anchors: Vec::new(),
            tables: Vec::new(),
            counters: Counters::default(),
            filling: 0,
            code: String::new(),
            waiting: Vec::new(),
            noted: 0,
            given: 0,
            begun: Vec::new(),
            title: None,
            first_heading: None,
        }
    }

    pub(super) fn run(mut self, source: &str) -> Result<Self, FailReason> {
        read(source, |xml| {
            match xml {
                Xml::Open(name, tag) => self.open(name, tag),
                Xml::Close(name) => self.close(name),
                Xml::Text(text) if self.skipped == 0 => self.characters(text),
                Xml::Text(_) => {}
            }
            Ok(())
        })?;
        self.flush_code();
        self.give_notes();
        Ok(self)
    }

    /// The title, and the first heading of the highest level.
    pub(super) fn titles(self) -> (Option<String>, Option<String>) {
        (self.title, self.first_heading.map(|(_, text)| text))
    }

    /// Where each note begins among the blocks that were given, by its id.
    pub(super) fn begun(self) -> Vec<(String, usize)> {
        self.begun
    }

    fn open(&mut self, name: &str, tag: Tag<'_>) {
        if self.skipped > 0 {
            self.skipped += 1;
            return;
        }
        if self.leaves_out(name, tag) {
            self.skipped = 1;
            return;
        }
        if self.hidden > 0 {
            self.hidden += 1;
        }
        let around = self.within.last().copied().unwrap_or(Within::Other);
        match around {
            Within::RunProps => self.run_property(name, tag),
            Within::ParagraphProps => self.paragraph_property(name, tag),
            Within::CellProps | Within::RowProps | Within::TableProps => {
                self.table_property(around, name, tag)
            }
            Within::Other => self.element(name, tag),
        }
        self.within.push(match name {
            "pPr" => Within::ParagraphProps,
            "rPr" if around == Within::ParagraphProps => Within::Other,
            "rPr" => Within::RunProps,
            "tcPr" => Within::CellProps,
            "trPr" => Within::RowProps,
            "tblPr" => Within::TableProps,
            // The list of a paragraph stands one level deeper.
            "numPr" if around == Within::ParagraphProps => Within::ParagraphProps,
            _ => Within::Other,
        });
    }

    /// What is left out with all that is in it.
    fn leaves_out(&mut self, name: &str, tag: Tag<'_>) -> bool {
        let in_row = self.within.last() == Some(&Within::RowProps);
        match name {
            "del" if in_row => {
                if let Some(table) = self.tables.last_mut() {
                    table.hidden = true;
                }
                self.meta.count(Signal::Deletions, 1);
                true
            }
            "del" | "moveFrom" => {
                self.meta.count(Signal::Deletions, u64::from(self.within.last() == Some(&Within::Other)));
                true
            }
            "Fallback" => self.alternatives.last().copied().unwrap_or(false),
            "Choice" => {
                // Of several the first that can be read; all that are written can.
                let taken = self.alternatives.last_mut().map(|taken| std::mem::replace(taken, true));
                taken == Some(true)
            }
            "footnote" | "endnote" => {
                matches!(
                    tag.get("type").as_deref(),
                    Some("separator" | "continuationSeparator" | "continuationNotice")
                )
            }
            "altChunk" | "relIds" => {
                self.meta.count(Signal::PartsNotRead, 1);
                true
            }
            "delText" | "delInstrText" | "rPrChange" | "pPrChange" | "tblPrChange" | "trPrChange"
            | "tcPrChange" | "sectPrChange" | "numberingChange" | "sdtPr" | "sectPr" => true,
            _ => false,
        }
    }

    fn close(&mut self, name: &str) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        self.within.pop();
        match name {
            "p" => self.end_paragraph(),
            "t" => self.end_text(),
            "instrText" => {
                if let (Some((_, code)), Some(field)) = (self.text.take(), self.fields.last_mut())
                    && field.result.is_none()
                {
                    field.code.push_str(&code);
                }
            }
            "hyperlink" => {
                if let Some(anchor) = self.anchors.pop() {
                    self.link(&anchor);
                }
            }
            "fldSimple" => self.end_field(),
            "AlternateContent" => drop(self.alternatives.pop()),
            "txbxContent" => {
                self.boxes.pop();
                if let Some(outside) = self.outside.pop() {
                    self.run = outside.run;
                    self.fields = outside.fields;
                }
            }
            "tc" => {
                if let Some(table) = self.tables.last_mut()
                    && let Some(cell) = table.cell.take()
                {
                    table.cells.push(cell);
                }
            }
            "tr" => self.end_row(),
            "tbl" => {
                self.tables.pop();
                if self.tables.is_empty() {
                    self.give_notes();
                }
            }
            _ => {}
        }
        self.hidden = self.hidden.saturating_sub(1);
    }

    fn characters(&mut self, text: &str) {
        if let Some((_, into)) = &mut self.text {
            into.push_str(text);
        }
    }

    fn run_property(&mut self, name: &str, tag: Tag<'_>) {
        if name == "rStyle" {
            self.run.style = tag.val();
        } else {
            self.run.look.take(name, tag);
        }
    }

    fn paragraph_property(&mut self, name: &str, tag: Tag<'_>) {
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        match name {
            "pStyle" => paragraph.style = tag.val(),
            "outlineLvl" => paragraph.outline = tag.number(),
            "numId" => paragraph.list.number = tag.val(),
            "ilvl" => paragraph.list.level = tag.number(),
            "shd" => {
                let mut look = Look::default();
                look.take(name, tag);
                paragraph.paper = look.paper;
            }
            _ => {}
        }
    }

    fn table_property(&mut self, of: Within, name: &str, tag: Tag<'_>) {
        let shaded = name == "tblStyle" && tag.val().is_some_and(|id| self.parts.styles.shaded(&id));
        let Some(table) = self.tables.last_mut() else { return };
        match name {
            "tblHeader" => table.head |= tag.on(),
            "hidden" if of == Within::RowProps => table.hidden |= tag.on(),
            "tblLook" => {
                let bits = tag.val().and_then(|bits| u32::from_str_radix(&bits, 16).ok()).unwrap_or(0);
                let named = tag.get("firstRow");
                table.first_is_head =
                    named.map_or(bits & 0x20 != 0, |on| matches!(on.as_str(), "1" | "true" | "on"));
            }
            "tblStyle" if shaded => table.paper = Some(Color::Unknown),
            "shd" => {
                let mut look = Look::default();
                look.take(name, tag);
                if of == Within::CellProps {
                    table.cell_paper = look.paper;
                } else if table.paper.is_none() {
                    table.paper = look.paper;
                }
            }
            _ => {}
        }
    }

    fn element(&mut self, name: &str, tag: Tag<'_>) {
        match name {
            "p" => {
                self.fields.retain(|field| field.result.is_some());
                self.paragraphs.push(Paragraph::default());
            }
            "r" => self.run = Run::default(),
            "t" => self.text = Some((tag.get("space").as_deref() == Some("preserve"), String::new())),
            "instrText" => self.text = Some((true, String::new())),
            "tab" | "ptab" => self.put(" "),
            "br" | "cr" => self.put("\n"),
            "noBreakHyphen" => self.put("-"),
            "fldChar" => match tag.get("fldCharType").as_deref() {
                Some("begin") => self.fields.push(Field::default()),
                Some("separate") => self.begin_result(),
                Some("end") => self.end_field(),
                _ => {}
            },
            "fldSimple" => {
                self.fields.push(Field { code: tag.get("instr").unwrap_or_default(), result: None });
                self.begin_result();
            }
            "hyperlink" => {
                let target = tag.get("id").and_then(|id| self.relations.get(&id));
                let url = target.filter(|t| t.external).map(|t| links::url_of(&t.target)).unwrap_or_default();
                let from = self.paragraphs.last().map_or(0, |p| p.buffer.len());
                self.anchors.push(Anchor { filling: self.filling, from, url });
            }
            "commentReference" => self.meta.count(Signal::Comments, 1),
            "footnoteReference" => self.refer("footnote", tag),
            "endnoteReference" => self.refer("endnote", tag),
            "footnote" | "endnote" => self.begun.push((tag.get("id").unwrap_or_default(), self.given)),
            "AlternateContent" => self.alternatives.push(false),
            "txbxContent" => {
                let fields = std::mem::take(&mut self.fields);
                // Of a run that is not seen the drawing is not seen either.
                if self.hidden == 0 && self.unseen() {
                    self.hidden = 1;
                }
                self.boxes.push(self.fill.take());
                self.outside.push(Outside { run: std::mem::take(&mut self.run), fields });
            }
            "docPr" => {
                let hidden = matches!(tag.get("hidden").as_deref(), Some("1" | "true" | "on"));
                if hidden && !self.paragraphs.is_empty() {
                    // This one ends before the drawing that it is about.
                    self.hidden = self.hidden.max(2);
                } else {
                    self.picture(&tag.get("descr").unwrap_or_default());
                }
            }
            // The colours of a shape's line stand in an element of their own, after its fill.
            "spPr" => self.fill = None,
            "srgbClr" if self.fill.is_none() => self.fill = tag.val().and_then(written),
            "noFill" if self.fill.is_none() => self.fill = Some(Color::Auto),
            "schemeClr" | "sysClr" | "gradFill" | "blipFill" | "pattFill" if self.fill.is_none() => {
                self.fill = Some(Color::Unknown);
            }
            "shape" | "rect" | "roundrect" => {
                let filled = !matches!(tag.get("filled").as_deref(), Some("f" | "false"));
                self.fill = tag.get("fillcolor").filter(|_| filled).map(|color| fill_of(&color));
                let style = tag.get("style").unwrap_or_default();
                let style = Style::ROOT.inside("span", |_| None, &declarations(&style));
                if style.gone() || !style.shows_text() {
                    self.hidden = self.hidden.max(1);
                }
            }
            "background" => {
                self.page = tag.get("color").filter(|_| self.parts.page_colored).and_then(written)
            }
            "tbl" => self.tables.push(Table::default()),
            "tr" => {
                if let Some(table) = self.tables.last_mut() {
                    (table.head, table.hidden) = (false, false);
                    table.cells.clear();
                }
            }
            "tc" => {
                if let Some(table) = self.tables.last_mut() {
                    table.cell = Some(String::new());
                    table.cell_paper = None;
                }
            }
            _ => {}
        }
    }
}

/// What a shape is filled with, as VML writes it: `#069`, `red`, `#4f81bd [3204]`.
fn fill_of(color: &str) -> Color {
    match color.split_whitespace().next() {
        Some(color) if color.starts_with('#') => Color::Written(color.to_owned()),
        _ => Color::Unknown,
    }
}

/// A colour as it is written, without its sign.
fn written(hex: String) -> Option<Color> {
    (hex.len() == 6 && hex.chars().all(|c| c.is_ascii_hexdigit())).then(|| Color::Written(format!("#{hex}")))
}
