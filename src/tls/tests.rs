//! Certificates, from the view of an operator and of a client.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

use super::*;
use rustls::pki_types::pem::PemObject;

fn self_signed(directory: &Path) -> Certificate {
    Certificate::SelfSigned {
        directory: Some(directory.into()),
    }
}

/// A certificate and key made by the code under test, in the directory `name`.
fn pair_of_files(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = directory.join(name);
    TlsContext::open(&self_signed(&made)).unwrap();
    (made.join("localhost.pem"), made.join("localhost.key"))
}

fn files(chain: &Path, key: &Path) -> Certificate {
    Certificate::Files {
        chain: chain.into(),
        key: key.into(),
    }
}

fn error(chain: &Path, key: &Path) -> String {
    let Err(error) = TlsContext::open(&files(chain, key)) else {
        panic!("accepted");
    };
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

/// A client that trusts exactly the certificate in this file.
fn client(chain: &Path, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(chain).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Makes a whole handshake in memory. Returns what the server knows after it.
fn handshake(
    server: &TlsContext,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<ServerConnection, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(Arc::clone(server.config()))?;
    while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut &wire[..]).unwrap();
        client.process_new_packets()?;
    }
    Ok(server)
}

#[test]
fn the_first_start_makes_a_certificate_and_later_ones_keep_it() {
    let place = tempfile::tempdir().unwrap();
    let certs = place.path().join("certs");
    let (_, origin) = TlsContext::open(&self_signed(&certs)).unwrap();
    let (chain, key) = (certs.join("localhost.pem"), certs.join("localhost.key"));
    assert_eq!(origin, CertificateOrigin::Made(chain.clone()));
    let before = fs::read(&chain).unwrap();
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (_, origin) = TlsContext::open(&self_signed(&certs)).unwrap();
    assert_eq!(origin, CertificateOrigin::Kept(chain.clone()));
    assert_eq!(fs::read(&chain).unwrap(), before);
    assert_eq!(
        fs::read_dir(&certs).unwrap().count(),
        2,
        "nothing else is left"
    );
}

#[test]
fn a_certificate_of_ours_is_renewed_before_it_expires_or_when_its_key_is_gone_or_wrong() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    let provider = crypto::default_provider();
    let directory = chain.parent().unwrap();
    let origin = |days: u64| {
        let now = SystemTime::now() + Duration::from_secs(days * 24 * 3600);
        self_signed::pair(directory, now, &provider).unwrap().1
    };
    assert_eq!(origin(366), CertificateOrigin::Kept(chain.clone()));
    assert_eq!(origin(368), CertificateOrigin::Made(chain.clone()));
    fs::remove_file(&key).unwrap();
    assert_eq!(origin(0), CertificateOrigin::Made(chain.clone()));
    let (_, other) = pair_of_files(place.path(), "b");
    fs::copy(other, &key).unwrap();
    assert_eq!(origin(0), CertificateOrigin::Made(chain.clone()));
}

#[test]
fn a_certificate_that_somebody_put_there_is_never_replaced() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    let text = fs::read_to_string(&chain).unwrap();
    let bare = &text[text.find("-----BEGIN").unwrap()..];
    fs::write(&chain, bare).unwrap();
    let certificate = self_signed(chain.parent().unwrap());
    assert_eq!(
        TlsContext::open(&certificate).unwrap().1,
        CertificateOrigin::Kept(chain.clone())
    );
    let (_, other) = pair_of_files(place.path(), "b");
    fs::copy(other, &key).unwrap();
    assert!(matches!(
        TlsContext::open(&certificate),
        Err(TlsError::Mismatch { .. })
    ));
    assert_eq!(fs::read_to_string(&chain).unwrap(), bare);
}

#[test]
fn what_an_interrupted_start_left_behind_is_no_obstacle() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("localhost.new"), "half a key").unwrap();
    TlsContext::open(&self_signed(place.path())).unwrap();
    let key = place.path().join("localhost.key");
    assert_eq!(
        fs::metadata(key).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn clients_that_trust_the_certificate_get_h2_first() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    let (server, origin) = TlsContext::open(&files(&chain, &key)).unwrap();
    assert_eq!(origin, CertificateOrigin::Given);
    for name in ["localhost", "127.0.0.1", "::1"] {
        let done = handshake(&server, &client(&chain, &["http/1.1", "h2"]), name).unwrap();
        assert_eq!(done.alpn_protocol(), Some(&b"h2"[..]), "{name}");
    }
    let old = handshake(&server, &client(&chain, &["http/1.1"]), "localhost").unwrap();
    assert_eq!(old.alpn_protocol(), Some(&b"http/1.1"[..]));
    let none = handshake(&server, &client(&chain, &[]), "localhost").unwrap();
    assert_eq!(none.alpn_protocol(), None);
    assert!(handshake(&server, &client(&chain, &["spdy/3"]), "localhost").is_err());
}

#[test]
fn requests_are_held_to_the_names_of_the_certificate_only_if_one_of_them_was_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    let (server, _) = TlsContext::open(&files(&chain, &key)).unwrap();
    let client = client(&chain, &["h2"]);
    assert_eq!(server.take_names(), Names::Any, "nobody has come yet");
    // A resumed session asks for the name again.
    for _ in 0..2 {
        handshake(&server, &client, "localhost").unwrap();
        assert_eq!(server.take_names(), Names::Certificate(0));
        assert_eq!(server.take_names(), Names::Any, "it was another's");
    }
    handshake(&server, &client, "127.0.0.1").unwrap();
    assert_eq!(server.take_names(), Names::Any, "an address is no name");
    assert!(handshake(&server, &client, "elsewhere").is_err());
    assert_eq!(server.take_names(), Names::Any, "it verifies nothing");
}

#[test]
fn a_reload_changes_the_names_too() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    let (mut server, _) = TlsContext::open(&files(&chain, &key)).unwrap();
    assert!(
        server.covers(Names::Certificate(0), b"localhost:1")
            && !server.covers(Names::Certificate(0), b"new.test:1")
    );
    let pair = rcgen::generate_simple_self_signed(["new.test".to_owned()]).unwrap();
    fs::write(&chain, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    server.reload().unwrap();
    assert!(
        !server.covers(Names::Certificate(0), b"localhost:1")
            && server.covers(Names::Certificate(0), b"new.test:1")
    );
}

#[test]
fn a_reload_changes_the_certificate_and_keeps_tickets_valid() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    let (mut server, _) = TlsContext::open(&files(&chain, &key)).unwrap();
    let old = client(&chain, &["h2"]);
    handshake(&server, &old, "localhost").unwrap();
    let (new_chain, new_key) = pair_of_files(place.path(), "b");
    fs::copy(&new_chain, &chain).unwrap();
    fs::copy(&new_key, &key).unwrap();
    server.reload().unwrap();
    let fresh = handshake(&server, &client(&chain, &["h2"]), "localhost").unwrap();
    assert_eq!(fresh.handshake_kind(), Some(rustls::HandshakeKind::Full));
    let resumed = handshake(&server, &old, "localhost").unwrap();
    assert_eq!(
        resumed.handshake_kind(),
        Some(rustls::HandshakeKind::Resumed)
    );
}

#[test]
fn a_bad_reload_keeps_what_was_there() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    let (mut server, _) = TlsContext::open(&files(&chain, &key)).unwrap();
    let trust = client(&chain, &["h2"]);
    let before = Arc::clone(server.config());
    fs::write(&chain, "nothing").unwrap();
    assert!(matches!(server.reload(), Err(TlsError::NoCertificate(_))));
    assert!(Arc::ptr_eq(&before, server.config()));
    handshake(&server, &trust, "localhost").unwrap();
}

#[test]
fn errors_name_the_file_the_option_and_the_mend() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    let (_, other) = pair_of_files(place.path(), "b");
    let missing = place.path().join("missing.pem");
    assert!(error(&missing, &key).contains("missing.pem': No such file"));
    assert!(error(&chain, &missing).contains("missing.pem': No such file"));
    let swapped = error(&key, &chain);
    assert!(swapped.ends_with("; swap them"), "{swapped}");
    assert!(error(&key, &key).contains("(--cert) holds no certificate"));
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tls/testdata");
    let old = data.join("version-1.pem");
    assert!(error(&old, &old).contains("is of version 1; make one of version 3"));
    let short = error(&chain, &data.join("rsa-1024.key"));
    assert!(short.contains("of RSA with 1024 bits; make one of at least 2048"));
    let directory = error(place.path(), &key);
    assert!(
        directory.ends_with("it is a directory; name a file in it"),
        "{directory}"
    );
    let long = place.path().join("long");
    fs::write(&long, vec![b'x'; 2 << 20]).unwrap();
    assert!(error(&long, &key).contains("longer than any certificate"));
    assert!(error(&chain, &chain).contains("(--key) holds no private key"));
    assert!(error(&chain, &other).contains("does not belong to"));

    let file = place.path().join("file");
    let wrap = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
    fs::write(&file, wrap("ENCRYPTED PRIVATE KEY")).unwrap();
    let encrypted = error(&chain, &file);
    assert!(encrypted.contains("openssl pkey -in"), "{encrypted}");
    fs::write(&file, wrap("PRIVATE KEY")).unwrap();
    assert!(error(&chain, &file).contains("cannot use"));
    fs::write(&file, "").unwrap();
    assert!(error(&file, &key).contains("holds no certificate"));
    fs::write(&file, "-----BEGIN CERTIFICATE-----\nMAA").unwrap();
    assert!(error(&file, &key).contains("holds no certificate"));
}

#[test]
fn a_fifo_keeps_neither_a_start_nor_a_reload_waiting() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    let fifo = place.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    for (chain, key) in [(&fifo, &key), (&chain, &fifo)] {
        let error = error(chain, key);
        assert!(error.ends_with("name a regular file"), "{error}");
    }
    let (mut server, _) = TlsContext::open(&files(&chain, &key)).unwrap();
    let before = Arc::clone(server.config());
    fs::remove_file(&chain).unwrap();
    fs::rename(&fifo, &chain).unwrap();
    assert!(server.reload().is_err());
    assert!(Arc::ptr_eq(&before, server.config()));
}

#[test]
fn an_empty_pair_is_made_anew() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    for file in [&chain, &key] {
        fs::write(file, "").unwrap();
        let (_, origin) = TlsContext::open(&self_signed(chain.parent().unwrap())).unwrap();
        assert_eq!(origin, CertificateOrigin::Made(chain.clone()));
    }
}

#[test]
fn a_pair_can_be_made_at_the_ends_of_the_calendar() {
    let place = tempfile::tempdir().unwrap();
    let provider = crypto::default_provider();
    let last = crate::world::os::in_calendar(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40));
    for (name, now) in [("first", SystemTime::UNIX_EPOCH), ("last", last)] {
        let directory = place.path().join(name);
        self_signed::pair(&directory, now, &provider).unwrap();
    }
}

#[test]
fn where_no_directory_can_be_written_each_start_makes_a_pair_in_memory() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let nowhere = Certificate::SelfSigned { directory: None };
    for certificate in [self_signed(&file.join("certs")), nowhere] {
        let (mut server, origin) = TlsContext::open(&certificate).unwrap();
        assert_eq!(origin, CertificateOrigin::Memory);
        let before = Arc::clone(server.config());
        server.reload().unwrap();
        assert_eq!(server.origin(), CertificateOrigin::Memory);
        assert!(
            Arc::ptr_eq(&before, server.config()),
            "it is made anew when it has grown old, not at each reload"
        );
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn the_key_is_its_owners_only_even_after_it_was_loosened() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("state/calmd");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for _ in 0..2 {
        TlsContext::open(&self_signed(&directory)).unwrap();
        let key = directory.join("localhost.key");
        assert_eq!((mode(&key), mode(&directory)), (0o600, 0o700));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

#[test]
fn servers_that_start_together_agree_on_one_pair() {
    let place = tempfile::tempdir().unwrap();
    let certificate = self_signed(&place.path().join("certs"));
    let made = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| TlsContext::open(&certificate).unwrap().1))
            .collect();
        let origins = starts.into_iter().map(|start| start.join().unwrap());
        origins
            .filter(|origin| matches!(origin, CertificateOrigin::Made(_)))
            .count()
    });
    assert_eq!(made, 1);
}

#[test]
fn tickets_under_a_shared_key_end_with_the_certificate_or_the_key() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "a");
    let ticket_key = place.path().join("ticket.key");
    fs::write(&ticket_key, [7; 80]).unwrap();
    let open = |certificate: &Certificate| {
        let (mut server, _) = TlsContext::open(certificate).unwrap();
        server.share_tickets(&ticket_key).unwrap();
        server
    };
    let (one, mut other) = (open(&files(&chain, &key)), open(&files(&chain, &key)));
    let old = client(&chain, &["h2"]);
    let kind = |server: &TlsContext, client| {
        let done = handshake(server, client, "localhost").unwrap();
        done.handshake_kind().unwrap()
    };
    assert_eq!(kind(&one, &old), rustls::HandshakeKind::Full);
    assert_eq!(kind(&other, &old), rustls::HandshakeKind::Resumed);

    // A certificate that cannot be read keeps the old key too, and the other way round.
    let before = Arc::clone(other.config());
    let certificate = fs::read(&chain).unwrap();
    fs::write(&ticket_key, [8; 80]).unwrap();
    fs::write(&chain, "nothing").unwrap();
    assert!(matches!(other.reload(), Err(TlsError::NoCertificate(_))));
    fs::write(&chain, certificate).unwrap();
    fs::write(&ticket_key, [8; 81]).unwrap();
    assert!(matches!(
        other.reload(),
        Err(TlsError::TicketKey { len: 81, .. })
    ));
    assert!(Arc::ptr_eq(&before, other.config()));
    assert_eq!(kind(&other, &old), rustls::HandshakeKind::Resumed);

    fs::write(&ticket_key, [8; 80]).unwrap();
    other.reload().unwrap();
    assert_eq!(kind(&other, &old), rustls::HandshakeKind::Full);
    assert_eq!(kind(&other, &old), rustls::HandshakeKind::Resumed);
    let (new_chain, new_key) = pair_of_files(place.path(), "b");
    fs::copy(&new_chain, &chain).unwrap();
    fs::copy(&new_key, &key).unwrap();
    other.reload().unwrap();
    // A resumption would show no certificate, and succeed.
    assert!(handshake(&other, &old, "localhost").is_err());
    assert_eq!(
        kind(&other, &client(&chain, &["h2"])),
        rustls::HandshakeKind::Full
    );
}

#[test]
fn the_ticket_key_is_read_again_beside_a_certificate_in_memory() {
    let place = tempfile::tempdir().unwrap();
    let ticket_key = place.path().join("ticket.key");
    fs::write(&ticket_key, [7; 48]).unwrap();
    let nowhere = Certificate::SelfSigned { directory: None };
    let (mut server, _) = TlsContext::open(&nowhere).unwrap();
    server.share_tickets(&ticket_key).unwrap();
    let before = Arc::clone(server.config());
    let ticket = before.ticketer.encrypt(b"session").unwrap();
    server.reload().unwrap();
    let again = server.config().ticketer.decrypt(&ticket);
    assert_eq!(again.as_deref(), Some(&b"session"[..]));
    fs::write(&ticket_key, [8; 48]).unwrap();
    server.reload().unwrap();
    assert_eq!(server.config().ticketer.decrypt(&ticket), None);
    assert!(before.ticketer.decrypt(&ticket).is_some());
}

#[test]
fn files_that_change_are_read_again_within_a_minute_where_they_are_watched() {
    let place = tempfile::tempdir().unwrap();
    let (chain, key) = pair_of_files(place.path(), "one");
    let (new_chain, new_key) = pair_of_files(place.path(), "two");
    let certificate = files(&chain, &key);
    let (mut unwatched, _) = TlsContext::open(&certificate).unwrap();
    let (mut watched, _) = TlsContext::open(&certificate).unwrap();
    watched.watch_files();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let old = watched.sets.chains();
    for second in [0, 61] {
        assert!(watched.tend(at(second)).is_none());
        assert!(unwatched.tend(at(second)).is_none());
    }
    assert_eq!(
        watched.until_next_look(at(61)),
        Some(Duration::from_secs(60))
    );
    assert_eq!(unwatched.until_next_look(at(61)), None);
    fs::rename(new_chain, &chain).unwrap();
    fs::rename(new_key, &key).unwrap();
    assert!(watched.tend(at(120)).is_none(), "it is not time yet");
    assert!(unwatched.tend(at(200)).is_none());
    watched.tend(at(121)).expect("they have changed").unwrap();
    let new = watched.sets.chains();
    assert_ne!(new, old);
    assert!(
        watched.tend(at(182)).is_none(),
        "they have not changed since"
    );

    // A key that does not fit, as long as only one of the two is there.
    fs::write(&key, "none").unwrap();
    assert!(watched.tend(at(243)).expect("it has changed").is_err());
    assert_eq!(watched.sets.chains(), new);
    assert!(watched.tend(at(304)).is_none(), "nothing new to try");
}

mod hosts;
mod suites;
