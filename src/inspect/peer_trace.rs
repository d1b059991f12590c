//! The trace of connections of some clients, in one file (`--qlog FILE,address=NET`).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use super::tap::{Feed, Tap, Watch};
use crate::h2::{Role, qlog};
use crate::http::date;
use crate::world::files::refuse_pipe;
use crate::world::{Peer, PeerSet};

/// The most bytes of a trace: a quarter of a million frames, and little beside any disk.
const MOST_BYTES: u64 = 64 << 20;

/// The most connections that are traced at a time.
const MOST_FOLLOWED: usize = 256;

/// A trace that the operator wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceConfig {
    /// The file, which is made anew.
    pub file: PathBuf,
    /// The clients whose connections are traced; all of them if it is empty.
    pub peers: PeerSet,
}

/// A trace of connections into a file.
pub struct PeerTrace {
    file: File,
    written: u64,
    start: Instant,
    peers: PeerSet,
    state: PeerTraceState,
    watches: Vec<Watch>,
}

/// The state of a trace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PeerTraceState {
    Open,
    /// It is full, or could not be written.
    Ended,
}

impl PeerTrace {
    /// Makes the file, which its owner alone can read. The trace begins at `start`, which is `clock` of the
    /// wall clock.
    pub fn create(config: &TraceConfig, start: Instant, clock: SystemTime) -> io::Result<Self> {
        refuse_pipe(&config.file)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut trace = PeerTrace {
            file: options.open(&config.file)?,
            written: 0,
            start,
            peers: config.peers.clone(),
            state: PeerTraceState::Open,
            watches: Vec::new(),
        };
        let (mut head, mut record) = (String::new(), String::new());
        qlog::head(
            &mut head,
            Role::Server,
            "calmd",
            Some(&date::timestamp(clock)),
        );
        qlog::record(&mut record, &head);
        trace.file.write_all(record.as_bytes())?;
        Ok(trace)
    }

    /// A tap of the connection of this number, if it belongs into the trace.
    pub fn follow(&mut self, id: u32, peer: Peer, now: Instant) -> Option<Tap> {
        let is_wanted = self.peers.is_empty() || self.peers.contains(peer);
        let has_room = self.watches.len() < MOST_FOLLOWED;
        if !is_wanted || !has_room || self.state == PeerTraceState::Ended {
            return None;
        }
        let (watch, tap) = Watch::join(id, self.start, now);
        self.watches.push(watch);
        Some(tap)
    }

    /// Writes what has come.
    pub fn write(&mut self) {
        let mut records = String::new();
        for watch in &mut self.watches {
            loop {
                let before = records.len();
                watch.poll(&mut records);
                if records.len() == before {
                    break;
                }
            }
        }
        self.watches.retain(|watch| !watch.is_over());
        if records.is_empty() {
            return;
        }
        self.written += records.len() as u64;
        if self.written > MOST_BYTES {
            log::warn!(
                "--qlog: the trace has {} MiB, and ends; choose fewer clients with ,address=NET",
                MOST_BYTES >> 20
            );
            self.end();
        } else if let Err(error) = self.file.write_all(records.as_bytes()) {
            log::warn!("--qlog: the trace ends: {error}");
            self.end();
        }
    }

    fn end(&mut self) {
        self.state = PeerTraceState::Ended;
        self.watches = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h2::Direction;
    use crate::http::Field;
    use std::os::unix::fs::PermissionsExt;

    fn head(tap: &Tap, value: &[u8]) {
        let field = Field::new(b"a", value);
        tap.head(Direction::Received, "HTTP/1.1", std::iter::once(field));
    }

    fn peer(last: u8) -> Peer {
        Peer::Ip([192, 0, 2, last].into())
    }

    #[test]
    fn connections_of_the_network_are_in_one_file_until_it_is_full() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = TraceConfig {
            file: directory.path().join("a.sqlog"),
            ..TraceConfig::default()
        };
        config.peers.add("192.0.2.0/31").unwrap();
        let now = Instant::now();
        let mut trace = PeerTrace::create(&config, now, SystemTime::UNIX_EPOCH).unwrap();
        let mode = std::fs::metadata(&config.file)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            trace.follow(1, peer(2), now).is_none(),
            "of another network"
        );
        let first = trace.follow(2, peer(0), now).unwrap();
        let second = trace.follow(3, peer(1), now).unwrap();
        head(&first, b"1");
        head(&second, b"2");
        drop(second);
        trace.write();
        assert_eq!(trace.watches.len(), 1, "one has gone");
        let text = std::fs::read_to_string(&config.file).unwrap();
        let groups: Vec<_> = text
            .split('\u{1e}')
            .skip(2)
            .map(|record| {
                serde_json::from_str::<serde_json::Value>(record).unwrap()["group_id"].clone()
            })
            .collect();
        assert_eq!(groups, ["2", "3"]);
        let long = vec![b'x'; 400_000];
        for _ in 0..MOST_BYTES / 400_000 + 1 {
            head(&first, &long);
            trace.write();
        }
        assert!(std::fs::metadata(&config.file).unwrap().len() <= MOST_BYTES);
        assert!(!first.is_watched() && trace.follow(4, peer(0), now).is_none());
    }

    #[test]
    fn no_more_connections_are_followed_than_there_is_room_for() {
        let directory = tempfile::tempdir().unwrap();
        let config = TraceConfig {
            file: directory.path().join("a.sqlog"),
            ..TraceConfig::default()
        };
        let now = Instant::now();
        let mut trace = PeerTrace::create(&config, now, SystemTime::UNIX_EPOCH).unwrap();
        let mut taps: Vec<_> = (0..300)
            .filter_map(|id| trace.follow(id, peer(1), now))
            .collect();
        assert_eq!(taps.len(), MOST_FOLLOWED);
        taps.pop();
        trace.write();
        assert!(trace.follow(300, peer(1), now).is_some());
    }
}
