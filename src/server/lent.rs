//! Buffers that are lent to one connection after another, so that none needs its own.
//! This is one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).

use super::batch::{Batch, FIELD_BYTES, FIELDS};
#[cfg(feature = "proxy")]
use super::head_lines::LastLines;
#[cfg(feature = "proxy")]
use super::reply_buffers::ReplyBuffers;
#[cfg(feature = "proxy")]
use crate::h1::{LastResponse, RequestLines};
use crate::http::Fields;
use crate::link::Splices;
use crate::tls::records::WireBuffer;
use crate::world::Files;

/// Bytes that a turn mostly needs of each buffer: a chunk of output, and what records add to it.
const BUFFER: usize = 100 << 10;

/// Everything that a connection is lent for its turn.
pub struct Lent<F: Files> {
    /// The buffers.
    pub buffers: Buffers,
    /// Content between the bytes of the output that is being made.
    pub splices: Splices<F>,
}

impl<F: Files> Lent<F> {
    /// Empty buffers of their full size.
    pub fn new() -> Self {
        Lent {
            buffers: Buffers::new(),
            splices: Splices::roomy(),
        }
    }
}

/// The buffers of a turn.
///
/// They have their size from the start: one that grew in a crowd would lie above what the crowd
/// leaves behind, and keep the allocator from giving that back.
#[derive(Default)]
pub struct Buffers {
    /// Bytes from the socket.
    pub read: Vec<u8>,
    /// Bytes out of TLS records.
    pub plain: Vec<u8>,
    /// Bytes of the protocol on their way out.
    pub output: Vec<u8>,
    /// Bytes sealed in TLS records.
    pub wire: WireBuffer,
    /// The field section of the message that is being read.
    pub fields: Fields,
    /// The requests of HTTP/2 that are being read.
    pub batch: Batch,
    /// Content of responses of upstreams.
    #[cfg(feature = "proxy")]
    pub replies: ReplyBuffers,
    /// The head of the last response of an upstream.
    #[cfg(feature = "proxy")]
    pub last_response: LastResponse,
    /// The lines of the last request to an upstream.
    #[cfg(feature = "proxy")]
    pub(super) request_lines: LastLines<RequestLines>,
}

impl Buffers {
    /// Empty buffers of their full size.
    pub fn new() -> Self {
        Buffers {
            read: Vec::with_capacity(BUFFER),
            plain: Vec::with_capacity(BUFFER),
            output: Vec::with_capacity(BUFFER),
            wire: WireBuffer::with_capacity(BUFFER),
            fields: Fields::with_capacity(FIELDS, FIELD_BYTES),
            batch: Batch::default(),
            #[cfg(feature = "proxy")]
            replies: ReplyBuffers::default(),
            #[cfg(feature = "proxy")]
            last_response: LastResponse::default(),
            #[cfg(feature = "proxy")]
            request_lines: LastLines::default(),
        }
    }

    /// Gives back what requests have left for those that come next.
    #[cfg(feature = "proxy")]
    pub(super) fn forget_known(&mut self) {
        self.replies = ReplyBuffers::default();
        self.last_response = LastResponse::default();
        self.request_lines = LastLines::default();
    }
}
