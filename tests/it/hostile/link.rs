//! The connection of an attacker: non-blocking, in the clear or with TLS.

use super::attack::Over;
use crate::support::Server;
use mio::net::TcpStream;
use rustix::net::sockopt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};

/// The address that attackers connect to, and the layer of the connection.
#[derive(Clone)]
pub struct Target {
    address: SocketAddr,
    records: Option<Records>,
    tls: Option<Arc<ClientConfig>>,
}

/// Division of plaintext into TLS records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Records {
    Whole,
    OneByte,
}

impl Target {
    /// The server's port for the layer `over`.
    pub fn new(server: &Server, over: Over) -> Target {
        let (address, records, alpn) = match over {
            Over::Cleartext => (server.http, None, ""),
            Over::Bare => (server.https, None, ""),
            Over::Tls(alpn) => (server.https, Some(Records::Whole), alpn),
            Over::OneByteRecords(alpn) => (server.https, Some(Records::OneByte), alpn),
        };
        Target {
            address,
            records,
            tls: records.map(|_| trusting(server, alpn)),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

/// A client that trusts the server's certificate alone.
fn trusting(server: &Server, alpn: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let path = server.directory.path().join("certs/localhost.pem");
    for certificate in CertificateDer::pem_file_iter(path).expect("a certificate was made") {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// A connection to the target.
pub struct Link {
    socket: TcpStream,
    /// Number of bytes that the socket took, those of TLS included.
    pub sent: u64,
    session: Option<Box<Session>>,
}

struct Session {
    connection: ClientConnection,
    records: Records,
}

impl Link {
    /// Begins to connect.
    pub fn open(target: &Target, reads_nothing: bool) -> io::Result<Link> {
        let socket = TcpStream::connect(target.address)?;
        let _ = socket.set_nodelay(true);
        if reads_nothing {
            sockopt::set_socket_recv_buffer_size(&socket, 1)?;
        }
        let session = target.tls.as_ref().zip(target.records);
        let session = session.map(|(config, records)| {
            let name = ServerName::try_from("localhost").unwrap();
            let connection = ClientConnection::new(config.clone(), name).unwrap();
            Box::new(Session {
                connection,
                records,
            })
        });
        Ok(Link {
            socket,
            sent: 0,
            session,
        })
    }

    /// True if plaintext may be written.
    pub fn is_ready(&self) -> bool {
        match &self.session {
            Some(session) => !session.connection.is_handshaking(),
            None => true,
        }
    }

    /// Writes as much as the socket takes, and bytes of TLS that wait.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            let taken = self.socket.write(bytes)?;
            self.sent += taken as u64;
            return Ok(taken);
        };
        while session.connection.wants_write() {
            self.sent += session.connection.write_tls(&mut self.socket)? as u64;
        }
        if session.connection.is_handshaking() {
            return Ok(0);
        }
        let taken = match session.records {
            Records::Whole => session.connection.writer().write(bytes)?,
            Records::OneByte => {
                let some = bytes.len().min(512);
                for byte in bytes[..some].chunks(1) {
                    session.connection.writer().write_all(byte)?;
                }
                some
            }
        };
        match session.connection.write_tls(&mut self.socket) {
            Ok(sent) => self.sent += sent as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(taken)
    }

    /// Changes the keys of the sending side.
    pub fn update_keys(&mut self) {
        if let Some(session) = &mut self.session {
            let _ = session.connection.refresh_traffic_keys();
        }
    }

    /// Reads once. `Ok(0)` is the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            return self.socket.read(buffer);
        };
        let connection = &mut session.connection;
        let end = connection.read_tls(&mut self.socket)? == 0;
        if let Err(error) = connection.process_new_packets() {
            // The alert for the error is best effort.
            let _ = connection.write_tls(&mut self.socket);
            return Err(io::Error::other(error));
        }
        match connection.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && end => Ok(0),
            result => result,
        }
    }
}

/// True if the socket only has to be tried again.
pub fn is_patient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted
    )
}
