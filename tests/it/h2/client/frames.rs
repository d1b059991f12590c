//! Frames that a server must not send, or must not send in a certain place.

use super::*;

/// Cases of §3 to §5.
pub fn connections() -> Vec<ServerCase> {
    [starting(), format(), states()]
        .into_iter()
        .flatten()
        .collect()
}

fn protocol(section: &'static str, sentence: &'static str) -> ServerCase {
    case(section, sentence, Connection(PROTOCOL_ERROR))
}

fn frame_size(section: &'static str, sentence: &'static str) -> ServerCase {
    case(section, sentence, Connection(FRAME_SIZE_ERROR))
}

/// Cases of §3.4.
fn starting() -> Vec<ServerCase> {
    let first = |sentence| protocol("3.4", sentence).without_settings();
    vec![
        case("3.4", "SETTINGS of nothing, then a response", Taken).answer(),
        first("PING before SETTINGS").send(ping(0, b"too soon")),
        first("a response before SETTINGS").answer(),
        first("GOAWAY before SETTINGS").send(goaway(0, 0)),
        first("an acknowledgement before SETTINGS").send(raw_h2::frame(
            raw_h2::SETTINGS,
            ACK,
            0,
            b"",
        )),
        first("an unknown frame before SETTINGS").send(raw_h2::frame(0xbb, 0, 0, b"")),
        first("the client's preface").send(raw_h2::PREFACE),
    ]
}

/// Cases of §4 and §5.5.
fn format() -> Vec<ServerCase> {
    let mut reserved = head(1);
    reserved[5] |= 0x80;
    let split = response(&[("x", "y")]);
    let (front, back) = split.split_at(9);
    let block = |sentence| protocol("4.3", sentence).send(headers(1, 0, front));
    vec![
        case("4.1", "a frame of an unknown type", Taken)
            .send(raw_h2::frame(0xbb, 0xff, 0, b"?"))
            .answer(),
        case("4.1", "flags that mean nothing", Taken)
            .send(raw_h2::frame(raw_h2::PING, 0xf6, 0, b"whatever"))
            .answer(),
        case("4.1", "the reserved bit", Taken)
            .send(reserved)
            .send(data(1, END_STREAM, CONTENT)),
        frame_size("4.2", "DATA beyond SETTINGS_MAX_FRAME_SIZE")
            .send(head(1))
            .send(data(1, 0, &[0; 16_385])),
        frame_size("4.2", "HEADERS beyond SETTINGS_MAX_FRAME_SIZE").send(headers(
            1,
            END_HEADERS,
            &response(&[("x", &"v".repeat(16_384))]),
        )),
        frame_size("4.2", "an unknown frame beyond SETTINGS_MAX_FRAME_SIZE").send(raw_h2::frame(
            0xbb,
            0,
            0,
            &[0; 16_385],
        )),
        block("PING within a field block").send(ping(0, b"whatever")),
        block("an unknown frame within a field block").send(raw_h2::frame(0xbb, 0, 0, b"")),
        block("HEADERS within a field block").send(headers(1, END_HEADERS, back)),
        block("DATA within a field block").send(data(1, 0, b"x")),
        block("CONTINUATION of another stream").send(continuation(3, END_HEADERS, back)),
        case("4.3", "HEADERS and two CONTINUATIONs", Taken)
            .send(headers(1, 0, front))
            .send(continuation(1, 0, b""))
            .send(continuation(1, END_HEADERS, back))
            .send(data(1, END_STREAM, CONTENT)),
    ]
}

/// Cases of §5.1.
fn states() -> Vec<ServerCase> {
    let ended =
        |sentence, verdict| case("5.1", sentence, verdict).send(headers(1, END, &response(&[])));
    vec![
        protocol("5.1", "idle: DATA").send(data(3, 0, b"x")),
        protocol("5.1", "idle: HEADERS").send(head(3)),
        protocol("5.1", "idle: RST_STREAM").send(rst_stream(3, 8)),
        protocol("5.1", "idle: WINDOW_UPDATE").send(window_update(3, 1)),
        protocol("5.1", "idle: CONTINUATION").send(continuation(3, END_HEADERS, &response(&[]))),
        protocol("5.1", "idle: HEADERS on a stream of the server's").send(head(2)),
        protocol("5.1", "idle: DATA on a stream of the server's").send(data(2, 0, b"x")),
        case("5.1", "idle: PRIORITY", Taken)
            .send(priority(3, 0))
            .answer(),
        ended("closed by END_STREAM: DATA", Stream(1, STREAM_CLOSED)).send(data(1, 0, b"x")),
        ended("closed by END_STREAM: HEADERS", Connection(STREAM_CLOSED)).send(head(1)),
        case(
            "5.1",
            "closed by END_STREAM: WINDOW_UPDATE, RST_STREAM, PRIORITY",
            Taken,
        )
        .answer()
        .send(window_update(1, 1))
        .send(rst_stream(1, 0))
        .send(priority(1, 0)),
        case(
            "5.3.2",
            "PRIORITY of a stream that depends on itself",
            Stream(1, PROTOCOL_ERROR),
        )
        .send(priority(1, 1)),
    ]
}

/// Cases of §6, §7, and the frames of extensions.
pub fn definitions() -> Vec<ServerCase> {
    [
        streams(),
        settings_frames(),
        connection(),
        windows(),
        extensions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Cases of §6.1 to §6.4 and §6.10.
fn streams() -> Vec<ServerCase> {
    vec![
        protocol("6.1", "DATA on stream 0").send(data(0, 0, b"x")),
        protocol("6.1", "DATA with padding as long as its payload")
            .send(head(1))
            .send(data(1, PADDED, b"\x04abc")),
        case("6.1", "DATA with padding", Taken)
            .send(head(1))
            .send(data(1, PADDED | END_STREAM, b"\x02hello\0\0")),
        case("6.1", "DATA of nothing, then some", Taken)
            .send(head(1))
            .send(data(1, 0, b""))
            .send(data(1, 0, CONTENT))
            .send(data(1, END_STREAM, b"")),
        protocol("6.2", "HEADERS on stream 0").send(head(0)),
        protocol("6.2", "HEADERS with padding longer than its payload").send(headers(
            1,
            END_HEADERS | PADDED,
            &[&[100][..], &response(&[])].concat(),
        )),
        case("6.2", "HEADERS with padding and a priority", Taken)
            .send(headers(
                1,
                END_HEADERS | PADDED | PRIORITY,
                &[&[1][..], &dependency(0, 15), &response(&[]), &[0]].concat(),
            ))
            .send(data(1, END_STREAM, CONTENT)),
        protocol("6.3", "PRIORITY on stream 0").send(priority(0, 1)),
        case("6.3", "PRIORITY of four bytes", Stream(1, FRAME_SIZE_ERROR))
            .send(raw_h2::frame(2, 0, 1, &[0; 4])),
        protocol("6.4", "RST_STREAM on stream 0").send(rst_stream(0, 8)),
        frame_size("6.4", "RST_STREAM of three bytes")
            .send(raw_h2::frame(RST_STREAM, 0, 1, &[0; 3])),
        protocol("6.10", "CONTINUATION without HEADERS").send(continuation(
            1,
            END_HEADERS,
            &response(&[]),
        )),
        protocol("6.10", "CONTINUATION behind a whole field block")
            .send(head(1))
            .send(continuation(1, END_HEADERS, &block(&[("x", "y")]))),
        protocol("6.10", "CONTINUATION on stream 0")
            .send(headers(1, 0, &response(&[])))
            .send(continuation(0, END_HEADERS, b"")),
    ]
}

/// Cases of §6.5, RFC 8441 §3 and RFC 9218 §2.1.
fn settings_frames() -> Vec<ServerCase> {
    let wrong = |sentence, id, value| protocol("6.5.2", sentence).send(settings(&[(id, value)]));
    vec![
        frame_size("6.5", "an acknowledgement with a payload").send(raw_h2::frame(
            raw_h2::SETTINGS,
            ACK,
            0,
            &raw_h2::setting(3, 1),
        )),
        protocol("6.5", "SETTINGS on a stream").send(raw_h2::frame(raw_h2::SETTINGS, 0, 1, b"")),
        frame_size("6.5", "SETTINGS of five bytes").send(raw_h2::frame(
            raw_h2::SETTINGS,
            0,
            0,
            &[0; 5],
        )),
        wrong("SETTINGS_ENABLE_PUSH of 1 from a server", 2, 1),
        wrong("SETTINGS_ENABLE_PUSH of 2", 2, 2),
        case("6.5.2", "SETTINGS_ENABLE_PUSH of 0", Taken)
            .send(settings(&[(2, 0)]))
            .answer(),
        case(
            "6.5.2",
            "SETTINGS_INITIAL_WINDOW_SIZE beyond 2^31-1",
            Connection(FLOW_CONTROL_ERROR),
        )
        .send(settings(&[(4, 1 << 31)])),
        wrong("SETTINGS_MAX_FRAME_SIZE below 16,384", 5, 16_383),
        wrong("SETTINGS_MAX_FRAME_SIZE beyond 2^24-1", 5, 1 << 24),
        case("6.5.2", "settings that nobody knows", Taken)
            .send(settings(&[(0xf0f0, u32::MAX), (0, 7)]))
            .answer(),
        protocol("8441 3", "SETTINGS_ENABLE_CONNECT_PROTOCOL of 2").send(settings(&[(8, 2)])),
        protocol("8441 3", "SETTINGS_ENABLE_CONNECT_PROTOCOL of 1, then 0")
            .send(settings(&[(8, 1)]))
            .send(settings(&[(8, 0)])),
        protocol("9218 2.1", "SETTINGS_NO_RFC7540_PRIORITIES of 2").send(settings(&[(9, 2)])),
        protocol("9218 2.1", "SETTINGS_NO_RFC7540_PRIORITIES that changes")
            .send(settings(&[(9, 1)])),
    ]
}

/// Cases of §6.7, §6.8 and §7.
fn connection() -> Vec<ServerCase> {
    vec![
        frame_size("6.7", "PING of six bytes").send(ping(0, b"sixsix")),
        protocol("6.7", "PING on a stream").send(raw_h2::frame(raw_h2::PING, 0, 1, &[0; 8])),
        case("6.7", "an answer to a PING that nobody sent", Taken)
            .send(ping(ACK, b"whatever"))
            .answer(),
        protocol("6.8", "GOAWAY on a stream").send(raw_h2::frame(GOAWAY, 0, 1, &[0; 8])),
        frame_size("6.8", "GOAWAY of seven bytes").send(raw_h2::frame(GOAWAY, 0, 0, &[0; 7])),
        protocol("6.8", "GOAWAY with a higher stream than before")
            .send(goaway(1, 0))
            .send(goaway(3, 0)),
        case("6.8", "GOAWAY behind the request, then its response", Taken)
            .send(goaway((1 << 31) - 1, 0))
            .send(goaway(1, 0))
            .answer(),
        case(
            "7",
            "RST_STREAM with a code that nobody knows, behind the response",
            Taken,
        )
        .answer()
        .send(rst_stream(1, 0xdead)),
    ]
}

/// Cases of §6.9.
fn windows() -> Vec<ServerCase> {
    let flow = |section, sentence| case(section, sentence, Connection(FLOW_CONTROL_ERROR));
    vec![
        protocol("6.9", "WINDOW_UPDATE of 0 on the connection").send(window_update(0, 0)),
        case(
            "6.9",
            "WINDOW_UPDATE of 0 on a stream",
            Stream(1, PROTOCOL_ERROR),
        )
        .send(window_update(1, 0)),
        frame_size("6.9", "WINDOW_UPDATE of three bytes").send(raw_h2::frame(
            raw_h2::WINDOW_UPDATE,
            0,
            0,
            &[1; 3],
        )),
        flow("6.9.1", "the connection's window beyond 2^31-1").send(window_update(0, 0x7fff_ffff)),
        case(
            "6.9.1",
            "a stream's window beyond 2^31-1",
            Stream(1, FLOW_CONTROL_ERROR),
        )
        .send(window_update(1, 0x7fff_ffff)),
        flow(
            "6.9.2",
            "SETTINGS that widen a stream's window beyond 2^31-1",
        )
        .send(window_update(1, 1))
        .send(settings(&[(4, 0x7fff_ffff)])),
        case("6.9", "WINDOW_UPDATE on both", Taken)
            .send(window_update(0, 1))
            .send(window_update(1, 1))
            .answer(),
    ]
}

/// Cases of RFC 7838, RFC 8336 and RFC 9218.
fn extensions() -> Vec<ServerCase> {
    let taken = |section, sentence, kind, id, payload: &[u8]| {
        case(section, sentence, Taken)
            .send(raw_h2::frame(kind, 0, id, payload))
            .answer()
    };
    vec![
        protocol("9218 7.1", "PRIORITY_UPDATE from a server").send(raw_h2::frame(
            16,
            0,
            0,
            b"\0\0\0\x01u=1",
        )),
        taken("7838 4", "ALTSVC that is cut short", 10, 0, b"\0\xffx"),
        taken(
            "7838 4",
            "ALTSVC with an origin on a stream",
            10,
            1,
            b"\0\x01xh3",
        ),
        taken("8336 2.1", "ORIGIN on a stream", 12, 1, b"\0\x01x"),
        taken("8336 2.1", "ORIGIN that is cut short", 12, 0, b"\0\xffx"),
    ]
}
