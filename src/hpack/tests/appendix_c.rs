//! The examples of RFC 7541 Appendix C. C.1 is in `s5_primitives`.

use super::*;

type ExampleFields<'a> = &'a [(&'a str, &'a str)];

/// One block of an example, the fields that it says, and the table that it leaves.
struct ExampleStep<'a> {
    block: &'a str,
    fields: ExampleFields<'a>,
    table: ExampleFields<'a>,
    size: usize,
}

fn decodes(table_size: usize, steps: &[ExampleStep<'_>]) {
    let mut decoder = Decoder::new(table_size);
    for step in steps {
        let found = decode(&mut decoder, &hex(step.block)).unwrap();
        assert_eq!(found, fields(step.fields));
        let expected: Vec<_> = step
            .table
            .iter()
            .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()))
            .collect();
        assert_eq!(entries(&mut decoder), (expected, step.size));
    }
}

const DATE_21: &str = "Mon, 21 Oct 2013 20:13:21 GMT";
const DATE_22: &str = "Mon, 21 Oct 2013 20:13:22 GMT";
const COOKIE: &str = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const LOCATION: &str = "https://www.example.com";

#[test]
fn c2_1_a_literal_with_indexing_becomes_an_entry() {
    decodes(
        4096,
        &[ExampleStep {
            block: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            fields: &[("custom-key", "custom-header")],
            table: &[("custom-key", "custom-header")],
            size: 55,
        }],
    );
}

#[test]
fn c2_2_a_literal_without_indexing_leaves_the_table_alone() {
    decodes(
        4096,
        &[ExampleStep {
            block: "040c 2f73 616d 706c 652f 7061 7468",
            fields: &[(":path", "/sample/path")],
            table: &[],
            size: 0,
        }],
    );
}

#[test]
fn c2_3_a_literal_never_indexed_is_sensitive_both_ways() {
    let block = hex("1008 7061 7373 776f 7264 0673 6563 7265 74");
    let mut decoder = Decoder::new(4096);
    let found = decode(&mut decoder, &block).unwrap();
    let field = Field::sensitive(b"password", b"secret");
    assert_eq!(found.iter().collect::<Vec<_>>(), [field]);
    assert_eq!(entries(&mut decoder), (vec![], 0));

    let mut again = Vec::new();
    let mut encoder = Encoder::new(4096);
    encoder.encode([field], &mut again);
    encoder.encode([field], &mut again);
    assert_eq!(again[0], 0x10);
    let found = decode(&mut decoder, &again).unwrap();
    assert_eq!(found.iter().collect::<Vec<_>>(), [field, field]);
    assert_eq!(entries(&mut decoder), (vec![], 0));
}

#[test]
fn c2_4_an_indexed_field_is_one_byte_both_ways() {
    decodes(
        4096,
        &[ExampleStep {
            block: "82",
            fields: &[(":method", "GET")],
            table: &[],
            size: 0,
        }],
    );
    let block = encode(&mut Encoder::new(4096), &fields(&[(":method", "GET")]));
    assert_eq!(block, [0x82]);
}

fn requests<'a>(blocks: [&'a str; 3]) -> [ExampleStep<'a>; 3] {
    let [first, second, third] = blocks;
    [
        ExampleStep {
            block: first,
            fields: &[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", "www.example.com"),
            ],
            table: &[(":authority", "www.example.com")],
            size: 57,
        },
        ExampleStep {
            block: second,
            fields: &[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", "www.example.com"),
                ("cache-control", "no-cache"),
            ],
            table: &[
                ("cache-control", "no-cache"),
                (":authority", "www.example.com"),
            ],
            size: 110,
        },
        ExampleStep {
            block: third,
            fields: &[
                (":method", "GET"),
                (":scheme", "https"),
                (":path", "/index.html"),
                (":authority", "www.example.com"),
                ("custom-key", "custom-value"),
            ],
            table: &[
                ("custom-key", "custom-value"),
                ("cache-control", "no-cache"),
                (":authority", "www.example.com"),
            ],
            size: 164,
        },
    ]
}

#[test]
fn c3_requests_without_huffman_coding_decode() {
    decodes(
        4096,
        &requests([
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ]),
    );
}

const C4: [&str; 3] = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
];

#[test]
fn c4_requests_with_huffman_coding_decode() {
    decodes(4096, &requests(C4));
}

#[test]
fn c4_requests_encode_to_the_same_bytes() {
    let mut encoder = Encoder::new(4096);
    for step in requests(C4) {
        assert_eq!(encode(&mut encoder, &fields(step.fields)), hex(step.block));
    }
}

fn responses<'a>(blocks: [&'a str; 3]) -> [ExampleStep<'a>; 3] {
    let [first, second, third] = blocks;
    [
        ExampleStep {
            block: first,
            fields: &[
                (":status", "302"),
                ("cache-control", "private"),
                ("date", DATE_21),
                ("location", LOCATION),
            ],
            table: &[
                ("location", LOCATION),
                ("date", DATE_21),
                ("cache-control", "private"),
                (":status", "302"),
            ],
            size: 222,
        },
        ExampleStep {
            block: second,
            fields: &[
                (":status", "307"),
                ("cache-control", "private"),
                ("date", DATE_21),
                ("location", LOCATION),
            ],
            table: &[
                (":status", "307"),
                ("location", LOCATION),
                ("date", DATE_21),
                ("cache-control", "private"),
            ],
            size: 222,
        },
        ExampleStep {
            block: third,
            fields: &[
                (":status", "200"),
                ("cache-control", "private"),
                ("date", DATE_22),
                ("location", LOCATION),
                ("content-encoding", "gzip"),
                ("set-cookie", COOKIE),
            ],
            table: &[
                ("set-cookie", COOKIE),
                ("content-encoding", "gzip"),
                ("date", DATE_22),
            ],
            size: 215,
        },
    ]
}

const C5: [&str; 3] = [
    "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a \
     3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "4803 3330 37c1 c0bf",
    "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 \
     677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 \
     553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
];

const C6: [&str; 3] = [
    "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e \
     919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    "4883 640e ffc1 c0bf",
    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
     821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
     4ee5 b106 3d50 07",
];

#[test]
fn c5_responses_without_huffman_coding_decode_with_eviction() {
    decodes(256, &responses(C5));
}

#[test]
fn c6_responses_with_huffman_coding_decode_with_eviction() {
    decodes(256, &responses(C6));
}

#[test]
fn c6_responses_of_our_encoder_say_the_same() {
    // Its policy differs from the example's (which indexes even cookies), so the bytes do.
    let (mut encoder, mut decoder) = (Encoder::new(256), Decoder::new(4096));
    decoder.set_max_table_size(256);
    for step in responses(C6) {
        let block = encode(&mut encoder, &fields(step.fields));
        let found = decode(&mut decoder, &block).unwrap();
        for (found, expected) in found.iter().zip(step.fields) {
            assert_eq!(found.name, expected.0.as_bytes());
            assert_eq!(found.value, expected.1.as_bytes());
            assert_eq!(found.sensitive, expected.0 == "set-cookie");
        }
        assert_eq!(found.len(), step.fields.len());
    }
}
