//! Upstreams behind TLS: the certificates that are taken, the protocols, and an end that nobody announced.

use super::{body, ends_in_reset, status};
use crate::support::{PATIENCE, Server};
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

/// Bytes of a response that takes several reads and many records.
const LONG: usize = 300_000;

fn pair() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
}

/// A calmd with the certificate `cert.pem` in its directory.
fn upstream() -> Server {
    let options = ["--cert", "cert.pem", "--key", "key.pem", "--demo"];
    Server::with_site(&options, |site| {
        let directory = site.parent().expect("a directory");
        let pair = pair();
        std::fs::write(directory.join("cert.pem"), pair.cert.pem()).unwrap();
        std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
        std::fs::write(site.join("long"), "x".repeat(LONG)).unwrap();
    })
}

fn proxy(rule: &str, certificates: &Path) -> Server {
    let certificates = certificates.to_str().expect("a path");
    Server::start(&["--proxy", rule, "--proxy-ca", certificates])
}

#[test]
fn requests_and_responses_pass_through_tls_in_both_versions() {
    let upstream = upstream();
    let certificates = upstream.directory.path().join("cert.pem");
    for (scheme, via) in [("https", "1.1 calmd"), ("h2", "2 calmd")] {
        let rule = format!("/={scheme}://localhost:{}", upstream.https.port());
        let server = proxy(&rule, &certificates);
        for _ in 0..3 {
            let got = server.request("GET /long HTTP/1.1");
            assert_eq!((status(&got), body(&got).len()), ("200", LONG), "{scheme}");
            assert!(got.contains(&format!("\r\nvia: {via}\r\n")), "{got:.500}");
        }
        let post = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
        let got = String::from_utf8(server.converse(post)).unwrap();
        assert_eq!(status(&got), "200", "{got}");
        assert!(body(&got).contains("hello"), "{got}");
    }
}

#[test]
fn a_certificate_that_is_not_trusted_or_of_another_name_is_refused() {
    let upstream = upstream();
    let right = upstream.directory.path().join("cert.pem");
    let wrong = upstream.directory.path().join("wrong.pem");
    std::fs::write(&wrong, pair().cert.pem()).unwrap();
    let port = upstream.https.port();
    for (host, certificates) in [("localhost", &wrong), ("127.0.0.1", &right)] {
        let server = proxy(&format!("/=https://{host}:{port}"), certificates);
        assert_eq!(status(&server.request("GET / HTTP/1.1")), "502", "{host}");
        server.logged("the upstream's certificate is not trusted");
    }
    // A port in the clear.
    let rule = format!("/=https://localhost:{}", upstream.http.port());
    let server = proxy(&rule, &right);
    assert_eq!(status(&server.request("GET / HTTP/1.1")), "502");
    server.logged("TLS with the upstream fails");
}

/// A server of TLS that answers each request until its end, which it announces or not.
fn ending(pair: &CertifiedKey<KeyPair>, announces: bool) -> SocketAddr {
    let key = PrivateKeyDer::Pkcs8(pair.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(calmd::tls::provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(tls.read(&mut byte), Ok(1)) {
                head.extend(byte);
            }
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\n\r\nsome");
            let _ = tls.flush();
            if announces {
                session.send_close_notify();
                let _ = session.write_tls(&mut stream);
            }
        }
    });
    address
}

#[test]
fn an_end_that_tls_does_not_announce_is_not_passed_on_as_one() {
    let pair = pair();
    let directory = tempfile::tempdir().unwrap();
    let certificates = directory.path().join("cert.pem");
    std::fs::write(&certificates, pair.cert.pem()).unwrap();
    for announces in [true, false] {
        let port = ending(&pair, announces).port();
        let server = proxy(&format!("/=https://localhost:{port}"), &certificates);
        let got = server.request("GET / HTTP/1.1");
        assert_eq!(got.ends_with("0\r\n\r\n"), announces, "{got}");
        assert_eq!(ends_in_reset(&server), !announces);
    }
}
