//! The style of an element as far as it decides whether text in it can be seen: inherited values, and
//! whether the element takes its whole subtree out of sight. It must never need more of a document than the
//! element's own name, attributes and declarations, and the style around it.

use super::color::Paint;
use super::declarations::{Declaration, Property, declarations};

/// Text smaller than this cannot be read.
const TINY_PX: f32 = 2.5;
/// Farther from the page than this is off it.
const FAR_PX: f32 = -400.0;
/// What lets less through than this is not there.
const FAINT: f32 = 0.06;

/// Inherited values at one place of the tree.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    ink: Paint,
    /// Fills letters in place of the colour of the text, if it is set.
    fill: Option<Paint>,
    paper: Paint,
    visible: bool,
    font_px: f32,
    opacity: f32,
    gone: bool,
}

impl Style {
    /// Black on white, and all of it seen.
    pub const ROOT: Self = Self {
        ink: Paint::INK,
        fill: None,
        paper: Paint::PAPER,
        visible: true,
        font_px: 16.0,
        opacity: 1.0,
        gone: false,
    };

    /// Whether the whole subtree is out of sight, whatever is set below.
    #[must_use]
    pub fn gone(&self) -> bool {
        self.gone
    }

    /// Whether text directly here can be seen.
    #[must_use]
    pub fn shows_text(&self) -> bool {
        let ink = self.fill.unwrap_or(self.ink);
        self.visible && self.font_px >= TINY_PX && !ink.lost_on(self.paper) && !self.gone
    }

    /// The style inside an element, of its name (in lower case), its attributes, and what style sheets
    /// declare for it.
    #[must_use]
    pub fn inside<'e>(
        mut self,
        name: &str,
        attribute: impl Fn(&str) -> Option<&'e str>,
        sheet: &[Declaration],
    ) -> Self {
        let lower = |name: &str| attribute(name).map(str::to_ascii_lowercase);
        if let Some(color) = lower("color").or_else(|| lower("text").filter(|_| name == "body")) {
            self.ink.ink(&color);
        }
        if let Some(color) = lower("bgcolor") {
            self.paper.paper(&color);
        }
        let mut set = Declared {
            // A declaration may show again what these hide.
            no_display: attribute("hidden").is_some()
                || attribute("popover").is_some()
                || (name == "dialog" && attribute("open").is_none()),
            ..Declared::default()
        };
        let own = attribute("style").map(declarations).unwrap_or_default();
        for important in [false, true] {
            for declaration in sheet.iter().chain(&own).filter(|d| d.important == important) {
                self.apply(declaration, &mut set);
            }
        }
        self.opacity *= set.opacity.unwrap_or(1.0);
        let hidden_input = name == "input" && lower("type").as_deref() == Some("hidden");
        self.gone = self.gone || hidden_input || self.opacity < FAINT || set.hides();
        self
    }

    fn apply(&mut self, declaration: &Declaration, set: &mut Declared) {
        let value = declaration.value.as_str();
        match declaration.property {
            Property::Display => set.no_display = value == "none",
            Property::ContentVisibility => set.skipped = value == "hidden",
            Property::Visibility => self.visible = !matches!(value, "hidden" | "collapse"),
            Property::Opacity => set.opacity = fraction(value).map(|o| o.clamp(0.0, 1.0)).or(set.opacity),
            Property::Filter => {
                let opacity = arguments(value, "opacity(").next().and_then(fraction);
                set.filtered = opacity.is_some_and(|opacity| opacity < FAINT);
            }
            Property::FontSize => self.font_px = length(value, self.font_px).unwrap_or(self.font_px),
            Property::Font => {
                let size = value.split_whitespace().find_map(|part| {
                    let part = part.split('/').next().unwrap_or_default();
                    // A bare number is a weight, but for zero, which is none.
                    (part == "0" || part.ends_with(|c: char| c.is_ascii_alphabetic() || c == '%'))
                        .then(|| length(part, self.font_px))?
                });
                self.font_px = size.unwrap_or(self.font_px);
            }
            Property::LineHeight => set.flat = pixels(value) == Some(0.0),
            Property::Color => self.ink.ink(value),
            Property::TextFill => self.fill.get_or_insert(self.ink).ink(value),
            Property::Background if value == "currentcolor" => self.paper = self.ink,
            Property::Background => self.paper.paper(value),
            Property::Position => {
                set.positioned = matches!(value, "absolute" | "fixed" | "relative" | "sticky");
            }
            Property::Side => set.far |= value.split_whitespace().any(far),
            Property::TextIndent => {
                set.indented = far(value);
                set.pushed_out = value.ends_with('%') && fraction(value) >= Some(1.0);
            }
            Property::Margin => set.moved = value.split_whitespace().any(far),
            Property::Clip => set.clipped = clips_all(value),
            Property::ClipPath => set.cut_away = clips_all(value),
            Property::Transform => {
                set.transformed = shrinks(value) || translates_far(value) || on_edge(value);
            }
            Property::Translate => set.translated = value.split_whitespace().any(far),
            Property::Rotate => set.edged = edged(value),
            Property::Scale => set.scaled = value.split_whitespace().any(nothing),
            Property::Width => set.narrow = short(value),
            Property::Height => set.low = short(value),
            Property::Overflow => set.cut = value != "visible",
        }
    }
}

/// What the declarations of one element say together.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent property of CSS")]
struct Declared {
    no_display: bool,
    skipped: bool,
    opacity: Option<f32>,
    filtered: bool,
    flat: bool,
    positioned: bool,
    far: bool,
    indented: bool,
    pushed_out: bool,
    moved: bool,
    clipped: bool,
    cut_away: bool,
    transformed: bool,
    translated: bool,
    edged: bool,
    scaled: bool,
    narrow: bool,
    low: bool,
    cut: bool,
}

impl Declared {
    fn hides(&self) -> bool {
        self.no_display
            || self.skipped
            || self.filtered
            || (self.positioned && (self.far || self.clipped))
            || self.indented
            || self.moved
            || self.cut_away
            || self.transformed
            || self.translated
            || self.edged
            || self.scaled
            || (self.cut && (self.narrow || self.low || self.flat || self.pushed_out))
    }
}

/// A share of the whole, as a number or in per cent.
fn fraction(value: &str) -> Option<f32> {
    let (number, unit) = number(value.trim())?;
    match unit {
        "" => Some(number),
        "%" => Some(number / 100.0),
        _ => None,
    }
}

/// The number that the value begins with, and what stands behind it.
fn number(value: &str) -> Option<(f32, &str)> {
    let bytes = value.as_bytes();
    let digits = |from: usize| {
        from + bytes.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let sign = |at: usize| usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
    let mut end = digits(sign(0));
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if bytes.get(end) == Some(&b'e') {
        let from = end + 1 + sign(end + 1);
        let to = digits(from);
        // `1em` is a length, `1e-9px` a number with an exponent.
        end = if to > from { to } else { end };
    }
    let (number, rest) = value.split_at_checked(end)?;
    Some((number.parse().ok()?, rest.trim()))
}

/// A length in pixels, where it does not depend on the text around it.
#[must_use]
pub fn pixels(value: &str) -> Option<f32> {
    length(value, 16.0)
}

/// A length in pixels; `em` and `%` relative to `base`.
fn length(value: &str, base: f32) -> Option<f32> {
    if value.contains('(') {
        return computed(value, base);
    }
    let (number, unit) = number(value)?;
    let factor = match unit {
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

/// The simple ones of what CSS computes: a product of two numbers, and the least, the greatest or the middle
/// of plain lengths. What is computed of nothing but zeros is zero; anything else is not known.
fn computed(value: &str, base: f32) -> Option<f32> {
    let zeros = || {
        let numbers = numbers(value);
        (!numbers.is_empty() && numbers.iter().all(|n| *n == 0.0)).then_some(0.0)
    };
    let (function, inside) = value.split_once('(')?;
    let inside = inside.strip_suffix(')').filter(|inside| !inside.contains('('));
    let known = inside.and_then(|inside| {
        let lengths = || inside.split(',').map(|part| length(part.trim(), base)).collect::<Option<Vec<_>>>();
        match function {
            "calc" => {
                let (a, b) = inside.split_once('*')?;
                let (a, b) = (a.trim(), b.trim());
                Some(length(a, base)? * length(b, base)?)
            }
            "min" => lengths()?.into_iter().reduce(f32::min),
            "max" => lengths()?.into_iter().reduce(f32::max),
            "clamp" => match lengths()?.as_slice() {
                [least, wanted, most] => Some(wanted.min(*most).max(*least)),
                _ => None,
            },
            _ => None,
        }
    });
    known.or_else(zeros)
}

fn far(value: &str) -> bool {
    // A percentage is of the page: −100 % is off it.
    match value.strip_suffix('%') {
        Some(_) => fraction(value).is_some_and(|part| part <= -1.0),
        None => pixels(value).is_some_and(|px| px <= FAR_PX || px >= 5_000.0),
    }
}

/// Turned about an axis of the page so that it is seen from its edge.
fn on_edge(value: &str) -> bool {
    ["rotatex(", "rotatey("].iter().any(|turn| arguments(value, turn).any(quarter))
}

/// `rotate` of its own: an axis, and how far about it.
fn edged(value: &str) -> bool {
    let mut parts = value.split_whitespace();
    matches!(parts.next(), Some("x" | "y")) && parts.next().is_some_and(quarter)
}

/// Whether an angle is a quarter or three quarters of a turn.
fn quarter(angle: &str) -> bool {
    let degrees = number(angle.trim()).and_then(|(n, unit)| match unit {
        "deg" => Some(n),
        "turn" => Some(n * 360.0),
        "rad" => Some(n.to_degrees()),
        "grad" => Some(n * 0.9),
        _ => None,
    });
    degrees.is_some_and(|degrees| (degrees.rem_euclid(180.0) - 90.0).abs() < 1.0)
}

/// A side of a box so short that nothing fits in. A percentage is of what is not known here.
fn short(value: &str) -> bool {
    match value.strip_suffix('%') {
        Some(_) => fraction(value) == Some(0.0),
        None => pixels(value).is_some_and(|px| px <= 1.0),
    }
}

fn numbers(value: &str) -> Vec<f32> {
    value
        .split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-')))
        .filter_map(|part| part.parse().ok())
        .collect()
}

fn clips_all(value: &str) -> bool {
    let numbers = numbers(value);
    let none = |within: f32| !numbers.is_empty() && numbers.iter().all(|side| side.abs() <= within);
    if value.starts_with("rect(") {
        return none(1.0);
    }
    (value.starts_with("inset(") && numbers.iter().any(|side| *side >= 50.0))
        || ((value.starts_with("circle(") || value.starts_with("ellipse("))
            && numbers.first().is_some_and(|radius| *radius <= 1.0))
        || (["polygon(", "path(", "xywh(", "rect("].iter().any(|shape| value.starts_with(shape)) && none(0.0))
}

/// The arguments of a function, given as `name(`, wherever it stands in the value.
fn arguments<'v>(value: &'v str, function: &str) -> impl Iterator<Item = &'v str> {
    let inside = value.split_once(function).and_then(|(_, after)| after.split(')').next());
    inside.into_iter().flat_map(|inside| inside.split(','))
}

/// A factor so small that nothing is left.
fn nothing(factor: &str) -> bool {
    fraction(factor).is_some_and(|factor| factor.abs() < 0.05)
}

fn shrinks(value: &str) -> bool {
    let flat = |function: &str, sides: usize| arguments(value, function).take(sides).any(nothing);
    let matrix: Vec<f32> = arguments(value, "matrix(").filter_map(fraction).collect();
    let lost = matches!(matrix.as_slice(), [a, b, c, d, ..] if (a * d - b * c).abs() < 0.0025);
    flat("scale(", 2) || flat("scalex(", 1) || flat("scaley(", 1) || flat("scale3d(", 2) || lost
}

fn translates_far(value: &str) -> bool {
    value.contains("translate")
        && value.split(['(', ',', ')', ' ']).any(|part| part.starts_with('-') && far(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styled(around: Style, style: &str) -> Style {
        around.inside("p", |name| (name == "style").then_some(style), &[])
    }

    #[test]
    fn what_takes_text_out_of_sight_is_seen_and_what_does_not_is_not() {
        for hidden in [
            "display:none",
            "display:block;display:none",
            "display:none!important;display:block",
            "content-visibility:hidden",
            "visibility:collapse",
            "opacity:0",
            "opacity:1e-3",
            "filter:blur(0) opacity(1%)",
            "font-size:1e-9px",
            "font-size:calc(0px + 0em)",
            "font:0/0 a",
            "color:#fff;color:bogus",
            "color:black;-webkit-text-fill-color:white",
            "background:currentcolor",
            "color:var(--x);background:var(--x)",
            "margin:0 0 0 -9999px",
            "position:absolute;inset:-9999px auto auto 0",
            "text-indent:100%;overflow:hidden",
            "clip-path:inset(100%)",
            "clip-path:circle(0px at 3px 3px)",
            "clip-path:polygon(0px 0px, 0px 0px)",
            "transform:scalex(1) scale(0, 1)",
            "transform:matrix(0,0,0,0,1,1)",
            "scale:0.001",
            "max-width:0;overflow-x:clip",
            "line-height:0;overflow:hidden",
            "position:absolute;inset-inline-start:-9999px",
            "position:absolute;bottom:9999px",
            "margin-inline-start:-9999px",
            "translate:-9999px",
            "translate:0 -200%",
            "transform:translate(-200%)",
            "transform:rotateX(90deg)",
            "rotate:y 0.25turn",
            "zoom:0",
            "inline-size:0;overflow:hidden",
            "max-block-size:0;overflow:clip",
            "font-size:min(0px, 1px)",
            "font-size:clamp(0px, 0px, 1px)",
            "font-size:calc(1px * 0.1)",
            "clip-path:path('M0 0')",
            "clip-path:xywh(0 0 0 0)",
            "color:oklch(1 0 0)",
            "color:lab(100 0 0)",
            "color:hwb(0 100% 0)",
            "color:color-mix(in srgb, white, white)",
        ] {
            assert!(!styled(Style::ROOT, hidden).shows_text(), "{hidden}");
        }
        for seen in [
            "",
            "display:none;display:block",
            "font-size:0.9em",
            "font:bold 12px/0 serif",
            "font:400 1em serif",
            "opacity:0.9",
            "opacity:nan",
            "filter:opacity(0.9)",
            "color:#fff;background:black",
            "color:var(--x);background:var(--y)",
            "transform:scale(0.9)",
            "transform:scale3d(1,1,0)",
            "width:50%;height:5%;overflow:hidden",
            "line-height:1;overflow:hidden",
            "clip-path:circle(50%)",
            "text-indent:2em",
            "left:-9999px",
            "margin:0 auto",
        ] {
            assert!(styled(Style::ROOT, seen).shows_text(), "{seen}");
        }
    }

    #[test]
    fn what_is_set_around_counts_inside() {
        let half = styled(styled(Style::ROOT, "opacity:5"), "opacity:.2");
        assert!(half.shows_text() && !styled(half, "opacity:.2").shows_text());
        assert!(styled(styled(Style::ROOT, "visibility:hidden"), "visibility:visible").shows_text());
        assert!(!styled(styled(Style::ROOT, "display:none"), "display:block").shows_text());
        let attributes = |name: &str, of: &'static [(&str, &str)]| {
            Style::ROOT.inside(name, |name| of.iter().find(|(n, _)| *n == name).map(|(_, v)| *v), &[])
        };
        assert!(!attributes("p", &[("hidden", "")]).shows_text());
        assert!(attributes("p", &[("hidden", ""), ("style", "display:block")]).shows_text());
        assert!(!attributes("p", &[("popover", "")]).shows_text());
        assert!(
            !attributes("dialog", &[]).shows_text() && attributes("dialog", &[("open", "")]).shows_text()
        );
        assert!(!attributes("input", &[("type", "HIDDEN")]).shows_text());
        assert!(!attributes("body", &[("text", "White")]).shows_text());
        assert!(!attributes("td", &[("bgcolor", "BLACK")]).shows_text());
    }
}
