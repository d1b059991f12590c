//! Attacks on TLS and below it.

use crate::attack::{Answer, Attack, GETS_H2, H2, Over, Step};

/// All rows of this kind.
pub const ALL: &[Attack] = &[
    Attack {
        name: "GETs in one-byte records",
        cve: "",
        over: Over::OneByteRecords("h2"),
        answer: Answer::Status(200),
        ..GETS_H2
    },
    Attack {
        name: "KeyUpdate flood",
        cve: "",
        over: Over::Tls("h2"),
        step: |_| Step::KeyUpdate,
        answer: Answer::Closed(200),
        // Each connection is closed after 32 of them, so its handshake is the cost.
        cpu: f64::INFINITY,
        ..H2
    },
    Attack {
        name: "Handshake flood",
        cve: "",
        over: Over::Tls("h2"),
        opening: Vec::new,
        step: |_| Step::Close,
        cpu: f64::INFINITY,
        ..H2
    },
    Attack {
        name: "Empty records",
        cve: "",
        over: Over::Bare,
        opening: Vec::new,
        step: |_| Step::Send([22, 3, 1, 0, 0].repeat(10)),
        answer: Answer::Closed(1_000),
        ..H2
    },
    Attack {
        name: "A ClientHello of 16 MiB",
        cve: "",
        over: Over::Bare,
        opening: Vec::new,
        step: |n| {
            let begin: &[u8] = if n == 0 { &[1, 0xff, 0xff, 0xff] } else { &[] };
            let mut record = vec![22, 3, 1, 0x3f, 0xf0];
            record.extend(begin);
            record.resize(5 + 0x3ff0, 0);
            Step::Send(record)
        },
        answer: Answer::Closed(20),
        ..H2
    },
    Attack {
        name: "HTTP/1.1 to the TLS port",
        cve: "",
        over: Over::Bare,
        opening: Vec::new,
        step: |_| Step::Send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        answer: Answer::Closed(4),
        ..H2
    },
    Attack {
        name: "Random bytes to the TLS port",
        cve: "",
        over: Over::Bare,
        opening: Vec::new,
        step: |n| {
            let noise = |i: u32| (n.wrapping_add(i).wrapping_mul(2_654_435_761) >> 24) as u8;
            Step::Send((0..1_000).map(noise).collect())
        },
        answer: Answer::Closed(4),
        ..H2
    },
];
