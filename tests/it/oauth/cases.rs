//! Hostile tokens: everything that can be wrong with one, each with what must come back.

use super::hostile::{Cases, INVALID_REQUEST, INVALID_TOKEN, NO_SCOPE, SUBJECT, short};
use super::mint::{ISSUED_FOR, Signer, base64, now, with};
use crate::served::DANA;
use serde_json::{Value, json};

pub(super) fn algorithms(all: &mut Cases) {
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

pub(super) fn names_of_keys(all: &mut Cases) {
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

pub(super) fn claimed(all: &mut Cases) {
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

pub(super) fn forms(all: &mut Cases) {
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

pub(super) fn scopes(all: &mut Cases) {
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
