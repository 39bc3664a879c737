//! Colours as CSS writes them, as far as telling "the same as the background" needs.

/// Red, green, blue, 0 to 255, and opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Color {
    pub rgb: [f32; 3],
    pub alpha: f32,
}

pub(super) const BLACK: Color = Color { rgb: [0.0; 3], alpha: 1.0 };
pub(super) const WHITE: Color = Color { rgb: [255.0; 3], alpha: 1.0 };

const NAMED: [(&str, u32); 28] = [
    ("white", 0xff_ffff),
    ("black", 0),
    ("snow", 0xff_fafa),
    ("ivory", 0xff_fff0),
    ("ghostwhite", 0xf8_f8ff),
    ("whitesmoke", 0xf5_f5f5),
    ("floralwhite", 0xff_faf0),
    ("mintcream", 0xf5_fffa),
    ("azure", 0xf0_ffff),
    ("aliceblue", 0xf0_f8ff),
    ("gainsboro", 0xdc_dcdc),
    ("lightgray", 0xd3_d3d3),
    ("lightgrey", 0xd3_d3d3),
    ("silver", 0xc0_c0c0),
    ("gray", 0x80_8080),
    ("grey", 0x80_8080),
    ("red", 0xff_0000),
    ("green", 0x00_8000),
    ("lime", 0x00_ff00),
    ("blue", 0x00_00ff),
    ("yellow", 0xff_ff00),
    ("navy", 0x00_0080),
    ("maroon", 0x80_0000),
    ("purple", 0x80_0080),
    ("teal", 0x00_8080),
    ("orange", 0xff_a500),
    ("cyan", 0x00_ffff),
    ("magenta", 0xff_00ff),
];

impl Color {
    /// Reads `#rgb`, `#rrggbb(aa)`, `rgb()`, `rgba()`, `hsl()`, names and `transparent`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "transparent" {
            return Some(Self { rgb: [255.0; 3], alpha: 0.0 });
        }
        if let Some(hex) = text.strip_prefix('#') {
            return from_hex(hex);
        }
        if let Some((_, value)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Some(from_u24(*value));
        }
        let (name, rest) = text.split_once('(')?;
        let inside = rest.strip_suffix(')')?;
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
            _ => None,
        }
    }

    /// Whether text of this colour cannot be told from that background.
    pub(super) fn lost_on(self, background: Self) -> bool {
        let mixed = |(ink, paper): (f32, f32)| (ink - paper).abs() * self.alpha;
        self.rgb.into_iter().zip(background.rgb).map(mixed).fold(0.0, f32::max) < 24.0
    }
}

fn number(text: &str, whole: f32) -> Option<f32> {
    match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f32>().ok().map(|value| value / 100.0 * whole),
        None => text.parse().ok(),
    }
}

fn from_u24(value: u32) -> Color {
    let [_, r, g, b] = value.to_be_bytes();
    Color { rgb: [f32::from(r), f32::from(g), f32::from(b)], alpha: 1.0 }
}

fn from_hex(hex: &str) -> Option<Color> {
    let digits: Vec<f32> = hex
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()).map(f32::from))
        .collect::<Option<_>>()?;
    let two = |high: f32, low: f32| high * 16.0 + low;
    match digits.as_slice() {
        [r, g, b] => Some(Color { rgb: [two(*r, *r), two(*g, *g), two(*b, *b)], alpha: 1.0 }),
        [r, g, b, a] => Some(Color { rgb: [two(*r, *r), two(*g, *g), two(*b, *b)], alpha: a / 15.0 }),
        [r, s, g, t, b, u] => Some(Color { rgb: [two(*r, *s), two(*g, *t), two(*b, *u)], alpha: 1.0 }),
        [r, s, g, t, b, u, a, v] => {
            Some(Color { rgb: [two(*r, *s), two(*g, *t), two(*b, *u)], alpha: two(*a, *v) / 255.0 })
        }
        _ => None,
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

    #[test]
    fn forms_of_one_colour_agree() {
        for white in [
            "#fff",
            "#ffffff",
            "#FFFFFFff",
            "white",
            "rgb(255,255,255)",
            "rgb(100% 100% 100% / 1)",
            "hsl(0, 0%, 100%)",
        ] {
            let color = Color::parse(&white.to_lowercase()).unwrap();
            assert!(color.lost_on(WHITE), "{white}");
            assert!(!color.lost_on(BLACK), "{white}");
        }
        assert!(Color::parse("transparent").unwrap().lost_on(BLACK));
        assert!(Color::parse("rgba(0,0,0,.02)").unwrap().lost_on(WHITE));
        assert!(Color::parse("#fdfdfd").unwrap().lost_on(WHITE));
        assert!(!Color::parse("#767676").unwrap().lost_on(WHITE));
        assert_eq!(Color::parse("hsl(240,100%,50%)").unwrap().rgb, [0.0, 0.0, 255.0]);
        assert_eq!(Color::parse("#12345"), None);
        assert_eq!(Color::parse("var(--x)"), None);
    }
}
