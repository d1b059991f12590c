//! Properties over random field lists, against another implementation and against a plain model.

use super::*;
use crate::hpack::integer;
use proptest::collection::vec;
use proptest::prelude::*;

/// Names and values that come back often, and some that do not.
fn field() -> impl Strategy<Value = Owned> {
    let name = prop_oneof![
        4 => prop::sample::select(vec![
            ":status", ":path", ":method", "etag", "date", "cookie", "set-cookie", "vary", "x-a",
            "accept-encoding", "content-range", "location", "x-content-type-options",
        ])
        .prop_map(|name| name.as_bytes().to_vec()),
        1 => "[a-z-]{0,12}".prop_map(String::into_bytes),
    ];
    let value = prop_oneof![
        4 => prop::sample::select(vec!["200", "GET", "/", "", "gzip, deflate", "nosniff", "*"])
            .prop_map(|value| value.as_bytes().to_vec()),
        2 => "[ -~]{0,40}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..300),
    ];
    (name, value)
}

/// Blocks, each after the table sizes that SETTINGS allowed since the last one.
fn blocks() -> impl Strategy<Value = Vec<(Vec<u32>, Vec<Owned>)>> {
    let sizes = prop_oneof![
        6 => Just(vec![]),
        1 => vec(0u32..600, 1..4),
        1 => Just(vec![0, 4096]),
    ];
    vec((sizes, vec(field(), 0..12)), 1..20)
}

fn section(list: &[Owned]) -> Fields {
    let mut fields = Fields::new();
    list.iter()
        .for_each(|(name, value)| fields.push(name, value));
    fields
}

fn same(found: &Fields, list: &[Owned]) -> bool {
    let pairs = found.iter().map(|field| (field.name, field.value));
    pairs.eq(list.iter().map(|(name, value)| (&name[..], &value[..])))
}

proptest! {
    #[test]
    fn what_our_encoder_writes_our_decoder_reads(blocks in blocks()) {
        let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
        for (number, (sizes, list)) in blocks.iter().enumerate() {
            for &size in sizes {
                encoder.set_peer_max_table_size(size);
                decoder.set_max_table_size(size as usize);
            }
            let block = encode(&mut encoder, &section(list));
            prop_assert!(same(&decode(&mut decoder, &block).unwrap(), list));
            if number % 4 == 3 {
                encoder.shrink();
                decoder.shrink();
            }
        }
    }

    #[test]
    fn what_may_be_repeated_is_what_encoding_it_again_gives(blocks in blocks()) {
        let mut encoder = Encoder::new(4096);
        for (sizes, list) in &blocks {
            sizes.iter().for_each(|&size| encoder.set_peer_max_table_size(size));
            for _ in 0..4 {
                encode(&mut encoder, &section(list));
                let Some(repeatable) = encoder.repeatable().map(<[u8]>::to_vec) else { continue };
                prop_assert_eq!(encode(&mut encoder, &section(list)), repeatable);
            }
        }
    }

    #[test]
    fn what_our_encoder_writes_another_decoder_reads(blocks in blocks()) {
        let (mut encoder, mut decoder) = (Encoder::new(4096), fluke_hpack::Decoder::new());
        decoder.set_max_allowed_table_size(4096);
        for (sizes, list) in &blocks {
            sizes.iter().for_each(|&size| encoder.set_peer_max_table_size(size));
            // The other takes a block of nothing but size updates for an error.
            let mut list = list.clone();
            list.push((b"end".to_vec(), b"".to_vec()));
            let block = encode(&mut encoder, &section(&list));
            prop_assert_eq!(decoder.decode(&block).unwrap(), list);
        }
    }

    #[test]
    fn what_another_encoder_writes_our_decoder_reads(blocks in blocks()) {
        let (mut encoder, mut decoder) = (fluke_hpack::Encoder::new(), Decoder::new(4096));
        for (sizes, list) in &blocks {
            // The other leaves the announcing to its caller.
            let mut block = Vec::new();
            let updates = match sizes[..] {
                [] => vec![],
                [size] => vec![size],
                [.., size] => vec![*sizes.iter().min().unwrap(), size],
            };
            for size in updates {
                decoder.set_max_table_size(size as usize);
                encoder.set_max_table_size(size as usize);
                integer::encode(size, 0x20, 5, &mut block);
            }
            let pairs = list.iter().map(|(name, value)| (&name[..], &value[..]));
            encoder.encode_into(pairs, &mut block).unwrap();
            prop_assert!(same(&decode(&mut decoder, &block).unwrap(), list));
        }
    }

    #[test]
    fn any_representation_of_any_field_is_read(steps in vec(step(), 1..60), size in 0usize..400) {
        let mut model = Model { entries: Vec::new(), max_size: size };
        let mut decoder = Decoder::new(size);
        for step in &steps {
            let mut block = Vec::new();
            let Some(expected) = model.write(step, &mut block) else { continue };
            let found = decode(&mut decoder, &block).unwrap();
            prop_assert_eq!(found.iter().next().unwrap(), Field {
                name: &expected.0,
                value: &expected.1,
                sensitive: step.form == Form::NeverIndexed,
            });
        }
        let found = entries(&mut decoder).0;
        prop_assert_eq!(found, model.entries);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(blocks in vec(vec(any::<u8>(), 0..200), 1..8), size in 0usize..300) {
        let mut decoder = Decoder::new(size);
        for block in &blocks {
            // Even one that goes on after an error, as none should.
            let _ = decode(&mut decoder, block);
            decoder.shrink();
        }
    }

    #[test]
    fn no_prefix_of_a_block_and_no_flipped_byte_makes_the_decoder_panic(
        list in vec(field(), 1..8),
        position in any::<prop::sample::Index>(),
        mask: u8,
    ) {
        let mut block = encode(&mut Encoder::new(4096), &section(&list));
        for len in 0..block.len() {
            let mut decoder = Decoder::new(4096);
            let _ = decode(&mut decoder, &block[..len]);
            let _ = decode(&mut decoder, &block);
        }
        let position = position.index(block.len());
        block[position] ^= mask;
        let _ = decode(&mut Decoder::new(4096), &block);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Indexed,
    Incremental,
    Plain,
    NeverIndexed,
}

/// One field in one of its many representations.
#[derive(Clone, Debug)]
struct CoderStep {
    form: Form,
    /// The entry, of either table, to refer to where there are any.
    index: prop::sample::Index,
    name: Option<Vec<u8>>,
    value: Vec<u8>,
    huffman: bool,
}

fn step() -> impl Strategy<Value = CoderStep> {
    let form = prop::sample::select(vec![
        Form::Indexed,
        Form::Incremental,
        Form::Incremental,
        Form::Plain,
        Form::NeverIndexed,
    ]);
    (
        form,
        any::<prop::sample::Index>(),
        any::<bool>(),
        field(),
        any::<bool>(),
    )
        .prop_map(|(form, index, named, (name, value), huffman)| CoderStep {
            form,
            index,
            name: named.then_some(name),
            value,
            huffman,
        })
}

/// The tables of RFC 7541 §2.3 as plainly as possible.
struct Model {
    /// Newest first.
    entries: Vec<Owned>,
    max_size: usize,
}

impl Model {
    /// Writes one representation and gives the field that it stands for.
    fn write(&mut self, step: &CoderStep, block: &mut Vec<u8>) -> Option<Owned> {
        let index = 1 + step.index.index(61 + self.entries.len()) as u32;
        let entry = match index.checked_sub(62) {
            Some(age) => self.entries[age as usize].clone(),
            None => {
                let field = crate::hpack::static_table::get(index)?;
                let (name, value) = (field.name(), field.value());
                (name.to_vec(), value.to_vec())
            }
        };
        let (flags, prefix_bits) = match step.form {
            Form::Indexed => {
                integer::encode(index, 0x80, 7, block);
                return Some(entry);
            }
            Form::Incremental => (0x40, 6),
            Form::Plain => (0x00, 4),
            Form::NeverIndexed => (0x10, 4),
        };
        let name = match &step.name {
            None => {
                integer::encode(index, flags, prefix_bits, block);
                entry.0
            }
            Some(name) => {
                block.push(flags);
                write_string(name, step.huffman, block);
                name.clone()
            }
        };
        write_string(&step.value, step.huffman, block);
        let field = (name, step.value.clone());
        if step.form == Form::Incremental {
            self.entries.insert(0, field.clone());
            let size = |(name, value): &Owned| name.len() + value.len() + 32;
            while self.entries.iter().map(size).sum::<usize>() > self.max_size {
                self.entries.pop();
            }
        }
        Some(field)
    }
}

fn write_string(string: &[u8], coded: bool, block: &mut Vec<u8>) {
    if coded {
        let encoded = huffman_encode(string);
        integer::encode(encoded.len() as u32, 0x80, 7, block);
        block.extend_from_slice(&encoded);
    } else {
        integer::encode(string.len() as u32, 0x00, 7, block);
        block.extend_from_slice(string);
    }
}
