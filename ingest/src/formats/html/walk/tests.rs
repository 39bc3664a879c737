//! What of a page is read and what is not, over the real extractor.

use crate::doors::for_pipe;
use crate::formats::{BlockKind, FailReason, Format, Meta, Signal, extract_for_test};

fn read(body: &str) -> (Vec<(BlockKind, String)>, Meta) {
    let page =
        format!("<!doctype html><html><head><title>T</title></head><body><p>Seen.</p>{body}</body></html>");
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
        "<rp>SECRET</rp>",
        "<progress>SECRET</progress>",
        "<div popover>SECRET</div>",
        "<p style='content-visibility:hidden'>SECRET</p>",
        "<p style='display:/**/none'>SECRET</p>",
        "<p style='display:n\\6fne'>SECRET</p>",
        "<p style='display:none;font-family:\";display:block\"'>SECRET</p>",
        "<p style='display:none!important;display:block'>SECRET</p>",
        "<p style='color:tomato;background:#ff6347'>SECRET</p>",
        "<p style='color:black;-webkit-text-fill-color:white'>SECRET</p>",
        "<div style='opacity:.2'><p style='opacity:.2'>SECRET</p></div>",
        "<p style='font:0/0 a'>SECRET</p>",
        "<p style='transform:scale(0,1)'>SECRET</p>",
        "<p style='clip-path:inset(100%)'>SECRET</p>",
        "<p style='margin:0 0 0 -9999px'>SECRET</p>",
        "<style>div::before, .x{display:none}</style><p class='x'>SECRET</p>",
        "<style>.x:first-line,.x{display:none}</style><p class='x'>SECRET</p>",
        "<style>.a{.b{display:none}}</style><div class='a'><p class='b'>SECRET</p></div>",
        "<style>#y{display:none} .x{display:block}</style><p id='y' class='x'>SECRET</p>",
        "<style>.x{display:none!important} .x{display:block}</style><p class='x'>SECRET</p>",
        "<style>@media (min-width:0){.m{display:none}}</style><p class='m'>SECRET</p>",
        "<style><!-- .a{content:'}'} .x{display:none} --></style><p class='x'>SECRET</p>",
        "<style>.x{display:none} .x, :bogus{display:block}</style><p class='x'>SECRET</p>",
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
        "<style>@media (max-width:600px){.x{display:none}}</style><p class='x'>WORD</p>",
        "<p hidden style='display:block'>WORD</p>",
        "<p style='height:5%;overflow:hidden'>WORD</p>",
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

const PROSE: &str = "<p>Expense reports are due on the fifth of every month, unless that day is a holiday, and they go to the finance desk with all receipts; what comes later waits for the month after. Travel is booked early, by train where that takes less than six hours, and every trip longer than a week is agreed with the head of the department before it begins.</p>";

fn page(body: &str) -> String {
    let page = format!("<html><head><title>T</title></head><body>{body}</body></html>");
    let (blocks, _) = extract_for_test(Format::Html, page.as_bytes()).unwrap();
    blocks.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_stands_on_every_page_is_left_out() {
    for beside in [
        "<nav>SITE</nav>",
        "<div><nav><ul><li>SITE</ul></nav></div>",
        "<header><a href='/'>SITE</a></header>",
        "<footer>SITE</footer>",
        "<aside>SITE</aside>",
        "<div role='navigation'>SITE</div>",
        "<div role='contentinfo'>SITE</div>",
        "<div role='search'>SITE</div>",
        "<div id='cookie-banner'><p>SITE</p></div>",
        "<div class='notice Consent'>SITE</div>",
    ] {
        for order in [format!("{beside}{PROSE}"), format!("<div>{PROSE}</div>{beside}")] {
            let told = page(&order);
            assert!(told.contains("six hours") && !told.contains("SITE"), "{order}: {told}");
        }
    }
    let told = page(&format!(
        "<div>SITE</div><header><h1>Travel</h1></header><div><div>SITE</div><main>{PROSE}<footer>Own</footer></main></div>"
    ));
    assert!(!told.contains("SITE") && told.contains("Travel") && told.contains("Own"), "{told}");
}

#[test]
fn what_is_the_pages_own_stays() {
    let list: String = (0..40).map(|n| format!("<li><a href='/{n}'>WORD {n}</a>")).collect();
    for own in [
        format!("<nav><ul>{list}</ul></nav>"),
        format!("<p>Index</p><nav><ul>{list}</ul></nav>"),
        format!("<ul>{list}</ul>"),
        format!("<header><h1>WORD</h1></header>{PROSE}"),
        format!("<main>{PROSE}<aside>WORD</aside></main>"),
        format!("<article><header>WORD</header>{PROSE}<footer>x</footer></article>"),
        format!("<article>{PROSE}</article><article>WORD {PROSE}</article>"),
        format!("<main>short</main><div>WORD {PROSE}</div>"),
        format!("<div class='cookie-policy'>WORD {PROSE}</div>"),
        format!("<section>{PROSE}</section><section><header>WORD</header></section>"),
    ] {
        assert!(page(&own).contains("WORD"), "{own}: {}", page(&own));
    }
}

#[test]
fn pages_say_when_they_were_changed() {
    let read = |head: &str| {
        let page = format!("<html><head>{head}</head><body>x</body></html>");
        extract_for_test(Format::Html, page.as_bytes()).unwrap().1.modified
    };
    let at = Some(1_790_928_000_000);
    assert_eq!(
        read(
            "<meta name=date content=2026-01-01><meta property='article:modified_time' content='2026-10-02T08:00:00Z'>"
        ),
        at
    );
    assert_eq!(read("</head><time itemprop=dateModified datetime='2026-10-02T08:00Z'>then</time>"), at);
    assert_eq!(read("</head><time datetime='2026-10-02T08:00Z'>of a meeting</time>"), None);
}
