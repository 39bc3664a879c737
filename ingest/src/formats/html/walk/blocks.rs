//! Blocks: what the buffer becomes where a block ends, and rows of tables. A table within a table is part
//! of the cell that it stands in; it must never give blocks of its own.

use super::Walk;
use crate::doors::mint;
use crate::formats::{Block, BlockKind};

/// One table being read.
#[derive(Default)]
pub(super) struct Table {
    pub(super) cells: Vec<String>,
    pub(super) cell: Option<String>,
    pub(super) head: bool,
    pub(super) only_th: bool,
}

impl Walk<'_, '_> {
    /// Ends a row: a block of its own, or part of the cell that the table stands in.
    pub(super) fn row(&mut self) {
        self.flush();
        let depth = self.tables.len();
        let Some(table) = self.tables.last_mut() else { return };
        let cells = std::mem::take(&mut table.cells);
        let head = table.head || (table.only_th && !cells.is_empty());
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return;
        }
        let text = cells.join(" | ");
        let outer = depth.checked_sub(2).and_then(|at| self.tables.get_mut(at)).and_then(|t| t.cell.as_mut());
        if let Some(cell) = outer {
            append(cell, &text);
            return;
        }
        self.give(if head { BlockKind::TableHead } else { BlockKind::TableRow }, text);
    }

    /// Ends the running text.
    pub(super) fn flush(&mut self) {
        self.filling += 1;
        if self.buffer.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.buffer);
        if self.pre > 0 {
            let text = text.trim_matches('\n').trim_end();
            if let Some(cell) = self.tables.last_mut().and_then(|table| table.cell.as_mut()) {
                append(cell, text);
            } else if !text.trim().is_empty() {
                self.give(BlockKind::Code, text.to_owned());
            }
            return;
        }
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(cell) = self.tables.last_mut().and_then(|table| table.cell.as_mut()) {
            append(cell, text);
        } else if let Some(level) = self.heading {
            let text = text.replace('\n', " ");
            if self.first_heading.as_ref().is_none_or(|(first, _)| level < *first) {
                self.first_heading = Some((level, text.clone()));
            }
            self.give(BlockKind::Heading(level), text);
        } else if self.items > 0 {
            let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(8));
            let bullet = self.bullet.take().unwrap_or_else(|| "  ".to_owned());
            self.give(BlockKind::ListItem, format!("{indent}{bullet}{text}"));
        } else {
            self.give(BlockKind::Paragraph, text.to_owned());
        }
    }

    fn give(&mut self, kind: BlockKind, text: String) {
        (self.sink)(Block { kind, page: None, text: mint(text) });
    }
}

fn append(cell: &mut String, text: &str) {
    for word in text.split_whitespace() {
        if !cell.is_empty() {
            cell.push(' ');
        }
        cell.push_str(word);
    }
}
