//! The parts of a document and how they refer to each other. It must never unpack more of one than the limit,
//! and never follow a reference out of the file.

use super::lists::Lists;
use super::styles::Styles;
use super::xml::{Xml, read};
use crate::formats::{FailReason, Meta, package::Package, text};
use std::collections::HashMap;

/// A part may have this many bytes.
const PART_MAX: u64 = 128 << 20;

/// A reference from one part to another, or out of the document.
#[derive(Debug, Clone, Default)]
pub(super) struct Relation {
    /// The last word of its type: `hyperlink`, `header`, `styles`.
    pub(super) kind: String,
    pub(super) target: String,
    pub(super) external: bool,
}

/// References by their ids, and in their order.
#[derive(Debug, Default)]
pub(super) struct Relations {
    by_id: HashMap<String, Relation>,
    order: Vec<String>,
}

impl Relations {
    fn of(source: &str) -> Result<Self, FailReason> {
        let mut relations = Self::default();
        read(source, |xml| {
            if let Xml::Open("Relationship", tag) = xml {
                let kind = tag.get("Type").unwrap_or_default();
                let relation = Relation {
                    kind: kind.rsplit('/').next().unwrap_or_default().to_owned(),
                    target: tag.get("Target").unwrap_or_default(),
                    external: tag.get("TargetMode").as_deref() == Some("External"),
                };
                let id = tag.get("Id").unwrap_or_default();
                relations.order.push(id.clone());
                relations.by_id.insert(id, relation);
            }
            Ok(())
        })?;
        Ok(relations)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Relation> {
        self.by_id.get(id)
    }

    /// Targets within the document, of one kind.
    pub(super) fn targets<'r>(&'r self, kind: &'r str) -> impl Iterator<Item = &'r str> {
        let all = self.order.iter().filter_map(|id| self.by_id.get(id));
        all.filter(move |relation| relation.kind == kind && !relation.external)
            .map(|relation| relation.target.as_str())
    }
}

/// What the text of a document needs besides itself.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) styles: Styles,
    pub(super) lists: Lists,
    /// The page has the colour that the document states.
    pub(super) page_colored: bool,
}

/// An open document.
pub(super) struct Opened<'a> {
    package: Package<'a>,
    /// Name of the part with the text.
    main: String,
    pub(super) relations: Relations,
}

impl<'a> Opened<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, FailReason> {
        let package = Package::open(bytes)?;
        if package.overlaps(&package.members()?) {
            return Err(FailReason::Expands);
        }
        let mut opened =
            Self { package, main: "word/document.xml".to_owned(), relations: Relations::default() };
        let roots = opened.relations_of("")?;
        if let Some(main) = roots.targets("officeDocument").next() {
            opened.main = main.trim_start_matches('/').to_owned();
        }
        opened.relations = opened.relations_of(&opened.main)?;
        Ok(opened)
    }

    /// A part as text.
    fn text(&self, name: &str) -> Result<Option<String>, FailReason> {
        let Some(bytes) = self.package.part(name, PART_MAX)? else { return Ok(None) };
        String::from_utf8(bytes)
            .or_else(|error| text::decode(error.as_bytes(), &mut Meta::default()))
            .map(Some)
    }

    /// The text of the document.
    pub(super) fn main(&self) -> Result<String, FailReason> {
        self.text(&self.main)?.ok_or(FailReason::Broken)
    }

    /// Parts of one kind that the text refers to, each with its own references.
    pub(super) fn of_kind(&self, kind: &str) -> Result<Vec<(String, Relations)>, FailReason> {
        let mut found = Vec::new();
        for target in self.relations.targets(kind) {
            let name = self.beside_main(target);
            if let Some(text) = self.text(&name)? {
                found.push((text, self.relations_of(&name)?));
            }
        }
        Ok(found)
    }

    /// What decides how the text is read.
    pub(super) fn parts(&self) -> Result<Parts, FailReason> {
        let first = |kind| Ok(self.of_kind(kind)?.into_iter().next().map(|(text, _)| text));
        let styles: Option<String> = first("styles")?;
        let lists: Option<String> = first("numbering")?;
        let settings: Option<String> = first("settings")?;
        Ok(Parts {
            styles: styles.map_or_else(|| Ok(Styles::default()), |text| Styles::of(&text))?,
            lists: lists.map_or_else(|| Ok(Lists::default()), |text| Lists::of(&text))?,
            page_colored: settings.is_some_and(|text| text.contains("displayBackgroundShape")),
        })
    }

    /// Title and time of the last change, as the document states them.
    pub(super) fn core(&self) -> Result<(Option<String>, Option<String>), FailReason> {
        let roots = self.relations_of("")?;
        let name = roots.targets("core-properties").next().unwrap_or("docProps/core.xml");
        let Some(source) = self.text(name)? else { return Ok((None, None)) };
        let (mut title, mut modified) = (String::new(), String::new());
        let mut within = String::new();
        let reading = read(&source, |xml| {
            match xml {
                Xml::Open(name, _) => name.clone_into(&mut within),
                Xml::Close(_) => within.clear(),
                Xml::Text(text) if within == "title" => title.push_str(text),
                Xml::Text(text) if within == "modified" => modified.push_str(text),
                Xml::Text(_) => {}
            }
            Ok(())
        });
        // A document is not lost for its properties.
        Ok(if reading.is_ok() { (Some(title), Some(modified)) } else { (None, None) })
    }

    fn relations_of(&self, part: &str) -> Result<Relations, FailReason> {
        let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let source = self.text(&format!("{folder}_rels/{name}.rels"))?;
        source.map_or_else(|| Ok(Relations::default()), |source| Relations::of(&source))
    }

    fn beside_main(&self, target: &str) -> String {
        if let Some(absolute) = target.strip_prefix('/') {
            return absolute.to_owned();
        }
        let mut folders: Vec<&str> = self.main.split('/').collect();
        folders.pop();
        for part in target.split('/') {
            match part {
                "." | "" => {}
                ".." => drop(folders.pop()),
                part => folders.push(part),
            }
        }
        folders.join("/")
    }
}
