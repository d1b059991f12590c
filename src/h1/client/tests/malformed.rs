//! Responses that must be refused: those that two recipients could read in two ways, and input that is
//! no response.

use super::*;
use crate::h1::Error;

/// A response to GET that must be refused.
pub(super) struct BadResponse {
    /// The fault, as a sentence.
    pub(super) name: &'static str,
    pub(super) error: ResponseError,
    pub(super) bytes: &'static [u8],
}

const fn bad(name: &'static str, error: ResponseError, bytes: &'static [u8]) -> BadResponse {
    BadResponse { name, error, bytes }
}

const fn shared(name: &'static str, error: Error, bytes: &'static [u8]) -> BadResponse {
    bad(name, ResponseError::Malformed(error), bytes)
}

/// A response that must never be heard, behind each case.
pub(super) const SMUGGLED: &[u8] = b"HTTP/1.1 203 Smuggled\r\nContent-Length: 0\r\n\r\n";

#[rustfmt::skip]
const STATUS_LINES: &[BadResponse] = &[
    bad("an empty line before", ResponseError::StatusLine, b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
    bad("garbage before", ResponseError::StatusLine, b"xHTTP/1.1 200 OK\r\n\r\n"),
    bad("a space before", ResponseError::StatusLine, b" HTTP/1.1 200 OK\r\n\r\n"),
    bad("NUL before", ResponseError::StatusLine, b"\0HTTP/1.1 200 OK\r\n\r\n"),
    bad("content of another response", ResponseError::StatusLine, b"hello"),
    bad("an alert of TLS", ResponseError::StatusLine, b"\x15\x03\x01\x00\x02\x02\x46"),
    bad("SETTINGS of HTTP/2", ResponseError::StatusLine, b"\0\0\0\x04\0\0\0\0\0"),
    bad("a greeting of SMTP", ResponseError::StatusLine, b"220 mail ESMTP\r\n"),
    bad("SHOUTcast", ResponseError::StatusLine, b"ICY 200 OK\r\n\r\n"),
    bad("a request", ResponseError::StatusLine, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    bad("HTTP in lowercase", ResponseError::StatusLine, b"http/1.1 200 OK\r\n\r\n"),
    bad("HTTP/2.0", ResponseError::Version, b"HTTP/2.0 200 OK\r\n\r\n"),
    bad("HTTP/2", ResponseError::Version, b"HTTP/2 200\r\n\r\n"),
    bad("HTTP/0.9", ResponseError::Version, b"HTTP/0.9 200 OK\r\n\r\n"),
    bad("a major version of a letter", ResponseError::StatusLine, b"HTTP/x.1 200 OK\r\n\r\n"),
    bad("two digits of a minor version", ResponseError::StatusLine, b"HTTP/1.10 200 OK\r\n\r\n"),
    bad("a minor version of a letter", ResponseError::StatusLine, b"HTTP/1.x 200 OK\r\n\r\n"),
    bad("no minor version", ResponseError::StatusLine, b"HTTP/1 200 OK\r\n\r\n"),
    bad("no status", ResponseError::StatusLine, b"HTTP/1.1\r\n\r\n"),
    bad("an empty status", ResponseError::StatusLine, b"HTTP/1.1 \r\n\r\n"),
    bad("two digits", ResponseError::StatusLine, b"HTTP/1.1 20 OK\r\n\r\n"),
    bad("four digits", ResponseError::StatusLine, b"HTTP/1.1 2000 OK\r\n\r\n"),
    bad("a letter in the status", ResponseError::StatusLine, b"HTTP/1.1 2x0 OK\r\n\r\n"),
    bad("a sign", ResponseError::StatusLine, b"HTTP/1.1 +20 OK\r\n\r\n"),
    bad("a status below 100", ResponseError::StatusLine, b"HTTP/1.1 099 OK\r\n\r\n"),
    bad("two spaces before the status", ResponseError::StatusLine, b"HTTP/1.1  200 OK\r\n\r\n"),
    bad("a tab before the status", ResponseError::StatusLine, b"HTTP/1.1\t200 OK\r\n\r\n"),
    bad("a tab behind the status", ResponseError::StatusLine, b"HTTP/1.1 200\tOK\r\n\r\n"),
    bad("no space before the reason", ResponseError::StatusLine, b"HTTP/1.1 200OK\r\n\r\n"),
    shared("NUL in the reason", Error::ControlCharacter, b"HTTP/1.1 200 O\0K\r\n\r\n"),
    shared("DEL in the reason", Error::ControlCharacter, b"HTTP/1.1 200 O\x7fK\r\n\r\n"),
    shared("a line feed alone behind the status line", Error::BareLineFeed, b"HTTP/1.1 200 OK\n\r\n"),
    shared("a carriage return in the reason", Error::BareCarriageReturn, b"HTTP/1.1 200 O\rK\r\n\r\n"),
    bad("101 that nobody asked for", ResponseError::UnaskedSwitch, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
];

#[rustfmt::skip]
const FIELDS: &[BadResponse] = &[
    shared("a space before the colon", Error::FieldLine, b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n"),
    shared("a tab before the colon", Error::FieldLine, b"HTTP/1.1 200 OK\r\nX\t: y\r\n\r\n"),
    shared("a space before the colon of the length", Error::FieldLine, b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"),
    shared("a space before the name", Error::FieldLine, b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n"),
    shared("a folded line", Error::FieldLine, b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n"),
    shared("a line folded with a tab", Error::FieldLine, b"HTTP/1.1 200 OK\r\nX: y\r\n\tz\r\n\r\n"),
    shared("a folded length", Error::FieldLine, b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello"),
    shared("no colon", Error::FieldLine, b"HTTP/1.1 200 OK\r\nX\r\n\r\n"),
    shared("no name", Error::FieldLine, b"HTTP/1.1 200 OK\r\n: y\r\n\r\n"),
    shared("a name with a space", Error::FieldLine, b"HTTP/1.1 200 OK\r\nX Y: z\r\n\r\n"),
    shared("a name with a quote", Error::FieldLine, b"HTTP/1.1 200 OK\r\n\"X\": z\r\n\r\n"),
    shared("a name with obs-text", Error::FieldLine, b"HTTP/1.1 200 OK\r\nX\xe9: z\r\n\r\n"),
    shared("NUL in a value", Error::ControlCharacter, b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"),
    shared("a vertical tab in a value", Error::ControlCharacter, b"HTTP/1.1 200 OK\r\nX: a\x0bb\r\n\r\n"),
    shared("a carriage return in a value", Error::BareCarriageReturn, b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\n"),
    shared("a line feed alone behind a field", Error::BareLineFeed, b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\n"),
    shared("a line feed alone at the end", Error::BareLineFeed, b"HTTP/1.1 200 OK\r\nX: a\r\n\n"),
    shared("two carriage returns", Error::BareCarriageReturn, b"HTTP/1.1 200 OK\r\r\nX: a\r\n\r\n"),
];

#[rustfmt::skip]
const FRAMING: &[BadResponse] = &[
    shared("length and chunks", Error::ConflictingLengths, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    shared("chunks and length", Error::ConflictingLengths, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    shared("length and chunks of 304", Error::ConflictingLengths, b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    shared("two lengths", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    shared("a length twice", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    shared("a list of lengths", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"),
    shared("an empty length", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n"),
    shared("a length with a sign", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
    shared("a negative length", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
    shared("a hexadecimal length", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello"),
    shared("a length with a fraction", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length: 5.0\r\n\r\nhello"),
    shared("a length with a space", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length: 5 0\r\n\r\nhello"),
    shared("a length with a tab beside", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length:\t5\r\n\r\nhello"),
    shared("a length beyond 64 bits", Error::ContentLength, b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nhello"),
    shared("a malformed length of 204", Error::ContentLength, b"HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n"),
    shared("chunks in HTTP/1.0", Error::TransferEncoding, b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    shared("chunks of 204", Error::TransferEncoding, b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    shared("chunks of 100", Error::TransferEncoding, b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    shared("chunked twice", Error::TransferEncoding, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    shared("chunked twice in a list", Error::TransferEncoding, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    shared("a coding that nobody asked for", Error::TransferCoding, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    shared("a coding alone", Error::TransferEncoding, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
    shared("identity", Error::TransferEncoding, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"),
    shared("a coding of another name", Error::TransferEncoding, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    shared("an empty coding", Error::TransferEncoding, b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n"),
    shared("chunked with a tab beside", Error::TransferEncoding, b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"),
    bad("bytes behind the content", ResponseError::Unsolicited, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!"),
    bad("content of 204", ResponseError::Unsolicited, b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nhi"),
    bad("content of 304", ResponseError::Unsolicited, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nhi"),
    bad("an empty line behind the content", ResponseError::Unsolicited, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\r\n"),
];

macro_rules! chunks {
    ($bytes:literal) => {
        concat!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            $bytes
        )
        .as_bytes()
    };
}

#[rustfmt::skip]
const CHUNKS: &[BadResponse] = &[
    shared("no size", Error::Chunk, chunks!("\r\nhello\r\n0\r\n\r\n")),
    shared("a size that is no number", Error::Chunk, chunks!("x\r\n")),
    shared("a negative size", Error::Chunk, chunks!("-1\r\n")),
    shared("a size with a sign", Error::Chunk, chunks!("+5\r\nhello\r\n0\r\n\r\n")),
    shared("a size with a prefix", Error::Chunk, chunks!("0x5\r\nhello\r\n0\r\n\r\n")),
    shared("a space before the size", Error::Chunk, chunks!(" 5\r\nhello\r\n0\r\n\r\n")),
    shared("a size beyond 64 bits", Error::Chunk, chunks!("10000000000000005\r\nhello\r\n")),
    shared("zeros without end", Error::Chunk, chunks!("00000000000000000\r\n")),
    shared("a line feed alone behind the size", Error::Chunk, chunks!("5\nhello\r\n0\r\n\r\n")),
    shared("a carriage return alone behind the size", Error::Chunk, chunks!("5\rhello\r\n0\r\n\r\n")),
    shared("data longer than its size", Error::Chunk, chunks!("4\r\nhello\r\n0\r\n\r\n")),
    shared("data shorter than its size", Error::Chunk, chunks!("6\r\nhello\r\n0\r\n\r\n")),
    shared("a line feed alone behind the data", Error::Chunk, chunks!("5\r\nhello\n0\r\n\r\n")),
    shared("an extension without a name", Error::Chunk, chunks!("5;\r\nhello\r\n0\r\n\r\n")),
    shared("a line feed in an extension", Error::Chunk, chunks!("5;a\nhello\r\n0\r\n\r\n")),
    shared("NUL in an extension", Error::Chunk, chunks!("5;a\0\r\nhello\r\n0\r\n\r\n")),
    shared("no line end behind the last chunk", Error::FieldLine, chunks!("0\r\nHTTP/1.1 200 OK\r\n\r\n")),
    shared("a folded trailer", Error::FieldLine, chunks!("0\r\nX: y\r\n z\r\n\r\n")),
    shared("a space before a trailer's colon", Error::FieldLine, chunks!("0\r\nX : y\r\n\r\n")),
    shared("a line feed alone in the trailers", Error::BareLineFeed, chunks!("0\r\nX: y\n\r\n")),
    bad("bytes behind the chunks", ResponseError::Unsolicited, chunks!("0\r\n\r\nhello")),
];

/// Every case.
pub(super) fn all() -> impl Iterator<Item = &'static BadResponse> {
    [STATUS_LINES, FIELDS, FRAMING, CHUNKS]
        .into_iter()
        .flatten()
}

#[test]
fn each_is_refused_for_its_reason_and_nothing_behind_it_is_heard() {
    for case in all() {
        let mut asker = Asker::asking("GET");
        let input = [case.bytes, SMUGGLED].concat();
        let error = asker.receive(&input).expect_err(case.name);
        assert_eq!(error, case.error, "{}", case.name);
        assert!(asker.connection.wants_close(), "{}", case.name);
        asker.receive(SMUGGLED).expect("it was told already");
        let heard = asker.events().join("\n");
        assert!(!heard.contains("203"), "{}: {heard}", case.name);
        assert!(asker.input.is_empty());
        let next = asker.ask("GET", &[], BodyLength::None);
        assert_eq!(next, Err(Unsendable::NotIdle));
    }
}

#[test]
fn the_table_is_long_and_its_names_differ() {
    let mut names: Vec<&str> = all().map(|case| case.name).collect();
    assert!(names.len() >= 100, "{}", names.len());
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all().count());
}

/// RFC 9112 §8
#[test]
fn a_response_that_ends_too_early_is_an_error() {
    for (response, error) in [
        ("", ResponseError::NoResponse),
        ("H", ResponseError::Incomplete),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
            ResponseError::Incomplete,
        ),
        ("HTTP/1.1 100 Continue\r\n\r\n", ResponseError::Incomplete),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            ResponseError::Incomplete,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            ResponseError::Incomplete,
        ),
    ] {
        let mut asker = Asker::asking("GET");
        asker.receive(response.as_bytes()).unwrap();
        assert_eq!(asker.finish(), Err(error), "{response}");
        assert!(asker.connection.wants_close());
    }
}

/// RFC 9112 §9.2
#[test]
fn bytes_that_come_before_a_request_answer_none() {
    let mut asker = Asker::new();
    let response = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";
    assert_eq!(asker.receive(response), Err(ResponseError::Unsolicited));
    let next = asker.ask("GET", &[], BodyLength::None);
    assert_eq!(next, Err(Unsendable::NotIdle));
}

#[test]
fn an_idle_connection_that_the_server_ends_is_no_error() {
    let mut asker = Asker::new();
    assert_eq!(asker.finish(), Ok(()));
    assert!(asker.connection.wants_close());
}

#[test]
fn a_switch_before_the_request_is_complete_is_refused() {
    let mut asker = Asker::new();
    asker
        .ask("POST", &[("upgrade", "x")], BodyLength::Known(5))
        .unwrap();
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n";
    assert_eq!(asker.receive(switch), Err(ResponseError::UnaskedSwitch));
}

/// RFC 9110 §7.8
#[test]
fn a_switch_to_a_protocol_that_was_not_offered_is_refused() {
    for (upgrade, taken) in [
        ("", false),
        ("Upgrade: \r\n", false),
        ("Upgrade: other\r\n", false),
        ("Upgrade: websocket, other\r\n", false),
        ("Upgrade: websocket\r\nUpgrade: other\r\n", false),
        ("Upgrade: WebSocket\r\n", true),
        ("Upgrade: x/1, websocket\r\n", true),
    ] {
        let mut asker = Asker::new();
        let offer = [("upgrade", "websocket, x/1")];
        asker.ask("GET", &offer, BodyLength::None).unwrap();
        let switch = format!("HTTP/1.1 101 X\r\n{upgrade}\r\n");
        let expected = if taken {
            Ok(())
        } else {
            Err(ResponseError::UnaskedSwitch)
        };
        assert_eq!(asker.receive(switch.as_bytes()), expected, "{upgrade}");
        assert_eq!(asker.connection.is_tunnel(), taken, "{upgrade}");
    }
}

#[test]
fn a_gateway_tells_timeouts_from_faults() {
    assert_eq!(ResponseError::ResponseTimeout.status(), 504);
    assert_eq!(ResponseError::from(Error::Chunk).status(), 502);
    for error in [ResponseError::ResponseTimeout, Error::Chunk.into()] {
        assert_ne!(crate::http::status::reason(error.status()), "");
    }
    assert_eq!(
        ResponseError::from(Error::Chunk).to_string(),
        "malformed chunk"
    );
}
