//! Whom the client trusts.

use super::{fetch, get};
use crate::support::Server;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

fn certificate(server: &Server) -> String {
    let path = server.directory.path().join("certs/localhost.pem");
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_certificate_is_checked_unless_asked_otherwise() {
    let server = Server::start(&[]);
    let authority = format!("localhost:{}", server.https.port());
    let url = format!("https://{authority}/");
    // `--cacert` of nobody: the machine may have no authorities of its own.
    let stranger = Server::start(&[]);
    let got = get(["--cacert", &certificate(&stranger), &url]);
    assert_eq!(
        got.failure(),
        format!(
            "nobody we trust vouches for the certificate of {authority}; name its authority with \
             --cacert FILE, or go without the check by --insecure"
        )
    );
    let page = "<!doctype html><title>start</title>";
    assert_eq!(
        fetch(["--cacert", &certificate(&server), &url]).text(),
        page
    );
    assert_eq!(fetch(["--insecure", &url]).text(), page);
    assert_eq!(fetch(["-k", &url, &url]).text(), page.repeat(2));
}

#[test]
fn a_file_without_certificates_is_named() {
    let got = get(["--cacert", "/dev/null", "https://127.0.0.1:1/"]);
    assert_eq!(
        got.failure(),
        "cannot use '/dev/null' (--cacert): there is no certificate in it; it must be PEM"
    );
}

#[test]
fn the_wrong_scheme_is_told_from_the_right_one() {
    let server = Server::start(&[]);
    let got = get(["-k", &format!("https://{}/", server.http)]);
    let reason = format!("{} speaks no TLS on this port; write http://", server.http);
    assert_eq!(got.failure(), reason);
    let got = get([format!("http://{}/", server.https)]);
    let reason = format!("{} speaks TLS on this port; write https://", server.https);
    assert_eq!(got.failure(), reason);
}

#[test]
fn a_server_without_h2_is_called_one() {
    let server = Server::start(&[]);
    let pem = certificate(&server);
    let chain = CertificateDer::pem_file_iter(&pem).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(pem.replace(".pem", ".key")).unwrap();
    // One that refuses by an alert, and one that knows no ALPN at all.
    for protocols in [vec![b"http/1.1".to_vec()], vec![]] {
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key.clone_key())
            .unwrap();
        config.alpn_protocols = protocols;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let session = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(session, socket);
            let _ = std::io::Read::read(&mut stream, &mut [0]);
        });
        let got = get(["-k", &format!("https://{address}/")]);
        let reason =
            format!("{address} speaks no HTTP/2, and calmd get speaks nothing else; try curl");
        assert_eq!(got.failure(), reason);
        served.join().unwrap();
    }
}
