//! TLS by the real program: what a client that knows the certificate gets, and that there is no way round it.

use super::served::{DANA, Home, Served, kenward};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider};

async fn over_tls(address: &str, known: &CertificateDer<'static>, request: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(known.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn the_listener_speaks_tls_and_nothing_else() {
    let home = Home::new();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(home.path("chain.pem"), made.cert.pem()).unwrap();
    std::fs::write(home.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let token = home.token(DANA);
    let mut command = kenward(&home.config());
    command
        .args(["serve", "--http", "127.0.0.1:0"])
        .env("KENWARD__HTTP__TLS_CERTIFICATE", home.path("chain.pem"))
        .env("KENWARD__HTTP__TLS_KEY", home.path("key.pem"));
    let mut served = Served::start(&mut command, home.path("serve.out"), home.path("serve.log"));
    let address = served.url.strip_prefix("https://").unwrap().strip_suffix("/mcp").unwrap().to_owned();
    let known = made.cert.der().clone();

    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = over_tls(&address, &known, &request).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("kenward"), "{answer}");

    // In clear, and to somebody who does not know the certificate, nothing is said.
    let mut clear = TcpStream::connect(&address).await.unwrap();
    clear.write_all(request.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let _ = clear.read_to_end(&mut said).await;
    assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1"), "{said:?}");
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    assert!(over_tls(&address, other.cert.der(), &request).await.is_err());
    assert_eq!(served.stop(), Some(0), "{}", served.log());
}

#[test]
fn half_of_it_is_an_error_that_names_the_other_half() {
    let home = Home::new();
    for (given, missing) in [("CERTIFICATE", "http.tls_key"), ("KEY", "http.tls_certificate")] {
        let output = kenward(&home.config())
            .args(["serve", "--http", "127.0.0.1:0"])
            .env(format!("KENWARD__HTTP__TLS_{given}"), home.path("x.pem"))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(missing), "{said}");
    }
}
