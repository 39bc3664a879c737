//! Small line charts beside each other, all of them on two logarithmic axes and with the same lines, as an SVG that reads
//! well on light and on dark ground.

use std::fmt::Write;

/// One chart.
pub struct Panel {
    pub name: String,
    /// Of each line, (x, y) from left to right.
    pub lines: Vec<Vec<(f64, f64)>>,
}

/// What the lines are called, and how they are drawn: `ours`, `filter`, `stock` or `other`.
pub type Legend = [(String, &'static str)];

const WIDTH: f64 = 860.0;
const LEFT: f64 = 62.0;
const GAP: f64 = 120.0;
const TOP: f64 = 96.0;
const HEIGHT: f64 = 210.0;
const BELOW: f64 = 78.0;
const PANEL: f64 = (WIDTH - 2.0 * LEFT - GAP) / 2.0;

/// Draws the panels, two in a row; panels of one row have one y axis.
pub fn draw(title: &str, under: &str, x_label: &str, legend: &Legend, panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(2);
    let height = TOP + rows as f64 * (HEIGHT + BELOW) + 4.0;
    let mut s = String::new();
    let _ = write!(
        s,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{title}">
<style>
  .ground {{ fill: #ffffff }} text {{ fill: #1f2328; font: 13px system-ui, sans-serif }} .head {{ font-size: 16px; font-weight: 600 }}
  .small {{ font-size: 12px; fill: #57606a }} .grid {{ stroke: #d0d7de; stroke-width: 1 }}
  .line {{ fill: none; stroke-width: 2.5 }} .value {{ font-size: 12px }}
  .ours {{ stroke: #0969da }} .filter {{ stroke: #bc4c00; stroke-dasharray: 7 4 }} .stock {{ stroke: #6e7781; stroke-dasharray: 2 4 }} .other {{ stroke: #8250df; stroke-dasharray: 10 3 2 3 }}
  .dot, .value {{ stroke: none }} .fill-ours {{ fill: #0969da }} .fill-filter {{ fill: #bc4c00 }} .fill-stock {{ fill: #6e7781 }} .fill-other {{ fill: #8250df }}
  @media (prefers-color-scheme: dark) {{
    .ground {{ fill: #0d1117 }} text {{ fill: #e6edf3 }} .small {{ fill: #9198a1 }} .grid {{ stroke: #3d444d }}
    .ours {{ stroke: #4493f8 }} .filter {{ stroke: #f0883e }} .stock {{ stroke: #9198a1 }} .other {{ stroke: #ab7df8 }}
    .fill-ours {{ fill: #4493f8 }} .fill-filter {{ fill: #f0883e }} .fill-stock {{ fill: #9198a1 }} .fill-other {{ fill: #ab7df8 }}
  }}
</style>
<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>
<text class="head" x="20" y="28">{title}</text>
<text class="small" x="20" y="47">{under}</text>
"##
    );
    let mut x = 20.0;
    for (name, class) in legend {
        let _ = writeln!(s, r#"<line class="line {class}" x1="{x}" x2="{}" y1="68" y2="68"/>"#, x + 34.0);
        let _ = writeln!(s, r#"<text class="small" x="{}" y="72">{name}</text>"#, x + 41.0);
        // About as wide as its letters are.
        x += 41.0 + 7.0 * name.len() as f64 + 18.0;
    }
    for (row, of_row) in panels.chunks(2).enumerate() {
        let ys = || of_row.iter().flat_map(|panel| &panel.lines).flatten().map(|point| point.1);
        let least = 10f64.powf(ys().fold(f64::INFINITY, f64::min).log10().floor());
        let most = 10f64.powf(ys().fold(0.0, f64::max).log10().ceil()).max(least * 10.0);
        for (column, panel) in of_row.iter().enumerate() {
            let corner = (LEFT + column as f64 * (PANEL + GAP), TOP + row as f64 * (HEIGHT + BELOW) + 22.0);
            one(&mut s, corner, (least, most), x_label, legend, panel);
        }
    }
    s.push_str("</svg>\n");
    s
}

fn one(
    s: &mut String,
    (left, top): (f64, f64),
    (least, most): (f64, f64),
    x_label: &str,
    legend: &Legend,
    panel: &Panel,
) {
    let xs = || panel.lines.iter().flatten().map(|point| point.0);
    let (x_least, x_most) = (xs().fold(f64::INFINITY, f64::min), xs().fold(0.0, f64::max));
    let x = |v: f64| left + 12.0 + (v / x_least).ln() / (x_most / x_least).ln() * (PANEL - 24.0);
    let y = |v: f64| top + (most / v).ln() / (most / least).ln() * (HEIGHT - 22.0);
    let (right, bottom) = (left + PANEL, top + HEIGHT - 22.0);
    let _ = writeln!(s, r#"<text x="{left}" y="{:.1}" font-weight="600">{}</text>"#, top - 10.0, panel.name);
    let mut decade = least;
    while decade <= most * 1.0001 {
        let at = y(decade);
        let _ = writeln!(s, r#"<line class="grid" x1="{left}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/>"#);
        let _ = writeln!(
            s,
            r#"<text class="small" x="{}" y="{:.1}" text-anchor="end">{decade}</text>"#,
            left - 7.0,
            at + 4.0
        );
        decade *= 10.0;
    }
    for v in panel.lines.first().into_iter().flatten().map(|point| point.0) {
        let _ = writeln!(
            s,
            r#"<text class="small" x="{:.1}" y="{:.1}" text-anchor="middle">{v}</text>"#,
            x(v),
            bottom + 17.0
        );
    }
    let _ = writeln!(
        s,
        r#"<text class="small" x="{:.1}" y="{:.1}" text-anchor="middle">{x_label}</text>"#,
        f64::midpoint(left, right),
        bottom + 34.0
    );
    // What the lines end with stands behind them; neighbours make room for each other, from above.
    let mut ends: Vec<(f64, usize, f64)> = Vec::new();
    for (at, line) in panel.lines.iter().enumerate() {
        ends.extend(line.last().map(|point| (y(point.1), at, point.1)));
    }
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut above = f64::NEG_INFINITY;
    for (place, at, value) in ends {
        above = place.max(above + 14.0);
        let _ = writeln!(
            s,
            r#"<text class="value fill-{}" x="{:.1}" y="{:.1}">{}</text>"#,
            legend[at].1,
            right - 4.0,
            above + 4.0,
            short(value)
        );
    }
    for (line, (_, class)) in panel.lines.iter().zip(legend) {
        let points: Vec<String> = line.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
        let _ = writeln!(s, r#"<polyline class="line {class}" points="{}"/>"#, points.join(" "));
        for p in line {
            let (x, y) = (x(p.0), y(p.1));
            let _ = writeln!(s, r#"<circle class="dot fill-{class}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#);
        }
    }
}

/// Three digits of a number.
fn short(value: f64) -> String {
    let digits = (2.0 - value.log10().floor()).clamp(0.0, 3.0) as usize;
    format!("{value:.digits$}")
}
