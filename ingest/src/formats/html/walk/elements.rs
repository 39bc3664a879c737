//! What each element does where it begins and where it ends. It must never decide what is hidden: an element
//! that is out of sight with all that is in it never gets here.

use super::Walk;
use super::blocks::Table;
use super::inline::Anchor;
use crate::formats::links::url_of;
use kenward_vault::sanitize::markup::{Shape, shape};
use scraper::node::Element;

/// Whether the element begins and ends a block. A break is a line within one.
fn is_block(name: &str) -> bool {
    shape(name) == Some(Shape::Block) && name != "br"
}

impl Walk<'_, '_> {
    pub(super) fn enter(&mut self, name: &str, element: &Element) {
        if is_block(name) {
            self.flush();
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.heading = name.strip_prefix('h').and_then(|level| level.parse().ok());
            }
            "pre" => self.pre += 1,
            "ul" | "menu" => self.lists.push(None),
            "ol" => {
                let start = element.attr("start").and_then(|start| start.parse().ok()).unwrap_or(1);
                self.lists.push(Some(start));
            }
            "li" => {
                self.items += 1;
                self.bullet = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let bullet = format!("{number}. ");
                        *number = number.saturating_add(1);
                        bullet
                    }
                    Some(None) | None => "- ".to_owned(),
                });
            }
            "br" => self.buffer.push('\n'),
            "code" | "kbd" | "samp" | "tt" if self.pre == 0 && self.style().shows_text() => {
                self.buffer.push('`')
            }
            "a" if self.pre == 0 => {
                let url = element.attr("href").map(url_of).unwrap_or_default();
                self.anchors.push(Anchor { filling: self.filling, from: self.buffer.len(), url });
            }
            "img" if self.style().shows_text() => self.image(element),
            "table" => {
                self.flush();
                self.tables.push(Table::default());
            }
            "tr" => {
                self.flush();
                if let Some(table) = self.tables.last_mut() {
                    table.cells.clear();
                    table.only_th = true;
                }
            }
            "thead" => {
                if let Some(table) = self.tables.last_mut() {
                    table.head = true;
                }
            }
            "td" | "th" => {
                self.flush();
                if let Some(table) = self.tables.last_mut() {
                    table.only_th &= name == "th";
                    table.cell = Some(String::new());
                }
            }
            _ => {}
        }
    }

    pub(super) fn leave(&mut self, name: &str) {
        if is_block(name) {
            self.flush();
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading = None,
            "pre" => self.pre = self.pre.saturating_sub(1),
            "ul" | "ol" | "menu" => {
                self.lists.pop();
            }
            "li" => {
                self.items = self.items.saturating_sub(1);
                self.bullet = None;
            }
            "code" | "kbd" | "samp" | "tt" if self.pre == 0 && self.style().shows_text() => {
                self.buffer.push('`')
            }
            "a" if self.pre == 0 => self.anchor(),
            "table" => {
                self.flush();
                self.tables.pop();
            }
            "thead" => {
                if let Some(table) = self.tables.last_mut() {
                    table.head = false;
                }
            }
            "td" | "th" => {
                self.flush();
                if let Some(table) = self.tables.last_mut()
                    && let Some(cell) = table.cell.take()
                {
                    table.cells.push(cell);
                }
            }
            "tr" => self.row(),
            _ => {}
        }
    }
}
