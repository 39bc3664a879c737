//! What OAuth clients read and are told, issuers that misbehave, and doors that stay shut.

use super::hostile::{INITIALIZE, link, trusting};
use super::issuer::{Answer, Issuer};
use super::mint::{ISSUED_FOR, Signer, claims, with};
use crate::machine::Machine;
use crate::served::{DANA, Home, Served, answer, http, kenward, newest, succeeds};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn post(served: &Served, token: &str) -> Response {
    let request = http().post(&served.url).header("content-type", "application/json");
    let request = request.header("accept", "application/json, text/event-stream").body(INITIALIZE);
    request.bearer_auth(token).send().await.unwrap()
}

async fn status(served: &Served, token: &str) -> StatusCode {
    post(served, token).await.status()
}

#[tokio::test]
async fn metadata_is_for_anybody_where_there_are_issuers_and_nothing_elsewhere() {
    let home = trusting("[[issuer]]\nurl = \"https://login.acorn.example\"\n");
    let served = home.serve();
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let url = format!("{}{path}", served.origin());
        let response = http().get(&url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let metadata: Value = response.json().await.unwrap();
        let expected = json!({
            "resource": ISSUED_FOR,
            "authorization_servers": ["https://login.acorn.example"],
            "scopes_supported": ["kb:read"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Kenward knowledge base",
        });
        assert_eq!(metadata, expected);
        assert_eq!(http().post(&url).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
        let rebound = http().get(&url).header("host", "evil.example").send().await.unwrap();
        assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    }
    let other = format!("{}/.well-known/oauth-protected-resource/other", served.origin());
    assert_eq!(http().get(other).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    // Tokens of the directory are what they were.
    assert_eq!(status(&served, &home.token(DANA)).await, StatusCode::OK);

    let bare = Home::new();
    let served = bare.serve();
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let response = http().get(format!("{}{path}", served.origin())).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], "not_found");
    }
    let none = Signer::ed("x");
    let refused = post(&served, &none.token(&none.header(), &claims("https://a.example", "s"))).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let said = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(!said.contains("resource_metadata"), "{said}");
}

/// A home that trusts one misbehaving issuer, of which Dana has a token that would hold.
async fn with_issuer(issuer: &Issuer, signer: &Signer, more: &str) -> (Home, Served, String) {
    let home = trusting(&format!("[[issuer]]\nurl = \"{}\"\n{more}", issuer.url));
    link(&home, DANA, &issuer.url, "s-1");
    let served = home.serve();
    (home, served, signer.token(&signer.header(), &claims(&issuer.url, "s-1")))
}

#[tokio::test]
async fn an_issuer_that_answers_with_anything_else_gives_no_keys_and_holds_nobody_up() {
    let signer = Signer::ed("k");
    let own = json!({ "keys": [signer.jwk()] });
    let evil = Issuer::start();
    evil.set("/keys", Answer::json(&own));
    let metadata = "/.well-known/oauth-authorization-server";
    type Set = Box<dyn Fn(&Issuer)>;
    let set = |path: &'static str, answer: Answer| -> Set {
        Box::new(move |issuer| issuer.set(path, answer.clone()))
    };
    let (away, elsewhere) = (format!("{}/keys", evil.url), json!({ "issuer": evil.url, "jwks_uri": "x" }));
    let huge = format!("{{\"keys\":[{}],\"pad\":\"{}\"}}", signer.jwk(), "p".repeat(600 << 10));
    let private = json!({ "kty": "oct", "kid": "k", "k": "c2VjcmV0" });
    let cases: Vec<(&str, Set)> = vec![
        ("a redirect of the keys", set("/keys", Answer::redirect(&away))),
        ("a redirect of the metadata", set(metadata, Answer::redirect(&format!("{}/m", evil.url)))),
        ("HTML", set("/keys", Answer::ok("text/html", "<html><body>sign in</body></html>"))),
        ("nothing", set("/keys", Answer::ok("application/json", ""))),
        ("too much", set("/keys", Answer::ok("application/json", huge))),
        ("another status", set("/keys", Answer::status(500))),
        ("no key", set("/keys", Answer::json(&json!({ "keys": [] })))),
        ("a shared secret", set("/keys", Answer::json(&json!({ "keys": [private] })))),
        ("keys that are no list", set("/keys", Answer::json(&json!({ "keys": {} })))),
        ("another issuer's metadata", set(metadata, Answer::json(&elsewhere))),
        (
            "keys on another host",
            Box::new(move |issuer| {
                let said = json!({ "issuer": issuer.url, "jwks_uri": away.clone() });
                issuer.set("/.well-known/oauth-authorization-server", Answer::json(&said));
            }),
        ),
    ];
    for (name, misbehave) in cases {
        let issuer = Issuer::with_keys(&[&signer]);
        misbehave(&issuer);
        let (home, served, token) = with_issuer(&issuer, &signer, "").await;
        let response = post(&served, &token).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{name}");
        assert_eq!(response.headers()["retry-after"], "2", "{name}");
        assert_eq!(status(&served, &home.token(DANA)).await, StatusCode::OK, "{name}");
        assert_eq!(evil.asked("/keys") + evil.asked("/m"), 0, "{name}: it was followed");
    }
}

#[tokio::test]
async fn a_slow_issuer_makes_neither_other_issuers_nor_other_tokens_slow() {
    let (signer, fast) = (Signer::ed("k"), Signer::p256("f"));
    let (slow, other) = (Issuer::with_keys(&[&signer]), Issuer::with_keys(&[&fast]));
    slow.set("/keys", Answer { after: Duration::from_secs(30), ..Answer::json(&json!({})) });
    let more = format!("[[issuer]]\nurl = \"{}\"\n", other.url);
    let (home, served, token) = with_issuer(&slow, &signer, &more).await;
    link(&home, DANA, &other.url, "s-2");
    let (kwt, quick) = (home.token(DANA), fast.token(&fast.header(), &claims(&other.url, "s-2")));
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let (url, token) = (served.url.clone(), token.clone());
            tokio::spawn(async move {
                let request = http().post(url).header("content-type", "application/json");
                let request =
                    request.header("accept", "application/json, text/event-stream").body(INITIALIZE);
                request.bearer_auth(token).send().await.unwrap().status()
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    for token in [&kwt, &quick, &kwt, &quick] {
        assert_eq!(status(&served, token).await, StatusCode::OK);
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    for waited in waiting {
        assert_eq!(waited.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(slow.asked("/keys") <= 3, "{} times", slow.asked("/keys"));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_neither_hammers_the_issuer_nor_keeps_good_tokens_out() {
    let signer = Signer::ed("k");
    let issuer = Issuer::with_keys(&[&signer]);
    let (_home, served, token) = with_issuer(&issuer, &signer, "").await;
    assert_eq!(status(&served, &token).await, StatusCode::OK);
    for n in 0..60 {
        let header = with(&signer.header(), &json!({ "kid": format!("unknown-{n}") }));
        let unknown = signer.token(&header, &claims(&issuer.url, "s-1"));
        assert_eq!(status(&served, &unknown).await, StatusCode::UNAUTHORIZED);
        if n % 10 == 0 {
            assert_eq!(status(&served, &token).await, StatusCode::OK);
        }
    }
    assert_eq!(issuer.asked("/keys"), 2, "once at first, once for all of them");
}

#[tokio::test]
async fn overage_and_missing_claims_are_missing_facts_and_not_no_groups() {
    let signer = Signer::ed("k");
    let issuer = Issuer::with_keys(&[&signer]);
    let (home, served, _) = with_issuer(&issuer, &signer, "groups = \"intersect\"\nany_typ = true\n").await;
    // What everyone may read but finance may not.
    let memo = home.path("memo");
    std::fs::create_dir_all(&memo).unwrap();
    std::fs::write(memo.join("memo.md"), "# Memo\n\nThe marmalade memo.\n").unwrap();
    std::fs::write(memo.join(".access.toml"), "deny = [\"group:finance\"]\nallow = [\"everyone\"]\n")
        .unwrap();
    succeeds(kenward(&home.config()).arg("ingest").arg(&memo));
    for (name, patch, salaries, sees_memo) in [
        ("both say finance", json!({ "groups": ["finance"] }), true, false),
        ("one name that is no list", json!({ "groups": "finance" }), true, false),
        ("the token says none", json!({ "groups": [] }), false, true),
        ("the claim is missing", json!({}), false, false),
        ("it is no list of names", json!({ "groups": ["finance", 7] }), false, false),
        (
            "overage",
            json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": {} } }),
            false,
            false,
        ),
        (
            "overage beside some",
            json!({ "groups": ["finance"], "_claim_names": { "groups": "src1" } }),
            false,
            false,
        ),
        ("hasgroups", json!({ "hasgroups": true }), false, false),
        ("hasgroups beside some", json!({ "groups": ["finance"], "hasgroups": "true" }), false, false),
        (
            "overage of something else",
            json!({ "groups": ["finance"], "_claim_names": { "roles": "x" } }),
            true,
            false,
        ),
    ] {
        let header = with(&signer.header(), &json!({ "typ": "JWT" }));
        let token = signer.token(&header, &with(&claims(&issuer.url, "s-1"), &patch));
        let client = served.client(&token, newest()).await;
        let finds = async |query: &str| {
            let found = answer(&client, "search", json!({ "query": query, "mode": "lexical" })).await;
            !found["results"].as_array().unwrap().is_empty()
        };
        assert_eq!((finds("quillfeather").await, finds("marmalade").await), (salaries, sees_memo), "{name}");
    }
}

#[test]
fn beyond_loopback_it_listens_only_with_all_that_this_needs() {
    let machine = Machine::new();
    let base = std::fs::read_to_string(machine.config()).unwrap();
    let try_with = |http: &str, issuer: bool| {
        let issuer = if issuer { "[[issuer]]\nurl = \"https://login.acorn.example\"\n" } else { "" };
        machine.configure(&format!("{base}[http]\naddr = \"0.0.0.0:0\"\n{http}{issuer}"));
        machine.run(&["serve"])
    };
    let (url, hosts) =
        ("public_url = \"https://kb.acorn.example/mcp\"\n", "allowed_hosts = [\"kb.acorn.example\"]\n");
    let proxies = "trusted_proxies = [\"10.0.0.0/24\"]\n";
    try_with("", false).refused(&[
        "[[issuer]]",
        "http.public_url",
        "http.allowed_hosts",
        "http.trusted_proxies",
    ]);
    try_with(&format!("{url}{hosts}{proxies}"), false).refused(&["set `[[issuer]]`, or listen"]);
    try_with(&format!("{hosts}{proxies}"), true).refused(&["set `http.public_url` (https), or listen"]);
    try_with(&format!("{url}{proxies}"), true).refused(&["set `http.allowed_hosts`, or listen"]);
    try_with(&format!("{url}{hosts}"), true)
        .refused(&["set `http.trusted_proxies` (or `http.tls_certificate` and `http.tls_key`), or listen"]);
    let in_clear = "public_url = \"http://127.0.0.1:8765/mcp\"\n";
    try_with(&format!("{in_clear}{hosts}{proxies}"), true).refused(&["http.public_url"]);
}

#[tokio::test]
async fn behind_a_proxy_it_answers_the_proxy_alone_and_nothing_that_came_in_clear() {
    let signer = Signer::ed("k");
    let issuer = Issuer::with_keys(&[&signer]);
    for (proxies, proto, wanted) in [
        ("127.0.0.0/8", Some("https"), StatusCode::OK),
        ("127.0.0.0/8", None, StatusCode::OK),
        ("127.0.0.0/8", Some("http"), StatusCode::FORBIDDEN),
        ("10.9.9.0/24", Some("https"), StatusCode::FORBIDDEN),
    ] {
        let home = Home::new();
        let mut text = std::fs::read_to_string(home.config()).unwrap();
        text.push_str(&format!(
            "[http]\naddr = \"0.0.0.0:0\"\npublic_url = \"{ISSUED_FOR}\"\nallowed_hosts = [\"kb.acorn.example\"]\n\
             trusted_proxies = [\"{proxies}\"]\n[[issuer]]\nurl = \"{}\"\n",
            issuer.url
        ));
        std::fs::write(home.config(), text).unwrap();
        link(&home, DANA, &issuer.url, "s-1");
        let mut command = kenward(&home.config());
        let mut served = Served::start(command.arg("serve"), home.path("serve.out"), home.path("serve.log"));
        served.url = served.url.replace("0.0.0.0", "127.0.0.1");
        let mut request = http().post(&served.url).header("host", "kb.acorn.example").body(INITIALIZE);
        request = request
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(proto) = proto {
            request = request.header("x-forwarded-proto", proto);
        }
        let token = signer.token(&signer.header(), &claims(&issuer.url, "s-1"));
        let response = request.bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), wanted, "{proxies} {proto:?}: {}", response.text().await.unwrap());
    }
}

#[test]
fn links_come_and_go_by_command_and_by_file() {
    let machine = Machine::new();
    let handle = "dana@acorn.example";
    machine.run(&["users", "add", handle]).done();
    let verb = |verb: &str, subject: &str| {
        let issuer = "https://login.acorn.example";
        machine.run(&["users", verb, handle, "--issuer", issuer, "--subject", subject])
    };
    let linked = verb("link", "s-1").done();
    assert!(linked.err.contains("warning: no `[[issuer]]`"), "{linked:?}");
    verb("link", "s-1").refused(&["already"]);
    let listed = machine.run(&["users", "list"]).done();
    assert!(listed.out.contains("s-1 at https://login.acorn.example"), "{listed:?}");
    let file = machine.write(
        "directory.toml",
        format!(
            "[[user]]\nhandle = \"{handle}\"\nidentities = [{{ issuer = \"https://b.example\", subject = \"s-2\" }}]\n\
             [[user]]\nhandle = \"ben@acorn.example\"\nidentities = [{{ issuer = \"https://login.acorn.example\", subject = \"s-1\" }}]\n"
        ),
    );
    let imported = machine.run(&["users", "import", file.to_str().unwrap()]).done();
    assert!(imported.err.contains("identities: 2 linked, 1 unlinked"), "{imported:?}");
    let users = machine.run(&["users", "list", "--json"]).done().json();
    let of = |handle: &str| {
        users.as_array().unwrap().iter().find(|u| u["handle"] == handle).unwrap()["identities"].clone()
    };
    assert_eq!(of(handle), json!([{ "issuer": "https://b.example", "subject": "s-2" }]));
    assert_eq!(of("ben@acorn.example")[0]["subject"], "s-1");
    verb("unlink", "s-1").refused(&["linked to `dana@acorn.example`"]);
}
