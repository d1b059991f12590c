//! The cipher suite that a connection gets, from the view of clients with and without AES in hardware.

use super::*;
use crate::tls::records::WireBuffer;
use rustls::{CipherSuite, SupportedProtocolVersion, version};

/// The suite of a handshake with a client that names suites in this order.
fn agreed(
    version: &'static SupportedProtocolVersion,
    order: impl Fn(&CipherSuite) -> usize,
) -> CipherSuite {
    let place = tempfile::tempdir().unwrap();
    let (context, _) = TlsContext::open(&self_signed(place.path())).unwrap();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(place.path().join("localhost.pem")).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut provider = provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| order(&suite.suite()));
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = Tls::<UnbufferedServerConnection>::new(context.config().clone()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let (mut up, mut wire) = (Vec::new(), WireBuffer::default());
        while client.wants_write() {
            client.write_tls(&mut up).unwrap();
        }
        let (mut buffer, mut plain) = (Vec::new(), Vec::new());
        for part in up.chunks(200) {
            let before = server.waiting();
            server.room(&mut buffer, part.len()).copy_from_slice(part);
            context.suit(&mut server, &buffer[..before + part.len()]);
            server
                .open(&mut buffer, part.len(), &mut plain, &mut wire)
                .unwrap();
        }
        let mut down = wire.filled();
        while !down.is_empty() {
            client.read_tls(&mut down).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    client.negotiated_cipher_suite().unwrap().suite()
}

fn text(suite: &CipherSuite) -> String {
    format!("{suite:?}")
}

#[test]
fn a_client_gets_aes_128_unless_it_names_chacha20_first() {
    for version in [&version::TLS13, &version::TLS12] {
        let aes_first = agreed(version, |suite| {
            usize::from(!text(suite).contains("AES_256"))
        });
        let aes = if crate::tls::suites::has_aes() {
            "AES_128_GCM"
        } else {
            "AES_256_GCM"
        };
        assert!(text(&aes_first).contains(aes), "{aes_first:?}");
        let chacha_first = agreed(version, |suite| {
            usize::from(!text(suite).contains("CHACHA"))
        });
        assert!(text(&chacha_first).contains("CHACHA20"), "{chacha_first:?}");
    }
}
