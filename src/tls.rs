//! Certificates, read from PEM files or made for localhost, and the TLS configuration that is built of
//! them. Each host may have its own (`certificate_sets`).
//!
//! [`TlsContext`] holds the configuration that new connections are accepted with. A reload replaces the
//! certificate for connections to come. Existing connections keep the old configuration until they end.
//! Session tickets stay valid, because their keys outlive the reload; those of `ticket_key`, whose file is read
//! again with the certificate, are bound to both.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ProducesTickets, UnbufferedServerConnection};
use rustls::sign::CertifiedKey;

use crate::world::files::refuse_pipe;
use crate::world::os::wall_clock;

mod certificate;
mod certificate_sets;
mod client_auth;
mod clock;
mod error;
mod file;
mod hello;
mod host_verifier;
mod key_log;
mod names;
mod pair;
pub mod records;
mod resting_keys;
mod self_signed;
mod state_directory;
mod subject;
mod subject_names;
mod suites;
mod ticket_key;
#[cfg(any(feature = "client", feature = "proxy"))]
mod trust;
mod validity;
mod watch;

pub use certificate::Certificate;
pub use certificate_sets::HostCertificates;
use certificate_sets::{CertificateSets, LoadedCertificate, Note, Resolver, SetLoader};
use client_auth::SetVerifier;
pub use client_auth::{ClientAuth, ClientDemand, check_client_auth};
use clock::Tickets;
pub use clock::TlsClock;
pub use error::TlsError;
use host_verifier::{HostTickets, HostVerifier};
pub use key_log::KeyLogLines;
pub use names::Names;
use pair::Pair;
use records::Tls;
pub use state_directory::state_directory;
pub use subject::subject;
use subject_names::SubjectNames;
use suites::SuiteOrders;
pub use ticket_key::check_ticket_key;
use ticket_key::{CertificatesHash, SharedTickets};
#[cfg(any(feature = "client", feature = "proxy"))]
pub use trust::{TrustError, Trusted};
use watch::{ComplaintTimes, FileWatch};

#[cfg(feature = "aws-lc")]
use rustls::crypto::aws_lc_rs as crypto;
#[cfg(all(feature = "ring", not(feature = "aws-lc")))]
use rustls::crypto::ring as crypto;
#[cfg(not(any(feature = "aws-lc", feature = "ring")))]
compile_error!("TLS needs its cryptography: build with the feature `aws-lc` or `ring`");

/// The cryptography library that the program was built with.
pub fn provider() -> CryptoProvider {
    resting_keys::resting(crypto::default_provider())
}

/// The configuration that TLS connections are accepted with, and its certificates.
pub struct TlsContext {
    /// The log of secrets, if the operator wants one.
    key_log: Option<Arc<dyn rustls::KeyLog>>,
    provider: Arc<CryptoProvider>,
    tickets: TicketSource,
    config: SuiteOrders,
    sets: Arc<CertificateSets>,
    noted: Arc<Note>,
    /// The watch of the files, if the operator wants one.
    watch: Option<FileWatch>,
    complaint_times: ComplaintTimes,
    /// The authority that was last found to be covered, and the connection's names that it is among.
    /// Nearly all requests name the authority of the request before.
    covered: (Names, Vec<u8>),
}

/// Certificates that are loaded and not in use yet.
pub struct TlsRenewal {
    sets: Arc<CertificateSets>,
    config: ServerConfig,
}

/// Origin of the keys of session tickets.
enum TicketSource {
    /// Made by this process, for itself.
    Process(Arc<Tickets>),
    /// Made of a file, for all processes that have it.
    Shared(PathBuf),
}

impl TicketSource {
    /// The maker of tickets beside these certificates. A file is read now.
    fn open(&self, sets: &CertificateSets) -> Result<Arc<dyn ProducesTickets>, TlsError> {
        Ok(match self {
            TicketSource::Process(tickets) => tickets.clone(),
            TicketSource::Shared(path) => {
                let certificates = CertificatesHash::of(&sets.chains());
                Arc::new(SharedTickets::read(path, certificates)?)
            }
        })
    }
}

/// Origin of the certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateOrigin {
    /// Read from the files that the operator named.
    Given,
    /// Self-signed for localhost, kept from an earlier start.
    Kept(PathBuf),
    /// Self-signed for localhost, just made: on the first start, or because it was about to expire.
    Made(PathBuf),
    /// Self-signed for localhost, made at this start and kept in memory only.
    Memory,
}

impl TlsContext {
    /// Loads the certificate of the only host, or makes one for localhost if the operator named none.
    pub fn open(certificate: &Certificate) -> Result<(Self, CertificateOrigin), TlsError> {
        let certificates = std::slice::from_ref(certificate);
        let host = HostCertificates {
            names: &[],
            certificates,
            client_auth: None,
        };
        let context = TlsContext::of_hosts(&[host])?;
        let origin = context.origin();
        Ok((context, origin))
    }

    /// Loads the certificates of these hosts, the default one first.
    pub fn of_hosts(hosts: &[HostCertificates<'_>]) -> Result<Self, TlsError> {
        let provider = Arc::new(provider());
        let tickets = Tickets::new(SystemTime::now, crypto::Ticketer::new);
        let tickets = TicketSource::Process(Arc::new(tickets));
        let noted = Arc::new(Note::default());
        let sets = CertificateSets::load(hosts, &CertificateSets::default(), loader(&provider))?;
        let sets = Arc::new(sets);
        Ok(TlsContext {
            config: SuiteOrders::new(server_config(&sets, &noted, &provider, &tickets)?),
            key_log: None,
            sets,
            provider,
            tickets,
            noted,
            watch: None,
            complaint_times: ComplaintTimes::default(),
            covered: (Names::Any, Vec::new()),
        })
    }

    /// The origin of the default host's certificate.
    pub fn origin(&self) -> CertificateOrigin {
        let set = self.sets.default_set();
        let first = set.and_then(|set| set.certificates.first());
        first.map_or(CertificateOrigin::Given, |first| first.origin.clone())
    }

    /// Has random numbers seeded here and now. AWS-LC watches the processor's jitter for that, for 65 ms: in the first
    /// handshake all connections would wait for them. Without random numbers each handshake fails by itself.
    pub fn seed(&self) {
        let _ = self.provider.secure_random.fill(&mut [0]);
    }

    /// Makes session tickets under the key of a file from now on, so that every process with that file and
    /// certificate resumes the sessions of all.
    pub fn share_tickets(&mut self, path: &Path) -> Result<(), TlsError> {
        self.tickets = TicketSource::Shared(path.into());
        self.renew_tickets()
    }

    /// Has the secrets of all sessions to come appended to a file, so that recorded sessions can be decrypted.
    pub fn log_keys(&mut self, path: &Path) -> Result<(), TlsError> {
        let log = refuse_pipe(path).and_then(|()| KeyLogLines::open(path));
        let log = log.map_err(|reason| TlsError::KeyLog {
            path: path.into(),
            reason,
        })?;
        let log: Arc<dyn rustls::KeyLog> = Arc::new(log);
        let mut config = ServerConfig::clone(self.config());
        config.key_log = log.clone();
        self.config = SuiteOrders::new(config);
        self.key_log = Some(log);
        Ok(())
    }

    /// Reads the files again from now on within a minute after they have changed. To be called when all of
    /// them are known.
    pub fn watch_files(&mut self) {
        let files = self
            .sets
            .certificates()
            .filter_map(|it| match &it.certificate {
                Certificate::Files { chain, key } => Some([chain.clone(), key.clone()]),
                Certificate::SelfSigned { .. } => None,
            });
        let mut files: Vec<PathBuf> = files.flatten().collect();
        if let TicketSource::Shared(key) = &self.tickets {
            files.push(key.clone());
        }
        self.watch = Some(FileWatch::new(files));
    }

    /// Does what is due by now: reads files again that have changed, and complains once a day of a certificate
    /// near its end. Returns the outcome of reading.
    pub fn tend(&mut self, now: Instant) -> Option<Result<(), TlsError>> {
        if self.watch.as_mut().is_some_and(|watch| watch.look(now)) {
            return Some(self.reload());
        }
        if self.complaint_times.is_due(now) {
            for it in self.sets.certificates() {
                let place = match &it.certificate {
                    Certificate::Files { chain, .. } => chain.display().to_string(),
                    Certificate::SelfSigned { .. } => "self-signed".to_owned(),
                };
                complain(&it.key.cert, &place, wall_clock());
            }
        }
        None
    }

    /// The first end of a certificate in use, those of authorities along with it.
    pub fn first_end(&self) -> Option<SystemTime> {
        let chains = self.sets.certificates().map(|it| &it.key.cert);
        chains
            .flatten()
            .filter_map(|certificate| validity::end(certificate))
            .min()
    }

    /// Time until the files are looked at again, if they are watched.
    pub fn until_next_look(&self, now: Instant) -> Option<Duration> {
        Some(self.watch.as_ref()?.until_next(now))
    }

    /// Opens the tickets anew beside the certificate in use.
    fn renew_tickets(&mut self) -> Result<(), TlsError> {
        let mut config = ServerConfig::clone(self.config());
        config.ticketer = ticketer(&self.sets, &self.noted, &self.tickets)?;
        self.config = SuiteOrders::new(config);
        Ok(())
    }

    /// The configuration that a new connection is accepted with.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config.usual
    }

    /// Has a new connection take the cipher suite that its client's hardware is best at. `records` are the first bytes
    /// that came.
    pub fn suit(&self, session: &mut Tls<UnbufferedServerConnection>, records: &[u8]) {
        self.config.suit(session, records);
    }

    /// Reads the files of all hosts again, for connections to come. After an error the old certificates stay
    /// in use, and so does the old key of tickets.
    pub fn reload(&mut self) -> Result<(), TlsError> {
        let load = loader(&self.provider);
        let sets = self.sets.load_again(load)?;
        let is_same = self.sets.has_keys_of(&sets) && !sets.want_clients();
        if is_same && matches!(self.tickets, TicketSource::Process(_)) {
            return Ok(());
        }
        self.put(sets)
    }

    /// Has sets in use from now on.
    fn put(&mut self, sets: CertificateSets) -> Result<(), TlsError> {
        let renewal = self.renewal(sets)?;
        self.renew(renewal);
        Ok(())
    }

    fn renewal(&self, sets: CertificateSets) -> Result<TlsRenewal, TlsError> {
        let sets = Arc::new(sets);
        let mut config = server_config(&sets, &self.noted, &self.provider, &self.tickets)?;
        if let Some(log) = &self.key_log {
            config.key_log = log.clone();
        }
        Ok(TlsRenewal { sets, config })
    }

    /// Loads the certificates of these hosts, the default one first, without using them yet.
    pub fn load(&self, hosts: &[HostCertificates<'_>]) -> Result<TlsRenewal, TlsError> {
        self.renewal(CertificateSets::load(
            hosts,
            &self.sets,
            loader(&self.provider),
        )?)
    }

    /// Uses certificates for connections to come.
    pub fn renew(&mut self, TlsRenewal { sets, config }: TlsRenewal) {
        self.config = SuiteOrders::new(config);
        self.sets = sets;
        self.covered = (Names::Any, Vec::new());
        if self.watch.is_some() {
            self.watch_files();
        }
    }

    /// Goes on with the handshake of a connection of these names.
    pub fn enter(&self, names: Names) {
        self.noted.put(names);
    }

    /// True if a host wants certificates of its clients.
    pub fn wants_clients(&self) -> bool {
        self.sets.want_clients()
    }

    /// True if the host of an authority serves no client without a certificate.
    pub fn requires_client(&self, authority: &[u8]) -> bool {
        self.sets.requires_client(authority)
    }

    /// The names that requests on a connection may be for, if its ClientHello was among the records
    /// that were just opened; otherwise [`Names::Any`].
    pub fn take_names(&self) -> Names {
        self.noted.take()
    }

    /// True if a connection with these names may be used for an authority.
    pub fn covers(&mut self, names: Names, authority: &[u8]) -> bool {
        if self.covered.0 == names && self.covered.1 == authority {
            return true;
        }
        let covers = self.sets.covers(names, authority);
        if covers {
            self.covered.0 = names;
            self.covered.1.clear();
            self.covered.1.extend_from_slice(authority);
        }
        covers
    }
}

/// A loader of certificates. It keeps one that was made in memory until it is worn.
struct FileLoader<'p> {
    provider: &'p Arc<CryptoProvider>,
    now: SystemTime,
}

fn loader(provider: &Arc<CryptoProvider>) -> FileLoader<'_> {
    FileLoader {
        provider,
        now: wall_clock(),
    }
}

impl SetLoader for FileLoader<'_> {
    type Error = TlsError;

    fn certificate(
        &mut self,
        certificate: &Certificate,
        before: Option<&LoadedCertificate>,
    ) -> Result<LoadedCertificate, TlsError> {
        match before {
            Some(before)
                if before.origin == CertificateOrigin::Memory
                    && !self_signed::is_worn(before.loaded, self.now) =>
            {
                Ok(before.clone())
            }
            _ => load_kept(certificate, self.now, self.provider),
        }
    }

    fn verifier(&mut self, wish: &ClientAuth) -> Result<SetVerifier, TlsError> {
        client_auth::verifier(wish, self.provider)
    }
}

/// A certificate as the operator wants it, or one in memory where ours cannot be kept.
fn load_kept(
    certificate: &Certificate,
    now: SystemTime,
    provider: &CryptoProvider,
) -> Result<LoadedCertificate, TlsError> {
    let loaded = match load_one(certificate, now, provider) {
        Err(reason @ (TlsError::Read { .. } | TlsError::Write { .. }))
            if matches!(certificate, Certificate::SelfSigned { .. }) =>
        {
            log::warn!("the self-signed certificate cannot be kept: {reason}");
            load_one(&Certificate::SelfSigned { directory: None }, now, provider)
        }
        loaded => loaded,
    };
    let (key, names, origin) = loaded?;
    Ok(LoadedCertificate {
        certificate: certificate.clone(),
        loaded: now,
        key,
        names,
        origin,
    })
}

fn load_one(
    certificate: &Certificate,
    now: SystemTime,
    provider: &CryptoProvider,
) -> Result<(Arc<CertifiedKey>, Arc<SubjectNames>, CertificateOrigin), TlsError> {
    let (pair, origin) = match certificate {
        Certificate::Files { chain, key } => (Pair::read(chain, key)?, CertificateOrigin::Given),
        Certificate::SelfSigned {
            directory: Some(directory),
        } => self_signed::pair(directory, now, provider)?,
        Certificate::SelfSigned { directory: None } => {
            (self_signed::in_memory(now)?, CertificateOrigin::Memory)
        }
    };
    complain(&pair.chain, &pair.chain_path.display().to_string(), now);
    let key = pair.certify(provider)?;
    let names = key.cert.first().map(|leaf| SubjectNames::of(leaf));
    Ok((Arc::new(key), Arc::new(names.unwrap_or_default()), origin))
}

/// Warns of the certificates of a chain that clients refuse, or soon will.
fn complain(chain: &[CertificateDer<'_>], place: &str, now: SystemTime) {
    for (at, certificate) in chain.iter().enumerate() {
        if let Some(complaint) = validity::complaint(certificate, now) {
            match at {
                0 => log::warn!("the certificate '{place}' {complaint}"),
                _ => log::warn!("the certificate {} of '{place}' {complaint}", at + 1),
            }
        }
    }
}

/// The maker of tickets, which sessions with hosts that want certificates of their clients do without.
fn ticketer(
    sets: &Arc<CertificateSets>,
    noted: &Arc<Note>,
    tickets: &TicketSource,
) -> Result<Arc<dyn ProducesTickets>, TlsError> {
    let tickets = tickets.open(sets)?;
    if !sets.want_clients() {
        return Ok(tickets);
    }
    let verifier = HostVerifier::new(sets.clone(), noted.clone());
    Ok(Arc::new(HostTickets::new(tickets, verifier)))
}

fn server_config(
    sets: &Arc<CertificateSets>,
    noted: &Arc<Note>,
    provider: &Arc<CryptoProvider>,
    tickets: &TicketSource,
) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(suites::ordered(provider));
    let config = ServerConfig::builder_with_details(provider, Arc::new(TlsClock))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?;
    let config = if sets.want_clients() {
        let verifier = HostVerifier::new(sets.clone(), noted.clone());
        config.with_client_cert_verifier(Arc::new(verifier))
    } else {
        config.with_no_client_auth()
    };
    let mut config =
        config.with_cert_resolver(Arc::new(Resolver::new(sets.clone(), noted.clone())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Sessions are resumed by tickets that the client keeps. A cache on our side would only grow.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ticketer(sets, noted, tickets)?;
    // An HTTP/2 client opens one connection, and every connection brings a fresh ticket, so one is
    // enough.
    config.send_tls13_tickets = 1;
    // Early data can be replayed (RFC 8446 §8), and saves no more than a round trip.
    config.max_early_data_size = 0;
    Ok(config)
}

#[cfg(test)]
mod tests;
