//! Push promises, refused and accepted.

use super::*;

/// A promise of a request with the given fields.
fn promise(id: u32, promised: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let payload = [&promised.to_be_bytes()[..], &block(fields)].concat();
    raw_h2::frame(5, END_HEADERS, id, &payload)
}

fn request_of(method: &'static str) -> [(&'static str, &'static str); 4] {
    [
        (":method", method),
        (":scheme", "http"),
        (":path", "/pushed"),
        (":authority", "localhost"),
    ]
}

/// Cases of §6.6 and §8.4.
pub fn cases() -> Vec<ServerCase> {
    let allowed = |section, sentence, verdict| case(section, sentence, verdict).with(&["--push"]);
    let protocol = |section, sentence| allowed(section, sentence, Connection(PROTOCOL_ERROR));
    let malformed = |sentence, fields: &[(&str, &str)]| {
        allowed("8.4.1", sentence, Stream(2, PROTOCOL_ERROR)).send(promise(1, 2, fields))
    };
    vec![
        case(
            "8.4",
            "PUSH_PROMISE although SETTINGS_ENABLE_PUSH is 0",
            Connection(PROTOCOL_ERROR),
        )
        .acknowledge()
        .send(push_promise(1, 2)),
        case(
            "8.4",
            "PUSH_PROMISE of a server that has not read SETTINGS_ENABLE_PUSH of 0 yet",
            Stream(2, CANCEL),
        )
        .send(push_promise(1, 2))
        .answer(),
        allowed(
            "5.1.2",
            "more pushed responses than SETTINGS_MAX_CONCURRENT_STREAMS allows",
            Stream(202, REFUSED_STREAM),
        )
        .send(
            (1..=101)
                .flat_map(|i| [push_promise(1, 2 * i), head(2 * i)].concat())
                .collect::<Vec<_>>(),
        ),
        allowed("8.4", "a promise, its response, and the request's", Taken)
            .send(push_promise(1, 2))
            .send(head(2))
            .answer()
            .send(data(2, END_STREAM, b"pushed")),
        protocol("6.6", "PUSH_PROMISE on stream 0").send(push_promise(0, 2)),
        protocol("6.6", "PUSH_PROMISE on an idle stream").send(push_promise(3, 2)),
        protocol("6.6", "PUSH_PROMISE on a promised stream")
            .send(push_promise(1, 2))
            .send(push_promise(2, 4)),
        protocol("6.6", "PUSH_PROMISE on a stream that has ended")
            .answer()
            .send(push_promise(1, 2)),
        protocol("5.1.1", "PUSH_PROMISE of stream 0").send(push_promise(1, 0)),
        protocol("5.1.1", "PUSH_PROMISE of an odd stream").send(push_promise(1, 3)),
        protocol("5.1.1", "PUSH_PROMISE of a stream twice")
            .send(push_promise(1, 2))
            .send(push_promise(1, 2)),
        protocol("5.1.1", "PUSH_PROMISE of a lower stream than before")
            .send(push_promise(1, 4))
            .send(push_promise(1, 2)),
        protocol("5.1", "reserved (remote): DATA")
            .send(push_promise(1, 2))
            .send(data(2, 0, b"x")),
        protocol("5.1", "reserved (remote): WINDOW_UPDATE")
            .send(push_promise(1, 2))
            .send(window_update(2, 1)),
        malformed(
            "a promised request of a method that is not safe",
            &request_of("POST"),
        ),
        malformed("a promised request without :path", &request_of("GET")[..2]),
        malformed(
            "a promised request with a connection-specific field",
            &[&request_of("GET")[..], &[("connection", "close")]].concat(),
        ),
        malformed(
            "a promised request with content",
            &[&request_of("GET")[..], &[("content-length", "1")]].concat(),
        ),
        case(
            "6.6",
            "PUSH_PROMISE without its stream",
            Connection(FRAME_SIZE_ERROR),
        )
        .with(&["--push"])
        .send(raw_h2::frame(5, END_HEADERS, 1, &[0; 3])),
        protocol("6.6", "PUSH_PROMISE with padding longer than its payload").send(raw_h2::frame(
            5,
            END_HEADERS | PADDED,
            1,
            &[9, 0, 0, 0, 2],
        )),
    ]
}
