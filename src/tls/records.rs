//! The TLS record layer of both sides. It stands between the bytes of a socket and the bytes of a
//! protocol.
//!
//! TLS goes through the unbuffered interface of rustls: records are opened in the buffer that they were
//! read into, and sealed straight into the buffer that is written from. A session keeps bytes of its
//! own only while a record is incomplete, or a handshake message whose other records have not come.
//!
//! rustls remembers positions in bytes that it has not released, and must be shown those bytes again at
//! each call: for sealing as well as for opening. `Records` are those bytes, and `process` is the
//! only function that calls rustls with them.

mod session;
mod wire_buffer;

pub use session::Session;
pub use wire_buffer::WireBuffer;

use super::resting_keys::SessionKeys;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncryptError, WriteTraffic};
use rustls::{ClientConfig, CommonState, Error, InvalidMessage, PeerMisbehaved, ServerConfig};
use session::{HEADER, RECORD, Records, SessionStep, handshake_step, process};
use std::sync::Arc;

/// Bytes that a version and cipher suite add to a record, at most: header 5, explicit nonce 8, content
/// type 1, tag 16 (RFC 8446 §5.2, RFC 5246 §6.2.3), rounded up.
const RECORD_OVERHEAD: usize = 40;

/// Measured size on the heap of an open session at rest: secrets, keys, the agreed parameters.
const SESSION_STATE: usize = 1_360;

/// Measured size on the heap of a session between the two flights of its handshake.
const HANDSHAKE_STATE: usize = 3 << 10;

/// One TLS session, and the record that is still incomplete.
pub struct Tls<S> {
    session: S,
    /// Bytes that rustls has not released: the beginning of a record or of a handshake message whose
    /// rest has not come yet. At most [`Session::MOST_KEPT`].
    kept: Vec<u8>,
    keys: SessionKeys,
    course: SessionCourse,
}

/// The stage of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SessionCourse {
    /// A server's session that has seen no byte.
    Untouched,
    /// Both sides may send.
    Open,
    /// It has sent its last message. The peer's side goes on (RFC 8446 §6.1).
    Told,
    /// It has failed. It is not touched again, because rustls may still hold positions in records that are gone.
    Failed,
}

/// State of the session behind the bytes that [`Tls::open`] was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The session goes on: the peer may send more.
    Open,
    /// The peer announced that nothing follows (close_notify).
    Ended,
}

impl Tls<UnbufferedServerConnection> {
    /// A session that waits for a ClientHello.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Tls {
            session: UnbufferedServerConnection::new(config)?,
            kept: Vec::new(),
            keys: SessionKeys::default(),
            course: SessionCourse::Untouched,
        })
    }

    /// True if the session has seen no byte yet.
    pub fn is_untouched(&self) -> bool {
        self.course == SessionCourse::Untouched
    }

    /// Has another configuration serve a session that has seen no byte yet.
    pub fn replace(&mut self, config: &Arc<ServerConfig>) {
        if self.is_untouched()
            && let Ok(session) = UnbufferedServerConnection::new(config.clone())
        {
            self.session = session;
        }
    }
}

impl Tls<UnbufferedClientConnection> {
    /// A client's session with the server `name`. The first [`Tls::open`], of no bytes, sends the
    /// ClientHello.
    pub fn connect(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        Ok(Tls {
            session: UnbufferedClientConnection::new(config, name)?,
            kept: Vec::new(),
            keys: SessionKeys::default(),
            course: SessionCourse::Open,
        })
    }
}

impl<S: Session> Tls<S> {
    /// The parameters that were agreed on so far: version, cipher suite, certificates.
    pub fn common(&self) -> &CommonState {
        self.session.common()
    }

    /// Memory that the session takes, in bytes. It is an estimate, because rustls does not tell.
    pub fn memory(&self) -> usize {
        let state = if self.is_handshaking() {
            HANDSHAKE_STATE
        } else {
            SESSION_STATE + self.keys.memory()
        };
        size_of::<Self>() + state + self.kept.capacity()
    }

    /// Gives back what the session does without until its next record.
    pub fn rest(&mut self) {
        self.keys.rest();
    }

    /// True while application data cannot flow yet.
    pub fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// The protocol that ALPN agreed on (RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.common().alpn_protocol()
    }

    /// Number of bytes that wait for the rest of a record or handshake message.
    pub fn waiting(&self) -> usize {
        self.kept.len()
    }

    /// The place in `buffer` for the next `len` bytes from the socket, behind the kept bytes.
    pub fn room<'b>(&self, buffer: &'b mut Vec<u8>, len: usize) -> &'b mut [u8] {
        room_behind(&self.kept, buffer, len)
    }

    /// Opens the records in `buffer`, of which `read` bytes were put where [`Tls::room`] said. Appends
    /// their content to `plain`, and the answers of the handshake to `wire`. After an error, `wire`
    /// ends with the alert for the peer.
    pub fn open(
        &mut self,
        buffer: &mut [u8],
        read: usize,
        plain: &mut Vec<u8>,
        wire: &mut WireBuffer,
    ) -> Result<Opened, Error> {
        match self.course {
            SessionCourse::Failed => return Err(Error::HandshakeNotComplete),
            SessionCourse::Untouched if read > 0 => self.course = SessionCourse::Open,
            _ => {}
        }
        let len = (self.kept.len() + read).min(buffer.len());
        let (bytes, _) = buffer.split_at_mut(len);
        let mut records = Records { bytes, start: 0 };
        SessionKeys::begin();
        let result = self.try_open(&mut records, plain, wire);
        self.keys.adopt();
        self.keys.note_use();
        self.kept = match result {
            // An exact copy of the rest, because it waits for the peer and memory beyond it would be
            // wasted.
            Ok(Opened::Open) => records.rest().to_vec(),
            // Bytes behind the end are ignored (RFC 8446 §6.1).
            Ok(Opened::Ended) | Err(_) => Vec::new(),
        };
        if result.is_err() {
            self.course = SessionCourse::Failed;
        }
        result
    }

    fn try_open(
        &mut self,
        records: &mut Records<'_>,
        plain: &mut Vec<u8>,
        wire: &mut WireBuffer,
    ) -> Result<Opened, Error> {
        if let Err(alert) = self.session.judge(records.rest()) {
            // The alert is written in the clear, because there are no keys yet.
            wire.append(&[21, 3, 3, 0, 2, 2, u8::from(alert)]);
            return Err(InvalidMessage::HandshakePayloadTooLarge.into());
        }
        let mut opened = Opened::Open;
        loop {
            let step = process(&mut self.session, records, |state, discard| match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        *discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    Ok(SessionStep::Next)
                }
                ConnectionState::PeerClosed => {
                    opened = Opened::Ended;
                    Ok(SessionStep::Next)
                }
                state => Ok(handshake_step(state, wire)),
            });
            match step {
                Ok(SessionStep::Next) => {}
                Ok(SessionStep::Done) if records.rest().len() > S::MOST_KEPT => {
                    self.refuse(records.rest().len(), wire);
                    return Err(InvalidMessage::HandshakePayloadTooLarge.into());
                }
                Ok(SessionStep::Done) => return Ok(opened),
                Err(error) => {
                    let said = wire.filled().len();
                    self.flush_alert(wire);
                    // rustls has no alert for some errors, and an alert is not answered by one.
                    let silent = wire.filled().len() == said;
                    if silent && !matches!(error, Error::AlertReceived(_)) {
                        self.tell(&error, records.rest().len(), wire);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Seals `plain` into records at the end of `wire`.
    pub fn seal(&mut self, plain: &[u8], wire: &mut WireBuffer) -> Result<(), Error> {
        if self.course != SessionCourse::Open {
            return Err(Error::HandshakeNotComplete);
        }
        let room = plain.len() + (plain.len() / RECORD + 1) * RECORD_OVERHEAD;
        self.keys.note_use();
        self.write(room, wire, |traffic, wire| traffic.encrypt(plain, wire))
    }

    /// Appends the alert that announces the end (close_notify), and ends our side of the session.
    pub fn seal_end(&mut self, wire: &mut WireBuffer) {
        if self.course != SessionCourse::Open || self.is_handshaking() {
            return;
        }
        // A session that has failed ends without the alert.
        let written = self.write(RECORD_OVERHEAD, wire, |traffic, wire| {
            traffic.queue_close_notify(wire)
        });
        self.course = match written {
            Ok(()) => SessionCourse::Told,
            Err(_) => SessionCourse::Failed,
        };
    }

    /// Lets the session write into `room` bytes at the end of `wire`, or into more if it asks for more:
    /// the answer to a KeyUpdate goes along (RFC 8446 §4.6.3).
    fn write(
        &mut self,
        room: usize,
        wire: &mut WireBuffer,
        mut act: impl FnMut(&mut WriteTraffic<'_, S::Data>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<(), Error> {
        let mut kept = std::mem::take(&mut self.kept);
        let mut records = Records {
            bytes: &mut kept,
            start: 0,
        };
        SessionKeys::begin();
        let written = loop {
            let step = process(&mut self.session, &mut records, |state, _| match state {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let mut written = act(&mut traffic, wire.spare(room));
                    if let Err(EncryptError::InsufficientSize(size)) = &written {
                        written = act(&mut traffic, wire.spare(size.required_size));
                    }
                    let written = written.map_err(|error| Error::General(error.to_string()))?;
                    wire.advance(written);
                    Ok(true)
                }
                state => match handshake_step(state, wire) {
                    SessionStep::Next => Ok(false),
                    SessionStep::Done => Err(Error::HandshakeNotComplete),
                },
            });
            match step {
                Ok(true) => break Ok(()),
                Ok(false) => {}
                Err(error) => break Err(error),
            }
        };
        self.keys.adopt();
        let discarded = records.start;
        kept.drain(..discarded);
        self.kept = kept;
        written
    }

    /// Appends the alert that the session sends after an error. The session must not look at records
    /// again, neither at the bad ones nor at later ones in the place of messages behind a bad one:
    /// rustls panics over both. While it has something to write it looks at none.
    fn flush_alert(&mut self, wire: &mut WireBuffer) {
        while self.common().wants_write() {
            let mut none = Records {
                bytes: &mut [],
                start: 0,
            };
            let step = process(&mut self.session, &mut none, |state, _| {
                Ok(handshake_step(state, wire))
            });
            if !matches!(step, Ok(SessionStep::Next)) {
                return;
            }
        }
    }

    /// Appends the alert for an error that rustls has no alert for.
    fn tell(&mut self, error: &Error, held: usize, wire: &mut WireBuffer) {
        let said = wire.filled().len();
        if let Error::PeerMisbehaved(PeerMisbehaved::IllegalTlsInnerPlaintext) = error {
            // A record without a type within is unexpected_message (RFC 8446 §5.4), and so is a
            // change_cipher_spec. In the handshake it has a content here that it never has.
            let content = if self.is_handshaking() { 2 } else { 1 };
            // The records are as many as rustls may still hold positions in.
            let record = [20, 3, 3, 0, 1, content];
            self.provoke(&mut record.repeat(held / record.len() + 2), wire);
        }
        if wire.filled().len() == said {
            self.refuse(held, wire);
        }
    }

    /// Appends the alert decode_error (RFC 8446 §6.2). rustls makes it for bytes that are not worth
    /// keeping: as many as it still holds positions in, and some more, none of which can begin a
    /// record.
    fn refuse(&mut self, held: usize, wire: &mut WireBuffer) {
        self.provoke(&mut vec![0xff; held + HEADER], wire);
    }

    /// Appends the alert that rustls answers `bytes` with, encrypted if the session is. rustls has no
    /// call that makes an alert, so bad bytes have to cause it.
    fn provoke(&mut self, bytes: &mut [u8], wire: &mut WireBuffer) {
        let mut records = Records { bytes, start: 0 };
        let step = process(&mut self.session, &mut records, |_, _| Ok(()));
        debug_assert!(step.is_err(), "nobody sends such records");
        self.flush_alert(wire);
    }
}

/// Puts `kept` at the front of `buffer`, and returns the `len` bytes behind it.
pub fn room_behind<'b>(kept: &[u8], buffer: &'b mut Vec<u8>, len: usize) -> &'b mut [u8] {
    let end = kept.len() + len;
    if buffer.len() < end {
        buffer.resize(end, 0);
    }
    let (used, _) = buffer.split_at_mut(end);
    let (front, room) = used.split_at_mut(kept.len());
    front.copy_from_slice(kept);
    room
}

#[cfg(test)]
mod tests;
