//! A line chart on two logarithmic axes as an SVG that reads well on light and on dark ground.

use std::fmt::Write;

pub struct Line {
    pub name: String,
    pub class: &'static str,
    /// (x, y), x descending from left to right.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 108.0;

/// What is written at a point, given the numbers of its line and its place there, and its value.
pub type Note<'a> = dyn Fn(usize, usize, f64) -> String + 'a;

/// Draws the lines, with their values. `xs` are the places on the x axis, the largest at the left.
pub fn draw(title: &str, under: &str, x_label: &str, y_label: &str, xs: &[f64], lines: &[Line]) -> String {
    draw_with(title, under, x_label, y_label, xs, lines, &|_, _, value| format!("{value:.2}"))
}

/// Draws the lines, and at each point what `note` says.
pub fn draw_with(
    title: &str,
    under: &str,
    x_label: &str,
    y_label: &str,
    xs: &[f64],
    lines: &[Line],
    note: &Note<'_>,
) -> String {
    let all = || lines.iter().flat_map(|line| &line.points).map(|p| p.1);
    let least = 10f64.powf((all().fold(f64::INFINITY, f64::min) * 0.8).log10().floor());
    let most = 10f64.powf((all().fold(0.0, f64::max) * 1.1).log10().ceil());
    let (x_most, x_least) =
        (xs.iter().copied().fold(0.0, f64::max), xs.iter().copied().fold(f64::INFINITY, f64::min));
    let x = |v: f64| {
        let share = (x_most / v).ln() / (x_most / x_least).ln();
        LEFT + 30.0 + share * (WIDTH - LEFT - RIGHT - 60.0)
    };
    let y = |v: f64| TOP + (most / v).ln() / (most / least).ln() * (HEIGHT - TOP - BOTTOM);
    let mut s = String::new();
    let _ = write!(
        s,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{title}">
<style>
  .ground {{ fill: #ffffff }} text {{ fill: #1f2328; font: 13px system-ui, sans-serif }} .head {{ font-size: 16px; font-weight: 600 }}
  .small {{ font-size: 12px; fill: #57606a }} .grid {{ stroke: #d0d7de; stroke-width: 1 }} .minor {{ stroke: #eaeef2; stroke-width: 1 }}
  .line {{ fill: none; stroke-width: 2.5 }} .dot {{ stroke: none }} .value {{ font-size: 12px; stroke: #ffffff; stroke-width: 3px; paint-order: stroke }}
  .ours {{ stroke: #0969da }} .filter {{ stroke: #bc4c00; stroke-dasharray: 7 4 }} .stock {{ stroke: #6e7781; stroke-dasharray: 2 4 }}
  .fill-ours {{ fill: #0969da }} .fill-filter {{ fill: #bc4c00 }} .fill-stock {{ fill: #6e7781 }}
  @media (prefers-color-scheme: dark) {{
    .ground {{ fill: #0d1117 }} text {{ fill: #e6edf3 }} .small {{ fill: #9198a1 }} .grid {{ stroke: #3d444d }} .minor {{ stroke: #21262d }}
    .value {{ stroke: #0d1117 }} .ours {{ stroke: #4493f8 }} .filter {{ stroke: #f0883e }} .stock {{ stroke: #9198a1 }}
    .fill-ours {{ fill: #4493f8 }} .fill-filter {{ fill: #f0883e }} .fill-stock {{ fill: #9198a1 }}
  }}
</style>
<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="8"/>
<text class="head" x="{LEFT}" y="28">{title}</text>
<text class="small" x="{LEFT}" y="47">{under}</text>
"##
    );
    let (left, right, bottom) = (LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut decade = least;
    while decade <= most * 1.0001 {
        let at = y(decade);
        let _ = writeln!(s, r#"<line class="grid" x1="{left}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/>"#);
        let _ =
            writeln!(s, r#"<text x="{}" y="{:.1}" text-anchor="end">{decade}</text>"#, left - 8.0, at + 4.0);
        for step in 2..10 {
            let minor = decade * f64::from(step);
            if minor < most {
                let at = y(minor);
                let _ = writeln!(
                    s,
                    r#"<line class="minor" x1="{left}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/>"#
                );
            }
        }
        decade *= 10.0;
    }
    for v in xs {
        let at = x(*v);
        let _ = writeln!(
            s,
            r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{bottom}" y2="{}"/>"#,
            bottom + 5.0
        );
        let _ = writeln!(s, r#"<text x="{at:.1}" y="{}" text-anchor="middle">{v} %</text>"#, bottom + 21.0);
    }
    let middle = (left + right) / 2.0;
    let _ = writeln!(s, r#"<text x="{middle}" y="{}" text-anchor="middle">{x_label}</text>"#, bottom + 42.0);
    let up = (TOP + bottom) / 2.0;
    let _ = writeln!(
        s,
        r#"<text x="20" y="{up}" text-anchor="middle" transform="rotate(-90 20 {up})">{y_label}</text>"#
    );
    let mut legend = LEFT - 40.0;
    for (number, line) in lines.iter().enumerate() {
        let class = line.class;
        let points: Vec<String> =
            line.points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
        let _ = writeln!(s, r#"<polyline class="line {class}" points="{}"/>"#, points.join(" "));
        for (place, p) in line.points.iter().enumerate() {
            // What is written stands above the upper, below the lower and beside the middle one of neighbouring lines.
            let (x, y) = (x(p.0), y(p.1));
            let higher = lines.iter().flat_map(|l| &l.points).filter(|o| o.0 == p.0 && o.1 > p.1).count();
            let lowest = higher + 1 == lines.iter().filter(|l| l.points.iter().any(|o| o.0 == p.0)).count();
            let (right, down, anchor) = match (higher, lowest) {
                (0, _) => (0.0, -9.0, "middle"),
                (_, true) => (0.0, 19.0, "middle"),
                _ => (9.0, 4.0, "start"),
            };
            let _ = writeln!(s, r#"<circle class="dot fill-{class}" cx="{x:.1}" cy="{y:.1}" r="4"/>"#);
            let _ = writeln!(
                s,
                r#"<text class="value fill-{class}" x="{:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
                x + right,
                y + down,
                note(number, place, p.1)
            );
        }
        let at = legend;
        // About as wide as its letters are.
        legend += 38.0 + (7.0 * line.name.len() as f64).max(150.0) + 22.0;
        let low = HEIGHT - 26.0;
        let _ =
            writeln!(s, r#"<line class="line {class}" x1="{at}" x2="{}" y1="{low}" y2="{low}"/>"#, at + 30.0);
        let _ = writeln!(s, r#"<text x="{}" y="{}">{}</text>"#, at + 38.0, low + 4.0, line.name);
    }
    s.push_str("</svg>\n");
    s
}
