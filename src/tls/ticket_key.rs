//! Session tickets under a key that several processes and hosts share, from the file of `--ticket-key`.
//!
//! ```text
//! file, 48 or 80 random bytes ── HKDF ──▶ a secret
//! the secret, the certificates, an epoch of 12 hours ── HKDF ──▶ name (16 bytes), key of AES-256-GCM
//! ticket = name · nonce (12 bytes) · sealed session · tag (16 bytes)
//! ```
//!
//! The lengths of the file are those of nginx's `ssl_session_ticket_key`, so that one file and its rotation
//! serve both; the tickets of the two are not understood by each other.
//!
//! - **Epochs are of wall time**, so that all hosts change the key together without speaking to each other.
//!   Tickets are sealed with the key of the present epoch and opened with that of the last one too: each is
//!   good for 12 hours at least, as it tells the client, and for 24 at most. The key of the next epoch opens
//!   tickets as well, because at the change the clock of another host may be ahead. That gives nothing away:
//!   only the file makes any of the keys.
//! - **The certificates are part of each key**, so a session that one certificate began is not resumed under
//!   another one (virtual host confusion: a resumption shows no certificate, and the client goes by the first).
//!   After a renewal each client makes one full handshake.
//! - **A ticket that cannot be opened is no error**: the handshake is a full one.
//! - **No ticket may stand for a client's own certificate**: a holder of the file could make such a ticket, and a
//!   revoked client would stay resumed. So sessions with hosts that want certificates of their clients have no
//!   tickets (`HostTickets`).
//!
//! An attacker who gets the file can read the sessions of its time that were resumed in TLS 1.2. So the operator
//! replaces it now and then, and it is read again on SIGHUP.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::server::ProducesTickets;

use super::TlsError;
use super::file::read_file;

#[cfg(feature = "aws-lc")]
use aws_lc_rs::{aead, digest, hkdf, rand};
#[cfg(all(feature = "ring", not(feature = "aws-lc")))]
use ring::{aead, digest, hkdf, rand};

use rand::SecureRandom;

/// Lengths of the file in bytes, as nginx takes them: for AES-128 and for AES-256.
const LENGTHS: [usize; 2] = [48, 80];

/// Seconds of an epoch, and the life of a ticket as the client is told it: 12 hours, as rustls tells by itself.
const EPOCH: u32 = 12 * 60 * 60;

/// Bytes of the name by which a key is found: by chance no two keys have equal ones.
const NAME: usize = 16;

/// Bytes of a key of AES-256-GCM.
const KEY: usize = 32;

/// Keys that open tickets: of the present epoch, of the last and of the next one.
const OPENING: usize = 3;

/// Keeps the keys apart from any other use of the file; the number changes with the form of tickets.
const LABEL: &[u8] = b"calmd tickets 1";

/// The certificates of a server, as the keys of its tickets are bound to them: SHA-256 of their DER in order.
pub(super) struct CertificatesHash([u8; digest::SHA256_OUTPUT_LEN]);

impl CertificatesHash {
    pub(super) fn of(certificates: &[CertificateDer<'_>]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        // DER tells its own length, so that no two lists become one text.
        for certificate in certificates {
            hash.update(certificate);
        }
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(hash.finish().as_ref());
        CertificatesHash(bytes)
    }
}

/// Tickets under the keys that a file makes. Each call looks at the clock, as rustls' own tickets do.
pub(super) struct SharedTickets {
    secret: hkdf::Prk,
    certificates: CertificatesHash,
    /// The keys of the epoch in which tickets were last asked for. One thread uses them; the lock is there
    /// because rustls wants every maker of tickets to serve several.
    keys: Mutex<Option<EpochKeys>>,
}

struct EpochKeys {
    epoch: u64,
    /// The key of the epoch first.
    keys: [TicketKey; OPENING],
}

struct TicketKey {
    name: [u8; NAME],
    key: aead::LessSafeKey,
}

/// Length of the output of HKDF.
struct MaterialLength(usize);

impl hkdf::KeyType for MaterialLength {
    fn len(&self) -> usize {
        self.0
    }
}

impl SharedTickets {
    /// Reads the file of a key for tickets that are bound to these certificates.
    pub(super) fn read(path: &Path, certificates: CertificatesHash) -> Result<Self, TlsError> {
        let content = read_file(path)?;
        if !LENGTHS.contains(&content.len()) {
            return Err(TlsError::TicketKey {
                path: path.into(),
                len: content.len(),
            });
        }
        Ok(SharedTickets {
            secret: hkdf::Salt::new(hkdf::HKDF_SHA256, LABEL).extract(&content),
            certificates,
            keys: Mutex::new(None),
        })
    }

    /// Seals a session. None if the clock stands before 1970, or without random numbers.
    fn seal(&self, now: SystemTime, session: &[u8]) -> Option<Vec<u8>> {
        // With a random nonce a key is good for 2^32 tickets (NIST SP 800-38D §8.3): 100,000 a second for
        // all of an epoch.
        let mut nonce = [0; aead::NONCE_LEN];
        rand::SystemRandom::new().fill(&mut nonce).ok()?;
        self.with_keys(now, |keys| {
            let [present, ..] = keys;
            let mut sealed = session.to_vec();
            present
                .key
                .seal_in_place_append_tag(
                    aead::Nonce::assume_unique_for_key(nonce),
                    aead::Aad::from(present.name),
                    &mut sealed,
                )
                .ok()?;
            Some([&present.name[..], &nonce, &sealed].concat())
        })
    }

    /// Opens a ticket. None if it was damaged, or sealed under another file, for other certificates or too
    /// long ago.
    fn open(&self, now: SystemTime, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<{ aead::NONCE_LEN }>()?;
        self.with_keys(now, |keys| {
            let found = keys.iter().find(|key| key.name == *name)?;
            let mut sealed = sealed.to_vec();
            let nonce = aead::Nonce::assume_unique_for_key(*nonce);
            let opened = found
                .key
                .open_in_place(nonce, aead::Aad::from(found.name), &mut sealed);
            opened.ok().map(|session| session.to_vec())
        })
    }

    /// Uses the keys of this time, which are made when an epoch is first met.
    fn with_keys<T>(
        &self,
        now: SystemTime,
        run: impl FnOnce(&[TicketKey; OPENING]) -> Option<T>,
    ) -> Option<T> {
        let epoch = epoch(now)?;
        // A panic cannot have left anything half done: the keys are replaced as a whole.
        let mut known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.epoch != epoch) {
            *known = Some(EpochKeys {
                epoch,
                keys: [
                    self.key(epoch)?,
                    // Before the first epoch there is none: the first serves twice.
                    self.key(epoch.saturating_sub(1))?,
                    self.key(epoch + 1)?,
                ],
            });
        }
        run(&known.as_ref()?.keys)
    }

    /// The key of an epoch.
    fn key(&self, epoch: u64) -> Option<TicketKey> {
        // All parts have fixed lengths, so that no two lists become one text.
        let info = [LABEL, &self.certificates.0, &epoch.to_be_bytes()];
        let mut bytes = [0; NAME + KEY];
        let made = self.secret.expand(&info, MaterialLength(NAME + KEY)).ok()?;
        made.fill(&mut bytes).ok()?;
        let (name, key) = bytes.split_first_chunk::<NAME>()?;
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, key).ok()?;
        Some(TicketKey {
            name: *name,
            key: aead::LessSafeKey::new(key),
        })
    }
}

/// An error if a file cannot be the key of tickets. No certificate is needed to tell.
pub fn check_ticket_key(path: &Path) -> Result<(), TlsError> {
    SharedTickets::read(path, CertificatesHash::of(&[])).map(drop)
}

/// The number of the epoch of a time, counted from 1970. Before 1970 there are no tickets, as without a file.
fn epoch(now: SystemTime) -> Option<u64> {
    let since = now.duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs() / u64::from(EPOCH))
}

impl fmt::Debug for SharedTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTickets")
    }
}

impl ProducesTickets for SharedTickets {
    fn enabled(&self) -> bool {
        epoch(SystemTime::now()).is_some()
    }

    fn lifetime(&self) -> u32 {
        EPOCH
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(SystemTime::now(), plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open(SystemTime::now(), cipher)
    }
}

#[cfg(test)]
mod tests;
