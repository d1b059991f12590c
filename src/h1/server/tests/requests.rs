//! Valid heads, and the fields that they become (RFC 9112 §2, §3, §5).

use super::*;

fn event(request: &str) -> String {
    let mut caller = TestCaller::new();
    caller.receive(request.as_bytes()).expect(request);
    assert_eq!(caller.events.len(), 1, "{request}");
    assert!(caller.input.is_empty());
    caller.events().remove(0)
}

#[test]
fn a_request_has_its_pseudo_fields_in_front_and_names_in_lowercase() {
    assert_eq!(
        event("GET /a?b HTTP/1.1\r\nUser-Agent: x\r\nHOST: a.b:1\r\nAccept:*/*\r\n\r\n"),
        "GET http a.b:1 /a?b | user-agent: x | accept: */* end"
    );
    let mut caller = TestCaller::new();
    caller
        .receive(b"GET / HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n")
        .unwrap();
    let names: Vec<&[u8]> = caller.fields.iter().map(|field| field.name).collect();
    let expected: [&[u8]; 5] = [b":method", b":scheme", b":authority", b":path", b"x"];
    assert_eq!(names, expected);
}

#[test]
fn fields_that_concern_the_connection_are_not_passed_on() {
    assert_eq!(
        event(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, TE\r\nKeep-Alive: 300\r\n\
             Proxy-Connection: close\r\nTE: trailers\r\nUpgrade: websocket\r\nHTTP2-Settings: \r\n\
             Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
        ),
        "POST http a / | trailer: X | te: trailers"
    );
}

/// RFC 9110 §10.1.4
#[test]
fn trailers_are_taken_by_a_client_of_http11_that_says_so_of_its_connection() {
    for (version, lines, taken) in [
        ("1.1", "TE: trailers\r\nConnection: te\r\n", true),
        (
            "1.1",
            "te: gzip;q=0.5\r\nTE: deflate, Trailers\r\nConnection: close, TE\r\n",
            true,
        ),
        ("1.1", "TE: trailers\r\n", false),
        ("1.1", "TE: trailers;q=0\r\nConnection: te\r\n", false),
        ("1.1", "TE: gzip\r\nConnection: te\r\n", false),
        ("1.0", "TE: trailers\r\nConnection: te\r\n", false),
    ] {
        let event = event(&format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n"));
        assert_eq!(event.contains("te: trailers"), taken, "{lines}: {event}");
    }
}

/// RFC 9110 §7.6.1
#[test]
fn fields_that_connection_names_are_not_passed_on() {
    assert_eq!(
        event(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nConnection: X-HOP, keep-alive\r\nX: y\r\n\
             Connection: z, host, content-length\r\nZ: 1\r\nX-Hop: 2\r\nContent-Length: 0\r\n\r\n"
        ),
        "GET http a / | x: y | content-length: 0 end"
    );
    let crumbs = "Cookie: a=b\r\n".repeat(130);
    let request =
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\n{crumbs}X: y\r\nZ: 1\r\n\r\n");
    let event = event(&request);
    assert!(event.ends_with("cookie: a=b | z: 1 end"), "{event}");
}

#[test]
fn connection_names_no_more_fields_than_there_can_be() {
    let options = "x,".repeat(200);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {options}\r\n\r\n");
    let received = TestCaller::new().receive(request.as_bytes());
    assert_eq!(received, Err(crate::h1::Error::TooManyFields));
}

#[test]
fn values_are_trimmed_and_otherwise_left_as_they_are() {
    assert_eq!(
        event("GET / HTTP/1.1\r\nHost:\t a \t\r\nX:\r\nY: a \t b\r\nZ: \u{e4}\r\n\r\n"),
        r"GET http a / | x:  | y: a \t b | z: \xc3\xa4 end"
    );
}

#[test]
fn a_name_may_be_as_long_as_the_head() {
    let name = "Abc".repeat(1_000);
    let event = event(&format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: x\r\n\r\n"));
    assert!(event.contains(&format!("| {}: x", name.to_lowercase())));
}

/// RFC 9112 §2.2
#[test]
fn a_few_empty_lines_before_a_request_are_skipped() {
    for lines in 0..=4 {
        let empty = "\r\n".repeat(lines);
        let request = format!("{empty}GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(event(&request), "GET http a / end");
    }
}

#[test]
fn empty_lines_between_requests_are_counted_for_each() {
    let mut caller = TestCaller::new();
    for _ in 0..10 {
        let request = b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        caller.serve(request).unwrap();
    }
    assert_eq!(caller.events.len(), 10);
}

/// RFC 9112 §3.2.2
#[test]
fn absolute_form_overrides_host() {
    assert_eq!(
        event("GET http://b:8080/c?d HTTP/1.1\r\nHost: a\r\n\r\n"),
        "GET http b:8080 /c?d end"
    );
    let options = event("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(options, "OPTIONS http b * end");
    let plain = event("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(plain, "OPTIONS http a * end");
}

#[test]
fn a_path_is_passed_on_as_it_came() {
    for path in [
        "//evil",
        "/../a",
        "/%2e%2e/%00",
        "/a|b^c",
        "/\\a",
        "/a?b?c/d",
        "/\u{e4}",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let bytes = path.as_bytes().escape_ascii();
        assert_eq!(event(&request), format!("GET http a {bytes} end"));
    }
}

#[test]
fn any_token_is_a_method() {
    for method in ["GET", "PROPFIND", "get", "M-SEARCH", "!#$%&*+-.^_`|~09"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(event(&request), format!("{method} http a / end"));
    }
}

/// RFC 9112 §3.2: Host is a duty of HTTP/1.1 only.
#[test]
fn http_1_0_needs_no_host() {
    assert_eq!(event("GET / HTTP/1.0\r\n\r\n"), "GET http - / end");
    assert_eq!(
        event("GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
        "GET http a / end"
    );
    let mut caller = TestCaller::new();
    caller.receive(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(caller.connection.version().as_str(), "HTTP/1.0");
}

/// RFC 9110 §7.4
#[test]
fn the_scheme_is_the_connections() {
    let now = Instant::now();
    let config = Arc::new(Config::default());
    let mut connection = Connection::new(config, Scheme::Https, now);
    let mut fields = Fields::new();
    let mut input: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let event = connection.receive(&mut input, &mut fields, now);
    assert!(matches!(event, Ok(Some(Event::Request { .. }))));
    assert_eq!(fields.scheme(), Some(&b"https"[..]));
    let mut caller = TestCaller::new();
    let result = caller.receive(b"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(result, Err(Error::Misdirected));
    assert!(caller.sent().starts_with("HTTP/1.1 421 "));
}

#[test]
fn fields_of_an_earlier_message_are_forgotten() {
    let mut caller = TestCaller::new();
    caller
        .serve(b"GET /1 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")
        .unwrap();
    caller.serve(b"GET /2 HTTP/1.1\r\nHost: b\r\n\r\n").unwrap();
    assert_eq!(caller.events().pop().unwrap(), "GET http b /2 end");
}

#[test]
fn a_later_minor_version_is_taken_as_1_1() {
    for minor in 2..=9 {
        let mut caller = TestCaller::new();
        let request = format!(
            "POST /a?b HTTP/1.{minor}\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             1\r\nx\r\n0\r\n\r\n"
        );
        caller.serve(request.as_bytes()).unwrap();
        assert_eq!(caller.events()[0], "POST http a /a?b", "{minor}");
        assert!(caller.sent().starts_with("HTTP/1.1 200 "));
        assert!(!caller.connection.wants_close());
    }
}
