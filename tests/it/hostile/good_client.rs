//! The good client: it only wants its files, and its latency is the measure of all attacks.
//!
//! It comes over a Unix socket. Under a flood the system's TCP (congestion control, its memory, packets
//! that its queues drop) delays all its users by tens of milliseconds, with any server. The test
//! measures the delay by the server alone.

use super::process;
use crate::raw_h2::{self, RawH2, frame};
use crate::support::Server;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time between two requests: a hundred a second.
const INTERVAL: Duration = Duration::from_millis(10);

/// A request that is not answered within this time has failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// The path of the file that the good client asks for.
pub const PATH: &str = "/4k";

/// The length of that file.
pub const LEN: usize = 4 << 10;

/// Service that a good client got.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Time from each request to the end of its answer, without the time that server or client waited
    /// for a processor, because other processes compete for those.
    latencies: Vec<Duration>,
    /// Number of requests without the whole file as their answer.
    pub failures: usize,
}

impl Service {
    /// Adds the results of another period.
    pub fn add(&mut self, other: &Service) {
        self.latencies.extend(&other.latencies);
        self.failures += other.failures;
    }

    /// The number of its answers.
    pub fn answers(&self) -> usize {
        self.latencies.len()
    }

    /// The latency that 99 of 100 requests stay within.
    pub fn p99(&self) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied().unwrap_or(PATIENCE)
    }
}

/// Asks for the file at its pace on one connection, until told to stop.
pub fn ask(server: &Server, stop: &AtomicBool) -> Service {
    let (path, pid) = (socket(server), server.id());
    let mut service = Service::default();
    let mut client = Client::connect(&path);
    let waited = || process::server_waited(pid) + process::thread_waited();
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        // A request that is late because the last answer was late counts as late. A request that is
        // late because the system woke the thread late does not.
        let begin = match due.checked_duration_since(Instant::now()) {
            Some(wait) => {
                std::thread::sleep(wait);
                due = Instant::now();
                due
            }
            None => due,
        };
        due += INTERVAL;
        let before = waited();
        if client.get() {
            let machine = waited().saturating_sub(before);
            service
                .latencies
                .push(begin.elapsed().saturating_sub(machine));
            // The requests after it are not late for that reason either.
            due += machine;
        } else {
            service.failures += 1;
            client = Client::connect(&path);
            due = Instant::now();
        }
    }
    service
}

/// The server's options for the good client.
pub const LISTEN: [&str; 2] = ["--listen", "unix:good"];

fn socket(server: &Server) -> PathBuf {
    server.directory.path().join("good")
}

struct Client {
    h2: RawH2<UnixStream>,
    stream: u32,
}

impl Client {
    fn connect(path: &Path) -> Client {
        let stream = UnixStream::connect(path).expect("the system lets connect");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut h2 = RawH2 { stream };
        let opening = [
            raw_h2::PREFACE,
            &frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]),
            &frame(raw_h2::WINDOW_UPDATE, 0, 0, &(1u32 << 30).to_be_bytes()),
        ];
        // A failure shows at the first request.
        let _ = h2.stream.write_all(&opening.concat());
        Client { h2, stream: 1 }
    }

    /// True if one request is answered with 200 and the whole file.
    fn get(&mut self) -> bool {
        let flags = raw_h2::END_HEADERS | raw_h2::END_STREAM;
        let request = frame(raw_h2::HEADERS, flags, self.stream, &raw_h2::get(PATH));
        if self.h2.stream.write_all(&request).is_err() {
            return false;
        }
        let (mut ok, mut len) = (false, 0);
        while let Some(frame) = self.h2.next() {
            if frame.stream != self.stream {
                continue;
            }
            match frame.kind {
                // :status 200 is the static table's eighth entry (RFC 7541 Appendix A).
                raw_h2::HEADERS => ok = frame.payload.contains(&0x88),
                raw_h2::DATA => len += frame.payload.len(),
                _ => return false,
            }
            if frame.flags & raw_h2::END_STREAM != 0 {
                self.stream += 2;
                return ok && len == LEN;
            }
        }
        false
    }
}
