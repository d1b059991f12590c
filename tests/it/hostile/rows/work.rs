//! Attacks by work instead of bytes: names that have to be looked up, opened, read and hashed.

use super::END;
use crate::attack::{Answer, Attack, H2, Over, Pace, Step, open_h2_with, request, stream};
use crate::raw_h2::{HEADERS, frame};
use crate::site::{COLD, DEPTH, HOT};

const INITIAL_WINDOW_SIZE: u16 = 4;

/// All rows of this kind.
pub const ALL: &[Attack] = &[
    Attack {
        name: "HEAD of files that are not in memory, with sidecars",
        step: |n| {
            let names = (0..20).map(|i| 20 * n + i);
            let head = |n| with_method(n, b"HEAD", &format!("/cold/{}", n as usize * 7 % COLD));
            Step::Send(names.flat_map(head).collect())
        },
        pace: Pace::Answered(20),
        options: &["--spa"],
        answer: Answer::Status(200),
        // Each file is opened four times and hashed, while the file of the flood of GETs is in memory. Hashing
        // takes its own time in a debug build.
        cpu: if cfg!(debug_assertions) {
            f64::INFINITY
        } else {
            12.0
        },
        memory_kib: 160,
        ..H2
    },
    Attack {
        name: "Paths that do not exist, where the start page answers",
        step: |n| {
            let names = (0..20).map(|i| 20 * n + i);
            Step::Send(
                names
                    .flat_map(|n| request(n, &format!("/page/{n}")))
                    .collect(),
            )
        },
        pace: Pace::Answered(20),
        options: &["--spa"],
        answer: Answer::Status(200),
        cpu: 4.0,
        memory_kib: 160,
        ..H2
    },
    Attack {
        name: "Deep directories",
        step: |n| {
            let deep = "d/".repeat(DEPTH);
            let names = (0..20).map(|i| 20 * n + i);
            let get = |n| with_method(n, b"GET", &format!("/{deep}{n}.css"));
            Step::Send(names.flat_map(get).collect())
        },
        pace: Pace::Answered(20),
        options: &["--spa"],
        answer: Answer::Status(404),
        cpu: 4.0,
        memory_kib: 160,
        ..H2
    },
    Attack {
        name: "Another authority with each request",
        over: Over::Tls("h2"),
        step: |n| {
            let names = (0..20).map(|i| 20 * n + i);
            Step::Send(names.flat_map(for_authority).collect())
        },
        pace: Pace::Answered(20),
        memory_kib: 160,
        ..H2
    },
    Attack {
        name: "Windows shut on files that are in memory",
        opening: || {
            let mut bytes = open_h2_with(&[(INITIAL_WINDOW_SIZE, 0)]);
            (0..100).for_each(|n| bytes.extend(request(n, &format!("/hot/{}", n as usize % HOT))));
            bytes
        },
        step: |_| Step::Hold,
        options: &["--spa"],
        cpu: f64::INFINITY,
        memory_kib: 128,
        ..H2
    },
];

/// A request with a method and a path of any length.
fn with_method(n: u32, method: &[u8], path: &str) -> Vec<u8> {
    let mut block = vec![0x02];
    text(&mut block, method);
    block.extend([0x86, 0x04]);
    text(&mut block, path.as_bytes());
    block.push(0x01);
    text(&mut block, b"localhost");
    frame(HEADERS, END, stream(n), &block)
}

/// A request for a name of its own.
fn for_authority(n: u32) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x84, 0x01];
    text(&mut block, format!("host-{n}.example.test").as_bytes());
    frame(HEADERS, END, stream(n), &block)
}

/// Appends the length and bytes of a literal (RFC 7541 §5.2).
fn text(block: &mut Vec<u8>, bytes: &[u8]) {
    let len = bytes.len();
    match len.checked_sub(0x7f) {
        None => block.push(len as u8),
        Some(mut rest) => {
            block.push(0x7f);
            while rest > 0x7f {
                block.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            block.push(rest as u8);
        }
    }
    block.extend(bytes);
}
