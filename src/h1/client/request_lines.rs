//! The head of a request that was checked and written once, to be sent again.

use super::connection::ClientConnection;
use super::request_head::SendableHead;
use super::state::{Asked, Hundred, RequestContent, Upgrade};
use crate::h1::message::{BodyLength, Persistence};
use crate::http::{Expected, Field, is_credential};
use std::time::Instant;

/// The bytes of a request's head, which are the same on every connection that goes on behind the request.
#[derive(Debug)]
pub(crate) struct RequestLines {
    bytes: Vec<u8>,
    length: BodyLength,
    asked: Asked,
}

impl RequestLines {
    /// The bytes that [`ClientConnection::send_request`] would write. None of a head that it would refuse, or that asks
    /// for more than a response, or whose content may be beyond the server: all of these depend on the connection.
    pub(crate) fn new<'f>(
        fields: impl Iterator<Item = Field<'f>> + Clone,
        length: BodyLength,
    ) -> Option<Self> {
        let head = SendableHead::check(fields.clone(), length).ok()?;
        // A head with a credential is not made to be kept, though it is sent once more where its connection had gone.
        let is_plain = head.upgrade.is_none()
            && !fields.clone().any(|field| is_credential(field.name))
            && head.expected == Expected::Nothing
            && length != BodyLength::Unknown;
        is_plain.then(|| {
            let mut bytes = Vec::new();
            head.encode(&mut bytes, fields, Persistence::KeepAlive);
            RequestLines {
                bytes,
                length,
                asked: Asked::by(head.method),
            }
        })
    }
}

impl ClientConnection {
    /// Sends a head whose bytes were made before, of a request with content of this length. False, and nothing is sent,
    /// if they would be others on this connection, or cannot be sent now.
    pub(crate) fn send_request_lines(
        &mut self,
        lines: &RequestLines,
        length: BodyLength,
        now: Instant,
    ) -> bool {
        let is_fit =
            self.is_idle() && self.persistence == Persistence::KeepAlive && lines.length == length;
        if is_fit {
            self.now = now;
            self.output.bytes.extend_from_slice(&lines.bytes);
            let content = RequestContent::of(length);
            self.open_request(
                content,
                lines.asked,
                Upgrade::NotOffered,
                Hundred::NotAwaited,
            );
        }
        is_fit
    }
}
