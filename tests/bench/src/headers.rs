//! Header lists of real programs.

use crate::hpack::{DecodeLimits, Encoder};
use crate::http::field::{Field, Fields};

/// Names and values.
pub type List = &'static [(&'static str, &'static str)];

/// A request of Chromium, with the cookies of a usual site.
pub const BROWSER: List = &[
    (":method", "GET"),
    (":authority", "www.example.org"),
    (":scheme", "https"),
    (":path", "/articles/2026/11/an-ordinary-page.html?ref=front"),
    (
        "sec-ch-ua",
        "\"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\"",
    ),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("upgrade-insecure-requests", "1"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    ),
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    ),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
    ("referer", "https://www.example.org/"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7"),
    ("cookie", "_ga=GA1.1.1234567890.1763700000"),
    (
        "cookie",
        "session=eyJhbGciOiJIUzI1NiJ9.eyJ1IjoxMjM0NX0.q0mXg8S3vPz1-7l2c9QkYw",
    ),
    (
        "cookie",
        "consent=analytics%3Dfalse%26ads%3Dfalse; theme=dark",
    ),
    ("priority", "u=0, i"),
];

/// A request of h2load: the fewest fields that a client sends.
pub const LOAD: List = &[
    (":path", "/1k"),
    (":scheme", "http"),
    (":authority", "localhost:8080"),
    (":method", "GET"),
    ("user-agent", "h2load nghttp2/1.52.0"),
];

/// A response of calmd with a file.
pub const RESPONSE: List = &[
    (":status", "200"),
    ("content-type", "text/html; charset=utf-8"),
    ("content-length", "1024"),
    ("etag", "\"51ed9e35f458313a1db549115bc930dd\""),
    ("last-modified", "Thu, 19 Nov 2026 09:21:07 GMT"),
    ("accept-ranges", "bytes"),
    ("vary", "accept-encoding"),
    ("cache-control", "no-cache"),
    ("x-content-type-options", "nosniff"),
    ("date", "Sat, 21 Nov 2026 03:09:29 GMT"),
];

/// The four messages of a connection that [`blocks`] encodes.
pub const WHEN: [&str; 4] = [
    "first block",
    "second block",
    "repeated block",
    "next message",
];

/// The lists by name.
pub const LISTS: [(&str, List); 3] = [
    ("browser", BROWSER),
    ("h2load", LOAD),
    ("response", RESPONSE),
];

/// The size of the dynamic table on both sides, in bytes.
pub const TABLE: usize = 4096;

/// Bounds far above all lists.
pub const LIMITS: DecodeLimits = DecodeLimits {
    list_size: 16 << 10,
    fields: 100,
    crumbs: 1_000,
    overrun: 4,
};

/// The fields of a list.
pub fn fields(list: List) -> Fields {
    list.iter().copied().collect()
}

/// A list with another value for the field that changes from message to message.
pub fn next(list: List) -> Vec<(&'static str, &'static str)> {
    let change = |&(name, value)| match name {
        ":path" => (name, "/images/photographs/harbour-at-dawn-1920.avif"),
        "etag" => (name, "\"7c0b4f0e9a2d5c1f3e8a6b7d90c2e4f1\""),
        _ => (name, value),
    };
    list.iter().map(change).collect()
}

/// The blocks of a connection: a message three times, and the next message. Only the third block has
/// all fields in the table, because the encoder inserts some fields when they come a second time.
pub fn blocks(list: List) -> [Vec<u8>; 4] {
    let mut encoder = Encoder::new(TABLE);
    let (first, next) = (fields(list), next(list).into_iter().collect::<Fields>());
    [&first, &first, &first, &next].map(|fields| {
        let mut block = Vec::new();
        encoder.encode(fields.iter(), &mut block);
        block
    })
}

/// A field in the form of calmd's interface.
pub fn field(pair: (&'static str, &'static str)) -> Field<'static> {
    Field::new(pair.0.as_bytes(), pair.1.as_bytes())
}
