//! Input that is cut into pieces: the events are equal for all cuts.

use super::malformed::{self, SMUGGLED};
use super::*;
use proptest::prelude::*;

/// Events, the error or the state at the end, and the bytes that are left to a tunnel.
type ResponseOutcome = (Vec<String>, Result<(), ResponseError>, bool, Vec<u8>);

/// The outcome of a response that comes in pieces that end at these places, and then the end.
fn outcome(method: &str, input: &[u8], ends: impl IntoIterator<Item = usize>) -> ResponseOutcome {
    let mut asker = Asker::new();
    let upgrade = [("upgrade", "x")];
    let fields = if method == "UPGRADE" {
        &upgrade[..]
    } else {
        &[]
    };
    asker.ask(method, fields, BodyLength::None).expect("idle");
    let mut start = 0;
    let mut result = Ok(());
    for end in ends.into_iter().chain([input.len()]) {
        result = asker.receive(&input[start..end]);
        if result.is_err() {
            break;
        }
        start = end;
    }
    let result = result.and_then(|()| asker.finish());
    let closed = asker.connection.wants_close();
    // Behind an error nobody looks at it.
    let left = if asker.connection.is_tunnel() {
        std::mem::take(&mut asker.input)
    } else {
        Vec::new()
    };
    (asker.events(), result, closed, left)
}

#[track_caller]
fn assert_uncut(method: &str, input: &[u8]) {
    let name = input.escape_ascii();
    let whole = outcome(method, input, []);
    assert_eq!(
        whole,
        outcome(method, input, 1..input.len()),
        "{name}, byte by byte"
    );
    for at in 1..input.len() {
        assert_eq!(whole, outcome(method, input, [at]), "{name}, cut at {at}");
    }
}

#[test]
fn malformed_responses() {
    for case in malformed::all() {
        assert_uncut("GET", &[case.bytes, SMUGGLED].concat());
    }
}

#[test]
fn well_formed_responses() {
    let cases: [(&str, &[u8]); 11] = [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX:\ty\r\n\r\nhello"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0003\r\nyou\r\n0\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\nY: z\r\n\r\n"),
        ("GET", b"HTTP/1.0 200 OK\r\n\r\nuntil the end"),
        ("GET", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi and more"),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 \r\n\r\nHTTP/1.1 204\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\n\r\n"),
        ("UPGRADE", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        ("CONNECT", b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"),
    ];
    for (method, case) in cases {
        assert_uncut(method, case);
    }
}

/// Pieces that responses are made of, so that random input gets past the parser.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known: [&'static [u8]; 22] = [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n",
        b"HTTP/1.1 204\r\n",
        b"HTTP/1.1 304 \r\n",
        b"HTTP/1.",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive, x\r\n",
        b"X: y\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\t:",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"0\r\nX: y\r\n\r\n",
        b"hello",
    ];
    prop_oneof![
        9 => prop::sample::select(known.to_vec()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn cuts_make_no_difference(
        method in prop::sample::select(vec!["GET", "HEAD", "CONNECT", "UPGRADE"]),
        fragments in prop::collection::vec(fragment(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let input = fragments.concat();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        ends.sort_unstable();
        prop_assert_eq!(outcome(method, &input, []), outcome(method, &input, ends));
    }
}
