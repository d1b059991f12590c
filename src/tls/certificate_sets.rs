//! The certificates of all hosts, and the choice among them for each connection.
//!
//! ```text
//! ClientHello ─▶ server name ─▶ HostTable ─▶ set of the host ─▶ the first certificate that the client can verify
//! ```
//!
//! Hosts with the same certificates share a set. A connection belongs to the set that its server name chose,
//! and requests for hosts of other sets are misdirected (421): the client has not seen their certificates.
//! Tickets do not lead from one set to another, because rustls resumes a session under the name that began
//! it alone (RFC 6066 §3), and that name chooses the set.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::client_auth::{ClientAuth, ClientDemand, SetVerifier};
use super::names::{Names, host};
use super::subject_names::SubjectNames;
use super::{Certificate, CertificateOrigin};
use crate::hosts::{HostPattern, HostTable};

/// A host's names and certificates.
#[derive(Clone, Copy, Debug)]
pub struct HostCertificates<'c> {
    /// The names; without any, it is the only host.
    pub names: &'c [HostPattern],
    /// The certificates, one for each kind of key: the first that a client can verify is shown.
    pub certificates: &'c [Certificate],
    /// The wish for certificates of clients, if there is one.
    pub client_auth: Option<&'c ClientAuth>,
}

/// A certificate in use.
#[derive(Clone, Debug)]
pub(super) struct LoadedCertificate {
    pub certificate: Certificate,
    /// Time at which it was loaded or made.
    pub loaded: SystemTime,
    pub key: Arc<CertifiedKey>,
    pub names: Arc<SubjectNames>,
    pub origin: CertificateOrigin,
}

/// The certificates of the hosts that have the same ones, and want the same of their clients.
#[derive(Debug)]
pub(super) struct CertificateSet {
    /// Its name. It outlives reloads, so that connections keep their hosts.
    id: u16,
    pub certificates: Vec<LoadedCertificate>,
    /// The wish for certificates of clients, with its verifier.
    client_auth: Option<(ClientAuth, SetVerifier)>,
}

/// The origins of certificates and of authorities, by which a set is known from one load to the next.
type SetKey<'c> = (Vec<&'c Certificate>, Option<&'c ClientAuth>);

/// The loaders of what a set has.
pub(super) trait SetLoader {
    /// The error of a file.
    type Error;

    /// Loads a certificate, in the place of which there was another before.
    fn certificate(
        &mut self,
        certificate: &Certificate,
        before: Option<&LoadedCertificate>,
    ) -> Result<LoadedCertificate, Self::Error>;

    /// Loads the authorities of clients' certificates.
    fn verifier(&mut self, wish: &ClientAuth) -> Result<SetVerifier, Self::Error>;
}

impl CertificateSet {
    /// True if every certificate of the set is good for a host.
    fn covers(&self, host: &[u8]) -> bool {
        let mut all = self.certificates.iter();
        all.all(|certificate| certificate.names.covers(host))
    }

    /// The certificate for a client that verifies these signatures; the first one for a client that
    /// verifies none of them, which then ends the handshake by itself.
    pub(super) fn choose(&self, schemes: &[SignatureScheme]) -> Option<&LoadedCertificate> {
        let verified = |it: &&LoadedCertificate| it.key.key.choose_scheme(schemes).is_some();
        let mut all = self.certificates.iter();
        all.find(verified).or_else(|| self.certificates.first())
    }

    fn key(&self) -> SetKey<'_> {
        let certificates = self.certificates.iter().map(|it| &it.certificate);
        let wish = self.client_auth.as_ref().map(|(wish, _)| wish);
        (certificates.collect(), wish)
    }
}

/// The sets of all hosts.
#[derive(Debug, Default)]
pub(super) struct CertificateSets {
    /// In the order of their names.
    sets: Vec<CertificateSet>,
    /// The set of hosts that are not in the table.
    default: u16,
    table: HostTable<u16>,
}

impl CertificateSets {
    /// The sets of these hosts, the default one first. The loader is told what `old` had in their place.
    pub(super) fn load<L: SetLoader>(
        hosts: &[HostCertificates<'_>],
        old: &CertificateSets,
        mut load: L,
    ) -> Result<CertificateSets, L::Error> {
        let mut sets = CertificateSets::default();
        let mut known = HashMap::new();
        let before: HashMap<SetKey<'_>, &CertificateSet> =
            old.sets.iter().map(|set| (set.key(), set)).collect();
        let taken: HashSet<u16> = old.sets.iter().map(|set| set.id).collect();
        let mut free = (0..=u16::MAX).filter(|id| !taken.contains(id));
        for (at, host) in hosts.iter().enumerate() {
            let key: SetKey<'_> = (host.certificates.iter().collect(), host.client_auth);
            let id = match known.get(&key) {
                Some(id) => *id,
                None => {
                    let before = before.get(&key);
                    let of_before = before.map(|set| set.certificates.as_slice());
                    let mut of_before = of_before.unwrap_or_default().iter();
                    let certificates = host.certificates.iter();
                    let certificates = certificates
                        .map(|certificate| load.certificate(certificate, of_before.next()))
                        .collect::<Result<_, _>>()?;
                    let client_auth = host.client_auth.map(|wish| {
                        let verifier = load.verifier(wish)?;
                        Ok((wish.clone(), verifier))
                    });
                    let id = before.map(|set| set.id).or_else(|| free.next());
                    // A settings file that can be read has no room for so many sets.
                    let id = id.unwrap_or_default();
                    sets.sets.push(CertificateSet {
                        id,
                        certificates,
                        client_auth: client_auth.transpose()?,
                    });
                    known.insert(key, id);
                    id
                }
            };
            if at == 0 {
                sets.default = id;
            }
            for name in host.names {
                sets.table.add(name, id);
            }
        }
        sets.sets.sort_by_key(|set| set.id);
        Ok(sets)
    }

    /// These sets, with their certificates loaded again.
    pub(super) fn load_again<L: SetLoader>(
        &self,
        mut load: L,
    ) -> Result<CertificateSets, L::Error> {
        let mut sets = Vec::with_capacity(self.sets.len());
        for set in &self.sets {
            let certificates = set.certificates.iter();
            let certificates = certificates.map(|it| load.certificate(&it.certificate, Some(it)));
            let certificates = certificates.collect::<Result<_, _>>()?;
            let client_auth = set.client_auth.as_ref().map(|(wish, _)| {
                let verifier = load.verifier(wish)?;
                Ok((wish.clone(), verifier))
            });
            sets.push(CertificateSet {
                id: set.id,
                certificates,
                client_auth: client_auth.transpose()?,
            });
        }
        Ok(CertificateSets {
            sets,
            default: self.default,
            table: self.table.clone(),
        })
    }

    /// True if a host wants certificates of its clients.
    pub(super) fn want_clients(&self) -> bool {
        self.sets.iter().any(|set| set.client_auth.is_some())
    }

    /// The verifier of a set, or of the default one.
    pub(super) fn verifier(&self, set: Option<u16>) -> Option<&SetVerifier> {
        let set = self.set(set.unwrap_or(self.default))?;
        set.client_auth.as_ref().map(|(_, verifier)| verifier)
    }

    /// True if the host of an authority serves no client without a certificate.
    pub(super) fn requires_client(&self, authority: &[u8]) -> bool {
        let set = self.set(self.set_of(authority));
        let wish = set.and_then(|set| set.client_auth.as_ref());
        wish.is_some_and(|(wish, _)| wish.demand == ClientDemand::Required)
    }

    /// True if these sets have the very keys of `other`, which was loaded from them.
    pub(super) fn has_keys_of(&self, other: &CertificateSets) -> bool {
        let mut pairs = self.certificates().zip(other.certificates());
        pairs.all(|(own, its)| Arc::ptr_eq(&own.key, &its.key))
    }

    /// All certificates, set by set.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &LoadedCertificate> {
        self.sets.iter().flat_map(|set| &set.certificates)
    }

    /// The chains of all sets, one behind the other.
    pub(super) fn chains(&self) -> Vec<CertificateDer<'static>> {
        let chains = self.certificates().map(|it| it.key.cert.clone());
        chains.flatten().collect()
    }

    /// The set of the default host.
    pub(super) fn default_set(&self) -> Option<&CertificateSet> {
        self.set(self.default)
    }

    fn set(&self, id: u16) -> Option<&CertificateSet> {
        let at = self.sets.binary_search_by_key(&id, |set| set.id).ok()?;
        self.sets.get(at)
    }

    /// The name of the set of an authority's host.
    fn set_of(&self, authority: &[u8]) -> u16 {
        self.table.find(authority).unwrap_or(self.default)
    }

    /// The names that a connection for this server name may use.
    fn names(&self, server_name: &[u8]) -> Names {
        let id = self.set_of(server_name);
        match self.set(id) {
            Some(set) if set.covers(host(server_name)) => Names::Certificate(id),
            _ if self.sets.len() > 1 || self.want_clients() => Names::Set(id),
            _ => Names::Any,
        }
    }

    /// True if a connection with these names may be used for an authority.
    pub(super) fn covers(&self, names: Names, authority: &[u8]) -> bool {
        match names {
            Names::Any => true,
            Names::Set(id) => self.set_of(authority) == id,
            Names::Certificate(id) => {
                let set = self.set(id).filter(|_| self.set_of(authority) == id);
                set.is_some_and(|set| set.covers(host(authority)))
            }
        }
    }
}

/// Gives every client a certificate of the host that it names, and notes the names that its connection may
/// be used for.
#[derive(Debug)]
pub(super) struct Resolver {
    sets: Arc<CertificateSets>,
    noted: Arc<Note>,
}

impl Resolver {
    pub(super) fn new(sets: Arc<CertificateSets>, noted: Arc<Note>) -> Self {
        Resolver { sets, noted }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let set = match hello.server_name() {
            Some(name) => {
                self.noted.put(self.sets.names(name.as_bytes()));
                self.sets.set(self.sets.set_of(name.as_bytes()))
            }
            None => {
                if self.sets.want_clients() {
                    self.noted.put(Names::Set(self.sets.default));
                }
                self.sets.default_set()
            }
        };
        let chosen = set?.choose(hello.signature_schemes())?;
        Some(chosen.key.clone())
    }
}

/// Note of the resolver: the names that were asked for. rustls does not give out the server name in
/// unbuffered use, so the resolver notes it in passing, and the note is taken before another session is
/// touched.
#[derive(Debug, Default)]
pub(super) struct Note(AtomicU32);

/// The bits of a note beside the name of the set.
const SET: u32 = 1 << 16;
const CERTIFICATE: u32 = 1 << 17;

impl Note {
    /// The set of the names, if there is one.
    pub(super) fn set(&self) -> Option<u16> {
        let note = self.0.load(Ordering::Relaxed);
        (note & (SET | CERTIFICATE) != 0).then_some((note & u32::from(u16::MAX)) as u16)
    }

    pub(super) fn put(&self, names: Names) {
        let note = match names {
            Names::Any => 0,
            Names::Set(id) => SET | u32::from(id),
            Names::Certificate(id) => CERTIFICATE | u32::from(id),
        };
        self.0.store(note, Ordering::Relaxed);
    }

    pub(super) fn take(&self) -> Names {
        let note = self.0.swap(0, Ordering::Relaxed);
        let id = (note & u32::from(u16::MAX)) as u16;
        match note & !u32::from(u16::MAX) {
            CERTIFICATE => Names::Certificate(id),
            SET => Names::Set(id),
            _ => Names::Any,
        }
    }
}
