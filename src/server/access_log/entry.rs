//! One line of the access log: what is known when a request arrives, and how it ended.

use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use crate::config::LogFormat;
use crate::http::{Fields, date, is_deceptive};

/// The most bytes of one value (target, referrer, user agent, host) that are kept. An entry lives
/// as long as its response, so what a client can make it hold is bounded.
const VALUE_BYTES: usize = 1024;

/// An entry of this size is worth keeping for another request.
const SMALL: usize = 1024;

/// The most bytes that [`Entry::finish`] adds to the text; a reason is a short sentence.
const ENDING_BYTES: usize = 256;

/// What is known of a request when it arrives.
pub struct Arrival<'a> {
    /// None on a Unix socket.
    pub peer: Option<IpAddr>,
    /// What the connection is, whatever the request says: `http` or `https`.
    pub scheme: &'static str,
    /// As it is logged, such as `HTTP/2.0`.
    pub version: &'static str,
    /// May lack anything if the request could not be read.
    pub fields: &'a Fields,
    /// When it came.
    pub at: Instant,
    /// The time of day then.
    pub wall: SystemTime,
}

/// How a request ended.
#[derive(Clone, Copy, Default)]
pub struct Ending {
    /// The status of the response, or 0 where there was none.
    pub status: u16,
    /// Bytes of its content.
    pub body_bytes: u64,
    /// From the request's arrival to the response's last byte.
    pub elapsed: Duration,
    /// Why it was refused or cut short, if it was.
    pub reason: Option<&'static str>,
}

/// A request that is being answered.
#[derive(Debug, Default)]
pub struct Entry {
    /// The line as far as it is known, in two parts: status and size go in between.
    text: Vec<u8>,
    split: usize,
    /// When the request came.
    at: Option<Instant>,
}

impl Entry {
    pub(super) fn fill(&mut self, format: LogFormat, time: &Timestamp, arrival: &Arrival<'_>) {
        self.text.clear();
        self.at = Some(arrival.at);
        match format {
            LogFormat::Combined => self.fill_combined(time, arrival),
            LogFormat::Json => self.fill_json(time, arrival),
        }
    }

    /// `peer - - [time] "request" status bytes "referrer" "user agent"`
    fn fill_combined(&mut self, time: &Timestamp, arrival: &Arrival<'_>) {
        let Arrival {
            version, fields, ..
        } = arrival;
        let peer = Peer::of(arrival);
        let text = &mut self.text;
        // Writing to memory cannot fail.
        let _ = write!(text, "{peer} - - [{time}] \"", time = time.combined);
        escape(fields.method(), text);
        text.push(b' ');
        escape(fields.path(), text);
        let _ = write!(text, " {version}\" ");
        self.split = text.len();
        text.extend_from_slice(b" \"");
        escape(fields.value("referer"), text);
        text.extend_from_slice(b"\" \"");
        escape(fields.value("user-agent"), text);
        text.push(b'"');
    }

    fn fill_json(&mut self, time: &Timestamp, arrival: &Arrival<'_>) {
        let fields = arrival.fields;
        let request = Request {
            time: Moment {
                second: &time.rfc3339,
                microsecond: micros_of(arrival.wall),
            },
            remote: Peer::of(arrival),
            scheme: arrival.scheme,
            host: fields.authority().map(Text),
            method: fields.method().map(Text),
            path: fields.path().map(Text),
            version: arrival.version,
            referer: fields.value("referer").map(Text),
            user_agent: fields.value("user-agent").map(Text),
        };
        // Serializing text into memory cannot fail. The brace that closes the object is taken off
        // again, for the members that are not known yet.
        let _ = request.serialize(&mut serde_json::Serializer::with_formatter(
            &mut self.text,
            Harmless,
        ));
        self.text.pop();
        self.split = self.text.len();
    }

    /// Appends the whole line. In the combined format a reason stands behind it, in one more pair of
    /// quotes, where readers of the format take no notice of it.
    pub(super) fn finish(&self, format: LogFormat, ending: &Ending, out: &mut Vec<u8>) {
        let Ending {
            status,
            body_bytes,
            elapsed,
            reason,
        } = *ending;
        let (known, rest) = self.text.split_at(self.split);
        out.extend_from_slice(known);
        // Writing to memory cannot fail. Reasons are ours and need no escaping.
        let _ = match format {
            LogFormat::Combined => write!(out, "{status} {body_bytes}"),
            LogFormat::Json => {
                let micros = elapsed.as_micros();
                write!(
                    out,
                    ",\"status\":{status},\"bytes\":{body_bytes},\"duration_ms\":{}.{:03}",
                    micros / 1000,
                    micros % 1000
                )
            }
        };
        out.extend_from_slice(rest);
        let _ = match (format, reason) {
            (LogFormat::Combined, Some(reason)) => writeln!(out, " \"{reason}\""),
            (LogFormat::Combined, None) => writeln!(out),
            (LogFormat::Json, Some(reason)) => writeln!(out, ",\"error\":\"{reason}\"}}"),
            (LogFormat::Json, None) => writeln!(out, "}}"),
        };
    }

    /// How long ago the request came.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        self.at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }

    /// A bound of the length of the line.
    pub(super) fn len_at_most(&self) -> usize {
        self.text.len() + ENDING_BYTES
    }

    /// The memory that it takes.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.text.capacity()
    }

    /// Whether it holds little enough memory to be kept for another request.
    pub(super) fn is_small(&self) -> bool {
        self.text.capacity() <= SMALL
    }
}

/// The members of a JSON line that are known when the request arrives.
#[derive(Serialize)]
struct Request<'a> {
    time: Moment<'a>,
    remote: Peer,
    scheme: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Text<'a>>,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Text<'a>>,
}

/// A time of RFC 3339, whose second is formatted already.
struct Moment<'a> {
    second: &'a str,
    microsecond: u32,
}

impl fmt::Display for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}Z", self.second, self.microsecond)
    }
}

impl Serialize for Moment<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The part of a time that is less than a second.
fn micros_of(wall: SystemTime) -> u32 {
    let since = wall.duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.subsec_micros())
}

/// JSON that may be shown on a terminal: besides what JSON wants escaped, whatever could deceive its
/// reader.
struct Harmless;

impl serde_json::ser::Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
        if fragment.bytes().all(is_plain) {
            return writer.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            let mut room = [0; 4];
            if is_deceptive(c) {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                writer.write_all(c.encode_utf8(&mut room).as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Bytes of a client, as a JSON string; what is not UTF-8 becomes U+FFFD.
struct Text<'a>(&'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bounded(self.0)))
    }
}

/// Who asks: an address, or nobody in particular behind a Unix socket.
#[derive(Clone, Copy)]
struct Peer(Option<IpAddr>);

impl Peer {
    fn of(arrival: &Arrival<'_>) -> Self {
        Peer(arrival.peer.map(|ip| ip.to_canonical()))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unix:"),
        }
    }
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn bounded(value: &[u8]) -> &[u8] {
    value.get(..VALUE_BYTES).unwrap_or(value)
}

/// Appends a value of a client so that it can neither end its quotes nor its line, nor speak to a
/// terminal; an absent one is `-`.
#[expect(
    clippy::indexing_slicing,
    reason = "four bits name one of sixteen digits"
)]
fn escape(value: Option<&[u8]>, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in bounded(value.unwrap_or(b"-")) {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'\\', b'x', HEX[high], HEX[low]]);
            }
        }
    }
}

/// The time in both forms, in UTC, formatted once a second.
#[derive(Default)]
pub(super) struct Timestamp {
    /// Seconds since 1970, plus one; zero before the first use.
    second: u64,
    combined: String,
    /// Without the fraction of the second and the zone.
    rfc3339: String,
}

impl Timestamp {
    /// The forms of this time.
    pub fn at(&mut self, wall: SystemTime) -> &Timestamp {
        let second = date::seconds(wall).saturating_add(1);
        if self.second != second {
            self.second = second;
            let text = date::format(wall);
            // `Sun, 06 Nov 1994 08:49:37 GMT` has its parts at fixed places (RFC 9110 §5.6.7).
            let (day, month, year, time) =
                (&text[5..7], &text[8..11], &text[12..16], &text[17..25]);
            let number = "JanFebMarAprMayJunJulAugSepOctNovDec"
                .find(month)
                .map_or(0, |at| at / 3 + 1);
            self.combined = format!("{day}/{month}/{year}:{time} +0000");
            self.rfc3339 = format!("{year}-{number:02}-{day}T{time}");
        }
        self
    }
}
