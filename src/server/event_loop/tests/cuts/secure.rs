//! TLS records that are cut in the middle, with content of a request in them.

use super::*;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::io::{Read, Write};

/// A verifier that takes any certificate: trust is not what is tested.
#[derive(Debug)]
struct AnyServer(rustls::crypto::CryptoProvider);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.0.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// A client with a TLS session over its link.
pub(in crate::server::event_loop::tests) struct SecureClient {
    pub(in crate::server::event_loop::tests) session: rustls::ClientConnection,
    pub(in crate::server::event_loop::tests) link: Shared,
}

impl SecureClient {
    /// A client whose handshake is finished. It came byte by byte.
    pub(in crate::server::event_loop::tests) fn new(
        bench: &mut Bench,
        protocol: &[u8],
    ) -> SecureClient {
        let provider = crate::tls::provider();
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let name = "localhost".try_into().unwrap();
        let mut client = SecureClient {
            session: rustls::ClientConnection::new(Arc::new(config), name).unwrap(),
            link: bench.connect(1, b"", usize::MAX, None),
        };
        bench.rest();
        while client.session.is_handshaking() {
            let flight = client.records();
            flight
                .chunks(1)
                .for_each(|byte| bench.feed(&client.link, byte));
            client.hear();
        }
        let last = client.records();
        bench.feed(&client.link, &last);
        client
    }

    /// The records that wait to be sent.
    fn records(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// These bytes in records.
    pub(in crate::server::event_loop::tests) fn seal(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.session.writer().write_all(bytes).unwrap();
        self.records()
    }

    /// The bytes in the server's records.
    pub(in crate::server::event_loop::tests) fn hear(&mut self) -> Vec<u8> {
        let sent = std::mem::take(&mut self.link.borrow_mut().outgoing);
        let (mut rest, mut heard) = (&sent[..], Vec::new());
        while !rest.is_empty() {
            self.session.read_tls(&mut rest).unwrap();
            self.session.process_new_packets().unwrap();
            // The session has nothing more for now.
            let _ = self.session.reader().read_to_end(&mut heard);
        }
        heard
    }
}

const CONTENT: &[u8] = &[b'x'; 100];

#[test]
fn a_tls_record_of_a_body_that_is_cut_in_the_middle_is_waited_for() {
    let mut bench = bench();
    let mut client = SecureClient::new(&mut bench, b"http/1.1");
    let head = b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n";
    let len = client.seal(CONTENT).len();
    // Those were the first records of this session; another one has the same lengths.
    client = SecureClient::new(&mut bench, b"http/1.1");
    for at in 1..len {
        let head = client.seal(head);
        bench.feed(&client.link, &head);
        let body = client.seal(CONTENT);
        let (first, rest) = body.split_at(at);
        bench.feed(&client.link, first);
        assert!(!client.hear().ends_with(CONTENT), "it has come in part");
        bench.feed(&client.link, rest);
        assert!(client.hear().ends_with(CONTENT), "cut at {at}");
    }
    let head = client.seal(head);
    bench.feed(&client.link, &head);
    client
        .seal(CONTENT)
        .chunks(1)
        .for_each(|byte| bench.feed(&client.link, byte));
    assert!(client.hear().ends_with(CONTENT), "byte by byte");
}

#[test]
fn a_tls_record_of_data_that_is_cut_in_the_middle_is_waited_for() {
    let mut bench = bench();
    let mut client = SecureClient::new(&mut bench, b"h2");
    let mut opening = PREFACE.to_vec();
    encode::settings(&mut opening, [].into_iter());
    encode::settings_ack(&mut opening);
    let opening = client.seal(&opening);
    bench.feed(&client.link, &opening);
    client.hear();
    for at in 1..HEADER_LEN + CONTENT.len() {
        let stream = 2 * at as u32 - 1;
        let mut head = Vec::new();
        let post = b"\x83\x87\x41\x09localhost\x44\x05/echo";
        encode::frame(
            &mut head,
            FrameType::HEADERS,
            flag::END_HEADERS,
            stream,
            post,
        );
        let head = client.seal(&head);
        bench.feed(&client.link, &head);
        let mut data = Vec::new();
        encode::frame(
            &mut data,
            FrameType::DATA,
            flag::END_STREAM,
            stream,
            CONTENT,
        );
        let data = client.seal(&data);
        let (first, rest) = data.split_at(at);
        bench.feed(&client.link, first);
        let contains = |heard: Vec<u8>| heard.windows(CONTENT.len()).any(|part| part == CONTENT);
        assert!(!contains(client.hear()), "it has come in part");
        bench.feed(&client.link, rest);
        assert!(contains(client.hear()), "cut at {at}");
    }
}

#[test]
fn a_tls_record_that_is_never_completed_ends_with_its_client_or_a_deadline() {
    let mut bench = bench();
    for is_silent in [false, true] {
        let mut client = SecureClient::new(&mut bench, b"http/1.1");
        let head = b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n";
        let head = client.seal(head);
        bench.feed(&client.link, &head);
        let body = client.seal(CONTENT);
        bench.feed(&client.link, &body[..50]);
        if is_silent {
            let seconds = bench.seconds_until_closed(&client.link);
            assert!((20..=320).contains(&seconds), "{seconds}");
        } else {
            bench.leave(&client.link);
            assert!(client.link.borrow().closed);
        }
    }
}
