//! RFC 7541 §5: integers and strings, with the examples of C.1 and C.4.

use super::*;
use crate::hpack::input::BlockInput;
use crate::hpack::{huffman, integer};
use proptest::prelude::*;

fn read_integer(bytes: &[u8], prefix_bits: u32) -> Result<u32, DecodeError> {
    let mut input = BlockInput(bytes);
    let first = input.byte()?;
    let value = integer::decode(first, prefix_bits, &mut input)?;
    assert!(input.0.is_empty());
    Ok(value)
}

fn write_integer(value: u32, prefix_bits: u32) -> Vec<u8> {
    let mut out = Vec::new();
    integer::encode(value, 0, prefix_bits, &mut out);
    out
}

fn huffman_decode(encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::new();
    huffman::decode(encoded, &mut out).map(|()| out)
}

#[test]
fn c1_the_examples_of_integers_hold_both_ways() {
    for (value, prefix_bits, bytes) in [
        (10, 5, &[0x0a][..]),
        (1337, 5, &[0x1f, 0x9a, 0x0a]),
        (42, 8, &[0x2a]),
    ] {
        assert_eq!(write_integer(value, prefix_bits), bytes);
        assert_eq!(read_integer(bytes, prefix_bits), Ok(value));
    }
}

#[test]
fn s5_1_the_largest_integer_is_that_of_32_bits() {
    let largest = write_integer(u32::MAX, 7);
    assert_eq!(largest, [0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(read_integer(&largest, 7), Ok(u32::MAX));
    let beyond = [0x7f, 0x81, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(read_integer(&beyond, 7), Err(DecodeError::IntegerOverflow));
    let widest = [0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert_eq!(read_integer(&widest, 7), Err(DecodeError::IntegerOverflow));
}

#[test]
fn s5_1_an_integer_takes_at_most_five_bytes_after_its_prefix() {
    let padded = [0x1f, 0x80, 0x80, 0x80, 0x80, 0x00];
    assert_eq!(read_integer(&padded, 5), Ok(31));
    let longer = [0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
    assert_eq!(read_integer(&longer, 5), Err(DecodeError::IntegerOverflow));
}

#[test]
fn s5_1_an_integer_that_ends_early_is_truncated() {
    for len in 1..6 {
        let bytes = &[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00][..len];
        assert_eq!(read_integer(bytes, 5), Err(DecodeError::Truncated));
    }
    assert_eq!(read_integer(&[], 5), Err(DecodeError::Truncated));
}

#[test]
fn s5_2_the_code_of_every_symbol_is_that_of_appendix_b() {
    // The rows of Appendix B at the ends of each length, where a wrong table would show.
    for (symbol, code, len) in [
        (b'0', 0x0, 5),
        (b't', 0x9, 5),
        (b' ', 0x14, 6),
        (b'u', 0x2d, 6),
        (b':', 0x5c, 7),
        (b'z', 0x7b, 7),
        (b'&', 0xf8, 8),
        (b'Z', 0xfd, 8),
        (b'!', 0x3f8, 10),
        (b'?', 0x3fc, 10),
        (b'\'', 0x7fa, 11),
        (b'|', 0x7fc, 11),
        (b'#', 0xffa, 12),
        (b'>', 0xffb, 12),
        (0, 0x1ff8, 13),
        (b'~', 0x1ffd, 13),
        (b'^', 0x3ffc, 14),
        (b'}', 0x3ffd, 14),
        (b'<', 0x7ffc, 15),
        (b'{', 0x7ffe, 15),
        (b'\\', 0x7fff0, 19),
        (0xd0, 0x7fff2, 19),
        (0x80, 0xfffe6, 20),
        (1, 0x7fffd8, 23),
        (9, 0xffffea, 24),
        (0x7f, 0xffffffc, 28),
        (0xf9, 0xffffffe, 28),
        (b'\n', 0x3ffffffc, 30),
        (22, 0x3ffffffe, 30),
    ] {
        let bits: u64 = (code << (32 - len)) | ((1u64 << (32 - len)) - 1);
        let bytes = &(bits as u32).to_be_bytes()[..usize::div_ceil(len, 8)];
        assert_eq!(huffman_encode(&[symbol]), bytes, "symbol {symbol}");
    }
}

#[test]
fn s5_2_the_code_agrees_with_another_implementation() {
    let mut other = fluke_hpack::huffman::HuffmanDecoder::new();
    for first in 0..=255u8 {
        let string = [first, b'a', first, first.wrapping_add(1), b'~', first];
        let encoded = huffman_encode(&string);
        assert_eq!(other.decode(&encoded).unwrap(), string);
        assert_eq!(huffman_decode(&encoded).unwrap(), string);
    }
}

#[test]
fn s5_2_the_empty_string_is_no_bytes() {
    assert!(huffman_encode(b"").is_empty());
    assert_eq!(huffman_decode(&[]), Ok(vec![]));
}

#[test]
fn s5_2_padding_must_be_the_start_of_eos_and_less_than_a_byte() {
    // "a" is 00011; three ones complete the byte.
    assert_eq!(huffman_decode(&[0b0001_1111]), Ok(b"a".to_vec()));
    for padding in 0..0b111 {
        let byte = 0b0001_1000 | padding;
        assert_eq!(huffman_decode(&[byte]), Err(DecodeError::Huffman));
    }
    assert_eq!(huffman_decode(&[0x1f, 0xff]), Err(DecodeError::Huffman));
    assert_eq!(huffman_decode(&[0xff]), Err(DecodeError::Huffman));
    // "0" eight times takes five bytes and needs none.
    assert_eq!(huffman_decode(&[0; 5]), Ok(b"00000000".to_vec()));
}

#[test]
fn s5_2_eos_within_a_string_is_an_error() {
    for string in [
        &[0xff, 0xff, 0xff, 0xff][..],
        &[0xff, 0xff, 0xff, 0xfc],
        &[0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x1f, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xff; 64],
    ] {
        assert_eq!(huffman_decode(string), Err(DecodeError::Huffman));
    }
}

#[test]
fn s5_2_a_string_longer_than_its_block_is_truncated() {
    let mut decoder = Decoder::new(4096);
    for block in [
        "00 03 6161",
        "00",
        "00 01",
        "00 01 61",
        "00 01 61 02 62",
        "00 ff",
    ] {
        assert_eq!(
            decode(&mut decoder, &hex(block)),
            Err(DecodeError::Truncated)
        );
    }
    let huge = hex("00 7f ff ff ff ff 0f");
    assert_eq!(
        decode(&mut decoder, &huge),
        Err(DecodeError::IntegerOverflow)
    );
    let largest = hex("00 7f 80 ff ff ff 0f");
    assert_eq!(decode(&mut decoder, &largest), Err(DecodeError::Truncated));
}

#[test]
fn s5_2_the_encoder_takes_the_shorter_form() {
    // "\n" takes 30 bits, "a" five.
    for (value, raw) in [(&b"\n\n\n"[..], true), (b"aaa", false), (b"\na", true)] {
        let mut block = Vec::new();
        Encoder::new(4096).encode([Field::new(b"via", value)], &mut block);
        assert_eq!(block[1] & 0x80 == 0, raw);
        let found = decode(&mut Decoder::new(4096), &block).unwrap();
        assert_eq!(found.value("via"), Some(value));
    }
}

#[test]
fn s5_2_a_string_of_any_length_has_the_right_length_in_front() {
    let mut other = fluke_hpack::Decoder::new();
    // "a" takes five bits, "X" eight and so no less than itself.
    for len in (0..600).chain([1 << 14]) {
        for byte in [b'a', b'X'] {
            let value = vec![byte; len];
            let mut block = Vec::new();
            Encoder::new(4096).encode([Field::sensitive(b"via", &value)], &mut block);
            let found = decode(&mut Decoder::new(4096), &block).unwrap();
            assert_eq!(found.value("via"), Some(&value[..]));
            let (_, found) = other.decode(&block).unwrap().remove(0);
            assert_eq!(found, value);
        }
    }
}

proptest! {
    #[test]
    fn s5_1_any_integer_survives_both_ways(value: u32, prefix_bits in 1u32..=8) {
        prop_assert_eq!(read_integer(&write_integer(value, prefix_bits), prefix_bits), Ok(value));
    }

    #[test]
    fn s5_2_any_string_survives_both_ways(string: Vec<u8>) {
        prop_assert_eq!(huffman_decode(&huffman_encode(&string)), Ok(string));
    }

    #[test]
    fn s5_2_any_text_survives_both_ways(string in "[ -~]{0,80}") {
        let encoded = huffman_encode(string.as_bytes());
        prop_assert_eq!(huffman_decode(&encoded), Ok(string.into_bytes()));
    }

    #[test]
    fn s5_2_what_decodes_is_the_only_encoding_of_its_string(
        encoded: Vec<u8>,
        ones in 0usize..12,
    ) {
        let mut encoded = encoded;
        encoded.resize(encoded.len() + ones, 0xff);
        if let Ok(string) = huffman_decode(&encoded) {
            prop_assert_eq!(huffman_encode(&string), encoded);
        }
    }

    #[test]
    fn s5_2_every_prefix_of_a_string_decodes_to_a_prefix_or_fails(string in "[ -~]{1,40}") {
        let encoded = huffman_encode(string.as_bytes());
        for len in 0..encoded.len() {
            if let Ok(prefix) = huffman_decode(&encoded[..len]) {
                prop_assert!(string.as_bytes().starts_with(&prefix));
            }
        }
    }
}
