//! Hostile tokens and requests: each is refused with the right status and challenge, and nothing of any of them is in the
//! log at trace level. Whoever has a good token is answered before, between and after them.

use super::cases::{algorithms, claimed, forms, names_of_keys, scopes};
use super::issuer::{Answer, Issuer};
use super::mint::{ISSUED_FOR, Signer, base64, claims, now, with};
use crate::served::{BEN, DANA, Home, Served, http, kenward, succeeds};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#;
pub(super) const SUBJECT: &str = "subject-canary-41";
const METADATA: &str = "https://kb.acorn.example/.well-known/oauth-protected-resource/mcp";

/// A home whose configuration trusts these issuers.
pub fn trusting(issuers: &str) -> Home {
    let home = Home::new();
    let mut text = std::fs::read_to_string(home.config()).unwrap();
    text.push_str(&format!("[http]\npublic_url = \"{ISSUED_FOR}\"\n{issuers}"));
    std::fs::write(home.config(), text).unwrap();
    home
}

pub fn link(home: &Home, handle: &str, issuer: &str, subject: &str) {
    let link = ["users", "link", handle, "--issuer", issuer, "--subject", subject];
    succeeds(kenward(&home.config()).args(link));
}

/// A request as it goes out.
pub(super) struct Sent {
    name: String,
    method: Method,
    query: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: String,
}

/// What must come back.
#[derive(Clone, Copy)]
pub(super) struct Wanted(StatusCode, &'static str);

pub(super) const INVALID_TOKEN: Wanted = Wanted(StatusCode::UNAUTHORIZED, "error=\"invalid_token\"");
pub(super) const INVALID_REQUEST: Wanted = Wanted(StatusCode::UNAUTHORIZED, "error=\"invalid_request\"");
const IN_ADDRESS: Wanted = Wanted(StatusCode::BAD_REQUEST, "error=\"invalid_request\"");
pub(super) const NO_SCOPE: Wanted = Wanted(StatusCode::FORBIDDEN, "error=\"insufficient_scope\"");
pub(super) const OK: Wanted = Wanted(StatusCode::OK, "");

pub(super) fn sent(name: &str, headers: Vec<(&'static str, Vec<u8>)>) -> Sent {
    let (method, query, body) = (Method::POST, String::new(), INITIALIZE.to_owned());
    Sent { name: name.to_owned(), method, query, headers, body }
}

pub(super) fn bearer(name: &str, token: &str) -> Sent {
    sent(name, vec![("authorization", format!("Bearer {token}").into_bytes())])
}

/// All cases, gathered.
pub(super) struct Cases {
    pub(super) cases: Vec<(Sent, Wanted)>,
    pub(super) tokens: Vec<String>,
    pub(super) issuer: String,
    pub(super) rsa: Signer,
    pub(super) p256: Signer,
    pub(super) ed: Signer,
}

impl Cases {
    pub(super) fn add(&mut self, sent: Sent, wanted: Wanted) {
        self.cases.push((sent, wanted));
    }

    pub(super) fn token(&mut self, name: &str, token: String, wanted: Wanted) {
        self.add(bearer(name, &token), wanted);
        self.tokens.push(token);
    }

    pub(super) fn claims(&self) -> Value {
        claims(&self.issuer, SUBJECT)
    }

    /// A token with a patched header and patched claims, really signed.
    pub(super) fn signed(&mut self, name: &str, header: Value, claims: Value, wanted: Wanted) {
        let token = self.p256.token(&with(&self.p256.header(), &header), &with(&self.claims(), &claims));
        self.token(name, token, wanted);
    }

    pub(super) fn claiming(&mut self, name: &str, claims: Value) {
        self.signed(&format!("{name}: {}", short(&claims)), json!({}), claims, INVALID_TOKEN);
    }

    pub(super) fn headed(&mut self, header: Value) {
        self.signed(&format!("header {}", short(&header)), header, json!({}), INVALID_TOKEN);
    }
}

pub(super) fn short(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

fn requests(all: &mut Cases) {
    let good = all.p256.token(&all.p256.header(), &all.claims());
    let value = |text: &str| ("authorization", text.as_bytes().to_vec());
    let bearer = format!("Bearer {good}");
    all.add(sent("nothing", Vec::new()), Wanted(StatusCode::UNAUTHORIZED, "scope=\"kb:read\""));
    for (name, headers) in [
        ("no token", vec![value("Bearer")]),
        ("an empty token", vec![value("Bearer ")]),
        ("no scheme", vec![value(&good)]),
        ("another scheme", vec![value(&format!("Basic {good}"))]),
        ("a scheme of OAuth", vec![value(&format!("DPoP {good}"))]),
        ("a scheme that is longer", vec![value(&format!("BearerX {good}"))]),
        ("two tokens", vec![value(&format!("{bearer} {good}"))]),
        ("two with a comma", vec![value(&format!("{bearer}, {bearer}"))]),
        ("a tab", vec![value(&format!("Bearer\t{good}"))]),
        ("a parameter", vec![value(&format!("Bearer token=\"{good}\" x"))]),
        ("twice", vec![value(&bearer), value(&bearer)]),
        ("good, then bad", vec![value(&bearer), value("Bearer x")]),
        ("bad, then good", vec![value("Basic eA=="), value(&bearer)]),
        ("no UTF-8", vec![("authorization", [b"Bearer \xff".as_slice(), good.as_bytes()].concat())]),
    ] {
        all.add(sent(name, headers), INVALID_REQUEST);
    }
    for (name, query) in [
        ("in the address", format!("access_token={good}")),
        ("in the address, written otherwise", format!("a=1&%61ccess%5Ftoken={good}")),
        ("in the address, in capitals", format!("Access_Token={good}")),
        ("in the address, empty", "access_token=".to_owned()),
    ] {
        all.add(Sent { query: query.clone(), ..sent(name, Vec::new()) }, IN_ADDRESS);
        let name = format!("{name}, beside a good header");
        all.add(Sent { query, ..sent(&name, vec![value(&bearer)]) }, IN_ADDRESS);
    }
    let form = |headers: Vec<(&'static str, Vec<u8>)>| Sent {
        body: format!("access_token={good}"),
        headers: [headers, vec![("content-type", b"application/x-www-form-urlencoded".to_vec())]].concat(),
        ..sent("in the body", Vec::new())
    };
    all.add(form(Vec::new()), Wanted(StatusCode::UNAUTHORIZED, "scope=\"kb:read\""));
    let cookie = sent("in a cookie", vec![("cookie", format!("access_token={good}").into_bytes())]);
    all.add(cookie, Wanted(StatusCode::UNAUTHORIZED, "scope=\"kb:read\""));
    for name in ["x-authorization", "proxy-authorization", "x-forwarded-access-token"] {
        let other = sent(name, vec![(name, bearer.clone().into_bytes())]);
        all.add(other, Wanted(StatusCode::UNAUTHORIZED, "scope=\"kb:read\""));
    }
    let rebound = sent("another host", vec![value(&bearer), ("host", b"evil.example".to_vec())]);
    all.add(rebound, Wanted(StatusCode::FORBIDDEN, ""));
    let foreign = sent("a foreign page", vec![value(&bearer), ("origin", b"https://evil.example".to_vec())]);
    all.add(foreign, Wanted(StatusCode::FORBIDDEN, ""));
    for (name, method) in [("GET", Method::GET), ("DELETE", Method::DELETE), ("PUT", Method::PUT)] {
        let none = Sent { method, ..sent(&format!("{name} with nothing"), Vec::new()) };
        all.add(none, Wanted(StatusCode::UNAUTHORIZED, "scope=\"kb:read\""));
    }
    all.tokens.push(good);
}

/// What is accepted, so that the rest is refused for what is wrong with it and for nothing else.
fn good(all: &mut Cases) {
    let body = all.claims();
    for (signer, alg) in [(&all.p256, "ES256"), (&all.ed, "EdDSA"), (&all.rsa, "RS256"), (&all.rsa, "PS256")]
    {
        let token = signer.token(&with(&signer.header(), &json!({ "alg": alg })), &body);
        all.cases.push((bearer(&format!("good by {alg}"), &token), OK));
        all.tokens.push(token);
    }
    for (name, header, patch) in [
        ("a list of audiences", json!({}), json!({ "aud": ["https://other.example", ISSUED_FOR] })),
        ("the other audience", json!({}), json!({ "aud": "api://kenward" })),
        ("scp as a list", json!({}), json!({ "scope": null, "scp": ["openid", "kb:read"] })),
        ("scp as a text", json!({}), json!({ "scope": null, "scp": "openid kb:read" })),
        ("more scopes", json!({}), json!({ "scope": "openid kb:read kb:review" })),
        ("the media type in full", json!({ "typ": "application/AT+JWT" }), json!({})),
        ("just expired, within the leeway", json!({}), json!({ "exp": now() - 20 })),
        ("a little early", json!({}), json!({ "nbf": now() + 30, "iat": now() + 30 })),
        ("a fraction of a second", json!({}), json!({ "exp": now() as f64 + 600.5 })),
        ("azp instead", json!({}), json!({ "client_id": null, "azp": "agent-one" })),
        ("no client", json!({}), json!({ "client_id": null })),
        ("a service", json!({}), json!({ "sub": "agent-one" })),
        ("a service without a subject", json!({}), json!({ "sub": null })),
        ("a place of keys that nobody asks", json!({ "jku": "http://127.0.0.1:9/keys" }), json!({})),
    ] {
        all.signed(name, header, patch, OK);
    }
    let token = all.p256.token(&all.p256.header(), &body);
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        let headers = vec![("authorization", format!("{scheme} {token}").into_bytes())];
        all.add(sent(scheme, headers), OK);
    }
    all.tokens.push(token);
}

async fn send(served: &Served, sent: &Sent) -> (StatusCode, String, String) {
    let url =
        if sent.query.is_empty() { served.url.clone() } else { format!("{}?{}", served.url, sent.query) };
    let mut request =
        http().request(sent.method.clone(), url).header("accept", "application/json, text/event-stream");
    if !sent.headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in &sent.headers {
        request = request.header(*name, reqwest::header::HeaderValue::from_bytes(value).unwrap());
    }
    let response = request.body(sent.body.clone()).send().await.unwrap();
    let challenge =
        response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (response.status(), challenge.unwrap_or_default(), response.text().await.unwrap())
}

#[tokio::test]
async fn hostile_tokens_and_requests_are_refused_and_nothing_of_them_is_logged() {
    let (rsa, p256, ed) = (Signer::rsa("rsa-1"), Signer::p256("p256-1"), Signer::ed("ed-1"));
    let issuer = Issuer::with_keys(&[]);
    let twice = [Signer::p256("twice"), Signer::p256("twice")];
    let mut for_encryption = p256.jwk();
    for_encryption["use"] = json!("enc");
    for_encryption["kid"] = json!("for-encryption");
    let shared = json!({ "kty": "oct", "kid": "shared", "k": base64(b"secret"), "alg": "HS256" });
    let keys =
        json!([rsa.jwk(), p256.jwk(), ed.jwk(), twice[0].jwk(), twice[1].jwk(), for_encryption, shared]);
    issuer.set("/keys", Answer::json(&json!({ "keys": keys })));
    let home = trusting(&format!("[[issuer]]\nurl = \"{}\"\naudience = [\"api://kenward\"]\n", issuer.url));
    link(&home, DANA, &issuer.url, SUBJECT);
    link(&home, BEN, &issuer.url, "another-canary-42");
    let mut served = home.serve_with(&[("KENWARD__LOG__LEVEL", "trace")]);

    let mut all = Cases { cases: Vec::new(), tokens: Vec::new(), issuer: issuer.url.clone(), rsa, p256, ed };
    good(&mut all);
    algorithms(&mut all);
    names_of_keys(&mut all);
    claimed(&mut all);
    forms(&mut all);
    scopes(&mut all);
    requests(&mut all);
    good(&mut all);

    let hostile = all.cases.iter().filter(|(_, wanted)| wanted.0 != StatusCode::OK).count();
    assert!(hostile >= 250, "{hostile} hostile ones");
    let mut wrong = Vec::new();
    for (sent, Wanted(status, challenge)) in &all.cases {
        let (got, header, body) = send(&served, sent).await;
        let pointed = got != StatusCode::UNAUTHORIZED
            || header.contains(&format!("resource_metadata=\"{METADATA}\", scope=\"kb:read\""));
        if got != *status || !header.contains(challenge) || !pointed {
            wrong.push(format!("{}: {got} {header} {body}", sent.name));
        }
        // Nothing of what was sent comes back.
        for token in sent.headers.iter().filter_map(|(_, value)| std::str::from_utf8(value).ok()) {
            let token = token.rsplit(' ').next().unwrap();
            assert!(token.len() < 20 || !format!("{header}{body}").contains(token), "{}: {body}", sent.name);
        }
    }
    assert!(wrong.is_empty(), "{} of {} otherwise:\n{}", wrong.len(), all.cases.len(), wrong.join("\n"));
    // Hundreds of unknown names made it be asked once more, at most.
    assert!(issuer.asked("/keys") <= 2, "{} times", issuer.asked("/keys"));
    println!(
        "{hostile} hostile tokens and requests refused, {} good ones answered",
        all.cases.len() - hostile
    );

    assert_eq!(served.stop(), Some(0));
    let log = served.log();
    assert!(log.contains("DEBUG"), "all that there is was logged");
    let parts: BTreeSet<&str> =
        all.tokens.iter().flat_map(|token| token.split('.')).filter(|part| part.len() >= 16).collect();
    for part in parts {
        assert!(!log.contains(part), "a part of a token is in the log: {part}");
    }
    for canary in [SUBJECT, "canary", "agent-one", "api://kenward", "etc/passwd", "evil.example"] {
        assert!(!log.contains(canary), "{canary} is in the log");
    }
}
