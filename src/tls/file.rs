//! Files of certificates and keys. Reading them never waits for a writer.

use super::TlsError;
use super::subject_names::Elements;
use crate::world::files::read_regular;
use rustls::pki_types::PrivateKeyDer;
use std::io;
use std::path::Path;

/// The longest file that is read, in bytes. A chain of a hundred certificates is shorter.
const LONGEST: u64 = 1 << 20;

/// Tags of DER (X.690 §8) on the way to the modulus of an RSA key (RFC 8017 appendix A.1.2, RFC 5958
/// §2).
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The object identifier rsaEncryption (RFC 8017 appendix C).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The content of a file, which is a regular one.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    read_regular(path, LONGEST).map_err(|reason| TlsError::Read {
        path: path.into(),
        reason: match reason.kind() {
            io::ErrorKind::FileTooLarge => {
                io::Error::new(reason.kind(), "it is longer than any certificate or key")
            }
            _ => reason,
        },
    })
}

/// The length of the modulus of an RSA key in bits; none for other kinds of key.
pub(super) fn rsa_bits(key: &PrivateKeyDer<'_>) -> Option<usize> {
    let inside = |bytes, tag| Elements(bytes).find(|element| element.0 == tag);
    let (_, content) = inside(key.secret_der(), SEQUENCE)?;
    let integers = match key {
        PrivateKeyDer::Pkcs1(_) => content,
        PrivateKeyDer::Pkcs8(_) => {
            let (_, algorithm) = inside(content, SEQUENCE)?;
            inside(algorithm, OBJECT_IDENTIFIER).filter(|(_, oid)| *oid == RSA)?;
            let (_, wrapped) = inside(content, OCTET_STRING)?;
            inside(wrapped, SEQUENCE)?.1
        }
        _ => return None,
    };
    // The numbers are a version, the modulus, and others.
    let mut numbers = Elements(integers).filter(|(tag, _)| *tag == INTEGER);
    let (_, modulus) = numbers.nth(1)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    Some((modulus.len() - zeros) * 8)
}
