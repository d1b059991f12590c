//! The fields that the encoder gives an entry, and the bytes that this saves.

use super::*;

fn response<'a>(length: &'a str, modified: &'a str, etag: &'a str) -> [(&'a str, &'a str); 11] {
    [
        (":status", "200"),
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", length),
        ("last-modified", modified),
        ("etag", etag),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("vary", "accept-encoding"),
        ("cache-control", "no-cache"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("server", "calmd"),
    ]
}

/// Number of the fields of a response that are the same for every file.
const COMMON: usize = 8;

/// The fields of file `number` of a site.
fn file(number: usize) -> Fields {
    let length = (number * number * 37 + 100).to_string();
    let modified = format!(
        "Tue, {:02} Mar 2026 {:02}:{:02}:{:02} GMT",
        number % 28 + 1,
        number % 24,
        number * 7 % 60,
        number * 13 % 60
    );
    let etag = format!(
        "\"{:x}-{:x}\"",
        number * 0x1234_5671,
        number * number * 37 + 100
    );
    fields(&response(&length, &modified, &etag))
}

/// Both ends of a connection.
struct CoderPair {
    encoder: Encoder,
    decoder: Decoder,
}

impl CoderPair {
    fn new() -> Self {
        CoderPair {
            encoder: Encoder::new(4096),
            decoder: Decoder::new(4096),
        }
    }

    /// Sends fields across and gives the length of their block.
    fn send(&mut self, list: &Fields) -> usize {
        let block = encode(&mut self.encoder, list);
        assert_eq!(&decode(&mut self.decoder, &block).unwrap(), list);
        block.len()
    }
}

#[test]
fn a_repeated_response_takes_one_byte_a_field() {
    let mut pair = CoderPair::new();
    assert!(pair.send(&file(1)) < 160);
    for _ in 0..3 {
        assert_eq!(pair.send(&file(1)), 11);
    }
}

#[test]
fn files_one_after_another_leave_the_common_fields_in_the_table() {
    let mut pair = CoderPair::new();
    for number in 0..2_000 {
        pair.send(&file(number));
    }
    let list = file(2_001);
    let own = list
        .iter()
        .filter(|field| [&b"content-length"[..], b"last-modified", b"etag"].contains(&field.name));
    let mut alone = Vec::new();
    Encoder::new(4096).encode(own, &mut alone);
    // A name index takes one byte more in a literal that is not indexed (§6.2.2).
    assert!(pair.send(&list) <= COMMON + alone.len() + 3);
}

#[test]
fn a_file_that_comes_back_gets_its_entries() {
    let mut pair = CoderPair::new();
    for number in 0..100 {
        pair.send(&file(number));
    }
    pair.send(&file(100));
    pair.send(&file(100));
    assert_eq!(pair.send(&file(100)), 11);
}

#[test]
fn as_many_files_as_the_table_holds_end_up_in_it() {
    let mut pair = CoderPair::new();
    let mut last = 0;
    for _ in 0..12 {
        last = (0..10).map(|number| pair.send(&file(number))).sum();
    }
    assert_eq!(last, 10 * 11);
}

#[test]
fn values_that_never_repeat_do_not_enter_a_filled_table() {
    let mut pair = CoderPair::new();
    pair.send(&file(1));
    for number in 0..1_000u64 {
        pair.send(&fields(&[(
            "x-request-id",
            &format!("{:032x}", number * 0x9e37_79b9),
        )]));
    }
    assert_eq!(pair.send(&file(1)), 11);
}

#[test]
fn ranges_and_targets_of_redirects_never_enter_the_table() {
    let mut pair = CoderPair::new();
    let list = fields(&[
        ("content-range", "bytes 0-1/2"),
        ("location", "/elsewhere"),
        ("age", "7"),
    ]);
    pair.send(&list);
    pair.send(&list);
    assert!(entries(&mut pair.decoder).0.is_empty());
}

#[test]
fn an_entry_of_more_than_half_the_table_is_not_made() {
    let mut pair = CoderPair::new();
    let list = fields(&[("content-security-policy", &"x".repeat(2_000))]);
    for _ in 0..3 {
        pair.send(&list);
    }
    assert!(entries(&mut pair.decoder).0.is_empty());
}

#[test]
fn a_name_that_only_the_dynamic_table_has_is_referred_to() {
    let mut pair = CoderPair::new();
    pair.send(&fields(&[("x-content-type-options", "nosniff")]));
    assert!(pair.send(&fields(&[("x-content-type-options", "0")])) <= 3);
}

#[test]
fn a_table_is_used_again_and_again_beyond_65_536_insertions() {
    // Entry numbers are 16 bits wide and wrap around.
    let mut pair = CoderPair::new();
    for number in 0..35_000 {
        let list = fields(&[("x", &number.to_string()), ("server", "calmd")]);
        pair.send(&list);
        pair.send(&list);
        if number % 1_000 == 0 {
            // What the new entry evicted comes back as well.
            pair.send(&list);
            // An entry older than 64 others has an index of two bytes.
            assert!(pair.send(&list) <= 3);
        }
    }
}

#[test]
fn a_response_may_be_repeated_until_the_table_changes() {
    let mut pair = CoderPair::new();
    pair.send(&file(1));
    assert_eq!(pair.encoder.repeatable(), None);
    let len = pair.send(&file(1));
    assert_eq!(pair.encoder.repeatable().map(<[u8]>::len), Some(len));
    pair.encoder.set_peer_max_table_size(4096);
    assert_eq!(pair.encoder.repeatable(), None);
    pair.send(&file(1));
    assert!(pair.encoder.repeatable().is_some());
    pair.encoder.shrink();
    assert_eq!(pair.encoder.repeatable(), None);
}

#[test]
fn a_block_like_the_last_one_is_encoded_anew_where_a_field_is_another() {
    let request = |path, scheme, method, agent| -> Fields {
        let fields = [
            (":path", path),
            (":scheme", scheme),
            (":method", method),
            ("user-agent", agent),
        ];
        fields.into_iter().collect()
    };
    let usual = request("/1k", "http", "GET", "h2load");
    let mut others = vec![
        request("/1k", "https", "GET", "h2load"),
        request("/1k", "http", "POST", "h2load"),
        request("/", "http", "PUT", "h2load"),
        usual.iter().take(2).fold(Fields::new(), pushed),
        usual.iter().chain(usual.iter()).fold(Fields::new(), pushed),
        usual.iter().rev().fold(Fields::new(), pushed),
    ];
    let secret = usual.iter().map(|field| match field.name {
        b":scheme" => Field::sensitive(field.name, field.value),
        _ => field,
    });
    others.push(secret.fold(Fields::new(), pushed));
    for other in others {
        let mut pair = CoderPair::new();
        pair.send(&usual);
        assert_eq!(pair.send(&usual), 4);
        assert!(pair.encoder.repeatable().is_some());
        pair.send(&other);
        assert_eq!(pair.send(&usual), 4);
    }
}

fn pushed(mut fields: Fields, field: Field<'_>) -> Fields {
    fields.push_field(field);
    fields
}

#[test]
fn a_response_with_a_literal_that_never_becomes_an_entry_may_be_repeated() {
    let list = |list: &[(&str, &str)]| list.iter().copied().collect::<Fields>();
    let mut pair = CoderPair::new();
    for (name, value) in [
        ("location", "/elsewhere/and/further"),
        ("content-range", "bytes 5000000-5001023/10485760"),
    ] {
        let head = list(&[(":status", "301"), ("x-name", name), (name, value)]);
        pair.send(&head);
        assert_eq!(pair.encoder.repeatable(), None, "entries were made");
        let len = pair.send(&head);
        assert_eq!(pair.encoder.repeatable().map(<[u8]>::len), Some(len));
    }
    // Literals that may become entries when they come back.
    for at in 0..200 {
        pair.send(&list(&[("x-name", &format!("value-{at}"))]));
    }
    assert_eq!(pair.encoder.repeatable(), None);
    let long = format!("/{}", "x".repeat(200));
    pair.send(&list(&[("location", &long)]));
    assert_eq!(pair.encoder.repeatable(), None);
}
