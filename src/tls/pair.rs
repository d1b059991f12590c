//! A certificate chain with its private key, as files or the server itself have them.

use std::path::{Path, PathBuf};

use rustls::CertificateError;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::error::{LEAST_RSA_BITS, TlsError};
use super::file::{self, read_file};

/// A certificate chain and its private key, with the paths that errors name.
pub(super) struct Pair {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) chain_path: PathBuf,
    key_path: PathBuf,
}

impl Pair {
    pub(super) fn read(chain_path: &Path, key_path: &Path) -> Result<Pair, TlsError> {
        let (chain, key) = (read_file(chain_path)?, read_file(key_path)?);
        Pair::parse(&chain, &key, chain_path, key_path)
    }

    pub(super) fn parse(
        chain: &[u8],
        key: &[u8],
        chain_path: &Path,
        key_path: &Path,
    ) -> Result<Pair, TlsError> {
        let certificates = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .filter(|chain| !chain.is_empty());
        let Some(certificates) = certificates else {
            let is_key = contains(chain, b"PRIVATE KEY") && contains(key, b"BEGIN CERTIFICATE");
            return Err(if is_key {
                TlsError::Swapped {
                    chain: chain_path.into(),
                    key: key_path.into(),
                }
            } else {
                TlsError::NoCertificate(chain_path.into())
            });
        };
        if contains(key, b"ENCRYPTED") {
            return Err(TlsError::EncryptedKey(key_path.into()));
        }
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey(key_path.into()))?;
        Ok(Pair {
            chain: certificates,
            key,
            chain_path: chain_path.into(),
            key_path: key_path.into(),
        })
    }

    pub(super) fn certify(self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let (chain, key) = (self.chain_path, self.key_path);
        if let Some(bits) = file::rsa_bits(&self.key).filter(|bits| *bits < LEAST_RSA_BITS) {
            return Err(TlsError::ShortKey { key, bits });
        }
        CertifiedKey::from_der(self.chain, self.key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { chain, key },
            rustls::Error::InvalidCertificate(CertificateError::Other(reason))
                if reason.to_string().contains("UnsupportedCertVersion") =>
            {
                TlsError::OldVersion(chain)
            }
            reason => TlsError::Unusable { chain, key, reason },
        })
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
