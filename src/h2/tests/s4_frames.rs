//! §4: frame header, frame size, field blocks.

use super::*;

#[test]
fn a_frame_that_is_too_large_is_refused_by_its_header_alone() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.hear();
    peer.send_raw(&[0, 0x40, 1, 0, 0, 0, 0, 0, 1]);
    peer.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
}

#[test]
fn a_frame_of_the_largest_size_is_taken() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.data(1, flag::END_STREAM, &[7; 16_384]);
    assert_eq!(peer.hear().len(), 2);
}

#[test]
fn a_larger_frame_size_of_ours_may_be_used_before_it_is_acknowledged() {
    let config = Config {
        max_frame_size: 20_000,
        ..Config::default()
    };
    let mut peer = ScriptedPeer::silent(config);
    peer.send_raw(PREFACE);
    peer.settings(&[]);
    peer.post(1);
    peer.data(1, flag::END_STREAM, &[7; 20_000]);
    assert_eq!(peer.hear().len(), 3);
    peer.send_raw(&[0, 0x4e, 0x21, 0, 0, 0, 0, 0, 1]);
    peer.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
}

#[test]
fn undefined_flags_and_the_reserved_bit_are_ignored() {
    let mut peer = ScriptedPeer::server();
    let block = peer.block(&request("GET", "/"));
    let flags = flag::END_HEADERS | flag::END_STREAM | 0xd2 & !flag::PADDED;
    peer.send(
        FrameType::HEADERS,
        flags & !flag::PRIORITY,
        1 | 1 << 31,
        &block,
    );
    peer.send(FrameType::PING, 0xfe, 1 << 31, b"12345678");
    let heard = peer.hear();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(peer.sent().len(), 1);
}

#[test]
fn a_field_block_in_pieces_is_one_request() {
    let mut peer = ScriptedPeer::server();
    let block = peer.block(&request("GET", "/"));
    peer.send(FrameType::HEADERS, flag::END_STREAM, 1, &block[..1]);
    peer.send(FrameType::CONTINUATION, 0, 1, &block[1..3]);
    peer.send(FrameType::CONTINUATION, flag::END_HEADERS, 1, &block[3..]);
    let whole = peer.hear();
    peer.get(3);
    let again = peer.hear();
    assert_eq!(whole[0].0.replace("request 1", "request 3"), again[0].0);
    assert!(peer.connection.block_is_gone());
}

#[test]
fn nothing_comes_within_a_field_block() {
    let others = [
        (FrameType::DATA, 1),
        (FrameType::HEADERS, 1),
        (FrameType::HEADERS, 3),
        (FrameType::PRIORITY, 1),
        (FrameType::PING, 0),
        (FrameType::CONTINUATION, 3),
        (FrameType::CONTINUATION, 0),
        (FrameType(0xee), 0),
    ];
    for (kind, id) in others {
        let mut peer = ScriptedPeer::server();
        let block = peer.block(&request("GET", "/"));
        peer.send(FrameType::HEADERS, flag::END_STREAM, 1, &block);
        peer.send(kind, flag::END_HEADERS, id, b"12345");
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_block_that_cannot_be_decoded_ends_the_connection() {
    let blocks: [&[u8]; 6] = [
        &[0x80],
        &[0xff, 0x00],
        &[0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff],
        &[0x82, 0x3f, 0xe1, 0x1f],
        &[0x3f, 0xe2, 0x1f],
        &[0x40, 0x05, b'a'],
    ];
    for block in blocks {
        let mut peer = ScriptedPeer::server();
        peer.send(
            FrameType::HEADERS,
            flag::END_HEADERS | flag::END_STREAM,
            1,
            block,
        );
        peer.expect_connection_error(ErrorCode::COMPRESSION_ERROR);
    }
}

#[test]
fn the_compression_context_outlives_refused_and_malformed_requests() {
    let config = Config {
        max_concurrent_streams: 1,
        ..Config::default()
    };
    let mut peer = ScriptedPeer::of_server(config);
    peer.post(1);
    // Refused, but its fields enter the table.
    let with_new = [request("GET", "/").as_slice(), &[("x-new", "entry")]].concat();
    peer.headers(3, flag::END_STREAM, &with_new);
    peer.expect_stream_error(3, ErrorCode::REFUSED_STREAM);
    peer.rst_stream(1, ErrorCode::CANCEL);
    // On a stream that was reset by us.
    peer.headers(3, flag::END_STREAM, &[("x-late", "entry")]);
    peer.hear();
    let all = [with_new.as_slice(), &[("x-late", "entry")]].concat();
    peer.headers(5, flag::END_STREAM, &all);
    let heard = peer.hear();
    assert!(
        heard[0].0.contains("x-new: entry, x-late: entry"),
        "{heard:?}"
    );
}
