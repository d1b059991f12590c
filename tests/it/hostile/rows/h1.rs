//! Attacks over HTTP/1.1.

use crate::attack::{Answer, Attack, H1, Reads, Step};

/// All rows of this kind.
pub const ALL: &[Attack] = &[
    Attack {
        name: "Request line of 9 KiB",
        step: |_| {
            text(&format!(
                "GET /{} HTTP/1.1\r\nHost: h\r\n\r\n",
                "a".repeat(9 << 10)
            ))
        },
        answer: Answer::Refused(414),
        memory_kib: 24,
        ..H1
    },
    Attack {
        name: "Head of 17 KiB",
        step: |_| {
            text(&format!(
                "GET /4k HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n",
                "a".repeat(17 << 10)
            ))
        },
        answer: Answer::Refused(431),
        memory_kib: 24,
        ..H1
    },
    Attack {
        name: "Head of 101 fields",
        step: |_| {
            text(&format!(
                "GET /4k HTTP/1.1\r\nHost: h\r\n{}\r\n",
                "A: a\r\n".repeat(100)
            ))
        },
        answer: Answer::Refused(431),
        memory_kib: 24,
        ..H1
    },
    Attack {
        name: "Pipelined GETs, never read",
        step: |_| text("GET /4k HTTP/1.1\r\nHost: h\r\n\r\n"),
        reads: Reads::Nothing,
        memory_kib: 160,
        ..H1
    },
    Attack {
        name: "Pipelined GETs",
        step: |_| text("GET /4k HTTP/1.1\r\nHost: h\r\n\r\n"),
        memory_kib: 160,
        ..H1
    },
    Attack {
        name: "A large file, never read",
        step: |n| match n {
            0 => text("GET /big HTTP/1.1\r\nHost: h\r\n\r\n"),
            _ => Step::Hold,
        },
        reads: Reads::Nothing,
        memory_kib: 96,
        ..H1
    },
    Attack {
        name: "1,300 overlapping ranges",
        cve: "CVE-2011-3192",
        step: |_| {
            let ranges: Vec<String> = (0..1_300).map(|i| format!("{}-", i % 1_000)).collect();
            text(&format!(
                "GET /4k HTTP/1.1\r\nHost: h\r\nRange: bytes={}\r\n\r\n",
                ranges.join(",")
            ))
        },
        answer: Answer::Status(200),
        ..H1
    },
    Attack {
        name: "16 ranges of a byte",
        cve: "CVE-2011-3192",
        step: |_| {
            let ranges: Vec<String> = (0..16)
                .map(|i| format!("{}-{}", 200 * i, 200 * i))
                .collect();
            text(&format!(
                "GET /4k HTTP/1.1\r\nHost: h\r\nRange: bytes={}\r\n\r\n",
                ranges.join(",")
            ))
        },
        answer: Answer::Status(206),
        ..H1
    },
    Attack {
        name: "256 ranges of a byte",
        cve: "CVE-2011-3192",
        step: |_| {
            let ranges: Vec<String> = (0..256)
                .map(|i| format!("{0}-{0}", 4_000_000 * i))
                .collect();
            text(&format!(
                "GET /big HTTP/1.1\r\nHost: h\r\nRange: bytes={}\r\n\r\n",
                ranges.join(",")
            ))
        },
        answer: Answer::Status(206),
        ..H1
    },
    Attack {
        name: "Chunk extensions",
        opening: || CHUNKED.to_vec(),
        step: |_| text(&format!("1;{}\r\nx\r\n", "a".repeat(2_000))),
        options: &["--demo"],
        answer: Answer::Closed(10),
        ..H1
    },
    Attack {
        name: "One chunk extension without end",
        opening: || [CHUNKED, b"1;a="].concat(),
        step: |_| text(&"a".repeat(1_000)),
        options: &["--demo"],
        answer: Answer::Closed(18),
        ..H1
    },
    Attack {
        name: "Chunks of one byte",
        opening: || CHUNKED.to_vec(),
        step: |_| text("1\r\nx\r\n"),
        options: &["--demo"],
        ..H1
    },
    Attack {
        name: "A body that nobody reads",
        opening: || b"POST /4k HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n".to_vec(),
        step: |_| text(&"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n".repeat(20)),
        answer: Answer::Refused(405),
        ..H1
    },
    Attack {
        name: "Smuggling: a coding and a length",
        step: |_| {
            text(
                "POST /4k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            )
        },
        answer: Answer::Refused(400),
        ..H1
    },
    Attack {
        name: "Empty lines",
        step: |_| text("\r\n"),
        answer: Answer::Refused(400),
        ..H1
    },
    Attack {
        name: "Expect: 100-continue, and nothing",
        opening: || {
            b"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n".to_vec()
        },
        step: |_| Step::Hold,
        options: &["--demo"],
        answer: Answer::Status(100),
        memory_kib: 24,
        ..H1
    },
];

const CHUNKED: &[u8] = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

fn text(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}
