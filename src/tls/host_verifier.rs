//! Client certificates, verified as the host wants that a handshake is with.
//!
//! ```text
//! ClientHello ─▶ Resolver: notes the set of the host ─▶ HostVerifier, HostTickets: do as that set wants
//! ```
//!
//! One configuration of rustls serves all hosts. It asks its verifier in the call that reads the ClientHello, behind
//! the resolver, and in later calls of the handshake, before which the connection's note is put back. A session with
//! a host that wants a certificate has no ticket and is never resumed, so no certificate is believed for longer than
//! its connection.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ProducesTickets;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::certificate_sets::{CertificateSets, Note};
use super::client_auth::SetVerifier;

/// Verifies certificates as the host wants that the present handshake is with.
#[derive(Debug)]
pub(super) struct HostVerifier {
    sets: Arc<CertificateSets>,
    noted: Arc<Note>,
}

impl HostVerifier {
    pub(super) fn new(sets: Arc<CertificateSets>, noted: Arc<Note>) -> Self {
        HostVerifier { sets, noted }
    }

    fn present(&self) -> Option<&SetVerifier> {
        self.sets.verifier(self.noted.set())
    }

    fn needed(&self) -> Result<&SetVerifier, Error> {
        self.present()
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }
}

impl ClientCertVerifier for HostVerifier {
    /// True before the ClientHello too, for which no names are noted: a session of TLS 1.2 then keeps what the
    /// client's signature will be about.
    fn offer_client_auth(&self) -> bool {
        match self.noted.set() {
            None => true,
            present => self.sets.verifier(present).is_some(),
        }
    }

    fn client_auth_mandatory(&self) -> bool {
        self.present()
            .is_some_and(|verifier| verifier.client_auth_mandatory())
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.present()
            .map_or(&[], |verifier| verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verifier = self.needed()?;
        verifier.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verifier = self.needed()?;
        verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verifier = self.needed()?;
        verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.present()
            .map(|verifier| verifier.supported_verify_schemes())
            .unwrap_or_default()
    }
}

/// Tickets for hosts that want no certificate. The others have none, and take none: a session from before they
/// wanted one proves nothing.
#[derive(Debug)]
pub(super) struct HostTickets {
    tickets: Arc<dyn ProducesTickets>,
    verifier: HostVerifier,
}

impl HostTickets {
    pub(super) fn new(tickets: Arc<dyn ProducesTickets>, verifier: HostVerifier) -> Self {
        HostTickets { tickets, verifier }
    }
}

impl ProducesTickets for HostTickets {
    fn enabled(&self) -> bool {
        self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        match self.verifier.present() {
            Some(_) => None,
            None => self.tickets.encrypt(plain),
        }
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        match self.verifier.present() {
            Some(_) => None,
            None => self.tickets.decrypt(cipher),
        }
    }
}
