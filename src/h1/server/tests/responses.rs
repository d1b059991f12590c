//! Responses as they are written (RFC 9112 §4, §6, §7.1).

use super::*;
use crate::h1::{ContentEnd, Version};

const KEEP_ALIVE: &str = "connection: keep-alive\r\nkeep-alive: timeout=75, max=999\r\n";

fn asked(request: &str) -> TestCaller {
    let mut caller = TestCaller::new();
    caller.receive(request.as_bytes()).expect(request);
    caller
}

fn get() -> TestCaller {
    asked("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn get_1_0() -> TestCaller {
    asked("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
}

fn head() -> TestCaller {
    asked("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn a_response_of_known_length_has_it_in_its_head() {
    let mut caller = get();
    let fields = [("content-type", "text/plain"), ("date", "today")];
    caller.respond_with(200, &fields, BodyLength::Known(5));
    caller.send(b"he", false);
    caller.send(b"", false);
    caller.send(b"llo", true);
    let expected = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: today\r\ncontent-length: 5\r\n\
         {KEEP_ALIVE}\r\nhello"
    );
    assert_eq!(caller.sent(), expected);
}

#[test]
fn a_status_without_a_phrase_keeps_the_space_before_it() {
    let mut caller = get();
    caller.respond(299, b"");
    assert!(caller.sent().starts_with("HTTP/1.1 299 \r\n"));
}

#[test]
fn a_response_of_unknown_length_is_chunked() {
    let mut caller = get();
    caller.respond_with(200, &[("content-length", "9")], BodyLength::Unknown);
    caller.send(b"hello", false);
    caller.send(b"", false);
    caller.send(b"you", true);
    let expected = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{KEEP_ALIVE}\r\n\
         00000005\r\nhello\r\n00000003\r\nyou\r\n0\r\n\r\n"
    );
    assert_eq!(caller.sent(), expected);
    assert!(!caller.connection.wants_close());
}

#[test]
fn an_end_without_data_is_the_last_chunk_alone() {
    let mut caller = get();
    caller.respond_with(200, &[], BodyLength::Unknown);
    caller.send(b"", true);
    assert!(caller.sent().ends_with("\r\n\r\n0\r\n\r\n"));
    let mut caller = get();
    caller.respond_with(200, &[], BodyLength::Unknown);
    caller.connection.commit(true, caller.now);
    assert!(caller.sent().ends_with("\r\n\r\n0\r\n\r\n"));
}

#[test]
fn chunk_overhead_is_what_chunks_take_besides_their_data() {
    let mut caller = get();
    caller.respond_with(200, &[], BodyLength::Unknown);
    caller.sent();
    caller.send(&[b'a'; 1_000], true);
    assert_eq!(caller.sent().len(), 1_000 + crate::h1::CHUNK_OVERHEAD);
}

/// RFC 9112 §6.3: nothing else can tell an HTTP/1.0 client where content of unknown length ends.
#[test]
fn unknown_length_ends_with_the_connection_for_http_1_0() {
    let mut caller = get_1_0();
    caller.respond_with(200, &[], BodyLength::Unknown);
    caller.send(b"hello", false);
    caller.send(b" you", true);
    let expected = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello you";
    assert_eq!(caller.sent(), expected);
    assert!(caller.connection.wants_close());
}

/// RFC 9112 §8: an end in order would complete what is missing.
#[test]
fn content_of_unknown_length_is_missing_for_http_1_0_until_all_of_it_is_in_the_output() {
    for (is_whole, expected) in [(false, ContentEnd::Missing), (true, ContentEnd::ByClose)] {
        let mut caller = get_1_0();
        assert_eq!(caller.connection.content_end(), ContentEnd::Told);
        caller.respond_with(200, &[], BodyLength::Unknown);
        caller.send(b"hello", is_whole);
        assert_eq!(caller.connection.content_end(), expected);
        // Neither an order to end nor the end itself makes it whole.
        caller.connection.shutdown();
        caller.connection.abort();
        assert_eq!(caller.connection.content_end(), expected);
    }
    for mut caller in [get(), get_1_0()] {
        let length = match caller.connection.version() {
            Version::Http10 => BodyLength::Known(9),
            Version::Http11 => BodyLength::Unknown,
        };
        caller.respond_with(200, &[], length);
        caller.send(b"hello", false);
        caller.connection.abort();
        assert_eq!(caller.connection.content_end(), ContentEnd::Told);
    }
}

#[test]
fn known_length_keeps_an_http_1_0_connection() {
    let mut caller = get_1_0();
    caller.respond(200, b"hi");
    assert!(caller.sent().contains(KEEP_ALIVE));
    assert!(!caller.connection.wants_close());
}

/// RFC 9110 §9.3.2
#[test]
fn head_gets_the_head_of_get() {
    for (length, expected) in [
        (BodyLength::None, "content-length: 5\r\n"),
        (BodyLength::Known(7), "content-length: 7\r\n"),
        (BodyLength::Unknown, ""),
    ] {
        let mut caller = head();
        caller.respond_with(200, &[("content-length", "5")], length);
        // The response is complete: what is sent nevertheless goes nowhere.
        caller.send(b"hello", true);
        let expected = format!("HTTP/1.1 200 OK\r\n{expected}{KEEP_ALIVE}\r\n");
        assert_eq!(caller.sent(), expected);
        assert!(!caller.connection.wants_close());
        caller
            .receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        assert!(caller.connection.awaiting_response());
    }
}

/// RFC 9110 §8.6, §15.4.5
#[test]
fn statuses_without_content_have_none() {
    for (status, phrase, length) in [
        (204, "No Content", ""),
        (304, "Not Modified", "content-length: 5\r\n"),
    ] {
        let mut caller = get();
        caller.respond_with(status, &[("content-length", "5")], BodyLength::None);
        caller.send(b"hello", true);
        let expected = format!("HTTP/1.1 {status} {phrase}\r\n{length}{KEEP_ALIVE}\r\n");
        assert_eq!(caller.sent(), expected);
    }
}

/// Without a length the client would wait for the end of the connection.
#[test]
fn no_content_where_some_is_expected_has_a_length_of_zero() {
    let mut caller = get();
    caller.respond_with(200, &[], BodyLength::None);
    let expected = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{KEEP_ALIVE}\r\n");
    assert_eq!(caller.sent(), expected);
    caller.receive(b"").unwrap();
    assert!(caller.connection.is_idle());
}

/// RFC 9112 §8: padding would be a lie, and so would a connection that goes on.
#[test]
fn a_response_shorter_than_promised_is_cut_off() {
    let mut caller = get();
    caller.respond_with(200, &[], BodyLength::Known(5));
    caller.send(b"hell", true);
    assert!(caller.sent().ends_with("\r\n\r\nhell"));
    assert!(caller.connection.wants_close());
}

#[test]
fn a_response_longer_than_promised_is_not_sent_beyond_its_length() {
    let mut caller = get();
    caller.respond_with(200, &[], BodyLength::Known(5));
    caller.send(b"hel", false);
    caller.send(b"lo you", true);
    assert!(caller.sent().ends_with("\r\n\r\nhello"));
    assert!(!caller.connection.wants_close());
}

#[test]
fn an_aborted_response_ends_in_the_middle() {
    for length in [BodyLength::Known(10), BodyLength::Unknown] {
        let mut caller = get();
        caller.respond_with(200, &[], length);
        caller.send(b"hello", false);
        let before = caller.sent();
        caller.connection.begin_data(100).extend_from_slice(b"half");
        caller.connection.abort();
        assert_eq!(caller.sent(), "");
        assert!(before.contains("hello"));
        assert!(caller.connection.wants_close());
    }
}

#[test]
fn what_was_not_committed_is_replaced_by_the_next_data() {
    for length in [BodyLength::Known(3), BodyLength::Unknown] {
        let mut caller = get();
        caller.respond_with(200, &[], length);
        caller.sent();
        caller.connection.begin_data(100).extend_from_slice(b"half");
        caller.send(b"new", true);
        let output = caller.sent();
        assert!(
            output.contains("new") && !output.contains("half"),
            "{output}"
        );
        assert!(!caller.connection.wants_close());
    }
}

#[test]
fn fields_of_the_connection_and_of_http_2_are_not_the_callers_to_send() {
    let mut caller = get();
    let fields = [
        (":status", "200"),
        (":authority", "b"),
        ("Connection", "upgrade"),
        ("keep-alive", "timeout=1"),
        ("transfer-encoding", "gzip"),
        ("upgrade", "h2c"),
        ("x", "y"),
        ("content-length", "1"),
        ("bad", "a\r\nset-cookie: b"),
    ];
    caller.respond_with(200, &fields, BodyLength::Known(0));
    let expected = format!("HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 0\r\n{KEEP_ALIVE}\r\n");
    assert_eq!(caller.sent(), expected);
}

#[test]
fn there_is_one_final_response_to_a_request() {
    let mut caller = TestCaller::new();
    caller.respond(200, b"unasked");
    assert_eq!(caller.sent(), "");
    caller
        .receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    caller.respond(200, b"1");
    caller.sent();
    caller.respond(200, b"2");
    assert_eq!(caller.sent(), "");
}

/// RFC 9110 §15.2
#[test]
fn interim_responses_come_before_the_final_one() {
    let mut caller = get();
    caller.respond_with(103, &[("link", "</a>")], BodyLength::None);
    assert_eq!(
        caller.sent(),
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    );
    assert!(caller.connection.awaiting_response());
    caller.respond(200, b"ok");
    assert!(caller.sent().ends_with("ok"));

    let mut old = get_1_0();
    old.respond_with(103, &[], BodyLength::None);
    assert_eq!(old.sent(), "");
    assert!(old.connection.awaiting_response());
}

#[test]
fn a_refusal_is_a_complete_response_and_the_last() {
    let mut caller = asked("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    caller.connection.refuse(413);
    let output = caller.sent();
    assert!(output.starts_with("HTTP/1.1 413 Content Too Large\r\n"));
    assert!(output.ends_with("connection: close\r\n\r\n413 Content Too Large\n"));
    assert!(caller.connection.wants_close());

    let mut begun = get();
    begun.respond_with(200, &[], BodyLength::Known(5));
    begun.sent();
    begun.connection.refuse(500);
    assert_eq!(begun.sent(), "");
    assert!(begun.connection.wants_close());
}

#[test]
fn a_lent_buffer_is_written_behind_what_was_there() {
    let mut caller = get();
    caller.connection.send_head(200, None, BodyLength::Known(2));
    let mut buffer = Vec::with_capacity(4_096);
    let address = buffer.as_ptr();
    buffer.clear();
    caller.connection.lend_output(buffer);
    caller.connection.begin_data(2).extend_from_slice(b"ok");
    caller.connection.commit(true, caller.now);
    let output = caller.connection.take_output();
    assert_eq!(output.as_ptr(), address);
    assert!(output.starts_with(b"HTTP/1.1 200 OK\r\n") && output.ends_with(b"\r\n\r\nok"));
}
