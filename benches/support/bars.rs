//! Horizontal bars on a logarithmic axis, or on one from 0, as an SVG that reads well on light and on dark ground.

use std::fmt::Write;

pub struct Bar {
    pub name: String,
    pub value: f64,
    /// What is written beside it.
    pub label: String,
    pub class: &'static str,
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 290.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 66.0;
const STEP: f64 = 28.0;

/// Draws the bars. The axis begins at a power of ten below the least value.
pub fn draw(title: &str, under: &str, bars: &[Bar]) -> String {
    let values = || bars.iter().map(|bar| bar.value);
    let least = 10f64.powf(values().fold(f64::INFINITY, f64::min).log10().floor());
    let most = 10f64.powf(values().fold(0.0, f64::max).log10().ceil()).max(least * 10.0);
    let ticks: Vec<f64> = std::iter::successors(Some(least), |decade| Some(decade * 10.0))
        .take_while(|decade| *decade <= most * 1.0001)
        .collect();
    let place = |value: f64| (value / least).ln() / (most / least).ln();
    on_axis(title, &format!("{under}; logarithmic axis"), bars, &ticks, &place)
}

/// Draws the bars on an axis from 0 to `most`.
pub fn draw_linear(title: &str, under: &str, most: f64, bars: &[Bar]) -> String {
    let ticks: Vec<f64> = (0..=5).map(|fifth| most * f64::from(fifth) / 5.0).collect();
    on_axis(title, under, bars, &ticks, &|value| value / most)
}

/// `place` says where from 0 to 1 a value lies.
fn on_axis(title: &str, under: &str, bars: &[Bar], ticks: &[f64], place: &dyn Fn(f64) -> f64) -> String {
    let height = TOP + STEP * bars.len() as f64 + 34.0;
    let x = |value: f64| LEFT + place(value) * (WIDTH - LEFT - RIGHT);
    let mut s = String::new();
    let _ = write!(
        s,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{title}">
<style>
  .ground {{ fill: #ffffff }} text {{ fill: #1f2328; font: 13px system-ui, sans-serif }} .head {{ font-size: 16px; font-weight: 600 }}
  .small {{ font-size: 12px; fill: #57606a }} .grid {{ stroke: #d0d7de }}
  .ours {{ fill: #0969da }} .filter {{ fill: #bc4c00 }} .stock {{ fill: #6e7781 }}
  @media (prefers-color-scheme: dark) {{
    .ground {{ fill: #0d1117 }} text {{ fill: #e6edf3 }} .small {{ fill: #9198a1 }} .grid {{ stroke: #3d444d }}
    .ours {{ fill: #4493f8 }} .filter {{ fill: #f0883e }} .stock {{ fill: #9198a1 }}
  }}
</style>
<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>
<text class="head" x="20" y="28">{title}</text>
<text class="small" x="20" y="47">{under}</text>
"##
    );
    let bottom = TOP + STEP * bars.len() as f64;
    for tick in ticks {
        let at = x(*tick);
        let _ = writeln!(s, r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}"/>"#);
        let _ = writeln!(
            s,
            r#"<text class="small" x="{at:.1}" y="{:.1}" text-anchor="middle">{tick}</text>"#,
            bottom + 18.0
        );
    }
    for (at, bar) in bars.iter().enumerate() {
        let (y, end) = (TOP + STEP * at as f64, x(bar.value));
        let _ = writeln!(
            s,
            r#"<text x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 10.0,
            y + 18.0,
            bar.name
        );
        let wide = (end - LEFT).max(1.0);
        let _ = writeln!(
            s,
            r#"<rect class="{}" x="{LEFT}" y="{:.1}" width="{wide:.1}" height="16" rx="2"/>"#,
            bar.class,
            y + 6.0
        );
        let _ = writeln!(
            s,
            r#"<text class="small" x="{:.1}" y="{:.1}">{}</text>"#,
            end + 8.0,
            y + 18.0,
            bar.label
        );
    }
    s.push_str("</svg>\n");
    s
}
