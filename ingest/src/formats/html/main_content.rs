//! What of a page is its own, and what stands on every page of its site: navigation, headers and footers of the
//! site, asides, notices about cookies. It goes by elements, roles and names, and where it would leave hardly
//! anything, nothing is left out: a page that is one list of links is that list. It must never decide what is
//! hidden, and never recurse.

use super::css::NodeId;
use ego_tree::iter::Edge;
use kenward_vault::sanitize::markup::{Shape, shape};
use scraper::node::Element;
use scraper::{Html as Tree, Node};
use std::collections::HashSet;

/// What is left must have one part in so many of the page's text, or [`ENOUGH`] characters.
const LEAST_SHARE: usize = 10;
const ENOUGH: usize = 250;
/// The main part is taken for the whole if it has one part in so many of the text.
const MAIN_SHARE: usize = 4;
/// A notice is not longer than this, and not more than one part in so many of the page.
const NOTICE_MAX: usize = 2_000;
const NOTICE_SHARE: usize = 3;

/// What an element is for a site.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Links to other pages.
    Navigation,
    /// A header of the site, unless the page's own heading stands in it.
    Header,
    /// What stands beside the page's text or below it.
    Beside,
    /// A notice about cookies, if it is short.
    Notice,
    /// The text of the page.
    Main,
    /// A piece of text that stands for itself.
    Article,
    /// Anything else.
    Plain,
}

/// An element that is open.
struct Frame {
    id: NodeId,
    part: Part,
    text: usize,
    dropped: usize,
    section: bool,
    heading: bool,
    unseen: bool,
}

/// What there is of the elements that may be the main part.
struct Candidate {
    id: NodeId,
    text: usize,
    kept: usize,
    heading: bool,
}

/// The elements that are left out with all that is in them.
pub(super) fn beside(tree: &Tree) -> HashSet<NodeId> {
    let mut reading = Reading::default();
    for edge in tree.tree.root().traverse() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Element(element) => reading.open(node.id(), element),
                Node::Text(text) => reading.text(text),
                _ => {}
            },
            Edge::Close(node) if node.value().is_element() => reading.close(),
            Edge::Close(_) => {}
        }
    }
    reading.decide(tree)
}

#[derive(Default)]
struct Reading {
    open: Vec<Frame>,
    /// Open elements that are parts of the page itself: what is a header in one is not the site's.
    sections: usize,
    total: usize,
    dropped: usize,
    found: HashSet<NodeId>,
    notices: Vec<(NodeId, usize)>,
    mains: Vec<Candidate>,
    articles: Vec<Candidate>,
}

impl Reading {
    fn open(&mut self, id: NodeId, element: &Element) {
        let part = part_of(element);
        let part = match part {
            Part::Header | Part::Beside | Part::Article if self.sections > 0 => Part::Plain,
            part => part,
        };
        let section = is_section(element.name(), part);
        self.sections += usize::from(section);
        let unseen = self.open.last().is_some_and(|frame| frame.unseen)
            || shape(element.name()) == Some(Shape::Unseen)
            || matches!(element.name(), "head" | "title" | "select" | "map");
        let heading = element.name() == "h1";
        self.open.push(Frame { id, part, text: 0, dropped: 0, section, heading, unseen });
    }

    fn text(&mut self, text: &str) {
        if let Some(frame) = self.open.last_mut().filter(|frame| !frame.unseen) {
            frame.text += text.chars().filter(|c| !c.is_whitespace()).count();
        }
    }

    fn close(&mut self) {
        let Some(frame) = self.open.pop() else { return };
        let Frame { id, part, text, mut dropped, section, heading, .. } = frame;
        self.sections -= usize::from(section);
        let candidate = || Candidate { id, text, kept: text - dropped, heading };
        match part {
            Part::Main => self.mains.push(candidate()),
            Part::Article => self.articles.push(candidate()),
            Part::Notice => self.notices.push((id, text - dropped)),
            Part::Navigation | Part::Beside | Part::Header | Part::Plain => {}
        }
        let leaves = matches!(part, Part::Navigation | Part::Beside) || (part == Part::Header && !heading);
        if leaves {
            dropped = text;
            self.found.insert(id);
        }
        match self.open.last_mut() {
            Some(around) => {
                around.text += text;
                around.dropped += dropped;
                around.heading |= heading;
            }
            None => (self.total, self.dropped) = (self.total + text, self.dropped + dropped),
        }
    }

    fn decide(mut self, tree: &Tree) -> HashSet<NodeId> {
        for (id, text) in std::mem::take(&mut self.notices) {
            if text <= NOTICE_MAX && text * NOTICE_SHARE <= self.total {
                self.found.insert(id);
                self.dropped += text;
            }
        }
        let mut kept = self.total.saturating_sub(self.dropped);
        let one = |of: &[Candidate]| of.len() == 1;
        let main = if one(&self.mains) {
            self.mains.pop()
        } else {
            self.articles.pop().filter(|_| self.articles.is_empty())
        };
        if let Some(main) = main.filter(|main| main.text * MAIN_SHARE >= self.total && main.kept > 0) {
            self.around(tree, &main);
            kept = main.kept;
        }
        if kept * LEAST_SHARE >= self.total || kept >= ENOUGH { self.found } else { HashSet::new() }
    }

    /// Leaves out what stands around the main part, but for the page's heading if that is not in it.
    fn around(&mut self, tree: &Tree, main: &Candidate) {
        let Some(mut at) = tree.tree.get(main.id) else { return };
        while let Some(parent) = at.parent() {
            let body = parent.value().as_element().is_some_and(|element| element.name() == "html");
            if body {
                break;
            }
            for beside in
                parent.children().filter(|child| child.id() != at.id() && child.value().is_element())
            {
                let heads = || {
                    beside
                        .descendants()
                        .any(|below| below.value().as_element().is_some_and(|e| e.name() == "h1"))
                };
                if main.heading || !heads() {
                    self.found.insert(beside.id());
                }
            }
            at = parent;
        }
    }
}

/// Whether what is in the element is a piece of the page, headers and asides included.
fn is_section(name: &str, part: Part) -> bool {
    let piece = matches!(name, "section" | "blockquote" | "details" | "fieldset" | "figure" | "td" | "li");
    piece || matches!(part, Part::Main | Part::Article)
}

fn part_of(element: &Element) -> Part {
    let role = element.attr("role").unwrap_or_default().trim().to_ascii_lowercase();
    match role.as_str() {
        "navigation" | "search" | "menu" | "menubar" => return Part::Navigation,
        "banner" => return Part::Header,
        "contentinfo" | "complementary" => return Part::Beside,
        "main" => return Part::Main,
        "article" => return Part::Article,
        _ => {}
    }
    match element.name() {
        "nav" => Part::Navigation,
        "header" => Part::Header,
        "footer" | "aside" => Part::Beside,
        "main" => Part::Main,
        "article" => Part::Article,
        "div" | "section" | "form" | "dialog" if is_notice(element) => Part::Notice,
        _ => Part::Plain,
    }
}

/// Whether its names say that it is about cookies.
fn is_notice(element: &Element) -> bool {
    let names = [element.attr("id"), element.attr("class"), element.attr("aria-label")];
    names.into_iter().flatten().any(|names| {
        let names = names.to_ascii_lowercase();
        let mut words = names.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| {
            matches!(word, "cookie" | "cookies" | "consent" | "gdpr" | "cookiebanner" | "cookieconsent")
        })
    })
}
