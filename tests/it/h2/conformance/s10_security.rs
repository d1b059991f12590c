//! RFC 9113 §10.3, §10.5: requests that are legal by its letter but abusive.

use super::super::wire::*;
use super::*;

pub fn cases() -> Vec<Case> {
    let repeat = |frame: Vec<u8>, count: usize| frame.repeat(count);
    let request = request("GET", "/", &[]);
    let bomb = {
        // An entry of 4,000 bytes, then references to it: 16,000 bytes on the wire are 64 MB.
        let entry = [&[0x40][..], &string("x"), &string(&"v".repeat(4_000))].concat();
        [&request[..], &entry, &[0xbe; 12_000]].concat()
    };
    let long = continuation(1, 0, &literal("x", &"v".repeat(15_000)));
    let calm = || Connection(ENHANCE_YOUR_CALM);
    vec![
        case(
            "10.3",
            "a value that would split a message of HTTP/1.1",
            Stream(1, PROTOCOL_ERROR),
        )
        .send(get_with(1, &[("x", "a\r\nhost: evil")])),
        case("10.5", "300 PINGs at once", calm()).send(repeat(ping(0, b"floodfld"), 300)),
        case("10.5", "300 SETTINGS at once", calm()).send(repeat(settings(&[]), 300)),
        case("10.5", "SETTINGS of 40 entries", calm()).send(settings(&[(0xbb, 0); 40])),
        case("10.5", "200 empty DATA frames", calm())
            .send(post(1))
            .send(repeat(data(1, 0, b""), 200)),
        case("10.5", "100 KiB of frames of unknown types", calm())
            .send(repeat(raw_h2::frame(0xbb, 0, 0, &[0; 1_015]), 100)),
        case("10.5", "8,000 PRIORITY frames", calm()).send(repeat(priority(1, 3), 8_000)),
        case("10.5", "requests that are reset at once, 600 times", calm()).send(
            (0..600)
                .flat_map(|i| [post(2 * i + 1), rst_stream(2 * i + 1, 8)].concat())
                .collect(),
        ),
        case("10.5", "stream errors, 150 times", calm()).send(
            (0..150)
                .flat_map(|i| {
                    get_with(2 * i + 1, &[])
                        .into_iter()
                        .chain(window_update(2 * i + 1, 0))
                })
                .collect(),
        ),
        case(
            "10.5.1",
            "a field section beyond SETTINGS_MAX_HEADER_LIST_SIZE",
            Answered(vec![(1, 431)]),
        )
        .send(get_with(
            1,
            &[
                ("x", &"v".repeat(8_100)),
                ("y", &"v".repeat(8_100)),
                ("z", "v"),
            ],
        )),
        case(
            "10.5.1",
            "a field section of more fields than anybody needs",
            Answered(vec![(1, 431)]),
        )
        .send(get_with(1, &[("x", "y"); 150])),
        case(
            "10.5.1",
            "90 cookie crumbs and 15 fields",
            Answered(vec![(1, 200)]),
        )
        .send(get_with(
            1,
            &[[("cookie", "name=value"); 90].as_slice(), &[("x", "y"); 15]].concat(),
        )),
        case("10.5.1", "1,000 cookie crumbs", Answered(vec![(1, 200)]))
            .send(get_with(1, &[("cookie", "a=b"); 1_000])),
        case("10.5.1", "1,001 cookie crumbs", Answered(vec![(1, 431)]))
            .send(get_with(1, &[("cookie", "a=b"); 1_001])),
        case(
            "10.5.1",
            "a field block of 60,000 bytes",
            Answered(vec![(1, 431), (3, 200)]),
        )
        .send(headers(1, END_STREAM, &request))
        .send(long.clone().repeat(3))
        .send(continuation(
            1,
            END_HEADERS,
            &literal("x", &"v".repeat(15_000)),
        ))
        .send(get(3)),
        case("10.5.1", "a field block of more than 64 KiB", calm())
            .send(headers(1, END_STREAM, &request))
            .send(long.repeat(5)),
        case(
            "10.5.1",
            "a field section that is small on the wire and huge behind it",
            calm(),
        )
        .send(headers(1, END, &bomb)),
        case("10.5.1", "CONTINUATION without end", calm())
            .send(headers(1, END_STREAM, &request))
            .send(repeat(continuation(1, 0, &block(&[("x", "y")])), 20)),
        case("10.5.1", "empty CONTINUATION without end", calm())
            .send(headers(1, END_STREAM, &request))
            .send(repeat(continuation(1, 0, b""), 20)),
    ]
}

#[test]
fn s10_security() {
    run(&cases());
}
