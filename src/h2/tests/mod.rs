//! The protocol over raw bytes: what a peer sends, what it is told, what its server or client hears.
//!
//! Modules are RFC 9113's sections; each test is a sentence.

mod again;
mod boxes;
mod collected;
mod crossing;
mod cuts;
mod extensions;
mod hyperium;
mod outbound_fields;
mod progress;
mod recut;
mod repeated;
mod rfc9218_priority;
mod s10_5_budgets;
mod s3_starting;
mod s4_frames;
mod s5_streams;
mod s6_9_flow_control;
mod s6_frames;
mod s8_4_push;
mod s8_messages;
mod s8_responses;
mod snapshot;
mod state_table;
mod told;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame::{FrameHeader, FrameType, HEADER_LEN, PREFACE, decode, encode, extension, flag};
use super::{Config, Connection, ConnectionError, ErrorCode, Event, Priority, StreamKey};
use crate::hpack::{DecodeLimits, Decoder, Encoder};
use crate::http::{Expected, Fields};

/// A connection under test, and a peer that can do anything.
pub(super) struct ScriptedPeer {
    pub connection: Connection,
    pub now: Instant,
    encoder: Encoder,
    decoder: Decoder,
    /// Sent by the peer and not taken yet.
    pending: Vec<u8>,
}

/// A frame that the connection sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SentFrame {
    pub kind: FrameType,
    pub flags: u8,
    pub id: u32,
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for SentFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SentFrame {
            kind,
            flags,
            id,
            payload,
        } = self;
        write!(f, "{kind:?} {id} {flags:#x} {}", payload.escape_ascii())
    }
}

/// The part of an event that a test cares about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard(pub String);

impl ScriptedPeer {
    /// A server whose client has not sent anything.
    pub fn silent(config: Config) -> ScriptedPeer {
        let now = Instant::now();
        ScriptedPeer::of(Connection::server(Arc::new(config), now), now)
    }

    /// A server whose client has sent preface and SETTINGS and acknowledged the server's.
    pub fn of_server(config: Config) -> ScriptedPeer {
        let mut peer = ScriptedPeer::silent(config);
        peer.send_raw(PREFACE);
        peer.settings(&[]);
        peer.settings_ack();
        peer.hear();
        peer.sent();
        peer
    }

    /// The usual server.
    pub fn server() -> ScriptedPeer {
        ScriptedPeer::of_server(Config::default())
    }

    /// A client whose server has sent SETTINGS and acknowledged the client's.
    pub fn of_client(config: Config) -> ScriptedPeer {
        let now = Instant::now();
        let mut peer = ScriptedPeer::of(Connection::client(Arc::new(config), now), now);
        peer.settings(&[]);
        peer.settings_ack();
        peer.hear();
        peer.sent();
        peer
    }

    fn of(connection: Connection, now: Instant) -> ScriptedPeer {
        ScriptedPeer {
            connection,
            now,
            encoder: Encoder::new(4096),
            decoder: Decoder::new(4096),
            pending: Vec::new(),
        }
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    pub fn send(&mut self, kind: FrameType, flags: u8, id: u32, payload: &[u8]) {
        encode::frame(&mut self.pending, kind, flags, id, payload);
    }

    pub fn settings(&mut self, entries: &[(u16, u32)]) {
        encode::settings(&mut self.pending, entries.iter().copied());
    }

    pub fn settings_ack(&mut self) {
        encode::settings_ack(&mut self.pending);
    }

    pub fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let fields: Fields = fields.iter().copied().collect();
        let mut block = Vec::new();
        self.encoder.encode(fields.iter(), &mut block);
        block
    }

    pub fn headers(&mut self, id: u32, flags: u8, fields: &[(&str, &str)]) {
        let block = self.block(fields);
        self.send(FrameType::HEADERS, flags | flag::END_HEADERS, id, &block);
    }

    /// A GET without content.
    pub fn get(&mut self, id: u32) {
        self.headers(id, flag::END_STREAM, &request("GET", "/"));
    }

    /// A POST whose content follows.
    pub fn post(&mut self, id: u32) {
        self.headers(id, 0, &request("POST", "/"));
    }

    pub fn data(&mut self, id: u32, flags: u8, data: &[u8]) {
        self.send(FrameType::DATA, flags, id, data);
    }

    pub fn window_update(&mut self, id: u32, increment: u32) {
        self.send(FrameType::WINDOW_UPDATE, 0, id, &increment.to_be_bytes());
    }

    pub fn priority_update(&mut self, id: u32, value: &str) {
        extension::put_priority_update(&mut self.pending, id, value.as_bytes());
    }

    pub fn rst_stream(&mut self, id: u32, code: ErrorCode) {
        self.send(FrameType::RST_STREAM, 0, id, &code.0.to_be_bytes());
    }

    /// Lets the connection take all that was sent; returns what it told, and its error.
    pub fn take(&mut self) -> (Vec<Heard>, Option<ConnectionError>) {
        let pending = std::mem::take(&mut self.pending);
        let mut input = &pending[..];
        let (mut heard, mut fields) = (Vec::new(), Fields::new());
        loop {
            match self.connection.receive(&mut input, &mut fields, self.now) {
                Ok(Some(event)) => heard.push(Heard::of(&event)),
                Ok(None) => break,
                Err(error) => return (heard, Some(error)),
            }
        }
        self.pending = input.to_vec();
        (heard, None)
    }

    /// Takes the events, where no error is expected.
    #[track_caller]
    pub fn hear(&mut self) -> Vec<Heard> {
        let (heard, error) = self.take();
        assert_eq!(error, None, "after {heard:?}");
        heard
    }

    /// Takes all and expects the connection's end.
    #[track_caller]
    pub fn expect_connection_error(&mut self, code: ErrorCode) {
        let (heard, error) = self.take();
        let Some(error) = error else {
            panic!("no error, but {heard:?} and {:?}", self.sent());
        };
        assert_eq!(error.code, code, "{error}");
        let goaway = self.sent().pop().expect("GOAWAY");
        assert_eq!(goaway.kind, FrameType::GOAWAY);
        assert_eq!(goaway.payload[4..8], code.0.to_be_bytes());
        assert_eq!(&goaway.payload[8..], error.reason.as_bytes());
        assert!(self.connection.is_closed() && self.connection.is_drained());
        assert_eq!(self.connection.streams(), 0);
    }

    /// Takes all and expects RST_STREAM, and the connection to go on.
    #[track_caller]
    pub fn expect_stream_error(&mut self, id: u32, code: ErrorCode) {
        let heard = self.hear();
        let sent = self.sent();
        let reset = SentFrame {
            kind: FrameType::RST_STREAM,
            flags: 0,
            id,
            payload: code.0.to_be_bytes().to_vec(),
        };
        assert!(sent.contains(&reset), "{sent:?} after {heard:?}");
        assert!(!self.connection.is_closed());
    }

    /// The frames that the connection sent since the last call.
    pub fn sent(&mut self) -> Vec<SentFrame> {
        let output = self.connection.take_output();
        let mut rest = output.strip_prefix(PREFACE).unwrap_or(&output);
        let mut frames = Vec::new();
        while let Some(header) = FrameHeader::decode(rest) {
            let (frame, behind) = rest.split_at(HEADER_LEN + header.len as usize);
            rest = behind;
            frames.push(SentFrame {
                kind: header.kind,
                flags: header.flags,
                id: header.stream_id,
                payload: frame[HEADER_LEN..].to_vec(),
            });
        }
        assert_eq!(rest, b"", "whole frames only");
        frames
    }

    /// The field section of a HEADERS frame that the connection sent.
    pub fn fields(&mut self, frame: &SentFrame) -> Fields {
        let limits = DecodeLimits {
            list_size: 1 << 20,
            fields: 1000,
            crumbs: 1_000,
            overrun: 1,
        };
        let mut fields = Fields::new();
        self.decoder
            .decode(&frame.payload, &mut fields, &limits)
            .unwrap();
        fields
    }

    #[track_caller]
    pub fn key(&self, id: u32) -> StreamKey {
        self.connection.stream(id).expect("a living stream")
    }

    /// Lets the server answer with an empty 200.
    #[track_caller]
    pub fn answer(&mut self, id: u32) {
        let fields: Fields = [(":status", "200")].into_iter().collect();
        let key = self.key(id);
        self.connection
            .send_headers(key, fields.iter(), true)
            .unwrap();
    }

    /// Follows all grants: stream, length and end of each DATA frame.
    pub fn drain(&mut self) -> Vec<(u32, usize, bool)> {
        let mut frames = Vec::new();
        while let Some(grant) = self.connection.poll_grant(1 << 20) {
            let (id, len) = (grant.stream.id(), grant.max_len as usize);
            let remaining = self.connection.remaining(grant.stream);
            let end = remaining == len as u64;
            let out = self.connection.begin_data(&grant);
            out.resize(out.len() + len, b'x');
            self.connection.commit(grant, end);
            frames.push((id, len, end));
        }
        frames
    }

    /// Lets the client send a request without content.
    #[track_caller]
    pub fn ask(&mut self, method: &str) -> StreamKey {
        let fields: Fields = request(method, "/").into_iter().collect();
        self.connection.open(fields.iter(), true, self.now).unwrap()
    }

    pub fn wait(&mut self, duration: Duration) {
        self.now += duration;
    }
}

impl Heard {
    fn of(event: &Event<'_>) -> Heard {
        Heard(match event {
            Event::Request {
                stream,
                fields,
                end_stream,
                expected: Expected::Nothing,
                rfc7540: None,
            } => {
                format!("request {} {fields:?} end={end_stream}", stream.id())
            }
            event => format!("{event:?}"),
        })
    }
}

/// A request's fields.
pub(super) fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [
        (":method", method),
        (":scheme", "https"),
        (":path", path),
        (":authority", "localhost"),
    ]
}
