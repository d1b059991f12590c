//! The content of responses and what follows it (RFC 9112 §6.3, §7.1, §9.3; RFC 9110 §15.2).

use super::*;

/// The events of a response to GET, and the asker after it.
fn got(response: &str) -> (Vec<String>, Asker) {
    let mut asker = Asker::asking("GET");
    asker.receive(response.as_bytes()).expect(response);
    assert!(asker.input.is_empty(), "{response}");
    (asker.events(), asker)
}

#[test]
fn content_of_known_length_ends_with_its_last_byte() {
    let (events, asker) = got("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: Y\r\n\r\nhello");
    assert_eq!(events, ["200 | content-length: 5 | x: Y", "data hello end"]);
    assert!(asker.connection.is_idle());
}

#[test]
fn a_length_of_zero_is_no_content() {
    let (events, asker) = got("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(events, ["200 | content-length: 0 end"]);
    assert!(asker.connection.is_idle());
}

#[test]
fn chunks_lose_their_framing() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunks, expected) in [
        ("0\r\n\r\n", "data  end"),
        ("5\r\nhello\r\n0\r\n\r\n", "data hello end"),
        (
            "1;a=b\r\nh\r\n004 \t;c\r\nello\r\n00\r\n\r\n",
            "data hello end",
        ),
    ] {
        let (events, asker) = got(&[head, chunks].concat());
        assert_eq!(events, ["200", expected], "{chunks}");
        assert!(asker.connection.is_idle());
    }
    let (events, asker) = got(&[head, "2\r\nhi\r\n0\r\nX: y\r\nHost: b\r\n\r\n"].concat());
    assert_eq!(events, ["200", "data hi", "trailers x: y end"]);
    assert!(asker.connection.is_idle());
}

#[test]
fn content_without_a_length_ends_with_the_connection() {
    for version in ["1.0", "1.1"] {
        let (_, mut asker) = got(&format!("HTTP/{version} 200 OK\r\n\r\nhel"));
        asker.receive(b"lo").unwrap();
        assert_eq!(asker.events(), ["data lo"]);
        assert!(!asker.connection.wants_close());
        asker.finish().unwrap();
        assert_eq!(asker.events(), ["data  end"]);
        assert!(asker.connection.wants_close());
    }
}

#[test]
fn what_came_before_the_end_may_be_read_after_it() {
    let mut asker = Asker::asking("GET");
    asker.connection.finish_input();
    asker.receive(b"HTTP/1.0 200 OK\r\n\r\nhello").unwrap();
    assert_eq!(asker.events(), ["1.0 200", "data hello end"]);
    let mut asker = Asker::asking("GET");
    asker.connection.finish_input();
    asker.receive(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert!(asker.connection.wants_close());
}

#[test]
fn head_204_and_304_have_no_content_whatever_their_fields_say() {
    for (method, response, expected) in [
        (
            "HEAD",
            "200 OK\r\nContent-Length: 5",
            "200 | content-length: 5 end",
        ),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked", "200 end"),
        ("HEAD", "200 OK", "200 end"),
        (
            "GET",
            "304 Not Modified\r\nContent-Length: 5",
            "304 | content-length: 5 end",
        ),
        (
            "GET",
            "304 Not Modified\r\nTransfer-Encoding: chunked",
            "304 end",
        ),
        ("GET", "204 No Content", "204 end"),
        ("GET", "204 No Content\r\nContent-Length: 0", "204 end"),
        ("GET", "204 No Content\r\nContent-Length: 5", "204 end"),
    ] {
        let mut asker = Asker::asking(method);
        let response = format!("HTTP/1.1 {response}\r\n\r\n");
        asker.receive(response.as_bytes()).expect(&response);
        assert_eq!(asker.events(), [expected]);
        assert!(asker.connection.is_idle());
    }
}

#[test]
fn a_connection_is_kept_as_the_version_and_the_options_say() {
    for (version, option, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, Close\r\n", false),
        (
            "1.1",
            "Connection: keep-alive\r\nConnection: close\r\n",
            false,
        ),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.2", "", true),
    ] {
        let response = format!("HTTP/{version} 200 OK\r\n{option}Content-Length: 0\r\n\r\n");
        let (_, asker) = got(&response);
        assert_eq!(asker.connection.is_idle(), kept, "{response}");
        assert_eq!(asker.connection.wants_close(), !kept, "{response}");
    }
}

#[test]
fn the_next_request_goes_over_a_kept_connection() {
    let (_, mut asker) = got("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    asker.ask("HEAD", &[], BodyLength::None).unwrap();
    asker
        .receive(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
        .unwrap();
    asker.ask("GET", &[], BodyLength::None).unwrap();
    asker
        .receive(b"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nb")
        .unwrap();
    let expected = [
        "200 | content-length: 1 end",
        "404 | content-length: 1",
        "data b end",
    ];
    assert_eq!(asker.events(), expected);
}

/// RFC 9112 §9.2
#[test]
fn bytes_behind_a_response_are_not_taken_for_the_next_one() {
    let mut asker = Asker::asking("GET");
    let first = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let both = [first, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"].concat();
    let mut rest = both.as_bytes();
    let event = asker
        .connection
        .receive(&mut rest, &mut asker.fields, asker.now);
    let whole = matches!(
        event,
        Ok(Some(ResponseEvent::Response {
            end_stream: true,
            ..
        }))
    );
    assert!(whole && !asker.connection.is_idle());
    let next = asker.ask("GET", &[], BodyLength::None);
    assert_eq!(next, Err(Unsendable::NotIdle));
    let rest = rest.to_vec();
    assert_eq!(asker.receive(&rest), Err(ResponseError::Unsolicited));
    assert!(asker.events().is_empty() && asker.connection.wants_close());
}

/// RFC 9110 §15.2
#[test]
fn informational_responses_come_before_the_final_one() {
    let (events, asker) = got("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nContent-Length: 3\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let expected = [
        "informational 103 | link: </a>",
        "informational 100",
        "informational 102",
        "200 | content-length: 0 end",
    ];
    assert_eq!(events, expected);
    assert!(asker.connection.is_idle());
}

#[test]
fn fields_of_the_connection_are_not_passed_on_nor_those_that_it_names() {
    let (events, _) = got(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Hop, Keep-Alive\r\n\
         Keep-Alive: timeout=5\r\nX-HOP: 1\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nX: y\r\n\
         Connection: z\r\nZ: 1\r\n\r\n",
    );
    assert_eq!(events, ["200 | content-length: 0 | x: y end"]);
    let (events, _) =
        got("HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(events, ["426 | upgrade: h2c | content-length: 0 end"]);
}

#[test]
fn what_a_recipient_may_put_up_with_is_put_up_with() {
    for response in [
        // No reason, and no space before it (RFC 9112 §4).
        "HTTP/1.1 200 \r\nContent-Length:0\r\n\r\n",
        "HTTP/1.1 200\r\nContent-Length:   0  \r\n\r\n",
        // obs-text.
        "HTTP/1.1 200 \u{e9}t\u{e9}\tOK\r\nX: \u{e9}\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 299 \r\nX:\r\nContent-Length: 00\r\n\r\n",
        "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (events, asker) = got(response);
        assert_eq!(events.len(), 1);
        assert!(asker.connection.is_idle(), "{response}");
    }
}

/// RFC 9110 §7.8
#[test]
fn behind_101_the_bytes_belong_to_the_other_protocol() {
    let mut asker = Asker::new();
    let fields = [("upgrade", "websocket"), ("sec-websocket-version", "13")];
    asker.ask("GET", &fields, BodyLength::None).unwrap();
    assert!(asker.sent().ends_with(
        "upgrade: websocket\r\nsec-websocket-version: 13\r\nconnection: upgrade\r\n\r\n"
    ));
    asker
        .receive(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
              Content-Length: 7\r\n\r\n\x81\x00",
        )
        .unwrap();
    assert_eq!(asker.events(), ["switched 101 | upgrade: websocket"]);
    assert_eq!(asker.input, b"\x81\x00");
    assert!(asker.connection.is_tunnel());
    assert_eq!(asker.connection.next_deadline(), None);
    asker.finish().unwrap();
    assert_eq!(asker.input, b"\x81\x00");
}

#[test]
fn an_upgrade_that_is_not_taken_up_is_an_ordinary_request() {
    let mut asker = Asker::new();
    asker
        .ask("GET", &[("upgrade", "x")], BodyLength::None)
        .unwrap();
    asker
        .receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    assert!(asker.connection.is_idle());
}

/// RFC 9112 §6.3
#[test]
fn behind_2xx_to_connect_the_bytes_belong_to_the_tunnel() {
    let mut asker = Asker::asking("CONNECT");
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\x16\x03";
    asker.receive(head).unwrap();
    assert_eq!(asker.events(), ["switched 200"]);
    assert_eq!(asker.input, b"\x16\x03");
    let mut refused = Asker::asking("CONNECT");
    refused
        .receive(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        .unwrap();
    assert_eq!(refused.events(), ["403 | content-length: 2", "data no end"]);
    assert!(refused.connection.is_idle());
}
