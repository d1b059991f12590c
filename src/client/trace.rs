//! `-v`: every frame in and out, with the time since the start, on standard error.
//!
//! ```text
//!    2.120 ms  → HEADERS        1  END_STREAM END_HEADERS, 35 bytes
//!                :method: GET
//! ```
//!
//! The core shows frames as bytes, so field blocks are put together and decoded here once more, by
//! decoders of our own.

use super::style::{Paint, Style, printable};
use crate::h2::frame::text::{Blocks, details, is_harmless, kind, setting};
use crate::h2::frame::{FrameHeader, FrameType, decode};
use crate::h2::{Direction, Observer};
use crate::hpack::INITIAL_TABLE_SIZE;
use rustls::CommonState;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Instant;

/// Where the lines below a frame begin.
const INDENT: &str = "                  ";

/// Prints lines with times.
#[derive(Clone, Copy)]
pub struct Tracer {
    start: Instant,
    style: Style,
}

impl Tracer {
    /// Times are counted from `start`.
    pub fn new(start: Instant) -> Self {
        Tracer {
            start,
            style: Style::of(&io::stderr()),
        }
    }

    /// Something that is no frame.
    pub fn note(&self, text: &str) {
        let mut line = self.time();
        let text = format!("  * {}", printable(text.as_bytes()));
        self.style.paint(&mut line, Paint::Dim, &text);
        line.push('\n');
        print(&line);
    }

    /// Shows the version, suite and protocol that the TLS handshake agreed on.
    pub fn handshake(&self, session: &CommonState) {
        let version = session
            .protocol_version()
            .and_then(|version| {
                version
                    .as_str()
                    .map(|name| name.replace("TLSv1_", "TLS 1."))
            })
            .unwrap_or_default();
        let suite = session
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default();
        let alpn = match session.alpn_protocol() {
            Some(name) => printable(name),
            None => "no ALPN".into(),
        };
        let certificates = session.peer_certificates().map_or(0, <[_]>::len);
        self.note(&format!(
            "{version}, {suite}, {alpn}, {certificates} certificate(s)"
        ));
    }

    /// Shows a connection's frames.
    pub fn observer(self) -> Observer {
        // Neither side's table is ever larger: we announce no other size, and our encoder uses no more.
        let mut received = Blocks::new(INITIAL_TABLE_SIZE);
        let mut sent = Blocks::new(INITIAL_TABLE_SIZE);
        Box::new(move |direction, header, payload| {
            let blocks = match direction {
                Direction::Received => &mut received,
                Direction::Sent => &mut sent,
            };
            print(&self.frame(direction, header, payload, blocks));
        })
    }

    fn time(&self) -> String {
        let mut line = String::new();
        let elapsed = self.start.elapsed().as_secs_f64() * 1000.0;
        self.style
            .paint(&mut line, Paint::Dim, &format!("{elapsed:9.3} ms"));
        line
    }

    fn frame(
        &self,
        direction: Direction,
        header: FrameHeader,
        payload: &[u8],
        blocks: &mut Blocks,
    ) -> String {
        let mut text = self.time();
        let (arrow, paint) = match direction {
            Direction::Received => ("←", Paint::Received),
            Direction::Sent => ("→", Paint::Sent),
        };
        let name = kind(header);
        let paint = match header.kind {
            FrameType::RST_STREAM | FrameType::GOAWAY if !is_harmless(header, payload) => {
                Paint::Alarm
            }
            _ => paint,
        };
        text.push_str("  ");
        self.style
            .paint(&mut text, paint, &format!("{arrow} {name:<15}"));
        let stream = header.stream_id;
        let _ = write!(text, "{stream:>3}  ");
        text.push_str(&details(header, payload).join(", "));
        text.truncate(text.trim_end().len());
        text.push('\n');
        self.below(&mut text, header, payload, blocks);
        text
    }

    /// The lines below a frame: settings, or the fields of a block that is complete.
    fn below(&self, text: &mut String, header: FrameHeader, payload: &[u8], blocks: &mut Blocks) {
        if header.kind == FrameType::SETTINGS {
            let entries = decode::settings(payload).unwrap_or_default();
            for (id, value) in entries.iter().copied().map(decode::setting) {
                text.push_str(INDENT);
                self.style.paint(text, Paint::Bold, &setting(id));
                let _ = writeln!(text, " = {value}");
            }
            return;
        }
        match blocks.add(header, payload) {
            Ok(Some(fields)) => {
                for field in fields.iter() {
                    text.push_str(INDENT);
                    self.style.field(text, field.name, field.value);
                }
            }
            Ok(None) => {}
            // The core will say what is wrong.
            Err(_) => text.push_str("                  (malformed)\n"),
        }
    }
}

/// Standard error that is gone is no reason to stop.
fn print(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(direction: Direction, kind: FrameType, flags: u8, payload: &[u8]) -> String {
        let tracer = Tracer {
            start: Instant::now(),
            style: Style::PLAIN,
        };
        let header = FrameHeader {
            len: payload.len() as u32,
            kind,
            flags,
            stream_id: 1,
        };
        let text = tracer.frame(
            direction,
            header,
            payload,
            &mut Blocks::new(INITIAL_TABLE_SIZE),
        );
        text.split_once("ms  ").expect("a time").1.to_owned()
    }

    #[test]
    fn frames_are_shown_by_their_names() {
        use Direction::{Received, Sent};
        let data = line(Received, FrameType::DATA, 0x9, &[2, b'a', b'b', 0, 0]);
        assert_eq!(
            data,
            "← DATA             1  END_STREAM PADDED, 2 bytes, padded to 5\n"
        );
        let reset = line(Sent, FrameType::RST_STREAM, 0, &[0, 0, 0, 8]);
        assert_eq!(reset, "→ RST_STREAM       1  CANCEL\n");
        let goaway = line(
            Received,
            FrameType::GOAWAY,
            0,
            b"\0\0\0\x05\0\0\0\x0bslow\x1b[2J",
        );
        assert_eq!(
            goaway,
            "← GOAWAY           1  ENHANCE_YOUR_CALM, last stream 5, \"slow\\u{1b}[2J\"\n"
        );
        let settings = line(
            Received,
            FrameType::SETTINGS,
            0,
            &[0, 4, 0, 0, 1, 0, 0, 9, 0, 0, 0, 1],
        );
        assert_eq!(
            settings,
            "← SETTINGS         1\n                  INITIAL_WINDOW_SIZE = 256\n                  \
             NO_RFC7540_PRIORITIES = 1\n"
        );
        let unknown = line(Received, FrameType(0xee), 0x80, b"??");
        assert_eq!(unknown, "← type 0xee        1  0x80, 2 bytes\n");
    }

    #[test]
    fn fields_are_shown_below_the_frame_that_completes_them() {
        let status = line(Direction::Received, FrameType::HEADERS, 0x5, &[0x88]);
        assert!(
            status.ends_with("\n                  :status: 200\n"),
            "{status}"
        );
        let fragment = line(Direction::Received, FrameType::HEADERS, 0, &[0x88]);
        assert!(!fragment.contains(":status"), "{fragment}");
    }
}
