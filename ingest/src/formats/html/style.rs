//! The style of an element as far as it decides whether text in it can be seen: inherited values, and
//! whether the element takes its whole subtree out of sight.

use super::color::{BLACK, Color, WHITE};
use super::css::Declaration;
use scraper::node::Element;

/// Text smaller than this cannot be read.
const TINY_PX: f32 = 2.5;
/// Farther from the page than this is off it.
const FAR_PX: f32 = -400.0;

/// Inherited values at one place of the tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    color: Color,
    background: Color,
    visible: bool,
    font_px: f32,
    /// The whole subtree is out of sight, whatever is set below.
    pub gone: bool,
}

impl Style {
    pub(super) const ROOT: Self =
        Self { color: BLACK, background: WHITE, visible: true, font_px: 16.0, gone: false };

    /// Whether text directly here can be seen.
    pub(super) fn shows_text(&self) -> bool {
        self.visible && self.font_px >= TINY_PX && !self.color.lost_on(self.background) && !self.gone
    }

    /// The style inside this element.
    pub(super) fn inside(mut self, element: &Element, sheet: &[Declaration]) -> Self {
        let own = element.attr("style").map(super::css::declarations).unwrap_or_default();
        let mut set = Declared::default();
        if let Some(color) = element.attr("color").and_then(|color| Color::parse(&color.to_ascii_lowercase()))
        {
            self.color = color;
        }
        if let Some(color) =
            element.attr("bgcolor").and_then(|color| Color::parse(&color.to_ascii_lowercase()))
        {
            self.background = color;
        }
        for (name, value) in sheet.iter().chain(&own) {
            self.apply(name, value, &mut set);
        }
        let hidden_by_attribute = element.attr("hidden").is_some()
            || (element.name() == "dialog" && element.attr("open").is_none())
            || (element.name() == "input" && element.attr("type") == Some("hidden"));
        self.gone = self.gone || hidden_by_attribute || set.hides();
        self
    }

    fn apply(&mut self, name: &str, value: &str, set: &mut Declared) {
        match name {
            "display" => set.no_display = value == "none",
            "visibility" => self.visible = !matches!(value, "hidden" | "collapse"),
            "opacity" => set.transparent = fraction(value).is_some_and(|opacity| opacity < 0.06),
            "font-size" => self.font_px = length(value, self.font_px).unwrap_or(self.font_px),
            "font" => {
                let size = value.split_whitespace().find_map(|part| {
                    let part = part.split('/').next().unwrap_or_default();
                    part.ends_with(|c: char| c.is_ascii_alphabetic() || c == '%')
                        .then(|| length(part, self.font_px))?
                });
                self.font_px = size.unwrap_or(self.font_px);
            }
            "color" => self.color = Color::parse(value).unwrap_or(self.color),
            "background" | "background-color" => {
                // A picture or gradient may be any colour: only a plain colour counts.
                let plain = Color::parse(value).or_else(|| value.split_whitespace().find_map(Color::parse));
                if let Some(color) = plain.filter(|color| color.alpha > 0.5) {
                    self.background = color;
                }
            }
            "position" => set.positioned = matches!(value, "absolute" | "fixed" | "relative"),
            "left" | "top" | "right" | "bottom" => set.far |= far(value),
            "text-indent" | "margin-left" => set.indented = far(value),
            "clip" | "clip-path" => set.clipped = clips_all(value),
            "transform" => set.transformed = value.contains("scale(0)") || translates_far(value),
            "width" => set.narrow = length(value, 16.0).is_some_and(|px| px <= 1.0),
            "height" | "max-height" => set.low = length(value, 16.0).is_some_and(|px| px <= 1.0),
            "overflow" => set.cut = matches!(value, "hidden" | "clip"),
            _ => {}
        }
    }
}

/// What the declarations of one element say together.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent property of CSS")]
struct Declared {
    no_display: bool,
    transparent: bool,
    positioned: bool,
    far: bool,
    indented: bool,
    clipped: bool,
    transformed: bool,
    narrow: bool,
    low: bool,
    cut: bool,
}

impl Declared {
    fn hides(&self) -> bool {
        self.no_display
            || self.transparent
            || (self.positioned && (self.far || self.clipped))
            || self.indented
            || self.transformed
            || (self.cut && (self.narrow || self.low))
    }
}

fn fraction(value: &str) -> Option<f32> {
    match value.strip_suffix('%') {
        Some(percent) => percent.parse::<f32>().ok().map(|value| value / 100.0),
        None => value.parse().ok(),
    }
}

/// A length in pixels; `em` and `%` relative to `base`.
fn length(value: &str, base: f32) -> Option<f32> {
    let digits =
        value.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let number: f32 = number.parse().ok()?;
    let factor = match unit.trim() {
        "" | "px" => 1.0,
        "em" => base,
        "rem" => 16.0,
        "%" => base / 100.0,
        "pt" => 4.0 / 3.0,
        "pc" => 16.0,
        "in" => 96.0,
        "cm" => 96.0 / 2.54,
        "mm" => 9.6 / 2.54,
        "ex" | "ch" => base / 2.0,
        "vw" | "vh" => 10.0,
        _ => return None,
    };
    Some(number * factor)
}

fn far(value: &str) -> bool {
    // A percentage is of the page: −100 % is off it.
    match value.strip_suffix('%') {
        Some(percent) => percent.parse::<f32>().is_ok_and(|percent| percent <= -100.0),
        None => length(value, 16.0).is_some_and(|px| px <= FAR_PX || px >= 20_000.0),
    }
}

fn clips_all(value: &str) -> bool {
    let numbers: Vec<f32> = value
        .split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-')))
        .filter_map(|part| part.parse().ok())
        .collect();
    if value.starts_with("rect(") {
        return !numbers.is_empty() && numbers.iter().all(|side| side.abs() <= 1.0);
    }
    (value.starts_with("inset(") && numbers.iter().any(|side| *side >= 50.0))
        || (value.starts_with("circle(0"))
        || value.starts_with("polygon(0 0, 0 0")
}

fn translates_far(value: &str) -> bool {
    value.contains("translate")
        && value
            .split(['(', ',', ')', ' '])
            .any(|part| part.starts_with('-') && length(part, 16.0).is_some_and(|px| px <= FAR_PX))
}
