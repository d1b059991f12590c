//! Certificates that the client trusts.

use super::{fetch, get};
use crate::raw_tls::RawPeer;
use crate::support::Server;
use std::io::Write;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::rustls::{ContentType, ServerConfig, ServerConnection, StreamOwned};

fn certificate(server: &Server) -> String {
    let path = server.directory.path().join("certs/localhost.pem");
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_certificate_is_checked_unless_asked_otherwise() {
    let server = Server::start(&[]);
    let authority = format!("localhost:{}", server.https.port());
    let url = format!("https://{authority}/");
    // The `--cacert` names a certificate that is not used, because the machine may have no authorities
    // of its own.
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
    // A server that refuses by an alert, and one without ALPN.
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

/// A server with a certificate, for one connection.
fn serving(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> std::net::SocketAddr {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let config = Arc::new(config);
        for socket in listener.incoming().map_while(Result::ok) {
            let session = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(session, socket);
            // SETTINGS, HEADERS of stream 1: 200 and the end; then it waits until the client closes.
            let answer = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x88";
            let mut buffer = [0; 4096];
            while matches!(std::io::Read::read(&mut stream, &mut buffer), Ok(len) if len > 0) {
                if std::io::Write::write_all(&mut stream, answer).is_err() {
                    break;
                }
            }
        }
    });
    address
}

/// The certificates are like those of `openssl req -x509`, and like those that a private authority
/// issues for servers.
#[test]
fn a_certificate_that_cacert_names_itself_is_trusted_as_curl_trusts_it() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let directory = tempfile::tempdir().unwrap();
    let pem = |name: &str, certificate: &rcgen::Certificate| {
        let path = directory.path().join(name);
        std::fs::write(&path, certificate.pem()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let names = vec!["127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names.clone()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap();
    let url = format!("https://{}/", serving(&own, &key));
    let own_pem = pem("own.pem", &own);
    assert_eq!(fetch(["--cacert", &own_pem, &url]).err, "");

    // Issued by an authority that is not named.
    let authority = Issuer::new(params, key);
    let server_key = KeyPair::generate().unwrap();
    let issued = CertificateParams::new(names).unwrap();
    let issued = issued.signed_by(&server_key, &authority).unwrap();
    let url = format!("https://{}/", serving(&issued, &server_key));
    assert_eq!(
        fetch(["--cacert", &pem("issued.pem", &issued), &url]).err,
        ""
    );
    assert_eq!(fetch(["--cacert", &own_pem, &url]).err, "");

    // A certificate for another name or another time is refused.
    let mut params = CertificateParams::new(vec!["elsewhere.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let other = params.self_signed(&key).unwrap();
    let url = format!("https://{}/", serving(&other, &key));
    let got = get(["--cacert", &pem("other.pem", &other), &url]);
    assert!(got.failure().contains("is for other names"), "{}", got.err);
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let old = params.self_signed(&key).unwrap();
    let url = format!("https://{}/", serving(&old, &key));
    let got = get(["--cacert", &pem("old.pem", &old), &url]);
    assert!(got.failure().contains("has expired"), "{}", got.err);
}

#[test]
fn a_ticket_that_the_server_cuts_into_records_is_no_obstacle() {
    let server = Server::start(&[]);
    let pem = certificate(&server);
    let chain = CertificateDer::pem_file_iter(&pem).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(pem.replace(".pem", ".key")).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.send_tls13_tickets = 0;
    config.enable_secret_extraction = true;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut session = ServerConnection::new(Arc::new(config)).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).unwrap();
        }
        let suite = session.negotiated_cipher_suite().unwrap();
        let secrets = session.dangerous_extract_secrets().unwrap();
        let mut peer = RawPeer::new(suite, secrets.tx);
        // Lifetime, age, a nonce, a ticket, no extensions (RFC 8446 §4.6.1).
        let ticket = [4, 0, 0, 16, 0, 0, 1, 0, 0, 0, 0, 0, 1, 7, 0, 2, 8, 8, 0, 0];
        for part in ticket.chunks(7) {
            let record = peer.seal(ContentType::Handshake, part);
            socket.write_all(&record).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        // SETTINGS, the acknowledgement of the client's, and 204 to its first request.
        let frames = b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x89";
        let answer = peer.seal(ContentType::ApplicationData, frames);
        socket.write_all(&answer).unwrap();
        let _ = std::io::Read::read_to_end(&mut socket, &mut Vec::new());
    });
    fetch(["-k", &format!("https://localhost:{}/", address.port())]);
    served.join().unwrap();
}
