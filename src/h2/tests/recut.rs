//! However the bytes are cut, the same happens (RFC 9113 knows no packets).

use proptest::prelude::*;

use super::*;
use crate::h2::settings::id;

/// Events in their order, and all that was sent.
type RecutRun = (Vec<Heard>, Option<ConnectionError>, Vec<u8>);

/// Offers `bytes` to a new server in pieces of these lengths, again and again.
fn play(bytes: &[u8], pieces: &[usize]) -> RecutRun {
    let mut peer = ScriptedPeer::silent(Config {
        report_extensions: true,
        ..Config::default()
    });
    let (mut heard, mut rest) = (Vec::new(), bytes);
    let mut pieces = pieces.iter().cycle();
    while !rest.is_empty() {
        let len = pieces
            .next()
            .map_or(rest.len(), |&len| len.clamp(1, rest.len()));
        let (piece, behind) = rest.split_at(len);
        rest = behind;
        peer.send_raw(piece);
        let (more, error) = peer.take();
        heard.extend(more);
        if error.is_some() {
            return (heard, error, peer.connection.take_output());
        }
    }
    (heard, None, peer.connection.take_output())
}

/// A frame that is mostly plausible.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let id = prop_oneof![Just(0u32), Just(1), Just(3), Just(5), Just(2), 0..10u32];
    let block = prop_oneof![
        // GET, https, "/", and localhost as :authority.
        Just(b"\x82\x87\x84\x41\x09localhost".to_vec()),
        Just(b"\x83\x87\x84\x41\x09localhost".to_vec()),
        Just(b"\x82\x87\x84\x01\x09localhost\x0f\x0d\x011".to_vec()),
        Just(b"\xbe".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    let plain = (
        any::<u8>(),
        id.clone(),
        proptest::collection::vec(any::<u8>(), 0..20),
    );
    prop_oneof![
        6 => (id.clone(), any::<bool>(), block.clone()).prop_map(|(id, end, block)| {
            let flags = flag::END_HEADERS | u8::from(end);
            raw(FrameType::HEADERS, flags, id, &block)
        }),
        2 => (id.clone(), block, 0..20usize).prop_map(|(id, block, cut)| {
            let (begin, end) = block.split_at(cut.min(block.len()));
            let mut bytes = raw(FrameType::HEADERS, flag::END_STREAM, id, begin);
            bytes.extend(raw(FrameType::CONTINUATION, flag::END_HEADERS, id, end));
            bytes
        }),
        3 => plain.clone().prop_map(|(flags, id, data)| raw(FrameType::DATA, flags & 9, id, &data)),
        2 => (id.clone(), 0..3u32).prop_map(|(id, increment)| {
            raw(FrameType::WINDOW_UPDATE, 0, id, &increment.to_be_bytes())
        }),
        2 => id.clone().prop_map(|id| raw(FrameType::RST_STREAM, 0, id, &[0, 0, 0, 8])),
        1 => (0..10u16, any::<u32>()).prop_map(|(setting, value)| {
            let mut bytes = Vec::new();
            encode::settings(&mut bytes, [(setting, value)].into_iter());
            bytes
        }),
        1 => Just(raw(FrameType::PING, 0, 0, b"12345678")),
        1 => Just(raw(FrameType::SETTINGS, flag::ACK, 0, b"")),
        1 => id.prop_map(|id| raw(FrameType::PRIORITY, 0, id, &[0, 0, 0, 1, 7])),
        1 => (any::<u8>(), plain).prop_map(|(kind, (flags, id, payload))| {
            raw(FrameType(kind), flags, id, &payload)
        }),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
    ]
}

fn raw(kind: FrameType, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::frame(&mut bytes, kind, flags, id, payload);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_cut_anywhere_are_the_same(
        frames in proptest::collection::vec(frame(), 0..30),
        pieces in proptest::collection::vec(1..40usize, 1..8),
    ) {
        let mut bytes = PREFACE.to_vec();
        encode::settings(&mut bytes, [(id::INITIAL_WINDOW_SIZE, 70_000)].into_iter());
        frames.iter().for_each(|frame| bytes.extend_from_slice(frame));
        let whole = play(&bytes, &[bytes.len()]);
        prop_assert_eq!(&play(&bytes, &[1]), &whole);
        prop_assert_eq!(&play(&bytes, &pieces), &whole);
    }
}
