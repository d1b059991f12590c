//! Bodies of requests (RFC 9112 §6, §7.1; RFC 9110 §10.1.1).

use super::*;

fn chunked(chunks: &str) -> Vec<u8> {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    [head, chunks].concat().into_bytes()
}

fn body_events(request: &[u8]) -> Vec<String> {
    let mut caller = TestCaller::new();
    caller.receive(request).expect("well-formed");
    assert!(caller.input.is_empty());
    caller.events().split_off(1)
}

#[test]
fn a_body_of_known_length_ends_with_its_last_byte() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let mut caller = TestCaller::new();
    caller.receive(head.as_bytes()).unwrap();
    assert!(caller.connection.is_reading_body());
    caller.receive(b"hel").unwrap();
    assert_eq!(caller.events()[1..], ["data hel"]);
    caller.receive(b"loGET").unwrap();
    assert_eq!(caller.events(), ["data lo end"]);
    assert!(!caller.connection.is_reading_body());
    assert_eq!(caller.input, b"GET");
}

#[test]
fn a_length_of_zero_is_no_body() {
    let mut caller = TestCaller::new();
    caller
        .receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    assert_eq!(caller.events(), ["POST http a / | content-length: 0 end"]);
}

#[test]
fn get_may_have_a_body() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(body_events(request), ["data hi end"]);
}

#[test]
fn the_largest_length_is_no_overflow() {
    let mut caller = TestCaller::new();
    caller
        .receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nhi")
        .unwrap();
    assert_eq!(caller.events()[1..], ["data hi"]);
}

#[test]
fn chunks_lose_their_framing() {
    for (chunks, expected) in [
        ("0\r\n\r\n", "data  end"),
        ("5\r\nhello\r\n0\r\n\r\n", "data hello end"),
        ("1\r\nh\r\n4\r\nello\r\n000\r\n\r\n", "data hello end"),
        ("A\r\n0123456789\r\n0\r\n\r\n", "data 0123456789 end"),
        ("00000000000000001\r\n", ""),
        (
            "000000000000000a\r\n0123456789\r\n0\r\n\r\n",
            "data 0123456789 end",
        ),
        ("2;a\r\nhi\r\n0;b=c\r\n\r\n", "data hi end"),
        ("2 ; a = \"b;c d\"\r\nhi\r\n0\r\n\r\n", "data hi end"),
        ("2\t;\ta;d\r\n\r\n\r\n0\r\n\r\n", r"data \r\n end"),
    ] {
        if expected.is_empty() {
            assert_eq!(
                TestCaller::new().receive(&chunked(chunks)),
                Err(Error::Chunk)
            );
        } else {
            assert_eq!(body_events(&chunked(chunks)), [expected], "{chunks}");
        }
    }
}

/// RFC 9110 §6.5.1
#[test]
fn trailers_come_last_and_cannot_frame_or_route() {
    let trailers = "0\r\nX-Sum: 1\r\nContent-Length: 9\r\nHost: b\r\nConnection: close\r\n\
                    Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    let request = chunked(&format!("2\r\nhi\r\n{trailers}"));
    assert_eq!(body_events(&request), ["data hi", "trailers x-sum: 1 end"]);
}

#[test]
fn what_follows_a_chunked_body_is_the_next_request() {
    let mut caller = TestCaller::new();
    let body = "5\r\nGET /\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    caller.serve(&chunked(body)).unwrap();
    let expected = ["POST http a /", "data GET / end", "GET http a /next end"];
    assert_eq!(caller.events(), expected);
}

#[test]
fn an_incomplete_chunk_header_keeps_no_input() {
    let mut caller = TestCaller::new();
    caller.receive(&chunked("0000")).unwrap();
    assert!(caller.input.is_empty());
    caller.receive(b"5;abc=\"d").unwrap();
    assert!(caller.input.is_empty());
    caller.receive(b"\"\r").unwrap();
    assert!(caller.input.is_empty());
}

const EXPECTING: &[u8] =
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n";

#[test]
fn one_100_is_sent_to_a_client_that_waits() {
    let mut caller = TestCaller::new();
    caller.receive(EXPECTING).unwrap();
    assert!(caller.events()[0].ends_with("(expects 100)"));
    caller.connection.send_continue();
    caller.connection.send_continue();
    assert_eq!(caller.sent(), "HTTP/1.1 100 Continue\r\n\r\n");
    caller.receive(b"hello").unwrap();
    caller.connection.send_continue();
    caller.respond(200, b"");
    caller.connection.send_continue();
    let output = caller.sent();
    assert!(output.starts_with("HTTP/1.1 200 "));
    assert!(output.contains("connection: keep-alive"));
    assert!(!output.contains("100 Continue"));
}

#[test]
fn no_100_is_sent_to_a_client_that_does_not_wait() {
    let mut caller = TestCaller::new();
    caller.receive(EXPECTING).unwrap();
    caller.receive(b"h").unwrap();
    caller.connection.send_continue();
    assert_eq!(caller.sent(), "");
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: miracles\r\n\r\n",
    ] {
        let mut caller = TestCaller::new();
        caller.receive(request.as_bytes()).unwrap();
        assert!(!caller.events()[0].contains("expects"));
        caller.connection.send_continue();
        assert_eq!(caller.sent(), "");
    }
}

#[test]
fn a_final_status_instead_of_100_closes_since_the_body_may_come_or_not() {
    for discard in [false, true] {
        let mut caller = TestCaller::new();
        caller.receive(EXPECTING).unwrap();
        if discard {
            caller.connection.discard_body();
        }
        caller.respond(404, b"");
        assert!(caller.sent().contains("connection: close"));
        assert!(caller.connection.wants_close());
        caller.serve(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(caller.sent(), "");
    }
}

#[test]
fn a_body_that_nobody_reads_is_drained_and_never_a_request() {
    let inner = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        inner.len()
    );
    let next = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut caller = TestCaller::new();
    caller.receive(head.as_bytes()).unwrap();
    caller.connection.discard_body();
    assert!(!caller.connection.is_reading_body());
    caller.respond(405, b"");
    assert!(caller.sent().contains("connection: keep-alive"));
    caller.serve(inner).unwrap();
    caller.serve(next).unwrap();
    assert_eq!(caller.events()[1..], ["GET http a /next end"]);
}

#[test]
fn a_chunked_body_with_trailers_is_drained_too() {
    let mut caller = TestCaller::new();
    caller.receive(&chunked("")).unwrap();
    caller.connection.discard_body();
    caller.respond(405, b"");
    caller
        .serve(b"5;a\r\nGET /\r\n0\r\nX: y\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert_eq!(caller.events()[1..], ["GET http a /next end"]);
}

#[test]
fn a_body_that_is_drained_before_the_response_is_answered_afterwards() {
    let mut caller = TestCaller::new();
    caller.receive(&chunked("")).unwrap();
    caller.connection.discard_body();
    caller.serve(b"1\r\na\r\n0\r\n\r\n").unwrap();
    assert!(caller.connection.awaiting_response());
    caller.respond(405, b"");
    assert!(caller.connection.next_deadline().is_some());
    assert!(!caller.connection.wants_close());
}

#[test]
fn a_known_length_over_the_drain_limit_closes_after_the_response() {
    for (length, connection) in [(64 << 10, "keep-alive"), ((64 << 10) + 1, "close")] {
        let mut caller = TestCaller::new();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        caller.receive(head.as_bytes()).unwrap();
        caller.connection.discard_body();
        caller.respond(405, b"");
        let expected = format!("connection: {connection}\r\n");
        assert!(caller.sent().contains(&expected), "{length}");
        assert_eq!(caller.connection.wants_close(), connection == "close");
    }
}

#[test]
fn a_body_of_unknown_length_is_drained_up_to_the_limit() {
    let mut caller = TestCaller::with(|config| config.drain_bytes = 100);
    caller.receive(&chunked("")).unwrap();
    caller.connection.discard_body();
    caller.respond(405, b"");
    caller
        .receive(&[b"64\r\n".as_slice(), &[b'a'; 96]].concat())
        .unwrap();
    assert!(!caller.connection.wants_close());
    caller.receive(b"a").unwrap();
    assert!(caller.connection.wants_close());
    assert_eq!(caller.connection.next_deadline(), None);
}

#[test]
fn a_body_that_is_over_the_limit_before_the_response_leaves_the_response_whole() {
    let mut caller = TestCaller::with(|config| config.drain_bytes = 3);
    caller.receive(&chunked("")).unwrap();
    caller.connection.discard_body();
    caller.receive(b"5\r\nhello\r\n0\r\n\r\nGET").unwrap();
    assert!(caller.input.is_empty());
    caller.respond(405, b"no");
    assert!(caller.sent().ends_with("connection: close\r\n\r\nno"));
    assert!(caller.connection.wants_close());
}

#[test]
fn what_is_left_of_a_body_after_the_response_is_drained() {
    let mut caller = TestCaller::new();
    caller.receive(&chunked("5\r\nhello\r\n")).unwrap();
    caller.respond(200, b"enough");
    assert!(!caller.connection.is_reading_body());
    caller
        .serve(b"4\r\nmore\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert_eq!(caller.events().pop().unwrap(), "GET http a /next end");
}

#[test]
fn what_is_wrong_beyond_the_limit_is_not_found_however_the_input_is_cut() {
    // Seventeen digits are malformed.
    for (limit, is_error) in [(16, true), (15, false)] {
        for piece in [1, 7, 100] {
            let mut caller = TestCaller::with(|config| config.drain_bytes = limit);
            caller.receive(&chunked("")).unwrap();
            caller.connection.discard_body();
            let body = [b'1'; 40];
            let found = body
                .chunks(piece)
                .any(|piece| caller.receive(piece).is_err());
            assert_eq!(found, is_error, "a limit of {limit}, pieces of {piece}");
        }
    }
}
