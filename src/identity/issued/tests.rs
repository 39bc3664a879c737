//! Keys of an issuer over time: what is fetched, when, and who waits for it. Tokens themselves are tried through the real
//! program (`tests/it/oauth`).

use super::keys::{Bounds, KeyError, Keys};
use crate::config::{Algorithm, Config};
use crate::outgoing::Outgoing;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// An issuer of one key, whose name can change, and which can be down or slow.
#[derive(Default)]
struct Served {
    kid: Mutex<String>,
    down: AtomicBool,
    slow: AtomicBool,
    asked: AtomicUsize,
}

fn serve(kid: &str) -> (Arc<Served>, String) {
    let served = Arc::new(Served { kid: Mutex::new(kid.to_owned()), ..Served::default() });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shared = Arc::clone(&served);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            shared.asked.fetch_add(1, Ordering::SeqCst);
            if shared.slow.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(500));
            }
            let x = data_encoding::BASE64URL_NOPAD.encode(&[7; 32]);
            let kid = shared.kid.lock().unwrap().clone();
            let body =
                json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x }] }).to_string();
            let status = if shared.down.load(Ordering::SeqCst) { "500 No" } else { "200 OK" };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    (served, url)
}

fn keys(url: &str, bounds: Bounds) -> Arc<Keys> {
    let text = format!("data_dir = \"d\"\n[[issuer]]\nurl = \"{url}\"\njwks_uri = \"{url}/keys\"\n");
    let config = Config::from_text(Path::new("/nowhere/kenward.toml"), &text).unwrap();
    Arc::new(Keys::new(config.issuers[0].clone(), Outgoing::of(&config).issuers(), bounds))
}

fn found(keys: &Arc<Keys>, kid: &str) -> Result<(), KeyError> {
    keys.find(kid, Algorithm::EdDSA).map(drop)
}

fn soon(is_it: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_it() {
        assert!(Instant::now() < deadline, "it does not become so");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn unknown_names_ask_once_in_a_while_and_a_new_key_is_known_at_once() {
    let (served, url) = serve("a");
    let keys = keys(&url, Bounds { unknown: Duration::from_millis(400), ..Bounds::default() });
    assert_eq!(found(&keys, "a"), Ok(()));
    assert_eq!(keys.find("a", Algorithm::ES256).map(drop), Err(KeyError::Unknown), "not for this algorithm");
    *served.kid.lock().unwrap() = "b".to_owned();
    assert_eq!(found(&keys, "b"), Ok(()), "at once");
    assert_eq!(served.asked.load(Ordering::SeqCst), 2);
    for n in 0..50 {
        assert_eq!(found(&keys, &format!("unknown {n}")), Err(KeyError::Unknown));
    }
    assert_eq!(served.asked.load(Ordering::SeqCst), 2, "not for a flood");
    std::thread::sleep(Duration::from_millis(400));
    *served.kid.lock().unwrap() = "c".to_owned();
    assert_eq!(found(&keys, "c"), Ok(()));
    assert_eq!(found(&keys, "b"), Err(KeyError::Unknown), "what is gone is gone");
}

#[test]
fn old_keys_are_used_while_the_issuer_is_down_and_too_old_ones_are_not() {
    let (served, url) = serve("a");
    let bounds = Bounds {
        fresh: Duration::from_millis(100),
        usable: Duration::from_millis(1200),
        unknown: Duration::from_millis(50),
        failed: Duration::from_millis(50),
        ..Bounds::default()
    };
    let keys = keys(&url, bounds);
    assert_eq!(found(&keys, "a"), Ok(()));
    std::thread::sleep(Duration::from_millis(150));
    // Old: they are used, and fetched again beside that.
    assert_eq!(found(&keys, "a"), Ok(()));
    soon(|| served.asked.load(Ordering::SeqCst) == 2);
    served.down.store(true, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(found(&keys, "a"), Ok(()), "down, and known");
    assert_eq!(found(&keys, "b"), Err(KeyError::Later), "nobody can tell");
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(found(&keys, "a"), Err(KeyError::Later), "too old");
    served.down.store(false, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(found(&keys, "a"), Ok(()));
}

#[test]
fn one_fetch_serves_all_who_wait_and_only_so_many_do() {
    let (served, url) = serve("a");
    served.slow.store(true, Ordering::SeqCst);
    let keys = keys(&url, Bounds { waiting: 8, ..Bounds::default() });
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let keys = Arc::clone(&keys);
            std::thread::spawn(move || found(&keys, "a"))
        })
        .collect();
    let got: Vec<_> = asking.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(got.iter().filter(|got| got.is_ok()).count(), 8, "{got:?}");
    assert_eq!(got.iter().filter(|got| **got == Err(KeyError::Later)).count(), 12, "{got:?}");
    assert_eq!(served.asked.load(Ordering::SeqCst), 1);
    assert_eq!(found(&keys, "a"), Ok(()));
}
