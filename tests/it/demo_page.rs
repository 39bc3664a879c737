//! `kenward demo --page` by the real program: both answers and the deciding path for any two people,
//! its address a secret, nothing of it under another name, nothing left when it is told to stop.

use super::harbor::company as harbor;
use super::served::{http, kenward};
use reqwest::StatusCode;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PRIYA: &str = "priya@harbor.example";
const TOMAS: &str = "tomas@harbor.example";

/// The running demo.
struct Shown {
    child: Child,
    temporary: TempDir,
    /// `http://127.0.0.1:PORT/SECRET/`.
    url: String,
}

impl Shown {
    fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let out = tempfile::NamedTempFile::new().unwrap();
        let child = kenward(Path::new("/dev/null"))
            .args(["demo", "--no-model", "--page"])
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::null())
            .stdout(File::create(out.path()).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut shown = Self { child, temporary, url: String::new() };
        let deadline = Instant::now() + Duration::from_secs(120);
        while shown.url.is_empty() {
            assert!(Instant::now() < deadline, "no URL");
            assert!(shown.child.try_wait().unwrap().is_none(), "it ended");
            std::thread::sleep(Duration::from_millis(50));
            let printed = std::fs::read_to_string(out.path()).unwrap();
            let mut lines = printed.lines().map(str::trim);
            let url = lines.rfind(|line| line.starts_with("http://127.0.0.1:") && line.ends_with('/'));
            shown.url = url.unwrap_or_default().to_owned();
        }
        shown
    }

    fn origin(&self) -> &str {
        let after = self.url.strip_prefix("http://").unwrap();
        &self.url[..7 + after.find('/').unwrap()]
    }

    async fn ask(&self, question: &str, people: [&str; 2]) -> String {
        let [a, b] = people;
        let asked =
            http().get(asking(&self.url, &[("q", question), ("a", a), ("b", b)])).send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::OK);
        asked.text().await.unwrap()
    }

    /// Sends a signal, and gives the exit code.
    fn end(mut self, signal: rustix::process::Signal) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < deadline, "it does not stop");
            std::thread::sleep(Duration::from_millis(20));
        };
        let left: Vec<_> = std::fs::read_dir(self.temporary.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        code
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // It may have ended; then both fail, and nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The page's address with a query.
fn asking(url: &str, fields: &[(&str, &str)]) -> reqwest::Url {
    reqwest::Url::parse_with_params(url, fields).unwrap()
}

/// The two answers and the part with the path.
fn parts(page: &str) -> (&str, &str, &str) {
    let (answers, why) = page.split_once("<section class=\"why\">").unwrap_or_else(|| panic!("{page}"));
    let articles: Vec<&str> =
        answers.split("<article>").skip(1).map(|rest| rest.split_once("</article>").unwrap().0).collect();
    let [one, two] = articles[..] else { panic!("{answers}") };
    (one, two, why)
}

#[tokio::test]
async fn both_answers_and_the_path_are_on_the_page() {
    let shown = Shown::start();
    for question in &harbor::QUESTIONS {
        let page = shown.ask(question.ask, [PRIYA, TOMAS]).await;
        let (one, two, why) = parts(&page);
        for (answer, expected) in [one, two].into_iter().zip(question.expected) {
            assert!(answer.contains(&format!("<code>harbor/{}</code>", expected.document)), "{answer}");
            assert!(answer.contains(expected.says), "{answer}");
            for never in expected.never {
                assert!(!answer.contains(never), "`{never}` is shown: {answer}");
            }
        }
        assert!(why.contains("may read it</h3>") && why.contains("may not read it</h3>"), "{why}");
        assert!(why.contains("written in <code>") && why.contains(".access.toml, line "), "{why}");
        assert!(why.contains("allow = [") && why.contains("in group</small> <b>"), "{why}");
    }
    // The same two the other way round, and twice the same.
    let question = harbor::QUESTIONS[0].ask;
    let (page, turned) =
        (shown.ask(question, [PRIYA, TOMAS]).await, shown.ask(question, [TOMAS, PRIYA]).await);
    let ((one, two, _), (three, four, _)) = (parts(&page), parts(&turned));
    assert_eq!((one, two), (four, three));
    let page = shown.ask(question, [PRIYA, PRIYA]).await;
    assert!(parts(&page).2.contains("both may see all of this"), "{page}");

    // Everybody of the directory can be asked.
    let directory: toml::Table = harbor::DIRECTORY.parse().unwrap();
    for user in directory["user"].as_array().unwrap() {
        let handle = user["handle"].as_str().unwrap();
        assert!(page.contains(&format!("<option value=\"{handle}\"")), "{handle}");
        let asked = shown.ask("customs house, reception, visitors, badge", [handle, PRIYA]).await;
        assert!(asked.contains("<code>harbor/company/offices.html</code>"), "{handle}");
    }

    // What is asked is text, and so is what is wrong.
    let evil = "\"><script>alert(1)</script><b>office";
    let page = shown.ask(evil, [PRIYA, TOMAS]).await;
    assert!(!page.contains("<script") && !page.contains("<b>office"), "{page}");
    assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;"), "{page}");
    for query in
        [[("q", " ")], [("q", "x".repeat(401).as_str())], [("a", evil)], [("b", "nobody@harbor.example")]]
    {
        let refused = http().get(asking(&shown.url, &query)).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{query:?}");
        let page = refused.text().await.unwrap();
        assert!(page.contains("role=\"alert\"") && !page.contains("<script"), "{page}");
        assert!(!page.contains("<article"), "somebody was asked: {page}");
    }
    assert_eq!(shown.end(rustix::process::Signal::INT), Some(0));
}

#[tokio::test]
async fn the_page_is_for_whoever_started_it() {
    let shown = Shown::start();
    let secret = shown.url[shown.origin().len()..].trim_matches('/');
    assert!(secret.len() >= 32 && secret.bytes().all(|b| b.is_ascii_alphanumeric()), "{secret}");
    let other = format!("{}a", &secret[..secret.len() - 1]);
    let other = if other == secret { format!("{}b", &secret[..secret.len() - 1]) } else { other };
    let mut bodies = Vec::new();
    for path in [
        "/",
        "/style.css",
        "/mcp",
        "/healthz",
        "/favicon.ico",
        &format!("/{other}/"),
        &format!("/{}", secret),
        &format!("/{secret}/x"),
        &format!("/{secret}//"),
        &format!("/{secret}/style.css/"),
        &format!("/{}/", secret.to_uppercase()),
        &format!("//{secret}/"),
    ] {
        let asked = http().get(format!("{}{path}?q=office", shown.origin())).send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::NOT_FOUND, "{path}");
        bodies.push(asked.text().await.unwrap());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0] && !body.contains(secret)), "{bodies:?}");

    for (name, value) in [
        ("host", "evil.example"),
        ("host", &format!("evil.example:{}", shown.origin().rsplit_once(':').unwrap().1)),
        ("origin", "http://evil.example"),
        ("origin", "null"),
    ] {
        let asked = http().get(&shown.url).header(name, value).send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::FORBIDDEN, "{name}: {value}");
        let body = asked.text().await.unwrap();
        assert!(!body.contains("evil") && !body.contains("Priya"), "{body}");
    }
    let posted = http().post(&shown.url).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);

    for path in ["", "style.css", "nothing"] {
        let asked = http().get(format!("{}{path}", shown.url)).send().await.unwrap();
        let header = |name: &str| asked.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self'"), "{policy}");
        assert!(policy.contains("base-uri 'none'; frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        let body = asked.text().await.unwrap();
        for loads in ["<script", "<img", "<iframe", " style=", " onclick", "http-equiv", "@import", "url("] {
            assert!(!body.contains(loads), "{path}: {loads}");
        }
    }
    // A terminal that is closed ends it as well.
    assert_eq!(shown.end(rustix::process::Signal::HUP), Some(0));
}
