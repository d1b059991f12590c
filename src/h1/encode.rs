//! The bytes of messages (RFC 9112 §4, §5, §7.1): appended piece by piece, never formatted.

use crate::http::grammar::{is_connection_specific, is_token, may_be_trailer};
use crate::http::{Field, is_one_line, status};

/// `100 Continue`, whole (RFC 9110 §15.2.1).
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The answer to an offer of h2c (RFC 7540 §3.2).
pub(super) const SWITCHING_PROTOCOLS: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";

/// The line before a chunk's data while its size is not known: eight digits hold any size that a
/// buffer has, and leading zeros are part of the grammar (RFC 9112 §7.1).
const CHUNK_LINE: &[u8; 10] = b"00000000\r\n";

/// The chunk that ends a body, and an empty trailer section.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The field that announces chunks.
pub(super) const CHUNKED: &[u8] = b"transfer-encoding: chunked\r\n";

/// A field section that most heads fit into, so that the output grows at most once for one.
pub(super) const HEAD_ROOM: usize = 512;

/// The most bytes that chunked coding adds to the bytes of one
/// [`begin_data`](super::Connection::begin_data): the line before them, the line end behind them, and
/// the last chunk.
pub const CHUNK_OVERHEAD: usize = CHUNK_LINE.len() + 2 + LAST_CHUNK.len();

/// A status line. It names HTTP/1.1 for a client of HTTP/1.0 too (RFC 9110 §2.5).
pub(super) fn status_line(out: &mut Vec<u8>, code: u16) {
    // Most responses have it, and one piece is appended at a sixth of the price.
    if code == 200 {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(code));
    out.push(b' ');
    out.extend_from_slice(status::reason(code).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A field line. A field whose value would break out of its line is left out: it must not become a
/// response of its own.
pub(super) fn field(out: &mut Vec<u8>, field: Field<'_>) {
    if is_one_line(field.value) {
        checked_field(out, field);
    }
}

/// A line of a field that was found to be sendable.
pub(super) fn checked_field(out: &mut Vec<u8>, field: Field<'_>) {
    out.reserve(field.name.len() + field.value.len() + 4);
    out.extend_from_slice(field.name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(field.value);
    out.extend_from_slice(b"\r\n");
}

/// The lines of fields that are sent with content, none of which frames a message or concerns the connection.
#[cfg(feature = "server")]
pub(crate) struct FieldLines(Vec<u8>);

#[cfg(feature = "server")]
impl FieldLines {
    /// The lines of those of `fields` that [`Connection::send_head`](super::Connection::send_head) would send.
    pub(crate) fn new<'f>(fields: impl Iterator<Item = Field<'f>>) -> Self {
        let mut lines = Vec::with_capacity(HEAD_ROOM);
        for each in fields {
            if is_passed_on(each.name) {
                field(&mut lines, each);
            }
        }
        lines.shrink_to_fit();
        FieldLines(lines)
    }

    /// Appends them.
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// The head of a response with content of a known length, for several connections: all but what each of them has to
/// say for itself.
#[cfg(feature = "server")]
#[derive(Default)]
pub(crate) struct SharedHead {
    /// The lines for every connection, and behind them what one that goes on says before the number of requests.
    bytes: Vec<u8>,
    /// The length of the lines for every connection.
    common: usize,
    timeout_seconds: u64,
}

#[cfg(feature = "server")]
impl SharedHead {
    /// The head that [`Connection::send_head`](super::Connection::send_head) would send, in the place of the one that
    /// was here before. Connections are kept for so many seconds.
    pub(crate) fn set<'f>(
        &mut self,
        status: u16,
        fields: impl Iterator<Item = Field<'f>>,
        length: u64,
        timeout_seconds: u64,
    ) {
        self.bytes.clear();
        status_line(&mut self.bytes, status);
        for each in fields {
            if is_passed_on(each.name) {
                field(&mut self.bytes, each);
            }
        }
        content_length(&mut self.bytes, length);
        self.common = self.bytes.len();
        keep_alive_time(&mut self.bytes, timeout_seconds);
        self.timeout_seconds = timeout_seconds;
    }

    /// True if it is right for connections that are kept for so many seconds.
    pub(super) fn tells(&self, timeout_seconds: u64) -> bool {
        self.timeout_seconds == timeout_seconds
    }

    /// Appends the whole head. The connection closes behind the response, or takes so many further requests.
    pub(super) fn append(&self, out: &mut Vec<u8>, further: Option<u32>) {
        match further {
            Some(requests) => {
                out.extend_from_slice(&self.bytes);
                decimal(out, u64::from(requests));
                out.extend_from_slice(b"\r\n\r\n");
            }
            None => {
                out.extend_from_slice(self.bytes.get(..self.common).unwrap_or_default());
                close(out);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// True if a field has a name and fits into its line (RFC 9110 §5.1, §5.5).
pub(super) fn is_sendable(field: Field<'_>) -> bool {
    let Field { name, value, .. } = field;
    is_token(name) && is_one_line(value)
}

/// True if a field of the caller is sent: none that HTTP/2 alone has, that frames the message, or that
/// concerns the connection (RFC 9110 §7.6.1).
#[inline]
pub(super) fn is_passed_on(name: &[u8]) -> bool {
    match name.len() {
        14 if name.eq_ignore_ascii_case(b"content-length") => false,
        7 | 10 | 16 | 17 if is_connection_specific(name) => false,
        _ => name.first() != Some(&b':'),
    }
}

/// Appends `content-length`.
pub(super) fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

/// Appends `connection: keep-alive`, with the number of seconds and of further requests (RFC 2068
/// §19.7.1). Clients that know the time do not send into a connection that is about to close.
pub(super) fn keep_alive(out: &mut Vec<u8>, timeout_seconds: u64, requests: u32) {
    keep_alive_time(out, timeout_seconds);
    decimal(out, u64::from(requests));
    out.extend_from_slice(b"\r\n");
}

/// Appends what [`keep_alive`] appends before the number of requests.
fn keep_alive_time(out: &mut Vec<u8>, timeout_seconds: u64) {
    out.extend_from_slice(b"connection: keep-alive\r\nkeep-alive: timeout=");
    decimal(out, timeout_seconds);
    out.extend_from_slice(b", max=");
}

/// Appends `connection: close` (RFC 9112 §9.6).
pub(super) fn close(out: &mut Vec<u8>) {
    out.extend_from_slice(b"connection: close\r\n");
}

/// Appends a number in decimal.
pub(super) fn decimal(out: &mut Vec<u8>, number: u64) {
    // 2^64 has 20 digits.
    let mut digits = [0; 20];
    let mut rest = number;
    let mut start = digits.len();
    for (position, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' | (rest % 10) as u8;
        rest /= 10;
        start = position;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// Presence of content in the response to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentPresence {
    /// Content is sent if status and length say so.
    Sent,
    /// Content is never sent, because the request is HEAD (RFC 9110 §9.3.2).
    Withheld,
}

/// A complete response that ends the connection, for a request that cannot be answered otherwise. It
/// has no `date`, because there is no clock here; see
/// [`Connection::complete_refusal`](super::Connection::complete_refusal). Returns the place where more
/// fields can be inserted, and the length of the content.
pub(super) fn error_response(
    out: &mut Vec<u8>,
    code: u16,
    reason: &str,
    content: ContentPresence,
) -> (usize, usize) {
    let phrase = status::reason(code);
    let separator = match reason {
        "" => "",
        _ => ": ",
    };
    // "400 Bad Request: malformed chunk\n"
    let length = 4 + phrase.len() + separator.len() + reason.len() + 1;
    status_line(out, code);
    out.extend_from_slice(b"content-type: text/plain\r\n");
    content_length(out, length as u64);
    let end = out.len();
    close(out);
    out.extend_from_slice(b"\r\n");
    if content == ContentPresence::Withheld {
        return (end, 0);
    }
    decimal(out, u64::from(code));
    for part in [" ", phrase, separator, reason, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    (end, length)
}

/// Begins a chunk whose size is not known yet.
pub(super) fn begin_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(CHUNK_LINE);
}

/// Completes the chunk whose data begins at `start`, behind the line that [`begin_chunk`] wrote. A
/// chunk without data would end the body, so it is taken back.
pub(super) fn end_chunk(out: &mut Vec<u8>, start: usize) {
    let line_start = start.saturating_sub(CHUNK_LINE.len());
    let size = out.len().saturating_sub(start);
    if size == 0 {
        out.truncate(line_start);
        return;
    }
    let digits = out.iter_mut().skip(line_start).take(8).rev();
    let mut rest = size;
    for digit in digits {
        *digit = match (rest & 15) as u8 {
            value @ 0..=9 => b'0' | value,
            value => b'a' + value - 10,
        };
        rest >>= 4;
    }
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunked body with a trailer section, without the fields that frame or route a message
/// (RFC 9110 §6.5.1).
pub(super) fn trailers<'f>(out: &mut Vec<u8>, fields: impl Iterator<Item = Field<'f>>) {
    out.extend_from_slice(b"0\r\n");
    for each in fields {
        if may_be_trailer(each.name) {
            field(out, each);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunked body.
pub(super) fn last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(LAST_CHUNK);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("what is written here is ASCII")
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 99, 100, 65_536, u64::MAX - 1, u64::MAX] {
            assert_eq!(written(|out| decimal(out, number)), number.to_string());
        }
    }

    #[test]
    fn a_chunk_has_its_size_in_front() {
        let chunk = |data: &str| {
            written(|out| {
                out.extend_from_slice(b"before ");
                begin_chunk(out);
                let start = out.len();
                out.extend_from_slice(data.as_bytes());
                end_chunk(out, start);
            })
        };
        assert_eq!(chunk("hello"), "before 00000005\r\nhello\r\n");
        assert_eq!(chunk(&"a".repeat(0xabc))[..15], *"before 00000abc");
        assert_eq!(chunk(""), "before ");
    }

    #[test]
    fn a_value_that_would_split_the_response_is_left_out() {
        let line = |value: &[u8]| written(|out| field(out, Field::new(b"a", value)));
        assert_eq!(line(b"b\tc d"), "a: b\tc d\r\n");
        for value in ["b\r\nc: d", "\n", "b\r", "\0", "b\t\tc\r\n", "\u{7f}"] {
            assert_eq!(line(value.as_bytes()), "");
        }
    }

    #[test]
    fn an_error_response_is_complete() {
        let expected = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
            content-length: 33\r\nconnection: close\r\n\r\n400 Bad Request: malformed chunk\n";
        let response = |reason, content| {
            written(|out| {
                error_response(out, 400, reason, content);
            })
        };
        assert_eq!(response("malformed chunk", ContentPresence::Sent), expected);
        let short = "content-length: 16\r\nconnection: close\r\n\r\n400 Bad Request\n";
        assert!(response("", ContentPresence::Sent).ends_with(short));
        assert!(response("malformed chunk", ContentPresence::Withheld).ends_with("close\r\n\r\n"));
    }
}
