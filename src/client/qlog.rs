//! `--qlog FILE`: every frame in and out as an event of qlog, with the state of the connection from time to
//! time. Secrets and content are left out ([`crate::h2::qlog`]).

use super::error::Error;
use crate::h2::qlog::{self, FrameEvents};
use crate::h2::{Connection, Observer, Role, Snapshot};
use crate::http::date;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The most bytes of a trace: a million frames.
const MOST_BYTES: u64 = 256 << 20;

/// Time between two states of a connection.
const BETWEEN_STATES: Duration = Duration::from_millis(50);

/// The file of a trace. Its clones write to the same one.
#[derive(Clone)]
pub struct TraceFile {
    path: PathBuf,
    /// A core may be used on any thread, and its observer goes with it.
    state: Arc<Mutex<TraceState>>,
}

struct TraceState {
    out: BufWriter<File>,
    written: u64,
    start: Instant,
    now: Instant,
    /// Number of the connection that is traced, from 1 on.
    connection: u32,
    state_at: Option<Instant>,
    failure: Option<io::Error>,
}

impl TraceFile {
    /// Makes the file, for a trace that begins at `start`, which is `clock` of the wall clock.
    pub fn create(path: &Path, start: Instant, clock: SystemTime) -> Result<Self, Error> {
        let created = File::create(path);
        let file = created.map_err(|error| Error::Output(Some(path.into()), error))?;
        let trace = TraceFile {
            path: path.into(),
            state: Arc::new(Mutex::new(TraceState {
                out: BufWriter::new(file),
                written: 0,
                start,
                now: start,
                connection: 0,
                state_at: None,
                failure: None,
            })),
        };
        let mut head = String::new();
        let started = date::timestamp(clock);
        qlog::head(&mut head, Role::Client, "calmd get", Some(&started));
        trace.lock().write(&head);
        Ok(trace)
    }

    fn lock(&self) -> MutexGuard<'_, TraceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the time of what comes next.
    pub fn tell_time(&self, now: Instant) {
        self.lock().now = now;
    }

    /// An observer of all frames of a new connection.
    pub fn observer(&self, connection: &Connection) -> Observer {
        let number = {
            let mut state = self.lock();
            state.connection += 1;
            state.connection
        };
        let (trace, mut events) = (self.clone(), FrameEvents::of(connection, number));
        Box::new(move |direction, header, payload| {
            let mut state = trace.lock();
            let mut event = String::new();
            events.write(&mut event, state.time_us(), direction, header, payload);
            state.write(&event);
        })
    }

    /// Adds the state of the connection, if the last one is old.
    pub fn add_state(&self, snapshot: impl FnOnce() -> Snapshot) {
        let mut state = self.lock();
        let is_fresh = |at| state.now.saturating_duration_since(at) < BETWEEN_STATES;
        if state.state_at.is_some_and(is_fresh) {
            return;
        }
        state.state_at = Some(state.now);
        let mut event = String::new();
        let at = (state.time_us(), state.connection);
        qlog::state(&mut event, at, &snapshot());
        state.write(&event);
    }

    /// Writes all that was told. The error is the first one.
    pub fn finish(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let flushed = state.out.flush();
        let result = state.failure.take().map_or(flushed, Err);
        result.map_err(|error| Error::Output(Some(self.path.clone()), error))
    }
}

impl TraceState {
    fn time_us(&self) -> u64 {
        let elapsed = self.now.saturating_duration_since(self.start);
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }

    /// Writes a record, if there is room, and none failed before.
    fn write(&mut self, json: &str) {
        let mut record = String::new();
        qlog::record(&mut record, json);
        if self.failure.is_some() || self.written + record.len() as u64 > MOST_BYTES {
            return;
        }
        self.written += record.len() as u64;
        self.failure = self.out.write_all(record.as_bytes()).err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Field;

    #[test]
    fn connections_of_a_trace_are_told_apart_and_states_are_not_told_too_often() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sqlog");
        let now = Instant::now();
        let trace = TraceFile::create(&path, now, SystemTime::UNIX_EPOCH).unwrap();
        for _ in 0..2 {
            let mut connection = Connection::client(Arc::default(), now);
            connection.set_observer(Some(trace.observer(&connection)));
            let request = [
                Field::new(b":method", b"GET"),
                Field::new(b":scheme", b"http"),
                Field::new(b":authority", b"a"),
                Field::new(b":path", b"/"),
            ];
            connection.open(request, true, now).unwrap();
            trace.add_state(|| connection.snapshot());
        }
        trace.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let records: Vec<serde_json::Value> = text
            .split('\u{1e}')
            .skip(1)
            .map(|record| serde_json::from_str(record).unwrap())
            .collect();
        let clock = &records[0]["trace"]["common_fields"]["reference_time"]["wall_clock_time"];
        assert_eq!(clock, "1970-01-01T00:00:00Z");
        let of = |group: &str, name: &str| {
            let found = |it: &&serde_json::Value| it["group_id"] == group && it["name"] == name;
            records.iter().filter(found).count()
        };
        // SETTINGS, WINDOW_UPDATE and HEADERS.
        assert_eq!(
            (
                of("1", "http2:frame_created"),
                of("2", "http2:frame_created")
            ),
            (3, 3)
        );
        let states = (
            of("1", "calmd:connection_state"),
            of("2", "calmd:connection_state"),
        );
        assert_eq!(states, (1, 0));
    }
}
