//! RFC 9113 §3: the connection preface.

use super::super::wire::*;
use super::*;

pub fn cases() -> Vec<Case> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        case(
            "3.4",
            "the preface and SETTINGS, then a request",
            Answered(vec![(1, 200)]),
        )
        .send(get(1)),
        case(
            "3.4",
            "the preface with a wrong byte at its end",
            Connection(PROTOCOL_ERROR),
        )
        .without_preface()
        .send(text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r"))
        .send(settings(&[])),
        case(
            "3.4",
            "almost the preface: fields behind its first line",
            Connection(PROTOCOL_ERROR),
        )
        .without_preface()
        .send(text("PRI * HTTP/2.0\r\nHost: a\r\n\r\nSM\r\n\r\n")),
        case("3.4", "the preface twice", Connection(FRAME_SIZE_ERROR)).send(PREFACE.to_vec()),
        case("3.4", "PING as the first frame", Connection(PROTOCOL_ERROR))
            .without_preface()
            .send(PREFACE[..24].to_vec())
            .send(ping(0, b"too soon")),
        case(
            "3.4",
            "HEADERS as the first frame",
            Connection(PROTOCOL_ERROR),
        )
        .without_preface()
        .send(PREFACE[..24].to_vec())
        .send(get(1)),
        case(
            "3.4",
            "an acknowledgement as the first frame",
            Connection(PROTOCOL_ERROR),
        )
        .without_preface()
        .send(PREFACE[..24].to_vec())
        .send(raw_h2::frame(SETTINGS, ACK, 0, b"")),
        case(
            "3.4",
            "a frame of an unknown type as the first one",
            Connection(PROTOCOL_ERROR),
        )
        .without_preface()
        .send(PREFACE[..24].to_vec())
        .send(raw_h2::frame(0xbb, 0, 0, b"?")),
        case(
            "3.4",
            "the preface twice without SETTINGS between",
            Connection(PROTOCOL_ERROR),
        )
        .without_preface()
        .send(PREFACE[..24].repeat(2)),
        case(
            "3.4",
            "SETTINGS with an error as the first frame",
            Connection(PROTOCOL_ERROR),
        )
        .without_preface()
        .send(PREFACE[..24].to_vec())
        .send(settings(&[(2, 7)])),
    ]
}

#[test]
fn s3_starting() {
    run(&cases());
}
