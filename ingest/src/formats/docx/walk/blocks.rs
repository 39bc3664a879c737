//! Blocks: what a paragraph becomes where it ends, and rows of tables. A table within a table is part of the cell
//! that it stands in; it must never give blocks of its own.

use super::super::lists::Label;
use super::super::styles::Role;
use super::{Story, Walk};
use crate::doors::mint;
use crate::formats::{Block, BlockKind};

impl Walk<'_, '_> {
    pub(super) fn give_notes(&mut self) {
        for (number, texts) in std::mem::take(&mut self.waiting) {
            for (at, text) in texts.into_iter().enumerate() {
                let text = if at == 0 { format!("[note {number}] {text}") } else { text };
                self.give(BlockKind::Paragraph, text);
            }
        }
    }

    pub(super) fn end_paragraph(&mut self) {
        self.filling += 1;
        // A code without a result ends with its paragraph: what follows is not lost for it.
        self.fields.retain(|field| field.result.is_some());
        let Some(paragraph) = self.paragraphs.pop() else { return };
        let styles = &self.parts.styles;
        let style = styles.paragraph(paragraph.style.as_deref());
        let role = match paragraph.outline {
            Some(level) if level < 9 => Some(Role::Heading((level + 1).min(6))),
            Some(_) => styles.role(style).filter(|role| !matches!(role, Role::Heading(_))),
            None => styles.role(style),
        };
        let of_style = styles.list(style);
        let level = paragraph.list.level.or(of_style.level).unwrap_or(0);
        let number = paragraph.list.number.or(of_style.number).filter(|number| number != "0");
        let text = paragraph.buffer;
        let label = number.and_then(|number| self.parts.lists.next(&number, level, &mut self.counters));
        if role != Some(Role::Code) || !self.tables.is_empty() {
            self.flush_code();
        }
        if text.trim().is_empty() {
            if role == Some(Role::Code) && !self.code.is_empty() {
                self.code.push('\n');
            }
            return;
        }
        let text = text.trim_end();
        if let Some(cell) = self.tables.last_mut().and_then(|table| table.cell.as_mut()) {
            append(cell, text);
            return;
        }
        if self.story == Story::Margin && paragraph.numbered && letters(text) < 12 {
            return;
        }
        let numbered = |text: &str| match &label {
            Some(Label::Number(number)) => format!("{number} {text}"),
            _ => text.to_owned(),
        };
        match role {
            Some(Role::Contents) => return,
            Some(Role::Code) => {
                self.code.push_str(text);
                self.code.push('\n');
                return;
            }
            Some(Role::Title) => {
                let text = one_line(text);
                self.title.get_or_insert_with(|| text.clone());
                self.give(BlockKind::Heading(1), text);
            }
            Some(Role::Heading(level)) => {
                let text = numbered(&one_line(text));
                if self.first_heading.as_ref().is_none_or(|(first, _)| level < *first) {
                    self.first_heading = Some((level, text.clone()));
                }
                self.give(BlockKind::Heading(level), text);
            }
            None => match &label {
                Some(Label::Bullet | Label::Number(_)) => {
                    let bullet = if label == Some(Label::Bullet) { "- " } else { "" };
                    let indent = "  ".repeat(level.min(8));
                    self.give(
                        BlockKind::ListItem,
                        format!("{indent}{bullet}{}", numbered(text.trim_start())),
                    );
                }
                Some(Label::Nothing) | None => self.give(BlockKind::Paragraph, text.to_owned()),
            },
        }
        if self.tables.is_empty() && self.outside.is_empty() {
            self.give_notes();
        }
    }

    pub(super) fn end_row(&mut self) {
        let depth = self.tables.len();
        let Some(table) = self.tables.last_mut() else { return };
        let cells = std::mem::take(&mut table.cells);
        let first = table.rows == 0;
        table.rows += 1;
        if table.hidden || cells.iter().all(|cell| cell.trim().is_empty()) {
            return;
        }
        let short =
            cells.len() > 1 && cells.iter().all(|cell| !cell.is_empty() && cell.chars().count() <= 60);
        let head = table.head || (first && table.first_is_head && short);
        let text = cells.join(" | ");
        let outer = depth.checked_sub(2).and_then(|at| self.tables.get_mut(at)).and_then(|t| t.cell.as_mut());
        if let Some(cell) = outer {
            append(cell, &text);
            return;
        }
        self.give(if head { BlockKind::TableHead } else { BlockKind::TableRow }, text);
    }

    pub(super) fn flush_code(&mut self) {
        let code = std::mem::take(&mut self.code);
        if !code.trim().is_empty() {
            self.give(BlockKind::Code, code.trim_end().to_owned());
        }
    }

    fn give(&mut self, kind: BlockKind, text: String) {
        self.given += 1;
        (self.sink)(Block { kind, page: None, text: mint(text) });
    }
}

fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphabetic()).count()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn append(cell: &mut String, text: &str) {
    for word in text.split_whitespace() {
        if !cell.is_empty() {
            cell.push(' ');
        }
        cell.push_str(word);
    }
}
