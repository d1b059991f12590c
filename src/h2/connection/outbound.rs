//! Everything on its way to the peer: the bytes to send, the encoder of their field blocks, and the
//! observer.
//!
//! Frames are made here and nowhere else, so the observer misses none: it is told of a frame as soon as
//! the frame is whole. Where there is no observer that costs one comparison a frame.

use std::num::NonZeroUsize;

use super::snapshot::TableSnapshot;
use crate::h2::error::ErrorCode;
use crate::h2::frame::decode::Rfc7540Priority;
use crate::h2::frame::text::Blocks;
use crate::h2::frame::{FrameHeader, FrameType, HEADER_LEN, PREFACE, encode, flag};
use crate::hpack::Encoder;
use crate::http::field::Field;

/// The way of a frame, for an observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    Received,
    /// To the peer.
    Sent,
}

/// Sees every frame: its direction, its header, its payload.
///
/// The payload is empty although the header's `len` is not where the frame was made by
/// [`commit_elsewhere`](crate::h2::Connection::commit_elsewhere) or
/// [`commit_apart`](crate::h2::Connection::commit_apart): such a payload goes from a file or another
/// buffer to the socket, and never lies in the memory of this connection. Only DATA without padding is
/// sent so. A payload that is shown is always as long as `len` says.
pub type Observer = Box<dyn FnMut(Direction, FrameHeader, &[u8]) + Send>;

/// The sending side of a connection.
pub(super) struct Outbound {
    output: Vec<u8>,
    encoder: Encoder,
    /// Boxed once more, since hardly any connection has one: a thin pointer is eight bytes.
    observer: Option<Box<Observer>>,
    /// One more than the offset at which the DATA frame begins that is being made.
    begun: Option<NonZeroUsize>,
}

impl Outbound {
    pub(super) fn new(encoder_table_size: usize) -> Self {
        Outbound {
            output: Vec::new(),
            encoder: Encoder::new(encoder_table_size),
            observer: None,
            begun: None,
        }
    }
}

/// # The bytes
impl Outbound {
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    pub(super) fn lend(&mut self, mut buffer: Vec<u8>) {
        debug_assert!(buffer.is_empty());
        if !self.output.is_empty() {
            buffer.extend_from_slice(&self.output);
        }
        self.output = buffer;
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Gives back the memory that an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        self.encoder.shrink();
        if self.output.is_empty() {
            self.output = Vec::new();
        }
    }

    /// Bytes that are allocated for what waits to be sent.
    pub(super) fn waiting_heap(&self) -> usize {
        self.output.capacity()
    }

    /// Bytes that are allocated for the encoder's table.
    pub(super) fn table_heap(&self) -> usize {
        self.encoder.heap()
    }

    /// A decoder of the blocks that are made from now on, for an observer.
    pub(super) fn blocks(&self) -> Blocks {
        Blocks::resumed(self.encoder.decoder(), &[])
    }

    /// The encoder's table.
    pub(super) fn table(&self) -> TableSnapshot {
        let (size, max_size) = self.encoder.table_size();
        TableSnapshot {
            size,
            max_size,
            entries: self.encoder.table_entries(),
        }
    }

    /// Bytes that wait in the output.
    pub(super) fn queued(&self) -> usize {
        self.output.len()
    }
}

/// # The observer
impl Outbound {
    /// Puts an observer in place of the one before, and shows it the frames that wait in the output.
    pub(super) fn set_observer(&mut self, observer: Option<Observer>) {
        self.observer = observer.map(Box::new);
        self.made(0);
    }

    /// Shows a frame that came.
    #[inline]
    pub(super) fn show_received(&mut self, header: FrameHeader, payload: &[u8]) {
        if let Some(observer) = &mut self.observer {
            observer(Direction::Received, header, payload);
        }
    }

    /// Everything in the output from `start` on is frames that were made just now.
    #[inline]
    fn made(&mut self, start: usize) {
        if self.observer.is_some() {
            self.show_made(start);
        }
    }

    #[cold]
    fn show_made(&mut self, start: usize) {
        let Some(observer) = &mut self.observer else {
            return;
        };
        let made = self.output.get(start..).unwrap_or_default();
        let mut made = made.strip_prefix(PREFACE).unwrap_or(made);
        while let Some((header, behind)) = FrameHeader::split_first(made) {
            let Some((payload, rest)) = behind.split_at_checked(header.len as usize) else {
                break;
            };
            observer(Direction::Sent, header, payload);
            made = rest;
        }
    }
}

/// # Frames of control
impl Outbound {
    /// The client's preface, which is no frame.
    pub(super) fn preface(&mut self) {
        self.output.extend_from_slice(PREFACE);
    }

    pub(super) fn rst_stream(&mut self, id: u32, code: ErrorCode) {
        let start = self.output.len();
        encode::rst_stream(&mut self.output, id, code);
        self.made(start);
    }

    pub(super) fn settings(&mut self, entries: impl Iterator<Item = (u16, u32)>) {
        let start = self.output.len();
        encode::settings(&mut self.output, entries);
        self.made(start);
    }

    pub(super) fn settings_ack(&mut self) {
        let start = self.output.len();
        encode::settings_ack(&mut self.output);
        self.made(start);
    }

    pub(super) fn ping(&mut self, flags: u8, payload: [u8; 8]) {
        let start = self.output.len();
        encode::ping(&mut self.output, flags, payload);
        self.made(start);
    }

    pub(super) fn goaway(&mut self, last: u32, code: ErrorCode, debug: &[u8]) {
        let start = self.output.len();
        encode::goaway(&mut self.output, last, code, debug);
        self.made(start);
    }

    pub(super) fn window_update(&mut self, id: u32, increment: u32) {
        let start = self.output.len();
        encode::window_update(&mut self.output, id, increment);
        self.made(start);
    }

    /// A frame of an extension, which is put there by a function of `h2::frame::extension`.
    pub(super) fn extension(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.output.len();
        put(&mut self.output);
        self.made(start);
    }

    /// A frame whose payload is at hand.
    pub(super) fn frame(&mut self, kind: FrameType, flags: u8, id: u32, payload: &[u8]) {
        let start = self.output.len();
        encode::frame(&mut self.output, kind, flags, id, payload);
        self.made(start);
    }
}

/// # Field blocks
impl Outbound {
    pub(super) fn set_peer_max_table_size(&mut self, size: u32) {
        self.encoder.set_peer_max_table_size(size);
    }

    /// HEADERS, and CONTINUATION where the block is longer than the peer's largest frame.
    pub(super) fn headers<'f>(
        &mut self,
        id: u32,
        end_stream: bool,
        fields: impl Iterator<Item = Field<'f>>,
        max_frame_size: u32,
    ) {
        let start = encode::begin(&mut self.output);
        self.encoder.encode(fields, &mut self.output);
        let flags = end_stream_flag(end_stream);
        self.finish_block(start, FrameType::HEADERS, flags, id, max_frame_size);
    }

    /// HEADERS with a priority of RFC 7540 §5.3 in front of the block.
    pub(super) fn headers_with_priority<'f>(
        &mut self,
        id: u32,
        end_stream: bool,
        priority: [u8; Rfc7540Priority::LEN],
        fields: impl Iterator<Item = Field<'f>>,
        max_frame_size: u32,
    ) {
        let start = encode::begin(&mut self.output);
        self.output.extend_from_slice(&priority);
        self.encoder.encode(fields, &mut self.output);
        self.encoder.forget_block();
        let flags = flag::PRIORITY | end_stream_flag(end_stream);
        self.finish_block(start, FrameType::HEADERS, flags, id, max_frame_size);
    }

    /// PUSH_PROMISE, and CONTINUATION where the block is longer than the peer's largest frame.
    pub(super) fn push_promise<'f>(
        &mut self,
        parent: u32,
        promised: u32,
        fields: impl Iterator<Item = Field<'f>>,
        max_frame_size: u32,
    ) {
        let start = encode::begin(&mut self.output);
        self.output.extend_from_slice(&promised.to_be_bytes());
        self.encoder.encode(fields, &mut self.output);
        self.encoder.forget_block();
        self.finish_block(start, FrameType::PUSH_PROMISE, 0, parent, max_frame_size);
    }

    fn finish_block(&mut self, start: usize, kind: FrameType, flags: u8, id: u32, max: u32) {
        debug_assert!(self.output.len() >= start + HEADER_LEN);
        encode::finish_block(&mut self.output, start, kind, flags, id, max as usize);
        self.made(start);
    }

    /// Has the last block not repeated: it was no head of a final response.
    pub(super) fn forget_block(&mut self) {
        self.encoder.forget_block();
    }

    /// HEADERS with the block of the response head that was sent last; false, and nothing is sent,
    /// where the encoder cannot repeat that block.
    pub(super) fn repeat_headers(&mut self, id: u32, end_stream: bool) -> bool {
        let start = self.output.len();
        let Some(block) = self.encoder.repeatable() else {
            return false;
        };
        let flags = flag::END_HEADERS | end_stream_flag(end_stream);
        encode::frame(&mut self.output, FrameType::HEADERS, flags, id, block);
        self.made(start);
        true
    }
}

/// # Answers of repeated requests
impl Outbound {
    /// True if the response head that was sent last can be sent once more.
    pub(super) fn can_repeat(&self) -> bool {
        self.encoder.repeatable().is_some()
    }

    /// That head, and all of the response's content behind it.
    pub(super) fn repeat_answer(&mut self, id: u32, content: &[u8]) {
        if self.repeat_headers(id, content.is_empty()) && !content.is_empty() {
            self.data(id, content, true);
        }
    }
}

/// # DATA
impl Outbound {
    /// Reserves the header of a DATA frame, and room for `max_len` bytes behind it.
    pub(super) fn begin_data(&mut self, max_len: u32) -> &mut Vec<u8> {
        self.output.reserve(HEADER_LEN + max_len as usize);
        let start = encode::begin(&mut self.output);
        self.begun = NonZeroUsize::MIN.checked_add(start);
        &mut self.output
    }

    /// Bytes that were appended since `begin_data`; `None` without one.
    pub(super) fn begun_len(&self) -> Option<usize> {
        let behind = self.begun?.get() - 1 + HEADER_LEN;
        Some(self.output.len().saturating_sub(behind))
    }

    /// Makes a frame of what was appended since `begin_data`.
    pub(super) fn finish_data(&mut self, id: u32, end_stream: bool) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        let (start, flags) = (begun.get() - 1, end_stream_flag(end_stream));
        encode::finish(&mut self.output, start, FrameType::DATA, flags, id);
        self.made(start);
    }

    /// Takes back what was appended since `begin_data`, if it was called, and the reserved header.
    pub(super) fn abort_data(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.output.truncate(begun.get() - 1);
        }
    }

    /// The header of a DATA frame whose payload never comes into the output; the caller puts it where
    /// the payload is.
    pub(super) fn data_apart(&mut self, id: u32, len: u32, end_stream: bool) -> [u8; HEADER_LEN] {
        let header = FrameHeader {
            len,
            kind: FrameType::DATA,
            flags: end_stream_flag(end_stream),
            stream_id: id,
        };
        if let Some(observer) = &mut self.observer {
            observer(Direction::Sent, header, &[]);
        }
        header.encode()
    }

    /// DATA whose payload is at hand.
    pub(super) fn data(&mut self, id: u32, data: &[u8], end_stream: bool) {
        self.frame(FrameType::DATA, end_stream_flag(end_stream), id, data);
    }

    /// DATA with `padding` zero bytes behind it.
    pub(super) fn padded_data(&mut self, id: u32, data: &[u8], padding: u8, end_stream: bool) {
        let start = encode::begin(&mut self.output);
        self.output.push(padding);
        self.output.extend_from_slice(data);
        let end = self.output.len() + usize::from(padding);
        self.output.resize(end, 0);
        let flags = flag::PADDED | end_stream_flag(end_stream);
        encode::finish(&mut self.output, start, FrameType::DATA, flags, id);
        self.made(start);
    }
}

fn end_stream_flag(end_stream: bool) -> u8 {
    if end_stream { flag::END_STREAM } else { 0 }
}
