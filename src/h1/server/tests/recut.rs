//! Input that is cut into pieces: events and output are equal for all cuts.

use super::malformed::{self, SMUGGLED};
use super::*;

/// Events, output, and true if the connection was closed.
type RequestOutcome = (Vec<String>, String, bool);

/// The outcome of input that comes in pieces that end at these places, and then ends.
pub(super) fn outcome(input: &[u8], ends: impl IntoIterator<Item = usize>) -> RequestOutcome {
    let mut caller = TestCaller::new();
    let mut start = 0;
    for end in ends.into_iter().chain([input.len()]) {
        if caller.serve(&input[start..end]).is_err() {
            break;
        }
        start = end;
    }
    let _ = caller.connection.finish_input();
    let output = caller.sent();
    (caller.events(), output, caller.connection.wants_close())
}

#[track_caller]
fn assert_uncut(name: &str, input: &[u8]) {
    let whole = outcome(input, []);
    let bytes = outcome(input, 1..input.len());
    assert_eq!(whole, bytes, "{name}, byte by byte");
    // Long inputs repeat themselves in the middle.
    let edge = 300;
    let near_an_end =
        |at: &usize| *at < edge || *at + edge > input.len() || at.is_multiple_of(1_021);
    for at in (1..input.len()).filter(near_an_end) {
        assert_eq!(whole, outcome(input, [at]), "{name}, cut at {at}");
    }
}

#[test]
fn malformed_requests() {
    for case in malformed::all() {
        assert_uncut(case.name, &[&case.bytes(), SMUGGLED].concat());
    }
}

#[test]
fn malformed_requests_behind_a_good_one() {
    let good = b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
    for case in malformed::all() {
        let input = [good, case.bytes().as_slice(), SMUGGLED].concat();
        if input.len() < 1_000 {
            let (events, output, closed) = outcome(&input, []);
            assert_eq!(events[0], "GET http a /good end");
            assert!(output.starts_with("HTTP/1.1 200 OK\r\n"));
            assert!(closed, "{}", case.name);
            assert_uncut(case.name, &input);
        }
    }
}

#[test]
fn well_formed_requests() {
    let cases: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\nX:\ty\r\n\r\n\r\nHEAD / HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
          5;a=b\r\nhello\r\n0003\r\nyou\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
          5\r\nhello\r\n0\r\nX: y\r\nY: z\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
    ];
    for case in cases {
        assert_uncut(&case.escape_ascii().to_string(), case);
    }
}
