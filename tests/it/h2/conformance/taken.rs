//! Rights of a client: behaviour that every server has to accept.

use super::super::wire::*;
use super::*;

pub fn cases() -> Vec<Case> {
    let fine = |section, sentence| case(section, sentence, Answered(vec![(1, 200)]));
    let request_block = request("GET", "/", &[]);
    let (front, back) = request_block.split_at(7);
    let json = |flags| headers(1, flags, &request("POST", "/json", &[]));
    vec![
        fine("8.3.1", "GET").send(get(1)),
        fine("8.3.1", "HEAD").send(headers(1, END, &request("HEAD", "/", &[]))),
        fine("8.3.1", "POST with content")
            .send(json(END_HEADERS))
            .send(data(1, END_STREAM, b"test")),
        fine("8.1", "POST with content and trailers")
            .send(json(END_HEADERS))
            .send(data(1, 0, b"test"))
            .send(headers(1, END, &block(&[("x-test", "ok")]))),
        fine("6.1", "DATA in several frames")
            .send(json(END_HEADERS))
            .send(data(1, 0, b"te"))
            .send(data(1, 0, b"st"))
            .send(data(1, END_STREAM, b"")),
        fine("6.1", "DATA with padding")
            .send(json(END_HEADERS))
            .send(data(1, PADDED | END_STREAM, b"\x06test\0\0\0\0\0\0")),
        fine("6.3", "PRIORITY of weight 1")
            .send(priority(1, 0))
            .send(get(1)),
        fine("6.3", "PRIORITY of weight 256")
            .send(raw_h2::frame(2, 0, 1, &dependency(0, 255)))
            .send(get(1)),
        fine("6.3", "PRIORITY with a dependency")
            .send(priority(1, 3))
            .send(get(1)),
        fine("6.3", "PRIORITY with an exclusive dependency")
            .send(raw_h2::frame(2, 0, 1, &dependency(0x8000_0000, 15)))
            .send(get(1)),
        case(
            "6.3",
            "PRIORITY of a higher idle stream, then a lower request",
            Answered(vec![(3, 200)]),
        )
        .send(priority(5, 0))
        .send(get(3)),
        case("6.4", "RST_STREAM of an open stream", Taken)
            .send(json(END_HEADERS))
            .send(rst_stream(1, 8)),
        case("6.5", "SETTINGS of every kind", Taken).send(settings(&[
            (1, 4_096),
            (2, 0),
            (3, 100),
            (4, 65_535),
            (5, 16_384),
            (6, 100),
        ])),
        case("6.5", "SETTINGS of nothing", Taken).send(settings(&[])),
        case("6.9", "WINDOW_UPDATE on the connection", Taken).send(window_update(0, 1)),
        case("6.9", "WINDOW_UPDATE on a stream", Taken)
            .send(json(END_HEADERS))
            .send(window_update(1, 1)),
        fine("6.10", "HEADERS and a CONTINUATION")
            .send(headers(1, END_STREAM, front))
            .send(continuation(1, END_HEADERS, back)),
        fine("6.10", "HEADERS without a fragment and a CONTINUATION")
            .send(headers(1, END_STREAM, b""))
            .send(continuation(1, END_HEADERS, &request_block)),
        fine("6.10", "HEADERS and four CONTINUATIONs")
            .send(headers(1, END_STREAM, &front[..1]))
            .send(continuation(1, 0, &front[1..3]))
            .send(continuation(1, 0, &front[3..5]))
            .send(continuation(1, 0, &front[5..]))
            .send(continuation(1, END_HEADERS, back)),
        case(
            "5.1.2",
            "two requests at once",
            Answered(vec![(1, 200), (3, 200)]),
        )
        .send(get(1))
        .send(get(3)),
    ]
}

#[test]
fn what_a_client_may_do_is_taken() {
    run(&cases());
}
