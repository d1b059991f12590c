//! Taps: the frames of one connection as they come, for an operator who watches.
//!
//! ```text
//!  frame ─▶ observer of the core ─▶ Tap ─▶ ring ◀─ Watch ─▶ events of the panel
//!                                         (bounded, with a count of what was lost)
//! ```
//!
//! The watch owns the ring. A tap of a watch that has ended finds no ring: it does nothing more, and is taken
//! out in the connection's next turn. Where nobody watches there is no tap.
//!
//! A ring that is full takes nothing more until all of it was read: then the connection is watched anew, from the
//! frame on that comes next. A frame costs some microseconds to be taken down and next to nothing to be counted, so a
//! busy connection is not slowed down by frames that nobody will see.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::h2::frame::text::{details, kind};
use crate::h2::qlog::{self, FrameEvents};
use crate::h2::{Connection, Direction, Observer, Role, Snapshot};
use crate::http::Field;

/// The most bytes of events that wait to be read: 2,000 frames, or 100 heads of requests with many fields.
const MOST_BYTES: usize = 512 << 10;

/// The most bytes that a watcher is given at once, but for the last event.
const MOST_AT_ONCE: usize = 128 << 10;

/// Time between two states of a watched connection.
const BETWEEN_STATES: Duration = Duration::from_millis(50);

/// Events of one connection as they come.
pub trait Feed {
    /// Appends what has come, as whole events of an event stream (`event: frames`), bounded.
    fn poll(&mut self, out: &mut String);
}

/// The form in which a watcher gets events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchForm {
    /// Events of an event stream: `qlog` with the head of a trace, then `frames`.
    EventStream,
    /// Records of a trace.
    Qlog,
}

/// Events that were not read yet.
struct EventRing {
    events: VecDeque<Tapped>,
    bytes: usize,
    lost: u64,
    start: Instant,
    now: Instant,
    /// The number of the connection.
    id: u32,
    /// The time of the last state.
    state_at: Option<Instant>,
    state: RingState,
}

/// The readiness of a ring to take events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RingState {
    /// It takes them.
    Open,
    /// It was full, and takes none until all of it was read.
    Full,
    /// It was full, and an observer has passed over frames, with which its tables of fields have changed.
    Behind,
}

/// An event: that of qlog, and a few words about it.
struct Tapped {
    direction: &'static str,
    kind: String,
    stream: u32,
    len: u32,
    text: String,
    time_us: u64,
    qlog: String,
}

impl EventRing {
    fn time_us(&self) -> u64 {
        let elapsed = self.now.saturating_duration_since(self.start);
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }

    /// True if an event that has come is to be added.
    fn is_open(&mut self) -> bool {
        if self.state == RingState::Full && self.events.is_empty() {
            self.state = RingState::Open;
        }
        self.state == RingState::Open
    }

    /// Adds an event.
    fn push(&mut self, event: Tapped) {
        self.bytes += event.size();
        self.events.push_back(event);
        if self.bytes > MOST_BYTES {
            self.state = RingState::Full;
        }
    }

    fn pop(&mut self) -> Option<Tapped> {
        let event = self.events.pop_front()?;
        self.bytes -= event.size();
        Some(event)
    }
}

impl Tapped {
    fn size(&self) -> usize {
        size_of::<Self>() + self.kind.len() + self.text.len() + self.qlog.len()
    }
}

/// The connection's end of a watch.
#[derive(Clone)]
pub struct Tap(Weak<Mutex<EventRing>>);

impl Tap {
    /// True while the watch goes on.
    pub fn is_watched(&self) -> bool {
        self.0.strong_count() > 0
    }

    fn with<T>(&self, act: impl FnOnce(&mut EventRing) -> T) -> Option<T> {
        let ring = self.0.upgrade()?;
        // There is one thread, and a panic with the ring in its hands leaves a ring that is as good as any.
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        Some(act(&mut ring))
    }

    /// Tells the time of what comes next.
    pub fn tell_time(&self, now: Instant) {
        self.with(|ring| ring.now = now);
    }

    /// True if observers have passed over frames and all that was taken down before was read: new ones take
    /// down what comes next.
    pub fn is_behind(&self) -> bool {
        let is_behind =
            |ring: &mut EventRing| ring.state == RingState::Behind && ring.events.is_empty();
        self.with(is_behind).unwrap_or(false)
    }

    /// An observer of the frames of `connection` from now on, instead of those before.
    pub fn observer(&self, connection: &Connection) -> Observer {
        let id = self.with(|ring| {
            if ring.state == RingState::Behind {
                ring.state = RingState::Full;
            }
            ring.id
        });
        let mut events = FrameEvents::of(connection, id.unwrap_or_default());
        let tap = self.clone();
        Box::new(move |direction, header, payload| {
            tap.with(|ring| {
                if !ring.is_open() {
                    ring.state = RingState::Behind;
                    ring.lost += 1;
                    return;
                }
                let mut qlog = String::new();
                let time_us = ring.time_us();
                events.write(&mut qlog, time_us, direction, header, payload);
                ring.push(Tapped {
                    direction: way(direction),
                    kind: kind(header),
                    stream: header.stream_id,
                    len: header.len,
                    text: details(header, payload).join(", "),
                    time_us,
                    qlog,
                });
            });
        })
    }

    /// The head of a message of HTTP/1.1 has passed.
    pub fn head<'f>(
        &self,
        direction: Direction,
        line: &str,
        fields: impl Iterator<Item = Field<'f>>,
    ) {
        self.with(|ring| {
            if !ring.is_open() {
                ring.lost += 1;
                return;
            }
            let mut qlog = String::new();
            let time_us = ring.time_us();
            qlog::message(&mut qlog, (time_us, ring.id), direction, line, fields);
            ring.push(Tapped {
                direction: way(direction),
                kind: "HEAD".into(),
                stream: 0,
                len: 0,
                text: line.to_owned(),
                time_us,
                qlog,
            });
        });
    }

    /// Adds the state of the connection, if the last one is old.
    pub fn add_state(&self, snapshot: impl FnOnce() -> Snapshot) {
        self.with(|ring| {
            let is_fresh = |at| ring.now.saturating_duration_since(at) < BETWEEN_STATES;
            if ring.state_at.is_some_and(is_fresh) || !ring.is_open() {
                return;
            }
            ring.state_at = Some(ring.now);
            let mut qlog = String::new();
            let time_us = ring.time_us();
            qlog::state(&mut qlog, (time_us, ring.id), &snapshot());
            ring.push(Tapped {
                direction: "state",
                kind: String::new(),
                stream: 0,
                len: 0,
                text: String::new(),
                time_us,
                qlog,
            });
        });
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Received => "in",
        Direction::Sent => "out",
    }
}

/// The watcher's end. The connection stops telling when this is dropped.
pub struct Watch {
    ring: Arc<Mutex<EventRing>>,
    form: WatchForm,
    /// The head of the trace, before it was given.
    head: Option<String>,
}

impl Watch {
    /// A watch over the connection of this number, and the connection's end of it.
    pub fn begin(id: u32, now: Instant, form: WatchForm) -> (Watch, Tap) {
        let (mut watch, tap) = Watch::join(id, now, now);
        let mut head = String::new();
        qlog::head(&mut head, Role::Server, &format!("connection #{id}"), None);
        watch.head = Some(head);
        watch.form = form;
        (watch, tap)
    }

    /// A watch that adds records to a trace that began at `start`.
    pub fn join(id: u32, start: Instant, now: Instant) -> (Watch, Tap) {
        let ring = Arc::new(Mutex::new(EventRing {
            events: VecDeque::new(),
            bytes: 0,
            lost: 0,
            start,
            now,
            id,
            state_at: None,
            state: RingState::Open,
        }));
        let tap = Tap(Arc::downgrade(&ring));
        let watch = Watch {
            ring,
            form: WatchForm::Qlog,
            head: None,
        };
        (watch, tap)
    }

    /// True if the connection is gone, and all that it told was given.
    pub fn is_over(&self) -> bool {
        Arc::weak_count(&self.ring) == 0 && self.lock().events.is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, EventRing> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed for Watch {
    fn poll(&mut self, out: &mut String) {
        let head = self.head.take();
        let mut ring = self.lock();
        let end = out.len() + MOST_AT_ONCE;
        match self.form {
            WatchForm::Qlog => {
                if let Some(head) = head {
                    qlog::record(out, &head);
                }
                while out.len() < end
                    && let Some(event) = ring.pop()
                {
                    qlog::record(out, &event.qlog);
                }
            }
            WatchForm::EventStream => {
                if let Some(head) = head {
                    let _ = write!(out, "event: qlog\ndata: {head}\n\n");
                }
                if ring.events.is_empty() {
                    return;
                }
                out.push_str("event: frames\ndata: {\"frames\":[");
                let mut comma = "";
                while out.len() < end
                    && let Some(event) = ring.pop()
                {
                    out.push_str(comma);
                    comma = ",";
                    event.write(out);
                }
                let _ = write!(out, "],\"lost\":{}}}\n\n", ring.lost);
            }
        }
    }
}

impl Tapped {
    fn write(&self, out: &mut String) {
        let (millis, micros) = (self.time_us / 1000, self.time_us % 1000);
        let _ = write!(
            out,
            "{{\"t\":{millis}.{micros:03},\"dir\":\"{}\",\"type\":\"{}\",\"stream\":{},\"len\":{},\"text\":",
            self.direction, self.kind, self.stream, self.len
        );
        qlog::string(out, &self.text);
        let _ = write!(out, ",\"qlog\":{}}}", self.qlog);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h2::frame::{FrameHeader, FrameType};
    use serde_json::Value;
    use std::sync::Arc;

    fn request(path: &str) -> [Field<'_>; 4] {
        [
            Field::new(b":method", b"GET"),
            Field::new(b":scheme", b"https"),
            Field::new(b":authority", b"a.example"),
            Field::new(b":path", path.as_bytes()),
        ]
    }

    fn frames(text: &str) -> Value {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("data: {\"frames\""));
        let line = line.unwrap_or_else(|| panic!("{text}"));
        serde_json::from_str(&format!("{{\"frames\"{line}")).unwrap()
    }

    #[test]
    fn a_watch_gets_the_frames_of_its_connection_with_fields_from_tables_that_were_there_before() {
        let now = Instant::now();
        let mut connection = Connection::client(Arc::default(), now);
        connection.open(request("/first/path"), true, now).unwrap();
        connection.take_output();
        let (mut watch, tap) = Watch::begin(7, now, WatchForm::EventStream);
        connection.set_observer(Some(tap.observer(&connection)));
        tap.tell_time(now + Duration::from_micros(1_500));
        // Its fields are entries of the table by now: one byte each.
        connection.open(request("/first/path"), true, now).unwrap();
        let mut out = String::new();
        watch.poll(&mut out);
        assert!(
            out.starts_with("event: qlog\ndata: {\"file_schema\""),
            "{out}"
        );
        let found = frames(&out);
        assert_eq!(found["lost"], 0);
        let [frame] = &found["frames"].as_array().unwrap()[..] else {
            panic!("{found}");
        };
        assert_eq!((&frame["t"], &frame["dir"]), (&1.5.into(), &"out".into()));
        assert_eq!(
            (&frame["type"], &frame["stream"]),
            (&"HEADERS".into(), &3.into())
        );
        let fields = &frame["qlog"]["data"]["frame"]["headers"];
        assert_eq!(fields[3]["value"], "/first/path", "{fields}");
        out.clear();
        watch.poll(&mut out);
        assert_eq!(out, "", "nothing new");
    }

    /// Reads everything; the number of records.
    fn read_all(watch: &mut Watch) -> u64 {
        let mut records = 0;
        loop {
            let mut out = String::new();
            watch.poll(&mut out);
            if out.is_empty() {
                return records;
            }
            assert!(out.len() <= MOST_AT_ONCE + MOST_BYTES + 20_000);
            records += out.matches('\u{1e}').count() as u64;
        }
    }

    #[test]
    fn a_ring_that_is_full_takes_nothing_until_it_was_read_and_counts_what_passes() {
        let now = Instant::now();
        let (mut watch, tap) = Watch::begin(7, now, WatchForm::Qlog);
        let value = vec![b'x'; 10_000];
        let show = |count| {
            for _ in 0..count {
                let field = Field::new(b"a", &value);
                tap.head(Direction::Received, "HTTP/1.1", std::iter::once(field));
            }
        };
        show(100);
        let (bytes, lost) = {
            let ring = watch.lock();
            (ring.bytes, ring.lost)
        };
        assert!(bytes <= MOST_BYTES + 11_000 && lost > 0);
        tap.add_state(|| unreachable!("there is no room for it"));
        let mut out = String::new();
        watch.poll(&mut out);
        show(1);
        assert_eq!(watch.lock().lost, lost + 1, "some were not read yet");
        let read = out.matches('\u{1e}').count() as u64 + read_all(&mut watch);
        assert_eq!(read, 1 + 100 - lost, "the head, and what was kept");
        assert_eq!(watch.lock().bytes, 0);
        show(3);
        assert_eq!(read_all(&mut watch), 3);
        assert_eq!(watch.lock().lost, lost + 1);
    }

    #[test]
    fn an_observer_that_has_passed_over_frames_is_behind_until_there_is_another() {
        let now = Instant::now();
        let mut connection = Connection::client(Arc::default(), now);
        connection.take_output();
        let (mut watch, tap) = Watch::begin(7, now, WatchForm::Qlog);
        let mut observer = tap.observer(&connection);
        let value = vec![b'x'; MOST_BYTES];
        let field = Field::new(b"a", &value);
        tap.head(Direction::Received, "HTTP/1.1", std::iter::once(field));
        let ping = FrameHeader {
            len: 8,
            kind: FrameType::PING,
            flags: 0,
            stream_id: 0,
        };
        observer(Direction::Received, ping, b"pingpong");
        assert!(!tap.is_behind(), "there is something to read");
        read_all(&mut watch);
        assert!(tap.is_behind());
        observer(Direction::Received, ping, b"pingpong");
        assert_eq!((read_all(&mut watch), watch.lock().lost), (0, 2));
        connection.set_observer(Some(tap.observer(&connection)));
        assert!(!tap.is_behind());
        connection.open(request("/a"), true, now).unwrap();
        connection.take_output();
        assert_eq!((read_all(&mut watch), watch.lock().lost), (1, 2));
    }

    #[test]
    fn a_tap_whose_watch_has_ended_does_nothing() {
        let now = Instant::now();
        let (watch, tap) = Watch::begin(7, now, WatchForm::Qlog);
        assert!(tap.is_watched() && !watch.is_over());
        drop(watch);
        assert!(!tap.is_watched());
        tap.tell_time(now);
        tap.head(Direction::Sent, "HTTP/1.1 200", std::iter::empty());
        tap.add_state(|| unreachable!("nobody wants it"));
        let (watch, tap) = Watch::begin(8, now, WatchForm::Qlog);
        drop(tap);
        assert!(watch.is_over());
    }
}
