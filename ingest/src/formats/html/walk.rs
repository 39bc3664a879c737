//! The walk: open and close edges of the tree in order, one buffer of running text, flushed as a block
//! where a block begins or ends. It must never recurse, and never put out text that its style hides.

use super::css::Sheet;
use super::style::Style;
use crate::doors::mint;
use crate::formats::{Block, BlockKind, Meta, Signal, Sink};
use ego_tree::NodeRef;
use ego_tree::iter::Edge;
use scraper::{Html as Tree, Node};

/// Elements that are no text for a reader, and no hiding either.
const DROPPED: [&str; 22] = [
    "script", "style", "template", "noscript", "svg", "math", "canvas", "iframe", "frame", "frameset",
    "object", "embed", "audio", "video", "map", "select", "datalist", "nav", "noembed", "noframes", "meta",
    "link",
];

/// Elements that begin and end a block.
const BLOCKS: [&str; 37] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "legend",
    "li",
    "main",
    "menu",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "ul",
];

/// Longest URL that is kept.
const URL_MAX: usize = 2048;

/// One table being read.
#[derive(Default)]
struct Table {
    cells: Vec<String>,
    cell: Option<String>,
    head: bool,
    only_th: bool,
}

/// A link being read: where its text begins in the buffer, and in which filling of it.
struct Anchor {
    filling: u64,
    from: usize,
    url: String,
}

pub(super) struct Walk<'a, 's> {
    sheet: &'a Sheet,
    rendered: bool,
    meta: &'a mut Meta,
    sink: &'a mut Sink<'s>,
    styles: Vec<Style>,
    buffer: String,
    filling: u64,
    heading: Option<u8>,
    pre: usize,
    lists: Vec<Option<u64>>,
    bullet: Option<String>,
    items: usize,
    tables: Vec<Table>,
    anchors: Vec<Anchor>,
    title: String,
    first_heading: Option<(u8, String)>,
}

impl<'a, 's> Walk<'a, 's> {
    pub(super) fn new(sheet: &'a Sheet, rendered: bool, meta: &'a mut Meta, sink: &'a mut Sink<'s>) -> Self {
        Self {
            sheet,
            rendered,
            meta,
            sink,
            styles: vec![Style::ROOT],
            buffer: String::new(),
            filling: 0,
            heading: None,
            pre: 0,
            lists: Vec::new(),
            bullet: None,
            items: 0,
            tables: Vec::new(),
            anchors: Vec::new(),
            title: String::new(),
            first_heading: None,
        }
    }

    pub(super) fn run(mut self, tree: &Tree) {
        let mut skip = None;
        for edge in tree.tree.root().traverse() {
            match edge {
                Edge::Open(node) if skip.is_none() => {
                    if !self.open(node) {
                        skip = Some(node.id());
                    }
                }
                Edge::Close(node) if skip == Some(node.id()) => skip = None,
                Edge::Close(node) if skip.is_none() => self.close(node),
                Edge::Open(_) | Edge::Close(_) => {}
            }
        }
        self.flush();
        let title = self.title.split_whitespace().collect::<Vec<_>>().join(" ");
        let title = if title.is_empty() { self.first_heading.map(|(_, text)| text) } else { Some(title) };
        self.meta.title = title.map(mint);
    }

    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or(Style::ROOT)
    }

    /// Enters a node; `false` = its subtree is not walked.
    fn open(&mut self, node: NodeRef<'_, Node>) -> bool {
        match node.value() {
            Node::Text(text) => self.text(text),
            Node::Comment(_) => self.meta.count(Signal::Comments, 1),
            Node::Element(element) => {
                let name = element.name();
                if name == "title" {
                    if self.title.is_empty() {
                        self.title =
                            node.children().filter_map(|c| c.value().as_text()).map(|t| &**t).collect();
                    }
                    return false;
                }
                if DROPPED.contains(&name) {
                    return false;
                }
                let style = self.style().inside(element, self.sheet.get(node.id()));
                if style.gone {
                    self.meta.count(Signal::HiddenText, texts_below(node));
                    return false;
                }
                self.styles.push(style);
                self.enter(name, element);
            }
            Node::Document | Node::Fragment | Node::Doctype(_) | Node::ProcessingInstruction(_) => {}
        }
        true
    }

    fn close(&mut self, node: NodeRef<'_, Node>) {
        if let Some(element) = node.value().as_element() {
            self.leave(element.name());
            self.styles.pop();
        }
    }

    fn enter(&mut self, name: &str, element: &scraper::node::Element) {
        if BLOCKS.contains(&name) {
            self.flush();
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.heading = name.strip_prefix('h').and_then(|level| level.parse().ok());
            }
            "pre" => self.pre += 1,
            "ul" | "menu" => self.lists.push(None),
            "ol" => {
                let start = element.attr("start").and_then(|start| start.parse().ok()).unwrap_or(1);
                self.lists.push(Some(start));
            }
            "li" => {
                self.items += 1;
                self.bullet = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let bullet = format!("{number}. ");
                        *number = number.saturating_add(1);
                        bullet
                    }
                    Some(None) | None => "- ".to_owned(),
                });
            }
            "br" => self.buffer.push('\n'),
            "code" | "kbd" | "samp" | "tt" if self.pre == 0 && self.style().shows_text() => {
                self.buffer.push('`')
            }
            "a" if self.pre == 0 => {
                let url = element.attr("href").map(url_of).unwrap_or_default();
                self.anchors.push(Anchor { filling: self.filling, from: self.buffer.len(), url });
            }
            "img" if self.style().shows_text() => self.image(element),
            "table" => {
                self.flush();
                self.tables.push(Table::default());
            }
            "tr" => {
                self.flush();
                if let Some(table) = self.tables.last_mut() {
                    table.cells.clear();
                    table.only_th = true;
                }
            }
            "thead" => {
                if let Some(table) = self.tables.last_mut() {
                    table.head = true;
                }
            }
            "td" | "th" => {
                self.flush();
                if let Some(table) = self.tables.last_mut() {
                    table.only_th &= name == "th";
                    table.cell = Some(String::new());
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self, name: &str) {
        if BLOCKS.contains(&name) {
            self.flush();
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading = None,
            "pre" => self.pre = self.pre.saturating_sub(1),
            "ul" | "ol" | "menu" => {
                self.lists.pop();
            }
            "li" => {
                self.items = self.items.saturating_sub(1);
                self.bullet = None;
            }
            "code" | "kbd" | "samp" | "tt" if self.pre == 0 && self.style().shows_text() => {
                self.buffer.push('`')
            }
            "a" if self.pre == 0 => self.anchor(),
            "table" => {
                self.flush();
                self.tables.pop();
            }
            "thead" => {
                if let Some(table) = self.tables.last_mut() {
                    table.head = false;
                }
            }
            "td" | "th" => {
                self.flush();
                if let Some(table) = self.tables.last_mut()
                    && let Some(cell) = table.cell.take()
                {
                    table.cells.push(cell);
                }
            }
            "tr" => self.row(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if !self.style().shows_text() {
            self.meta.count(Signal::HiddenText, u64::from(!text.trim().is_empty()));
            return;
        }
        if self.pre > 0 {
            self.buffer.push_str(text);
            return;
        }
        let mut gap: Option<char> = None;
        for c in text.chars() {
            if c.is_ascii_whitespace() {
                let space = if c == '\n' && self.rendered { '\n' } else { ' ' };
                gap = Some(if gap == Some('\n') { '\n' } else { space });
            } else {
                if let Some(gap) = gap.take() {
                    self.space(gap);
                }
                self.buffer.push(c);
            }
        }
        if let Some(gap) = gap {
            self.space(gap);
        }
    }

    fn space(&mut self, gap: char) {
        if !self.buffer.is_empty() && !self.buffer.ends_with([' ', '\n']) {
            self.buffer.push(gap);
        }
    }

    fn image(&mut self, element: &scraper::node::Element) {
        let alt = element.attr("alt").unwrap_or_default();
        let alt: Vec<&str> = alt.split_whitespace().collect();
        if !alt.is_empty() {
            let alt = alt.join(" ").replace('[', "(").replace(']', ")");
            let url = element.attr("src").map(url_of).unwrap_or_default();
            self.buffer.push_str(&format!("![{alt}](<{url}>)"));
        }
    }

    /// `[text](<url>)`, which the sanitizer turns into a numbered marker. Links within the page stay text.
    fn anchor(&mut self) {
        let Some(anchor) = self.anchors.pop() else { return };
        let same = anchor.filling == self.filling && anchor.from <= self.buffer.len();
        if !same || anchor.url.is_empty() || anchor.url.starts_with('#') {
            return;
        }
        let text = self.buffer.split_off(anchor.from);
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.contains("](<") {
            // Nothing to click on, or a picture that is a link: its own marker is enough.
            self.buffer.push_str(&text);
            return;
        }
        let before = text.len() - text.trim_start().len();
        let after = text.trim_end().len();
        self.buffer.push_str(text.get(..before).unwrap_or_default());
        self.buffer.push_str(&format!("[{trimmed}](<{}>)", anchor.url));
        self.buffer.push_str(text.get(after..).unwrap_or_default());
    }

    /// Ends a row: a block of its own, or part of the cell that the table stands in.
    fn row(&mut self) {
        self.flush();
        let depth = self.tables.len();
        let Some(table) = self.tables.last_mut() else { return };
        let cells = std::mem::take(&mut table.cells);
        let head = table.head || (table.only_th && !cells.is_empty());
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return;
        }
        let text = cells.join(" | ");
        let outer = depth.checked_sub(2).and_then(|at| self.tables.get_mut(at)).and_then(|t| t.cell.as_mut());
        if let Some(cell) = outer {
            append(cell, &text);
            return;
        }
        self.give(if head { BlockKind::TableHead } else { BlockKind::TableRow }, text);
    }

    /// Ends the running text.
    fn flush(&mut self) {
        self.filling += 1;
        if self.buffer.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.buffer);
        if self.pre > 0 {
            let text = text.trim_matches('\n').trim_end();
            if let Some(cell) = self.tables.last_mut().and_then(|table| table.cell.as_mut()) {
                append(cell, text);
            } else if !text.trim().is_empty() {
                self.give(BlockKind::Code, text.to_owned());
            }
            return;
        }
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(cell) = self.tables.last_mut().and_then(|table| table.cell.as_mut()) {
            append(cell, text);
        } else if let Some(level) = self.heading {
            let text = text.replace('\n', " ");
            if self.first_heading.as_ref().is_none_or(|(first, _)| level < *first) {
                self.first_heading = Some((level, text.clone()));
            }
            self.give(BlockKind::Heading(level), text);
        } else if self.items > 0 {
            let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(8));
            let bullet = self.bullet.take().unwrap_or_else(|| "  ".to_owned());
            self.give(BlockKind::ListItem, format!("{indent}{bullet}{text}"));
        } else {
            self.give(BlockKind::Paragraph, text.to_owned());
        }
    }

    fn give(&mut self, kind: BlockKind, text: String) {
        (self.sink)(Block { kind, page: None, text: mint(text) });
    }
}

fn append(cell: &mut String, text: &str) {
    for word in text.split_whitespace() {
        if !cell.is_empty() {
            cell.push(' ');
        }
        cell.push_str(word);
    }
}

/// A URL that cannot break out of `<…>`.
fn url_of(raw: &str) -> String {
    let mut url = String::new();
    for c in raw.trim().chars() {
        match c {
            '<' => url.push_str("%3C"),
            '>' => url.push_str("%3E"),
            '\\' => url.push_str("%5C"),
            c if c.is_whitespace() => url.push_str("%20"),
            c if c.is_control() => {}
            c => url.push(c),
        }
        if url.len() >= URL_MAX {
            break;
        }
    }
    url
}

/// How many runs of text stand below this node.
fn texts_below(node: NodeRef<'_, Node>) -> u64 {
    let texts = node
        .descendants()
        .filter(|below| below.value().as_text().is_some_and(|text| !text.trim().is_empty()));
    texts.count() as u64
}

#[cfg(test)]
mod tests {
    use super::super::super::{FailReason, Format, extract_for_test};
    use super::*;
    use crate::doors::for_pipe;

    fn read(body: &str) -> (Vec<(BlockKind, String)>, Meta) {
        let page = format!(
            "<!doctype html><html><head><title>T</title></head><body><p>Seen.</p>{body}</body></html>"
        );
        extract_for_test(Format::Html, page.as_bytes()).unwrap()
    }

    fn all(body: &str) -> String {
        read(body).0.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_way_of_hiding_is_seen() {
        for hidden in [
            "<p hidden>SECRET</p>",
            "<p style='display:none'>SECRET</p>",
            "<p style='DISPLAY : NONE !important'>SECRET</p>",
            "<div style='visibility:hidden'><p>SECRET</p></div>",
            "<p style='opacity:0'>SECRET</p>",
            "<p style='opacity: 0.01'>SECRET</p>",
            "<p style='font-size:0'>SECRET</p>",
            "<p style='font-size:1px'>SECRET</p>",
            "<p style='font:1px/1 serif'>SECRET</p>",
            "<div style='font-size:10%'><p style='font-size:.5em'>SECRET</p></div>",
            "<p style='color:#fff'>SECRET</p>",
            "<p style='color:#fefefe'>SECRET</p>",
            "<p style='color:transparent'>SECRET</p>",
            "<font color='white'>SECRET</font>",
            "<div style='background:black'><p style='color:#000'>SECRET</p></div>",
            "<div bgcolor='#eeeeee'><p style='color:rgb(238,238,238)'>SECRET</p></div>",
            "<p style='position:absolute;left:-9999px'>SECRET</p>",
            "<p style='position:fixed;top:-100%'>SECRET</p>",
            "<p style='text-indent:-9999px'>SECRET</p>",
            "<p style='position:absolute;clip:rect(0,0,0,0)'>SECRET</p>",
            "<p style='transform:scale(0)'>SECRET</p>",
            "<p style='transform: translateX(-5000px)'>SECRET</p>",
            "<p style='height:0;overflow:hidden'>SECRET</p>",
            "<style>.x{display:none}</style><p class='x'>SECRET</p>",
            "<style>#y{opacity:0}</style><p id='y'>SECRET</p>",
            "<style>div.z > p{visibility:hidden}</style><div class='z'><p>SECRET</p></div>",
            "<style>@media screen{.m{display:none}}</style><p class='m'>SECRET</p>",
            "<dialog>SECRET</dialog>",
            "<template>SECRET</template>",
            "<!-- SECRET -->",
            "<script>SECRET</script>",
            "<noscript>SECRET</noscript>",
            "<iframe>SECRET</iframe>",
            "<svg><text>SECRET</text></svg>",
        ] {
            let text = all(hidden);
            assert!(!text.contains("SECRET"), "{hidden}: {text}");
            assert!(text.contains("Seen."), "{hidden}: {text}");
        }
        assert!(read("<p style='color:#fff'>SECRET</p>").1.signals[&Signal::HiddenText] == 1);
    }

    #[test]
    fn what_can_be_seen_stays() {
        for seen in [
            "<p style='color:#777'>WORD</p>",
            "<p aria-hidden='true'>WORD</p>",
            "<div style='background:#000'><p style='color:#fff'>WORD</p></div>",
            "<div style='visibility:hidden'><p style='visibility:visible'>WORD</p></div>",
            "<div style='color:#fff'><p style='color:#000'>WORD</p></div>",
            "<style>.x{display:none} .x{display:block}</style><p class='x'>WORD</p>",
            "<style>@media print{.x{display:none}}</style><p class='x'>WORD</p>",
            "<p style='font-size:11px;opacity:.9;position:relative;left:-10px'>WORD</p>",
            "<details><summary>More</summary>WORD</details>",
        ] {
            assert!(all(seen).contains("WORD"), "{seen}");
        }
    }

    #[test]
    fn tables_lists_links_and_title() {
        let (blocks, meta) = read(
            "<h2>Rates\n2026</h2><table><thead><tr><th>Tier<th>Rate</thead><tr><td>Gold<td><p>5</p><p>EUR</p></table><ol start=3><li>Go <a href='https://e.example/a b'>there</a></li></ol><p><a href='#top'>up</a> <img alt='A [map]' src='m.png'> a<br>b</p><pre>x  y\n z</pre>",
        );
        assert_eq!(for_pipe(&meta.title.unwrap()), "T");
        assert_eq!(
            blocks[1..],
            [
                (BlockKind::Heading(2), "Rates 2026".into()),
                (BlockKind::TableHead, "Tier | Rate".into()),
                (BlockKind::TableRow, "Gold | 5 EUR".into()),
                (BlockKind::ListItem, "3. Go [there](<https://e.example/a%20b>)".into()),
                (BlockKind::Paragraph, "up ![A (map)](<m.png>) a\nb".into()),
                (BlockKind::Code, "x  y\n z".into()),
            ]
        );
    }

    #[test]
    fn deep_nesting_does_not_recurse() {
        let deep = format!("{}deep{}", "<div><table><tr><td>".repeat(5_000), "</div>".repeat(5_000));
        assert!(all(&deep).contains("deep"));
        let deep = format!("{}deep", "<b><i>".repeat(30_000));
        assert!(all(&deep).contains("deep"));
    }

    #[test]
    fn nesting_beyond_the_limit_is_refused_at_once_and_up_to_it_is_read() {
        let nested = |tag: &str, depth: usize| format!("{}deep", format!("<{tag}>").repeat(depth));
        let extract = |page: &str| extract_for_test(Format::Html, page.as_bytes());
        for tag in ["div", "DIV class=x", "section", "ul"] {
            let begun = std::time::Instant::now();
            let refused = extract(&nested(tag, 100_000)).unwrap_err();
            assert_eq!((refused, refused.code()), (FailReason::TooDeep, "too_large"), "{tag}");
            assert!(begun.elapsed().as_secs() < 5, "{tag}: {:?}", begun.elapsed());
        }
        assert!(all(&nested("div", 9_000)).contains("deep"));
        // Beside each other is not within each other.
        assert!(all(&"<div><p>wide</div>".repeat(20_000)).contains("wide"));
    }
}
