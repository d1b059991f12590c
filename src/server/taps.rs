//! The taps of a connection, which are shown what passes on it.

#[cfg(feature = "panel")]
use crate::h2::Snapshot;
use crate::h2::{self, Direction, Observer};
use crate::http::Field;
#[cfg(feature = "panel")]
use crate::inspect::Tap;
#[cfg(feature = "panel")]
use std::rc::Rc;
#[cfg(feature = "panel")]
use std::time::Instant;

/// The most watches over one connection: some operators, each with some pages.
#[cfg(feature = "panel")]
const MOST_TAPS: usize = 8;

/// The taps of a connection. Without a panel there are none, and they have no size.
#[derive(Clone, Default)]
pub(super) struct Taps {
    #[cfg(feature = "panel")]
    taps: Option<Rc<TapList>>,
}

/// Taps that are there. Hardly any connection has some, and a thin pointer is eight bytes.
#[cfg(feature = "panel")]
#[derive(Clone, Default)]
struct TapList(Vec<Tap>);

#[cfg(not(feature = "panel"))]
impl Taps {
    pub(super) fn is_empty(&self) -> bool {
        true
    }

    pub(super) fn observers(&self, _: &h2::Connection) -> Vec<Observer> {
        Vec::new()
    }

    pub(super) fn show_head<'f>(
        &self,
        _: Direction,
        _: &str,
        _: impl Iterator<Item = Field<'f>> + Clone,
    ) {
    }
}

#[cfg(feature = "panel")]
impl Taps {
    /// True if there is no tap.
    pub(super) fn is_empty(&self) -> bool {
        self.taps.is_none()
    }

    fn iter(&self) -> impl Iterator<Item = &Tap> {
        self.taps.iter().flat_map(|taps| &taps.0)
    }

    /// Adds one; false if there are too many.
    pub(super) fn add(&mut self, tap: Tap) -> bool {
        let mut taps: Vec<_> = self
            .iter()
            .filter(|tap| tap.is_watched())
            .cloned()
            .collect();
        let has_room = taps.len() < MOST_TAPS;
        if has_room {
            taps.push(tap);
        }
        self.taps = Some(Rc::new(TapList(taps)));
        has_room
    }

    /// Drops taps whose watches have ended; true if there were some.
    pub(super) fn let_go(&mut self) -> bool {
        if self.iter().all(Tap::is_watched) {
            return false;
        }
        let taps: Vec<_> = self
            .iter()
            .filter(|tap| tap.is_watched())
            .cloned()
            .collect();
        self.taps = (!taps.is_empty()).then(|| Rc::new(TapList(taps)));
        true
    }

    /// True if there are frames that a watch had no room for, and there is room by now.
    pub(super) fn are_behind(&self) -> bool {
        self.iter().any(Tap::is_behind)
    }

    /// Observers of the frames of `connection` from now on.
    pub(super) fn observers(&self, connection: &h2::Connection) -> Vec<Observer> {
        self.iter().map(|tap| tap.observer(connection)).collect()
    }

    /// The head of a message of HTTP/1.1 has passed.
    pub(super) fn show_head<'f>(
        &self,
        direction: Direction,
        line: &str,
        fields: impl Iterator<Item = Field<'f>> + Clone,
    ) {
        for tap in self.iter() {
            tap.head(direction, line, fields.clone());
        }
    }

    /// Tells the time of what comes next.
    pub(super) fn tell_time(&self, now: Instant) {
        self.iter().for_each(|tap| tap.tell_time(now));
    }

    /// Adds the state of the connection, where the last one is old.
    pub(super) fn add_state(&self, snapshot: impl Fn() -> Snapshot) {
        self.iter().for_each(|tap| tap.add_state(&snapshot));
    }
}
