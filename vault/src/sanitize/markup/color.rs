//! Colours as CSS writes them, as far as telling "the same as the background" needs. It must never take a
//! colour that is not known for one that is.

use cssparser::color::{parse_hash_color, parse_named_color};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Red, green, blue, 0 to 255, and opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Color {
    rgb: [f32; 3],
    alpha: f32,
}

const BLACK: Color = Color { rgb: [0.0; 3], alpha: 1.0 };
const WHITE: Color = Color { rgb: [255.0; 3], alpha: 1.0 };

impl Color {
    /// Reads `#rgb`, `#rrggbb(aa)`, `rgb()`, `rgba()`, `hsl()`, names and `transparent`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "transparent" {
            return Some(Self { rgb: [255.0; 3], alpha: 0.0 });
        }
        if let Some(hex) = text.strip_prefix('#') {
            let (r, g, b, alpha) = parse_hash_color(hex.as_bytes()).ok()?;
            return Some(Self { alpha, ..Self::opaque((r, g, b)) });
        }
        if let Ok(rgb) = parse_named_color(text) {
            return Some(Self::opaque(rgb));
        }
        match text {
            "canvas" => return Some(WHITE),
            "canvastext" => return Some(BLACK),
            _ => {}
        }
        let (name, rest) = text.split_once('(')?;
        let inside = rest.strip_suffix(')')?;
        if name.trim() == "color-mix" {
            return Self::mixed(inside);
        }
        let parts: Vec<&str> = inside
            .split(|c: char| c == ',' || c == '/' || c.is_whitespace())
            .filter(|part| !part.is_empty())
            .collect();
        let [a, b, c, rest @ ..] = parts.as_slice() else { return None };
        let alpha = rest.first().map_or(Some(1.0), |part| number(part, 1.0))?;
        match name.trim() {
            "rgb" | "rgba" => {
                Some(Self { rgb: [number(a, 255.0)?, number(b, 255.0)?, number(c, 255.0)?], alpha })
            }
            "hsl" | "hsla" => {
                let hue = number(a.trim_end_matches("deg"), 360.0)?;
                Some(Self { rgb: from_hsl(hue, number(b, 1.0)?, number(c, 1.0)?), alpha })
            }
            "hwb" => {
                // Where white and black fill all of it, the hue does not matter.
                let (white, black) = (number(b, 1.0)?, number(c, 1.0)?);
                let share = |part: f32| if b.ends_with('%') { part } else { part / 100.0 };
                let (white, black) = (share(white), share(black));
                (white + black >= 0.98).then(|| Self { rgb: [255.0 * white / (white + black); 3], alpha })
            }
            // Of these only the two ends of lightness are read, where every hue is one colour.
            "lab" | "lch" => Self::end_of(number(a, 100.0)? / 100.0, alpha),
            "oklab" | "oklch" => Self::end_of(number(a, 1.0)?, alpha),
            _ => None,
        }
    }

    fn end_of(lightness: f32, alpha: f32) -> Option<Self> {
        let rgb = match lightness {
            light if light >= 0.985 => WHITE.rgb,
            light if light <= 0.015 => BLACK.rgb,
            _ => return None,
        };
        Some(Self { rgb, alpha })
    }

    /// A mix of one colour with itself.
    fn mixed(inside: &str) -> Option<Self> {
        let mut parts = inside.split(',').skip(1).map(|part| {
            let name = part.split_whitespace().find(|word| !word.ends_with('%'))?;
            Self::parse(name)
        });
        let (one, other) = (parts.next()??, parts.next()??);
        (one == other && parts.next().is_none()).then_some(one)
    }

    fn opaque((r, g, b): (u8, u8, u8)) -> Self {
        Self { rgb: [f32::from(r), f32::from(g), f32::from(b)], alpha: 1.0 }
    }

    fn lost_on(self, background: Self) -> bool {
        let mixed = |(ink, paper): (f32, f32)| (ink - paper).abs() * self.alpha;
        self.rgb.into_iter().zip(background.rgb).map(mixed).fold(0.0, f32::max) < 24.0
    }
}

/// What text or its background is painted with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    color: Color,
    /// Of a colour that is not computed here, `var(--ink)` or `lab(…)`, what was written: it is lost on
    /// itself, whatever it looks like.
    unknown: Option<u64>,
}

impl Paint {
    pub(super) const INK: Self = Self { color: BLACK, unknown: None };
    pub(super) const PAPER: Self = Self { color: WHITE, unknown: None };

    /// Takes the colour that the value names; what is no colour changes nothing.
    pub(super) fn ink(&mut self, value: &str) {
        if let Some(color) = Color::parse(value) {
            *self = Self { color, unknown: None };
        } else {
            self.unknown = written(value).or(self.unknown);
        }
    }

    /// The same behind text, where a colour counts only if it covers what is below it.
    pub(super) fn paper(&mut self, value: &str) {
        // A picture or gradient may be any colour: only a plain colour counts.
        let plain = Color::parse(value).or_else(|| value.split_whitespace().find_map(Color::parse));
        match plain {
            Some(color) if color.alpha > 0.5 => *self = Self { color, unknown: None },
            Some(_) => {}
            None => self.unknown = written(value).or(self.unknown),
        }
    }

    /// Whether text in this cannot be told from that background.
    pub(super) fn lost_on(self, background: Self) -> bool {
        self.color.lost_on(background.color) || (self.unknown.is_some() && self.unknown == background.unknown)
    }
}

/// A mark of how a colour was written that only a browser can compute.
fn written(value: &str) -> Option<u64> {
    let known = ["var(", "lab(", "lch(", "oklab(", "oklch(", "hwb(", "color(", "color-mix(", "light-dark("];
    known.iter().any(|function| value.starts_with(function)).then(|| {
        let mut hasher = DefaultHasher::new();
        value.split_whitespace().for_each(|part| part.hash(&mut hasher));
        hasher.finish()
    })
}

fn number(text: &str, whole: f32) -> Option<f32> {
    match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f32>().ok().map(|value| value / 100.0 * whole),
        None => text.parse().ok(),
    }
}

fn from_hsl(hue: f32, saturation: f32, lightness: f32) -> [f32; 3] {
    let chroma = (1.0 - (2.0 * lightness - 1.0).abs()) * saturation;
    let sector = hue.rem_euclid(360.0) / 60.0;
    let second = chroma * (1.0 - (sector % 2.0 - 1.0).abs());
    let (r, g, b) = match sector {
        s if s < 1.0 => (chroma, second, 0.0),
        s if s < 2.0 => (second, chroma, 0.0),
        s if s < 3.0 => (0.0, chroma, second),
        s if s < 4.0 => (0.0, second, chroma),
        s if s < 5.0 => (second, 0.0, chroma),
        _ => (chroma, 0.0, second),
    };
    let base = lightness - chroma / 2.0;
    [r, g, b].map(|channel| (channel + base) * 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(mut paint: Paint, value: &str) -> Paint {
        let before = format!("{paint:?}");
        paint.ink(value);
        assert_ne!(format!("{paint:?}"), before, "{value}");
        paint
    }

    #[test]
    fn forms_of_one_colour_agree() {
        for white in [
            "#fff",
            "#ffffff",
            "#ffffffff",
            "white",
            "canvas",
            "rgb(255,255,255)",
            "rgb(100% 100% 100% / 1)",
            "hsl(0, 0%, 100%)",
        ] {
            let ink = painted(Paint::INK, white);
            assert!(ink.lost_on(Paint::PAPER), "{white}");
            assert!(!ink.lost_on(Paint::INK), "{white}");
        }
        for (ink, paper) in [
            ("transparent", Paint::INK),
            ("rgba(0,0,0,.02)", Paint::PAPER),
            ("#fdfdfd", Paint::PAPER),
            ("seashell", Paint::PAPER),
            ("tomato", painted(Paint::PAPER, "#ff6347")),
        ] {
            assert!(painted(Paint::PAPER, ink).lost_on(paper), "{ink}");
        }
        assert!(!painted(Paint::INK, "#767676").lost_on(Paint::PAPER));
        assert_eq!(Color::parse("hsl(240,100%,50%)").map(|c| c.rgb), Some([0.0, 0.0, 255.0]));
        for none in ["#12345", "var(--x)", "bogus", "inherit", ""] {
            assert_eq!(Color::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_colour_that_is_not_known_is_lost_on_itself_alone() {
        let mut paper = Paint::PAPER;
        paper.paper("var(--ink)");
        assert!(painted(Paint::INK, "var(--ink)").lost_on(paper));
        assert!(!painted(Paint::INK, "var(--other)").lost_on(paper));
        assert!(!Paint::INK.lost_on(paper));
        let mut white = painted(Paint::INK, "#fff");
        white.ink("bogus");
        assert!(white.lost_on(Paint::PAPER), "what is no colour changes nothing");
    }

    #[test]
    fn only_a_plain_colour_is_a_background() {
        let mut paper = Paint::PAPER;
        for nothing in ["url(a.png) no-repeat", "linear-gradient(#000, #000)", "rgba(0,0,0,.3)", "none"] {
            paper.paper(nothing);
            assert!(!Paint::INK.lost_on(paper), "{nothing}");
        }
        paper.paper("url(a.png) #000");
        assert!(Paint::INK.lost_on(paper));
    }
}
