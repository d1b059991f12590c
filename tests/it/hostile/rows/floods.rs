//! HTTP/2: floods of frames that cost their sender little.

use super::{END, ENHANCE_YOUR_CALM};
use crate::attack::{
    Answer, Attack, GETS_H2, H2, Reads, Step, open_h2, open_h2_with, request, stream,
};
use crate::raw_h2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, get, setting,
};

const PRIORITY: u8 = 2;
const PRIORITY_UPDATE: u8 = 0x10;

/// A file of a few bytes: forty answers of 4 KiB that an attacker has not read yet are more than rows of little memory
/// allow, and say nothing of what is measured.
const TINY: &str = "/.well-known/known";

/// All rows of this kind.
pub const ALL: &[Attack] = &[
    Attack {
        name: "PING flood, never read",
        cve: "CVE-2019-9512",
        step: |_| Step::Send(frame(PING, 0, 0, b"pingpong").repeat(1_000)),
        reads: Reads::Nothing,
        // As many frames as the system's buffers hold, and 200.
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, usize::MAX),
        ..H2
    },
    Attack {
        name: "PING flood",
        cve: "CVE-2019-9512",
        step: |_| Step::Send(frame(PING, 0, 0, b"pingpong")),
        ..H2
    },
    Attack {
        name: "PRIORITY flood on random streams",
        cve: "CVE-2019-9513",
        step: |n| {
            let priority = |n| frame(PRIORITY, 0, random_stream(n), &[0, 0, 0, 0, 15]);
            Step::Send((20 * n..20 * n + 20).flat_map(priority).collect())
        },
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, (64 << 10) / 14 + 32),
        memory_kib: 4,
        ..H2
    },
    Attack {
        name: "PRIORITY between requests",
        cve: "CVE-2019-9513",
        step: |n| {
            let mut bytes = request(n, TINY);
            for i in 0..100 {
                bytes.extend(frame(
                    PRIORITY,
                    0,
                    random_stream(100 * n + i),
                    &[0, 0, 0, 0, 15],
                ));
            }
            Step::Send(bytes)
        },
        memory_kib: 4,
        ..H2
    },
    Attack {
        name: "PRIORITY between requests, of streams under way",
        cve: "CVE-2019-9513",
        step: |n| {
            let mut bytes = request(n, TINY);
            for i in 0..100 {
                // The weights of Chromium, which the server obeys.
                let weight = [255, 219, 182, 146, 109][i as usize % 5];
                let id = stream(n.saturating_sub(i % 40));
                bytes.extend(frame(PRIORITY, 0, id, &[0x80, 0, 0, 0, weight]));
            }
            Step::Send(bytes)
        },
        memory_kib: 4,
        ..H2
    },
    Attack {
        name: "Streams that depend on themselves",
        cve: "CVE-2019-9513",
        step: |n| {
            let id = stream(n);
            let priority = frame(
                PRIORITY,
                0,
                id,
                &id.to_be_bytes()
                    .iter()
                    .copied()
                    .chain([9])
                    .collect::<Vec<u8>>(),
            );
            Step::Send([frame(HEADERS, END, id, &get("/big")), priority].concat())
        },
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 2 * 100 + 2),
        // Requests wait for their turn, and up to 17 KiB of input with them.
        memory_kib: 24,
        ..H2
    },
    Attack {
        name: "Rapid reset",
        cve: "CVE-2023-44487",
        step: |n| Step::Send([request(n, "/big"), cancel(n)].concat()),
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 1_000),
        memory_kib: 24,
        ..H2
    },
    Attack {
        name: "Rapid reset, a small file",
        cve: "CVE-2023-44487",
        step: |n| Step::Send([request(n, "/4k"), cancel(n)].concat()),
        memory_kib: 24,
        ..H2
    },
    Attack {
        name: "Provoked reset: WINDOW_UPDATE of 0",
        cve: "CVE-2025-8671",
        step: |n| provoke(n, frame(WINDOW_UPDATE, 0, stream(n), &[0; 4])),
        answer: PROVOKED,
        ..H2
    },
    Attack {
        name: "Provoked reset: window overflow",
        cve: "CVE-2025-8671",
        step: |n| {
            provoke(
                n,
                frame(WINDOW_UPDATE, 0, stream(n), &0x7fff_ffff_u32.to_be_bytes()),
            )
        },
        answer: PROVOKED,
        ..H2
    },
    Attack {
        name: "Provoked reset: second HEADERS",
        cve: "CVE-2025-8671",
        step: |n| provoke(n, request(n, "/big")),
        ..H2
    },
    Attack {
        name: "Provoked reset: DATA on a finished request",
        cve: "CVE-2025-8671",
        step: |n| provoke(n, frame(DATA, 0, stream(n), b"x")),
        ..H2
    },
    Attack {
        name: "Provoked reset: PRIORITY of length 6",
        cve: "CVE-2025-8671",
        step: |n| provoke(n, frame(PRIORITY, 0, stream(n), &[0; 6])),
        answer: PROVOKED,
        ..H2
    },
    Attack {
        name: "Content-length that does not match",
        cve: "",
        step: |n| {
            let mut block = get("/4k");
            block[0] = 0x83;
            block.extend([0x0f, 0x0d, 1, b'5']);
            Step::Send(frame(HEADERS, END, stream(n), &block))
        },
        answer: PROVOKED,
        ..H2
    },
    Attack {
        name: "SETTINGS flood",
        cve: "CVE-2019-9515",
        step: |_| Step::Send(frame(SETTINGS, 0, 0, &[])),
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 100),
        ..H2
    },
    Attack {
        name: "2,400 settings in a frame",
        cve: "CVE-2020-11080",
        step: |_| Step::Send(frame(SETTINGS, 0, 0, &setting(0x99, 1).repeat(2_400))),
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 1),
        ..H2
    },
    Attack {
        name: "32 settings a frame, windows open and shut",
        cve: "CVE-2019-9515",
        opening: || {
            let mut bytes = open_h2_with(&[(4, 0)]);
            (0..100).for_each(|n| bytes.extend(request(n, "/big")));
            bytes
        },
        step: |_| {
            let entries = [setting(4, 0x7fff_ffff), setting(4, 0)].concat().repeat(16);
            Step::Send(frame(SETTINGS, 0, 0, &entries))
        },
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 100),
        memory_kib: 128,
        ..H2
    },
    Attack {
        name: "Acknowledgements of nothing",
        cve: "CVE-2019-9515",
        step: |_| Step::Send(frame(SETTINGS, ACK, 0, &[])),
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 110),
        memory_kib: 4,
        ..H2
    },
    Attack {
        name: "Empty DATA",
        cve: "CVE-2019-9518",
        opening: || [open_h2(), post(0)].concat(),
        step: |_| Step::Send(frame(DATA, 0, 1, &[])),
        options: &["--demo"],
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 110),
        memory_kib: 4,
        ..H2
    },
    Attack {
        name: "DATA of one byte",
        cve: "CVE-2019-9518",
        opening: || [open_h2(), post(0)].concat(),
        step: |_| Step::Send(frame(DATA, 0, 1, b"x")),
        options: &["--demo"],
        ..H2
    },
    Attack {
        name: "Padded DATA without content",
        cve: "CVE-2019-9518",
        opening: || [open_h2(), post(0)].concat(),
        step: |_| {
            let mut payload = vec![255];
            payload.extend([0; 255]);
            Step::Send(frame(DATA, 8, 1, &payload))
        },
        options: &["--demo"],
        ..H2
    },
    Attack {
        name: "Empty HEADERS and CONTINUATION",
        cve: "CVE-2019-9518",
        step: |n| {
            let begin = frame(HEADERS, END_STREAM, stream(n), &[]);
            let more = frame(CONTINUATION, 0, stream(n), &[]);
            let end = frame(CONTINUATION, END_HEADERS, stream(n), &get("/4k"));
            Step::Send([begin, more, end].concat())
        },
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 4 * 110),
        ..H2
    },
    Attack {
        name: "Unknown frames",
        cve: "",
        step: |n| {
            let kind = 0x20 + (n % 200) as u8;
            Step::Send(frame(kind, 0, n % 50, b"nobody knows").repeat(20))
        },
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, (64 << 10) / 21 + 32),
        memory_kib: 4,
        ..H2
    },
    Attack {
        name: "PRIORITY_UPDATE flood",
        cve: "",
        step: |n| {
            let id = random_stream(n) | 1;
            let payload = [&id.to_be_bytes()[..], b"u=1,i"].concat();
            Step::Send(frame(PRIORITY_UPDATE, 0, 0, &payload).repeat(20))
        },
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, (64 << 10) / 18 + 32),
        memory_kib: 4,
        ..H2
    },
    Attack {
        name: "PRIORITY_UPDATE of 100 live streams",
        cve: "",
        opening: || {
            let mut bytes = open_h2_with(&[(4, 0)]);
            (0..100).for_each(|n| bytes.extend(request(n, "/big")));
            bytes
        },
        step: |n| {
            let payload = [
                &stream(n % 100).to_be_bytes()[..],
                if n % 2 == 0 { b"u=1" } else { b"u=7" },
            ]
            .concat();
            Step::Send(frame(PRIORITY_UPDATE, 0, 0, &payload).repeat(20))
        },
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, (64 << 10) / 16 + 32),
        memory_kib: 96,
        ..H2
    },
    Attack {
        name: "HEADERS after GOAWAY",
        cve: "",
        step: |n| match n {
            0 => Step::Send(frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
            n => Step::Send(request(n, "/4k")),
        },
        answer: Answer::GoAway(1, 8),
        ..H2
    },
    Attack {
        name: "GOAWAY, and more",
        cve: "",
        step: |n| match n {
            n if n % 2 == 0 => Step::Send(frame(GOAWAY, 0, 0, &[0; 8])),
            n => Step::Send(request(n, "/4k")),
        },
        // A whole output that waits, and the connection before this one, which lingers.
        memory_kib: 160,
        ..H2
    },
    Attack {
        name: "Refused streams before SETTINGS are acknowledged",
        cve: "",
        opening: || {
            [
                crate::raw_h2::PREFACE.to_vec(),
                frame(SETTINGS, 0, 0, &setting(4, 0)),
            ]
            .concat()
        },
        step: |n| Step::Send(request(n, "/big")),
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, 1_200),
        memory_kib: 96,
        ..H2
    },
    Attack {
        name: "Refused streams after",
        cve: "",
        opening: || open_h2_with(&[(4, 0)]),
        step: |n| Step::Send(request(n, "/big")),
        memory_kib: 96,
        ..H2
    },
    Attack {
        name: "RST_STREAM of what is closed",
        cve: "",
        opening: || [open_h2(), request(0, "/4k")].concat(),
        step: |_| Step::Send(cancel(0).repeat(20)),
        answer: Answer::GoAway(ENHANCE_YOUR_CALM, (64 << 10) / 9 + 32),
        memory_kib: 4,
        ..H2
    },
    Attack {
        name: "WINDOW_UPDATE of what is closed",
        cve: "",
        opening: || [open_h2(), request(0, "/4k")].concat(),
        step: |_| Step::Send(frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        memory_kib: 4,
        ..H2
    },
    Attack {
        name: "HEAD flood, indexed",
        cve: "",
        step: |n| {
            let first = [0x84, 0x86, 0x41, 1, b'h', 0x42, 4, b'H', b'E', b'A', b'D'];
            let again = [0x84, 0x86, 0x80 | 62, 0x80 | 63];
            let block: &[u8] = if n == 0 { &first } else { &again };
            Step::Send(frame(HEADERS, END, stream(n), block))
        },
        memory_kib: 160,
        ..H2
    },
    Attack {
        name: "GET flood",
        // A whole output that waits, with a hundred streams behind it.
        memory_kib: 96,
        ..GETS_H2
    },
];

const PROVOKED: Answer = Answer::GoAway(ENHANCE_YOUR_CALM, 2 * 100 + 4);

fn provoke(n: u32, fault: Vec<u8>) -> Step {
    Step::Send([request(n, "/big"), fault].concat())
}

fn cancel(n: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream(n), &8u32.to_be_bytes())
}

/// The head of a POST to /echo; its content follows.
pub fn post(n: u32) -> Vec<u8> {
    let mut block = get("/echo");
    block[0] = 0x83;
    frame(HEADERS, END_HEADERS, stream(n), &block)
}

fn random_stream(n: u32) -> u32 {
    n.wrapping_mul(2_654_435_761) >> 1 | 1
}
