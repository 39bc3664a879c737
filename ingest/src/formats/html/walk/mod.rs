//! The walk: open and close edges of the tree in order, one buffer of running text, flushed as a block
//! where a block begins or ends. It must never recurse, and never put out text that its style hides.

mod blocks;
mod elements;
mod inline;
#[cfg(test)]
mod tests;

use super::css::{NodeId, Sheet};
use crate::doors::mint;
use crate::formats::{Meta, Signal, Sink};
use blocks::Table;
use ego_tree::NodeRef;
use ego_tree::iter::Edge;
use inline::Anchor;
use kenward_vault::sanitize::markup::{Shape, Style, shape};
use scraper::{Html as Tree, Node};
use std::collections::HashSet;

/// Elements that a reader sees but does not read: what is there to choose from.
const CHOICES: [&str; 2] = ["map", "select"];

pub(super) struct Walk<'a, 's> {
    sheet: &'a Sheet,
    beside: &'a HashSet<NodeId>,
    rendered: bool,
    meta: &'a mut Meta,
    sink: &'a mut Sink<'s>,
    styles: Vec<Style>,
    buffer: String,
    filling: u64,
    heading: Option<u8>,
    pre: usize,
    lists: Vec<Option<u64>>,
    bullet: Option<String>,
    items: usize,
    tables: Vec<Table>,
    anchors: Vec<Anchor>,
    title: String,
    first_heading: Option<(u8, String)>,
}

impl<'a, 's> Walk<'a, 's> {
    pub(super) fn new(
        sheet: &'a Sheet,
        beside: &'a HashSet<NodeId>,
        rendered: bool,
        meta: &'a mut Meta,
        sink: &'a mut Sink<'s>,
    ) -> Self {
        Self {
            sheet,
            beside,
            rendered,
            meta,
            sink,
            styles: vec![Style::ROOT],
            buffer: String::new(),
            filling: 0,
            heading: None,
            pre: 0,
            lists: Vec::new(),
            bullet: None,
            items: 0,
            tables: Vec::new(),
            anchors: Vec::new(),
            title: String::new(),
            first_heading: None,
        }
    }

    pub(super) fn run(mut self, tree: &Tree) {
        let mut skip = None;
        for edge in tree.tree.root().traverse() {
            match edge {
                Edge::Open(node) if skip.is_none() => {
                    if !self.open(node) {
                        skip = Some(node.id());
                    }
                }
                Edge::Close(node) if skip == Some(node.id()) => skip = None,
                Edge::Close(node) if skip.is_none() => self.close(node),
                Edge::Open(_) | Edge::Close(_) => {}
            }
        }
        self.flush();
        let title = self.title.split_whitespace().collect::<Vec<_>>().join(" ");
        let title = if title.is_empty() { self.first_heading.map(|(_, text)| text) } else { Some(title) };
        self.meta.title = title.map(mint);
    }

    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or(Style::ROOT)
    }

    /// Enters a node; `false` = its subtree is not walked.
    fn open(&mut self, node: NodeRef<'_, Node>) -> bool {
        match node.value() {
            Node::Text(text) => self.text(text),
            Node::Comment(_) => self.meta.count(Signal::Comments, 1),
            Node::Element(element) => {
                let name = element.name();
                if name == "title" {
                    if self.title.is_empty() {
                        self.title =
                            node.children().filter_map(|c| c.value().as_text()).map(|t| &**t).collect();
                    }
                    return false;
                }
                let beside = self.beside.contains(&node.id()) || (self.rendered && name == "nav");
                if shape(name) == Some(Shape::Unseen) || CHOICES.contains(&name) || beside {
                    return false;
                }
                let style = self.style().inside(name, |name| element.attr(name), self.sheet.get(node.id()));
                if style.gone() {
                    self.meta.count(Signal::HiddenText, texts_below(node));
                    return false;
                }
                self.styles.push(style);
                self.enter(name, element);
            }
            Node::Document | Node::Fragment | Node::Doctype(_) | Node::ProcessingInstruction(_) => {}
        }
        true
    }

    fn close(&mut self, node: NodeRef<'_, Node>) {
        if let Some(element) = node.value().as_element() {
            self.leave(element.name());
            self.styles.pop();
        }
    }
}

/// How many runs of text stand below this node.
fn texts_below(node: NodeRef<'_, Node>) -> u64 {
    let texts = node
        .descendants()
        .filter(|below| below.value().as_text().is_some_and(|text| !text.trim().is_empty()));
    texts.count() as u64
}
