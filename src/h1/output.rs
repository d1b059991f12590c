//! The output of a connection, and the framing of content that is appended to it (RFC 9112 §6, §7.1).

use super::encode::{self, CHUNK_OVERHEAD};
use crate::http::Field;

/// The content that is still to be sent of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// This many bytes.
    Length(u64),
    /// Chunks of any number (RFC 9112 §7.1).
    Chunked,
    /// Everything up to the end of the connection, for HTTP/1.0 (RFC 9112 §6.3).
    UntilClose,
}

/// The state of a message's content after some of it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// More is to come.
    Part,
    /// It is complete.
    Whole,
    /// It has ended before the length that its head announced.
    TooShort,
}

/// Bytes to send.
#[derive(Debug, Default)]
pub(super) struct OutgoingBytes {
    pub(super) bytes: Vec<u8>,
    /// The place in `bytes` of content that was not committed yet.
    uncommitted: Option<u32>,
}

impl OutgoingBytes {
    /// Makes room for up to `max_len` bytes of content and for their framing.
    pub(super) fn begin(&mut self, outgoing: Option<Outgoing>, max_len: usize) -> &mut Vec<u8> {
        self.discard(outgoing);
        self.bytes.reserve(max_len.saturating_add(CHUNK_OVERHEAD));
        if outgoing == Some(Outgoing::Chunked) {
            encode::begin_chunk(&mut self.bytes);
        }
        self.uncommitted = u32::try_from(self.bytes.len()).ok();
        &mut self.bytes
    }

    /// Frames the bytes that were appended since [`OutgoingBytes::begin`], if there are any. More than the
    /// announced length is never sent.
    pub(super) fn commit(&mut self, outgoing: &mut Outgoing, end: bool) -> Sent {
        let begun = self.uncommitted.take().map(|start| start as usize);
        match outgoing {
            Outgoing::Length(left) => {
                let start = begun.unwrap_or(self.bytes.len());
                let appended = self.bytes.len().saturating_sub(start);
                let sent = usize::try_from(*left).map_or(appended, |left| left.min(appended));
                self.bytes.truncate(start + sent);
                return outgoing.send(sent as u64, end);
            }
            Outgoing::Chunked => {
                if let Some(start) = begun {
                    encode::end_chunk(&mut self.bytes, start);
                }
                if end {
                    encode::last_chunk(&mut self.bytes);
                }
            }
            Outgoing::UntilClose => {}
        }
        if end { Sent::Whole } else { Sent::Part }
    }

    /// Frames the bytes that were appended since [`OutgoingBytes::begin`], and ends chunked content with a
    /// trailer section.
    pub(super) fn end_with_trailers<'f>(&mut self, trailers: impl Iterator<Item = Field<'f>>) {
        self.commit(&mut Outgoing::Chunked, false);
        encode::trailers(&mut self.bytes, trailers);
    }

    /// Takes back the bytes that were appended since [`OutgoingBytes::begin`] and not committed.
    pub(super) fn discard(&mut self, outgoing: Option<Outgoing>) {
        let Some(start) = self.uncommitted.take() else {
            return;
        };
        self.bytes.truncate(start as usize);
        if outgoing == Some(Outgoing::Chunked) {
            encode::end_chunk(&mut self.bytes, start as usize);
        }
    }

    /// Puts an empty buffer behind the bytes that are there.
    pub(super) fn lend(&mut self, mut buffer: Vec<u8>) {
        buffer.extend_from_slice(&self.bytes);
        self.bytes = buffer;
    }

    /// Takes the bytes, and the buffer with them.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.uncommitted = None;
        std::mem::take(&mut self.bytes)
    }
}

impl Outgoing {
    /// Counts bytes of content of known length; they are in the output or follow it from elsewhere.
    pub(super) fn send(&mut self, len: u64, end: bool) -> Sent {
        let Outgoing::Length(left) = self else {
            debug_assert!(false, "chunks have a framing of their own");
            return Sent::Part;
        };
        debug_assert!(len <= *left, "more than was promised");
        *left = left.saturating_sub(len);
        match (end, *left) {
            (false, _) => Sent::Part,
            (true, 0) => Sent::Whole,
            (true, _) => Sent::TooShort,
        }
    }
}
