//! Files of certificates and keys. Reading them never waits for a writer.

use super::TlsError;
use super::subject_names::Elements;
use rustix::fs::OFlags;
use rustls::pki_types::PrivateKeyDer;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
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

/// The content of a regular file. A FIFO or a device is refused, because reading it could keep the
/// whole server waiting.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    read(path).map_err(|reason| TlsError::Read {
        path: path.into(),
        reason,
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    // Without this flag, opening a FIFO waits for its writer.
    options
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32);
    let file = options.open(path)?;
    let kind = file.metadata()?;
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        let reason = "it is a FIFO, a socket or a device";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let mut content = Vec::new();
    let len = file.take(LONGEST + 1).read_to_end(&mut content)?;
    if len as u64 > LONGEST {
        let reason = "it is longer than any certificate or key";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    Ok(content)
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
