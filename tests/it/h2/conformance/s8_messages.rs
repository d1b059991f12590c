//! RFC 9113 §8.1, §8.4–8.6: the framing of messages.

use super::super::wire::*;
use super::*;

pub fn cases() -> Vec<Case> {
    let trailers = block(&[("x-checksum", "abc")]);
    let malformed = Stream(1, PROTOCOL_ERROR);
    vec![
        case(
            "8.1",
            "a second HEADERS without END_STREAM",
            malformed.clone(),
        )
        .send(post(1))
        .send(headers(1, END_HEADERS, &trailers)),
        case(
            "8.1",
            "DATA, then HEADERS without END_STREAM",
            malformed.clone(),
        )
        .send(post(1))
        .send(data(1, 0, b"x"))
        .send(headers(1, END_HEADERS, &trailers)),
        case("8.1", "trailers behind DATA", Answered(vec![(1, 200)]))
            .send(post(1))
            .send(data(1, 0, b"x"))
            .send(headers(1, END, &trailers)),
        case("8.1", "trailers without DATA", Answered(vec![(1, 200)]))
            .send(post(1))
            .send(headers(1, END, &trailers)),
        case("8.1", "DATA behind trailers", Stream(1, STREAM_CLOSED))
            .send(settings(&[(4, 0)]))
            .send(headers(1, END_HEADERS, &request("POST", "/echo", &[])))
            .send(data(1, 0, b"x"))
            .send(headers(1, END, &trailers))
            .send(data(1, END_STREAM, b"x")),
        case(
            "8.1.1",
            "a content-length larger than the content",
            malformed.clone(),
        )
        .send(post_with(1, &[("content-length", "5")]))
        .send(data(1, END_STREAM, b"1234")),
        case(
            "8.1.1",
            "a content-length smaller than the content",
            malformed.clone(),
        )
        .send(post_with(1, &[("content-length", "1")]))
        .send(data(1, END_STREAM, b"test")),
        case(
            "8.1.1",
            "a content-length smaller than the sum of DATA",
            malformed.clone(),
        )
        .send(post_with(1, &[("content-length", "1")]))
        .send(data(1, 0, b"t"))
        .send(data(1, END_STREAM, b"est")),
        case(
            "8.1.1",
            "a content-length larger than the sum of DATA",
            malformed.clone(),
        )
        .send(post_with(1, &[("content-length", "5")]))
        .send(data(1, 0, b"te"))
        .send(data(1, END_STREAM, b"st")),
        case(
            "8.1.1",
            "a content-length of 5 and END_STREAM on HEADERS",
            malformed.clone(),
        )
        .send(headers(
            1,
            END,
            &request("POST", "/json", &[("content-length", "5")]),
        )),
        case(
            "8.1.1",
            "a content-length larger than the content in front of trailers",
            malformed.clone(),
        )
        .send(post_with(1, &[("content-length", "5")]))
        .send(data(1, 0, b"1234"))
        .send(headers(1, END, &trailers)),
        case(
            "8.1.1",
            "a content-length that counts no padding",
            Answered(vec![(1, 200)]),
        )
        .send(post_with(1, &[("content-length", "4")]))
        .send(data(1, PADDED | END_STREAM, b"\x03test\0\0\0")),
        case(
            "8.1.1",
            "a content-length of 0 and END_STREAM on HEADERS",
            Answered(vec![(1, 200)]),
        )
        .send(headers(
            1,
            END,
            &request("POST", "/json", &[("content-length", "0")]),
        )),
        case("8.4", "a push from the client", Connection(PROTOCOL_ERROR)).send(push_promise(1, 2)),
        case("8.5", "CONNECT with :scheme and :path", malformed.clone()).send(headers(
            1,
            END_HEADERS,
            &request("CONNECT", "/", &[]),
        )),
        case("8.5", "CONNECT without :authority", malformed.clone()).send(headers(
            1,
            END_HEADERS,
            &block(&[(":method", "CONNECT")]),
        )),
        case(
            "8.5",
            "extended CONNECT that was not offered (RFC 8441 §4)",
            malformed.clone(),
        )
        .send(headers(
            1,
            END_HEADERS,
            &request("CONNECT", "/", &[(":protocol", "websocket")]),
        )),
        case(
            "8.5",
            "CONNECT to a server that makes no tunnels",
            Answered(vec![(1, 405)]),
        )
        .send(headers(
            1,
            END_HEADERS,
            &block(&[(":method", "CONNECT"), (":authority", "a:1")]),
        )),
        case("8.6", "an upgrade field", malformed).send(get_with(1, &[("upgrade", "websocket")])),
    ]
}

#[test]
fn s8_1_messages() {
    run(&cases());
}
