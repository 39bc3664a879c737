//! How text looks, as far as it decides whether it can be seen: hidden, tiny, in the colour of what it stands
//! on. The rules are those that decide for HTML; what is not stated in the document is taken to be seen.

use super::xml::Tag;
use kenward_vault::sanitize::markup::{Style, declarations};

/// A colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Color {
    /// Chosen by the program, so that it can be seen.
    Auto,
    /// As written.
    Written(String),
    /// Set somewhere that is not followed, such as a style of a table.
    Unknown,
}

impl Color {
    fn of(value: Option<String>) -> Option<Self> {
        let value = value?;
        let hex = value.len() == 6 && value.chars().all(|c| c.is_ascii_hexdigit());
        Some(if hex { Self::Written(format!("#{value}")) } else { Self::Auto })
    }

    fn highlight(name: &str) -> Self {
        match name {
            "none" => Self::Auto,
            "darkYellow" => Self::Written("#808000".to_owned()),
            name => Self::Written(name.to_ascii_lowercase()),
        }
    }
}

/// What is stated about a run, a style, or what text stands on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Look {
    hidden: Option<bool>,
    half_points: Option<u32>,
    ink: Option<Color>,
    /// What it stands on.
    pub(super) paper: Option<Color>,
}

impl Look {
    /// Takes up one property; gives whether it was one.
    pub(super) fn take(&mut self, name: &str, tag: Tag<'_>) -> bool {
        match name {
            "vanish" => self.hidden = Some(tag.on()),
            "sz" => self.half_points = tag.number(),
            "color" => self.ink = Color::of(tag.val()),
            "highlight" => self.paper = tag.val().as_deref().map(Color::highlight),
            "shd" => self.paper = shading(tag).or(self.paper.take()),
            _ => return false,
        }
        true
    }

    /// This, and what it does not state from what is around it.
    pub(super) fn over(&self, around: &Self) -> Self {
        Self {
            hidden: self.hidden.or(around.hidden),
            half_points: self.half_points.or(around.half_points),
            ink: self.ink.clone().or_else(|| around.ink.clone()),
            paper: self.paper.clone().or_else(|| around.paper.clone()),
        }
    }

    /// Whether a reader does not see text that looks like this.
    pub(super) fn unseen(&self) -> bool {
        if self.hidden == Some(true) {
            return true;
        }
        let mut css = String::new();
        if let Some(half_points) = self.half_points {
            css.push_str(&format!("font-size:{}px;", f64::from(half_points) * 2.0 / 3.0));
        }
        if let Some(Color::Written(ink)) = &self.ink {
            match &self.paper {
                Some(Color::Written(paper)) => {
                    css.push_str(&format!("color:{ink};background-color:{paper};"))
                }
                Some(Color::Auto) | None => css.push_str(&format!("color:{ink};")),
                Some(Color::Unknown) => {}
            }
        }
        !css.is_empty() && !Style::ROOT.inside("span", |_| None, &declarations(&css)).shows_text()
    }
}

/// What a shading puts behind the text; `None` if it says nothing.
fn shading(tag: Tag<'_>) -> Option<Color> {
    if tag.val().as_deref() == Some("solid") {
        return Color::of(tag.get("color"));
    }
    Color::of(tag.get("fill"))
}
