//! The sessions of rustls, server's and client's, and the steps that they take.

use super::super::hello;
use super::wire_buffer::WireBuffer;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus};
use rustls::{AlertDescription, CommonState, Error, ProtocolVersion};

/// The largest plaintext of a TLS record (RFC 8446 §5.1).
pub(super) const RECORD: usize = 16 << 10;

/// The longest record on the wire: header 5, the plaintext, and what TLS 1.2 allows beyond it. rustls
/// waits for such a record in TLS 1.3 too (RFC 5246 §6.2.3).
const LONGEST_RECORD: usize = HEADER + RECORD + (2 << 10);

/// The header of a record (RFC 8446 §5.1).
pub(super) const HEADER: usize = 5;

/// One side of a session of rustls. Server and client are different types there, with equal methods.
pub trait Session {
    /// The type by which rustls tells the two sides apart.
    type Data;

    /// Limit of the bytes that wait for the rest of a record or of a handshake message. A session with
    /// more is refused.
    const MOST_KEPT: usize;

    /// Processes records from the front of `records` as far as possible, and returns the next thing to
    /// do.
    fn process<'c, 'i>(&'c mut self, records: &'i mut [u8])
    -> UnbufferedStatus<'c, 'i, Self::Data>;

    /// The parameters that were agreed on so far.
    fn common(&self) -> &CommonState;

    /// Judges unencrypted records by the lengths that they announce, before they are whole.
    fn judge(&self, records: &[u8]) -> Result<(), AlertDescription>;
}

impl Session for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    /// Room for one record, or for a ClientHello of 16 KiB in records of a hundred bytes. A longer
    /// ClientHello is refused by the length that it announces. All else that a client sends in the
    /// handshake is shorter.
    const MOST_KEPT: usize = LONGEST_RECORD;

    fn process<'c, 'i>(
        &'c mut self,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }

    fn common(&self) -> &CommonState {
        self
    }

    fn judge(&self, records: &[u8]) -> Result<(), AlertDescription> {
        // TLS 1.3 may ask for a second ClientHello. In TLS 1.2, the messages after the first one are
        // short, and encrypted ones look unencrypted.
        if self.is_handshaking() && self.protocol_version() != Some(ProtocolVersion::TLSv1_2) {
            hello::judge(records)
        } else {
            Ok(())
        }
    }
}

impl Session for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    /// Room for a chain of certificates of 64 KiB, the limit of rustls, in records of 1 KiB and more.
    const MOST_KEPT: usize = 68 << 10;

    fn process<'c, 'i>(
        &'c mut self,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }

    fn common(&self) -> &CommonState {
        self
    }

    fn judge(&self, _records: &[u8]) -> Result<(), AlertDescription> {
        Ok(())
    }
}

/// Bytes that a session was shown before and has not released, and the bytes that came behind them.
pub(super) struct Records<'b> {
    pub(super) bytes: &'b mut [u8],
    /// Number of bytes at the front that the session has released.
    pub(super) start: usize,
}

impl Records<'_> {
    /// The bytes that the session wants to see again.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// Shows a session its records, lets `act` handle the state that results, and forgets the bytes that
/// the session releases. `act` may release more.
pub(super) fn process<S: Session, T>(
    session: &mut S,
    records: &mut Records<'_>,
    act: impl FnOnce(ConnectionState<'_, '_, S::Data>, &mut usize) -> Result<T, Error>,
) -> Result<T, Error> {
    let bytes = records.bytes.get_mut(records.start..).unwrap_or_default();
    let UnbufferedStatus { mut discard, state } = session.process(bytes);
    let result = state.and_then(|state| act(state, &mut discard));
    records.start = (records.start + discard).min(records.bytes.len());
    result
}

/// Tells if the session is to be asked again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionStep {
    /// The session may have more to do.
    Next,
    /// The session waits for the peer, or for something to write.
    Done,
}

/// Takes one step of the session that needs no application data.
pub(super) fn handshake_step<D>(
    state: ConnectionState<'_, '_, D>,
    wire: &mut WireBuffer,
) -> SessionStep {
    match state {
        ConnectionState::EncodeTlsData(mut data) => {
            let mut encoded = data.encode(wire.spare(0));
            if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) =
                encoded
            {
                encoded = data.encode(wire.spare(required_size));
            }
            wire.advance(encoded.unwrap_or(0));
            SessionStep::Next
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            SessionStep::Next
        }
        _ => SessionStep::Done,
    }
}
