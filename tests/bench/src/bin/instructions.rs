//! The program whose instructions tests/bench/instructions counts. Each measurement is one dump of
//! callgrind.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use calmd_bench::h1::{self, BodyLength};
use calmd_bench::h2::{self, Event};
use calmd_bench::headers::{
    BROWSER, LIMITS, LISTS, LOAD, List, RESPONSE, TABLE, WHEN, blocks, field, fields, next,
};
use calmd_bench::hpack::{Decoder, Encoder};
use calmd_bench::http::Fields;
use calmd_bench::http::field::Field;
use calmd_bench::{frames, measure};

/// The content of every response.
const BODY: &[u8] = &[b'x'; 1024];

/// Number of requests before the measured ones. After them, tables, slabs and buffers have grown.
const WARM: usize = 100;

fn main() {
    for (name, list) in LISTS {
        decode(name, list);
        encode(name, list);
    }
    frames::decode();
    http2("h2load", LOAD);
    http2("browser", BROWSER);
    http2_bulk();
    http1("h2load", LOAD);
    http1("browser", BROWSER);
}

fn decode(name: &str, list: List) {
    let mut decoder = None;
    let mut out = Fields::new();
    // The caller's buffer was used before, for more bytes than now.
    out.extend_from(&fields(BROWSER));
    out.extend_from(&fields(BROWSER));
    for (when, block) in WHEN.iter().zip(blocks(list)) {
        out.clear();
        measure(&format!("hpack decode, {name}, {when}"), || {
            // The first block includes the allocations of a new connection.
            decoder
                .get_or_insert_with(|| Decoder::new(TABLE))
                .decode(black_box(&block), &mut out, &LIMITS)
                .expect("a valid block");
        });
        assert_eq!(out.len(), list.len());
    }
}

fn encode(name: &str, list: List) {
    let mut encoder = None;
    let mut out = Vec::with_capacity(4096);
    let (this, next): (_, Fields) = (fields(list), next(list).into_iter().collect());
    for (when, fields) in WHEN.iter().zip([&this, &this, &this, &next]) {
        out.clear();
        measure(&format!("hpack encode, {name}, {when}"), || {
            encoder
                .get_or_insert_with(|| Encoder::new(TABLE))
                .encode(black_box(fields).iter(), &mut out);
        });
        assert!(!out.is_empty());
    }
}

/// The configuration of the program's server, which does not check its own fields.
fn config() -> h2::Config {
    h2::Config {
        validate_outbound: false,
        normalize_outbound: false,
        join_cookies: false,
        ..h2::Config::server()
    }
}

/// A client's connection and the server's, with the buffers that a shell lends.
struct Http2 {
    client: h2::Connection,
    server: h2::Connection,
    fields: Fields,
    output: Vec<u8>,
    now: Instant,
    /// Number of requests so far.
    asked: usize,
}

/// The paths of one request after another.
#[derive(Clone, Copy)]
enum Paths {
    /// The path of the list, each time.
    Same,
    /// Others, each as long as that of the list.
    Other,
}

impl Http2 {
    fn new() -> Self {
        let now = Instant::now();
        Http2 {
            client: h2::Connection::client(Arc::new(config()), now),
            server: h2::Connection::server(Arc::new(config()), now),
            fields: Fields::new(),
            output: Vec::with_capacity(64 << 10),
            now,
            asked: 0,
        }
    }

    /// The bytes that the client sends for `count` requests.
    fn requests(&mut self, list: List, count: usize, paths: Paths) -> Vec<u8> {
        for _ in 0..count {
            self.asked += 1;
            let own = match paths {
                Paths::Same => path_of(list).to_owned(),
                Paths::Other => other_path(path_of(list), self.asked),
            };
            let request = list.iter().map(|&(name, value)| match name {
                ":path" => Field::new(name.as_bytes(), own.as_bytes()),
                _ => field((name, value)),
            });
            self.client.open(request, true, self.now).expect("a stream");
        }
        self.client.take_output()
    }

    /// The part of the server. Every request is answered with the head `answer` and a kilobyte.
    fn serve(&mut self, mut input: &[u8], answer: &Fields) -> usize {
        let mut requests = 0;
        self.server.lend_output(std::mem::take(&mut self.output));
        while let Some(event) = self
            .server
            .receive(&mut input, &mut self.fields, self.now)
            .expect("a peer without fault")
        {
            if let Event::Request { stream, .. } = event {
                requests += 1;
                if self.server.repeat_headers(stream, false) != Ok(true) {
                    self.server
                        .send_headers(stream, answer.iter(), false)
                        .expect("an open stream");
                }
                self.server.set_ready(stream, Some(BODY.len() as u64));
            }
        }
        while let Some(grant) = self.server.poll_grant(64 << 10) {
            self.server.begin_data(&grant).extend_from_slice(BODY);
            self.server.commit(grant, true);
        }
        self.output = self.server.take_output();
        requests
    }

    /// Gives the client the bytes that the server sent.
    fn finish(&mut self) {
        let mut input = &self.output[..];
        while let Some(event) = self
            .client
            .receive(&mut input, &mut self.fields, self.now)
            .expect("a peer without fault")
        {
            if let Event::Data { stream, data, .. } = event {
                let released = self.client.release(stream, data.len() as u32);
                released.expect("bytes that are held");
            }
        }
        self.output.clear();
    }
}

fn path_of(list: List) -> &'static str {
    let mut fields = list.iter();
    fields
        .find(|field| field.0 == ":path")
        .map_or("", |field| field.1)
}

/// A path of the same length, with a number in the place of its last two letters.
fn other_path(path: &str, number: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let digit = |value: usize| char::from(DIGITS[value % DIGITS.len()]);
    let beginning = &path[..path.len() - 2];
    format!(
        "{beginning}{}{}",
        digit(number / DIGITS.len()),
        digit(number)
    )
}

fn http2(name: &str, list: List) {
    let mut pair = Http2::new();
    let answer = fields(RESPONSE);
    let input = pair.requests(list, 1, Paths::Same);
    measure(&format!("h2 connection with one GET, {name}"), || {
        assert_eq!(pair.serve(&input, &answer), 1);
    });
    pair.finish();
    for (count, paths, what) in [
        (1, Paths::Other, "one GET"),
        (32, Paths::Other, "32 GETs at once"),
        (1, Paths::Same, "a GET that repeats the last"),
    ] {
        for _ in 0..WARM {
            let input = pair.requests(list, count, paths);
            assert_eq!(pair.serve(&input, &answer), count);
            pair.finish();
        }
        let input = pair.requests(list, count, paths);
        measure(&format!("h2 {what}, {name}"), || {
            assert_eq!(pair.serve(&input, &answer), count);
        });
        assert!(pair.output.len() > count * BODY.len());
        pair.finish();
    }
}

/// DATA for four streams in turn. Only the framing is measured, because the shell sends the content.
fn http2_bulk() {
    const FRAMES: usize = 64;
    let mut pair = Http2::new();
    let answer = fields(RESPONSE);
    let input = pair.requests(LOAD, 4, Paths::Same);
    let mut input = &input[..];
    let windows = (1 << 30) - 1;
    pair.server.lend_output(std::mem::take(&mut pair.output));
    while let Some(event) = pair
        .server
        .receive(&mut input, &mut pair.fields, pair.now)
        .expect("a peer without fault")
    {
        if let Event::Request { stream, .. } = event {
            pair.server
                .send_headers(stream, answer.iter(), false)
                .expect("an open stream");
            pair.server.set_ready(stream, Some(windows));
        }
    }
    let mut widen = Vec::new();
    for stream in [0, 1, 3, 5, 7] {
        h2::frame::encode::window_update(&mut widen, stream, windows as u32);
    }
    let mut input = &widen[..];
    while let Some(event) = pair
        .server
        .receive(&mut input, &mut pair.fields, pair.now)
        .expect("a peer without fault")
    {
        assert!(matches!(event, Event::WindowUpdated { .. }), "{event:?}");
    }
    let mut frames = 0;
    measure("h2 64 frames of DATA, four streams", || {
        while frames < FRAMES {
            let grant = pair.server.poll_grant(64 << 10).expect("room");
            let len = grant.max_len;
            pair.server.commit_elsewhere(grant, len, false);
            frames += 1;
        }
    });
    assert_eq!(frames, FRAMES);
}

/// An HTTP/1.1 request with the fields of a list.
fn http1_request(list: List) -> Vec<u8> {
    let value = |name| {
        list.iter()
            .find(|field| field.0 == name)
            .map_or("", |field| field.1)
    };
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\n",
        value(":path"),
        value(":authority")
    );
    for (name, value) in list.iter().filter(|field| !field.0.starts_with(':')) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.into_bytes()
}

fn http1(name: &str, list: List) {
    let now = Instant::now();
    let request = http1_request(list);
    let answer = fields(RESPONSE);
    let mut fields = Fields::new();
    let mut output = Vec::with_capacity(64 << 10);
    let mut server = h1::Connection::new(Arc::default(), h1::Scheme::Http, now);
    let mut serve = || {
        output.clear();
        server.lend_output(std::mem::take(&mut output));
        let mut input = &request[..];
        while let Some(event) = server
            .receive(&mut input, &mut fields, now)
            .expect("a peer without fault")
        {
            assert!(
                matches!(
                    event,
                    h1::Event::Request {
                        end_stream: true,
                        ..
                    }
                ),
                "{event:?}"
            );
            server.send_head(200, answer.iter(), BodyLength::Known(BODY.len() as u64));
            server.begin_data(BODY.len()).extend_from_slice(BODY);
            server.commit(true, now);
        }
        output = server.take_output();
        assert!(output.len() > BODY.len());
    };
    for _ in 0..WARM {
        serve();
    }
    measure(&format!("h1 one GET, {name}"), serve);
}
