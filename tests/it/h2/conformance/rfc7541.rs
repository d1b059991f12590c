//! RFC 7541: malformed field blocks, and all valid forms.

use super::super::wire::*;
use super::*;

pub fn cases() -> Vec<Case> {
    [errors(), representations()]
        .into_iter()
        .flatten()
        .collect()
}

/// A request with `bytes` behind its field block.
fn behind(bytes: &[u8]) -> Vec<u8> {
    headers(1, END, &[&request("GET", "/", &[])[..], bytes].concat())
}

/// A request with `bytes` in front of its field block.
fn in_front(id: u32, bytes: &[u8]) -> Vec<u8> {
    headers(id, END, &[bytes, &request("GET", "/", &[])].concat())
}

fn errors() -> Vec<Case> {
    let wrong = |section, sentence| case(section, sentence, Connection(COMPRESSION_ERROR));
    vec![
        wrong("2.3.3", "an index beyond both tables").send(behind(&[0xc6])),
        wrong("2.3.3", "a name's index beyond both tables").send(behind(&[0x7f, 0x07, 1, b'x'])),
        wrong(
            "2.3.3",
            "a name's index beyond both tables, without indexing",
        )
        .send(behind(&[0x0f, 0x37, 1, b'x'])),
        wrong("4.2", "a table size update behind a field").send(behind(&[0x20])),
        wrong("4.2", "three table size updates").send(in_front(1, &[0x20, 0x30, 0x20])),
        wrong("5.1", "an integer of more than five bytes")
            .send(behind(&[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01])),
        wrong("5.1", "an integer beyond 32 bits")
            .send(behind(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])),
        wrong("5.1", "an integer that is cut short").send(behind(&[0xff, 0x80])),
        wrong("5.2", "a string that is cut short").send(behind(&[0x00, 1, b'x', 5, b'a'])),
        wrong("5.2", "a name without a value").send(behind(&[0x00, 1, b'x'])),
        // "test" is 0x49 0x50 0x9f: three bytes with seven bits of padding.
        wrong("5.2", "Huffman padding of more than seven bits")
            .send(behind(&[0x00, 0x84, 0x49, 0x50, 0x9f, 0xff, 1, b'y'])),
        wrong("5.2", "Huffman padding of zeros")
            .send(behind(&[0x00, 0x83, 0x49, 0x50, 0x90, 1, b'y'])),
        wrong("5.2", "Huffman code with EOS in it").send(behind(&[
            0x00, 0x88, 0x49, 0x50, 0x9f, 0xff, 0xff, 0xff, 0xfa, 0x7f, 1, b'y',
        ])),
        wrong("6.1", "index 0").send(behind(&[0x80])),
        wrong("6.3", "a table size beyond SETTINGS_HEADER_TABLE_SIZE")
            .send(in_front(1, &[0x3f, 0xe2, 0x1f])),
        wrong("6.3", "a table size far beyond SETTINGS_HEADER_TABLE_SIZE")
            .send(in_front(1, &[0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        wrong("4.4", "an entry that was evicted")
            .send(headers(
                1,
                END_HEADERS,
                &[
                    &request("POST", "/json", &[])[..],
                    &[0x40, 1, b'x', 1, b'y'],
                ]
                .concat(),
            ))
            .send(in_front(3, &[0x20, 0x3f, 0xe1, 0x1f]))
            .send(headers(
                5,
                END,
                &[&request("GET", "/", &[])[..], &[0xbe]].concat(),
            )),
    ]
}

fn representations() -> Vec<Case> {
    let fine = |section, sentence| case(section, sentence, Answered(vec![(1, 200)]));
    let both = |section, sentence| case(section, sentence, Answered(vec![(1, 200), (3, 200)]));
    // :method GET, :scheme http, :path / are in the static table with their values, :authority with its
    // name only.
    let indexed = [&[0x82, 0x86, 0x84, 0x01][..], &string("localhost")].concat();
    vec![
        fine("6.1", "indexed fields").send(headers(1, END, &indexed)),
        fine("6.2.1", "a literal with indexing, its name indexed").send(behind(&[0x50, 1, b'x'])),
        fine("6.2.1", "a literal with indexing and a new name")
            .send(behind(&[0x40, 1, b'x', 1, b'y'])),
        both("6.2.1", "an entry of an earlier block")
            .send(behind(&[0x40, 1, b'x', 1, b'y']))
            .send(headers(
                3,
                END,
                &[&request("GET", "/", &[])[..], &[0xbe]].concat(),
            )),
        both("6.2.1", "the name of an entry of an earlier block")
            .send(behind(&[0x40, 1, b'x', 1, b'y']))
            .send(headers(
                3,
                END,
                &[&request("GET", "/", &[])[..], &[0x7e, 1, b'z']].concat(),
            )),
        fine("6.2.1", "an entry larger than the table empties it").send(behind(
            &[&[0x40, 1, b'x'][..], &string(&"v".repeat(5_000))].concat(),
        )),
        fine("6.2.2", "a literal without indexing, its name indexed")
            .send(behind(&[0x0f, 0x01, 1, b'x'])),
        fine("6.2.2", "a literal without indexing and a new name")
            .send(behind(&[0x00, 1, b'x', 1, b'y'])),
        fine("6.2.3", "a literal that is never indexed, its name indexed")
            .send(behind(&[0x1f, 0x01, 1, b'x'])),
        fine("6.2.3", "a literal that is never indexed with a new name")
            .send(behind(&[0x10, 1, b'x', 1, b'y'])),
        fine("5.2", "Huffman code").send(behind(&[
            0x00, 0x83, 0x49, 0x50, 0x9f, 0x83, 0x49, 0x50, 0x9f,
        ])),
        fine("5.2", "empty strings in both codes")
            .send(behind(&[0x00, 1, b'x', 0x80, 0x00, 1, b'y', 0x00])),
        fine("5.1", "an integer with zeros behind it").send(behind(
            &[0x00, 0x7f, 0x80, 0x80, 0x00]
                .iter()
                .chain(&[b'x'; 127])
                .chain(&[0])
                .copied()
                .collect::<Vec<_>>(),
        )),
        fine("6.3", "a table size update in front").send(in_front(1, &[0x3f, 0xe1, 0x1f])),
        fine("6.3", "two table size updates in front").send(in_front(1, &[0x20, 0x3f, 0xe1, 0x1f])),
        both("4.2", "a table of size 0, then as before")
            .send(in_front(1, &[0x20]))
            .send(in_front(3, &[0x3f, 0xe1, 0x1f])),
    ]
}

#[test]
fn rfc7541_field_blocks() {
    run(&cases());
}
