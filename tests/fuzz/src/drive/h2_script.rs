//! The bytes that a peer sends by a script: well-formed frames, nearly well-formed ones, and arbitrary
//! bytes.

use super::super::h2::Role;
use super::super::h2::frame::{FrameType, encode, extension, flag};
use super::super::hpack::Encoder;
use super::super::http::field::Fields;
use super::script::Script;

type Section = &'static [(&'static str, &'static str)];

const REQUESTS: [Section; 12] = [
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", "a"),
    ],
    &[
        (":method", "HEAD"),
        (":scheme", "https"),
        (":path", "/a?b"),
        ("host", "a"),
    ],
    &[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
        ("content-length", "5"),
    ],
    &[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
        ("te", "trailers"),
    ],
    &[(":method", "CONNECT"), (":authority", "a:443")],
    &[
        (":method", "CONNECT"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", "a"),
        (":protocol", "websocket"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", "a"),
        ("cookie", "a=b"),
        ("x", "y"),
        ("cookie", "c=d"),
        ("priority", "u=0, i"),
    ],
    &[
        (":method", "OPTIONS"),
        (":scheme", "https"),
        (":path", "*"),
        (":authority", "a"),
        ("priority", "u=7"),
    ],
    &[(":method", "GET"), (":path", "/")],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", "a"),
        ("connection", "close"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", "a"),
        ("Upper", "case"),
    ],
    &[
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", "a"),
        ("content-length", "0"),
        ("content-length", "0"),
    ],
];

const RESPONSES: [Section; 10] = [
    &[(":status", "200")],
    &[(":status", "200"), ("content-length", "5")],
    &[(":status", "100")],
    &[(":status", "103"), ("link", "</x>")],
    &[(":status", "204"), ("content-length", "5")],
    &[(":status", "304")],
    &[(":status", "101")],
    &[(":status", "99")],
    &[(":status", "200"), (":status", "200")],
    &[("x", "y")],
];

const TRAILERS: [Section; 3] = [&[("x", "checksum")], &[(":status", "200")], &[]];

/// Number of choices that [`Wire::frame`] understands. The reader of the script uses the other numbers.
pub const FRAMES: u8 = 16;

/// Makes the bytes that the peer sends.
pub struct Wire {
    pub pending: Vec<u8>,
    role: Role,
    encoder: Encoder,
}

impl Wire {
    /// The peer of a connection in the role `role`.
    pub fn new(role: Role) -> Self {
        Wire {
            pending: Vec::new(),
            role,
            encoder: Encoder::new(4_096),
        }
    }

    /// A stream identifier: mostly low, so that scripts meet their own streams again.
    pub fn stream(script: &mut Script<'_>) -> u32 {
        match script.byte() {
            choice @ 0..=239 => u32::from(choice % 16),
            240..=249 => script.byte().into(),
            _ => script.number() & 0x7fff_ffff,
        }
    }

    /// Appends one frame, or bytes that are no frame.
    pub fn frame(&mut self, choice: u8, script: &mut Script<'_>) {
        let out = &mut self.pending;
        match choice {
            0 => out.extend_from_slice(script.bytes()),
            1 | 2 => self.headers(script),
            3 => {
                let (id, flags) = (Wire::stream(script), script.one_of(&FLAGS));
                let block = script.bytes();
                encode::frame(out, FrameType::HEADERS, flags, id, block);
            }
            4 => {
                let (id, flags) = (Wire::stream(script), script.one_of(&FLAGS));
                let mut payload = vec![0; script.number() as usize % 16_400];
                if let Some(padding) = payload.first_mut() {
                    *padding = script.byte();
                }
                encode::frame(out, FrameType::DATA, flags, id, &payload);
            }
            5 => {
                let entries: Vec<_> = (0..script.below(4))
                    .map(|_| (script.byte() as u16 % 12, script.number()))
                    .collect();
                encode::settings(out, entries.into_iter());
            }
            6 => encode::settings_ack(out),
            7 => {
                let (id, increment) = (Wire::stream(script), script.number());
                encode::frame(
                    out,
                    FrameType::WINDOW_UPDATE,
                    0,
                    id,
                    &increment.to_be_bytes(),
                );
            }
            8 => {
                let (id, code) = (Wire::stream(script), script.byte());
                encode::frame(out, FrameType::RST_STREAM, 0, id, &[0, 0, 0, code]);
            }
            9 => {
                let payload = script.one_of(&[*b"leaving?", *b"measured", [0; 8]]);
                encode::ping(out, script.byte() & flag::ACK, payload);
            }
            10 => {
                let last = Wire::stream(script);
                let payload = [&last.to_be_bytes()[..], &[0, 0, 0, script.byte()]].concat();
                encode::frame(out, FrameType::GOAWAY, 0, 0, &payload);
            }
            11 => {
                let (id, dependency) = (Wire::stream(script), Wire::stream(script));
                let payload = [&dependency.to_be_bytes()[..], &[script.byte()]].concat();
                encode::frame(out, FrameType::PRIORITY, 0, id, &payload);
            }
            12 => extension::put_priority_update(out, Wire::stream(script), script.bytes()),
            13 => {
                let (id, flags) = (Wire::stream(script), script.one_of(&FLAGS));
                encode::frame(out, FrameType::CONTINUATION, flags, id, script.bytes());
            }
            14 => self.push_promise(script),
            _ => {
                let kind = FrameType(script.byte() % 24);
                let (flags, id) = (script.byte(), Wire::stream(script));
                encode::frame(out, kind, flags, id, script.bytes());
            }
        }
    }

    fn section(&self, script: &mut Script<'_>) -> Fields {
        let requests = self.role == Role::Server;
        let section = match script.byte() {
            choice @ 0..=199 if requests => REQUESTS[usize::from(choice) % REQUESTS.len()],
            choice @ 0..=199 => RESPONSES[usize::from(choice) % RESPONSES.len()],
            choice => TRAILERS[usize::from(choice) % TRAILERS.len()],
        };
        let mut fields: Fields = section.iter().copied().collect();
        if script.byte() > 200 {
            let long = vec![b'v'; script.number() as usize % 20_000];
            fields.push(b"long", &long);
        }
        fields
    }

    /// Appends HEADERS of a meaningful section, in one piece or in two.
    fn headers(&mut self, script: &mut Script<'_>) {
        let id = Wire::stream(script);
        let flags = script.byte() & flag::END_STREAM;
        let fields = self.section(script);
        let mut block = Vec::new();
        self.encoder.encode(fields.iter(), &mut block);
        self.block(FrameType::HEADERS, flags, id, &block, script);
    }

    fn push_promise(&mut self, script: &mut Script<'_>) {
        let (id, promised) = (Wire::stream(script), Wire::stream(script));
        let fields: Fields = script.one_of(&REQUESTS).iter().copied().collect();
        let mut block = promised.to_be_bytes().to_vec();
        self.encoder.encode(fields.iter(), &mut block);
        self.block(FrameType::PUSH_PROMISE, 0, id, &block, script);
    }

    fn block(
        &mut self,
        kind: FrameType,
        flags: u8,
        id: u32,
        block: &[u8],
        script: &mut Script<'_>,
    ) {
        let split = match script.byte() {
            0..=199 => block.len(),
            choice => usize::from(choice - 200) % (block.len() + 1),
        };
        // A script may send frames larger than the connection allows too.
        let (first, rest) = block.split_at(split.min(16_400));
        let rest = &rest[..rest.len().min(16_400)];
        let out = &mut self.pending;
        if rest.is_empty() {
            return encode::frame(out, kind, flags | flag::END_HEADERS, id, first);
        }
        encode::frame(out, kind, flags, id, first);
        encode::frame(out, FrameType::CONTINUATION, flag::END_HEADERS, id, rest);
    }
}

/// Combinations of the flags of DATA, HEADERS and CONTINUATION.
const FLAGS: [u8; 8] = [
    0,
    flag::END_STREAM,
    flag::END_HEADERS,
    flag::END_HEADERS | flag::END_STREAM,
    flag::PADDED,
    flag::PADDED | flag::END_STREAM | flag::END_HEADERS,
    flag::PRIORITY | flag::END_HEADERS,
    0xff,
];

/// A response that the connection under test sends.
pub fn response(script: &mut Script<'_>) -> Fields {
    let status = script.one_of(&["200", "204", "404", "103", "100"]);
    [(":status", status), ("server", "calmd"), ("x", "y")]
        .into_iter()
        .collect()
}

/// A request that the connection under test sends or promises.
pub fn request(script: &mut Script<'_>) -> Fields {
    script.one_of(&REQUESTS[..9]).iter().copied().collect()
}
