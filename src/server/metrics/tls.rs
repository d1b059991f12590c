//! TLS handshakes: done, resumed, failed.

use rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};

use crate::telemetry::metrics::exposition::{Exposition, FamilyKind};

/// Reasons of failed handshakes and sessions, as labels.
const REASONS: [&str; 7] = [
    "alert",
    "alpn",
    "decryption",
    "incompatible",
    "malformed",
    "misbehaved",
    "other",
];

/// Counts of handshakes.
#[derive(Debug, Default)]
pub struct TlsCounts {
    /// By version, TLS 1.2 first, and then by whether an earlier session was resumed.
    done: [[u64; 2]; 2],
    failed: [u64; REASONS.len()],
}

impl TlsCounts {
    /// Counts a handshake that is done.
    pub fn add(&mut self, session: &CommonState) {
        let [old, new] = &mut self.done;
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => new,
            _ => old,
        };
        let [full, resumed] = version;
        match session.handshake_kind() {
            Some(HandshakeKind::Resumed) => *resumed += 1,
            _ => *full += 1,
        }
    }

    /// Counts a session that failed.
    pub fn add_failure(&mut self, error: &Error) {
        let reason = match error {
            Error::AlertReceived(_) => "alert",
            Error::NoApplicationProtocol => "alpn",
            Error::DecryptError => "decryption",
            Error::PeerIncompatible(_) => "incompatible",
            Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerSentOversizedRecord => "malformed",
            Error::PeerMisbehaved(_) => "misbehaved",
            _ => "other",
        };
        let place = REASONS.iter().position(|known| *known == reason);
        if let Some(count) = place.and_then(|place| self.failed.get_mut(place)) {
            *count += 1;
        }
    }

    /// Writes all counts.
    pub(super) fn write(&self, text: &mut Exposition) {
        text.family(
            FamilyKind::Counter,
            "calmd_tls_handshakes",
            "TLS handshakes that were done, by version, and by whether they resumed a session.",
        );
        for (version, counts) in ["1.2", "1.3"].into_iter().zip(&self.done) {
            for (resumed, count) in ["no", "yes"].into_iter().zip(counts) {
                text.add(&[("version", version), ("resumed", resumed)], *count);
            }
        }
        text.family(
            FamilyKind::Counter,
            "calmd_tls_failures",
            "TLS sessions that failed, by reason.",
        );
        for (reason, count) in REASONS.into_iter().zip(&self.failed) {
            text.add(&[("reason", reason)], *count);
        }
    }
}
