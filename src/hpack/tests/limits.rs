//! Bounds of what a hostile block can make us hold or do: RFC 7541 §7.3, RFC 9113 §10.5.1.

use super::*;

const LIMITS: DecodeLimits = DecodeLimits {
    list_size: 16 << 10,
    fields: 100,
    crumbs: 1_000,
    overrun: 4,
};

fn decode_limited(
    decoder: &mut Decoder,
    block: &[u8],
    limits: &DecodeLimits,
) -> (Result<Decoded, DecodeError>, Fields) {
    let mut fields = Fields::new();
    let result = decoder.decode(block, &mut fields, limits);
    (result, fields)
}

/// An entry `x: aaa…` that takes `size` bytes of the table.
fn entry(size: usize) -> Vec<u8> {
    let mut block = vec![0x40, 1, b'x'];
    crate::hpack::integer::encode((size - 33) as u32, 0, 7, &mut block);
    block.resize(block.len() + size - 33, b'a');
    block
}

#[test]
fn a_list_of_exactly_the_limit_is_whole() {
    let limits = DecodeLimits {
        list_size: 3 * 42,
        fields: 3,
        crumbs: 1_000,
        overrun: 1,
    };
    // `:method: GET` counts 42.
    let mut decoder = Decoder::new(4096);
    let (result, fields) = decode_limited(&mut decoder, &[0x82; 3], &limits);
    assert_eq!((result, fields.len()), (Ok(Decoded::Whole), 3));
    let (result, _) = decode_limited(&mut decoder, &[0x82; 4], &limits);
    assert_eq!(result, Err(DecodeError::ListTooLarge));
}

#[test]
fn nothing_behind_the_first_field_past_the_size_limit_is_materialised() {
    let limits = DecodeLimits {
        list_size: 100,
        ..LIMITS
    };
    let mut decoder = Decoder::new(4096);
    // The large literal does not fit; the small field behind it would.
    let block = [&[0x82][..], &entry(80), &[0x82]].concat();
    let (result, found) = decode_limited(&mut decoder, &block, &limits);
    assert_eq!(result, Ok(Decoded::Truncated));
    assert_eq!(found, fields(&[(":method", "GET")]));
    assert_eq!(entries(&mut decoder).1, 80);
}

#[test]
fn nothing_past_the_number_of_fields_is_materialised() {
    let mut decoder = Decoder::new(4096);
    let (result, found) = decode_limited(&mut decoder, &[0x82; 101], &LIMITS);
    assert_eq!((result, found.len()), (Ok(Decoded::Truncated), 100));
}

/// A crumb that leaves the table alone.
fn crumb(value: &str) -> Vec<u8> {
    [&[0x0f, 0x11, value.len() as u8], value.as_bytes()].concat()
}

#[test]
fn cookie_crumbs_count_as_the_field_that_they_were() {
    let limits = DecodeLimits {
        // `cookie: aaaa; bb; c` and `:method: GET`.
        list_size: 6 + 11 + 32 + 42,
        fields: 1,
        crumbs: 3,
        overrun: 4,
    };
    let crumbs = [crumb("aaaa"), vec![0x82], crumb("bb"), crumb("c")].concat();
    let mut decoder = Decoder::new(4096);
    let (result, found) = decode_limited(&mut decoder, &crumbs, &limits);
    assert_eq!((result, found.len()), (Ok(Decoded::Whole), 4));
    for more in [crumb("d"), vec![0x82], crumb("")] {
        let block = [&crumbs[..], &more].concat();
        let (result, found) = decode_limited(&mut decoder, &block, &limits);
        assert_eq!((result, found.len()), (Ok(Decoded::Truncated), 4));
    }
    let shorter = DecodeLimits {
        list_size: limits.list_size - 1,
        ..limits
    };
    let (result, found) = decode_limited(&mut decoder, &crumbs, &shorter);
    assert_eq!((result, found.len()), (Ok(Decoded::Truncated), 3));
}

#[test]
fn a_thousand_crumbs_are_taken_beside_a_hundred_fields() {
    let mut decoder = Decoder::new(4096);
    let block = [crumb("name=1").repeat(1_000), vec![0x82; 100]].concat();
    let (result, found) = decode_limited(&mut decoder, &block, &LIMITS);
    assert_eq!((result, found.len()), (Ok(Decoded::Whole), 1_100));
    for more in [crumb("name=1"), vec![0x82]] {
        let block = [&block[..], &more].concat();
        let (result, found) = decode_limited(&mut decoder, &block, &LIMITS);
        assert_eq!((result, found.len()), (Ok(Decoded::Truncated), 1_100));
    }
}

#[test]
fn crumbs_without_content_are_a_bomb_like_others() {
    let mut decoder = Decoder::new(4096);
    // An entry `cookie: ` with an empty value, referenced again and again.
    let block = [&[0x60, 0x00][..], &[0xbe; 32_000]].concat();
    let (result, found) = decode_limited(&mut decoder, &block, &LIMITS);
    assert_eq!(result, Err(DecodeError::ListTooLarge));
    assert_eq!(found.len(), 1_000);
}

#[test]
fn what_a_block_holds_itself_is_no_bomb() {
    let mut decoder = Decoder::new(4096);
    // 50,000 times the digit 0, in five bits each, twice: more than four times the limit.
    let mut block = Vec::new();
    for _ in 0..2 {
        block.extend([0, 1, b'x']);
        crate::hpack::integer::encode(31_250, 0x80, 7, &mut block);
        block.resize(block.len() + 31_250, 0);
    }
    let (result, found) = decode_limited(&mut decoder, &block, &LIMITS);
    assert_eq!((result, found.len()), (Ok(Decoded::Truncated), 0));
}

#[test]
fn the_table_is_right_after_a_truncated_block() {
    let limits = DecodeLimits {
        list_size: 50,
        fields: 1,
        crumbs: 1_000,
        overrun: 100,
    };
    let list = fields(&[
        ("server", "calmd"),
        ("vary", "accept-encoding"),
        ("x-a", "1"),
        ("cookie", "short"),
        ("x-b", "2"),
    ]);
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    let block = encode(&mut encoder, &list);
    let (result, found) = decode_limited(&mut decoder, &block, &limits);
    assert_eq!((result, found.len()), (Ok(Decoded::Truncated), 1));
    let block = encode(&mut encoder, &list);
    let found = decode(&mut decoder, &block).unwrap();
    assert!(
        found
            .iter()
            .zip(list.iter())
            .all(|(a, b)| a.value == b.value)
    );
}

#[test]
fn an_entry_of_4_kib_referenced_16_000_times_is_a_bomb() {
    let mut decoder = Decoder::new(4096);
    let block = [entry(4096), vec![0xbe; 16_000]].concat();
    let (result, found) = decode_limited(&mut decoder, &block, &LIMITS);
    assert_eq!(result, Err(DecodeError::ListTooLarge));
    assert_eq!(found.size(), 16 << 10);
}

#[test]
fn a_small_entry_referenced_32_000_times_is_a_bomb() {
    let mut decoder = Decoder::new(4096);
    let block = [entry(34), vec![0xbe; 32_000]].concat();
    let (result, found) = decode_limited(&mut decoder, &block, &LIMITS);
    assert_eq!(result, Err(DecodeError::ListTooLarge));
    assert_eq!(found.len(), 100);
}

#[test]
fn an_overrun_within_the_factor_is_decoded_to_its_end() {
    let mut decoder = Decoder::new(4096);
    let block = [entry(4096), vec![0xbe; 15]].concat();
    let (result, found) = decode_limited(&mut decoder, &block, &LIMITS);
    assert_eq!(result, Ok(Decoded::Truncated));
    assert_eq!(found.len(), 4);
    let (result, _) = decode_limited(&mut decoder, &[0xbe; 17], &LIMITS);
    assert_eq!(result, Err(DecodeError::ListTooLarge));
}

#[test]
fn limits_that_overflow_are_no_limits() {
    let limits = DecodeLimits {
        list_size: usize::MAX,
        fields: usize::MAX,
        crumbs: usize::MAX,
        overrun: usize::MAX,
    };
    let (result, _) = decode_limited(&mut Decoder::new(usize::MAX), &[0x82], &limits);
    assert_eq!(result, Ok(Decoded::Whole));
}

#[test]
fn fields_are_appended_to_those_before() {
    let mut found = fields(&[("a", "b")]);
    Decoder::new(4096)
        .decode(&[0x82], &mut found, &LIMITS)
        .unwrap();
    assert_eq!(found, fields(&[("a", "b"), (":method", "GET")]));
}
