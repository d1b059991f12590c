//! Things that most connections need only for a moment, or never: what waits for the peer's answer, and
//! what waits to be told.
//!
//! They share one box, which is there only while something is in it.

use std::collections::VecDeque;
use std::time::Instant;

use crate::h2::clock::Tick;
use crate::h2::error::ErrorCode;
use crate::h2::event::Cause;
use crate::h2::priority::Priority;
use crate::h2::settings::Settings;
use crate::h2::store::StreamKey;

/// A stream that ended without a frame of its own.
pub(super) type Reset = (StreamKey, ErrorCode, Cause);

#[derive(Default)]
struct Contents {
    /// SETTINGS that wait for their acknowledgement, and until when.
    settings: VecDeque<(Settings, Option<Tick>)>,
    /// PINGs that wait for their answer, and since when.
    pings: VecDeque<([u8; 8], Instant)>,
    /// Streams that ended without a frame of their own, to be told.
    resets: VecDeque<Reset>,
    /// Priorities of streams that are still to come (RFC 9218 §7.1).
    priorities: Vec<(u32, Priority)>,
    /// The time at which small frames may be sent again that windows are open for.
    small_frames_at: Option<Tick>,
}

impl Contents {
    fn is_empty(&self) -> bool {
        self.settings.is_empty()
            && self.pings.is_empty()
            && self.resets.is_empty()
            && self.priorities.is_empty()
            && self.small_frames_at.is_none()
    }
}

/// The box, if anything is in it.
#[derive(Default)]
pub(super) struct Waiting(Option<Box<Contents>>);

impl Waiting {
    fn contents(&mut self) -> &mut Contents {
        self.0.get_or_insert_default()
    }

    /// Gives the box back when nothing is left in it.
    fn tidy(&mut self) {
        if self.0.as_ref().is_some_and(|contents| contents.is_empty()) {
            self.0 = None;
        }
    }

    /// Bytes that are allocated.
    pub(super) fn heap(&self) -> usize {
        fn of<T>(queue: &VecDeque<T>) -> usize {
            queue.capacity() * size_of::<T>()
        }
        self.0.as_ref().map_or(0, |contents| {
            let queues = of(&contents.settings) + of(&contents.pings) + of(&contents.resets);
            let priorities = contents.priorities.capacity() * size_of::<(u32, Priority)>();
            size_of::<Contents>() + queues + priorities
        })
    }

    /// Says that nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// # SETTINGS
impl Waiting {
    /// SETTINGS were sent, whose acknowledgement has to come by `deadline`.
    pub(super) fn push_settings(&mut self, settings: Settings, deadline: Option<Tick>) {
        self.contents().settings.push_back((settings, deadline));
    }

    /// Takes the SETTINGS that are acknowledged next.
    pub(super) fn pop_settings(&mut self) -> Option<Settings> {
        let (settings, _) = self.0.as_mut()?.settings.pop_front()?;
        self.tidy();
        Some(settings)
    }

    /// SETTINGS that wait for their acknowledgement, the oldest first.
    pub(super) fn settings(&self) -> impl Iterator<Item = &Settings> {
        let waiting = self.0.iter().flat_map(|contents| &contents.settings);
        waiting.map(|(settings, _)| settings)
    }

    /// The SETTINGS that were sent last, if they are not acknowledged.
    pub(super) fn last_settings(&self) -> Option<Settings> {
        let (settings, _) = self.0.as_ref()?.settings.back()?;
        Some(*settings)
    }

    /// The time by which the next acknowledgement has to come.
    pub(super) fn settings_deadline(&self) -> Option<Tick> {
        let &(_, deadline) = self.0.as_ref()?.settings.front()?;
        deadline
    }

    /// Gives all of them until `deadline` instead.
    pub(super) fn extend_settings(&mut self, deadline: Option<Tick>) {
        if let Some(contents) = &mut self.0 {
            for (_, by) in &mut contents.settings {
                *by = deadline;
            }
        }
    }
}

/// # PING
impl Waiting {
    /// PING was sent.
    pub(super) fn push_ping(&mut self, payload: [u8; 8], now: Instant) {
        self.contents().pings.push_back((payload, now));
    }

    /// Takes the oldest PING of this payload; gives the time at which it was sent.
    pub(super) fn take_ping(&mut self, payload: [u8; 8]) -> Option<Instant> {
        let pings = &mut self.0.as_mut()?.pings;
        let position = pings.iter().position(|(other, _)| *other == payload)?;
        let (_, sent) = pings.remove(position)?;
        self.tidy();
        Some(sent)
    }

    /// The answers to PINGs of this payload mean nothing any more.
    pub(super) fn forget_pings(&mut self, payload: [u8; 8]) {
        if let Some(contents) = &mut self.0 {
            contents.pings.retain(|&(other, _)| other != payload);
        }
        self.tidy();
    }
}

/// # Streams
impl Waiting {
    /// Streams that ended without a frame of their own, behind those that wait already.
    pub(super) fn push_reset(&mut self, reset: Reset) {
        self.contents().resets.push_back(reset);
    }

    /// Before those that wait already.
    pub(super) fn push_reset_front(&mut self, reset: Reset) {
        self.contents().resets.push_front(reset);
    }

    /// The next one to be told.
    #[inline]
    pub(super) fn pop_reset(&mut self) -> Option<Reset> {
        let reset = self.0.as_mut()?.resets.pop_front()?;
        self.tidy();
        Some(reset)
    }

    /// Keeps the priority of a stream that is still to come, one of at most `limit`: a peer that sends
    /// more of them ahead does without. Identifiers up to `highest` are not to come any more.
    pub(super) fn keep_priority(
        &mut self,
        id: u32,
        priority: Priority,
        highest: u32,
        limit: usize,
    ) {
        let priorities = &mut self.contents().priorities;
        priorities.retain(|&(other, _)| other != id && other > highest);
        if priorities.len() < limit {
            priorities.push((id, priority));
        }
        self.tidy();
    }

    /// Takes the priority that came before its stream.
    pub(super) fn take_priority(&mut self, id: u32) -> Option<Priority> {
        let priorities = &mut self.0.as_mut()?.priorities;
        let position = priorities.iter().position(|&(other, _)| other == id)?;
        let (_, priority) = priorities.swap_remove(position);
        self.tidy();
        Some(priority)
    }
}

/// # Small frames
impl Waiting {
    /// The time at which small frames may be sent again.
    pub(super) fn small_frames_at(&self) -> Option<Tick> {
        self.0.as_ref()?.small_frames_at
    }

    /// Small frames wait until `at`, unless they wait already.
    pub(super) fn await_small_frames(&mut self, at: Tick) {
        self.contents().small_frames_at.get_or_insert(at);
    }

    /// Small frames wait no longer.
    pub(super) fn allow_small_frames(&mut self) {
        if let Some(contents) = &mut self.0 {
            contents.small_frames_at = None;
        }
        self.tidy();
    }
}
