//! Records and handshake messages that are cut where no implementation cuts them.

#[path = "../../../tests/it/raw_tls.rs"]
mod raw_tls;
mod rest;

use super::*;
use crate::tls::Certificate;
use crate::tls::{TlsContext, provider};
use raw_tls::{RawPeer, in_records};
use rustls::crypto::cipher::InboundOpaqueMessage;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{
    ClientConnection, ConnectionTrafficSecrets, ContentType, ProtocolVersion, RootCertStore,
    SupportedCipherSuite, SupportedProtocolVersion, version,
};

type ServerSide = Tls<UnbufferedServerConnection>;
type DialledSide = Tls<UnbufferedClientConnection>;

const READ: usize = 64 << 10;

/// The configurations of both ends. The client's is for one version and gives out its secrets.
fn configs(version: &'static SupportedProtocolVersion) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let place = tempfile::tempdir().unwrap();
    let made = Certificate::SelfSigned {
        directory: Some(place.path().into()),
    };
    let (context, _) = TlsContext::open(&made).unwrap();
    let mut server = ServerConfig::clone(context.config());
    server.enable_secret_extraction = true;
    // The server's own tickets would be records before the ones that the tests seal.
    server.send_tls13_tickets = 0;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(place.path().join("localhost.pem")).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut client = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    client.alpn_protocols = vec![b"h2".to_vec()];
    (Arc::new(server), Arc::new(client))
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Gives a session bytes as a socket would, and returns their content.
fn give<S: Session>(
    tls: &mut Tls<S>,
    bytes: &[u8],
    wire: &mut WireBuffer,
) -> Result<Vec<u8>, Error> {
    let (mut buffer, mut plain) = (Vec::new(), Vec::new());
    for chunk in bytes.chunks(4 << 10) {
        tls.room(&mut buffer, READ)[..chunk.len()].copy_from_slice(chunk);
        tls.open(&mut buffer, chunk.len(), &mut plain, wire)?;
    }
    Ok(plain)
}

/// A server of ours after a handshake with rustls's own client.
fn established(version: &'static SupportedProtocolVersion) -> (ServerSide, ClientConnection) {
    let (server, client) = configs(version);
    let mut server = ServerSide::new(server).unwrap();
    let mut client = ClientConnection::new(client, name()).unwrap();
    for _ in 0..3 {
        let (mut up, mut wire) = (Vec::new(), WireBuffer::default());
        while client.wants_write() {
            client.write_tls(&mut up).unwrap();
        }
        give(&mut server, &up, &mut wire).unwrap();
        let mut down = wire.filled();
        while !down.is_empty() {
            client.read_tls(&mut down).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    (server, client)
}

/// A peer that seals with the secrets of `client`.
fn sealer(client: ClientConnection) -> RawPeer {
    let suite = client.negotiated_cipher_suite().unwrap();
    RawPeer::new(suite, client.dangerous_extract_secrets().unwrap().tx)
}

/// A ClientHello of `len` bytes in plaintext records of at most `cut` bytes. Its content is not a real
/// ClientHello.
fn client_hello(len: usize, cut: usize) -> Vec<u8> {
    let mut message = vec![1, (len >> 16) as u8, (len >> 8) as u8, len as u8, 3, 3];
    message.resize(4 + len, 0);
    in_records(&message, cut)
}

#[test]
fn a_client_hello_of_more_than_a_record_is_refused_with_an_alert() {
    let (config, _) = configs(&version::TLS13);
    for (len, cut) in [
        (33_000, 16 << 10),
        (60_000, 100),
        (65_535, 1),
        (24_000, 16 << 10),
    ] {
        let mut tls = ServerSide::new(Arc::clone(&config)).unwrap();
        let mut wire = WireBuffer::default();
        let error = give(&mut tls, &client_hello(len, cut), &mut wire).unwrap_err();
        assert_eq!(error, InvalidMessage::HandshakePayloadTooLarge.into());
        // illegal_parameter (RFC 8446 §6.2)
        assert_eq!(wire.filled(), [21, 3, 3, 0, 2, 2, 47], "{len} in {cut}");
        assert!(tls.seal(b"x", &mut wire).is_err());
        assert!(tls.memory() < 32 << 10);
    }
}

#[test]
fn a_client_hello_that_announces_more_than_any_message_has_is_refused_with_an_alert() {
    let (config, _) = configs(&version::TLS13);
    let mut tls = ServerSide::new(config).unwrap();
    let mut wire = WireBuffer::default();
    let hello = [22, 3, 1, 0, 5, 1, 255, 255, 255, 3];
    assert!(give(&mut tls, &hello, &mut wire).is_err());
    assert_eq!(wire.filled(), [21, 3, 3, 0, 2, 2, 47]);
}

#[test]
fn a_client_hello_in_many_records_waits_for_its_last_byte() {
    let (config, client) = configs(&version::TLS13);
    let mut hello = Vec::new();
    let mut client = ClientConnection::new(client, name()).unwrap();
    client.write_tls(&mut hello).unwrap();
    let message = hello.split_off(5);
    let mut tls = ServerSide::new(config).unwrap();
    let mut wire = WireBuffer::default();
    for byte in &message {
        assert!(wire.filled().is_empty());
        give(&mut tls, &[22, 3, 1, 0, 1, *byte], &mut wire).unwrap();
        assert!(tls.memory() < 32 << 10);
    }
    let mut answer = wire.filled();
    client.read_tls(&mut answer).unwrap();
    client.process_new_packets().unwrap();
    assert!(!client.is_handshaking());
}

#[test]
fn a_record_of_the_longest_length_may_come_in_any_pieces() {
    for header in [[22, 3, 1], [23, 3, 3]] {
        let (config, _) = configs(&version::TLS13);
        let mut tls = ServerSide::new(config).unwrap();
        let mut wire = WireBuffer::default();
        let mut bytes = [&header[..], &18_431u16.to_be_bytes()].concat();
        bytes.resize(5 + 18_431, 0);
        let (first, rest) = bytes.split_at(17_408);
        let (second, third) = rest.split_at(600);
        // The bytes are no message in the end. The test asks only that nothing panics.
        let mut refused = false;
        for piece in [first, second, &third[..1], &third[1..]] {
            refused |= give(&mut tls, piece, &mut wire).is_err();
        }
        assert!(refused);
    }
}

#[test]
fn a_message_that_has_begun_after_the_handshake_does_not_disturb_what_is_sealed() {
    for version in [&version::TLS13, &version::TLS12] {
        for sent in [&[24][..], &[24, 0, 0], &[0], &[4, 0, 1]] {
            let (mut tls, client) = established(version);
            let mut peer = sealer(client);
            let mut wire = WireBuffer::default();
            give(
                &mut tls,
                &peer.seal(ContentType::Handshake, sent),
                &mut wire,
            )
            .unwrap();
            tls.seal(b"answer", &mut wire).unwrap();
            let before = wire.filled().len();
            assert!(before > b"answer".len());
            tls.seal(&[0; 100_000], &mut wire).unwrap();
            tls.seal_end(&mut wire);
            assert!(wire.filled().len() > before + 100_000);
        }
    }
}

#[test]
fn a_message_in_pieces_is_taken_when_its_last_byte_has_come_whatever_was_sealed_between() {
    let (mut tls, client) = established(&version::TLS13);
    let mut peer = sealer(client);
    let mut wire = WireBuffer::default();
    // A KeyUpdate that asks for no answer (RFC 8446 §4.6.3).
    for byte in [24, 0, 0, 1] {
        give(
            &mut tls,
            &peer.seal(ContentType::Handshake, &[byte]),
            &mut wire,
        )
        .unwrap();
        tls.seal(b"x", &mut wire).unwrap();
    }
    give(
        &mut tls,
        &peer.seal(ContentType::Handshake, &[0]),
        &mut wire,
    )
    .unwrap();
    // The key has changed: records under the old one are refused from here on.
    let old = peer.seal(ContentType::ApplicationData, b"x");
    assert_eq!(give(&mut tls, &old, &mut wire), Err(Error::DecryptError));
}

#[test]
fn messages_that_never_end_are_refused_after_the_handshake() {
    let versions = [&version::TLS12, &version::TLS13];
    for (version, size) in versions
        .into_iter()
        .flat_map(|version| [(version, 1_000), (version, 1)])
    {
        let (mut tls, client) = established(version);
        let mut peer = sealer(client);
        let mut wire = WireBuffer::default();
        let mut fragment = vec![0; size];
        fragment[0] = 24;
        if let [_, len @ ..] = fragment.as_mut_slice()
            && let Some(first) = len.get_mut(1)
        {
            *first = 255;
        }
        let mut given = 0;
        let error = loop {
            let record = peer.seal(ContentType::Handshake, &fragment);
            given += record.len();
            assert!(given < 100_000, "it is never refused");
            if let Err(error) = give(&mut tls, &record, &mut wire) {
                break error;
            }
            assert!(tls.memory() < 32 << 10);
            fragment.fill(if size == 1 { 255 } else { 0 });
        };
        assert!(
            matches!(
                error,
                Error::InvalidMessage(_)
                    | Error::InappropriateHandshakeMessage { .. }
                    | Error::PeerMisbehaved(_)
            ),
            "{error:?}"
        );
        assert!(!wire.filled().is_empty(), "no alert for {error:?}");
    }
}

#[test]
fn an_answer_to_a_key_update_has_room_beside_a_small_response() {
    let (mut tls, mut client) = established(&version::TLS13);
    for round in 0..3 {
        let mut up = Vec::new();
        client.refresh_traffic_keys().unwrap();
        client.write_tls(&mut up).unwrap();
        let mut wire = WireBuffer::default();
        give(&mut tls, &up, &mut wire).unwrap();
        match round {
            2 => tls.seal_end(&mut wire),
            _ => tls.seal(b"x", &mut wire).unwrap(),
        }
        let mut down = wire.filled();
        while !down.is_empty() {
            client.read_tls(&mut down).unwrap();
        }
        let state = client.process_new_packets().unwrap();
        assert_eq!(state.plaintext_bytes_to_read(), usize::from(round < 2));
        assert_eq!(state.peer_has_closed(), round == 2);
        let mut byte = [0];
        let _ = std::io::Read::read(&mut client.reader(), &mut byte);
    }
}

#[test]
fn the_peers_side_goes_on_behind_the_end_of_ours() {
    for version in [&version::TLS13, &version::TLS12] {
        let (mut tls, client) = established(version);
        let mut peer = sealer(client);
        let mut wire = WireBuffer::default();
        tls.seal_end(&mut wire);
        let told = wire.filled().len();
        assert!(told > 0);
        for content in [&b"more"[..], b"and more"] {
            let record = peer.seal(ContentType::ApplicationData, content);
            assert_eq!(give(&mut tls, &record, &mut wire).unwrap(), content);
        }
        assert!(tls.seal(b"x", &mut wire).is_err());
        tls.seal_end(&mut wire);
        assert_eq!(wire.filled().len(), told, "the end is told once");
    }
}

/// A client of ours after a handshake with rustls's own server, and the server's secrets.
fn connected() -> (DialledSide, RawPeer) {
    let (server, client) = configs(&version::TLS13);
    let mut client = DialledSide::connect(client, name()).unwrap();
    let mut server = rustls::ServerConnection::new(server).unwrap();
    let mut wire = WireBuffer::default();
    give(&mut client, &[0; 0], &mut wire).unwrap();
    client.open(&mut [], 0, &mut Vec::new(), &mut wire).unwrap();
    while server.is_handshaking() || client.is_handshaking() {
        let mut up = wire.filled();
        while !up.is_empty() {
            server.read_tls(&mut up).unwrap();
            server.process_new_packets().unwrap();
        }
        wire.clear();
        let mut down = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut down).unwrap();
        }
        give(&mut client, &down, &mut wire).unwrap();
    }
    let suite = server.negotiated_cipher_suite().unwrap();
    let sealer = RawPeer::new(suite, server.dangerous_extract_secrets().unwrap().tx);
    (client, sealer)
}

#[test]
fn a_client_takes_a_ticket_in_pieces_and_sends_between_them() {
    let (mut tls, mut peer) = connected();
    let mut wire = WireBuffer::default();
    // A NewSessionTicket (RFC 8446 §4.6.1): lifetime, age, nonce, ticket, no extensions.
    let ticket = [4, 0, 0, 15, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 2, 7, 7, 0, 0];
    for byte in ticket {
        give(
            &mut tls,
            &peer.seal(ContentType::Handshake, &[byte]),
            &mut wire,
        )
        .unwrap();
        tls.seal(b"request", &mut wire).unwrap();
    }
    let answer = peer.seal(ContentType::ApplicationData, b"answer");
    assert_eq!(give(&mut tls, &answer, &mut wire).unwrap(), b"answer");
    tls.seal_end(&mut wire);
}

/// The content of unencrypted handshake records, cut anew into records of `record` bytes each.
fn recut(mut records: &[u8], record: usize) -> Vec<u8> {
    let mut message = Vec::new();
    while let [22, 3, _, high, low, rest @ ..] = records {
        let (content, behind) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        message.extend_from_slice(content);
        records = behind;
    }
    assert!(records.is_empty(), "{records:?}");
    in_records(&message, record)
}

#[test]
fn a_client_hello_within_the_limit_is_taken_however_it_is_cut_and_read() {
    let (server, config) = configs(&version::TLS13);
    for (padding, cut) in [(0, 1), (0, 7), (60, 100), (60, 200), (60, 16 << 10)] {
        let mut config = ClientConfig::clone(&config);
        config
            .alpn_protocols
            .extend((0..padding).map(|n| vec![n; 250]));
        let mut client = ClientConnection::new(Arc::new(config), name()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        let hello = recut(&hello, cut);
        for piece in [1, 600, 17_408, hello.len()] {
            let mut tls = ServerSide::new(Arc::clone(&server)).unwrap();
            let mut wire = WireBuffer::default();
            let (mut buffer, mut plain) = (Vec::new(), Vec::new());
            for bytes in hello.chunks(piece) {
                tls.room(&mut buffer, READ)[..bytes.len()].copy_from_slice(bytes);
                tls.open(&mut buffer, bytes.len(), &mut plain, &mut wire)
                    .unwrap();
            }
            let answer = wire.filled();
            assert_eq!(answer.first_chunk(), Some(&[22, 3, 3]), "{padding} {cut}");
        }
    }
}

#[test]
fn a_client_hello_is_judged_alike_whether_it_comes_at_once_or_in_pieces() {
    let (config, _) = configs(&version::TLS13);
    for piece in [1_000, 20_000, 60_000] {
        let mut tls = ServerSide::new(Arc::clone(&config)).unwrap();
        let mut wire = WireBuffer::default();
        let (mut buffer, mut plain) = (Vec::new(), Vec::new());
        let refused = client_hello(16_385, 1_000).chunks(piece).any(|bytes| {
            tls.room(&mut buffer, READ)[..bytes.len()].copy_from_slice(bytes);
            tls.open(&mut buffer, bytes.len(), &mut plain, &mut wire)
                .is_err()
        });
        assert!(refused);
        assert_eq!(wire.filled(), [21, 3, 3, 0, 2, 2, 47]);
    }
}

#[test]
fn empty_pieces_of_a_handshake_are_not_kept_for_ever() {
    let (mut tls, client) = established(&version::TLS13);
    let mut peer = sealer(client);
    let mut wire = WireBuffer::default();
    let refused = (0..5_000).any(|_| {
        wire.clear();
        let empty = peer.seal(ContentType::Handshake, b"");
        let byte = peer.seal(ContentType::ApplicationData, b"x");
        let refused = give(&mut tls, &[empty, byte].concat(), &mut wire).is_err();
        refused || tls.seal(b"y", &mut wire).is_err()
    });
    assert!(refused && !wire.filled().is_empty());
}

#[test]
fn every_error_is_told_by_a_sealed_alert() {
    let half = |peer: &mut RawPeer| peer.seal(ContentType::Handshake, &[24]);
    let bad: [fn(&mut RawPeer) -> Vec<u8>; 4] = [
        // A record of another type within a handshake message (RFC 8446 §5.1).
        |peer| peer.seal(ContentType::ApplicationData, b"x"),
        // A message that announces more than 64 KiB.
        |peer| peer.seal(ContentType::Handshake, &[1, 0, 0]),
        |peer| {
            [1, 2]
                .map(|_| peer.seal(ContentType::Handshake, &[0; 16_000]))
                .concat()
        },
        |_| vec![99, 3, 3, 0, 1, 0],
    ];
    for version in [&version::TLS12, &version::TLS13] {
        let kind = if version == &version::TLS12 { 21 } else { 23 };
        for bad in bad {
            let (mut tls, client) = established(version);
            let mut wire = WireBuffer::default();
            let mut peer = sealer(client);
            give(&mut tls, &half(&mut peer), &mut wire).unwrap();
            give(&mut tls, &bad(&mut peer), &mut wire).unwrap_err();
            assert!(wire.filled().len() >= 5 + 2 + 16, "{:?}", wire.filled());
            assert_eq!(wire.filled().first(), Some(&kind));
        }
    }
}

/// The content of one TLS 1.3 record for the client with the given secrets.
fn open_record(
    suite: SupportedCipherSuite,
    (sequence, secrets): (u64, ConnectionTrafficSecrets),
    record: &[u8],
) -> Vec<u8> {
    let (key, iv) = match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv),
        _ => panic!("another cipher"),
    };
    let suite = suite.tls13().expect("TLS 1.3");
    let mut sealed = record[HEADER..].to_vec();
    let version = ProtocolVersion::TLSv1_2;
    let message = InboundOpaqueMessage::new(ContentType::ApplicationData, version, &mut sealed);
    let mut decrypter = suite.aead_alg.decrypter(key, iv);
    decrypter
        .decrypt(message, sequence)
        .unwrap()
        .payload
        .to_vec()
}

#[test]
fn a_record_without_a_type_within_is_unexpected() {
    let (mut tls, client) = established(&version::TLS13);
    let mut wire = WireBuffer::default();
    let suite = client.negotiated_cipher_suite().unwrap();
    let secrets = client.dangerous_extract_secrets().unwrap();
    let mut peer = RawPeer::new(suite, secrets.tx);
    let record = peer.seal(ContentType::from(0), &[0; 5]);
    assert!(give(&mut tls, &record, &mut wire).is_err());
    let opened = open_record(suite, secrets.rx, wire.filled());
    // unexpected_message (RFC 8446 §5.4)
    assert_eq!(opened, [2, 10]);
}

#[test]
fn a_record_without_a_type_within_behind_an_empty_piece_of_a_handshake_is_answered_as_well() {
    let (mut tls, client) = established(&version::TLS13);
    let mut peer = sealer(client);
    let mut wire = WireBuffer::default();
    let empty = peer.seal(ContentType::Handshake, b"");
    give(&mut tls, &empty, &mut wire).unwrap();
    let untyped = peer.seal(ContentType::from(0), &[0; 5]);
    assert!(give(&mut tls, &untyped, &mut wire).is_err());
    assert!(!wire.filled().is_empty());
}
