//! Requests for slow or missing files, and for names that are no files.

use crate::attack::{Answer, Attack, H1, H2, Pace, Step, request};

/// All rows of this kind.
pub const ALL: &[Attack] = &[
    Attack {
        name: "Paths that do not exist",
        step: |n| {
            Step::Send(
                (0..20)
                    .flat_map(|i| request(20 * n + i, &format!("/{n}/{i}")))
                    .collect(),
            )
        },
        pace: Pace::Answered(20),
        answer: Answer::Status(404),
        ..H2
    },
    Attack {
        name: "HEAD flood",
        step: |_| Step::Send(b"HEAD /4k HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
        answer: Answer::Status(200),
        ..H1
    },
    Attack {
        name: "Paths out of the root",
        step: |_| Step::Send(b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
        ..H1
    },
    Attack {
        name: "A FIFO",
        step: |n| Step::Send((0..20).flat_map(|i| request(20 * n + i, "/fifo")).collect()),
        pace: Pace::Answered(20),
        answer: Answer::Status(404),
        // The name is looked up each time, while the file of the flood of GETs is in memory.
        cpu: 4.0,
        ..H2
    },
    Attack {
        name: "A directory of 10,000 files, in every order",
        step: |n| {
            let key = ["name", "size", "date"][n as usize % 3];
            let direction = ["asc", "desc"][n as usize / 3 % 2];
            Step::Send(request(n, &format!("/many/?sort={key}&order={direction}")))
        },
        pace: Pace::Answered(1),
        options: &["--listing"],
        answer: Answer::Status(200),
        memory_kib: 4_096,
        cpu: f64::INFINITY,
        ..H2
    },
];
