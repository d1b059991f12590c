//! HTTP/2: windows, sizes and identifiers.

use super::{END, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR};
use crate::attack::{Answer, Attack, H2, Reads, Step, open_h2, open_h2_with, request, stream};
use crate::raw_h2::{HEADERS, PING, SETTINGS, WINDOW_UPDATE, frame, get, setting};

const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

/// All rows of this kind.
pub const ALL: &[Attack] = &[
    Attack {
        name: "Data dribble",
        cve: "CVE-2019-9511",
        opening: || hundred(0),
        step: |n| Step::Send(widen(stream(n % 100), 1)),
        memory_kib: 96,
        ..H2
    },
    Attack {
        name: "Data dribble, 1 KiB at a time",
        cve: "CVE-2019-9511",
        opening: || hundred(0),
        step: |n| Step::Send(widen(stream(n % 100), 1_024)),
        memory_kib: 96,
        ..H2
    },
    Attack {
        name: "Internal buffering",
        cve: "CVE-2019-9517",
        opening: || hundred(0x7fff_ffff),
        step: |_| Step::Hold,
        reads: Reads::Nothing,
        // The requests are few, and each is for a gigabyte.
        cpu: f64::INFINITY,
        memory_kib: 128,
        ..H2
    },
    Attack {
        name: "Windows shut, PING as a heartbeat",
        cve: "CVE-2016-1546",
        opening: || hundred(0),
        step: |_| Step::Send(frame(PING, 0, 0, b"pingpong")),
        memory_kib: 96,
        ..H2
    },
    Attack {
        name: "Connection: WINDOW_UPDATE of 0",
        cve: "",
        step: |_| Step::Send(widen(0, 0)),
        answer: Answer::GoAway(PROTOCOL_ERROR, 1),
        ..H2
    },
    Attack {
        name: "Connection: window overflow",
        cve: "",
        step: |_| Step::Send(widen(0, 0x7fff_ffff)),
        answer: Answer::GoAway(FLOW_CONTROL_ERROR, 1),
        ..H2
    },
    Attack {
        name: "Initial window past 2^31-1",
        cve: "",
        step: |_| settings(INITIAL_WINDOW_SIZE, 0x8000_0000),
        answer: Answer::GoAway(FLOW_CONTROL_ERROR, 1),
        ..H2
    },
    Attack {
        name: "Initial window that overflows a stream's",
        cve: "",
        opening: || [hundred(0), widen(1, 0x7fff_ffff)].concat(),
        step: |_| settings(INITIAL_WINDOW_SIZE, 0x7fff_ffff),
        answer: Answer::GoAway(FLOW_CONTROL_ERROR, 1),
        memory_kib: 96,
        ..H2
    },
    Attack {
        name: "Largest frame: 0",
        cve: "",
        step: |_| settings(MAX_FRAME_SIZE, 0),
        answer: Answer::GoAway(PROTOCOL_ERROR, 1),
        ..H2
    },
    Attack {
        name: "Largest frame: 2^24",
        cve: "",
        step: |_| settings(MAX_FRAME_SIZE, 1 << 24),
        answer: Answer::GoAway(PROTOCOL_ERROR, 1),
        ..H2
    },
    Attack {
        name: "A frame of 16,385 bytes",
        cve: "",
        step: |n| Step::Send(frame(HEADERS, END, stream(n), &vec![0x82; 16_385])),
        answer: Answer::GoAway(FRAME_SIZE_ERROR, 1),
        ..H2
    },
    Attack {
        name: "Even stream",
        cve: "",
        step: |n| Step::Send(frame(HEADERS, END, 2 * n + 2, &get("/4k"))),
        answer: Answer::GoAway(PROTOCOL_ERROR, 1),
        ..H2
    },
    Attack {
        name: "Stream 2^31-1",
        cve: "",
        step: |_| Step::Send(frame(HEADERS, END, 0x7fff_ffff, &get("/4k"))),
        answer: Answer::Status(200),
        ..H2
    },
    Attack {
        name: "Falling streams",
        cve: "",
        opening: open_h2,
        step: |n| Step::Send(request(1_000_000 - n, "/4k")),
        answer: Answer::GoAway(PROTOCOL_ERROR, 2),
        ..H2
    },
];

/// A hundred requests for a file of 1 GiB, with a window of `window` bytes each.
fn hundred(window: u32) -> Vec<u8> {
    let mut bytes = open_h2_with(&[(INITIAL_WINDOW_SIZE, window)]);
    (0..100).for_each(|n| bytes.extend(request(n, "/big")));
    bytes
}

fn widen(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

fn settings(identifier: u16, value: u32) -> Step {
    Step::Send(frame(SETTINGS, 0, 0, &setting(identifier, value)))
}
