//! One line of the access log, from the arrival of a request to its end.

use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::config::LogFormat;
use crate::http::{Fields, date, is_deceptive};
use crate::telemetry::metrics::RequestClass;

/// The most bytes that are kept of one value (target, referrer, user agent, host). An entry lives as
/// long as its response, so a client must not make it large.
const VALUE_BYTES: usize = 1024;

/// The most bytes of an entry that is kept for another request.
const SMALL: usize = 1024;

/// The most bytes that [`Entry::finish`] adds to the text. A reason is a short sentence.
const ENDING_BYTES: usize = 384;

/// All that is known of a request when it arrives.
pub struct Arrival<'a> {
    /// The peer's address; none on a Unix socket.
    pub peer: Option<IpAddr>,
    /// The scheme of the connection, `http` or `https`. The request's own claim is ignored.
    pub scheme: &'static str,
    /// The version in the form that is logged, such as `HTTP/2.0`.
    pub version: &'static str,
    /// The version of TLS, if there is TLS.
    pub tls: Option<&'static str>,
    /// The subject of the client's certificate, if it has shown one.
    pub client: Option<&'a str>,
    /// The request's identifier, where requests have one.
    pub id: Option<&'a str>,
    /// The fields. Any of them may be missing if the request could not be parsed.
    pub fields: &'a Fields,
    /// Time of the arrival.
    pub at: Instant,
    /// Time of day at the arrival.
    pub wall: SystemTime,
}

/// The end of a request.
#[derive(Clone, Copy, Default)]
pub struct RequestEnd {
    /// The status of the response, or 0 where there was none.
    pub status: u16,
    /// Number of bytes of its content.
    pub body_bytes: u64,
    /// Number of bytes of the request's content.
    pub received: u64,
    /// Time from the request's arrival to the response's first byte.
    pub first_byte: Duration,
    /// Time from the request's arrival to the response's last byte.
    pub elapsed: Duration,
    /// Reason why it was refused or cut short, if it was.
    pub reason: Option<&'static str>,
}

/// A request that is being answered.
#[derive(Debug, Default)]
pub struct Entry {
    /// The known part of the line, in two halves: status and size go in between.
    text: Vec<u8>,
    split: usize,
    /// Time at which the request came.
    at: Option<Instant>,
    /// Time at which the kernel got the head of its response, if that was not the end of the response.
    first_byte: Option<Instant>,
    /// Bytes of its content.
    received: u64,
    /// Its labels, where requests are counted.
    class: RequestClass,
    /// Time that an upstream took for the head of its response.
    upstream: Option<Duration>,
    /// The reason that its response tells of.
    blamed: Option<&'static str>,
    /// The server's own answer, which no line and no count has.
    is_of_nobody: bool,
}

impl Entry {
    /// An entry for an answer of the server's own, which no line and no count has.
    #[cfg(feature = "panel")]
    pub(crate) fn of_nobody() -> Self {
        Entry {
            is_of_nobody: true,
            ..Entry::default()
        }
    }

    pub(super) fn is_of_nobody(&self) -> bool {
        self.is_of_nobody
    }

    /// The response will tell of a failure, for this reason.
    pub(crate) fn blame(&mut self, reason: &'static str) {
        self.blamed = Some(reason);
    }

    /// An upstream took so long for the head of its response.
    pub(crate) fn set_upstream_time(&mut self, time: Duration) {
        self.upstream = Some(time);
    }

    pub(super) fn blamed(&self) -> Option<&'static str> {
        self.blamed
    }

    /// Notes that the kernel got the first bytes of the response, which goes on, at the time that `clock`
    /// tells, unless that was noted before.
    pub(crate) fn note_first_byte(&mut self, clock: &mut dyn FnMut() -> Instant) {
        self.first_byte.get_or_insert_with(clock);
    }

    /// The request is answered by the host of this number.
    pub(crate) fn set_host(&mut self, host: u16) {
        self.class.host = host;
    }

    /// Adds bytes of the request's content.
    pub(crate) fn add_received(&mut self, bytes: u64) {
        self.received += bytes;
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn class(&self) -> RequestClass {
        self.class
    }

    /// Begins anew, for a request that arrives.
    pub(super) fn begin(&mut self, arrival: &Arrival<'_>) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        *self = Entry {
            text,
            at: Some(arrival.at),
            ..Entry::default()
        };
    }

    pub(super) fn classify(&mut self, arrival: &Arrival<'_>) {
        let method = arrival.fields.method().unwrap_or_default();
        self.class = RequestClass::new(0, arrival.version, method);
    }

    pub(super) fn fill(&mut self, format: LogFormat, time: &Timestamp, arrival: &Arrival<'_>) {
        match format {
            LogFormat::Combined => self.fill_combined(time, arrival),
            LogFormat::Extended => {
                self.fill_combined(time, arrival);
                self.text.extend_from_slice(b" \"");
                escape(arrival.fields.authority(), &mut self.text);
                let tls = arrival.tls.unwrap_or("-");
                // Writing to memory cannot fail.
                let _ = write!(self.text, "\" {tls}");
                if let Some(client) = arrival.client {
                    self.text.extend_from_slice(b" \"");
                    escape(Some(client.as_bytes()), &mut self.text);
                    self.text.push(b'"');
                }
                if let Some(id) = arrival.id {
                    self.text.push(b' ');
                    escape(Some(id.as_bytes()), &mut self.text);
                }
            }
            LogFormat::Json => self.fill_json(time, arrival),
        }
    }

    /// Fills in `peer - - [time] "request" status bytes "referrer" "user agent"`
    fn fill_combined(&mut self, time: &Timestamp, arrival: &Arrival<'_>) {
        let Arrival {
            version, fields, ..
        } = arrival;
        let peer = LoggedPeer::of(arrival);
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
        let request = JsonRequest {
            time: Moment {
                second: &time.rfc3339,
                microsecond: micros_of(arrival.wall),
            },
            remote: LoggedPeer::of(arrival),
            scheme: arrival.scheme,
            host: fields.authority().map(JsonText),
            method: fields.method().map(JsonText),
            path: fields.path().map(JsonText),
            version: arrival.version,
            tls: arrival.tls,
            client_subject: arrival.client.map(|client| JsonText(client.as_bytes())),
            request_id: arrival.id,
            referer: fields.value("referer").map(JsonText),
            user_agent: fields.value("user-agent").map(JsonText),
        };
        // Serializing text into memory cannot fail. The brace that closes the object is removed again,
        // because more members follow when they are known.
        let _ = request.serialize(&mut serde_json::Serializer::with_formatter(
            &mut self.text,
            Harmless,
        ));
        self.text.pop();
        self.split = self.text.len();
    }

    /// Appends the whole line. Behind the combined format a reason stands at its end, in one more pair of
    /// quotes, which programs that read the format ignore.
    pub(super) fn finish(&self, format: LogFormat, ending: &RequestEnd, out: &mut Vec<u8>) {
        let RequestEnd {
            status,
            body_bytes,
            received,
            first_byte,
            elapsed,
            reason,
        } = *ending;
        let (known, rest) = self.text.split_at(self.split);
        out.extend_from_slice(known);
        // Writing to memory cannot fail. Reasons are ours and need no escaping.
        let _ = match format {
            LogFormat::Combined | LogFormat::Extended => write!(out, "{status} {body_bytes}"),
            LogFormat::Json => {
                let (first, last) = (Milliseconds(first_byte), Milliseconds(elapsed));
                write!(
                    out,
                    ",\"status\":{status},\"bytes\":{body_bytes},\"request_bytes\":{received},\
                     \"first_byte_ms\":{first},\"duration_ms\":{last}",
                )
            }
        };
        out.extend_from_slice(rest);
        if format == LogFormat::Extended {
            let (first, last) = (first_byte.as_secs_f64(), elapsed.as_secs_f64());
            let _ = write!(out, " {received} {first:.6} {last:.6}");
        }
        let _ = match (format, self.upstream) {
            (LogFormat::Extended, Some(time)) => write!(out, " {:.6}", time.as_secs_f64()),
            (LogFormat::Json, Some(time)) => write!(out, ",\"upstream_ms\":{}", Milliseconds(time)),
            _ => Ok(()),
        };
        let _ = match (format, reason) {
            (LogFormat::Combined | LogFormat::Extended, Some(reason)) => {
                writeln!(out, " \"{reason}\"")
            }
            (LogFormat::Combined | LogFormat::Extended, None) => writeln!(out),
            (LogFormat::Json, Some(reason)) => writeln!(out, ",\"error\":\"{reason}\"}}"),
            (LogFormat::Json, None) => writeln!(out, "}}"),
        };
    }

    /// Time since the request came.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        self.at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }

    /// Time from the arrival to the first byte of the response, whose last the kernel got at `end`.
    pub(super) fn first_byte(&self, end: Instant) -> Duration {
        self.elapsed(self.first_byte.unwrap_or(end))
    }

    /// True if the line was begun.
    #[cfg(feature = "panel")]
    pub(super) fn has_text(&self) -> bool {
        !self.text.is_empty()
    }

    /// Upper bound of the length of the line.
    pub(super) fn len_at_most(&self) -> usize {
        self.text.len() + ENDING_BYTES
    }

    /// The memory of the entry in bytes.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.text.capacity()
    }

    /// True if the entry is small enough to be kept for another request.
    pub(super) fn is_small(&self) -> bool {
        self.text.capacity() <= SMALL
    }
}

/// The members of a JSON line that are known when the request arrives.
#[derive(Serialize)]
struct JsonRequest<'a> {
    time: Moment<'a>,
    remote: LoggedPeer,
    scheme: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<JsonText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<JsonText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<JsonText<'a>>,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_subject: Option<JsonText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<JsonText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<JsonText<'a>>,
}

/// A duration in milliseconds, with three digits behind the point.
struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{}.{:03}", micros / 1000, micros % 1000)
    }
}

/// A time in the form of RFC 3339, whose whole seconds are formatted already.
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

/// JSON that may be shown on a terminal. Besides the characters that JSON wants escaped, it escapes
/// those that could deceive a reader.
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

/// Bytes of a client as a JSON string. Bytes that are not UTF-8 become U+FFFD.
struct JsonText<'a>(&'a [u8]);

impl Serialize for JsonText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bounded(self.0)))
    }
}

/// The client in a line: an address, or `unix:` for a Unix socket.
#[derive(Clone, Copy)]
struct LoggedPeer(Option<IpAddr>);

impl LoggedPeer {
    fn of(arrival: &Arrival<'_>) -> Self {
        LoggedPeer(arrival.peer.map(|ip| ip.to_canonical()))
    }
}

impl fmt::Display for LoggedPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unix:"),
        }
    }
}

impl Serialize for LoggedPeer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn bounded(value: &[u8]) -> &[u8] {
    value.get(..VALUE_BYTES).unwrap_or(value)
}

/// Appends a value of a client, escaped so that it cannot end its quotes or its line, nor control a
/// terminal. A missing value is `-`.
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

/// The time of day in both forms, in UTC, formatted once a second.
#[derive(Default)]
pub(super) struct Timestamp {
    /// Seconds since 1970, plus one; zero before the first use.
    second: u64,
    combined: String,
    /// The form of RFC 3339, without the fraction of the second and the zone.
    rfc3339: String,
}

impl Timestamp {
    /// The forms of the time `wall`.
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
