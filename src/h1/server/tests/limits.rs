//! Limits hold exactly at their edges.

use super::*;

fn result(request: &[u8]) -> Result<(), Error> {
    TestCaller::new().receive(request)
}

#[test]
fn a_request_line_may_have_8_kib() {
    let request = |length: usize| {
        let target = "a".repeat(length - "GET / HTTP/1.1".len());
        format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n")
    };
    assert_eq!(result(request(8 << 10).as_bytes()), Ok(()));
    let error = Err(Error::RequestLineTooLong);
    assert_eq!(result(request((8 << 10) + 1).as_bytes()), error);
}

#[test]
fn a_request_line_is_refused_at_the_byte_too_many() {
    let mut caller = TestCaller::new();
    caller.receive(&[b'G'; 3]).unwrap();
    caller.receive(b" ").unwrap();
    caller.receive(&[b'/'; 8_188]).unwrap();
    assert_eq!(caller.receive(b"/"), Err(Error::RequestLineTooLong));
}

#[test]
fn a_head_may_have_16_kib() {
    let request = |length: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        let value = "y".repeat(length - rest);
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {value}\r\n\r\n")
    };
    assert_eq!(result(request(16 << 10).as_bytes()), Ok(()));
    let error = Err(Error::HeadTooLarge);
    assert_eq!(result(request((16 << 10) + 1).as_bytes()), error);
    // Empty lines before it do not count.
    let preceded = ["\r\n", &request(16 << 10)].concat();
    assert_eq!(result(preceded.as_bytes()), Ok(()));
}

#[test]
fn a_head_may_have_100_fields() {
    let request = |count: usize| {
        let fields = "X: y\r\n".repeat(count - 1);
        format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
    };
    assert_eq!(result(request(100).as_bytes()), Ok(()));
    assert_eq!(result(request(101).as_bytes()), Err(Error::TooManyFields));
}

#[test]
fn more_fields_than_the_parser_has_room_for_are_too_many() {
    let mut caller = TestCaller::with(|config| config.head_fields = 1_000);
    let request = |count: usize| {
        let fields = "X: y\r\n".repeat(count - 1);
        format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
    };
    caller.serve(request(128).as_bytes()).unwrap();
    let result = caller.serve(request(129).as_bytes());
    assert_eq!(result, Err(Error::TooManyFields));
}

#[test]
fn a_head_may_have_1000_lines_of_cookie_beside_its_fields() {
    let request = |fields: usize, crumbs: usize| {
        let fields = "X: y\r\n".repeat(fields - 1);
        let crumbs = "Cookie: name=value\r\n".repeat(crumbs);
        format!("GET / HTTP/1.1\r\nHost: a\r\n{crumbs}{fields}\r\n")
    };
    assert_eq!(result(request(100, 1_000).as_bytes()), Ok(()));
    let error = Err(Error::TooManyFields);
    assert_eq!(result(request(100, 1_001).as_bytes()), error);
    assert_eq!(result(request(101, 1_000).as_bytes()), error);
    // They are as long as one line of them all.
    let joined = |crumbs: usize| {
        let crumbs = format!("Cookie: {}\r\n", "a".repeat(100)).repeat(crumbs);
        format!("GET / HTTP/1.1\r\nHost: a\r\n{crumbs}\r\n")
    };
    assert_eq!(result(joined(160).as_bytes()), Ok(()));
    assert_eq!(result(joined(161).as_bytes()), Err(Error::HeadTooLarge));
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn trailers_are_bounded_as_a_head_is() {
    let section = |count: usize| format!("{CHUNKED}0\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert_eq!(result(section(100).as_bytes()), Ok(()));
    assert_eq!(result(section(101).as_bytes()), Err(Error::TooManyFields));
    let long = |length: usize| {
        let value = "y".repeat(length - "X: \r\n\r\n".len());
        format!("{CHUNKED}0\r\nX: {value}\r\n\r\n")
    };
    assert_eq!(result(long(16 << 10).as_bytes()), Ok(()));
    let error = Err(Error::HeadTooLarge);
    assert_eq!(result(long((16 << 10) + 1).as_bytes()), error);
}

#[test]
fn the_extensions_of_a_body_may_have_16_kib() {
    let body = |length: usize| format!("{CHUNKED}1;{}\r\na\r\n0\r\n\r\n", "e".repeat(length - 1));
    assert_eq!(result(body(16 << 10).as_bytes()), Ok(()));
    let error = Err(Error::ChunkExtensions);
    assert_eq!(result(body((16 << 10) + 1).as_bytes()), error);
    let many = |count: usize| format!("{CHUNKED}{}0\r\n\r\n", "1;e\r\na\r\n".repeat(count));
    assert_eq!(result(many(8 << 10).as_bytes()), Ok(()));
    assert_eq!(result(many((8 << 10) + 1).as_bytes()), error);
}

#[test]
fn extensions_are_counted_for_each_body() {
    let mut caller = TestCaller::new();
    for _ in 0..3 {
        let body = format!("{CHUNKED}1;{}\r\na\r\n0\r\n\r\n", "e".repeat(10_000));
        caller.serve(body.as_bytes()).unwrap();
    }
}

#[test]
fn a_method_may_be_longer_than_any_that_exists() {
    let request = |length| format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(length));
    assert_eq!(result(request(32).as_bytes()), Ok(()));
    assert_eq!(result(request(33).as_bytes()), Err(Error::MethodTooLong));
}

/// A client that sends byte by byte costs no more than one that sends all at once: every byte is
/// looked at once.
#[test]
fn garbage_is_refused_before_a_line_is_complete() {
    assert_eq!(result(b"\x16"), Err(Error::Method));
    assert_eq!(result(b"{"), Err(Error::Method));
    assert_eq!(
        result(b"GET / HTTP/1.1\r\nA\0"),
        Err(Error::ControlCharacter)
    );
    assert_eq!(result(b"\n"), Err(Error::Method));
}
