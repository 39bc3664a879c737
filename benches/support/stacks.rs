//! Horizontal bars made of parts, on an axis from 0, as an SVG that reads well on light and on dark ground. One part has
//! one colour in all bars.

use std::fmt::Write;

pub struct Stack {
    pub name: String,
    /// Names and lengths, from the left.
    pub parts: Vec<(String, f64)>,
    /// What is written beside it.
    pub label: String,
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 200.0;
const RIGHT: f64 = 210.0;
const TOP: f64 = 92.0;
const STEP: f64 = 30.0;
const COLOURS: usize = 6;

/// Draws the bars.
pub fn draw(title: &str, under: &str, stacks: &[Stack]) -> String {
    let height = TOP + STEP * stacks.len() as f64 + 34.0;
    let total = |stack: &Stack| stack.parts.iter().map(|(_, length)| length).sum::<f64>();
    let longest = stacks.iter().map(total).fold(f64::MIN_POSITIVE, f64::max);
    let tick = step(longest);
    let most = (longest / tick).ceil() * tick;
    let x = |value: f64| LEFT + value / most * (WIDTH - LEFT - RIGHT);
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in stacks.iter().flat_map(|stack| &stack.parts) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut s = String::new();
    let _ = write!(
        s,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{title}">
<style>
  .ground {{ fill: #ffffff }} text {{ fill: #1f2328; font: 13px system-ui, sans-serif }} .head {{ font-size: 16px; font-weight: 600 }}
  .small {{ font-size: 12px; fill: #57606a }} .grid {{ stroke: #d0d7de }}
  .p0 {{ fill: #0969da }} .p1 {{ fill: #bc4c00 }} .p2 {{ fill: #8250df }} .p3 {{ fill: #6e7781 }} .p4 {{ fill: #1a7f37 }} .p5 {{ fill: #bf3989 }}
  @media (prefers-color-scheme: dark) {{
    .ground {{ fill: #0d1117 }} text {{ fill: #e6edf3 }} .small {{ fill: #9198a1 }} .grid {{ stroke: #3d444d }}
    .p0 {{ fill: #4493f8 }} .p1 {{ fill: #f0883e }} .p2 {{ fill: #ab7df8 }} .p3 {{ fill: #9198a1 }} .p4 {{ fill: #3fb950 }} .p5 {{ fill: #db61a2 }}
  }}
</style>
<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>
<text class="head" x="20" y="28">{title}</text>
<text class="small" x="20" y="47">{under}</text>
"##
    );
    let mut at = 20.0;
    for (number, name) in names.iter().enumerate() {
        let _ = writeln!(
            s,
            r#"<rect class="p{}" x="{at:.1}" y="60" width="12" height="12" rx="2"/>"#,
            number % COLOURS
        );
        let _ = writeln!(s, r#"<text class="small" x="{:.1}" y="70">{name}</text>"#, at + 18.0);
        // About as wide as its letters are.
        at += 18.0 + 7.0 * name.len() as f64 + 18.0;
    }
    let bottom = TOP + STEP * stacks.len() as f64;
    let mut value = 0.0;
    while value <= most * 1.0001 {
        let at = x(value);
        let _ = writeln!(s, r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}"/>"#);
        let _ = writeln!(
            s,
            r#"<text class="small" x="{at:.1}" y="{:.1}" text-anchor="middle">{value}</text>"#,
            bottom + 18.0
        );
        value += tick;
    }
    for (number, stack) in stacks.iter().enumerate() {
        let y = TOP + STEP * number as f64;
        let _ = writeln!(
            s,
            r#"<text x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 10.0,
            y + 20.0,
            stack.name
        );
        let mut from = 0.0;
        for (name, length) in &stack.parts {
            let colour = names.iter().position(|n| n == name).unwrap_or(0) % COLOURS;
            let (left, wide) = (x(from), x(from + length) - x(from));
            let _ = writeln!(
                s,
                r#"<rect class="p{colour}" x="{left:.1}" y="{:.1}" width="{wide:.1}" height="18"/>"#,
                y + 6.0
            );
            from += length;
        }
        let _ = writeln!(
            s,
            r#"<text class="small" x="{:.1}" y="{:.1}">{}</text>"#,
            x(from) + 8.0,
            y + 20.0,
            stack.label
        );
    }
    s.push_str("</svg>\n");
    s
}

/// A round step of which some four to eight are in this length.
fn step(longest: f64) -> f64 {
    let decade = 10f64.powf((longest / 4.0).log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|n| n * decade).find(|step| longest / step >= 4.0).unwrap_or(decade)
}
