//! The record layer of both sides: what lies between a socket's bytes and a protocol's.
//!
//! TLS goes through rustls's unbuffered interface: records are opened in the buffer that they were
//! read into, and sealed straight into the buffer that is written from. A session keeps bytes of its
//! own only while a record is incomplete.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus};
use rustls::{ClientConfig, CommonState, Error, ServerConfig};
use std::sync::Arc;

/// The largest plaintext of a TLS record (RFC 8446 §5.1).
const RECORD: usize = 16 << 10;

/// More than any version and cipher suite adds to a record: header 5, explicit nonce 8, content
/// type 1, tag 16 (RFC 8446 §5.2, RFC 5246 §6.2.3).
const RECORD_OVERHEAD: usize = 40;

/// What a session keeps on the heap once it is open, as measured: secrets, ciphers, what was agreed.
const SESSION_STATE: usize = 2_400;

/// The same between the two flights of its handshake.
const HANDSHAKE_STATE: usize = 3 << 10;

/// One side of a session as rustls has it: the two are different types with the same methods.
pub trait Session {
    /// What rustls tells the sides apart by.
    type Data;

    /// Takes what it can of `records`, and says what is to be done next.
    fn process<'c, 'i>(&'c mut self, records: &'i mut [u8])
    -> UnbufferedStatus<'c, 'i, Self::Data>;

    /// What was agreed on so far.
    fn common(&self) -> &CommonState;
}

impl Session for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }

    fn common(&self) -> &CommonState {
        self
    }
}

impl Session for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }

    fn common(&self) -> &CommonState {
        self
    }
}

/// One TLS session and the record of it that is still incomplete.
pub struct Tls<S> {
    session: S,
    /// The beginning of a record whose rest has not come yet; at most one record long.
    partial: Vec<u8>,
    /// The session is over. rustls may still hold places in records that are gone, so it is not
    /// touched again.
    failed: bool,
}

/// What [`Tls::open`] found at the end of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The peer may send more.
    Open,
    /// The peer said that nothing follows (close_notify).
    Ended,
}

impl Tls<UnbufferedServerConnection> {
    /// A session that waits for a ClientHello.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Tls {
            session: UnbufferedServerConnection::new(config)?,
            partial: Vec::new(),
            failed: false,
        })
    }
}

impl Tls<UnbufferedClientConnection> {
    /// A session with the server of this name. The first [`Tls::open`], of no bytes, says hello.
    pub fn connect(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        Ok(Tls {
            session: UnbufferedClientConnection::new(config, name)?,
            partial: Vec::new(),
            failed: false,
        })
    }
}

impl<S: Session> Tls<S> {
    /// What was agreed on so far: versions, cipher suites, certificates.
    pub fn common(&self) -> &CommonState {
        self.session.common()
    }

    /// The memory that the session takes, roughly: rustls does not tell.
    pub fn memory(&self) -> usize {
        let state = match self.is_handshaking() {
            true => HANDSHAKE_STATE,
            false => SESSION_STATE,
        };
        size_of::<Self>() + state + self.partial.capacity()
    }

    /// Whether application data cannot flow yet.
    pub fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// The protocol that ALPN agreed on (RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.common().alpn_protocol()
    }

    /// Moves the incomplete record to the front of `buffer` and returns its length: where the next
    /// bytes from the socket belong.
    pub fn restore(&mut self, buffer: &mut [u8]) -> usize {
        let partial = std::mem::take(&mut self.partial);
        buffer[..partial.len()].copy_from_slice(&partial);
        partial.len()
    }

    /// Opens the records in `records` and appends their content to `plain`, what the handshake
    /// answers to `wire`. After an error, `wire` ends with the alert that tells the peer.
    pub fn open(
        &mut self,
        records: &mut [u8],
        plain: &mut Vec<u8>,
        wire: &mut WireBuffer,
    ) -> Result<Opened, Error> {
        if self.failed {
            return Err(Error::HandshakeNotComplete);
        }
        let result = self.try_open(records, plain, wire);
        self.failed = result.is_err();
        result
    }

    fn try_open(
        &mut self,
        records: &mut [u8],
        plain: &mut Vec<u8>,
        wire: &mut WireBuffer,
    ) -> Result<Opened, Error> {
        let mut start = 0;
        let mut opened = Opened::Open;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.session.process(&mut records[start..]);
            let done = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    false
                }
                Ok(ConnectionState::PeerClosed) => {
                    opened = Opened::Ended;
                    false
                }
                Ok(state) => handshake_step(state, wire),
                Err(error) => {
                    self.flush_alert(wire);
                    return Err(error);
                }
            };
            start += discard;
            if done {
                self.partial.extend_from_slice(&records[start..]);
                return Ok(opened);
            }
        }
    }

    /// Seals `plain` into records at the end of `wire`.
    pub fn seal(&mut self, plain: &[u8], wire: &mut WireBuffer) -> Result<(), Error> {
        if self.failed {
            return Err(Error::HandshakeNotComplete);
        }
        loop {
            match self.session.process(&mut []).state? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let room = plain.len() + (plain.len() / RECORD + 1) * RECORD_OVERHEAD;
                    let sealed = traffic
                        .encrypt(plain, wire.spare(room))
                        .map_err(|error| Error::General(error.to_string()))?;
                    wire.advance(sealed);
                    return Ok(());
                }
                state => {
                    if handshake_step(state, wire) {
                        return Err(Error::HandshakeNotComplete);
                    }
                }
            }
        }
    }

    /// Appends the alert that says that nothing follows.
    pub fn seal_end(&mut self, wire: &mut WireBuffer) {
        if self.failed || self.is_handshaking() {
            return;
        }
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = self.session.process(&mut []).state
            && let Ok(sealed) = traffic.queue_close_notify(wire.spare(RECORD_OVERHEAD))
        {
            wire.advance(sealed);
        }
    }

    /// Appends what the session still has to say after an error: its alert. It must not look at
    /// records again, neither at the bad ones nor at others where messages behind a bad one were:
    /// rustls panics over both. While it has something to write it looks at none.
    fn flush_alert(&mut self, wire: &mut WireBuffer) {
        while self.common().wants_write() {
            let state = self.session.process(&mut []).state;
            if state.map_or(true, |state| handshake_step(state, wire)) {
                return;
            }
        }
    }
}

/// Takes one step of the session that needs no application data; true when it waits for the peer.
fn handshake_step<D>(state: ConnectionState<'_, '_, D>, wire: &mut WireBuffer) -> bool {
    match state {
        ConnectionState::EncodeTlsData(mut data) => {
            let mut encoded = data.encode(wire.spare(0));
            if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) =
                encoded
            {
                encoded = data.encode(wire.spare(required_size));
            }
            wire.advance(encoded.unwrap_or(0));
            false
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            false
        }
        _ => true,
    }
}

/// A buffer that stays initialised, so that sealing into it costs no clearing.
#[derive(Default)]
pub struct WireBuffer {
    bytes: Vec<u8>,
    len: usize,
}

impl WireBuffer {
    /// An empty buffer that does not grow below this length.
    pub fn with_capacity(capacity: usize) -> Self {
        WireBuffer {
            bytes: Vec::with_capacity(capacity),
            len: 0,
        }
    }

    /// What was put in.
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Forgets what was put in and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// At least `room` bytes behind what was put in.
    fn spare(&mut self, room: usize) -> &mut [u8] {
        if self.bytes.len() < self.len + room {
            self.bytes.resize(self.len + room, 0);
        }
        &mut self.bytes[self.len..]
    }

    fn advance(&mut self, written: usize) {
        self.len += written;
    }
}
