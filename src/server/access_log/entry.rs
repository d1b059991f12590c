//! One line of the access log: what is known when a request arrives, and how it ended.

use std::fmt;
use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::config::LogFormat;
use crate::http::{Fields, date};

/// The most bytes of one value (target, referrer, user agent, host) that are kept. An entry lives
/// as long as its response, so what a client can make it hold is bounded.
const VALUE_BYTES: usize = 1024;

/// An entry of this size is worth keeping for another request.
const SMALL: usize = 1024;

/// The most bytes that [`Entry::finish`] adds to the text.
const ENDING_BYTES: usize = 128;

/// A request that is being answered.
#[derive(Debug, Default)]
pub struct Entry {
    /// The line as far as it is known, in two parts: status and size go in between.
    text: Vec<u8>,
    split: usize,
}

impl Entry {
    pub(super) fn fill(
        &mut self,
        format: LogFormat,
        time: &Timestamp,
        peer: Option<IpAddr>,
        version: &str,
        fields: &Fields,
    ) {
        self.text.clear();
        let peer = Peer(peer.map(|ip| ip.to_canonical()));
        match format {
            LogFormat::Combined => self.fill_combined(time, peer, version, fields),
            LogFormat::Json => self.fill_json(time, peer, version, fields),
        }
    }

    /// `peer - - [time] "request" status bytes "referrer" "user agent"`
    fn fill_combined(&mut self, time: &Timestamp, peer: Peer, version: &str, fields: &Fields) {
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
        text.extend_from_slice(b"\"\n");
    }

    fn fill_json(&mut self, time: &Timestamp, peer: Peer, version: &str, fields: &Fields) {
        let request = Request {
            time: &time.rfc3339,
            remote: peer,
            host: fields.authority().map(Text),
            method: fields.method().map(Text),
            path: fields.path().map(Text),
            version,
            referer: fields.value("referer").map(Text),
            user_agent: fields.value("user-agent").map(Text),
        };
        // Serializing text into memory cannot fail. The brace that closes the object is taken off
        // again, for the members that are not known yet.
        let _ = serde_json::to_writer(&mut self.text, &request);
        self.text.pop();
        self.split = self.text.len();
    }

    /// Appends the whole line.
    pub(super) fn finish(
        &self,
        format: LogFormat,
        status: u16,
        body_bytes: u64,
        elapsed: Duration,
        out: &mut Vec<u8>,
    ) {
        let (known, rest) = self.text.split_at(self.split);
        out.extend_from_slice(known);
        // Writing to memory cannot fail.
        let _ = match format {
            LogFormat::Combined => write!(out, "{status} {body_bytes}"),
            LogFormat::Json => {
                let micros = elapsed.as_micros();
                writeln!(
                    out,
                    ",\"status\":{status},\"bytes\":{body_bytes},\"duration_ms\":{}.{:03}}}",
                    micros / 1000,
                    micros % 1000
                )
            }
        };
        out.extend_from_slice(rest);
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
    time: &'a str,
    remote: Peer,
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
    &value[..value.len().min(VALUE_BYTES)]
}

/// Appends a value of a client so that it can neither end its quotes nor its line, nor speak to a
/// terminal; an absent one is `-`.
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
            self.rfc3339 = format!("{year}-{number:02}-{day}T{time}Z");
        }
        self
    }
}
