//! Frames: encoding a decoded frame gives its bytes again.

use super::super::h2::frame::{
    FrameHeader, FrameType, HEADER_LEN, decode, encode, extension, flag,
};

/// Decodes any bytes as frames, one behind the other.
pub fn decode(mut input: &[u8]) {
    while let Some(header) = FrameHeader::decode(input) {
        let (head, rest) = input.split_at(HEADER_LEN);
        let encoded = header.encode();
        assert_eq!(encoded[..5], head[..5]);
        assert_eq!(encoded[5], head[5] & 0x7f, "the reserved bit is dropped");
        assert_eq!(encoded[6..], head[6..]);
        // A truncated payload is a valid input too.
        let (payload, behind) = rest.split_at(rest.len().min(header.len as usize));
        let header = FrameHeader {
            len: payload.len() as u32,
            ..header
        };
        payload_as_each_type(header, payload);
        input = behind;
    }
    assert!(input.len() < HEADER_LEN);
}

/// Gives the payload to the decoder of each type. No decoder may rely on a check of the type.
fn payload_as_each_type(header: FrameHeader, payload: &[u8]) {
    let mut out = Vec::new();
    if let Ok(content) = decode::unpad(header, payload) {
        assert!(content.len() <= payload.len());
        let padded = header.has(flag::PADDED);
        assert!(padded && content.len() < payload.len() || !padded && content == payload);
    }
    if let Ok((fragment, priority)) = decode::headers(header, payload) {
        let front = if priority.is_some() { 5 } else { 0 };
        assert!(fragment.len() + front <= payload.len());
        assert_eq!(priority.is_some(), header.has(flag::PRIORITY));
    }
    if let Some(priority) = decode::priority(payload) {
        assert!((1..=256).contains(&priority.weight) && priority.dependency >> 31 == 0);
    }
    if let Ok((promised, fragment)) = decode::push_promise(header, payload) {
        assert!(promised >> 31 == 0 && fragment.len() + 4 <= payload.len());
    }
    if let Ok(code) = decode::rst_stream(payload) {
        encode::rst_stream(&mut out, header.stream_id, code);
        same(&mut out, FrameType::RST_STREAM, header.stream_id, payload);
    }
    if let Ok(entries) = decode::settings(payload) {
        assert_eq!(entries.len() * 6, payload.len());
        encode::settings(&mut out, entries.iter().copied().map(decode::setting));
        same(&mut out, FrameType::SETTINGS, 0, payload);
    }
    if let Ok(ping) = decode::ping(payload) {
        encode::ping(&mut out, 0, ping);
        same(&mut out, FrameType::PING, 0, payload);
    }
    if let Ok(goaway) = decode::goaway(payload) {
        encode::goaway(&mut out, goaway.last_stream_id, goaway.code, goaway.debug);
        same(
            &mut out,
            FrameType::GOAWAY,
            0,
            &without_reserved_bit(payload),
        );
    }
    if let Ok(increment @ 1..) = decode::window_update(payload) {
        encode::window_update(&mut out, header.stream_id, increment);
        let id = header.stream_id;
        same(
            &mut out,
            FrameType::WINDOW_UPDATE,
            id,
            &without_reserved_bit(payload),
        );
    }
    if let Ok((prioritized, value)) = extension::priority_update(payload) {
        extension::put_priority_update(&mut out, prioritized, value);
        same(
            &mut out,
            FrameType::PRIORITY_UPDATE,
            0,
            &without_reserved_bit(payload),
        );
    }
    if let Some((origin, value)) = extension::altsvc(payload) {
        extension::put_altsvc(&mut out, header.stream_id, origin, value);
        same(&mut out, FrameType::ALTSVC, header.stream_id, payload);
    }
    let origins = extension::origins(payload);
    extension::put_origin(&mut out, origins);
    let whole = out.len() - HEADER_LEN;
    assert!(whole <= payload.len());
    same(&mut out, FrameType::ORIGIN, 0, &payload[..whole]);
    block_in_pieces(payload);
}

/// Divides a field block into frames and joins it again.
fn block_in_pieces(block: &[u8]) {
    let max = 1 + block.first().copied().map_or(0, usize::from);
    let mut out = Vec::new();
    let start = encode::begin(&mut out);
    out.extend_from_slice(block);
    encode::finish_block(
        &mut out,
        start,
        FrameType::HEADERS,
        flag::END_STREAM,
        1,
        max,
    );
    let (mut rest, mut gathered, mut ended) = (&out[..], Vec::new(), false);
    while let Some(header) = FrameHeader::decode(rest) {
        let (frame, behind) = rest.split_at(HEADER_LEN + header.len as usize);
        assert!(!ended && header.len as usize <= max);
        assert_eq!(
            header.kind == FrameType::HEADERS,
            gathered.is_empty() && rest.len() == out.len()
        );
        ended = header.has(flag::END_HEADERS);
        gathered.extend_from_slice(&frame[HEADER_LEN..]);
        rest = behind;
    }
    assert!(ended && rest.is_empty() && gathered == block);
}

fn same(out: &mut Vec<u8>, kind: FrameType, stream_id: u32, payload: &[u8]) {
    let header = FrameHeader::decode(out).expect("a whole header");
    assert_eq!(
        (header.kind, header.flags, header.stream_id),
        (kind, 0, stream_id)
    );
    assert_eq!(header.len as usize, payload.len());
    assert_eq!(&out[HEADER_LEN..], payload);
    out.clear();
}

fn without_reserved_bit(payload: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    payload[0] &= 0x7f;
    payload
}
