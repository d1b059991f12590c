//! The server's record layer against a peer that cuts, bends and invents records and handshake messages,
//! before its handshake is done and after it.

use super::super::raw_tls::{RawPeer, in_records};
use super::script::Script;
use calmd::tls::Certificate;
use calmd::tls::TlsContext;
use calmd::tls::records::{Opened, Tls, WireBuffer};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::server::UnbufferedServerConnection;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ContentType, RootCertStore, ServerConfig};
use std::sync::{Arc, OnceLock};

/// Number of bytes that the server reads at once.
const READ: usize = 64 << 10;

/// The most bytes that a session may hold while it waits for the rest of a record or message: the
/// longest record, and the session itself.
const MEMORY: usize = 24 << 10;

/// The configurations of both ends. The client has one for TLS 1.2 and one for TLS 1.3.
struct Configs {
    server: Arc<ServerConfig>,
    clients: [Arc<ClientConfig>; 2],
}

fn configs() -> &'static Configs {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    CONFIGS.get_or_init(|| {
        let place = std::env::temp_dir().join(format!("calmd-fuzz-{}", std::process::id()));
        let made = Certificate::SelfSigned {
            directory: Some(place.clone()),
        };
        let (context, _) = TlsContext::open(&made).expect("a certificate");
        let mut roots = RootCertStore::empty();
        let chain = CertificateDer::pem_file_iter(place.join("localhost.pem")).expect("a file");
        for certificate in chain {
            roots.add(certificate.expect("PEM")).expect("a root");
        }
        let _ = std::fs::remove_dir_all(place);
        let clients = [&TLS12, &TLS13].map(|version| {
            let provider = Arc::new(calmd::tls::provider());
            let mut client = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[version])
                .expect("a version")
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            client.enable_secret_extraction = true;
            client.alpn_protocols = vec![b"h2".to_vec()];
            Arc::new(client)
        });
        Configs {
            server: Arc::clone(context.config()),
            clients,
        }
    })
}

/// The server's side, and the buffers that its shell lends.
struct Server {
    tls: Tls<UnbufferedServerConnection>,
    buffer: Vec<u8>,
    plain: Vec<u8>,
    wire: WireBuffer,
    is_over: bool,
}

impl Server {
    fn new() -> Server {
        Server {
            tls: Tls::<UnbufferedServerConnection>::new(Arc::clone(&configs().server))
                .expect("a session"),
            buffer: Vec::new(),
            plain: Vec::new(),
            wire: WireBuffer::default(),
            is_over: false,
        }
    }

    /// Reads bytes in pieces, and sometimes seals content between them.
    fn read(&mut self, bytes: &[u8], script: &mut Script<'_>) {
        let piece = script.one_of(&[1, 5, 100, 1_000, 16_384, READ]);
        let seals = script.flag();
        for piece in bytes.chunks(piece) {
            if self.is_over {
                return;
            }
            let said = self.wire.filled().len();
            let room = self.tls.room(&mut self.buffer, READ);
            assert!(room.len() == READ);
            room[..piece.len()].copy_from_slice(piece);
            let opened = self.tls.open(
                &mut self.buffer,
                piece.len(),
                &mut self.plain,
                &mut self.wire,
            );
            let is_alert = matches!(opened, Err(rustls::Error::AlertReceived(_)));
            if opened.is_err() && !is_alert {
                assert!(self.wire.filled().len() > said, "no alert for {opened:?}");
            }
            self.is_over = !matches!(opened, Ok(Opened::Open));
            assert!(self.tls.memory() < MEMORY, "{} bytes", self.tls.memory());
            self.plain.clear();
            if seals && !self.is_over && !self.tls.is_handshaking() {
                self.seal(b"x");
            }
        }
    }

    fn seal(&mut self, content: &[u8]) {
        let before = self.wire.filled().len();
        self.tls.seal(content, &mut self.wire).expect("it is open");
        assert!(self.wire.filled().len() > before + content.len());
    }

    fn take_wire(&mut self) -> Vec<u8> {
        let wire = self.wire.filled().to_vec();
        self.wire.clear();
        wire
    }
}

/// The records after the script's changes.
fn bend(mut records: Vec<u8>, script: &mut Script<'_>) -> Vec<u8> {
    for _ in 0..script.below(4) {
        if records.is_empty() {
            break;
        }
        let at = usize::from(script.short()) % records.len();
        match script.below(5) {
            0 => records[at] = script.byte(),
            1 => records.truncate(at),
            2 => drop(records.splice(at..at, script.bytes().iter().copied())),
            3 => drop(records.drain(at..(at + script.below(20)).min(records.len()))),
            _ => records.extend_from_slice(script.bytes()),
        }
    }
    records
}

/// The content of a flight of unencrypted handshake records.
fn contents(mut records: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let [22, 3, _, high, low, rest @ ..] = records {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        content.extend_from_slice(&rest[..len]);
        records = &rest[len..];
    }
    content
}

pub fn drive(input: &[u8]) {
    let mut script = Script::new(input);
    let config = Arc::clone(&configs().clients[script.below(2)]);
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(config, name).expect("a session");
    let mut server = Server::new();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("memory takes all");
    let record = script.one_of(&[1, 7, 100, 1_000, 16_384]);
    if script.flag() {
        let mut message = contents(&hello);
        if script.flag() {
            // The message is made longer, so that it is malformed or too long.
            message.resize(usize::from(script.short()), 0);
        }
        hello = in_records(&message, record);
        let bent = bend(hello, &mut script);
        server.read(&bent, &mut script);
        server.read(&bend(bent, &mut script), &mut script);
        return;
    }
    server.read(&in_records(&contents(&hello), record), &mut script);
    let mut flight = server.take_wire();
    while client.is_handshaking() || client.wants_write() {
        let read = client.read_tls(&mut &flight[..]);
        assert!(
            read.is_ok() && client.process_new_packets().is_ok(),
            "a good server"
        );
        let mut answer = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut answer).expect("memory takes all");
        }
        server.read(&answer, &mut script);
        flight = server.take_wire();
    }
    assert!(!server.is_over && !server.tls.is_handshaking());
    authenticated(client, server, script);
}

/// Runs a peer that has its keys, and seals records that no client seals.
fn authenticated(client: ClientConnection, mut server: Server, mut script: Script<'_>) {
    let suite = client.negotiated_cipher_suite().expect("a suite");
    let secrets = client
        .dangerous_extract_secrets()
        .expect("they are allowed");
    let mut peer = RawPeer::new(suite, secrets.tx);
    for _ in 0..64 {
        if script.is_empty() || server.is_over {
            break;
        }
        let kind = script.one_of(&[
            ContentType::Handshake,
            ContentType::ApplicationData,
            ContentType::Alert,
            ContentType::ChangeCipherSpec,
            ContentType::from(0),
        ]);
        let mut content = script.bytes().to_vec();
        if script.below(8) == 0 {
            content.resize(usize::from(script.short()) % 18_000, 0);
        }
        let record = peer.seal(kind, &content);
        let record = if script.below(8) == 0 {
            bend(record, &mut script)
        } else {
            record
        };
        server.read(&record, &mut script);
        server.wire.clear();
    }
    server.tls.seal_end(&mut server.wire);
}
