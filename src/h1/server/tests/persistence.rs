//! One connection, many requests (RFC 9112 §9).

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// The connection fields of the response to a request, and true if the connection closes.
fn persistence(request: &str) -> (String, bool) {
    let mut caller = TestCaller::new();
    caller.serve(request.as_bytes()).unwrap();
    let output = caller.sent();
    let fields = output.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        matches!(name, "connection" | "keep-alive")
    });
    let fields = fields.collect::<Vec<_>>().join(" ");
    (fields, caller.connection.wants_close())
}

#[test]
fn http_1_1_goes_on_unless_told_to_close() {
    let alive = (
        "connection: keep-alive keep-alive: timeout=75, max=999".to_owned(),
        false,
    );
    let closed = ("connection: close".to_owned(), true);
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &alive),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
            &alive,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, y\r\n\r\n",
            &alive,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            &closed,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x ,\tCLOSE\r\n\r\n",
            &closed,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n",
            &closed,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n",
            &closed,
        ),
        ("GET / HTTP/1.0\r\n\r\n", &closed),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &alive),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
            &closed,
        ),
    ] {
        assert_eq!(persistence(request), *expected, "{request}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut caller = TestCaller::new();
    let requests: String = (0..10)
        .map(|i| format!("GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    caller.serve(requests.as_bytes()).unwrap();
    let output = caller.sent();
    let paths: Vec<&str> = output
        .split("\r\n\r\n")
        .skip(1)
        .map(|part| &part[..2])
        .collect();
    assert_eq!(
        paths,
        ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9"]
    );
}

#[test]
fn a_request_is_not_looked_at_before_the_response_to_the_one_before_is_complete() {
    let mut caller = TestCaller::new();
    caller.receive(&[GET, GET].concat()).unwrap();
    assert_eq!(caller.events().len(), 1);
    assert_eq!(caller.input, GET);
    assert!(!caller.connection.wants_input());
    caller.respond_with(200, &[], BodyLength::Known(2));
    caller.receive(b"").unwrap();
    caller.send(b"o", false);
    caller.receive(b"").unwrap();
    assert_eq!(caller.events().len(), 0);
    caller.send(b"k", true);
    caller.receive(b"").unwrap();
    assert_eq!(caller.events().len(), 1);
    assert!(caller.input.is_empty());
}

#[test]
fn nothing_behind_a_request_that_closes_is_answered() {
    let mut caller = TestCaller::new();
    caller
        .serve(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert_eq!(caller.events().len(), 1);
    assert!(caller.input.is_empty());
}

#[test]
fn max_counts_down_and_the_last_request_closes() {
    let mut caller = TestCaller::with(|config| config.keep_alive_requests = 3);
    for expected in ["max=2", "max=1", "connection: close"] {
        assert!(!caller.connection.wants_close());
        caller.serve(GET).unwrap();
        assert!(caller.sent().contains(expected));
    }
    assert!(caller.connection.wants_close());
}

#[test]
fn a_timeout_of_zero_turns_keep_alive_off() {
    let mut caller = TestCaller::with(|config| config.keep_alive_timeout = Duration::ZERO);
    caller.serve(GET).unwrap();
    assert!(caller.sent().contains("connection: close"));
    assert!(caller.connection.wants_close());
}

#[test]
fn shutdown_closes_an_idle_connection_at_once_and_others_after_the_response() {
    let mut idle = TestCaller::new();
    idle.connection.shutdown();
    assert!(idle.connection.wants_close());

    let mut busy = TestCaller::new();
    busy.receive(GET).unwrap();
    busy.connection.shutdown();
    assert!(!busy.connection.wants_close());
    busy.respond(200, b"");
    assert!(busy.sent().contains("connection: close"));
    assert!(busy.connection.wants_close());

    let mut late = TestCaller::new();
    late.receive(GET).unwrap();
    late.respond_with(200, &[], BodyLength::Known(2));
    late.connection.shutdown();
    assert!(!late.connection.wants_close());
    late.send(b"ok", true);
    assert!(late.connection.wants_close());

    let mut begun = TestCaller::new();
    begun.receive(b"GET / HT").unwrap();
    begun.connection.shutdown();
    begun.serve(b"TP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(begun.sent().contains("connection: close"));
}

#[test]
fn the_end_of_the_server_waits_a_second_for_a_client_that_has_just_asked() {
    let mut recent = TestCaller::new();
    recent.serve(GET).unwrap();
    recent.connection.retire(recent.now);
    assert!(!recent.connection.wants_close());
    recent.serve(GET).unwrap();
    assert!(recent.sent().contains("connection: close"));
    assert!(recent.connection.wants_close());

    let mut silent = TestCaller::new();
    silent.serve(GET).unwrap();
    silent.connection.retire(silent.now);
    let deadline = silent.connection.next_deadline().unwrap();
    assert_eq!(deadline - silent.now, Duration::from_secs(1));
    silent.connection.handle_timeout(deadline).unwrap();
    assert!(silent.connection.wants_close());

    let mut idle = TestCaller::new();
    idle.serve(GET).unwrap();
    idle.connection.retire(idle.now + Duration::from_secs(1));
    assert!(idle.connection.wants_close(), "it has asked long ago");

    let mut fresh = TestCaller::new();
    fresh.connection.retire(fresh.now);
    assert!(fresh.connection.wants_close(), "it has never asked");
}

#[test]
fn a_peer_that_ends_its_side_still_gets_its_responses() {
    let mut caller = TestCaller::new();
    caller.input.extend_from_slice(&[GET, GET].concat());
    assert!(caller.step().unwrap());
    caller.connection.finish_input().unwrap();
    caller.respond(200, b"1");
    assert!(!caller.connection.wants_close());
    assert!(caller.step().unwrap());
    caller.connection.finish_input().unwrap();
    caller.respond(200, b"2");
    assert!(!caller.step().unwrap());
    assert!(caller.connection.wants_close());
    assert!(caller.sent().ends_with('2'));
}

#[test]
fn a_peer_that_ends_its_side_between_requests_is_closed_without_a_word() {
    for before in [b"".as_slice(), b"\r\n", b"\r", GET] {
        let mut caller = TestCaller::new();
        caller.serve(before).unwrap();
        caller.sent();
        assert_eq!(caller.connection.finish_input(), Ok(()));
        assert!(caller.connection.wants_close());
        assert_eq!(caller.sent(), "");
    }
}

#[test]
fn an_end_in_a_body_that_nobody_reads_spares_the_response() {
    let mut caller = TestCaller::new();
    caller
        .receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
        .unwrap();
    let mut other = TestCaller::new();
    other
        .receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        .unwrap();
    other.connection.discard_body();
    other.receive(b"he").unwrap();
    other.connection.finish_input().unwrap();
    other.respond(405, b"no");
    assert!(other.sent().ends_with("connection: close\r\n\r\nno"));
    assert!(other.connection.wants_close());
    assert_eq!(caller.connection.finish_input(), Err(Error::Incomplete));
}

#[test]
fn input_that_was_not_offered_yet_is_not_missing() {
    let mut caller = TestCaller::new();
    caller
        .input
        .extend_from_slice(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert!(caller.step().unwrap());
    caller.connection.finish_input().unwrap();
    assert!(caller.step().unwrap());
    assert_eq!(caller.events()[1..], ["data hi end"]);
}

#[test]
fn a_connection_is_idle_between_requests_only() {
    let mut caller = TestCaller::new();
    assert!(caller.connection.is_idle());
    caller.receive(b"\r\n").unwrap();
    assert!(caller.connection.is_idle());
    caller.receive(b"G").unwrap();
    assert!(!caller.connection.is_idle());
    caller.receive(b"ET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(!caller.connection.is_idle());
    assert!(caller.connection.awaiting_response());
    caller.respond(200, b"");
    assert!(
        !caller.connection.is_idle(),
        "the next one may be in the input"
    );
    caller.receive(b"").unwrap();
    assert!(caller.connection.is_idle());
}
