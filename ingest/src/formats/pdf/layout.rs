//! From placed characters to lines, paragraphs, list items and headings. Text that no reader could
//! see (smaller than a point, outside the page) is left out and counted; the colour and the render
//! mode of text are not known here.

use crate::doors::mint;
use crate::formats::{Block, BlockKind, Sink};
use pdf_extract::{MediaBox, OutputDev, OutputError, Transform};
use std::collections::BTreeMap;

/// Smaller than this, in points, cannot be read.
const TINY: f64 = 1.0;
/// Longest heading, in characters.
const HEADING_MAX: usize = 150;

/// A line of a page.
#[derive(Debug, Clone)]
struct Line {
    page: u32,
    y: f64,
    size: f64,
    text: String,
}

/// Takes the characters of all pages.
#[derive(Default)]
pub(super) struct Pages {
    lines: Vec<Line>,
    page: u32,
    finished: usize,
    height: f64,
    width: f64,
    line: Option<Line>,
    last_end: f64,
    word_begins: bool,
    hidden: u64,
    hiding: bool,
}

impl Pages {
    /// The next page to come is this one (from 0).
    pub(super) fn begin_at(&mut self, page: usize) {
        self.end_of_line();
        self.page = u32::try_from(page).unwrap_or(u32::MAX);
        self.finished = 0;
    }

    /// Pages read to their end since [`Pages::begin_at`].
    pub(super) fn finished(&self) -> usize {
        self.finished
    }

    /// Runs of text that could not be seen.
    pub(super) fn hidden(&self) -> u64 {
        self.hidden
    }

    fn end_of_line(&mut self) {
        if let Some(mut line) = self.line.take() {
            line.text.truncate(line.text.trim_end().len());
            if !line.text.trim().is_empty() {
                self.lines.push(line);
            }
        }
    }

    /// Gives the blocks; returns the first line, which may serve as a title.
    pub(super) fn give(mut self, sink: &mut Sink<'_>) -> Option<String> {
        self.end_of_line();
        let body = body_size(&self.lines);
        let sizes = heading_sizes(&self.lines, body);
        let mut open: Option<(BlockKind, Line)> = None;
        let mut title: Option<(usize, String)> = None;
        let mut first: Option<String> = None;
        let mut given = |kind: BlockKind, line: Line| {
            if let BlockKind::Heading(level) = kind
                && title.as_ref().is_none_or(|(best, _)| usize::from(level) < *best)
            {
                title = Some((usize::from(level), line.text.clone()));
            }
            if first.is_none() {
                first = Some(line.text.chars().take(HEADING_MAX).collect());
            }
            sink(Block { kind, page: Some(line.page), text: mint(line.text) });
        };
        for line in self.lines {
            let kind = kind_of(&line, &sizes);
            let goes_on = open.as_ref().is_some_and(|(of, before)| continues(*of, before, kind, &line));
            if let (true, Some((_, before))) = (goes_on, open.as_mut()) {
                join(&mut before.text, &line.text);
                before.y = line.y;
                continue;
            }
            if let Some((kind, line)) = open.take() {
                given(kind, line);
            }
            open = Some((kind, line));
        }
        if let Some((kind, line)) = open {
            given(kind, line);
        }
        title.map(|(_, text)| text).or(first)
    }
}

/// The size in which most characters are set.
fn body_size(lines: &[Line]) -> f64 {
    let mut characters: BTreeMap<i64, usize> = BTreeMap::new();
    for line in lines {
        *characters.entry(tenths(line.size)).or_default() += line.text.len();
    }
    let most = characters.into_iter().max_by_key(|(size, count)| (*count, -*size));
    most.map_or(10.0, |(size, _)| size as f64 / 10.0)
}

#[expect(clippy::cast_possible_truncation, reason = "sizes of letters; a float cast saturates")]
fn tenths(size: f64) -> i64 {
    (size * 10.0).round() as i64
}

/// Sizes of headings, the largest first.
fn heading_sizes(lines: &[Line], body: f64) -> Vec<i64> {
    let mut sizes: Vec<i64> = lines
        .iter()
        .filter(|line| line.size > body * 1.12 && line.text.chars().count() <= HEADING_MAX)
        .map(|line| tenths(line.size))
        .collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.dedup();
    sizes.truncate(6);
    sizes
}

fn kind_of(line: &Line, sizes: &[i64]) -> BlockKind {
    let level = sizes.iter().position(|size| *size == tenths(line.size));
    let letters = line.text.chars().filter(|c| c.is_alphabetic()).count();
    if let (Some(level), true) = (level, letters >= 2 && line.text.chars().count() <= HEADING_MAX) {
        return BlockKind::Heading(u8::try_from(level + 1).unwrap_or(6));
    }
    if is_item(&line.text) { BlockKind::ListItem } else { BlockKind::Paragraph }
}

fn is_item(text: &str) -> bool {
    let text = text.trim_start();
    let bullet = text.strip_prefix(['•', '◦', '▪', '‣', '·', '–', '-', '*', '\u{f0b7}', '●', '○', '■']);
    if bullet.is_some_and(|rest| rest.starts_with(' ')) {
        return true;
    }
    let number: String = text.chars().take_while(char::is_ascii_digit).collect();
    let rest = text.get(number.len()..).unwrap_or_default();
    (1..=2).contains(&number.len()) && (rest.starts_with(". ") || rest.starts_with(") "))
}

/// Whether the line goes on with what stands before it: the same page, kind and size, a usual distance.
fn continues(kind: BlockKind, before: &Line, next_kind: BlockKind, next: &Line) -> bool {
    if before.page != next.page || (before.size - next.size).abs() > before.size * 0.12 {
        return false;
    }
    let gap = (before.y - next.y).abs();
    let close = gap <= before.size * 1.75;
    match (kind, next_kind) {
        (BlockKind::Heading(a), BlockKind::Heading(b)) => a == b && gap <= before.size * 1.5,
        (BlockKind::Paragraph | BlockKind::ListItem, BlockKind::Paragraph) => close,
        _ => false,
    }
}

/// Joins two lines; a word cut by a hyphen becomes whole again.
fn join(text: &mut String, next: &str) {
    let next = next.trim_start();
    let continues_low = next.chars().next().is_some_and(char::is_lowercase);
    if let Some(stem) = text.strip_suffix(['-', '\u{ad}', '\u{2010}'])
        && continues_low
        && stem.chars().next_back().is_some_and(char::is_lowercase)
    {
        text.truncate(stem.len());
    } else {
        text.push(' ');
    }
    text.push_str(next);
}

impl OutputDev for Pages {
    fn begin_page(
        &mut self,
        _: u32,
        media_box: &MediaBox,
        _: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        self.end_of_line();
        self.page = self.page.saturating_add(1);
        self.width = (media_box.urx - media_box.llx).abs();
        self.height = (media_box.ury - media_box.lly).abs();
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        self.end_of_line();
        self.finished += 1;
        Ok(())
    }

    fn output_character(
        &mut self,
        trm: &Transform,
        width: f64,
        _spacing: f64,
        font_size: f64,
        text: &str,
    ) -> Result<(), OutputError> {
        let (x, y) = (trm.m31, trm.m32);
        let (across, up) = (font_size * (trm.m11 + trm.m21), font_size * (trm.m12 + trm.m22));
        // The side of a square of the same area as the transformed one.
        let size = (across * up).abs().sqrt();
        let margin = self.width.max(self.height).max(1.0);
        let outside = x < -margin * 0.1 || y < -margin * 0.1 || x > margin * 1.1 || y > margin * 1.1;
        if outside || size < TINY {
            if !self.hiding && !text.trim().is_empty() {
                self.hidden += 1;
                self.hiding = true;
            }
            return Ok(());
        }
        self.hiding = false;
        if let Some(line) = &self.line {
            let moved = (y - line.y).abs();
            let next_line = moved > size * 1.5 || (moved > size * 0.5 && x < self.last_end);
            if self.word_begins && next_line {
                self.end_of_line();
            }
        }
        match &mut self.line {
            Some(line) => {
                let gap = x - self.last_end;
                if self.word_begins && gap > size * 0.1 && !line.text.ends_with(' ') {
                    line.text.push(' ');
                }
                // A bullet may be set smaller or larger than its line.
                if line.text.trim().chars().count() <= 2 {
                    line.size = size;
                }
                line.text.push_str(text);
            }
            None => self.line = Some(Line { page: self.page, y, size, text: text.to_owned() }),
        }
        self.word_begins = false;
        self.last_end = x + width * size;
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.word_begins = true;
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}
