//! A TLS peer that seals arbitrary records after a handshake.

use rustls::crypto::cipher::{AeadKey, Iv, MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite};

/// The keys of a peer after its handshake. Its configuration needs `enable_secret_extraction`.
pub struct RawPeer {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl RawPeer {
    /// A peer that goes on where a session of rustls ended, with the secrets of the sending side from
    /// its `dangerous_extract_secrets`.
    pub fn new(suite: SupportedCipherSuite, secrets: (u64, ConnectionTrafficSecrets)) -> RawPeer {
        let (sequence, secrets) = secrets;
        let (key, iv, is_gcm): (AeadKey, Iv, bool) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv }
            | ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (key, iv, true),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv, false),
            _ => panic!("another cipher"),
        };
        let encrypter = match suite {
            SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
            SupportedCipherSuite::Tls12(suite) => {
                // A salt and the beginning of the explicit nonce (RFC 5288 §3), or a whole nonce.
                let (iv, explicit) = iv.as_ref().split_at(if is_gcm { 4 } else { 12 });
                suite.aead_alg.encrypter(key, iv, explicit)
            }
        };
        let mut peer = RawPeer {
            encrypter,
            sequence: 0,
        };
        // Some ciphers count from the first record that they seal, so all earlier numbers are used up
        // first.
        (0..sequence).for_each(|_| drop(peer.seal(ContentType::ApplicationData, b"")));
        peer
    }

    /// One sealed record.
    pub fn seal(&mut self, kind: ContentType, content: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ: kind,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(content),
        };
        let sealed = self.encrypter.encrypt(message, self.sequence);
        self.sequence += 1;
        sealed.expect("a cipher takes every length").encode()
    }
}

/// A handshake message in unencrypted records of `record` bytes each.
pub fn in_records(message: &[u8], record: usize) -> Vec<u8> {
    let records = message.chunks(record).map(|part| {
        let [high, low] = (part.len() as u16).to_be_bytes();
        [&[22, 3, 1, high, low], part].concat()
    });
    records.collect::<Vec<_>>().concat()
}
