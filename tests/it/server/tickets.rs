//! Session tickets between servers that share a key, by an independent client.

use crate::server::tls::{connect_with, trusting};
use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::rustls::{
    ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion, version,
};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// A certificate and a ticket key that several servers have.
struct Shared {
    /// The first server, which has made the certificate.
    first: Server,
    place: TempDir,
}

impl Shared {
    fn new(key: &[u8]) -> Shared {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("ticket.key");
        fs::write(&file, key).unwrap();
        let first = Server::start(&["--ticket-key", file.to_str().unwrap()]);
        Shared { first, place }
    }

    fn key(&self) -> PathBuf {
        self.place.path().join("ticket.key")
    }

    fn certificate(&self) -> PathBuf {
        self.first.directory.path().join("certs/localhost.pem")
    }

    /// Another server with the certificate of the first one.
    fn another(&self, options: &[&str]) -> Server {
        let (cert, key) = (self.certificate(), self.certificate().with_extension("key"));
        let pair = [
            "--cert",
            cert.to_str().unwrap(),
            "--key",
            key.to_str().unwrap(),
        ];
        Server::start(&[&pair, options].concat())
    }

    /// Another server with the ticket key too.
    fn twin(&self) -> Server {
        self.another(&["--ticket-key", self.key().to_str().unwrap()])
    }
}

/// A client without sessions.
fn client(certificate: &Path, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(certificate).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// Fetches the start page on a connection of its own. Returns the kind of the connection's handshake.
fn fetch(server: &Server, client: &Arc<ClientConfig>) -> HandshakeKind {
    let mut stream = connect_with(server, client.clone());
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("the handshake succeeds");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    stream.conn.handshake_kind().unwrap()
}

/// Puts a file in the place of another at once.
fn replace(path: &Path, content: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::rename(&beside, path).unwrap();
}

/// Sends SIGHUP and waits until it has been heeded.
fn reload(server: &Server) {
    let count = || server.log().matches("was read again").count();
    let before = count();
    server.signal("HUP");
    let start = Instant::now();
    while count() == before {
        assert!(start.elapsed() < PATIENCE, "not read: {}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_session_of_one_server_is_resumed_by_another_with_the_same_ticket_key() {
    for key in [&[7; 48][..], &[7; 80]] {
        let shared = Shared::new(key);
        let twin = shared.twin();
        for version in VERSIONS {
            let client = client(&shared.certificate(), version);
            assert_eq!(fetch(&shared.first, &client), HandshakeKind::Full);
            for server in [&twin, &shared.first, &twin, &twin] {
                let kind = fetch(server, &client);
                assert_eq!(kind, HandshakeKind::Resumed, "{version:?}");
            }
        }
    }
}

#[test]
fn without_a_ticket_key_and_under_another_certificate_the_handshake_is_a_full_one() {
    let shared = Shared::new(&[7; 80]);
    let without = shared.another(&[]);
    for version in VERSIONS {
        let client = client(&shared.certificate(), version);
        fetch(&shared.first, &client);
        assert_eq!(fetch(&without, &client), HandshakeKind::Full, "{version:?}");
    }
    let other = Server::start(&["--ticket-key", shared.key().to_str().unwrap()]);
    // A client that trusts both goes by the names alone.
    let both = shared.place.path().join("both.pem");
    let theirs = other.directory.path().join("certs/localhost.pem");
    let pems = [shared.certificate(), theirs].map(|path| fs::read_to_string(path).unwrap());
    fs::write(&both, pems.concat()).unwrap();
    let client = trusting(&both, &[]);
    fetch(&shared.first, &client);
    assert_eq!(fetch(&other, &client), HandshakeKind::Full);
    assert_eq!(fetch(&other, &client), HandshakeKind::Resumed);
}

#[test]
fn a_new_ticket_key_is_taken_on_sighup_and_ends_old_sessions_without_an_error() {
    let shared = Shared::new(&[7; 80]);
    let twin = shared.twin();
    for (version, byte) in VERSIONS.into_iter().zip(8..) {
        let client = client(&shared.certificate(), version);
        let first = fetch(&shared.first, &client);
        assert_eq!(first, HandshakeKind::Full, "{version:?}");
        // The other server does not know the new key yet.
        replace(&shared.key(), &[byte; 48]);
        reload(&shared.first);
        assert_eq!(fetch(&shared.first, &client), HandshakeKind::Full);
        assert_eq!(fetch(&twin, &client), HandshakeKind::Full);
        reload(&twin);
        assert_eq!(fetch(&twin, &client), HandshakeKind::Full);
        assert_eq!(fetch(&shared.first, &client), HandshakeKind::Resumed);
    }
}

#[test]
fn a_bad_ticket_key_changes_nothing_on_sighup() {
    let shared = Shared::new(&[7; 80]);
    let client = client(&shared.certificate(), &version::TLS13);
    fetch(&shared.first, &client);
    replace(&shared.key(), b"bad");
    shared.first.signal("HUP");
    let line = shared.first.logged("the old certificate stays");
    assert!(line.contains("(--ticket-key) has 3 bytes"), "{line}");
    assert_eq!(fetch(&shared.first, &client), HandshakeKind::Resumed);
}

#[test]
fn a_ticket_key_in_the_site_is_not_served() {
    let server = Server::with_site(&["--ticket-key", "site/keys/ticket.key"], |site| {
        fs::create_dir(site.join("keys")).unwrap();
        for name in ["ticket.key", "ticket.key.old", "before"] {
            fs::write(site.join("keys").join(name), [7; 80]).unwrap();
        }
        fs::hard_link(site.join("keys/ticket.key"), site.join("page.bin")).unwrap();
    });
    for path in [
        "keys/ticket.key",
        "keys/ticket.key.old",
        "keys/before",
        "page.bin",
    ] {
        let answer = server.request(&format!("GET /{path} HTTP/1.1"));
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    let line = server.logged("the key of session tickets '");
    assert!(line.contains("--ticket-key"), "{line}");
}
