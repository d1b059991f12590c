//! HPACK of calmd compared with that of other crates, for tests/bench/instructions --hpack. All
//! decoders get equal blocks, all encoders equal fields. Each measurement is one dump of callgrind.
//! Behind its name stands the number of bytes that an encoder wrote. The first block includes the cost
//! of a new connection.
//!
//! The cheapest interface of each crate is measured. All fields end as copies in a list. fluke-hpack
//! and hpack lend fields to a closure, which copies them into the kind of list that calmd's decoder
//! fills.

use std::hint::black_box;

use calmd_bench::headers::{LIMITS, LISTS, List, TABLE, WHEN, blocks, fields, next};
use calmd_bench::hpack::{Decoder, Encoder};
use calmd_bench::http::Fields;
use calmd_bench::measure;

fn main() {
    for (name, list) in LISTS {
        decoders(name, list);
        encoders(name, list);
    }
}

fn decoders(name: &str, list: List) {
    let blocks = blocks(list);
    let run = |who: &str, decode: &mut dyn FnMut(&[u8])| {
        for (when, block) in WHEN.iter().zip(&blocks) {
            measure(&format!("decode {name}, {when}: {who}"), || {
                decode(black_box(block))
            });
        }
    };
    let mut out = Fields::new();
    out.extend_from(&fields(list));
    let mut decoder = None;
    let new = || Decoder::new(TABLE);
    run("calmd", &mut |block| {
        out.clear();
        decoder
            .get_or_insert_with(new)
            .decode(block, &mut out, &LIMITS)
            .expect("a valid block");
    });
    let mut decoder = None;
    let new = || fluke_hpack::Decoder::new();
    run("fluke-hpack", &mut |block| {
        out.clear();
        decoder
            .get_or_insert_with(new)
            .decode_with_cb(block, |name, value| out.push(&name, &value))
            .expect("a valid block");
    });
    let mut decoder = None;
    let new = || hpack::Decoder::new();
    run("hpack", &mut |block| {
        out.clear();
        decoder
            .get_or_insert_with(new)
            .decode_with_cb(block, |name, value| out.push(&name, &value))
            .expect("a valid block");
    });
    let mut decoder = None;
    let new = || httlib_hpack::Decoder::with_dynamic_size(TABLE as u32);
    let mut out = Vec::with_capacity(list.len());
    run("httlib-hpack", &mut |block| {
        out.clear();
        decoder
            .get_or_insert_with(new)
            .decode(&mut block.to_vec(), &mut out)
            .expect("a valid block");
    });
}

/// Appends a message to a block.
type Encode<'a> = dyn FnMut(&[(&'static str, &'static str)], &mut Vec<u8>) + 'a;

fn encoders(name: &str, list: List) {
    let next = next(list);
    let messages = [list, list, list, &next];
    let run = |who: &str, encode: &mut Encode<'_>| {
        for (when, message) in WHEN.iter().zip(messages) {
            let mut out = Vec::with_capacity(4096);
            measure(&format!("encode {name}, {when}: {who}"), || {
                encode(black_box(message), &mut out)
            });
            println!("    {} bytes", out.len());
        }
    };
    let mut encoder = None;
    let new = || Encoder::new(TABLE);
    run("calmd", &mut |message, out| {
        encoder.get_or_insert_with(new).encode(
            message.iter().copied().map(calmd_bench::headers::field),
            out,
        );
    });
    let bytes = |field: &(&'static str, &'static str)| (field.0.as_bytes(), field.1.as_bytes());
    let mut encoder = None;
    let new = || fluke_hpack::Encoder::new();
    run("fluke-hpack", &mut |message, out| {
        encoder
            .get_or_insert_with(new)
            .encode_into(message.iter().map(bytes), out)
            .expect("memory");
    });
    let mut encoder = None;
    let new = || hpack::Encoder::new();
    run("hpack", &mut |message, out| {
        encoder
            .get_or_insert_with(new)
            .encode_into(message.iter().map(bytes), out)
            .expect("memory");
    });
    let mut encoder = None;
    let new = || httlib_hpack::Encoder::with_dynamic_size(TABLE as u32);
    let flags = httlib_hpack::Encoder::HUFFMAN_NAME
        | httlib_hpack::Encoder::HUFFMAN_VALUE
        | httlib_hpack::Encoder::WITH_INDEXING
        | httlib_hpack::Encoder::BEST_FORMAT;
    run("httlib-hpack", &mut |message, out| {
        for (name, value) in message {
            let field = (name.as_bytes().to_vec(), value.as_bytes().to_vec(), flags);
            encoder
                .get_or_insert_with(new)
                .encode(field, out)
                .expect("memory");
        }
    });
}
