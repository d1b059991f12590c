//! Keys of records that are expanded while they are used, and kept as they are while a session rests.
//!
//! A cipher works with an expanded key: 700 bytes for each direction, of no use to a session that waits for its
//! next request. While it rests it keeps the key alone, and its next record expands that again.
//! This is one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).
//!
//! ```text
//!   Bare ── a record ──▶ Expanded ── SessionKeys::rest ──▶ Bare
//! ```
//!
//! rustls has a cipher suite make the two ends of its records, and does not say for which session. A session
//! makes them within a call of ours, so those that were made in the call are its own: [`SessionKeys::adopt`].
//!
//! A KeyUpdate makes new keys, and the session drops the old ones (RFC 8446 §7.2).
//!
//! The suites are those of TLS 1.3. Few clients are left that speak TLS 1.2, whose keys stay expanded.

use std::cell::Cell;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use rustls::crypto::CryptoProvider;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
    Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
    UnsupportedOperationError, make_tls13_aad,
};
use rustls::{
    CipherSuite, CipherSuiteCommon, ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion,
    SupportedCipherSuite, Tls13CipherSuite,
};

use super::crypto;

#[cfg(feature = "aws-lc")]
use aws_lc_rs::aead;
#[cfg(all(feature = "ring", not(feature = "aws-lc")))]
use ring::aead;

/// Bytes of the tag behind each record, of all suites of TLS 1.3.
const TAG: usize = 16;

/// Bytes of two expanded keys. AES-128 and AES-256 take the same.
const EXPANDED: usize = 1_280;

/// The keys of a session's records, as far as they can rest.
#[derive(Default)]
pub(super) struct SessionKeys {
    sealing: Option<SharedKey>,
    opening: Option<SharedKey>,
    form: KeyForm,
}

/// The form of a session's keys.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum KeyForm {
    /// None is expanded.
    #[default]
    Bare,
    /// Some may be expanded.
    Expanded,
}

/// The last keys of both directions.
#[derive(Default)]
struct MadeKeys {
    sealing: Option<SharedKey>,
    opening: Option<SharedKey>,
}

thread_local! {
    /// The keys that were made last on this thread, and that no session has adopted.
    static MADE: Cell<MadeKeys> = const { Cell::new(MadeKeys { sealing: None, opening: None }) };
}

impl SessionKeys {
    /// Lets those be that were made outside of the call that follows.
    pub(super) fn begin() {
        MADE.take();
    }

    /// Takes those that the session has made since [`SessionKeys::begin`]. The last of each direction is the one in use.
    pub(super) fn adopt(&mut self) {
        let MadeKeys { sealing, opening } = MADE.take();
        self.sealing = sealing.or(self.sealing.take());
        self.opening = opening.or(self.opening.take());
    }

    /// A record is opened or sealed.
    pub(super) fn note_use(&mut self) {
        self.form = KeyForm::Expanded;
    }

    /// Memory of the expanded ones in bytes.
    pub(super) fn memory(&self) -> usize {
        match self.form {
            KeyForm::Bare => 0,
            KeyForm::Expanded => EXPANDED,
        }
    }

    /// Gives back the expanded ones, until the next record.
    pub(super) fn rest(&mut self) {
        if std::mem::replace(&mut self.form, KeyForm::Bare) == KeyForm::Bare {
            return;
        }
        for key in self.sealing.iter().chain(&self.opening) {
            key.lock().expanded = None;
        }
    }
}

#[cfg(test)]
impl SessionKeys {
    /// Number of those that rustls has as well.
    pub(super) fn in_use(&self) -> usize {
        let keys = self.sealing.iter().chain(&self.opening);
        keys.filter(|key| Arc::strong_count(&key.0) == 2).count()
    }

    /// Number of those that are expanded.
    pub(super) fn expanded(&self) -> usize {
        let keys = self.sealing.iter().chain(&self.opening);
        keys.filter(|key| key.lock().expanded.is_some()).count()
    }
}

/// A key that rustls has, and that a session can have rest.
#[derive(Clone)]
struct SharedKey(Arc<Mutex<RecordKey>>);

impl SharedKey {
    fn new(algorithm: &'static aead::Algorithm, key: AeadKey, iv: Iv) -> Self {
        SharedKey(Arc::new(Mutex::new(RecordKey {
            algorithm,
            key,
            iv,
            expanded: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, RecordKey> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of one direction.
struct RecordKey {
    algorithm: &'static aead::Algorithm,
    key: AeadKey,
    iv: Iv,
    /// Boxed, because some are hundreds of bytes.
    expanded: Option<Box<aead::LessSafeKey>>,
}

impl RecordKey {
    /// The expanded key, and the nonce of the record with this number.
    fn expand(&mut self, number: u64) -> Result<(&aead::LessSafeKey, aead::Nonce), Error> {
        let nonce = aead::Nonce::assume_unique_for_key(Nonce::new(&self.iv, number).0);
        let expanded = match &mut self.expanded {
            Some(expanded) => expanded,
            none => {
                let key = aead::UnboundKey::new(self.algorithm, self.key.as_ref());
                let key = key.map_err(|_| Error::General("a key of another length".into()))?;
                none.insert(Box::new(aead::LessSafeKey::new(key)))
            }
        };
        Ok((expanded, nonce))
    }
}

/// The end that seals records (RFC 8446 §5.2).
struct RecordSealer(SharedKey);

impl MessageEncrypter for RecordSealer {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        number: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let len = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(len);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&[message.typ.into()]);
        let mut key = self.0.lock();
        let (key, nonce) = key.expand(number)?;
        let header = aead::Aad::from(make_tls13_aad(len));
        key.seal_in_place_append_tag(nonce, header, &mut payload)
            .map_err(|_| Error::EncryptError)?;
        Ok(OutboundOpaqueMessage::new(
            ContentType::ApplicationData,
            ProtocolVersion::TLSv1_2,
            payload,
        ))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + 1 + TAG
    }
}

/// The end that opens records.
struct RecordOpener(SharedKey);

impl MessageDecrypter for RecordOpener {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        number: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        if payload.len() < TAG {
            return Err(Error::DecryptError);
        }
        let mut key = self.0.lock();
        let (key, nonce) = key.expand(number)?;
        let header = aead::Aad::from(make_tls13_aad(payload.len()));
        let opened = key.open_in_place(nonce, header, payload);
        let len = opened.map_err(|_| Error::DecryptError)?.len();
        payload.truncate(len);
        message.into_tls13_unpadded_message()
    }
}

/// The cipher of a suite, which makes the two ends.
struct RestingCipher {
    algorithm: &'static aead::Algorithm,
    secrets: fn(AeadKey, Iv) -> ConnectionTrafficSecrets,
}

static AES_128: RestingCipher = RestingCipher {
    algorithm: &aead::AES_128_GCM,
    secrets: |key, iv| ConnectionTrafficSecrets::Aes128Gcm { key, iv },
};

static AES_256: RestingCipher = RestingCipher {
    algorithm: &aead::AES_256_GCM,
    secrets: |key, iv| ConnectionTrafficSecrets::Aes256Gcm { key, iv },
};

static CHACHA20: RestingCipher = RestingCipher {
    algorithm: &aead::CHACHA20_POLY1305,
    secrets: |key, iv| ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv },
};

impl Tls13AeadAlgorithm for RestingCipher {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        let key = SharedKey::new(self.algorithm, key, iv);
        let made = MADE.take();
        MADE.set(MadeKeys {
            sealing: Some(key.clone()),
            ..made
        });
        Box::new(RecordSealer(key))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        let key = SharedKey::new(self.algorithm, key, iv);
        let made = MADE.take();
        MADE.set(MadeKeys {
            opening: Some(key.clone()),
            ..made
        });
        Box::new(RecordOpener(key))
    }

    fn key_len(&self) -> usize {
        self.algorithm.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Ok((self.secrets)(key, iv))
    }
}

/// The suites of TLS 1.3 with keys that rest.
static SUITES: LazyLock<Vec<Tls13CipherSuite>> = LazyLock::new(|| {
    let suites = crypto::default_provider().cipher_suites;
    let resting = |suite: &Tls13CipherSuite| {
        let aead_alg: &'static dyn Tls13AeadAlgorithm = match suite.common.suite {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => &AES_128,
            CipherSuite::TLS13_AES_256_GCM_SHA384 => &AES_256,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => &CHACHA20,
            _ => return None,
        };
        Some(Tls13CipherSuite {
            common: CipherSuiteCommon {
                suite: suite.common.suite,
                hash_provider: suite.common.hash_provider,
                confidentiality_limit: suite.common.confidentiality_limit,
            },
            hkdf_provider: suite.hkdf_provider,
            aead_alg,
            quic: None,
        })
    };
    let suites = suites.iter().filter_map(SupportedCipherSuite::tls13);
    suites.filter_map(resting).collect()
});

/// The cryptography with suites of TLS 1.3 whose keys can rest.
pub(super) fn resting(mut provider: CryptoProvider) -> CryptoProvider {
    for suite in &mut provider.cipher_suites {
        let same = SUITES.iter().find(|own| own.common.suite == suite.suite());
        if let Some(own) = same {
            *suite = SupportedCipherSuite::Tls13(own);
        }
    }
    provider
}
