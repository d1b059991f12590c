//! Requests as they are written (RFC 9112 §3, §6, §7.1; RFC 9110 §7.6.1, §10.1.1).

use super::*;

#[test]
fn a_request_without_content_is_a_line_and_its_fields() {
    let mut asker = Asker::new();
    let fields = [("accept", "*/*"), ("x", "y\tz")];
    asker.ask("GET", &fields, BodyLength::None).unwrap();
    let expected = "GET / HTTP/1.1\r\nhost: a\r\naccept: */*\r\nx: y\tz\r\n\r\n";
    assert_eq!(asker.sent(), expected);
    assert!(!asker.connection.is_idle() && asker.connection.awaits_response());
}

/// RFC 9110 §8.6
#[test]
fn a_method_that_calls_for_content_says_that_there_is_none() {
    for (method, has_length) in [
        ("POST", true),
        ("PUT", true),
        ("PATCH", true),
        ("DELETE", false),
    ] {
        let mut asker = Asker::new();
        asker.ask(method, &[], BodyLength::None).unwrap();
        let says_so = asker.sent().contains("\r\ncontent-length: 0\r\n");
        assert_eq!(says_so, has_length, "{method}");
    }
}

#[test]
fn content_of_known_length_is_never_longer() {
    let mut asker = Asker::new();
    asker.ask("POST", &[], BodyLength::Known(5)).unwrap();
    assert_eq!(
        asker.sent(),
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n"
    );
    assert!(asker.connection.is_sending());
    asker.send(b"hel", false);
    asker.send(b"lo you", true);
    assert_eq!(asker.sent(), "hello");
    assert!(!asker.connection.is_sending());
}

/// RFC 9112 §8
#[test]
fn content_that_ends_before_its_length_closes() {
    let mut asker = Asker::new();
    asker.ask("POST", &[], BodyLength::Known(5)).unwrap();
    asker.send(b"hell", true);
    assert!(asker.connection.wants_close());
}

#[test]
fn content_may_come_from_elsewhere() {
    let mut asker = Asker::new();
    asker.ask("POST", &[], BodyLength::Known(5)).unwrap();
    asker.connection.commit_elsewhere(3, false, asker.now);
    assert!(asker.connection.is_sending());
    asker.connection.commit_elsewhere(2, true, asker.now);
    assert!(!asker.connection.is_sending() && !asker.connection.wants_close());
}

#[test]
fn content_of_unknown_length_is_chunked() {
    let mut asker = Asker::new();
    asker.ask("POST", &[], BodyLength::Unknown).unwrap();
    asker.sent();
    asker.send(b"hello", false);
    asker.send(b"", false);
    asker.send(b"you", true);
    assert_eq!(
        asker.sent(),
        "00000005\r\nhello\r\n00000003\r\nyou\r\n0\r\n\r\n"
    );
}

#[test]
fn chunked_content_may_end_with_trailers() {
    let mut asker = Asker::new();
    asker.ask("POST", &[], BodyLength::Unknown).unwrap();
    asker.sent();
    asker.connection.begin_data(5).extend_from_slice(b"hello");
    let trailers: Fields = [("x-sum", "1"), ("content-length", "9"), ("host", "b")]
        .into_iter()
        .collect();
    let sent = asker.connection.send_trailers(trailers.iter(), asker.now);
    assert_eq!(sent, Ok(()));
    assert_eq!(asker.sent(), "00000005\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n");
    assert!(!asker.connection.is_sending());
    let again = asker.connection.send_trailers([], asker.now);
    assert_eq!(again, Err(Unsendable::Trailers));
}

#[test]
fn fields_of_the_connection_and_of_http_2_are_not_the_callers_to_send() {
    let mut asker = Asker::new();
    let fields = [
        (":scheme", "https"),
        ("Connection", "x"),
        ("keep-alive", "1"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "gzip"),
        ("content-length", "9"),
        ("http2-settings", "AAMAAABk"),
        ("te", "trailers"),
        ("host", "b"),
        ("expect", "100-continue"),
        ("x", "y"),
    ];
    asker.ask("GET", &fields, BodyLength::None).unwrap();
    assert_eq!(asker.sent(), "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n");
    assert!(!asker.connection.awaits_continue());
}

#[test]
fn a_request_that_could_be_read_as_another_one_is_not_written() {
    let method = |method| [(":method", method), (":path", "/"), ("host", "a")];
    let path = |path| [(":method", "GET"), (":path", path), ("host", "a")];
    let host = |host| [(":method", "GET"), (":path", "/"), ("host", host)];
    let field = |name, value| [(":method", "GET"), (":path", "/"), (name, value)];
    let cases = [
        (method(""), Unsendable::Method),
        (method("GE T"), Unsendable::Method),
        (method("GET\r\n"), Unsendable::Method),
        (
            [(":path", "/"), ("host", "a"), ("x", "y")],
            Unsendable::Method,
        ),
        (
            [(":method", "GET"), ("host", "a"), ("host", "a")],
            Unsendable::Field,
        ),
        (path(""), Unsendable::Target),
        (path("a"), Unsendable::Target),
        (path("*"), Unsendable::Target),
        (path("/a b"), Unsendable::Target),
        (path("/a\r\nb: c"), Unsendable::Target),
        (path("/a#b"), Unsendable::Target),
        (path("http://b/"), Unsendable::Target),
        (host("a b"), Unsendable::Authority),
        (host("a\r\nb: c"), Unsendable::Field),
        (host("b@a"), Unsendable::Authority),
        (field("x", "a\r\nb: c"), Unsendable::Field),
        (field("x", "a\nb"), Unsendable::Field),
        (field("x", "\0"), Unsendable::Field),
        (field("x y", "a"), Unsendable::Field),
        (field("x:", "a"), Unsendable::Field),
        (field("", "a"), Unsendable::Field),
        (field(":protocol", "websocket"), Unsendable::Field),
        (field(":path", "/b"), Unsendable::Field),
    ];
    for (fields, error) in cases {
        let mut asker = Asker::new();
        let sent = asker.ask_with(&fields, BodyLength::None);
        assert_eq!(sent, Err(error), "{fields:?}");
        assert_eq!(asker.sent(), "");
        assert!(asker.connection.is_idle());
    }
}

/// RFC 9112 §3.2
#[test]
fn host_is_always_there() {
    let mut asker = Asker::new();
    let fields = [(":method", "OPTIONS"), (":path", "*")];
    asker.ask_with(&fields, BodyLength::None).unwrap();
    assert_eq!(asker.sent(), "OPTIONS * HTTP/1.1\r\nhost: \r\n\r\n");
}

/// RFC 9112 §3.2.3
#[test]
fn connect_names_its_authority_and_has_no_content() {
    let mut asker = Asker::new();
    let fields = [(":method", "CONNECT"), (":authority", "a:443")];
    let content = asker.ask_with(&fields, BodyLength::Known(0));
    assert_eq!(content, Err(Unsendable::Content));
    asker.ask_with(&fields, BodyLength::None).unwrap();
    assert_eq!(
        asker.sent(),
        "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"
    );
    let with_path = Asker::new().ask_with(
        &[(":method", "CONNECT"), (":authority", "a"), (":path", "/")],
        BodyLength::None,
    );
    assert_eq!(with_path, Err(Unsendable::Target));
    let nowhere = Asker::new().ask_with(&[(":method", "CONNECT")], BodyLength::None);
    assert_eq!(nowhere, Err(Unsendable::Authority));
}

/// RFC 9110 §9.3.6
#[test]
fn connect_names_a_port() {
    for (authority, is_sent) in [
        ("a", false),
        ("a:", false),
        ("[::1]", false),
        ("[::1]:443", true),
        ("192.0.2.1:80", true),
    ] {
        let mut asker = Asker::new();
        let fields = [(":method", "CONNECT"), (":authority", authority)];
        let sent = asker.ask_with(&fields, BodyLength::None);
        let expected = if is_sent {
            Ok(())
        } else {
            Err(Unsendable::Authority)
        };
        assert_eq!(sent, expected, "{authority}");
        assert_eq!(asker.sent().is_empty(), !is_sent);
    }
}

/// RFC 9110 §9.3.8
#[test]
fn trace_has_no_content() {
    let mut asker = Asker::new();
    let sent = asker.ask("TRACE", &[], BodyLength::Known(1));
    assert_eq!(sent, Err(Unsendable::Content));
    assert_eq!(asker.ask("TRACE", &[], BodyLength::None), Ok(()));
}

/// RFC 9112 §6.1
#[test]
fn no_chunks_go_to_a_server_of_http_1_0() {
    let mut asker = Asker::asking("GET");
    let head = |version| {
        format!("HTTP/{version} 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n")
    };
    asker.receive(head("1.0").as_bytes()).unwrap();
    let chunks = asker.ask("POST", &[], BodyLength::Unknown);
    assert_eq!(chunks, Err(Unsendable::Content));
    assert_eq!(asker.sent(), "");
    asker.ask("POST", &[], BodyLength::Known(2)).unwrap();
    asker.send(b"hi", true);
    asker.receive(head("1.1").as_bytes()).unwrap();
    assert_eq!(asker.ask("POST", &[], BodyLength::Unknown), Ok(()));
}

#[test]
fn there_is_one_request_at_a_time() {
    let mut asker = Asker::asking("GET");
    let second = asker.ask("GET", &[], BodyLength::None);
    assert_eq!(second, Err(Unsendable::NotIdle));
    assert_eq!(asker.sent(), "");
}

#[test]
fn the_last_request_says_so() {
    let mut asker = Asker::new();
    asker.connection.expect_last();
    asker
        .ask("GET", &[("upgrade", "x")], BodyLength::None)
        .unwrap();
    assert!(
        asker
            .sent()
            .ends_with("upgrade: x\r\nconnection: close, upgrade\r\n\r\n")
    );
    asker.receive(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert!(asker.connection.wants_close());
}

#[test]
fn shutting_down_waits_for_the_response() {
    let mut asker = Asker::asking("GET");
    asker.connection.shutdown();
    assert!(!asker.connection.wants_close());
    asker.receive(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert!(asker.connection.wants_close());
    let mut idle = Asker::new();
    idle.connection.shutdown();
    assert!(idle.connection.wants_close());
}

fn expecting() -> Asker {
    let mut asker = Asker::new();
    let fields = [("expect", "100-continue")];
    asker.ask("POST", &fields, BodyLength::Known(2)).unwrap();
    assert!(asker.sent().contains("\r\nexpect: 100-continue\r\n"));
    assert!(asker.connection.awaits_continue());
    asker
}

#[test]
fn content_waits_for_100() {
    let mut asker = expecting();
    asker.receive(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    assert!(!asker.connection.awaits_continue() && asker.connection.is_sending());
    asker.send(b"hi", true);
    asker.receive(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert_eq!(asker.events(), ["informational 100", "204 end"]);
    assert!(asker.connection.is_idle());
}

#[test]
fn a_final_status_instead_of_100_closes_since_the_server_may_wait_for_the_content() {
    let mut asker = expecting();
    asker
        .receive(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
        .unwrap();
    assert_eq!(asker.events(), ["417 | content-length: 2", "data no end"]);
    assert!(!asker.connection.is_sending() && asker.connection.wants_close());
}

#[test]
fn content_may_be_sent_without_waiting() {
    let mut asker = expecting();
    asker.send(b"h", false);
    assert!(!asker.connection.awaits_continue());
    asker.send(b"i", true);
    assert_eq!(asker.sent(), "hi");
}

#[test]
fn an_early_response_lets_the_caller_go_on_or_give_up() {
    let response = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
    let mut asker = Asker::new();
    asker.ask("POST", &[], BodyLength::Known(5)).unwrap();
    asker.receive(response).unwrap();
    assert_eq!(asker.events(), ["413 | content-length: 0 end"]);
    assert!(asker.connection.is_sending() && !asker.connection.is_idle());
    asker.send(b"hello", true);
    assert!(asker.connection.is_idle());

    asker.ask("POST", &[], BodyLength::Unknown).unwrap();
    asker.sent();
    asker.connection.begin_data(9).extend_from_slice(b"half");
    asker.receive(response).unwrap();
    asker.connection.abandon_content(asker.now);
    assert_eq!(asker.sent(), "");
    assert!(asker.connection.wants_close());
}

#[test]
fn a_final_status_instead_of_100_takes_back_what_was_not_committed() {
    for head in [
        "HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 413 X\r\nContent-Length: 9\r\n\r\n",
    ] {
        let mut asker = Asker::new();
        let fields = [("expect", "100-continue")];
        asker.ask("POST", &fields, BodyLength::Unknown).unwrap();
        asker.sent();
        asker.connection.begin_data(9).extend_from_slice(b"half");
        asker.receive(head.as_bytes()).unwrap();
        assert_eq!(asker.sent(), "");
        asker.connection.commit(true, asker.now);
        assert_eq!(asker.sent(), "", "nor later");
    }
}

/// RFC 9110 §10.1.1: a server that answers instead of saying 100 may take the content for a request.
#[test]
fn content_that_was_not_waited_for_closes_where_the_answer_comes_before_its_end() {
    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let mut late = expecting();
    assert_eq!(late.expire().1, Ok(()));
    late.receive(answer).unwrap();
    assert!(late.connection.wants_close());
    let mut eager = expecting();
    eager.send(b"h", false);
    eager.receive(answer).unwrap();
    assert!(eager.connection.wants_close());
    // A server may read the content without a word (RFC 9110 §10.1.1).
    let mut whole = expecting();
    whole.send(b"hi", true);
    whole.receive(answer).unwrap();
    assert!(whole.connection.is_idle());
}

#[test]
fn an_abort_takes_back_what_was_not_committed() {
    let mut asker = Asker::new();
    asker.ask("POST", &[], BodyLength::Unknown).unwrap();
    asker.sent();
    asker.connection.begin_data(9).extend_from_slice(b"half");
    asker.connection.abort();
    assert_eq!(asker.sent(), "");
    assert!(asker.connection.wants_close());
    assert_eq!(asker.connection.next_deadline(), None);
}

#[test]
#[cfg(feature = "proxy")]
fn lines_of_a_request_are_what_it_would_write_on_a_connection_that_goes_on() {
    use crate::h1::RequestLines;
    let head = |method, fields: &[(&str, &str)]| -> Fields {
        let first = [(":method", method), (":authority", "a"), (":path", "/b")];
        first.iter().chain(fields).copied().collect()
    };
    let (none, known) = (BodyLength::None, BodyLength::Known(3));
    for (fields, length, is_made) in [
        (head("GET", &[("x", "y")]), none, true),
        (head("HEAD", &[("te", "trailers")]), none, true),
        (head("POST", &[]), none, true),
        (head("POST", &[("content-length", "9")]), known, true),
        (head("POST", &[]), BodyLength::Unknown, false),
        (head("POST", &[("expect", "100-continue")]), known, false),
        (head("GET", &[("upgrade", "websocket")]), none, false),
        (head("GET", &[("x", "y\r\nz: a")]), none, false),
    ] {
        let lines = RequestLines::new(fields.iter(), length);
        assert_eq!(lines.is_some(), is_made, "{fields:?}");
        let Some(lines) = lines else {
            continue;
        };
        let (mut anew, mut again, mut last) = (Asker::new(), Asker::new(), Asker::new());
        let now = anew.now;
        anew.connection
            .send_request(fields.iter(), length, now)
            .unwrap();
        let other = BodyLength::Known(4);
        assert!(!again.connection.send_request_lines(&lines, other, now));
        assert!(again.connection.send_request_lines(&lines, length, now));
        assert!(!again.connection.send_request_lines(&lines, length, now));
        last.connection.expect_last();
        assert!(!last.connection.send_request_lines(&lines, length, now));
        assert_eq!([again.sent(), last.sent()], [anew.sent(), String::new()]);
        for asker in [&mut anew, &mut again] {
            asker.send(b"abc", true);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            // To HEAD there is no content.
            let _ = asker.receive(answer);
        }
        let state = |asker: &mut Asker| {
            let connection = &asker.connection;
            let is_idle = connection.is_idle();
            (
                is_idle,
                connection.wants_close(),
                asker.sent(),
                asker.events(),
            )
        };
        assert_eq!(state(&mut again), state(&mut anew), "{fields:?}");
    }
}
