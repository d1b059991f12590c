//! Errors that leave the server without a certificate, each with the way to mend it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The shortest RSA key that clients accept (CA/Browser Forum, baseline requirements §6.1.5).
pub(super) const LEAST_RSA_BITS: usize = 2048;

/// Reason for having no certificate to serve with. Displayed, it is one line that says how to mend it.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// The file of `--cert` holds no certificate in PEM.
    NoCertificate(PathBuf),
    /// The file of `--key` holds no private key in PEM.
    NoKey(PathBuf),
    /// The file of `--cert` holds a private key, and that of `--key` a certificate.
    Swapped {
        /// The file of `--cert`.
        chain: PathBuf,
        /// The file of `--key`.
        key: PathBuf,
    },
    /// The certificate is of X.509 version 1, which has no names.
    OldVersion(PathBuf),
    /// The RSA private key is shorter than clients accept.
    ShortKey {
        /// The file of `--key`.
        key: PathBuf,
        /// The length of the key in bits.
        bits: usize,
    },
    /// The private key is encrypted with a passphrase.
    EncryptedKey(PathBuf),
    /// The private key belongs to another certificate.
    Mismatch {
        /// The file of `--cert`.
        chain: PathBuf,
        /// The file of `--key`.
        key: PathBuf,
    },
    /// The file of `--ticket-key` is of another length than such a key.
    TicketKey {
        /// The file of `--ticket-key`.
        path: PathBuf,
        /// The length of the file in bytes.
        len: usize,
    },
    /// The certificate or the key is of a kind that the TLS library does not support.
    Unusable {
        /// The file of `--cert`.
        chain: PathBuf,
        /// The file of `--key`.
        key: PathBuf,
        /// The error of the TLS library.
        reason: rustls::Error,
    },
    /// The file of authorities that issue certificates of clients cannot be used.
    Authorities {
        /// The file of `--client-ca`.
        path: PathBuf,
        /// A sentence on the reason.
        reason: String,
    },
    /// The self-signed certificate cannot be written.
    Write {
        /// The file or directory that cannot be written.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// The file of `--tls-key-log` cannot be written.
    KeyLog {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// The self-signed certificate cannot be made.
    Make(rcgen::Error),
    /// The TLS library cannot start, because the system gives no random numbers.
    Library(rustls::Error),
}

impl std::error::Error for TlsError {}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Read { path, reason } if reason.kind() == io::ErrorKind::IsADirectory => {
                write!(
                    f,
                    "cannot read '{}': it is a directory; name a file in it",
                    path.display()
                )
            }
            TlsError::Read { path, reason } if reason.kind() == io::ErrorKind::InvalidInput => {
                write!(
                    f,
                    "cannot read '{}': {reason}; name a regular file",
                    path.display()
                )
            }
            TlsError::Read { path, reason } => write!(
                f,
                "cannot read '{}': {reason}; see that it exists and that this user may read it",
                path.display()
            ),
            TlsError::NoCertificate(path) => write!(
                f,
                "'{}' (--cert) holds no certificate; it must be PEM, the server's own first",
                path.display()
            ),
            TlsError::NoKey(path) => write!(
                f,
                "'{}' (--key) holds no private key; it must be PEM, PKCS#8, PKCS#1 or SEC1",
                path.display()
            ),
            TlsError::Swapped { chain, key } => write!(
                f,
                "'{}' (--cert) holds a private key and '{}' (--key) a certificate; swap them",
                chain.display(),
                key.display()
            ),
            TlsError::OldVersion(path) => write!(
                f,
                "the certificate '{}' (--cert) is of version 1; make one of version 3, which names its \
                 hosts",
                path.display()
            ),
            TlsError::ShortKey { key, bits } => write!(
                f,
                "the private key '{}' (--key) is of RSA with {bits} bits; make one of at least {}, or \
                 ECDSA P-256",
                key.display(),
                LEAST_RSA_BITS
            ),
            TlsError::EncryptedKey(path) => write!(
                f,
                "the private key '{}' (--key) is encrypted; decrypt it: openssl pkey -in {0} -out KEY",
                path.display()
            ),
            TlsError::Mismatch { chain, key } => write!(
                f,
                "the private key '{}' (--key) does not belong to the first certificate of '{}' \
                 (--cert); name a pair that belongs together",
                key.display(),
                chain.display()
            ),
            TlsError::TicketKey { path, len } => write!(
                f,
                "the ticket key '{}' (--ticket-key) has {len} bytes instead of 80 or 48; make one: \
                 openssl rand 80 > {0}",
                path.display()
            ),
            TlsError::Unusable { chain, key, reason } => write!(
                f,
                "cannot use '{}' (--cert) with '{}' (--key): {reason}; make it ECDSA P-256 or RSA",
                chain.display(),
                key.display()
            ),
            TlsError::Authorities { path, reason } => write!(
                f,
                "'{}' (--client-ca) names no authority: {reason}; it must be PEM, the certificates that issue \
                 those of clients",
                path.display()
            ),
            TlsError::Write { path, reason } => write!(
                f,
                "cannot write the self-signed certificate '{}': {reason}; name one with --cert and \
                 --key, or only cleartext addresses with --listen",
                path.display()
            ),
            TlsError::KeyLog { path, reason } => write!(
                f,
                "cannot write the secrets of TLS to '{}': {reason}; name another file with --tls-key-log",
                path.display()
            ),
            TlsError::Make(reason) => write!(
                f,
                "cannot make a self-signed certificate: {reason}; name one with --cert and --key"
            ),
            TlsError::Library(reason) => write!(f, "TLS cannot start: {reason}"),
        }
    }
}
