//! RFC 9113 §6.5: SETTINGS.

use super::super::wire::*;
use super::*;

pub fn cases() -> Vec<Case> {
    let ack = |payload: &[u8]| raw_h2::frame(SETTINGS, ACK, 0, payload);
    vec![
        case(
            "6.5",
            "an acknowledgement with a payload",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(ack(&[0])),
        case(
            "6.5",
            "an acknowledgement with a whole setting",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(ack(&[0, 1, 0, 0, 0, 0])),
        case("6.5", "SETTINGS on a stream", Connection(PROTOCOL_ERROR)).send(raw_h2::frame(
            SETTINGS,
            0,
            1,
            &[0, 3, 0, 0, 0, 100],
        )),
        case(
            "6.5",
            "an acknowledgement on a stream",
            Connection(PROTOCOL_ERROR),
        )
        .send(raw_h2::frame(SETTINGS, ACK, 1, b"")),
        case(
            "6.5",
            "SETTINGS of three bytes",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(raw_h2::frame(SETTINGS, 0, 0, &[0, 3, 0])),
        case(
            "6.5",
            "SETTINGS of seven bytes",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(raw_h2::frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100, 0])),
        case(
            "6.5.2",
            "SETTINGS_ENABLE_PUSH of 2",
            Connection(PROTOCOL_ERROR),
        )
        .send(settings(&[(2, 2)])),
        case("6.5.2", "SETTINGS_ENABLE_PUSH of 0, then of 1", Taken)
            .send(settings(&[(2, 0), (2, 1)])),
        case(
            "6.5.2",
            "SETTINGS_INITIAL_WINDOW_SIZE of 2³¹",
            Connection(FLOW_CONTROL_ERROR),
        )
        .send(settings(&[(4, 1 << 31)])),
        case("6.5.2", "SETTINGS_INITIAL_WINDOW_SIZE of 2³¹ − 1", Taken)
            .send(settings(&[(4, (1 << 31) - 1)])),
        case(
            "6.5.2",
            "SETTINGS_MAX_FRAME_SIZE of 16,383",
            Connection(PROTOCOL_ERROR),
        )
        .send(settings(&[(5, 16_383)])),
        case(
            "6.5.2",
            "SETTINGS_MAX_FRAME_SIZE of 0",
            Connection(PROTOCOL_ERROR),
        )
        .send(settings(&[(5, 0)])),
        case(
            "6.5.2",
            "SETTINGS_MAX_FRAME_SIZE of 2²⁴",
            Connection(PROTOCOL_ERROR),
        )
        .send(settings(&[(5, 1 << 24)])),
        case(
            "6.5.2",
            "SETTINGS_MAX_FRAME_SIZE of 2²⁴ − 1",
            Answered(vec![(1, 200)]),
        )
        .send(settings(&[(5, (1 << 24) - 1)]))
        .send(get(1)),
        case("6.5.2", "a setting that nobody knows", Taken).send(settings(&[(0xff, 1)])),
        case(
            "6.5.2",
            "SETTINGS_HEADER_TABLE_SIZE of 0, then a request",
            Answered(vec![(1, 200)]),
        )
        .send(settings(&[(1, 0)]))
        .send(get(1)),
        case(
            "6.5.2",
            "SETTINGS_HEADER_TABLE_SIZE of 2³² − 1, then a request",
            Answered(vec![(1, 200)]),
        )
        .send(settings(&[(1, u32::MAX)]))
        .send(get(1)),
        case(
            "6.5.2",
            "SETTINGS_MAX_CONCURRENT_STREAMS of 0, then a request",
            Answered(vec![(1, 200)]),
        )
        .send(settings(&[(3, 0)]))
        .send(get(1)),
        case(
            "6.5.2",
            "SETTINGS_ENABLE_CONNECT_PROTOCOL of 2 (RFC 8441 §3)",
            Connection(PROTOCOL_ERROR),
        )
        .send(settings(&[(8, 2)])),
        case(
            "6.5.2",
            "SETTINGS_NO_RFC7540_PRIORITIES of 2 (RFC 9218 §2.1)",
            Connection(PROTOCOL_ERROR),
        )
        .send(settings(&[(9, 2)])),
        case(
            "6.5.2",
            "SETTINGS_NO_RFC7540_PRIORITIES that changes (RFC 9218 §2.1)",
            Connection(PROTOCOL_ERROR),
        )
        .send(settings(&[(9, 1)])),
        case(
            "6.5.3",
            "the same setting twice: the last value counts",
            Data(1, 3),
        )
        .send(settings(&[(4, 100), (4, 3)]))
        .send(get(1)),
        case("6.5.3", "an acknowledgement of nothing", Taken)
            .send([ack(b""), ack(b""), ack(b"")].concat()),
    ]
}

#[test]
fn s6_5_settings() {
    run(&cases());
}

#[test]
fn s6_5_3_every_settings_frame_is_acknowledged_once_and_in_order() {
    let server = server();
    let mut client = CaseClient::open(&server);
    client.send(PREFACE);
    for _ in 0..4 {
        client.send(&settings(&[(3, 100), (4, 70_000)]));
    }
    client.ping(b"verdict1");
    let is_ack = |frame: &&Frame| frame.kind == SETTINGS && frame.flags == ACK;
    assert_eq!(client.heard.frames.iter().filter(is_ack).count(), 5);
}
