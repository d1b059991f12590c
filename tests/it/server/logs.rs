//! Every request and every refusal leaves a line in the access log, with all that is known of it.

use crate::raw_h2::{self, END_HEADERS, END_STREAM, HEADERS, RawH2, frame};
use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

/// A server with an access log, and a response field that the operator has set.
fn server(options: &[&str]) -> Server {
    let common = [
        "--access-log",
        "log",
        "--log-format",
        "json",
        "--header",
        "X-Own: yes",
    ];
    Server::with_site(&[&common[..], options].concat(), |site| {
        fs::write(site.join("big"), vec![b'x'; 10 << 20]).unwrap();
    })
}

/// Waits for the first `count` lines of the log.
fn lines(server: &Server, count: usize) -> Vec<serde_json::Value> {
    let path = server.directory.path().join("log");
    let start = Instant::now();
    loop {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if text.lines().count() >= count {
            let parse = |line| serde_json::from_str(line).expect("a line is an object");
            return text.lines().map(parse).collect();
        }
        assert!(start.elapsed() < PATIENCE, "{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The bytes of a request, then the status, method, path (if it is certain) and error of its line.
type Refused<'a> = (&'a str, u16, Option<&'a str>, Option<&'a str>, &'a str);

#[test]
fn refusals_of_http1_are_logged_with_their_reason_and_have_the_fields_of_every_response() {
    let server = server(&[
        "--max-header-list-size",
        "2K",
        "--header-timeout",
        "300ms",
        "--demo",
    ]);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(10_000));
    let wide = format!(
        "GET /w HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(4_000)
    );
    let cases: [Refused<'_>; 9] = [
        (
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            Some("GET"),
            Some("/a"),
            "malformed request line",
        ),
        (
            "GET /h HTTP/1.1\r\nUser-Agent: u\r\n\r\n",
            400,
            Some("GET"),
            Some("/h"),
            "not exactly one valid Host",
        ),
        (
            "\x16\x03\x01\x02\0\x01\r\n\r\n",
            400,
            None,
            Some("\x16\x03\x01\x02\0\x01"),
            "the method is not a token",
        ),
        (
            "GET /late HTTP/1.1\r\nHost: a\r\n",
            408,
            Some("GET"),
            Some("/late"),
            "the head of the request took too long",
        ),
        (
            &long,
            414,
            Some("GET"),
            None,
            "the request line is too long",
        ),
        (
            "POST /e HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n",
            417,
            Some("POST"),
            Some("/e"),
            "unknown expectation",
        ),
        (
            &wide,
            431,
            Some("GET"),
            Some("/w"),
            "the fields are too large",
        ),
        (
            "GET /v HTTP/3.0\r\nHost: a\r\n\r\n",
            505,
            Some("GET"),
            Some("/v"),
            "unknown version of HTTP",
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            400,
            Some("POST"),
            Some("/echo"),
            "malformed chunk",
        ),
    ];
    for (count, (bytes, status, method, path, reason)) in cases.iter().enumerate() {
        let answer = String::from_utf8_lossy(&server.converse(bytes.as_bytes())).into_owned();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{bytes:?}: {answer}"
        );
        assert!(answer.contains("\r\nx-own: yes\r\n"), "{bytes:?}: {answer}");
        assert!(answer.contains("\r\ndate: "), "{bytes:?}: {answer}");
        let line = &lines(&server, count + 1)[count];
        assert_eq!(line["status"], *status, "{line}");
        assert_eq!(line["error"], *reason, "{line}");
        assert_eq!(line["remote"], "127.0.0.1", "{line}");
        assert_eq!(line["scheme"], "http", "{line}");
        assert_eq!(
            line.get("method").and_then(|it| it.as_str()),
            *method,
            "{line}"
        );
        if let Some(path) = path {
            assert_eq!(line["path"], *path, "{line}");
        }
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(line["bytes"], body.len(), "{line}");
    }
    assert_eq!(lines(&server, 2)[1]["user_agent"], "u");
}

#[test]
fn a_request_that_ends_too_early_is_logged_and_answered_with_a_date() {
    let server = server(&[]);
    let mut stream = server.connect();
    stream.write_all(b"GET /half HTTP/1.1\r\nHos").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(
        answer.contains("\r\ndate: ") && answer.contains("\r\nx-own: yes"),
        "{answer}"
    );
    let line = &lines(&server, 1)[0];
    assert_eq!(
        (&line["status"], &line["path"]),
        (&400.into(), &"/half".into())
    );
    assert_eq!(line["error"], "the request ended too early");
}

#[test]
fn refusals_of_http2_are_logged_with_their_reason() {
    let server = server(&[
        "--max-header-list-size",
        "2K",
        "--max-concurrent-streams",
        "1",
    ]);
    let mut h2 = RawH2::open(server.connect());
    let ends = END_STREAM | END_HEADERS;
    // Malformed: a field name in capitals (literal without indexing).
    let mut malformed = raw_h2::get("/malformed");
    malformed.extend(b"\x00\x01X\x01y");
    h2.send(&frame(HEADERS, ends, 1, &malformed));
    let mut large = raw_h2::get("/large");
    for _ in 0..30 {
        large.extend(b"\x00\x01x\x7d");
        large.extend([b'y'; 125]);
    }
    h2.send(&frame(HEADERS, ends, 3, &large));
    // Two streams at a time where one is allowed.
    h2.send(&frame(HEADERS, ends, 5, &raw_h2::get("/big")));
    h2.send(&frame(HEADERS, ends, 7, &raw_h2::get("/refused")));
    let found = lines(&server, 3);
    for (line, status, path, reason) in [
        (
            &found[0],
            0,
            "/malformed",
            "field name with a byte that is not allowed",
        ),
        (&found[1], 431, "/large", "header section too large"),
        (&found[2], 0, "/refused", "too many streams"),
    ] {
        assert_eq!(line["path"], path, "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert_eq!(line["error"], reason, "{line}");
        assert_eq!(line["version"], "HTTP/2.0", "{line}");
    }
    let refused = h2.until(|frame| frame.kind == HEADERS && frame.stream == 3);
    let fields = decoded(&refused);
    assert!(
        fields.contains(&("x-own".into(), "yes".into())),
        "{fields:?}"
    );
}

/// The fields of all HEADERS frames, which are whole field sections.
fn decoded(frames: &[raw_h2::Frame]) -> Vec<(String, String)> {
    let mut decoder = calmd::hpack::Decoder::new(4096);
    let mut fields = Vec::new();
    for frame in frames.iter().filter(|frame| frame.kind == HEADERS) {
        let mut section = calmd::http::Fields::new();
        let limits = calmd::hpack::DecodeLimits {
            list_size: 16_384,
            fields: 100,
            crumbs: 100,
            overrun: 0,
        };
        decoder
            .decode(&frame.payload, &mut section, &limits)
            .expect("a field section");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        fields.extend(
            section
                .iter()
                .map(|field| (text(field.name), text(field.value))),
        );
    }
    fields
}

#[test]
fn a_response_takes_until_the_kernel_has_its_last_byte() {
    let server = server(&[]);
    let mut stream = server.connect();
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    // More bytes wait meanwhile than any buffer of the kernel holds.
    std::thread::sleep(Duration::from_millis(400));
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut answer).unwrap();
    let line = &lines(&server, 1)[0];
    assert_eq!(
        (&line["status"], &line["bytes"]),
        (&200.into(), &(10 << 20).into())
    );
    assert!(line["duration_ms"].as_f64().unwrap() >= 399.0, "{line}");
    let first_byte = line["first_byte_ms"].as_f64().unwrap();
    assert!(first_byte > 0.0 && first_byte < 399.0, "{line}");
    assert_eq!(line["request_bytes"], 0, "{line}");
    assert_eq!(line.get("tls"), None, "{line}");
    assert_eq!(line.get("error"), None, "{line}");

    // A request that is answered within a turn has a duration as well.
    server.request("GET / HTTP/1.1");
    let line = &lines(&server, 2)[1];
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    let time = line["time"].as_str().unwrap();
    let (_, fraction) = time.split_once('.').expect("a fraction of the second");
    assert_eq!(fraction.len(), "000000Z".len(), "{time}");
}

#[test]
fn trace_shows_frames_fields_and_goaway_but_no_secrets() {
    let server = Server::start(&["--log-level", "trace", "--header", "Set-Cookie: s=c2VjcmV0"]);
    let url = format!("http://{}/?token=c2VjcmV0", server.http);
    crate::client::fetch([
        "-H",
        "Authorization: Basic c2VjcmV0",
        "-H",
        "Cookie: sid=c2VjcmV0",
        &url,
    ]);
    server.request("GET /h1 HTTP/1.1\r\nCookie: sid=c2VjcmV0");
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(
        raw_h2::GOAWAY,
        0,
        0,
        b"\0\0\0\0\0\0\0\x02why\x1b[2J",
    ));
    for part in [
        ": accepted",
        ": HTTP/2 over cleartext",
        ": HTTP/1.1 over cleartext",
        "127.0.0.1 #1: ",
        "127.0.0.1 #2: ",
        "127.0.0.1 #3: ",
        "← HEADERS 1 END_STREAM END_HEADERS, ",
        "←   authorization: (14 bytes, not shown)",
        "←   cookie: (12 bytes, not shown)",
        "→ SETTINGS 0",
        "→   MAX_CONCURRENT_STREAMS = 100",
        "→   :status: 200",
        "→   set-cookie: (10 bytes, not shown)",
        "→ DATA 1 END_STREAM, 35 bytes",
        "←   :path: /h1",
        "→ HTTP/1.1 404",
        "← GOAWAY 0 INTERNAL_ERROR, last stream 0, \"why\\u{1b}[2J\"",
        ": GOAWAY received: INTERNAL_ERROR \"why\\u{1b}[2J\"",
        "#1: closed",
        "←   :path: /?token=(not shown)",
    ] {
        server.logged(part);
    }
    assert!(!server.log().contains("c2VjcmV0"));
}

#[test]
fn debug_shows_connections_and_no_frames() {
    let server = Server::start(&["--log-level", "debug"]);
    crate::client::fetch(["-k", &format!("https://{}/", server.https)]);
    server.logged("127.0.0.1 #1: accepted");
    server.logged(": HTTP/2 over TLS 1.3");
    server.logged("127.0.0.1 #1: closed");
    assert!(!server.log().contains("HEADERS"));
}

#[test]
fn a_line_has_the_version_of_tls_and_the_bytes_of_the_request() {
    let server = server(&["--demo"]);
    let config = super::tls::client_config(&server, &["http/1.1"]);
    let mut stream = super::tls::connect_with(&server, config);
    let request = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\
                   Connection: close\r\n\r\n12345";
    stream.write_all(request.as_bytes()).unwrap();
    let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    let line = &lines(&server, 1)[0];
    assert_eq!(line["tls"], "TLSv1.3", "{line}");
    assert_eq!(line["request_bytes"], 5, "{line}");
    assert_eq!(line["bytes"], 5, "{line}");
    assert!(
        line["first_byte_ms"].as_f64().unwrap() <= line["duration_ms"].as_f64().unwrap(),
        "{line}"
    );
}
