//! RFC 7541 §4.2–§4.4 and §6.3: the size of the dynamic table, its changes, and eviction.

use super::*;

/// A size update of at most 30, or of 4,096 and its neighbours, by hand.
const SIZE_0: &str = "20";
const SIZE_4095: &str = "3f e0 1f";
const SIZE_4096: &str = "3f e1 1f";
const SIZE_4097: &str = "3f e2 1f";
/// `a: b` as an entry of 34 bytes.
const AB: &str = "40 01 61 01 62";

fn run(decoder: &mut Decoder, blocks: &[&str]) -> Result<Fields, DecodeError> {
    decode(decoder, &hex(&blocks.concat()))
}

#[test]
fn s6_3_a_size_up_to_the_limit_is_accepted() {
    let mut decoder = Decoder::new(4096);
    for size in [SIZE_0, SIZE_4095, SIZE_4096] {
        assert_eq!(run(&mut decoder, &[size, "82"]).unwrap().len(), 1);
    }
}

#[test]
fn s6_3_a_size_beyond_the_limit_is_an_error() {
    assert_eq!(
        run(&mut Decoder::new(4096), &[SIZE_4097]),
        Err(DecodeError::TableSizeExceeded)
    );
    assert_eq!(
        run(&mut Decoder::new(0), &["21"]),
        Err(DecodeError::TableSizeExceeded)
    );
}

#[test]
fn s6_3_a_smaller_size_evicts() {
    let mut decoder = Decoder::new(4096);
    run(&mut decoder, &[AB]).unwrap();
    assert_eq!(entries(&mut decoder).1, 34);
    run(&mut decoder, &[SIZE_0]).unwrap();
    assert_eq!(entries(&mut decoder).1, 0);
    // The size holds for what follows, too.
    run(&mut decoder, &[AB]).unwrap();
    assert_eq!(entries(&mut decoder).1, 0);
    run(&mut decoder, &[SIZE_4096, AB]).unwrap();
    assert_eq!(entries(&mut decoder).1, 34);
}

#[test]
fn s4_2_two_updates_may_begin_a_block_and_a_third_may_not() {
    let mut decoder = Decoder::new(4096);
    assert!(run(&mut decoder, &[SIZE_0, SIZE_4096, "82"]).is_ok());
    assert_eq!(
        run(&mut decoder, &[SIZE_0, SIZE_4096, SIZE_4096, "82"]),
        Err(DecodeError::TableSizeMisplaced)
    );
}

#[test]
fn s4_2_an_update_behind_a_field_is_an_error() {
    for field in ["82", AB, "00 01 61 01 62"] {
        assert_eq!(
            run(&mut Decoder::new(4096), &[field, SIZE_0]),
            Err(DecodeError::TableSizeMisplaced)
        );
    }
}

#[test]
fn s4_2_a_reduction_by_settings_has_to_be_acknowledged_in_the_next_block() {
    let reduced = || {
        let mut decoder = Decoder::new(4096);
        run(&mut decoder, &[AB]).unwrap();
        decoder.set_max_table_size(0);
        decoder
    };
    assert_eq!(
        run(&mut reduced(), &["82"]),
        Err(DecodeError::TableSizeMissing)
    );
    assert_eq!(run(&mut reduced(), &[]), Err(DecodeError::TableSizeMissing));
    assert_eq!(
        run(&mut reduced(), &[SIZE_4096, "82"]),
        Err(DecodeError::TableSizeExceeded)
    );
    let mut decoder = reduced();
    assert!(run(&mut decoder, &[SIZE_0, "82"]).is_ok());
    assert!(run(&mut decoder, &["82"]).is_ok());
}

#[test]
fn s4_2_a_reduction_that_was_taken_back_still_has_to_be_seen() {
    let reduced = || {
        let mut decoder = Decoder::new(4096);
        decoder.set_max_table_size(0);
        decoder.set_max_table_size(4096);
        decoder
    };
    assert!(run(&mut reduced(), &[SIZE_0, SIZE_4096, "82"]).is_ok());
    assert!(run(&mut reduced(), &[SIZE_0, "82"]).is_ok());
    assert_eq!(
        run(&mut reduced(), &[SIZE_4096, "82"]),
        Err(DecodeError::TableSizeExceeded)
    );
}

#[test]
fn s4_2_a_limit_above_the_table_in_use_needs_no_answer() {
    let mut decoder = Decoder::new(4096);
    run(&mut decoder, &[SIZE_0]).unwrap();
    decoder.set_max_table_size(100);
    assert!(run(&mut decoder, &["82"]).is_ok());
}

#[test]
fn s4_2_a_larger_limit_is_used_when_the_peer_says_so() {
    let mut decoder = Decoder::new(8192);
    let entry = [&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e][..], &[b'x'; 4000]].concat();
    for _ in 0..2 {
        decode(&mut decoder, &entry).unwrap();
        assert_eq!(entries(&mut decoder).0.len(), 1);
    }
    run(&mut decoder, &["3f e1 3f"]).unwrap();
    decode(&mut decoder, &entry).unwrap();
    assert_eq!(entries(&mut decoder).0.len(), 2);
}

#[test]
fn s4_2_the_encoder_announces_the_smallest_and_the_final_size() {
    let field = fields(&[(":method", "GET")]);
    let mut encoder = Encoder::new(4096);
    assert_eq!(encode(&mut encoder, &field), [0x82]);
    encoder.set_peer_max_table_size(4096);
    assert_eq!(encode(&mut encoder, &field), [0x82]);
    encoder.set_peer_max_table_size(0);
    encoder.set_peer_max_table_size(30);
    encoder.set_peer_max_table_size(20);
    assert_eq!(encode(&mut encoder, &field), [0x20, 0x34, 0x82]);
    assert_eq!(encode(&mut encoder, &field), [0x82]);
    encoder.set_peer_max_table_size(10);
    assert_eq!(encode(&mut encoder, &field), [0x2a, 0x82]);
    encoder.set_peer_max_table_size(0);
    encoder.set_peer_max_table_size(10);
    assert_eq!(encode(&mut encoder, &field), [0x20, 0x2a, 0x82]);
    encoder.set_peer_max_table_size(30);
    encoder.set_peer_max_table_size(20);
    assert_eq!(encode(&mut encoder, &field), [0x34, 0x82]);
    encoder.set_peer_max_table_size(30);
    encoder.set_peer_max_table_size(20);
    assert_eq!(encode(&mut encoder, &field), [0x82]);
}

#[test]
fn s4_2_the_encoder_uses_no_more_than_its_own_bound() {
    let field = fields(&[(":method", "GET")]);
    let mut encoder = Encoder::new(30);
    encoder.set_peer_max_table_size(65_536);
    assert_eq!(encode(&mut encoder, &field), [0x3e, 0x82]);
    let mut encoder = Encoder::new(4097);
    assert_eq!(encode(&mut encoder, &field), [0x82]);
    encoder.set_peer_max_table_size(u32::MAX);
    let mut expected = hex(SIZE_4097);
    expected.push(0x82);
    assert_eq!(encode(&mut encoder, &field), expected);
}

#[test]
fn s4_2_an_encoder_that_lost_its_table_finds_nothing_in_it() {
    let list = fields(&[("server", "calmd"), ("vary", "accept-encoding")]);
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    decode(&mut decoder, &encode(&mut encoder, &list)).unwrap();
    assert_eq!(encode(&mut encoder, &list).len(), 2);
    encoder.set_peer_max_table_size(0);
    encoder.set_peer_max_table_size(4096);
    let block = encode(&mut encoder, &list);
    assert_eq!(decode(&mut decoder, &block).unwrap(), list);
    assert_eq!(encode(&mut encoder, &list).len(), 2);
}

#[test]
fn s4_4_an_entry_larger_than_the_table_empties_it_and_is_no_error() {
    let mut decoder = Decoder::new(40);
    run(&mut decoder, &[AB]).unwrap();
    assert_eq!(entries(&mut decoder).1, 34);
    let large = fields(&[("a", "123456789")]);
    let found = run(&mut decoder, &["40 01 61 09 313233343536373839"]).unwrap();
    assert_eq!(found, large);
    assert_eq!(entries(&mut decoder).1, 0);
    run(&mut decoder, &["40 01 61 07 31323334353637"]).unwrap();
    assert_eq!(entries(&mut decoder).1, 40);
}

#[test]
fn s4_4_a_new_entry_may_take_its_name_from_the_one_that_it_evicts() {
    let mut decoder = Decoder::new(40);
    run(&mut decoder, &[AB]).unwrap();
    let found = run(&mut decoder, &["7e 01 63"]).unwrap();
    assert_eq!(found, fields(&[("a", "c")]));
    assert_eq!(entries(&mut decoder).0.len(), 1);
    // Even where the new one does not fit at all.
    let found = run(&mut decoder, &["7e 09 313233343536373839"]).unwrap();
    assert_eq!(found, fields(&[("a", "123456789")]));
    assert_eq!(entries(&mut decoder).0.len(), 0);
}
