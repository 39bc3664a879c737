//! Hostile tokens and requests: each is refused with the right status and challenge, and nothing of any of them is in the
//! log at trace level. Whoever has a good token is answered before, between and after them.

use super::issuer::{Answer, Issuer};
use super::mint::{ISSUED_FOR, Signer, base64, claims, now, with};
use crate::served::{BEN, DANA, Home, Served, http, kenward, succeeds};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#;
const SUBJECT: &str = "subject-canary-41";
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
struct Sent {
    name: String,
    method: Method,
    query: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: String,
}

/// What must come back.
#[derive(Clone, Copy)]
struct Wanted(StatusCode, &'static str);

const INVALID_TOKEN: Wanted = Wanted(StatusCode::UNAUTHORIZED, "error=\"invalid_token\"");
const INVALID_REQUEST: Wanted = Wanted(StatusCode::UNAUTHORIZED, "error=\"invalid_request\"");
const IN_ADDRESS: Wanted = Wanted(StatusCode::BAD_REQUEST, "error=\"invalid_request\"");
const NO_SCOPE: Wanted = Wanted(StatusCode::FORBIDDEN, "error=\"insufficient_scope\"");
const OK: Wanted = Wanted(StatusCode::OK, "");

fn sent(name: &str, headers: Vec<(&'static str, Vec<u8>)>) -> Sent {
    let (method, query, body) = (Method::POST, String::new(), INITIALIZE.to_owned());
    Sent { name: name.to_owned(), method, query, headers, body }
}

fn bearer(name: &str, token: &str) -> Sent {
    sent(name, vec![("authorization", format!("Bearer {token}").into_bytes())])
}

/// All cases, gathered.
struct Cases {
    cases: Vec<(Sent, Wanted)>,
    tokens: Vec<String>,
    issuer: String,
    rsa: Signer,
    p256: Signer,
    ed: Signer,
}

impl Cases {
    fn add(&mut self, sent: Sent, wanted: Wanted) {
        self.cases.push((sent, wanted));
    }

    fn token(&mut self, name: &str, token: String, wanted: Wanted) {
        self.add(bearer(name, &token), wanted);
        self.tokens.push(token);
    }

    fn claims(&self) -> Value {
        claims(&self.issuer, SUBJECT)
    }

    /// A token with a patched header and patched claims, really signed.
    fn signed(&mut self, name: &str, header: Value, claims: Value, wanted: Wanted) {
        let token = self.p256.token(&with(&self.p256.header(), &header), &with(&self.claims(), &claims));
        self.token(name, token, wanted);
    }

    fn claiming(&mut self, name: &str, claims: Value) {
        self.signed(&format!("{name}: {}", short(&claims)), json!({}), claims, INVALID_TOKEN);
    }

    fn headed(&mut self, header: Value) {
        self.signed(&format!("header {}", short(&header)), header, json!({}), INVALID_TOKEN);
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

fn algorithms(all: &mut Cases) {
    let (rsa, p256) = (all.rsa.header(), all.p256.header());
    let body = all.claims();
    let none = |header: Value, claims: &Value| {
        format!("{}.{}", base64(header.to_string()), base64(claims.to_string()))
    };
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = none(with(&p256, &json!({ "alg": alg })), &body);
        all.token(&format!("alg {alg}, no signature"), format!("{unsigned}."), INVALID_TOKEN);
        all.token(&format!("alg {alg}, a signature"), format!("{unsigned}.{}", base64(b"x")), INVALID_TOKEN);
    }
    // A public key taken for a shared secret.
    for alg in ["HS256", "HS384", "HS512"] {
        let by = match alg {
            "HS256" => ring::hmac::HMAC_SHA256,
            "HS384" => ring::hmac::HMAC_SHA384,
            _ => ring::hmac::HMAC_SHA512,
        };
        let der = all.rsa.public_der();
        let pem = data_encoding::BASE64.encode(&der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n");
        let modulus = all.rsa.jwk()["n"].as_str().unwrap().as_bytes().to_vec();
        for (what, secret) in
            [("DER", der), ("PEM", pem.into_bytes()), ("modulus", modulus), ("nothing", Vec::new())]
        {
            let unsigned = none(with(&rsa, &json!({ "alg": alg })), &body);
            let tag = ring::hmac::sign(&ring::hmac::Key::new(by, &secret), unsigned.as_bytes());
            all.token(&format!("{alg} with {what}"), format!("{unsigned}.{}", base64(tag)), INVALID_TOKEN);
        }
    }
    // Right signatures, by what the list does not have, or that name another algorithm than the one that made them.
    for alg in ["RS384", "RS512"] {
        let token = all.rsa.token(&with(&rsa, &json!({ "alg": alg })), &body);
        all.token(&format!("{alg} is not in the list"), token, INVALID_TOKEN);
    }
    for (said, made) in [("PS256", "RS256"), ("RS256", "PS256")] {
        let header = with(&rsa, &json!({ "alg": said })).to_string();
        let token = all.rsa.token_of(made, header, body.to_string());
        all.token(&format!("{said} said, {made} made"), token, INVALID_TOKEN);
    }
    for alg in ["ES384", "ES512", "ES256K", "EdDSA", "RS256", "PS256", "es256", "ES256 ", "RSA-OAEP", "dir"] {
        let header = with(&p256, &json!({ "alg": alg })).to_string();
        let token = all.p256.token_of("ES256", header, body.to_string());
        all.token(&format!("{alg} said, ES256 made"), token, INVALID_TOKEN);
    }
    for alg in [json!(null), json!(7), json!(["ES256"]), json!({ "alg": "ES256" })] {
        all.headed(json!({ "alg": alg }));
    }
}

fn names_of_keys(all: &mut Cases) {
    for kid in [
        json!(null),
        json!(""),
        json!("nobody's"),
        json!("twice"),
        json!("ed-1"),
        json!("rsa-1"),
        json!("../../etc/passwd"),
        json!("/dev/null"),
        json!("http://127.0.0.1:9/keys"),
        json!("p256-1' OR '1'='1"),
        json!("p256-1\u{0}"),
        json!("P256-1"),
        json!(" p256-1"),
        json!("k".repeat(257)),
        json!(1),
        json!(["p256-1"]),
        json!("for-encryption"),
        json!("shared"),
    ] {
        all.headed(json!({ "kid": kid }));
    }
    // Keys, and places of keys, that the token brings itself.
    let own = Signer::p256("p256-1");
    let (jwk, body) = (own.jwk(), all.claims());
    for header in [
        json!({ "jwk": jwk }),
        json!({ "jwk": jwk, "kid": "mine" }),
        json!({ "jwk": jwk, "kid": null }),
        json!({ "jku": "http://127.0.0.1:9/keys" }),
        json!({ "jku": "https://evil.example/keys", "kid": "mine" }),
        json!({ "x5u": "https://evil.example/chain.pem" }),
        json!({ "x5c": [data_encoding::BASE64.encode(&own.public_der())] }),
        json!({ "x5t": base64([7; 20]), "x5t#S256": base64([7; 32]) }),
    ] {
        let token = own.token(&with(&own.header(), &header), &body);
        all.token(&format!("its own key: {}", short(&header)), token, INVALID_TOKEN);
    }
}

fn claimed(all: &mut Cases) {
    let issuer = all.issuer.clone();
    for iss in [
        json!(null),
        json!(""),
        json!(format!("{issuer}/")),
        json!(issuer.to_uppercase()),
        json!(issuer.replace("http:", "https:")),
        json!(issuer.trim_end_matches(|c: char| c.is_ascii_digit())),
        json!(format!("{issuer}.evil.example")),
        json!(format!("{issuer}/evil")),
        json!(format!("{issuer}#")),
        json!(format!(" {issuer}")),
        json!(issuer.replace("127.0.0.1", "localhost")),
        json!([issuer]),
        json!([issuer, "https://evil.example"]),
        json!("https://evil.example"),
        json!(7),
        json!({ "iss": issuer }),
    ] {
        all.claiming("iss", json!({ "iss": iss }));
    }
    for aud in [
        json!(null),
        json!(""),
        json!([]),
        json!("https://kb.acorn.example"),
        json!("https://kb.acorn.example/"),
        json!("https://kb.acorn.example/mcp/"),
        json!("https://kb.acorn.example/mcp2"),
        json!("https://kb.acorn.example/mc"),
        json!("HTTPS://kb.acorn.example/mcp"),
        json!("https://KB.acorn.example/mcp"),
        json!("http://kb.acorn.example/mcp"),
        json!("https://kb.acorn.example:443/mcp"),
        json!("https://kb.acorn.example/mcp?a"),
        json!("https://kb.acorn.example/mcp https://other.example"),
        json!(["https://other.example", "agent-one"]),
        json!([["https://kb.acorn.example/mcp"]]),
        json!([ISSUED_FOR, 7]),
        json!({ "aud": ISSUED_FOR }),
        json!("agent-one"),
        json!("*"),
        json!(true),
    ] {
        all.claiming("aud", json!({ "aud": aud }));
    }
    for exp in [
        json!(null),
        json!(now() - 61),
        json!(now() - 100_000),
        json!(0),
        json!(-1),
        json!((now() + 600).to_string()),
        json!("never"),
        json!(1e300),
        json!(u64::MAX),
        json!((now() + 600) * 1000),
        json!(true),
        json!([now() + 600]),
    ] {
        all.claiming("exp", json!({ "exp": exp }));
    }
    for (name, value) in [
        ("nbf", json!(now() + 300)),
        ("nbf", json!("tomorrow")),
        ("nbf", json!(-5)),
        ("iat", json!(now() + 300)),
        ("iat", json!("yesterday")),
        ("iat", json!(1e300)),
        ("sub", json!("")),
        ("sub", json!("s".repeat(256))),
        ("sub", json!(7)),
        ("sub", json!([SUBJECT])),
        ("sub", json!("nobody-canary-55")),
        ("sub", json!("SUBJECT-CANARY-41")),
        ("sub", json!(format!("{SUBJECT} "))),
        ("sub", json!(format!("{SUBJECT}\u{0}"))),
        ("sub", json!(DANA)),
        ("client_id", json!("")),
        ("client_id", json!(7)),
        ("client_id", json!("an agent")),
        ("client_id", json!("a".repeat(201))),
        ("client_id", json!("agent\nforged: line")),
        ("azp", json!("agent-two")),
        ("scope", json!(["kb:read"])),
        ("scope", json!(7)),
        ("scope", json!({ "kb:read": true })),
        ("cnf", json!({ "jkt": base64([7; 32]) })),
        ("cnf", json!({ "x5t#S256": base64([7; 32]) })),
        ("cnf", json!("bound")),
        ("at_hash", json!(base64([7; 16]))),
        ("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} })),
    ] {
        all.claiming(name, json!({ name: value }));
    }
    all.claiming("nobody", json!({ "sub": null, "client_id": null }));
    all.claiming("scp", json!({ "scope": null, "scp": [7] }));
    all.claiming("scp", json!({ "scope": null, "scp": 7 }));
    // By its e-mail address or name it is nobody.
    all.claiming(
        "email",
        json!({ "sub": "x", "email": DANA, "email_verified": true, "preferred_username": DANA }),
    );
}

fn forms(all: &mut Cases) {
    for typ in [
        json!(null),
        json!(""),
        json!("JWT"),
        json!("id_token"),
        json!("dpop+jwt"),
        json!("logout+jwt"),
        json!("at+jwt "),
        json!("at-jwt"),
        json!("x/at+jwt"),
        json!(["at+jwt"]),
        json!(7),
    ] {
        all.headed(json!({ "typ": typ }));
    }
    for header in [
        json!({ "crit": ["exp"] }),
        json!({ "crit": [] }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "b64": false }),
        json!({ "zip": "DEF" }),
        json!({ "enc": "A256GCM" }),
    ] {
        all.headed(header);
    }
    let (header, body) = (all.p256.header().to_string(), all.claims().to_string());
    let twice = |text: &str, more: &str| format!("{},{more}}}", text.strip_suffix('}').unwrap());
    for (name, header, body) in [
        ("alg twice", twice(&header, "\"alg\":\"ES256\""), body.clone()),
        ("kid twice, one escaped", twice(&header, "\"\\u006bid\":\"p256-1\""), body.clone()),
        ("sub twice", header.clone(), twice(&body, "\"sub\":\"somebody\"")),
        ("aud twice, the same", header.clone(), twice(&body, &format!("\"aud\":\"{ISSUED_FOR}\""))),
        ("exp twice", header.clone(), twice(&body, "\"exp\":9999999999")),
        ("a member of a member twice", header.clone(), twice(&body, "\"x\":{\"a\":1,\"a\":2}")),
        ("exp is NaN", header.clone(), body.replace(&format!("{}", now() + 600), "NaN")),
        ("exp is infinite", header.clone(), twice(&body.replace("\"exp\"", "\"old\""), "\"exp\":1e999")),
        ("claims are a list", header.clone(), format!("[{body}]")),
        ("claims are text", header.clone(), "\"x\"".to_owned()),
        ("claims are nothing", header.clone(), String::new()),
        ("header is a list", format!("[{header}]"), body.clone()),
        ("header is nothing", String::new(), body.clone()),
        ("something after the header", format!("{header} x"), body.clone()),
        ("something after the claims", header.clone(), format!("{body}{{}}")),
        ("a comment in the claims", header.clone(), body.replace("{\"iss", "/* */{\"iss")),
        ("a mark of UTF-8 before the claims", header.clone(), format!("\u{feff}{body}")),
        (
            "deep claims",
            header.clone(),
            twice(&body, &format!("\"x\":{}{}", "[".repeat(3000), "]".repeat(3000))),
        ),
    ] {
        let token = all.p256.token_of("ES256", header, body);
        all.token(name, token, INVALID_TOKEN);
    }
    let not_utf8 = [body.replace("agent-one", "agent-").as_bytes(), b"\xff\xfe"].concat();
    let token = all.p256.token_of("ES256", &header, not_utf8);
    all.token("claims that are no UTF-8", token, INVALID_TOKEN);

    let good = all.p256.token(&all.p256.header(), &all.claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [h, c, s] = parts[..] else { panic!("three parts") };
    for (name, token) in [
        ("two parts", format!("{h}.{c}")),
        ("one part", h.to_owned()),
        ("four parts", format!("{good}.{s}")),
        ("five parts", format!("{h}..{c}.{s}.{s}")),
        ("no parts", "..".to_owned()),
        ("dots", ".....".to_owned()),
        ("an empty header", format!(".{c}.{s}")),
        ("empty claims", format!("{h}..{s}")),
        ("an empty signature", format!("{h}.{c}.")),
        ("padding in the header", format!("{h}==.{c}.{s}")),
        ("padding in the claims", format!("{h}.{c}=.{s}")),
        ("padding in the signature", format!("{h}.{c}.{s}==")),
        ("another alphabet", format!("{h}.{c}.{}+/", &s[..s.len() - 2])),
        ("bits that nobody reads", format!("{h}.{c}.{}", last_bits(s))),
        ("a signature cut short", format!("{h}.{c}.{}", &s[..s.len() - 4])),
        ("a longer signature", format!("{h}.{c}.{s}AAAA")),
        ("another's signature", format!("{h}.{c}.{}", base64([1; 64]))),
        ("a signature of zeros", format!("{h}.{c}.{}", base64([0; 64]))),
        ("no r", format!("{h}.{c}.{}", base64([[0; 32], [7; 32]].concat()))),
        ("no s", format!("{h}.{c}.{}", base64([[7; 32], [0; 32]].concat()))),
        (
            "a signature in DER",
            format!(
                "{h}.{c}.{}",
                base64([&[0x30, 0x44, 2, 0x20][..], &[7; 32], &[2, 0x20], &[7; 32]].concat())
            ),
        ),
        ("a header of another", format!("{}.{c}.{s}", base64(all.rsa.header().to_string()))),
        ("JSON instead", format!("{{\"payload\":\"{c}\",\"signature\":\"{s}\"}}")),
        ("garbage", "%%%.%%%.%%%".to_owned()),
        ("a long word", "x".repeat(9000)),
        ("almost one of the directory", format!("kwt_{}", "a".repeat(43))),
        ("one of the directory, and ours", format!("kwt_.{c}.{s}")),
    ] {
        all.token(name, token, INVALID_TOKEN);
    }
    let bytes = data_encoding::BASE64URL_NOPAD.decode(s.as_bytes()).unwrap();
    for at in [0, 31, 32, 63] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        all.token(&format!("bit {at} flipped"), format!("{h}.{c}.{}", base64(flipped)), INVALID_TOKEN);
    }
    for kid in ["p256-1", "ed-1", "rsa-1"] {
        let other = Signer::p256("x");
        let header = with(&other.header(), &json!({ "kid": kid }));
        let token = other.token(&header, &all.claims());
        all.token(&format!("another's key under the name {kid}"), token, INVALID_TOKEN);
    }
    let long = with(&all.claims(), &json!({ "pad": "p".repeat(13_000) }));
    let token = all.p256.token(&all.p256.header(), &long);
    assert!(token.len() > 16 << 10);
    all.token("too long", token, INVALID_REQUEST);
}

/// The same signature with other bits in its last character, which carries two bits that mean nothing.
fn last_bits(s: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = s.split_at(s.len() - 1);
    let at = ALPHABET.find(last).unwrap() ^ 1;
    format!("{rest}{}", &ALPHABET[at..=at])
}

fn scopes(all: &mut Cases) {
    for (name, patch) in [
        ("no scope", json!({ "scope": null })),
        ("an empty scope", json!({ "scope": "" })),
        ("another scope", json!({ "scope": "openid profile" })),
        ("review is not read", json!({ "scope": "kb:review kb:admin" })),
        ("a longer name", json!({ "scope": "kb:read2 xkb:read kb:read:all" })),
        ("another case", json!({ "scope": "KB:READ" })),
        ("with a comma", json!({ "scope": "kb:read,openid" })),
        ("with a tab", json!({ "scope": "openid\tkb:read" })),
        ("an empty list", json!({ "scope": null, "scp": [] })),
        ("another in a list", json!({ "scope": null, "scp": ["openid kb:read"] })),
        ("scope counts, not scp", json!({ "scope": "openid", "scp": "kb:read" })),
        ("a service without", json!({ "scope": "openid", "sub": "agent-one" })),
    ] {
        all.signed(name, json!({}), patch, NO_SCOPE);
    }
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
