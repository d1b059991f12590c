//! A model of a connection that only hears its events and reads its output, and so knows the actions
//! that the connection may take.
//!
//! The model knows windows, the life of every stream and the peer's HPACK table, computed apart from
//! the core's own arithmetic, and panics where the two differ.

use std::collections::{BTreeMap, BTreeSet};

use super::super::h2::frame::{FrameHeader, FrameType, HEADER_LEN, PREFACE, flag};
use super::super::h2::settings::id as setting;
use super::super::h2::{Connection, Event, Role, StreamKey};
use super::super::hpack::{DecodeLimits, Decoded, Decoder};
use super::super::http::field::Fields;

const LARGEST_WINDOW: i64 = (1 << 31) - 1;

/// State of a stream, by its events and frames.
struct Stream {
    key: StreamKey,
    /// The send window. It is negative after a smaller SETTINGS_INITIAL_WINDOW_SIZE.
    window: i64,
    /// True after an event with the end of the peer's message.
    heard_end: bool,
    /// True after END_STREAM was sent.
    sent_end: bool,
    /// True if the user no longer reads the stream, so that no event tells its end.
    discarded: bool,
}

pub struct Model {
    role: Role,
    streams: BTreeMap<u32, Stream>,
    window: i64,
    initial_window: i64,
    /// Streams that we opened or promised, and reset or ended. No more frames may be sent on them.
    silenced: BTreeMap<u32, &'static str>,
    decoder: Decoder,
    /// A field block that is not complete yet, and its stream.
    block: Vec<u8>,
    continued: Option<u32>,
    /// Active streams of ours at the last look: the peer's limit may have shrunk below them.
    own: u64,
    /// Number of bytes of the output that were read.
    read: usize,
    pub closed: bool,
    /// Streams that were discarded, and whose reset was not told.
    discarded: BTreeSet<u32>,
}

impl Model {
    pub fn new(role: Role) -> Self {
        Model {
            role,
            streams: BTreeMap::new(),
            window: 65_535,
            initial_window: 65_535,
            silenced: BTreeMap::new(),
            decoder: Decoder::new(4_096),
            block: Vec::new(),
            continued: None,
            own: 0,
            read: 0,
            closed: false,
            discarded: BTreeSet::new(),
        }
    }

    /// Notes the beginning of a stream, after an event or a command that succeeded.
    pub fn begin(&mut self, key: StreamKey, heard_end: bool, sent_end: bool) {
        let stream = Stream {
            key,
            window: self.initial_window,
            heard_end,
            sent_end,
            discarded: false,
        };
        let before = self.streams.insert(key.id(), stream);
        assert!(before.is_none(), "stream {} begins twice", key.id());
    }

    fn living(&mut self, key: StreamKey) -> &mut Stream {
        let stream = self.streams.get_mut(&key.id());
        let stream = stream.expect("an event of a stream that began and has not ended");
        assert_eq!(stream.key, key);
        stream
    }

    /// Notes a part of the peer's message, and perhaps its end.
    fn hear(&mut self, key: StreamKey, end: bool) {
        let stream = self.living(key);
        assert!(
            !stream.heard_end,
            "stream {} went on after its end",
            key.id()
        );
        stream.heard_end = end;
    }

    /// Notes an event. Events come in their order.
    pub fn event(&mut self, event: &Event<'_>) {
        assert!(!self.closed, "{event:?} of a closed connection");
        match *event {
            Event::Request {
                stream, end_stream, ..
            }
            | Event::HeadersTooLarge {
                stream, end_stream, ..
            } => {
                assert_eq!((self.role, stream.id() % 2), (Role::Server, 1));
                self.begin(stream, end_stream, false);
            }
            Event::PushPromise {
                stream, promised, ..
            } => {
                assert_eq!(self.role, Role::Client);
                self.hear(stream, false);
                self.begin(promised, false, true);
            }
            Event::Response {
                stream, end_stream, ..
            } => {
                assert_eq!(self.role, Role::Client);
                self.hear(stream, end_stream);
            }
            Event::Informational { stream, .. } => self.hear(stream, false),
            Event::Trailers { stream, .. } => self.hear(stream, true),
            Event::Data {
                stream,
                data,
                flow_controlled_len,
                end_stream,
            } => {
                assert!(data.len() as u64 <= u64::from(flow_controlled_len));
                self.hear(stream, end_stream);
            }
            Event::StreamReset { stream, .. } => {
                let known = self.streams.remove(&stream.id());
                assert!(known.is_some() || self.discarded.remove(&stream.id()));
            }
            Event::WindowUpdated { stream, increment } => {
                let window = match stream {
                    Some(key) => &mut self.living(key).window,
                    None => &mut self.window,
                };
                *window += i64::from(increment);
                assert!(increment > 0 && *window <= LARGEST_WINDOW);
            }
            Event::SettingsChanged { entries } => {
                for (id, value) in entries.iter() {
                    self.setting(id, value);
                }
            }
            _ => {}
        }
        self.forget_ended();
    }

    /// Notes a new value of a setting of the peer.
    pub fn setting(&mut self, id: u16, value: u32) {
        match id {
            setting::INITIAL_WINDOW_SIZE => {
                let difference = i64::from(value) - self.initial_window;
                self.initial_window = value.into();
                for stream in self.streams.values_mut() {
                    stream.window += difference;
                }
            }
            setting::HEADER_TABLE_SIZE => self.decoder.set_max_table_size(value as usize),
            _ => {}
        }
    }

    /// Forgets streams whose two halves have ended. No event may follow on them.
    fn forget_ended(&mut self) {
        self.streams
            .retain(|_, stream| !(stream.heard_end && stream.sent_end));
    }

    /// Notes a reset by the user, which no event tells.
    pub fn reset(&mut self, key: StreamKey) {
        self.streams.remove(&key.id());
    }

    /// Notes that a stream was discarded. Of its events only a reset may still be told.
    pub fn discard(&mut self, key: StreamKey) {
        self.living(key).discarded = true;
        self.discarded.insert(key.id());
    }

    /// Checks the bytes that were appended to the output, and the connection's own description.
    pub fn check(&mut self, connection: &mut Connection) {
        let output = std::mem::take(connection.output());
        let mut new = &output[self.read..];
        if self.read == 0 {
            new = new.strip_prefix(PREFACE).unwrap_or(new);
        }
        assert!(!self.closed || new.is_empty(), "output after the end");
        while let Some(header) = FrameHeader::decode(new) {
            let (frame, rest) = new.split_at(HEADER_LEN + header.len as usize);
            let max_frame_size = connection.remote_settings().max_frame_size;
            assert!(header.len <= max_frame_size, "{header:?} is too large");
            self.sent(header, &frame[HEADER_LEN..]);
            new = rest;
        }
        assert!(new.is_empty(), "whole frames only");
        self.read = output.len();
        *connection.output() = output;
        self.closed = connection.is_closed();
        if self.closed {
            assert_eq!(
                (connection.streams(), connection.next_deadline()),
                (0, None)
            );
            assert!(connection.is_drained());
            return;
        }
        assert_eq!(
            i64::from(connection.connection_send_window()),
            self.window.max(0)
        );
        assert!(i64::from(connection.connection_receive_window()) <= LARGEST_WINDOW);
        self.forget_ended();
        self.streams
            .retain(|_, stream| !stream.discarded || connection.contains(stream.key));
        for stream in self.streams.values() {
            let sendable = stream.window.min(self.window).max(0);
            let claimed = connection.send_window(stream.key).map(i64::from);
            // The next event tells of a stream that the core gave up.
            assert!(
                claimed.is_none() || claimed == Some(sendable),
                "{claimed:?}, {sendable}"
            );
        }
        let own = connection.active_streams(self.role) as u64;
        let limit = u64::from(connection.remote_settings().max_concurrent_streams);
        assert!(own <= limit.max(self.own), "{own} streams of {limit}");
        self.own = own;
    }

    /// Notes that the output was taken.
    pub fn taken(&mut self) {
        self.read = 0;
    }

    /// The live streams, as far as events have told of them.
    pub fn streams(&self) -> impl Iterator<Item = StreamKey> {
        self.streams.values().map(|stream| stream.key)
    }

    /// Checks a frame of ours.
    fn sent(&mut self, header: FrameHeader, payload: &[u8]) {
        let id = header.stream_id;
        match self.continued {
            Some(continued) => {
                assert_eq!((header.kind, id), (FrameType::CONTINUATION, continued));
            }
            None => assert_ne!(header.kind, FrameType::CONTINUATION),
        }
        match header.kind {
            FrameType::DATA => self.sent_data(header),
            FrameType::HEADERS => self.sent_headers(header),
            FrameType::RST_STREAM => {
                assert_eq!(payload.len(), 4);
                self.silenced.insert(id, "RST_STREAM");
            }
            FrameType::WINDOW_UPDATE => {
                assert_ne!(payload, [0; 4]);
                assert_ne!(self.silenced.get(&id), Some(&"RST_STREAM"), "{header:?}");
            }
            FrameType::SETTINGS | FrameType::PING | FrameType::GOAWAY => assert_eq!(id, 0),
            _ => {}
        }
        self.gather(header, payload);
    }

    fn sent_data(&mut self, header: FrameHeader) {
        let len = i64::from(header.len);
        assert!(!self.silenced.contains_key(&header.stream_id), "{header:?}");
        self.window -= len;
        assert!(
            len == 0 || self.window >= 0,
            "DATA beyond the connection's window"
        );
        let stream = self
            .streams
            .get_mut(&header.stream_id)
            .expect("DATA on a living stream");
        stream.window -= len;
        assert!(
            len == 0 || stream.window >= 0,
            "DATA beyond the stream's window"
        );
        self.end_if(header);
    }

    fn sent_headers(&mut self, header: FrameHeader) {
        let id = header.stream_id;
        assert!(!self.silenced.contains_key(&id), "{header:?}");
        self.end_if(header);
    }

    fn end_if(&mut self, header: FrameHeader) {
        if header.has(flag::END_STREAM) {
            self.silenced.insert(header.stream_id, "END_STREAM");
            if let Some(stream) = self.streams.get_mut(&header.stream_id) {
                stream.sent_end = true;
            }
        }
    }

    /// Gathers a field block of ours and decodes it. A peer that follows the size of the table can
    /// decode each.
    fn gather(&mut self, header: FrameHeader, payload: &[u8]) {
        let fragment = match header.kind {
            FrameType::HEADERS | FrameType::CONTINUATION => payload,
            FrameType::PUSH_PROMISE => &payload[4..],
            _ => return,
        };
        self.block.extend_from_slice(fragment);
        if !header.has(flag::END_HEADERS) {
            self.continued = Some(header.stream_id);
            return;
        }
        self.continued = None;
        let limits = DecodeLimits {
            list_size: 1 << 20,
            fields: 1_000,
            crumbs: 1_000,
            overrun: 1,
        };
        let mut fields = Fields::new();
        let decoded = self.decoder.decode(&self.block, &mut fields, &limits);
        assert_eq!(decoded, Ok(Decoded::Whole));
        self.block.clear();
    }
}
