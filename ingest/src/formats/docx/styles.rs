//! The styles of a document: which paragraphs are headings, how text looks, and what is code. A style that is
//! based on itself must not keep anybody busy.

use super::look::{Color, Look};
use super::xml::{Xml, read};
use crate::formats::FailReason;
use std::collections::HashMap;

/// Styles based on styles are followed so far.
const MOST_BASED: usize = 20;

/// What a paragraph is by its style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The document's title.
    Title,
    /// A heading of a level from 1.
    Heading(u8),
    /// Text whose line breaks count.
    Code,
    /// An entry of a table of contents.
    Contents,
}

/// The list that a paragraph belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct InList {
    pub(super) number: Option<String>,
    pub(super) level: Option<usize>,
}

#[derive(Debug, Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    look: Look,
    list: InList,
    /// A part of a table has a colour behind it.
    shaded: bool,
}

/// All styles.
#[derive(Debug, Default)]
pub(super) struct Styles {
    by_id: HashMap<String, Style>,
    /// Of paragraphs that name none.
    paragraph: Option<String>,
    defaults: Look,
}

impl Styles {
    pub(super) fn of(source: &str) -> Result<Self, FailReason> {
        let mut styles = Self::default();
        let mut open: Option<(String, Style)> = None;
        let mut within: Vec<String> = Vec::new();
        read(source, |xml| {
            match xml {
                Xml::Open(name, tag) => {
                    let parent = within.last().map_or("", String::as_str);
                    match (name, open.as_mut()) {
                        ("style", _) => {
                            let id = tag.get("styleId").unwrap_or_default();
                            let default = matches!(tag.get("default").as_deref(), Some("1" | "true" | "on"));
                            if default && tag.get("type").as_deref() == Some("paragraph") {
                                styles.paragraph = Some(id.clone());
                            }
                            open = Some((id, Style::default()));
                        }
                        ("name", Some((_, style))) => style.name = tag.val().unwrap_or_default(),
                        ("basedOn", Some((_, style))) => style.based_on = tag.val(),
                        ("outlineLvl", Some((_, style))) => style.outline = tag.number(),
                        ("numId", Some((_, style))) => style.list.number = tag.val(),
                        ("ilvl", Some((_, style))) => style.list.level = tag.number(),
                        ("shd", Some((_, style))) if parent == "tcPr" || parent == "tblPr" => {
                            let mut look = Look::default();
                            look.take(name, tag);
                            style.shaded |= matches!(look.paper, Some(Color::Written(_)));
                        }
                        // What stands in a part of a table alone is not followed.
                        (_, Some((_, style)))
                            if matches!(parent, "rPr" | "pPr")
                                && !within.iter().any(|name| name == "tblStylePr") =>
                        {
                            style.look.take(name, tag);
                        }
                        (_, None) if parent == "rPr" => {
                            styles.defaults.take(name, tag);
                        }
                        _ => {}
                    }
                    within.push(name.to_owned());
                }
                Xml::Close(name) => {
                    within.pop();
                    if name == "style"
                        && let Some((id, style)) = open.take()
                    {
                        styles.by_id.insert(id, style);
                    }
                }
                Xml::Text(_) => {}
            }
            Ok(())
        })?;
        Ok(styles)
    }

    /// A style and those that it is based on, nearest first.
    fn chain<'s>(&'s self, id: Option<&'s str>) -> impl Iterator<Item = &'s Style> {
        let mut next = id;
        std::iter::from_fn(move || {
            let style = self.by_id.get(next?)?;
            next = style.based_on.as_deref();
            Some(style)
        })
        .take(MOST_BASED)
    }

    /// The style of a paragraph that may name one.
    pub(super) fn paragraph<'s>(&'s self, named: Option<&'s str>) -> Option<&'s str> {
        named.or(self.paragraph.as_deref())
    }

    /// How text looks in a paragraph of one style, and in a run that may have another.
    pub(super) fn look(&self, paragraph: Option<&str>, run: Option<&str>) -> Look {
        let both = self.chain(run).chain(self.chain(paragraph));
        both.fold(Look::default(), |look, style| look.over(&style.look)).over(&self.defaults)
    }

    /// What a paragraph of this style is.
    pub(super) fn role(&self, id: Option<&str>) -> Option<Role> {
        self.chain(id).find_map(|style| {
            let name = style.name.to_lowercase();
            let level = name.strip_prefix("heading ").and_then(|level| level.trim().parse::<u8>().ok());
            let outline = style.outline.filter(|level| *level < 9).map(|level| level + 1);
            match (level, outline) {
                (Some(level), _) | (None, Some(level)) => Some(Role::Heading(level.clamp(1, 6))),
                (None, None) => match name.as_str() {
                    "title" => Some(Role::Title),
                    "source code" | "html preformatted" | "code" | "code block" | "macro" => Some(Role::Code),
                    name if name.strip_prefix("toc ").is_some_and(|n| n.parse::<u8>().is_ok()) => {
                        Some(Role::Contents)
                    }
                    _ => None,
                },
            }
        })
    }

    /// The list that paragraphs of this style belong to.
    pub(super) fn list(&self, id: Option<&str>) -> InList {
        self.chain(id).fold(InList::default(), |list, style| InList {
            number: list.number.or_else(|| style.list.number.clone()),
            level: list.level.or(style.list.level),
        })
    }

    /// Whether a table of this style has colours behind parts of it.
    pub(super) fn shaded(&self, id: &str) -> bool {
        self.chain(Some(id)).any(|style| style.shaded)
    }
}
