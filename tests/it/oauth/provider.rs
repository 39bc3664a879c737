//! A real, certified authorization server (npm `oidc-provider`), and the whole dance with it: from the challenge to an
//! answer. It needs Node and npm, and is skipped with a word where they are missing, unless `KENWARD_NEEDS_NODE` is set.

use super::hostile::{INITIALIZE, link};
use crate::served::{BEN, DANA, DOCUMENT_CANARY, Home, Served, answer, http, kenward, newest};
use data_encoding::BASE64URL_NOPAD;
use reqwest::{Response, StatusCode, Url, redirect};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/oauth/provider");

/// The folder in which its packages are, installed once; `None` = this machine has no Node.
fn modules() -> Option<&'static Path> {
    static MODULES: OnceLock<Option<PathBuf>> = OnceLock::new();
    let modules = MODULES.get_or_init(|| {
        let has = |program: &str| {
            Command::new(program).arg("--version").output().is_ok_and(|ran| ran.status.success())
        };
        if !has("node") || !has("npm") {
            assert!(std::env::var_os("KENWARD_NEEDS_NODE").is_none(), "no node or no npm here");
            eprintln!("skipped: node and npm are needed for a real authorization server");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oidc-provider-9.13.3");
        std::fs::create_dir_all(&folder).unwrap();
        if !folder.join("installed").exists() {
            for name in ["package.json", "package-lock.json"] {
                std::fs::copy(Path::new(SCRIPT).join(name), folder.join(name)).unwrap();
            }
            let installed =
                Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output();
            let installed = installed.unwrap();
            assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
            std::fs::write(folder.join("installed"), "").unwrap();
        }
        Some(folder)
    });
    modules.as_deref()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running authorization server; it ends with its standard input.
struct Provider {
    child: Child,
    _input: ChildStdin,
}

impl Provider {
    fn start(port: u16, resource: &str, kids: &Value) -> Option<Self> {
        let options = json!({ "port": port, "resource": resource, "kids": kids, "modules": modules()? });
        let mut child = Command::new("node")
            .arg(Path::new(SCRIPT).join("provider.mjs"))
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "ready"), "the authorization server did not start");
        // It has more to say, and ends if nobody takes it.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, _input: input })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server whose resource is where it listens, and its issuer's address.
struct Scene {
    home: Home,
    served: Served,
    port: u16,
}

impl Scene {
    fn new(more: &str) -> Self {
        let (home, port, own) = (Home::new(), free_port(), free_port());
        let mut text = std::fs::read_to_string(home.config()).unwrap();
        text.push_str(&format!(
            "[http]\naddr = \"127.0.0.1:{own}\"\n[[issuer]]\nurl = \"http://127.0.0.1:{port}\"\n{more}"
        ));
        std::fs::write(home.config(), text).unwrap();
        link(&home, DANA, &format!("http://127.0.0.1:{port}"), "dana-8f3a");
        let mut command = kenward(&home.config());
        let served = Served::start(command.arg("serve"), home.path("serve.out"), home.path("serve.log"));
        Self { home, served, port }
    }

    fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn status(&self, token: &str) -> (StatusCode, String) {
        let response = post(&self.served.url).bearer_auth(token).send().await.unwrap();
        (response.status(), challenge(&response))
    }
}

fn post(url: &str) -> reqwest::RequestBuilder {
    let request = http().post(url).header("content-type", "application/json");
    request.header("accept", "application/json, text/event-stream").body(INITIALIZE)
}

fn challenge(response: &Response) -> String {
    response.headers().get("www-authenticate").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// A browser without a person: it keeps cookies, and goes where it is sent until it leaves the issuer.
async fn authorized(start: Url, issuer: &str) -> Url {
    let client = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
    // By name and path; one of an empty value is taken back.
    let mut cookies: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut at = start;
    for _ in 0..12 {
        if !at.as_str().starts_with(issuer) {
            return at;
        }
        let kept: Vec<String> = cookies
            .iter()
            .filter(|((_, path), value)| at.path().starts_with(path.as_str()) && !value.is_empty())
            .map(|((name, _), value)| format!("{name}={value}"))
            .collect();
        let response = client.get(at.clone()).header("cookie", kept.join("; ")).send().await.unwrap();
        for set in response.headers().get_all("set-cookie") {
            let (name, rest) = set.to_str().unwrap().split_once('=').unwrap();
            let mut parts = rest.split(';').map(str::trim);
            let value = parts.next().unwrap().to_owned();
            let path = parts.find_map(|part| part.strip_prefix("path=")).unwrap_or("/").to_owned();
            cookies.insert((name.to_owned(), path), value);
        }
        let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        let Some(to) = to else { panic!("{at}: {} {}", response.status(), response.text().await.unwrap()) };
        at = at.join(&to).unwrap();
    }
    panic!("it points on and on: {at}");
}

/// What a client does that knows nothing but the server's URL: challenge, metadata, discovery, code, token.
async fn dance(url: &str, person: &str, scope: &str) -> Value {
    let response = post(url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let said = challenge(&response);
    let metadata = said.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(said.contains("scope=\"kb:read\"") && !said.contains("error="), "{said}");
    let metadata: Value = http().get(metadata).send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata["resource"], url);
    assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    let issuer = metadata["authorization_servers"][0].as_str().unwrap();
    let server: Value = http()
        .get(format!("{issuer}/.well-known/openid-configuration"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let verifier = "a-verifier-of-this-test-that-is-long-enough-for-pkce";
    let pkce = BASE64URL_NOPAD.encode(&Sha256::digest(verifier));
    let callback = "http://127.0.0.1:9/callback";
    let mut start = Url::parse(server["authorization_endpoint"].as_str().unwrap()).unwrap();
    start.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "agent-one"),
        ("redirect_uri", callback),
        ("scope", scope),
        ("resource", url),
        ("code_challenge", &pkce),
        ("code_challenge_method", "S256"),
        ("state", "s"),
        ("login_hint", person),
    ]);
    let back = authorized(start, issuer).await;
    let query: BTreeMap<_, _> = back.query_pairs().into_owned().collect();
    let code = query.get("code").unwrap_or_else(|| panic!("no code: {back}"));
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", callback),
        ("client_id", "agent-one"),
        ("code_verifier", verifier),
        ("resource", url),
    ];
    granted(server["token_endpoint"].as_str().unwrap(), &form, None).await
}

async fn granted(endpoint: &str, form: &[(&str, &str)], secret: Option<&str>) -> Value {
    let mut body = Url::parse("http://localhost").unwrap();
    body.query_pairs_mut().extend_pairs(form);
    let mut request = http().post(endpoint).header("content-type", "application/x-www-form-urlencoded");
    if let Some(secret) = secret {
        request = request.basic_auth("indexer", Some(secret));
    }
    let response = request.body(body.query().unwrap().to_owned()).send().await.unwrap();
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

fn token(granted: &Value) -> &str {
    let token = granted["access_token"].as_str().unwrap_or_else(|| panic!("{granted}"));
    assert_eq!(token.split('.').count(), 3, "a JWT");
    token
}

async fn service(scene: &Scene, scope: &str) -> Value {
    let form = [("grant_type", "client_credentials"), ("scope", scope), ("resource", &*scene.served.url)];
    granted(&format!("{}/token", scene.issuer()), &form, Some("a%20secret%20of%20nobody")).await
}

fn titles(found: &Value) -> Vec<&str> {
    found["results"].as_array().unwrap().iter().map(|result| result["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn from_a_challenge_to_an_answer_as_the_person_who_is_linked() {
    let scene = Scene::new("");
    let kids = json!({ "RS256": "k1", "ES256": "k2" });
    let Some(_provider) = Provider::start(scene.port, &scene.served.url, &kids) else { return };
    let url = scene.served.url.clone();
    let danas = dance(&url, "dana-8f3a", "openid kb:read").await;
    let client = scene.served.client(token(&danas), newest()).await;
    let query = json!({ "query": "salary bands quillfeather", "mode": "lexical" });
    let found = answer(&client, "search", query.clone()).await;
    assert!(found.to_string().contains(DOCUMENT_CANARY), "as Dana: {found}");
    // The ID token that came with it is for the client, not for here.
    let id_token = danas["id_token"].as_str().unwrap();
    let (status, said) = scene.status(id_token).await;
    assert!(
        status == StatusCode::UNAUTHORIZED && said.contains("error=\"invalid_token\""),
        "{status} {said}"
    );

    // Somebody whom nobody linked is nobody, until somebody links them.
    let bens = dance(&url, "ben-77", "openid kb:read").await;
    assert_eq!(scene.status(token(&bens)).await.0, StatusCode::UNAUTHORIZED);
    link(&scene.home, BEN, &scene.issuer(), "ben-77");
    let client = scene.served.client(token(&bens), newest()).await;
    assert_eq!(titles(&answer(&client, "search", query.clone()).await), [""; 0], "as Ben");
    let unlink = ["users", "unlink", BEN, "--issuer", &scene.issuer(), "--subject", "ben-77"];
    crate::served::succeeds(kenward(&scene.home.config()).args(unlink));
    assert_eq!(scene.status(token(&bens)).await.0, StatusCode::UNAUTHORIZED, "at once");

    // A token without the scope is told which one it needs.
    let without = dance(&url, "dana-8f3a", "openid kb:review").await;
    let (status, said) = scene.status(token(&without)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(said.contains("error=\"insufficient_scope\"") && said.contains("scope=\"kb:read\""), "{said}");

    // A service asks for itself, and sees what everyone sees: nothing here.
    let indexer = service(&scene, "kb:read").await;
    let client = scene.served.client(token(&indexer), newest()).await;
    assert_eq!(titles(&answer(&client, "search", query).await), [""; 0]);
    assert_eq!(answer(&client, "list_sources", json!({})).await["sources"], json!([]));
    assert_eq!(scene.status(token(&service(&scene, "kb:admin").await)).await.0, StatusCode::FORBIDDEN);
    let log = std::fs::read_to_string(scene.home.path("data/audit/log.jsonl")).unwrap();
    let by_issuer = format!("\"issuer\":\"{}\"", scene.issuer());
    let mut answers = log.lines().filter(|line| line.contains("\"kind\":\"answer\""));
    let dana = answers.find(|line| line.contains(&by_issuer)).unwrap();
    assert!(dana.contains("\"client\":\"agent-one\"") && dana.contains("\"subject\":\"user:u_"), "{dana}");
    assert!(log.contains("\"subject\":\"service:indexer@"));
    let doctor = kenward(&scene.home.config()).arg("doctor").output().unwrap();
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains("2 keys; groups by directory"), "{doctor}");
}

#[tokio::test]
async fn keys_that_turn_and_an_issuer_that_is_down() {
    let scene = Scene::new("");
    let url = scene.served.url.clone();
    let Some(provider) = Provider::start(scene.port, &url, &json!({ "RS256": "old" })) else { return };
    let old = dance(&url, "dana-8f3a", "openid kb:read").await;
    assert_eq!(scene.status(token(&old)).await.0, StatusCode::OK);
    drop(provider);
    // It is down, and what is known of it holds; other tokens never asked it.
    assert_eq!(scene.status(token(&old)).await.0, StatusCode::OK);
    let kwt = scene.home.token(DANA);
    assert_eq!(scene.status(&kwt).await.0, StatusCode::OK);
    // It comes back with other keys: new tokens hold at once, and what was signed by a key that is gone holds no more.
    let _provider = Provider::start(scene.port, &url, &json!({ "ES256": "new" })).unwrap();
    let new = dance(&url, "dana-8f3a", "openid kb:read").await;
    assert_eq!(scene.status(token(&new)).await.0, StatusCode::OK);
    assert_eq!(scene.status(token(&old)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.status(token(&new)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn groups_are_what_the_token_says_where_the_configuration_says_so() {
    let groups = "groups = \"claims\"\ngroup_names = { \"group-of-dana-8f3a\" = \"finance\" }\n";
    let scene = Scene::new(groups);
    let url = scene.served.url.clone();
    let Some(_provider) = Provider::start(scene.port, &url, &json!({ "RS256": "k" })) else { return };
    // Ben is linked to a subject whose token says finance, though the directory does not.
    link(&scene.home, BEN, &scene.issuer(), "ben-77");
    let query = json!({ "query": "salary bands quillfeather", "mode": "lexical" });
    let danas = dance(&url, "dana-8f3a", "openid kb:read").await;
    let client = scene.served.client(token(&danas), newest()).await;
    assert!(answer(&client, "search", query.clone()).await.to_string().contains(DOCUMENT_CANARY));
    let bens = dance(&url, "ben-77", "openid kb:read").await;
    let client = scene.served.client(token(&bens), newest()).await;
    assert_eq!(
        answer(&client, "list_sources", json!({})).await["sources"],
        json!([]),
        "his token says another group"
    );
}
