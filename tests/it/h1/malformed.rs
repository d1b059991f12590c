//! Requests that must be refused, each with the status code of the refusal.
//!
//! The table is used twice: against the HTTP/1.1 core, and against the running server over a socket.
//! For every case, with a well-formed request appended behind it:
//!
//! - a case of [`Stage::Head`] is answered with one response of its status, and the connection
//!   closes;
//! - in a case of [`Stage::Body`] the head was fine, so a response may have begun before the fault
//!   arrived. If not, the answer is as above; if it had, the connection closes without another;
//! - the request behind it is never answered.

#[path = "malformed/content.rs"]
mod content;

use content::{CHUNKS, CODINGS, TRAILERS};

/// A request that must be refused.
pub struct Malformed {
    /// The fault, as a sentence.
    pub name: &'static str,
    /// The status code of the refusal.
    pub status: u16,
    /// The part of the request that has the fault.
    pub stage: Stage,
    request: Request,
}

/// Part of a request that has a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Request line and fields.
    Head,
    /// Chunks and trailers; the table has them without the head, which is a good one for `/echo`.
    Body,
}

enum Request {
    Literal(&'static [u8]),
    /// A repeated text, so that long requests are short to read.
    Repeated {
        before: &'static [u8],
        unit: &'static [u8],
        times: usize,
        after: &'static [u8],
    },
}

impl Malformed {
    /// The bytes to send.
    pub fn bytes(&self) -> Vec<u8> {
        let head = match self.stage {
            Stage::Head => b"".as_slice(),
            Stage::Body => b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        };
        match self.request {
            Request::Literal(bytes) => [head, bytes].concat(),
            Request::Repeated {
                before,
                unit,
                times,
                after,
            } => [head, before, &unit.repeat(times), after].concat(),
        }
    }
}

/// The request that is sent behind each case and must never be answered.
pub const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

const fn head(status: u16, name: &'static str, request: &'static [u8]) -> Malformed {
    let request = Request::Literal(request);
    Malformed {
        name,
        status,
        stage: Stage::Head,
        request,
    }
}

const fn long(
    status: u16,
    name: &'static str,
    before: &'static [u8],
    (unit, times): (&'static [u8], usize),
    after: &'static [u8],
) -> Malformed {
    let request = Request::Repeated {
        before,
        unit,
        times,
        after,
    };
    Malformed {
        name,
        status,
        stage: Stage::Head,
        request,
    }
}

const fn body(name: &'static str, chunks: &'static [u8]) -> Malformed {
    let request = Request::Literal(chunks);
    Malformed {
        name,
        status: 400,
        stage: Stage::Body,
        request,
    }
}

const fn long_body(
    status: u16,
    name: &'static str,
    before: &'static [u8],
    (unit, times): (&'static [u8], usize),
    after: &'static [u8],
) -> Malformed {
    let request = Request::Repeated {
        before,
        unit,
        times,
        after,
    };
    Malformed {
        name,
        status,
        stage: Stage::Body,
        request,
    }
}

/// All cases.
pub fn all() -> impl Iterator<Item = &'static Malformed> {
    let sections = [
        NOT_HTTP,
        LINES,
        REQUEST_LINES,
        VERSIONS,
        TARGETS,
        HOSTS,
        FIELDS,
        LENGTHS,
        CODINGS,
        CHUNKS,
        TRAILERS,
        LIMITS,
        EXPECTATIONS,
    ];
    sections.into_iter().flatten()
}

/// Input that is no HTTP. It is refused at once.
#[rustfmt::skip]
const NOT_HTTP: &[Malformed] = &[
    head(400, "a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    head(400, "an SSH client", b"SSH-2.0-OpenSSH_9.6\r\n"),
    head(400, "a JSON document", b"{\"method\": \"GET\"}"),
    head(400, "a PROXY header, version 2", b"\r\n\r\n\0\r\nQUIT\n"),
    head(400, "NUL bytes", b"\0\0\0\0"),
    head(400, "UTF-8 in place of the method", b"\xc3\x84 / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a byte order mark", b"\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
];

/// Ends of lines: CRLF and nothing else (RFC 9112 §2.2).
#[rustfmt::skip]
const LINES: &[Malformed] = &[
    head(400, "LF ends the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    head(400, "LF ends a field line", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    head(400, "LF ends the head", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    head(400, "LF everywhere", b"GET / HTTP/1.1\nHost: a\n\n"),
    head(400, "LF before the request line", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "LF and CR swapped", b"GET / HTTP/1.1\n\rHost: a\n\r\n\r"),
    head(400, "CR ends the request line", b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
    head(400, "CR ends a field line", b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"),
    head(400, "CR twice", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    head(400, "CR before the request line", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "CR within a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\rY: z\r\n\r\n"),
    head(400, "CR within a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n"),
    head(400, "CR at the end of the head", b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n"),
    head(400, "NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "NUL in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n"),
    head(400, "NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
    head(400, "escape in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[2J\r\n\r\n"),
    head(400, "vertical tab in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\x0b\r\n\r\n"),
    head(400, "DEL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"),
    head(400, "backspace in the target", b"GET /a\x08 HTTP/1.1\r\nHost: a\r\n\r\n"),
    long(400, "more than a few empty lines", b"", (b"\r\n", 5), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a line of spaces before the request", b"  \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
];

/// Request lines (RFC 9112 §3): `method SP request-target SP HTTP-version`.
#[rustfmt::skip]
const REQUEST_LINES: &[Malformed] = &[
    head(400, "no target and no version", b"GET\r\nHost: a\r\n\r\n"),
    head(400, "no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "an empty target", b"GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "no version, as HTTP/0.9 had none", b"GET /\r\n\r\n"),
    head(400, "an empty version", b"GET / \r\nHost: a\r\n\r\n"),
    head(400, "no method", b" / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "two spaces before the target", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "two spaces before the version", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a space behind the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    head(400, "a tab before the target", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a tab before the version", b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a form feed before the target", b"GET\x0c/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a space before the method", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a second request in the target", b"GET /a HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a tab in the target", b"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a separator in the method", b"GE,T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a colon behind the method", b"GET: / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a quoted method", b"\"GET\" / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "invalid UTF-8 in the target", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a field in place of the request line", b"Host: a\r\n\r\n"),
    head(400, "a status line", b"HTTP/1.1 200 OK\r\nHost: a\r\n\r\n"),
    long(501, "a method that nobody has", b"", (b"A", 33), b" / HTTP/1.1\r\nHost: a\r\n\r\n"),
    long(501, "a method without end", b"", (b"A", 9_000), b""),
];

/// Versions (RFC 9112 §2.3): `HTTP/` DIGIT `.` DIGIT, of which 1.1 and 1.0 are accepted.
#[rustfmt::skip]
const VERSIONS: &[Malformed] = &[
    head(505, "HTTP/2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    head(505, "HTTP/2", b"GET / HTTP/2\r\nHost: a\r\n\r\n"),
    head(505, "HTTP/3", b"GET / HTTP/3\r\nHost: a\r\n\r\n"),
    head(505, "HTTP/3.0", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
    head(505, "HTTP/9.9", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n"),
    head(505, "HTTP/0.9", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/1.10", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/1.2 and more", b"GET / HTTP/1.2 x\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/1.2 without Host", b"GET / HTTP/1.2\r\n\r\n"),
    head(400, "HTTP/1.2 with a target that is none", b"GET a HTTP/1.2\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/1.2 with two spaces", b"GET  / HTTP/1.2\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/1.2 with a field that is none", b"GET / HTTP/1.2\r\nHost: a\r\nx y: z\r\n\r\n"),
    head(400, "HTTP/1", b"GET / HTTP/1\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/1.", b"GET / HTTP/1.\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/1.1.1", b"GET / HTTP/1.1.1\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/01.1", b"GET / HTTP/01.1\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/11", b"GET / HTTP/11\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/1,1", b"GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
    head(400, "HTTP/-1.1", b"GET / HTTP/-1.1\r\nHost: a\r\n\r\n"),
    head(400, "HTTP 1.1", b"GET / HTTP 1.1\r\nHost: a\r\n\r\n"),
    head(400, "a version in lowercase", b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a version in mixed case", b"GET / Http/1.1\r\nHost: a\r\n\r\n"),
    head(400, "another protocol", b"GET / RTSP/1.0\r\nHost: a\r\n\r\n"),
    head(400, "letters in the version", b"GET / HTTP/x.y\r\nHost: a\r\n\r\n"),
];

/// Targets (RFC 9112 §3.2): four forms, each with its methods.
#[rustfmt::skip]
const TARGETS: &[Malformed] = &[
    head(400, "a relative path", b"GET a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a path that begins with a backslash", b"GET \\a HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a query alone", b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a fragment", b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a fragment in absolute form", b"GET http://a/#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "an asterisk for GET", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "an asterisk and more", b"OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "an asterisk behind a slash-less host", b"OPTIONS a* HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "authority form for GET", b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(501, "CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    head(501, "CONNECT to ourselves", b"CONNECT localhost:8080 HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "CONNECT with a path", b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "CONNECT in absolute form", b"CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "CONNECT with user information", b"CONNECT b@a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "user information", b"GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "user and password", b"GET http://b:c@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "empty user information", b"GET http://@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "no host in absolute form", b"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a port alone in absolute form", b"GET http://:80/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a port out of range", b"GET http://a:65536/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a port of letters", b"GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a backslash in the authority", b"GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "an encoded host", b"GET http://%61/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "an open bracket", b"GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "one slash behind the scheme", b"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "no slash behind the scheme", b"GET http:a HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a scheme of files", b"GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "a scheme of scripts", b"GET javascript:a HTTP/1.1\r\nHost: a\r\n\r\n"),
    head(400, "absolute form without Host", b"GET http://a/ HTTP/1.1\r\n\r\n"),
];

/// Host fields (RFC 9112 §3.2): exactly one, and a valid one.
#[rustfmt::skip]
const HOSTS: &[Malformed] = &[
    head(400, "no Host", b"GET / HTTP/1.1\r\n\r\n"),
    head(400, "no Host but others", b"GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    head(400, "two", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    head(400, "two of the same", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    head(400, "two in different case", b"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n"),
    head(400, "two in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    head(400, "an empty one", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    head(400, "one of spaces", b"GET / HTTP/1.1\r\nHost:   \r\n\r\n"),
    head(400, "a list", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    head(400, "a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    head(400, "user information in Host", b"GET / HTTP/1.1\r\nHost: b@a\r\n\r\n"),
    head(400, "a URI in Host", b"GET / HTTP/1.1\r\nHost: http://a\r\n\r\n"),
    head(400, "a space in Host", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    head(400, "markup in Host", b"GET / HTTP/1.1\r\nHost: <a>\r\n\r\n"),
    head(400, "a quote in Host", b"GET / HTTP/1.1\r\nHost: \"a\"\r\n\r\n"),
    head(400, "UTF-8 in Host", b"GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"),
    head(400, "percent-encoding in Host", b"GET / HTTP/1.1\r\nHost: a%00b\r\n\r\n"),
    head(400, "a port of letters in Host", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    head(400, "two ports", b"GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"),
    head(400, "a port beyond 16 bits", b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"),
    head(400, "a negative port", b"GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n"),
    head(400, "a port alone", b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    head(400, "empty brackets", b"GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
    head(400, "a name in brackets", b"GET / HTTP/1.1\r\nHost: [localhost]\r\n\r\n"),
    head(400, "text behind brackets", b"GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n"),
    head(400, "an address without brackets", b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"),
    head(400, "a bad one beside absolute form", b"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
];

/// Field lines (RFC 9112 §5): `field-name ":" OWS field-value OWS`.
#[rustfmt::skip]
const FIELDS: &[Malformed] = &[
    head(400, "a space before the colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    head(400, "a tab before the colon", b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"),
    head(400, "no colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    head(400, "no name", b"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n"),
    head(400, "a space in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n"),
    head(400, "a separator in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX(Y): z\r\n\r\n"),
    head(400, "a slash in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX/Y: z\r\n\r\n"),
    head(400, "UTF-8 in a name", b"GET / HTTP/1.1\r\nHost: a\r\n\xc3\xa4: z\r\n\r\n"),
    head(400, "a pseudo-header field", b"GET / HTTP/1.1\r\nHost: a\r\n:path: /b\r\n\r\n"),
    head(400, "a folded line (obs-fold)", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"),
    head(400, "a line folded with a tab", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n"),
    head(400, "a folded Host", b"GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n"),
    head(400, "a space before the first name", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    head(400, "a tab before the first name", b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n"),
    head(400, "a folded empty line", b"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n"),
    head(400, "a folded coding",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    head(400, "a space before the colon of a length",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 35\r\n\r\n"),
    head(400, "a space before the colon of a coding",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    head(400, "a tab before the colon of a coding",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    head(400, "NUL behind the name of a coding",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n"),
];

/// Content lengths (RFC 9112 §6.2, §6.3): one, in decimal.
#[rustfmt::skip]
const LENGTHS: &[Malformed] = &[
    head(400, "a signed length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
    head(400, "a negative length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello"),
    head(400, "a negative zero", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n"),
    head(400, "a list of equal lengths",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5\r\n\r\nhello"),
    head(400, "a list of different lengths",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello"),
    head(400, "an empty length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello"),
    head(400, "a length of spaces", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  \r\n\r\n"),
    head(400, "2^64",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\nhello"),
    head(400, "2^64 + 5",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nhello"),
    head(400, "10^30",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000000000000000000000\r\n\r\n"),
    head(400, "a hexadecimal length",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
    head(400, "a length in hexadecimal digits",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: a\r\n\r\nhellohello"),
    head(400, "a fraction", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello"),
    head(400, "an exponent", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5e0\r\n\r\nhello"),
    head(400, "a quoted length",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \"5\"\r\n\r\nhello"),
    head(400, "a length with a unit", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5b\r\n\r\nhello"),
    head(400, "digits apart", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\nhello"),
    head(400, "an underscore between digits",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\nhello"),
    head(400, "digits of another script",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa3\r\n\r\nhello"),
    head(400, "two equal lengths",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    head(400, "two different lengths",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 35\r\n\r\n"),
    head(400, "two lengths in different case",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\ncontent-length: 35\r\n\r\n"),
    head(400, "a second length that is empty",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\nContent-Length:\r\n\r\n"),
    head(400, "a tab before the length",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t5\r\n\r\nhello"),
    head(400, "a tab behind the length",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\t\r\n\r\nhello"),
    head(400, "a malformed length of GET",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 35a\r\n\r\n"),
    head(411, "HTTP/1.0 with a body of unknown length", b"POST / HTTP/1.0\r\nHost: a\r\n\r\n"),
];

/// Heads that are larger than allowed.
#[rustfmt::skip]
const LIMITS: &[Malformed] = &[
    long(414, "a target without end", b"GET /", (b"a", 20_000), b""),
    long(414, "a request line over 8 KiB", b"GET /", (b"a", 8_192 - 13), b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    long(414, "a long query", b"GET /?", (b"a=b&", 2_048), b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    long(431, "a value without end", b"GET / HTTP/1.1\r\nHost: a\r\nX: ", (b"y", 20_000), b""),
    long(431, "a name without end", b"GET / HTTP/1.1\r\nHost: a\r\n", (b"x", 20_000), b""),
    long(431, "a head over 16 KiB", b"GET / HTTP/1.1\r\nHost: a\r\nX: ", (b"y", 16 << 10), b"\r\n\r\n"),
    long(431, "101 fields", b"GET / HTTP/1.1\r\nHost: a\r\n", (b"X: y\r\n", 100), b"\r\n"),
    long(431, "fields without end", b"GET / HTTP/1.1\r\nHost: a\r\n", (b"X: y\r\n", 5_000), b""),
    long(431, "fields without names or end", b"GET / HTTP/1.1\r\n", (b":\r\n", 5_000), b""),
    long(431, "cookies without end", b"GET / HTTP/1.1\r\nHost: a\r\n",
        (b"Cookie: abcdefghijklmnopqrstuvwxyz=0123456789\r\n", 1_000), b""),
];

/// Expectations (RFC 9110 §10.1.1): there is only one.
#[rustfmt::skip]
const EXPECTATIONS: &[Malformed] = &[
    head(417, "an unknown expectation",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 5\r\n\r\nhello"),
    head(417, "an unknown expectation without a body",
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"),
    head(417, "an unknown expectation beside the known one",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: more\r\nContent-Length: 5\r\n\r\nhello"),
    head(417, "an empty expectation",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect:\r\nContent-Length: 5\r\n\r\nhello"),
];
