//! RFC 9113 §5: the states of streams, their identifiers, their number, errors, extensions.

use super::super::wire::*;
use super::*;

/// A request whose response cannot go on, so that its stream stays half-closed (remote).
fn held(id: u32) -> Vec<u8> {
    [settings(&[(4, 0)]), get(id)].concat()
}

pub fn cases() -> Vec<Case> {
    [states(), identifiers(), concurrency(), errors()]
        .into_iter()
        .flatten()
        .collect()
}

/// Cases of §5.1.
fn states() -> Vec<Case> {
    let closed = |sentence, verdict| case("5.1", sentence, verdict).send(get(1)).end(1);
    let reset = |sentence, verdict| {
        case("5.1", sentence, verdict)
            .send(post(1))
            .send(rst_stream(1, 8))
    };
    let half_closed = |sentence, verdict| case("5.1", sentence, verdict).send(held(1)).head(1);
    vec![
        case("5.1", "idle: DATA", Connection(PROTOCOL_ERROR)).send(data(1, END_STREAM, b"x")),
        case("5.1", "idle: RST_STREAM", Connection(PROTOCOL_ERROR)).send(rst_stream(1, 8)),
        case("5.1", "idle: WINDOW_UPDATE", Connection(PROTOCOL_ERROR)).send(window_update(1, 100)),
        case("5.1", "idle: CONTINUATION", Connection(PROTOCOL_ERROR)).send(continuation(
            1,
            END_HEADERS,
            &request("GET", "/", &[]),
        )),
        case("5.1", "idle: PRIORITY", Taken).send(priority(1, 0)),
        half_closed("half-closed (remote): DATA", Stream(1, STREAM_CLOSED))
            .send(data(1, END_STREAM, b"x")),
        half_closed("half-closed (remote): HEADERS", Stream(1, STREAM_CLOSED)).send(headers(
            1,
            END,
            &block(&[("x", "y")]),
        )),
        half_closed(
            "half-closed (remote): CONTINUATION",
            Connection(PROTOCOL_ERROR),
        )
        .send(continuation(1, END_HEADERS, &block(&[("x", "y")]))),
        half_closed(
            "half-closed (remote): WINDOW_UPDATE",
            Answered(vec![(1, 200)]),
        )
        .send(window_update(1, 100)),
        half_closed("half-closed (remote): PRIORITY", Taken).send(priority(1, 0)),
        half_closed("half-closed (remote): RST_STREAM", Taken).send(rst_stream(1, 8)),
        reset("closed by RST_STREAM: DATA", Stream(1, STREAM_CLOSED))
            .send(data(1, END_STREAM, b"x")),
        reset("closed by RST_STREAM: HEADERS", Stream(1, STREAM_CLOSED)).send(headers(
            1,
            END,
            &block(&[("x", "y")]),
        )),
        reset(
            "closed by RST_STREAM: CONTINUATION",
            Connection(PROTOCOL_ERROR),
        )
        .send(continuation(1, END_HEADERS, &block(&[("x", "y")]))),
        reset("closed by RST_STREAM: PRIORITY", Taken).send(priority(1, 0)),
        reset("closed by RST_STREAM: WINDOW_UPDATE", Taken).send(window_update(1, 1)),
        reset("closed by RST_STREAM: RST_STREAM", Taken).send(rst_stream(1, 8)),
        closed("closed by END_STREAM: DATA", Stream(1, STREAM_CLOSED))
            .send(data(1, END_STREAM, b"x")),
        closed("closed by END_STREAM: HEADERS", Connection(STREAM_CLOSED)).send(headers(
            1,
            END,
            &request("GET", "/", &[]),
        )),
        closed(
            "closed by END_STREAM: CONTINUATION",
            Connection(PROTOCOL_ERROR),
        )
        .send(continuation(1, END_HEADERS, &block(&[("x", "y")]))),
        closed("closed by END_STREAM: WINDOW_UPDATE", Taken).send(window_update(1, 100)),
        closed("closed by END_STREAM: RST_STREAM", Taken).send(rst_stream(1, 8)),
        closed("closed by END_STREAM: PRIORITY", Taken).send(priority(1, 0)),
        case(
            "5.1",
            "reset by the server: what was under way",
            Stream(1, PROTOCOL_ERROR),
        )
        .send(post_with(1, &[("content-length", "1")]))
        .send(data(1, 0, b"too long"))
        .send(data(1, 0, b"under way"))
        .send(headers(1, END, &block(&[("x", "y")]))),
    ]
}

/// Cases of §5.1.1.
fn identifiers() -> Vec<Case> {
    vec![
        case(
            "5.1.1",
            "a request on an even stream",
            Connection(PROTOCOL_ERROR),
        )
        .send(get(2)),
        case(
            "5.1.1",
            "a request on a lower stream than the one before",
            Connection(PROTOCOL_ERROR),
        )
        .send(get(5))
        .send(get(3)),
        case(
            "5.1.1",
            "a request that skips streams",
            Answered(vec![(1, 200), (101, 200)]),
        )
        .send(get(1))
        .send(get(101)),
        case(
            "5.1.1",
            "WINDOW_UPDATE on a stream that was skipped, and so closed",
            Taken,
        )
        .send(get(5))
        .send(window_update(3, 1)),
        case(
            "5.1.1",
            "RST_STREAM on a stream that was skipped, and so closed",
            Taken,
        )
        .send(get(5))
        .send(rst_stream(3, 8)),
        case(
            "5.1.1",
            "DATA on a stream that was skipped, and so closed",
            Stream(3, STREAM_CLOSED),
        )
        .send(get(5))
        .send(data(3, 0, b"x"))
        .send(data(3, END_STREAM, b"under way")),
        case("5.1.1", "a request on stream 0", Connection(PROTOCOL_ERROR)).send(get(0)),
    ]
}

/// Cases of §5.1.2.
fn concurrency() -> Vec<Case> {
    let requests = |count: u32| (0..count).flat_map(|i| get(2 * i + 1)).collect::<Vec<_>>();
    vec![
        case(
            "5.1.2",
            "as many streams as SETTINGS_MAX_CONCURRENT_STREAMS allows",
            Taken,
        )
        .send(settings(&[(4, 0)]))
        .send(requests(100)),
        case(
            "5.1.2",
            "one stream more than SETTINGS_MAX_CONCURRENT_STREAMS allows",
            Stream(201, REFUSED_STREAM),
        )
        .send(settings(&[(4, 0)]))
        .send(requests(101)),
        case(
            "5.1.2",
            "one more, with the limit acknowledged",
            Stream(201, REFUSED_STREAM),
        )
        .send(raw_h2::frame(SETTINGS, ACK, 0, b""))
        .send(settings(&[(4, 0)]))
        .send(requests(101)),
    ]
}

/// Cases of §5.3 to §5.5.
fn errors() -> Vec<Case> {
    let request = request("GET", "/", &[]);
    let itself = [&dependency(1, 15)[..], &request].concat();
    vec![
        case(
            "5.3.2",
            "HEADERS of a stream that depends on itself (RFC 7540 §5.3.1)",
            Stream(1, PROTOCOL_ERROR),
        )
        .send(headers(1, END | PRIORITY, &itself)),
        case(
            "5.3.2",
            "PRIORITY of a stream that depends on itself (RFC 7540 §5.3.1)",
            Stream(1, PROTOCOL_ERROR),
        )
        .send(held(1))
        .head(1)
        .send(priority(1, 1)),
        case(
            "5.3.2",
            "PRIORITY of an idle stream that depends on itself",
            Connection(PROTOCOL_ERROR),
        )
        .send(priority(3, 3)),
        case(
            "5.4.1",
            "an error, and frames behind it",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(ping(0, b"short"))
        .send(get(1))
        .send(data(0, 0, b"worse")),
        case("5.4.2", "RST_STREAM is not answered with RST_STREAM", Taken)
            .send(held(1))
            .head(1)
            .send(rst_stream(1, 1))
            .send(rst_stream(1, 1)),
        case(
            "5.5",
            "an extension frame within a field block",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, END_STREAM, &request[..4]))
        .send(raw_h2::frame(0xbb, 0, 0, b"?"))
        .send(continuation(1, END_HEADERS, &request[4..])),
        case("5.5", "an unknown setting", Taken).send(settings(&[(0xbb, 7)])),
        case(
            "5.5",
            "PRIORITY_UPDATE of a stream that lives (RFC 9218 §7.1)",
            Taken,
        )
        .send(held(1))
        .head(1)
        .send(raw_h2::frame(0x10, 0, 0, b"\0\0\0\x01u=0")),
        case(
            "5.5",
            "PRIORITY_UPDATE on a stream (RFC 9218 §7.1)",
            Connection(PROTOCOL_ERROR),
        )
        .send(raw_h2::frame(0x10, 0, 1, b"\0\0\0\x01u=0")),
        case(
            "5.5",
            "PRIORITY_UPDATE of stream 0 (RFC 9218 §7.1)",
            Connection(PROTOCOL_ERROR),
        )
        .send(raw_h2::frame(0x10, 0, 0, b"\0\0\0\0u=0")),
        case(
            "5.5",
            "PRIORITY_UPDATE too short for its stream (RFC 9218 §7.1)",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(raw_h2::frame(0x10, 0, 0, b"\0\0\0")),
    ]
}

#[test]
fn s5_streams() {
    run(&cases());
}
