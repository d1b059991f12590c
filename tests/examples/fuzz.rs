//! A fuzz harness: connections of both roles are fed with frames of every kind, valid and not, whole and in pieces.
//! No input may panic, the cuts may make no difference, and the output stays bounded by the input.
//!
//! ```sh
//! cargo run --no-default-features --example fuzz -- 10000 [SEED]
//! ```

use std::sync::Arc;
use std::time::Instant;

use calmd::h2::frame::{PREFACE, encode, flag};
use calmd::h2::{Config, Connection, Event, FrameType, Role};
use calmd::hpack::Encoder;
use calmd::http::{Field, Fields};

/// The largest answer to one frame, which has nine bytes at least: RST_STREAM and WINDOW_UPDATE.
const MOST_OUTPUT_PER_BYTE: usize = 4;

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("a number"));
    let rounds = arguments.next().unwrap_or(1_000);
    let mut random = Random(arguments.next().unwrap_or(1).max(1));
    let (mut events, mut errors) = (0, 0);
    for round in 0..rounds {
        let role = if round % 2 == 0 {
            Role::Server
        } else {
            Role::Client
        };
        let input = script(&mut random, role);
        let whole = run(role, &input, input.len());
        let pieces = run(role, &input, 1 + random.below(40) as usize);
        assert_eq!(whole, pieces, "round {round}: the cuts make a difference");
        events += whole.0.len();
        errors += usize::from(whole.1.is_some());
    }
    println!("{rounds} connections, {events} events, {errors} ended by errors");
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound
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
    let mut hpack = Encoder::new(4_096);
    let mut next = 1;
    for _ in 0..random.below(40) {
        let last = next.max(3) - 2;
        let id = if random.below(16) == 0 { next } else { last };
        let kinds = [0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 6, 8, 16, 250];
        let kind = kinds[random.below(14) as usize];
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
            let path = vec![b'/'; random.below(30) as usize];
            let request = [
                Field::new(b":method", b"POST"),
                Field::new(b":scheme", b"http"),
                Field::new(b":path", &path),
            ];
            let response = [Field::new(b":status", b"200")];
            match role {
                Role::Server => hpack.encode(request, &mut payload),
                Role::Client => hpack.encode(response, &mut payload),
            }
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
    let (make, config): (fn(_, _) -> _, _) = match role {
        Role::Server => (Connection::server, Config::server()),
        Role::Client => (Connection::client, Config::client()),
    };
    let mut connection: Connection = make(Arc::new(config), now);
    if role == Role::Client {
        for _ in 0..20 {
            let request = [
                Field::new(b":method", b"GET"),
                Field::new(b":scheme", b"http"),
                Field::new(b":path", b"/"),
            ];
            connection.open(request, true, now).expect("a first stream");
        }
    }
    let before = connection.output().len();
    let (mut events, mut offered, mut fields) = (Vec::new(), Vec::new(), Fields::new());
    for piece in input.chunks(piece) {
        offered.extend_from_slice(piece);
        let mut rest = &offered[..];
        loop {
            match connection.receive(&mut rest, &mut fields, now) {
                Ok(Some(event)) => {
                    events.push(format!("{event:?}"));
                    if let Event::Data {
                        stream,
                        flow_controlled_len,
                        ..
                    } = event
                    {
                        connection
                            .release(stream, flow_controlled_len)
                            .expect("bytes that came");
                    }
                }
                Ok(None) => break,
                Err(error) => return (events, Some(error.to_string()), connection.take_output()),
            }
        }
        let consumed = offered.len() - rest.len();
        offered.drain(..consumed);
        let output = connection.output().len() - before;
        assert!(output <= MOST_OUTPUT_PER_BYTE * input.len());
    }
    (events, None, connection.take_output())
}
