//! HTTP/2 by hand: frames as bytes, for input that no well-behaved client sends.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The client's preface and an empty SETTINGS frame (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A received frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A GET's header block, in literals that change no table (RFC 7541 §6.2.2).
pub fn get(path: &str) -> Vec<u8> {
    // :method GET, :scheme http, then :path and :authority by their names' static indexes.
    let mut block = vec![0x82, 0x86, 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block.extend([0x01, 9]);
    block.extend(b"localhost");
    block
}

/// One SETTINGS entry.
pub fn setting(identifier: u16, value: u32) -> Vec<u8> {
    [&identifier.to_be_bytes()[..], &value.to_be_bytes()[..]].concat()
}

/// A connection that speaks frames.
pub struct RawH2<S = TcpStream> {
    pub stream: S,
}

impl<S: Read + Write> RawH2<S> {
    /// Sends the preface.
    pub fn open(mut stream: S) -> Self {
        stream.write_all(PREFACE).expect("the server reads");
        RawH2 { stream }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server reads");
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next frame, or `None` when the server has closed.
    pub fn next(&mut self) -> Option<Frame> {
        let mut header = [0; 9];
        self.stream.read_exact(&mut header).ok()?;
        let len = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; len as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind: header[3],
            flags: header[4],
            stream: u32::from_be_bytes([header[5], header[6], header[7], header[8]]),
            payload,
        })
    }

    /// Frames up to and including the first that `found` is true for.
    pub fn until(&mut self, mut found: impl FnMut(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next() {
            let last = found(&frame);
            frames.push(frame);
            if last {
                return frames;
            }
        }
        panic!("the server closed before what was waited for: {frames:?}");
    }

    /// The code of the GOAWAY frame that ends the connection.
    pub fn goaway(&mut self) -> u32 {
        let frames = self.until(|frame| frame.kind == GOAWAY);
        let payload = &frames.last().expect("a frame").payload;
        u32::from_be_bytes(payload[4..8].try_into().expect("four bytes"))
    }

    /// The code of the RST_STREAM frame for a stream.
    pub fn reset(&mut self, stream: u32) -> u32 {
        let frames = self.until(|frame| frame.kind == RST_STREAM && frame.stream == stream);
        let payload = &frames.last().expect("a frame").payload;
        u32::from_be_bytes(payload[..4].try_into().expect("four bytes"))
    }
}
