//! A fuzz harness: connections of both roles are fed with frames of every kind, valid and not, whole and in pieces.
//! No input may panic, the cuts may make no difference, and the output stays bounded by the input.
//!
//! ```sh
//! cargo run --no-default-features --example fuzz -- 10000 [SEED]
//! ```

use std::sync::Arc;
use std::time::Instant;

use calmd::h2::frame::{PREFACE, encode, flag};
use calmd::h2::{Config, Connection, FrameType, Inbox, Role};
use calmd::hpack::Encoder;
use calmd::http::Fields;

/// The largest answer to one frame, which has nine bytes at least: RST_STREAM and WINDOW_UPDATE.
const MOST_OUTPUT_PER_BYTE: usize = 4;

fn main() {
    let number = |text: String| text.parse().expect("a number");
    let mut arguments = std::env::args().skip(1).map(number);
    let rounds = arguments.next().unwrap_or(1_000);
    let mut random = Random(arguments.next().unwrap_or(1));
    let (mut events, mut errors) = (0, 0);
    for round in 0..rounds {
        let role = [Role::Server, Role::Client][round as usize % 2];
        let input = script(&mut random, role);
        let whole = run(role, &input, input.len());
        let pieces = run(role, &input, 1 + random.below(40) as usize);
        assert_eq!(whole, pieces, "round {round}: the cuts make a difference");
        events += whole.0.len();
        errors += usize::from(whole.1.is_some());
    }
    println!("{rounds} connections, {events} events, {errors} ended by errors");
}

/// A linear congruential generator with Knuth's numbers for MMIX.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        let product = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d);
        self.0 = product.wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 32) % bound
    }
}

/// A peer's bytes: mostly what it may send.
fn script(random: &mut Random, role: Role) -> Vec<u8> {
    let mut out = Vec::new();
    if role == Role::Server {
        out.extend_from_slice(PREFACE);
    }
    encode::settings(&mut out, [(4, random.below(100_000) as u32)].into_iter());
    encode::settings_ack(&mut out);
    let (mut hpack, mut next) = (Encoder::new(4_096), 1);
    for _ in 0..random.below(40) {
        let last = next.max(3) - 2;
        let id = if random.below(16) == 0 { next } else { last };
        let kind = [0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 6, 8, 16, 250][random.below(14) as usize];
        let len = match kind {
            // One frame in sixteen has a length that its kind does not allow.
            2 | 3 | 6 | 8 if random.below(16) == 0 => random.below(20),
            2 => 5,
            6 => 8,
            3 | 8 => 4,
            _ => random.below(300),
        };
        let mut payload: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
        let mut flags = random.below(256) as u8;
        let id = if kind == 1 { next } else { id };
        if kind == 1 {
            next += 2;
            payload.clear();
            let path = "/".repeat(random.below(30) as usize);
            let head = match role {
                Role::Server => Fields::request("POST", "http", "localhost", &path),
                Role::Client => [(":status", "200")].into_iter().collect(),
            };
            hpack.encode(head.iter(), &mut payload);
            flags = flag::END_HEADERS | (flags & flag::END_STREAM);
        } else if random.below(16) != 0 {
            flags &= flag::END_STREAM;
        }
        let id = if matches!(kind, 6 | 16) { 0 } else { id };
        encode::frame(&mut out, FrameType(kind), flags, id, &payload);
    }
    out
}

/// The events of an input that is offered in pieces, the error that ended it, and the output.
fn run(role: Role, input: &[u8], piece: usize) -> (Vec<String>, Option<String>, Vec<u8>) {
    let now = Instant::now();
    let mut connection = match role {
        Role::Server => Connection::server(Arc::new(Config::server()), now),
        Role::Client => Connection::client(Arc::new(Config::client()), now),
    };
    let request = Fields::request("GET", "http", "localhost", "/");
    for _ in 0..20 * usize::from(role == Role::Client) {
        assert!(connection.open(request.iter(), true, now).is_ok());
    }
    let before = connection.output().len();
    let (mut events, mut inbox) = (Vec::new(), Inbox::default());
    for piece in input.chunks(piece) {
        inbox.buffer().extend_from_slice(piece);
        loop {
            match inbox.next_event(&mut connection, now) {
                Ok(Some(event)) => {
                    connection.release_event(&event).expect("it just came");
                    events.push(format!("{event:?}"));
                }
                Ok(None) => break,
                Err(error) => return (events, Some(error.to_string()), connection.take_output()),
            }
        }
        let output = connection.output().len() - before;
        assert!(output <= MOST_OUTPUT_PER_BYTE * input.len());
    }
    (events, None, connection.take_output())
}
