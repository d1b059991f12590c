//! The stream of events: what has changed since the last one, at most twice a second.
//!
//! Nothing is made while the reader has not taken what is there, so a slow one gets fewer events, and the
//! numbers in them are the present ones.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::answer::fields_of;
use super::following::ConnectionFollower;
use super::history::HistoryText;
use super::logs::LogFollower;
use super::state::SharedState;
use crate::exchange::{Desk, Exchange, Failure, Head, Room, Step, Until, Waker};
use crate::world::Files;

/// The time between two events of a kind.
const PERIOD: Duration = Duration::from_millis(500);

/// The time to the second event, which has the answers to the questions of the first.
const FIRST_PERIOD: Duration = Duration::from_millis(50);

/// After so much silence a comment is sent, so that no proxy on the way takes the stream for dead.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

/// A stream whose reader takes nothing for so long is cut off.
const IDLE: Duration = Duration::from_secs(60);

/// A stream of events.
pub(super) struct EventStream {
    state: SharedState,
    /// The token of the session, without which the stream ends.
    session: String,
    stage: EventStage,
    /// Bytes that were not taken yet.
    pending: Vec<u8>,
    taken: usize,
    /// The present as it was told last.
    told: serde_json::Map<String, Value>,
    /// The sample that was told last.
    tick: u64,
    followed: Followed,
    due: Instant,
    spoke: Instant,
    /// Counts the stream while it is there.
    _place: std::rc::Rc<()>,
}

/// The parts of a stream that its reader has asked for.
pub(super) struct Followed {
    /// The logs.
    pub(super) logs: Option<LogFollower>,
    /// One connection.
    pub(super) connection: Option<ConnectionFollower>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EventStage {
    Head,
    Events,
    /// Nothing more is made.
    Ending,
}

/// An event of changes.
#[derive(Serialize)]
struct Changes<'a> {
    #[serde(flatten)]
    changed: serde_json::Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<&'a HistoryText>,
}

impl EventStream {
    /// A stream for the session of this token; none if there are too many.
    pub(super) fn new(
        state: SharedState,
        session: String,
        followed: Followed,
        now: Instant,
    ) -> Option<Self> {
        let place = state.borrow().stream_place()?;
        Some(EventStream {
            state,
            session,
            stage: EventStage::Head,
            pending: Vec::new(),
            taken: 0,
            told: serde_json::Map::new(),
            tick: 0,
            followed,
            due: now,
            spoke: now,
            _place: place,
        })
    }

    fn say(&mut self, event: &str, data: &impl Serialize) {
        self.pending
            .extend_from_slice(format!("event: {event}\ndata: ").as_bytes());
        // Writing to memory cannot fail, and the values are plain.
        let _ = serde_json::to_writer(&mut self.pending, data);
        self.pending.extend_from_slice(b"\n\n");
    }

    /// Makes the events that are due.
    fn make(&mut self, now: Instant, waker: impl FnOnce() -> Waker) {
        let is_first = self.told.is_empty();
        self.due = now + if is_first { FIRST_PERIOD } else { PERIOD };
        let state = self.state.clone();
        let mut state = state.borrow_mut();
        if !state.sessions.goes_on(&self.session, now) {
            self.stage = EventStage::Ending;
            return self.say("end", &"the session is over");
        }
        if state.overview.pointer("/server/state") == Some(&Value::from("draining")) {
            self.stage = EventStage::Ending;
            return self.say("end", &"the server stops");
        }
        let history = (state.history.tick() > self.tick || self.told.is_empty())
            .then(|| state.history.since(self.tick));
        self.tick = state.history.tick();
        let changed = changes(&self.told, &state.overview);
        if !changed.is_empty() || history.is_some() {
            self.told.extend(changed.clone());
            let history = history.as_ref();
            self.say("overview", &Changes { changed, history });
        }
        if let Some(connection) = &mut self.followed.connection {
            let mut events = String::new();
            state.orders.extend(connection.tell(&mut events, waker()));
            self.pending.extend_from_slice(events.as_bytes());
        }
        if let Some(logs) = &mut self.followed.logs
            && let Some(lines) = logs.later()
        {
            self.say("log", &lines);
        }
        if self.pending.is_empty() && now.saturating_duration_since(self.spoke) >= LONGEST_SILENCE {
            self.pending.extend_from_slice(b":\n\n");
        }
        if !self.pending.is_empty() {
            self.spoke = now;
        }
    }
}

/// The parts of the present that are not as they were told.
fn changes(
    told: &serde_json::Map<String, Value>,
    present: &Value,
) -> serde_json::Map<String, Value> {
    let parts = present.as_object().into_iter().flatten();
    let changed = parts.filter(|(name, value)| told.get(*name) != Some(*value));
    changed
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

impl<F: Files> Exchange<F> for EventStream {
    fn idle_timeout(&self) -> Option<Duration> {
        Some(IDLE)
    }

    fn poll(&mut self, room: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        if self.stage == EventStage::Head {
            self.stage = EventStage::Events;
            return Ok(Step::Head(Head {
                status: 200,
                fields: std::rc::Rc::new(fields_of("text/event-stream")),
                len: None,
            }));
        }
        if self.pending.is_empty() {
            match self.stage {
                EventStage::Ending => return Ok(Step::End(None)),
                _ if self.due > desk.now() => return Ok(Step::Wait(Until::Time(self.due))),
                _ => self.make(desk.now(), || desk.waker()),
            }
        }
        if self.pending.is_empty() {
            return Ok(Step::Wait(Until::Time(self.due)));
        }
        let rest = self.pending.get(self.taken..).unwrap_or_default();
        self.taken += room.write(rest);
        if self.taken >= self.pending.len() {
            self.pending.clear();
            self.taken = 0;
        }
        Ok(Step::Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_has_changed_is_told() {
        let present = json!({"a": {"x": 1}, "b": 2});
        let all = changes(&serde_json::Map::new(), &present);
        assert_eq!(Value::from(all.clone()), present);
        assert!(changes(&all, &present).is_empty());
        let later = json!({"a": {"x": 1}, "b": 3});
        assert_eq!(Value::from(changes(&all, &later)), json!({"b": 3}));
        assert!(changes(&all, &Value::Null).is_empty());
    }
}
