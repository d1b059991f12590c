//! RFC 9113 §6.7, §6.8, §7: PING, GOAWAY and error codes.

use super::super::wire::*;
use super::*;

pub fn cases() -> Vec<Case> {
    vec![
        case("6.7", "PING", Taken).send(ping(0, b"\x01\x02\x03\x04\x05\x06\x07\x08")),
        case(
            "6.7",
            "an acknowledgement of a PING that was never sent",
            Taken,
        )
        .send(ping(ACK, b"unasked.")),
        case("6.7", "PING on a stream", Connection(PROTOCOL_ERROR))
            .send(raw_h2::frame(PING, 0, 1, &[0; 8])),
        case(
            "6.7",
            "an acknowledgement on a stream",
            Connection(PROTOCOL_ERROR),
        )
        .send(raw_h2::frame(PING, ACK, 1, &[0; 8])),
        case("6.7", "PING of six bytes", Connection(FRAME_SIZE_ERROR)).send(ping(0, &[0; 6])),
        case("6.7", "PING of nine bytes", Connection(FRAME_SIZE_ERROR)).send(ping(0, &[0; 9])),
        case("6.7", "PING of nothing", Connection(FRAME_SIZE_ERROR)).send(ping(0, b"")),
        case("6.8", "GOAWAY on a stream", Connection(PROTOCOL_ERROR))
            .send(raw_h2::frame(GOAWAY, 0, 1, &[0; 8])),
        case("6.8", "GOAWAY of seven bytes", Connection(FRAME_SIZE_ERROR))
            .send(raw_h2::frame(GOAWAY, 0, 0, &[0; 7])),
        case(
            "6.8",
            "GOAWAY with a higher last stream than the one before",
            Connection(PROTOCOL_ERROR),
        )
        .send(post(1))
        .send(goaway(0, 0))
        .send(goaway(2, 0)),
        case(
            "6.8",
            "GOAWAY while a request is open, which goes on",
            Answered(vec![(1, 200)]),
        )
        .send(post(1))
        .send(goaway(0, 0))
        .send(data(1, END_STREAM, b"x")),
        case(
            "7",
            "GOAWAY with a code that nobody knows, while a request is open",
            Taken,
        )
        .send(post(1))
        .send(goaway(0, 0xff)),
        case("7", "RST_STREAM with a code that nobody knows", Taken)
            .send(post(1))
            .send(rst_stream(1, 0xff)),
    ]
}

#[test]
fn s6_7_ping_s6_8_goaway_s7_codes() {
    run(&cases());
}

#[test]
fn s6_7_ping_is_answered_with_the_same_payload() {
    let server = server();
    let mut client = CaseClient::open(&server);
    client.send(PREFACE);
    client.ping(b"\x00\xff\x80\x7fsame");
    assert!(!client.heard.closed);
}

#[test]
fn s6_8_goaway_names_the_last_stream_that_was_acted_on() {
    for (requests, last) in [(vec![], 0), (vec![1], 1), (vec![1, 3, 7], 7)] {
        let server = server();
        let mut client = CaseClient::open(&server);
        client.send(PREFACE);
        requests.iter().for_each(|&id| client.send(&get(id)));
        client.send(&data(0, 0, b"an error"));
        client.until(|_| false);
        let goaway = client
            .heard
            .frames
            .iter()
            .find(|frame| frame.kind == GOAWAY);
        assert_eq!(goaway.expect("GOAWAY").payload[..4], u32::to_be_bytes(last));
    }
}
