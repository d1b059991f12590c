//! `-v`: every frame in and out, with the time since the start, on standard error.
//!
//! ```text
//!    2.120 ms  → HEADERS        1  END_STREAM END_HEADERS, 35 bytes
//!                :method: GET
//! ```
//!
//! The core shows frames as bytes, so field blocks are put together and decoded here once more, by
//! decoders of our own. It tells them without a time, so each turn of a connection tells its time before.

use super::style::{Paint, Style, printable};
use crate::h2::frame::text::{Blocks, details, is_harmless, kind, setting};
use crate::h2::frame::{FrameHeader, FrameType, decode};
use crate::h2::{Direction, Observer};
use crate::hpack::INITIAL_TABLE_SIZE;
use rustls::CommonState;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// White space in front of the lines below a frame.
const INDENT: &str = "                  ";

/// Prints lines with times.
#[derive(Clone)]
pub struct Tracer {
    start: Instant,
    /// Microseconds from the start to the frames that come next, shared with the observer of the core. It
    /// is atomic because a core may be used on any thread, and its observer goes with it.
    elapsed_us: Arc<AtomicU64>,
    style: Style,
}

impl Tracer {
    /// Times are counted from `start`.
    pub fn new(start: Instant) -> Self {
        Tracer {
            start,
            elapsed_us: Arc::default(),
            style: Style::of(&io::stderr()),
        }
    }

    /// Tells the time of the frames that come next.
    pub fn tell_time(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.start).as_micros();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.elapsed_us.store(elapsed, Ordering::Relaxed);
    }

    /// Shows a line that is no frame.
    pub fn note(&self, now: Instant, text: &str) {
        self.tell_time(now);
        let mut line = self.time();
        let text = format!("  * {}", printable(text.as_bytes()));
        self.style.paint(&mut line, Paint::Dim, &text);
        line.push('\n');
        print(&line);
    }

    /// Shows the version, suite and protocol that the TLS handshake agreed on.
    pub fn handshake(&self, now: Instant, session: &CommonState) {
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
        self.note(
            now,
            &format!("{version}, {suite}, {alpn}, {certificates} certificate(s)"),
        );
    }

    /// Shows a connection's frames.
    pub fn observer(&self) -> Observer {
        let tracer = self.clone();
        // Neither side's table is ever larger: we announce no other size, and our encoder uses no more.
        let mut received = Blocks::new(INITIAL_TABLE_SIZE);
        let mut sent = Blocks::new(INITIAL_TABLE_SIZE);
        Box::new(move |direction, header, payload| {
            let blocks = match direction {
                Direction::Received => &mut received,
                Direction::Sent => &mut sent,
            };
            print(&tracer.frame(direction, header, payload, blocks));
        })
    }

    fn time(&self) -> String {
        let mut line = String::new();
        let elapsed = self.elapsed_us.load(Ordering::Relaxed) as f64 / 1000.0;
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
    use std::time::Duration;

    fn line(direction: Direction, kind: FrameType, flags: u8, payload: &[u8]) -> String {
        let start = Instant::now();
        let tracer = Tracer {
            start,
            elapsed_us: Arc::default(),
            style: Style::PLAIN,
        };
        tracer.tell_time(start + Duration::from_micros(2_120));
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
        let text = text.strip_prefix("    2.120 ms  ");
        text.expect("the time that was told").to_owned()
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
