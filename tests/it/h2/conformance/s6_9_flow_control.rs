//! RFC 9113 §6.9: WINDOW_UPDATE and flow control. The page that is asked for has 35 bytes.

use super::super::wire::*;
use super::*;

const MAX: u32 = (1 << 31) - 1;

/// The head of an upload to `/echo`, which sends back each byte that it gets. It can send none while
/// its window is closed.
fn upload(id: u32) -> Vec<u8> {
    headers(id, END_HEADERS, &request("POST", "/echo", &[]))
}

/// DATA frames of `len` bytes altogether.
fn flood(id: u32, len: usize) -> Vec<u8> {
    vec![0; len]
        .chunks(16_384)
        .flat_map(|chunk| data(id, 0, chunk))
        .collect()
}

pub fn cases() -> Vec<Case> {
    [updates(), windows(), received()]
        .into_iter()
        .flatten()
        .collect()
}

/// Cases of §6.9.
fn updates() -> Vec<Case> {
    let held = |sentence, verdict| {
        case("6.9", sentence, verdict)
            .send(settings(&[(4, 0)]))
            .send(get(1))
            .head(1)
    };
    vec![
        case(
            "6.9",
            "WINDOW_UPDATE of 0 on the connection",
            Connection(PROTOCOL_ERROR),
        )
        .send(window_update(0, 0)),
        held("WINDOW_UPDATE of 0 on a stream", Stream(1, PROTOCOL_ERROR)).send(window_update(1, 0)),
        case(
            "6.9",
            "WINDOW_UPDATE of 0 on a stream that has ended",
            Stream(1, PROTOCOL_ERROR),
        )
        .send(get(1))
        .end(1)
        .send(window_update(1, 0)),
        case(
            "6.9",
            "WINDOW_UPDATE of three bytes",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(raw_h2::frame(8, 0, 0, &[0, 0, 1])),
        case(
            "6.9",
            "WINDOW_UPDATE of five bytes",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(raw_h2::frame(8, 0, 0, &[0, 0, 0, 1, 0])),
        case(
            "6.9",
            "WINDOW_UPDATE of three bytes on a stream",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(post(1))
        .send(raw_h2::frame(8, 0, 1, &[0, 0, 1])),
        held("WINDOW_UPDATE with the reserved bit set", Data(1, 9))
            .send(window_update(1, 0x8000_0009)),
        case(
            "6.9",
            "WINDOW_UPDATE on an idle stream of the server's",
            Connection(PROTOCOL_ERROR),
        )
        .send(window_update(2, 1)),
    ]
}

/// Cases of §6.9.1 and §6.9.2: the server sends.
fn windows() -> Vec<Case> {
    vec![
        case(
            "6.9.1",
            "a window of 1: the response begins with one byte",
            Data(1, 1),
        )
        .send(settings(&[(4, 1)]))
        .send(get(1)),
        case("6.9.1", "a window of 0: no DATA", Data(1, 0))
            .send(settings(&[(4, 0)]))
            .send(get(1)),
        case(
            "6.9.1",
            "a window as large as the page: all of it",
            Data(1, 35),
        )
        .send(settings(&[(4, 35)]))
        .send(get(1)),
        case(
            "6.9.1",
            "WINDOW_UPDATEs beyond 2³¹ − 1 on the connection",
            Connection(FLOW_CONTROL_ERROR),
        )
        .send(window_update(0, MAX))
        .send(window_update(0, MAX)),
        case(
            "6.9.1",
            "WINDOW_UPDATE up to 2³¹ − 1 on the connection",
            Taken,
        )
        .send(window_update(0, MAX - 65_535)),
        case(
            "6.9.1",
            "WINDOW_UPDATEs beyond 2³¹ − 1 on a stream",
            Stream(1, FLOW_CONTROL_ERROR),
        )
        .send(post(1))
        .send(window_update(1, MAX))
        .send(window_update(1, MAX)),
        case("6.9.1", "WINDOW_UPDATE up to 2³¹ − 1 on a stream", Taken)
            .send(post(1))
            .send(window_update(1, MAX - 65_535)),
        case(
            "6.9.2",
            "SETTINGS_INITIAL_WINDOW_SIZE that opens a window behind HEADERS",
            Data(1, 1),
        )
        .send(settings(&[(4, 0)]))
        .send(get(1))
        .head(1)
        .send(settings(&[(4, 1)])),
        case(
            "6.9.2",
            "a window that becomes negative: nothing until it is above 0",
            Data(1, 3),
        )
        .send(settings(&[(4, 3)]))
        .send(get(1))
        .head(1)
        .send(settings(&[(4, 2)]))
        .send(window_update(1, 1)),
        case(
            "6.9.2",
            "a window that becomes negative and is opened again",
            Data(1, 4),
        )
        .send(settings(&[(4, 3)]))
        .send(get(1))
        .head(1)
        .send(settings(&[(4, 2)]))
        .send(window_update(1, 2)),
        case(
            "6.9.2",
            "SETTINGS_INITIAL_WINDOW_SIZE beyond 2³¹ − 1",
            Connection(FLOW_CONTROL_ERROR),
        )
        .send(settings(&[(4, MAX + 1)])),
        case(
            "6.9.2",
            "SETTINGS_INITIAL_WINDOW_SIZE that takes a stream's window beyond 2³¹ − 1",
            Connection(FLOW_CONTROL_ERROR),
        )
        .send(post(1))
        .send(window_update(1, MAX - 65_535))
        .send(settings(&[(4, 65_536)])),
        case(
            "6.9.2",
            "SETTINGS do not change the connection's window",
            Data(1, 35),
        )
        .send(settings(&[(4, 0)]))
        .send(settings(&[(4, MAX)]))
        .send(get(1)),
    ]
}

/// Cases of §6.9.1: the server receives. Its window is 256 KiB on a stream, 1 MiB on the connection.
fn received() -> Vec<Case> {
    let closed = |sentence, verdict| case("6.9.1", sentence, verdict).send(settings(&[(4, 0)]));
    vec![
        closed("DATA up to a stream's window", Taken)
            .send(raw_h2::frame(SETTINGS, ACK, 0, b""))
            .send(upload(1))
            .send(flood(1, 256 << 10)),
        closed(
            "DATA beyond a stream's window",
            Stream(1, FLOW_CONTROL_ERROR),
        )
        .send(raw_h2::frame(SETTINGS, ACK, 0, b""))
        .send(upload(1))
        .send(flood(1, (256 << 10) + 1)),
        closed(
            "padding beyond a stream's window",
            Stream(1, FLOW_CONTROL_ERROR),
        )
        .send(raw_h2::frame(SETTINGS, ACK, 0, b""))
        .send(upload(1))
        .send(flood(1, (256 << 10) - 4))
        .send(data(1, PADDED, &[4, 0, 0, 0, 0])),
        closed(
            "DATA beyond the connection's window",
            Connection(FLOW_CONTROL_ERROR),
        )
        .send(raw_h2::frame(SETTINGS, ACK, 0, b""))
        .send((0..5).flat_map(|i| upload(2 * i + 1)).collect())
        .send((0..5).flat_map(|i| flood(2 * i + 1, 256 << 10)).collect()),
        closed("an empty DATA frame while the window is used up", Taken)
            .send(raw_h2::frame(SETTINGS, ACK, 0, b""))
            .send(upload(1))
            .send(flood(1, 256 << 10))
            .send(data(1, END_STREAM, b"")),
    ]
}

#[test]
fn s6_9_flow_control() {
    run(&cases());
}
