//! HPACK: an independent decoder agrees with ours on each block that ours accepts, and both decode all
//! blocks of our encoder.

use fluke_hpack::decoder::{DecoderError, IntegerDecodingError};

use super::super::hpack::{DecodeError, DecodeLimits, Decoded, Decoder, Encoder};
use super::super::http::field::{Field, Fields};
use super::script::Script;

/// The largest SETTINGS_HEADER_TABLE_SIZE of a peer in a run, so that memory has a bound.
const LARGEST_TABLE: u32 = 1 << 16;

fn table_size(script: &mut Script<'_>) -> usize {
    script.number().min(LARGEST_TABLE) as usize
}

/// Decodes blocks of any bytes, between changes of the table's size.
pub fn decode(input: &[u8]) {
    let mut script = Script::new(input);
    let limits = DecodeLimits {
        list_size: script.number().min(1 << 16) as usize,
        fields: 1 + script.below(100),
        crumbs: 20,
        overrun: 1 + script.below(4),
    };
    let mut decoder = Decoder::new(4_096);
    let mut reference = Reference::new();
    let mut fields = Fields::new();
    while !script.is_empty() {
        let block = match script.byte() {
            0..=15 => {
                let size = table_size(&mut script);
                decoder.set_max_table_size(size);
                reference.allow(size);
                continue;
            }
            16..=23 => {
                decoder.shrink();
                continue;
            }
            24..=31 => script.long_bytes(),
            _ => script.bytes(),
        };
        fields.clear();
        let decoded = decoder.decode(block, &mut fields, &limits);
        let crumbs = fields.values("cookie").count();
        assert!(crumbs <= limits.crumbs && fields.len() - crumbs <= limits.fields);
        // Each crumb but the first counts as its value and two bytes.
        let saved = crumbs.saturating_sub(1) * (Fields::OVERHEAD + "cookie".len() - 2);
        assert!(fields.size() - saved <= limits.list_size);
        match decoded {
            Ok(decoded) => reference.agrees(block, &fields, decoded),
            Err(error) => {
                assert!(!block.is_empty() || error == DecodeError::TableSizeMissing);
                // The table cannot be used after an error.
                return;
            }
        }
    }
}

/// The decoder of another project, for as long as it can follow.
struct Reference(Option<fluke_hpack::Decoder<'static>>);

impl Reference {
    fn new() -> Self {
        Reference(Some(fluke_hpack::Decoder::new()))
    }

    fn allow(&mut self, size: usize) {
        if let Some(decoder) = &mut self.0 {
            decoder.set_max_allowed_table_size(size);
        }
    }

    /// Asserts that the reference accepts a block that our decoder accepted, and finds equal fields.
    fn agrees(&mut self, block: &[u8], fields: &Fields, decoded: Decoded) {
        if begins_with_long_size_update(block) {
            self.0 = None;
        }
        let Some(decoder) = &mut self.0 else {
            return;
        };
        let mut expected = Vec::new();
        let taken = decoder.decode_with_cb(block, |name, value| {
            expected.push((name.into_owned(), value.into_owned()));
        });
        match taken {
            Ok(()) => {
                assert!(fields.len() <= expected.len());
                if decoded == Decoded::Whole {
                    assert_eq!(fields.len(), expected.len());
                }
            }
            // The reference refuses a block of size updates alone, which is a block without fields.
            Err(DecoderError::SizeUpdateAtEnd) => {
                assert!(fields.is_empty() && expected.is_empty());
                self.0 = None;
            }
            // Fields before an integer that is too long for the reference are equal all the same.
            Err(DecoderError::IntegerDecodingError(IntegerDecodingError::TooManyOctets)) => {
                assert!(decoded == Decoded::Truncated || expected.len() < fields.len());
                self.0 = None;
            }
            Err(error) => panic!("{error:?}"),
        }
        for (field, (name, value)) in fields.iter().zip(&expected) {
            assert_eq!((field.name, field.value), (&name[..], &value[..]));
        }
    }
}

/// Octets of the longest integer that the reference takes, the prefix among them. Ours takes six,
/// because the largest values of 32 bits need them (RFC 7541 §5.1 leaves the bound to each decoder).
const REFERENCE_OCTETS: usize = 5;

/// Tells a block whose table size updates are too long for the reference, which takes no part of it
/// then.
fn begins_with_long_size_update(mut block: &[u8]) -> bool {
    while let [first @ 0x20..=0x3f, rest @ ..] = block {
        let continuation = match first & 0x1f {
            0x1f => 1 + rest.iter().take_while(|byte| **byte >= 0x80).count(),
            _ => 0,
        };
        if 1 + continuation > REFERENCE_OCTETS {
            return true;
        }
        block = rest.get(continuation..).unwrap_or_default();
    }
    false
}

/// Encodes field sections and decodes them again, between changes of the table's size.
pub fn round_trip(input: &[u8]) {
    const NAMES: [&[u8]; 12] = [
        b":path",
        b":status",
        b"content-length",
        b"cookie",
        b"set-cookie",
        b"authorization",
        b"etag",
        b"x",
        b"",
        b"location",
        b"X-Upper",
        b"a-rather-long-name-of-a-field",
    ];
    let mut script = Script::new(input);
    let own = table_size(&mut script);
    let mut encoder = Encoder::new(own);
    let mut decoder = Decoder::new(4_096);
    let mut reference = Reference::new();
    // The encoder never uses a table of more than 64 KiB - 1, and announces that. A decoder has to
    // accept its choice.
    let limits = DecodeLimits {
        list_size: usize::MAX,
        fields: usize::MAX,
        crumbs: usize::MAX,
        overrun: 1,
    };
    while !script.is_empty() {
        match script.byte() % 8 {
            0 => {
                let size = table_size(&mut script);
                encoder.set_peer_max_table_size(size as u32);
                decoder.set_max_table_size(size);
                reference.allow(size);
            }
            1 => encoder.shrink(),
            2 => decoder.shrink(),
            _ => {
                let mut fields = Fields::new();
                for _ in 0..script.below(12) {
                    let name = match script.byte() {
                        choice @ 0..=199 => NAMES[usize::from(choice) % NAMES.len()],
                        _ => script.bytes(),
                    };
                    let repeated;
                    let value = match script.byte() {
                        0..=99 => script.take(2),
                        100..=239 => script.bytes(),
                        _ => {
                            repeated = vec![script.byte(); usize::from(script.short()) % 5_000];
                            &repeated[..]
                        }
                    };
                    let sensitive = script.byte() > 230;
                    fields.push_field(Field {
                        name,
                        value,
                        sensitive,
                    });
                }
                let mut block = Vec::new();
                encoder.encode(fields.iter(), &mut block);
                // Literals with their lengths, and two table size updates, are the worst case.
                assert!(block.len() <= fields.size() + 8);
                let mut back = Fields::new();
                let decoded = decoder.decode(&block, &mut back, &limits);
                assert_eq!(decoded, Ok(Decoded::Whole), "{}", block.escape_ascii());
                assert_eq!(back, marked_as_sent(&fields, &back));
                reference.agrees(&block, &back, Decoded::Whole);
            }
        }
    }
}

/// The fields, marked as sensitive as they came `back`. The encoder may mark more fields than its
/// caller did, never fewer.
fn marked_as_sent(fields: &Fields, back: &Fields) -> Fields {
    let mut expected = Fields::new();
    for (field, back) in fields.iter().zip(back.iter()) {
        assert!(!field.sensitive || back.sensitive, "{field:?}");
        let sensitive = back.sensitive;
        expected.push_field(Field { sensitive, ..field });
    }
    assert_eq!(fields.len(), back.len());
    expected
}
