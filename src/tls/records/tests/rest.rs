//! Sessions that rest between their records.

use super::*;
use rustls::CipherSuite;

/// Both ends of a session of TLS 1.3 with this suite.
fn pair(suite: CipherSuite) -> (ServerSide, DialledSide) {
    let place = tempfile::tempdir().unwrap();
    let made = Certificate::SelfSigned {
        directory: Some(place.path().into()),
    };
    let (context, _) = TlsContext::open(&made).unwrap();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(place.path().join("localhost.pem")).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut provider = provider();
    provider.cipher_suites.retain(|it| it.suite() == suite);
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut server = ServerSide::new(context.config().clone()).unwrap();
    let mut client = DialledSide::connect(Arc::new(client), name()).unwrap();
    let (mut up, mut down) = (WireBuffer::default(), WireBuffer::default());
    give_at_once(&mut client, &[], &mut up);
    while !up.filled().is_empty() || !down.filled().is_empty() {
        give_at_once(&mut server, &take(&mut up), &mut down);
        give_at_once(&mut client, &take(&mut down), &mut up);
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    (server, client)
}

fn take(wire: &mut WireBuffer) -> Vec<u8> {
    let bytes = wire.filled().to_vec();
    wire.clear();
    bytes
}

/// Gives a session bytes, of which there may be none, and returns their content.
fn give_at_once<S: Session>(tls: &mut Tls<S>, bytes: &[u8], wire: &mut WireBuffer) -> Vec<u8> {
    let (mut buffer, mut plain) = (Vec::new(), Vec::new());
    tls.room(&mut buffer, bytes.len()).copy_from_slice(bytes);
    tls.open(&mut buffer, bytes.len(), &mut plain, wire)
        .unwrap();
    plain
}

/// Has `from` say something to `to`.
fn say<A: Session, B: Session>(from: &mut Tls<A>, to: &mut Tls<B>, said: &[u8]) {
    let (mut wire, mut answer) = (WireBuffer::default(), WireBuffer::default());
    from.seal(said, &mut wire).unwrap();
    assert_eq!(give_at_once(to, wire.filled(), &mut answer), said);
    assert!(answer.filled().is_empty());
}

#[test]
fn a_session_expands_its_keys_when_it_uses_them_and_gives_them_back_at_rest() {
    for suite in [
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ] {
        let (mut server, mut client) = pair(suite);
        let agreed = server.common().negotiated_cipher_suite().unwrap();
        assert_eq!(agreed.suite(), suite);
        for said in [&b"one"[..], b"two", &[3; 40_000]] {
            let used = server.memory();
            server.rest();
            client.rest();
            assert_eq!((server.keys.expanded(), client.keys.expanded()), (0, 0));
            assert!(server.memory() < used, "{used}");
            say(&mut client, &mut server, said);
            assert_eq!((server.keys.expanded(), client.keys.expanded()), (1, 1));
            say(&mut server, &mut client, said);
            assert_eq!((server.keys.expanded(), client.keys.expanded()), (2, 2));
            // A second record of each direction, which needs no rest before it.
            say(&mut client, &mut server, said);
            say(&mut server, &mut client, said);
        }
    }
}

#[test]
fn keys_of_another_session_are_not_taken_for_its_own() {
    let (mut first, mut first_client) = pair(CipherSuite::TLS13_AES_128_GCM_SHA256);
    let (mut second, mut second_client) = pair(CipherSuite::TLS13_AES_128_GCM_SHA256);
    first.rest();
    assert_eq!(first.keys.expanded(), 0);
    assert!(second.keys.expanded() > 0);
    say(&mut second, &mut second_client, b"of the second");
    say(&mut first, &mut first_client, b"of the first");
    second.rest();
    assert_eq!((first.keys.expanded(), second.keys.expanded()), (1, 0));
}

#[test]
fn a_session_of_tls_1_2_goes_on_after_a_rest() {
    let (mut server, client) = established(&version::TLS12);
    server.rest();
    let mut wire = WireBuffer::default();
    let record = sealer(client).seal(ContentType::ApplicationData, b"GET");
    assert_eq!(give(&mut server, &record, &mut wire).unwrap(), b"GET");
}

#[test]
fn keys_that_a_key_update_makes_rest_too_and_the_old_ones_are_gone() {
    let (mut tls, mut client) = established(&version::TLS13);
    let mut up = Vec::new();
    client.refresh_traffic_keys().unwrap();
    client.write_tls(&mut up).unwrap();
    let mut wire = WireBuffer::default();
    give(&mut tls, &up, &mut wire).unwrap();
    assert_eq!(tls.keys.in_use(), 2, "behind the peer's");
    tls.seal(b"x", &mut wire).unwrap();
    assert_eq!(tls.keys.in_use(), 2, "behind ours");
    assert_eq!(tls.keys.expanded(), 1, "of the peer's no record came");
    tls.rest();
    assert_eq!(tls.keys.expanded(), 0);
}
