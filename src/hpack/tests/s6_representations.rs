//! RFC 7541 §2.3.3 and §6: indices and representations.

use super::*;

#[test]
fn s6_1_the_index_zero_is_an_error() {
    assert_eq!(
        decode(&mut Decoder::new(4096), &[0x80]),
        Err(DecodeError::InvalidIndex)
    );
}

#[test]
fn s2_3_3_an_index_beyond_both_tables_is_an_error() {
    let mut decoder = Decoder::new(4096);
    assert!(decode(&mut decoder, &[0x80 | 61]).is_ok());
    for block in [
        "be",
        "ff 00",
        "ff 80 ff ff ff 0f",
        "7e 01 61",
        "0f 2f 01 61",
        "1f 2f 01 61",
    ] {
        assert_eq!(
            decode(&mut Decoder::new(4096), &hex(block)),
            Err(DecodeError::InvalidIndex)
        );
    }
    decode(&mut decoder, &hex("40 01 61 01 62")).unwrap();
    assert!(decode(&mut decoder, &[0xbe]).is_ok());
    assert_eq!(
        decode(&mut decoder, &[0xbf]),
        Err(DecodeError::InvalidIndex)
    );
}

#[test]
fn s2_3_1_every_static_entry_has_its_index_both_ways() {
    let mut previous = Fields::new();
    for index in 1..=61u8 {
        let found = decode(&mut Decoder::new(4096), &[0x80 | index]).unwrap();
        assert_ne!(found, previous);
        assert_eq!(encode(&mut Encoder::new(4096), &found), [0x80 | index]);
        previous = found;
    }
}

#[test]
fn s6_2_each_literal_takes_its_name_from_either_table_or_a_string() {
    for (first, prefix) in [(0x40, 0x3f), (0x00, 0x0f), (0x10, 0x0f)] {
        let mut decoder = Decoder::new(4096);
        decode(&mut decoder, &hex("40 01 61 01 62")).unwrap();
        let string = [first, 1, b'x', 1, b'y'];
        let from_static = [first | 2, 3, b'P', b'U', b'T'];
        let mut from_dynamic = vec![first | (62 & prefix), 1, b'c'];
        if prefix < 62 {
            from_dynamic = vec![first | prefix, 62 - prefix, 1, b'c'];
        }
        let sensitive = first == 0x10;
        for (block, name, value) in [
            (&from_dynamic[..], &b"a"[..], &b"c"[..]),
            (&string[..], b"x", b"y"),
            (&from_static[..], b":method", b"PUT"),
        ] {
            let found = decode(&mut decoder, block).unwrap();
            let field = Field {
                name,
                value,
                sensitive,
            };
            assert_eq!(found.iter().collect::<Vec<_>>(), [field]);
        }
        let expected = if first == 0x40 { 4 } else { 1 };
        assert_eq!(entries(&mut decoder).0.len(), expected);
    }
}

#[test]
fn s6_2_empty_names_and_values_are_fields() {
    let mut decoder = Decoder::new(4096);
    for block in ["40 00 00", "00 00 00", "10 00 00", "40 80 80"] {
        let found = decode(&mut decoder, &hex(block)).unwrap();
        let field = found.iter().next().unwrap();
        assert_eq!((field.name, field.value), (&b""[..], &b""[..]));
    }
    assert_eq!(entries(&mut decoder).1, 64);
}

#[test]
fn s7_1_3_secrets_are_never_indexed() {
    let long = "0123456789abcdefghij";
    for (name, value, secret) in [
        ("set-cookie", long, true),
        ("authorization", long, true),
        ("proxy-authorization", long, true),
        ("cookie", "a=short", true),
        ("cookie", long, false),
    ] {
        let block = encode(&mut Encoder::new(4096), &fields(&[(name, value)]));
        let mut decoder = Decoder::new(4096);
        let found = decode(&mut decoder, &block).unwrap();
        assert!(found.iter().all(|field| field.sensitive == secret));
        assert_eq!(entries(&mut decoder).0.is_empty(), secret);
    }
}

#[test]
fn s7_1_3_a_sensitive_field_stays_literal_though_a_table_has_it() {
    let mut encoder = Encoder::new(4096);
    encode(
        &mut encoder,
        &fields(&[("x-token", "1"), (":method", "GET")]),
    );
    let mut block = Vec::new();
    let list = [
        Field::sensitive(b"x-token", b"1"),
        Field::sensitive(b":method", b"GET"),
    ];
    encoder.encode(list, &mut block);
    let mut decoder = Decoder::new(4096);
    decode(
        &mut decoder,
        &encode(&mut Encoder::new(4096), &fields(&[("x-token", "1")])),
    )
    .unwrap();
    let found = decode(&mut decoder, &block).unwrap();
    assert_eq!(found.iter().collect::<Vec<_>>(), list);
}
