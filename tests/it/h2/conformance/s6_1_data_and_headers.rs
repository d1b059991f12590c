//! RFC 9113 §6.1–6.4, §6.6, §6.10: DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION.

use super::super::wire::*;
use super::*;

pub fn cases() -> Vec<Case> {
    [
        data_frames(),
        headers_frames(),
        small_frames(),
        continuations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Cases of §6.1.
fn data_frames() -> Vec<Case> {
    vec![
        case("6.1", "DATA on stream 0", Connection(PROTOCOL_ERROR)).send(data(0, 0, b"x")),
        case(
            "6.1",
            "DATA on a stream that neither is open nor half-closed (local)",
            Stream(1, STREAM_CLOSED),
        )
        .send(get(1))
        .end(1)
        .send(data(1, 0, b"x")),
        case(
            "6.1",
            "DATA with padding as long as its payload",
            Connection(PROTOCOL_ERROR),
        )
        .send(post(1))
        .send(data(1, PADDED | END_STREAM, &[5, 0, 0, 0, 0])),
        case(
            "6.1",
            "DATA with padding far longer than its payload",
            Connection(PROTOCOL_ERROR),
        )
        .send(post(1))
        .send(data(1, PADDED | END_STREAM, b"\xffTest")),
        case(
            "6.1",
            "DATA with padding and without its length",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(post(1))
        .send(data(1, PADDED | END_STREAM, b"")),
        case(
            "6.1",
            "DATA of nothing but padding",
            Answered(vec![(1, 200)]),
        )
        .send(post(1))
        .send(data(1, PADDED | END_STREAM, &[4, 0, 0, 0, 0])),
        case(
            "6.1",
            "DATA whose padding is not zero",
            Answered(vec![(1, 200)]),
        )
        .send(post(1))
        .send(data(1, PADDED | END_STREAM, &[2, b'x', 1, 2])),
    ]
}

/// Cases of §6.2.
fn headers_frames() -> Vec<Case> {
    let request = request("GET", "/", &[]);
    let padded = |padding: u8, zeros: usize| [&[padding][..], &request, &vec![0; zeros]].concat();
    vec![
        case("6.2", "HEADERS on stream 0", Connection(PROTOCOL_ERROR))
            .send(headers(0, END, &request)),
        case(
            "6.2",
            "HEADERS without END_HEADERS, then PRIORITY",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, 0, &request))
        .send(priority(1, 0)),
        case(
            "6.2",
            "HEADERS without END_HEADERS, then HEADERS of another stream",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, 0, &request))
        .send(get(3)),
        case(
            "6.2",
            "HEADERS without END_HEADERS, then HEADERS of the same stream",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, 0, &request))
        .send(get(1)),
        case(
            "6.2",
            "HEADERS with padding longer than its payload",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, END | PADDED, &padded(200, 0))),
        case(
            "6.2",
            "HEADERS with padding that reaches into the field block",
            Connection(COMPRESSION_ERROR),
        )
        .send(headers(1, END | PADDED, &padded(4, 0))),
        case(
            "6.2",
            "HEADERS with padding and without its length",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(headers(1, END | PADDED, b"")),
        case("6.2", "HEADERS with padding", Answered(vec![(1, 200)])).send(headers(
            1,
            END | PADDED,
            &padded(9, 9),
        )),
        case("6.2", "HEADERS with priority", Answered(vec![(1, 200)])).send(headers(
            1,
            END | PRIORITY,
            &[&dependency(0, 15)[..], &request].concat(),
        )),
        case(
            "6.2",
            "HEADERS with padding and priority",
            Answered(vec![(1, 200)]),
        )
        .send(headers(
            1,
            END | PRIORITY | PADDED,
            &[&[3][..], &dependency(0x8000_0000, 255), &request, &[0; 3]].concat(),
        )),
        case(
            "6.2",
            "HEADERS with priority and too short for it",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(headers(1, END | PRIORITY, &[0, 0, 0, 0])),
    ]
}

/// Cases of §6.3, §6.4 and §6.6.
fn small_frames() -> Vec<Case> {
    vec![
        case("6.3", "PRIORITY on stream 0", Connection(PROTOCOL_ERROR)).send(priority(0, 1)),
        case("6.3", "PRIORITY of four bytes", Stream(1, FRAME_SIZE_ERROR))
            .send(settings(&[(4, 0)]))
            .send(get(1))
            .send(raw_h2::frame(2, 0, 1, &[0; 4])),
        case("6.3", "PRIORITY of six bytes", Stream(1, FRAME_SIZE_ERROR))
            .send(settings(&[(4, 0)]))
            .send(get(1))
            .send(raw_h2::frame(2, 0, 1, &[0; 6])),
        case(
            "6.3",
            "PRIORITY of four bytes on an idle stream",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(raw_h2::frame(2, 0, 1, &[0; 4])),
        case("6.4", "RST_STREAM on stream 0", Connection(PROTOCOL_ERROR)).send(rst_stream(0, 8)),
        case(
            "6.4",
            "RST_STREAM on an idle stream",
            Connection(PROTOCOL_ERROR),
        )
        .send(rst_stream(1, 8)),
        case(
            "6.4",
            "RST_STREAM on an idle stream of the server's",
            Connection(PROTOCOL_ERROR),
        )
        .send(rst_stream(2, 8)),
        case(
            "6.4",
            "RST_STREAM of three bytes",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(post(1))
        .send(raw_h2::frame(RST_STREAM, 0, 1, &[0; 3])),
        case(
            "6.4",
            "RST_STREAM of five bytes",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(post(1))
        .send(raw_h2::frame(RST_STREAM, 0, 1, &[0; 5])),
        case(
            "6.6",
            "PUSH_PROMISE of a client",
            Connection(PROTOCOL_ERROR),
        )
        .send(post(1))
        .send(push_promise(1, 2)),
        case(
            "6.6",
            "PUSH_PROMISE on stream 0",
            Connection(PROTOCOL_ERROR),
        )
        .send(push_promise(0, 2)),
    ]
}

/// Cases of §6.10.
fn continuations() -> Vec<Case> {
    let request = request("GET", "/", &[]);
    let (a, rest) = request.split_at(9);
    let (b, c) = rest.split_at(1);
    vec![
        case(
            "6.10",
            "HEADERS and two CONTINUATIONs",
            Answered(vec![(1, 200)]),
        )
        .send(headers(1, END_STREAM, a))
        .send(continuation(1, 0, b))
        .send(continuation(1, END_HEADERS, c)),
        case(
            "6.10",
            "CONTINUATION, then a frame that is none",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, END_STREAM, a))
        .send(continuation(1, 0, b))
        .send(data(1, END_STREAM, b"x")),
        case(
            "6.10",
            "CONTINUATION of another stream",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, END_STREAM, a))
        .send(continuation(3, END_HEADERS, rest)),
        case(
            "6.10",
            "CONTINUATION on stream 0",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, END_STREAM, a))
        .send(continuation(0, END_HEADERS, rest)),
        case(
            "6.10",
            "CONTINUATION behind HEADERS with END_HEADERS",
            Connection(PROTOCOL_ERROR),
        )
        .send(post(1))
        .send(continuation(1, END_HEADERS, &block(&[("x", "y")]))),
        case(
            "6.10",
            "CONTINUATION behind CONTINUATION with END_HEADERS",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, 0, a))
        .send(continuation(1, END_HEADERS, rest))
        .send(continuation(1, END_HEADERS, &block(&[("x", "y")]))),
        case(
            "6.10",
            "CONTINUATION behind DATA",
            Connection(PROTOCOL_ERROR),
        )
        .send(post(1))
        .send(data(1, 0, b"x"))
        .send(continuation(1, END_HEADERS, &block(&[("x", "y")]))),
        case(
            "6.10",
            "CONTINUATION without a frame before it",
            Connection(PROTOCOL_ERROR),
        )
        .send(continuation(1, END_HEADERS, &request)),
    ]
}

#[test]
fn s6_1_to_6_4_frames_of_streams() {
    run(&cases());
}
