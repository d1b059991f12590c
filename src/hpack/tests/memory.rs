//! The memory that a connection holds while it is idle.

use super::*;

const REQUEST: [(&str, &str); 9] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "localhost:8443"),
    (":path", "/assets/index.js"),
    ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-US,en;q=0.5"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    ("sec-fetch-mode", "navigate"),
];

const RESPONSE: [(&str, &str); 10] = [
    (":status", "200"),
    ("content-type", "text/html; charset=utf-8"),
    ("content-length", "12345"),
    ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("etag", "\"65f1a2b3-3039\""),
    ("accept-ranges", "bytes"),
    ("x-content-type-options", "nosniff"),
    ("vary", "accept-encoding"),
    ("cache-control", "no-cache"),
    ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
];

#[test]
fn both_are_small_and_hold_nothing_before_the_first_insertion() {
    assert!(size_of::<Decoder>() <= 32, "{}", size_of::<Decoder>());
    assert!(size_of::<Encoder>() <= 32, "{}", size_of::<Encoder>());
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    assert_eq!((encoder.heap(), decoder.heap()), (0, 0));
    let block = encode(&mut encoder, &fields(&[(":method", "GET")]));
    decode(&mut decoder, &block).unwrap();
    encoder.shrink();
    decoder.trim();
    assert_eq!((encoder.heap(), decoder.heap()), (0, 0));
}

#[test]
fn a_typical_idle_connection_holds_less_than_a_kibibyte() {
    let (mut client, mut server) = (Encoder::new(4096), Decoder::new(4096));
    let block = encode(&mut client, &fields(&REQUEST));
    decode(&mut server, &block).unwrap();
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    for _ in 0..2 {
        let block = encode(&mut encoder, &fields(&RESPONSE));
        decode(&mut decoder, &block).unwrap();
    }
    let busy = server.heap() + encoder.heap();
    server.shrink();
    encoder.shrink();
    let idle = server.heap() + encoder.heap();
    assert!(idle < busy && idle < 1024, "{idle}, {busy} before");
    // And it goes on as if nothing had happened.
    assert_eq!(
        encode(&mut encoder, &fields(&RESPONSE)).len(),
        RESPONSE.len()
    );
    let block = encode(&mut client, &fields(&REQUEST));
    assert_eq!(decode(&mut server, &block).unwrap(), fields(&REQUEST));
}

#[test]
fn a_full_table_holds_little_more_than_its_size() {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    for number in 0..5_000 {
        let list = fields(&[("x-number", &format!("{number}-{number}"))]);
        for _ in 0..2 {
            let block = encode(&mut encoder, &list);
            decode(&mut decoder, &block).unwrap();
        }
    }
    let held = (encoder.heap(), decoder.heap());
    assert!(held.0 <= 6 << 10 && held.1 <= 6 << 10, "{held:?}");
}

#[test]
fn a_literal_larger_than_the_table_leaves_nothing_behind() {
    let mut decoder = Decoder::new(4096);
    for first in [0x40, 0x00] {
        let block = [
            &[first, 1, b'a', 0x7f, 0x81, 0xf3, 0x03][..],
            &[b'x'; 64_000],
        ]
        .concat();
        decode(&mut decoder, &block).unwrap();
        assert!(decoder.heap() <= 8 << 10, "{}", decoder.heap());
    }
}

#[test]
fn an_emptied_table_holds_nothing_once_shrunk() {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    let block = encode(&mut encoder, &fields(&RESPONSE));
    decode(&mut decoder, &block).unwrap();
    encoder.set_peer_max_table_size(0);
    let block = encode(&mut encoder, &fields(&RESPONSE));
    decode(&mut decoder, &block).unwrap();
    encoder.shrink();
    decoder.shrink();
    assert_eq!((encoder.heap(), decoder.heap()), (0, 0));
}

#[test]
fn a_packed_table_takes_little_and_is_whole_when_it_is_used_again() {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    let first = encode(&mut encoder, &fields(&RESPONSE));
    decode(&mut decoder, &first).unwrap();
    for _ in 0..3 {
        encoder.shrink();
        assert!(encoder.heap() <= first.len(), "{}", encoder.heap());
        let again = encode(&mut encoder, &fields(&RESPONSE));
        assert_eq!(again.len(), RESPONSE.len());
        assert_eq!(decode(&mut decoder, &again).unwrap(), fields(&RESPONSE));
    }
    // A size that changes while it is packed evicts as it does otherwise.
    encoder.shrink();
    encoder.set_peer_max_table_size(128);
    let block = encode(&mut encoder, &fields(&RESPONSE));
    assert_eq!(decode(&mut decoder, &block).unwrap(), fields(&RESPONSE));
}
