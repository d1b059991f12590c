//! RFC 9113 §4: rules for all frames.

use super::super::wire::*;
use super::*;

static LARGE: [u8; 16_385] = [0; 16_385];

pub fn cases() -> Vec<Case> {
    let reserved = |mut frame: Vec<u8>| {
        frame[5] |= 0x80;
        frame
    };
    let request = request("GET", "/", &[]);
    let post_block = super::super::wire::request("POST", "/json", &[]);
    let (front, back) = request.split_at(4);
    vec![
        // Cases of §4.1.
        case("4.1", "a frame of an unknown type", Taken).send(raw_h2::frame(0xbb, 0xff, 0, b"?")),
        case(
            "4.1",
            "a frame of an unknown type on a stream that is idle",
            Taken,
        )
        .send(raw_h2::frame(0xbb, 0xff, 99, b"?")),
        case("4.1", "PING with flags that have no meaning", Taken).send(ping(0xfe, b"flagged?")),
        case(
            "4.1",
            "HEADERS with flags that have no meaning",
            Answered(vec![(1, 200)]),
        )
        .send(headers(1, END | 0xd2, &request)),
        case("4.1", "PING with the reserved bit set", Taken).send(reserved(ping(0, b"reserved"))),
        case(
            "4.1",
            "HEADERS with the reserved bit set",
            Answered(vec![(1, 200)]),
        )
        .send(reserved(get(1))),
        // Cases of §4.2.
        case("4.2", "DATA of the largest size", Answered(vec![(1, 200)]))
            .send(post(1))
            .send(data(1, END_STREAM, &LARGE[1..])),
        case(
            "4.2",
            "DATA larger than SETTINGS_MAX_FRAME_SIZE",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(post(1))
        .send(data(1, END_STREAM, &LARGE)),
        case(
            "4.2",
            "HEADERS larger than SETTINGS_MAX_FRAME_SIZE",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(headers(1, END, &LARGE)),
        case(
            "4.2",
            "SETTINGS larger than SETTINGS_MAX_FRAME_SIZE",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(raw_h2::frame(SETTINGS, 0, 0, &[0; 16_386])),
        case(
            "4.2",
            "an unknown type larger than SETTINGS_MAX_FRAME_SIZE",
            Connection(FRAME_SIZE_ERROR),
        )
        .send(raw_h2::frame(0xbb, 0, 0, &LARGE)),
        // Cases of §4.3.
        case(
            "4.3",
            "a field block that cannot be decoded",
            Connection(COMPRESSION_ERROR),
        )
        .send(headers(1, END, &[0x42])),
        case(
            "4.3",
            "trailers that cannot be decoded",
            Connection(COMPRESSION_ERROR),
        )
        .send(post(1))
        .send(headers(1, END, &[0x42])),
        case(
            "4.3",
            "PRIORITY within a field block",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, END_STREAM, front))
        .send(priority(1, 0))
        .send(continuation(1, END_HEADERS, back)),
        case(
            "4.3",
            "HEADERS of another stream within a field block",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, END_STREAM, front))
        .send(get(3))
        .send(continuation(1, END_HEADERS, back)),
        case(
            "4.3",
            "PING within a field block",
            Connection(PROTOCOL_ERROR),
        )
        .send(headers(1, END_STREAM, front))
        .send(ping(0, b"between."))
        .send(continuation(1, END_HEADERS, back)),
        case(
            "4.3",
            "a block that is not decoded for its stream's sake keeps the table in step",
            Answered(vec![(1, 200), (3, 200)]),
        )
        // A table entry that a stream makes before it is reset is used by the next request.
        .send(headers(
            1,
            END,
            &[&request[..], &[0x40, 1, b'x', 1, b'y']].concat(),
        ))
        .send(headers(3, END, &[&request[..], &[0xbe]].concat())),
        case(
            "4.3.1",
            "an entry made by a request that is reset is used by the next",
            Answered(vec![(3, 200)]),
        )
        .send(headers(
            1,
            END_HEADERS,
            &[&post_block[..], &[0x40, 1, b'x', 1, b'y']].concat(),
        ))
        .send(rst_stream(1, 8))
        .send(headers(3, END, &[&request[..], &[0xbe]].concat())),
    ]
}

#[test]
fn s4_frames() {
    run(&cases());
}
