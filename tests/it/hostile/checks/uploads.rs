//! Windows and identifiers over a long life.

use super::{Check, demand};
use crate::attack::{open_h2, request, stream};
use crate::raw_h2::{self, RawH2, frame, get};
use crate::{process, site};

pub const ALL: &[Check] = &[
    Check {
        name: "Uploads that are cut off leave the connection's window as it was",
        run: |full| cancelled_uploads(if full { 10_000 } else { 1_000 }),
    },
    Check {
        name: "Requests in a row leave memory as it was",
        run: |full| requests_in_a_row(if full { 100_000 } else { 10_000 }),
    },
];

const PADDED: u8 = 8;

/// Bytes of content of each upload, padding included.
const UPLOAD: u32 = 8_192;

/// Sends uploads to a file's path. They are answered with 405 before their end, and half of them are
/// cancelled then. Their content counts against the connection's window nevertheless (RFC 9113 §6.9),
/// padding included, and must be given back.
fn cancelled_uploads(count: u32) -> Result<(), String> {
    let server = site::serve(&[]);
    let mut h2 = RawH2 {
        stream: server.connect(),
    };
    h2.send(&open_h2());
    let mut block = get("/4k");
    block[0] = 0x83;
    let mut payload = vec![100];
    payload.resize(UPLOAD as usize, 0);
    let (mut sent, mut room) = (0u64, 65_535u64);
    for n in 0..count {
        let id = stream(n);
        h2.send(&frame(raw_h2::HEADERS, raw_h2::END_HEADERS, id, &block));
        h2.send(&frame(raw_h2::DATA, PADDED, id, &payload));
        sent += u64::from(UPLOAD);
        let cancelled = n % 2 == 1;
        if !cancelled {
            h2.send(&frame(raw_h2::DATA, raw_h2::END_STREAM, id, &[]));
        }
        loop {
            let Some(frame) = h2.next() else {
                return Err(format!("closed after {n} uploads"));
            };
            if frame.kind == raw_h2::GOAWAY {
                return Err(format!("GOAWAY after {n} uploads: {:?}", frame.payload));
            }
            if frame.kind == raw_h2::WINDOW_UPDATE && frame.stream == 0 {
                let payload = frame.payload[..4].try_into().expect("four bytes");
                room += u64::from(u32::from_be_bytes(payload));
            }
            let last = frame.flags & raw_h2::END_STREAM != 0 && frame.kind != raw_h2::SETTINGS;
            if frame.stream == id && last {
                break;
            }
        }
        if cancelled {
            h2.send(&frame(raw_h2::RST_STREAM, 0, id, &8u32.to_be_bytes()));
        }
        demand(room > sent, || {
            format!("the window is used up after {n} uploads")
        })?;
    }
    // The part that was not given back yet is less than half of the smallest window of the run.
    demand(room - sent > 32_000, || {
        format!("{} bytes are left of it", room - sent)
    })
}

fn requests_in_a_row(count: u32) -> Result<(), String> {
    let server = site::serve(&[]);
    let mut h2 = RawH2 {
        stream: server.connect(),
    };
    h2.send(&open_h2());
    let mut before = 0;
    for batch in 0..count / 50 {
        let requests = 50 * batch..50 * batch + 50;
        let bytes: Vec<u8> = requests.flat_map(|n| request(n, "/unknown.qqq")).collect();
        h2.send(&bytes);
        for _ in 0..50 {
            h2.until(|frame| frame.kind == raw_h2::DATA && frame.flags & raw_h2::END_STREAM != 0);
        }
        if batch == 10 {
            before = process::memory_kib(server.id());
        }
    }
    let grown = process::memory_kib(server.id()).saturating_sub(before);
    demand(grown < 300, || {
        format!("{grown} KiB more after {count} requests")
    })
}
