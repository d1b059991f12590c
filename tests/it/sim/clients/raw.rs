//! Bad clients: they send bytes that no good client sends, at a pace that no good client has, or
//! nothing.

use super::wire::{Pace, Security, Standing, Wire};
use super::{Client, Farewell, H1, H2, Tie};
use crate::raw_h2::{self, PREFACE, frame, setting};
use crate::raw_tls::in_records;
use crate::sim::outside::Outside;
use crate::sim::rng::Rng;
use std::time::Duration;
use tokio_rustls::rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, ContentType, RootCertStore};

/// The type of a CONTINUATION frame (RFC 9113 §6.10).
const CONTINUATION: u8 = 9;

/// Buffers of bad clients' sockets have at least so many bits. They may be far too small.
const LEAST_BITS: usize = 8;

/// Numbers that a session takes for random. The order of the extensions in its hello is drawn from them, and
/// has to be equal in each run of a seed: bytes of the hello are changed by their places.
#[derive(Debug)]
struct NoRandom;

impl SecureRandom for NoRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        buffer.fill(7);
        Ok(())
    }
}

/// Number of small portions after which a client stops.
const PORTIONS: usize = 300;

/// Time for which a reading bad client stays. The server would serve it for longer.
const INTEREST: Duration = Duration::from_secs(60);

/// A client that sends its script, portion by portion, and reads the answers or does not.
pub struct RawClient {
    what: &'static str,
    security: Security,
    wire: Option<Wire>,
    /// TLS records that are sealed unchanged, before the script.
    fragments: Vec<(ContentType, Vec<u8>)>,
    script: Vec<u8>,
    sent: usize,
    portion: usize,
    interval: Duration,
    reading: Reading,
    farewell: Farewell,
    next: Option<Duration>,
    bored_at: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Everything,
    Nothing,
}

impl RawClient {
    pub fn random(outside: &mut Outside) -> Self {
        let mut fragments = Vec::new();
        let mut hello = None;
        let security = match outside.rng.below(8) {
            0 => Security::Missing,
            1 => Security::tls(outside, H1),
            2 => Security::tls(outside, H2),
            3 => {
                hello = Some(bent_hello(outside));
                Security::Missing
            }
            4 => {
                fragments = handshake_fragments(&mut outside.rng);
                Security::breakable(outside, H2)
            }
            _ => Security::Cleartext,
        };
        let rng = &mut outside.rng;
        let (what, opening, refrain) = match rng.below(5) {
            0 => ("silence", Vec::new(), Vec::new()),
            1 => garbage(rng),
            2 => h1_flood(rng),
            _ => h2_flood(rng),
        };
        let (what, opening, refrain) = match hello {
            Some(hello) => ("a bent hello", hello, Vec::new()),
            None => (what, opening, refrain),
        };
        let (portion, interval) = match rng.below(4) {
            // Slower than any deadline of the server, but not for hours.
            0 => (
                1 + opening.len() / 20,
                Duration::from_secs(rng.between(1, 4) as u64),
            ),
            1 => (
                rng.between(1, 500),
                Duration::from_millis(rng.between(1, 50) as u64),
            ),
            _ => (64 << 10, Duration::from_millis(1)),
        };
        let mut script = opening;
        if !refrain.is_empty() && interval < Duration::from_secs(1) {
            let len = rng.scaled(150_000).min(PORTIONS * portion);
            script.extend(refrain.repeat(len / refrain.len()));
        }
        if rng.chance(200) {
            script.truncate(rng.below(script.len() + 1));
        }
        RawClient {
            what,
            security,
            wire: None,
            fragments,
            script,
            sent: 0,
            portion,
            interval,
            reading: *rng.pick(&[Reading::Everything, Reading::Nothing]),
            farewell: Farewell::random(rng),
            next: Some(rng.pause(Duration::from_secs(2))),
            bored_at: Duration::MAX,
        }
    }

    /// A client that asks for much over TLS, where splicing is impossible, and reads none of it. No
    /// other client makes the server hold more memory.
    pub fn stalled_reader(outside: &mut Outside) -> Self {
        let mut script = PREFACE.to_vec();
        let wide = 0x7fff_0000_u32;
        script.extend(frame(raw_h2::SETTINGS, 0, 0, &setting(4, wide)));
        script.extend(frame(raw_h2::WINDOW_UPDATE, 0, 0, &wide.to_be_bytes()));
        script.extend((0..3).flat_map(|n| get(1 + 2 * n, "/large.bin")));
        RawClient {
            what: "a stalled reader",
            security: Security::tls(outside, H2),
            wire: None,
            portion: script.len(),
            fragments: Vec::new(),
            script,
            sent: 0,
            interval: Duration::from_millis(1),
            reading: Reading::Nothing,
            farewell: Farewell::Stay,
            next: Some(outside.rng.pause(Duration::from_secs(2))),
            bored_at: Duration::MAX,
        }
    }

    fn act(&mut self, outside: &mut Outside) {
        let now = outside.network.now;
        let Some(wire) = &mut self.wire else {
            self.wire = Wire::connect(outside, &self.security, Pace::Brisk, LEAST_BITS);
            self.next = self.wire.as_ref().map(|_| now + self.interval);
            self.bored_at = now + INTEREST;
            return;
        };
        let standing = match self.reading {
            Reading::Everything => wire.pump(outside),
            Reading::Nothing => wire.push(outside),
        };
        wire.inbox.clear();
        let bored = self.reading == Reading::Everything && now >= self.bored_at;
        if bored || standing != Standing::Open {
            outside.network.client_close(wire.link);
            self.leave();
        } else if self.next.is_none_or(|next| next > now) || !wire.is_flushed() {
            // It is too early. If there is no room, the server's next read wakes the client.
            self.next = self.next.filter(|next| *next > now);
        } else if !self.fragments.is_empty() {
            wire.break_in(&std::mem::take(&mut self.fragments));
            wire.push(outside);
            self.next = Some(now + self.interval);
        } else if self.sent < self.script.len() {
            let end = self.script.len().min(self.sent + self.portion);
            wire.outbox.extend_from_slice(&self.script[self.sent..end]);
            self.sent = end;
            wire.push(outside);
            self.next = Some(now + self.interval);
        } else {
            self.next = None;
            if wire.part(&mut self.farewell, outside) == Tie::Cut {
                self.leave();
            }
        }
    }

    fn leave(&mut self) {
        self.wire = None;
        self.next = None;
    }
}

impl Client for RawClient {
    fn run(&mut self, outside: &mut Outside) {
        let wire = self.wire.as_ref();
        let woken = wire.is_some_and(|wire| outside.network.client_wakes(wire.link));
        if woken && self.next.is_none() && self.farewell != Farewell::Said {
            self.next = Some(outside.network.now + self.interval);
        }
        if woken
            || self
                .next_wake()
                .is_some_and(|next| next <= outside.network.now)
        {
            self.act(outside);
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let wire = self.wire.as_ref().and_then(Wire::next_wake);
        [self.next, wire].into_iter().flatten().min()
    }

    fn is_content(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        self.what.to_owned()
    }
}

/// A script: its name, the bytes that are sent once, and the bytes that are repeated behind them.
type Script = (&'static str, Vec<u8>, Vec<u8>);

/// Meaningless bytes, or the bytes of good clients with a fault in them.
fn garbage(rng: &mut Rng) -> Script {
    let len = rng.scaled(3000);
    if rng.chance(300) {
        return ("random bytes", rng.bytes(len), Vec::new());
    }
    let mut bytes = h2_opening(rng);
    for number in 0..rng.below(6) as u32 {
        bytes.extend(get(1 + 2 * number, "/large.bin"));
    }
    if rng.chance(300) {
        bytes = b"POST /echo HTTP/1.1\r\nHost: sim\r\nContent-Length: 900\r\n\r\n".repeat(3);
    }
    for _ in 0..rng.between(1, 5) {
        let at = rng.below(bytes.len());
        bytes[at] = rng.next() as u8;
    }
    bytes.truncate(rng.between(1, bytes.len()));
    if rng.chance(300) {
        bytes.extend(rng.bytes(len));
    }
    ("a broken conversation", bytes, Vec::new())
}

/// A ClientHello with a fault in it, cut into records in an unusual way.
fn bent_hello(outside: &mut Outside) -> Vec<u8> {
    let name = ServerName::try_from("sim").expect("a name");
    let provider = CryptoProvider {
        secure_random: &NoRandom,
        ..(**outside.trust.crypto_provider()).clone()
    };
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("the versions of the provider")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.resumption = outside.trust.resumption.clone();
    let session = ClientConnection::new(config.into(), name);
    let mut hello = Vec::new();
    let written = session.expect("a session").write_tls(&mut hello);
    written.expect("memory takes all");
    let rng = &mut outside.rng;
    // The message begins behind the header of its only record.
    let mut message = hello.split_off(5);
    if rng.chance(300) {
        let len = rng.scaled(60_000);
        message.resize(len.max(4), 0);
        message[1..4].copy_from_slice(&(len as u32).to_be_bytes()[1..]);
    }
    let mut records = in_records(&message, rng.between(1, 16_384));
    for _ in 0..rng.below(4) {
        let at = rng.below(records.len());
        records[at] = rng.next() as u8;
    }
    let kept = rng.between(1, records.len());
    if rng.chance(300) {
        records.truncate(kept);
    }
    records
}

/// Handshake messages in pieces, and other records between them.
fn handshake_fragments(rng: &mut Rng) -> Vec<(ContentType, Vec<u8>)> {
    let mut fragments = Vec::new();
    for _ in 0..rng.between(1, 40) {
        // KeyUpdate, NewSessionTicket, ClientHello: their types and lengths.
        let message = *rng.pick(&[[24, 0, 0, 1, 1], [4, 0, 1, 0, 0], [1, 0, 0xff, 0xff, 0]]);
        let cut = rng.between(1, message.len());
        fragments.push((ContentType::Handshake, message[..cut].to_vec()));
        match rng.below(4) {
            0 => fragments.push((ContentType::Handshake, message[cut..].to_vec())),
            1 => fragments.push((ContentType::ApplicationData, rng.bytes(30))),
            2 => fragments.push((ContentType::Handshake, vec![0; 16_000])),
            _ => {}
        }
    }
    fragments
}

fn h1_flood(rng: &mut Rng) -> Script {
    let get = b"GET /large.bin HTTP/1.1\r\nHost: sim\r\n\r\n".to_vec();
    let upload = b"POST /echo HTTP/1.1\r\nHost: sim\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    match rng.below(5) {
        0 => ("requests without end", Vec::new(), get),
        1 => (
            "an upload without end",
            upload,
            [b"2000\r\n", &[b'u'; 0x2000][..], b"\r\n"].concat(),
        ),
        2 => ("chunks of one byte", upload, b"1\r\nx\r\n".to_vec()),
        3 => (
            "a head without end",
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"x: y\r\n".to_vec(),
        ),
        _ => {
            let body = b"POST / HTTP/1.1\r\nHost: sim\r\nContent-Length: 9999999\r\n\r\n".to_vec();
            ("a body that nobody reads", body, vec![b'b'; 1000])
        }
    }
}

/// A preface, and settings that a peer may have, including very large and very small ones.
fn h2_opening(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    let window = *rng.pick(&[0, 1, 65_535, 0x7fff_ffff]);
    bytes.extend(frame(raw_h2::SETTINGS, 0, 0, &setting(4, window)));
    if rng.chance(500) {
        bytes.extend(frame(
            raw_h2::WINDOW_UPDATE,
            0,
            0,
            &0x7fff_0000_u32.to_be_bytes(),
        ));
    }
    bytes
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    let flags = raw_h2::END_STREAM | raw_h2::END_HEADERS;
    frame(raw_h2::HEADERS, flags, stream, &raw_h2::get(path))
}

fn h2_flood(rng: &mut Rng) -> Script {
    let mut opening = h2_opening(rng);
    let reset = |stream| frame(raw_h2::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    let (what, refrain) = match rng.below(14) {
        0 => ("PING", frame(raw_h2::PING, 0, 0, &[0; 8])),
        1 => ("SETTINGS", frame(raw_h2::SETTINGS, 0, 0, &[])),
        2 => {
            let requests = (0..3000).flat_map(|n| [get(1 + 2 * n, "/large.bin"), reset(1 + 2 * n)]);
            opening.extend(requests.flatten());
            ("rapid resets", Vec::new())
        }
        3 => {
            opening.extend((0..1000).flat_map(|n| get(1 + 2 * n, "/large.bin")));
            ("a thousand large files", Vec::new())
        }
        4 => {
            opening.extend((0..50).flat_map(|n| get(1 + 2 * n, "/large.bin")));
            let one = 1_u32.to_be_bytes();
            let updates = (0..50).flat_map(|n| frame(raw_h2::WINDOW_UPDATE, 0, 1 + 2 * n, &one));
            ("windows of one byte", updates.collect())
        }
        5 => {
            opening.extend(frame(raw_h2::HEADERS, 0, 1, &raw_h2::get("/")));
            ("CONTINUATION", frame(CONTINUATION, 0, 1, &[0x82; 100]))
        }
        6 => {
            opening.extend(post(1));
            ("empty DATA", frame(raw_h2::DATA, 0, 1, &[]))
        }
        7 => {
            opening.extend((0..20).flat_map(|n| post(1 + 2 * n)));
            let data = (0..20).flat_map(|n| frame(raw_h2::DATA, 0, 1 + 2 * n, &[7; 1000]));
            ("uploads past the windows", data.collect())
        }
        8 => {
            // A field of 4 KiB is put in the table, then named again and again (CVE-2016-6581).
            let field = [&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e][..], &[b'v'; 4000]].concat();
            let block = [raw_h2::get("/"), field, vec![0xbe; 8000]].concat();
            opening.extend(frame(raw_h2::HEADERS, 5, 1, &block));
            ("a field section that swells", Vec::new())
        }
        9 => ("unknown frames", frame(0xbb, 0xff, 0, &[9; 500])),
        10 => ("PRIORITY", frame(2, 0, 3, &[0, 0, 0, 3, 9])),
        11 => {
            opening.extend(get(1, "/large.bin"));
            (
                "SETTINGS that move windows",
                [0, 0x7fff_ffff]
                    .map(|window| frame(raw_h2::SETTINGS, 0, 0, &setting(4, window)))
                    .concat(),
            )
        }
        12 => {
            for _ in 0..rng.below(60) {
                let len = rng.scaled(300);
                let (kind, flags) = (rng.below(12) as u8, rng.next() as u8);
                let stream = rng.below(8) as u32;
                opening.extend(frame(kind, flags, stream, &rng.bytes(len)));
            }
            ("random frames", Vec::new())
        }
        _ => {
            opening.extend((0..5).flat_map(|n| get(1 + 2 * n, "/some/0.css")));
            (
                "one byte a frame of WINDOW_UPDATE",
                frame(raw_h2::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
            )
        }
    };
    (what, opening, refrain)
}

fn post(stream: u32) -> Vec<u8> {
    // :method POST, :scheme http, :path /echo, :authority sim (RFC 7541 Appendix A).
    let block = b"\x83\x86\x04\x05/echo\x01\x03sim";
    frame(raw_h2::HEADERS, raw_h2::END_HEADERS, stream, block)
}
