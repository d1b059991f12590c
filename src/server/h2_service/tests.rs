//! The memory of an idle connection.

use super::*;
use crate::h2::frame::PREFACE;
use crate::server::connection::Connection;
use crate::world::World;
use crate::world::files::Root;
use crate::world::os::OsWorld;
use std::sync::Arc;

/// The sum of what the structs take, the shell's too, and what their collections say that they
/// hold. What an allocator counts for the core alone is in `tests/it/h2/memory.rs`.
#[test]
fn a_connection_that_served_one_request_and_is_idle_takes_under_860_bytes() {
    let now = Instant::now();
    let core = h2::Connection::server(Arc::new(h2::Config::default()), now);
    let client = PeerName {
        peer: Peer::Unix,
        id: 1,
    };
    let mut service = H2Service::<Root>::with_core(core, client);
    // SETTINGS, SETTINGS ack, and HEADERS with literals that become entries.
    let block = b"\x82\x86\x41\x09localhost\x44\x03/1k\x7a\x08idle/1.0";
    let mut bytes = [
        PREFACE.as_slice(),
        b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0",
    ]
    .concat();
    bytes.extend_from_slice(&[0, 0, block.len() as u8, 1, 5, 0, 0, 0, 1]);
    bytes.extend_from_slice(block);
    let (mut input, mut fields, mut requests) = (bytes.as_slice(), Fields::new(), 0);
    while let Some(event) = service.core.receive(&mut input, &mut fields, now).unwrap() {
        if let Event::Request { stream, .. } = event {
            requests += 1;
            let head = [
                Field::new(b":status", b"200"),
                Field::new(b"content-type", b"text/plain; charset=utf-8"),
                Field::new(b"etag", b"\"0123456789abcdef0123456789abcdef\""),
            ];
            service.core.send_headers(stream, head, true).unwrap();
        }
    }
    drop(service.core.take_output());
    service.shrink();
    type Socket = <OsWorld<Root> as World>::Socket;
    let structs = size_of::<Connection<Socket, Root>>() + size_of::<H2Service<Root>>();
    let heap = service.core.heap() + service.core.heap_of_hpack();
    assert!(requests == 1 && structs + heap < 860, "{structs} + {heap}");
}
