//! The nuisance that a peer may cause before ENHANCE_YOUR_CALM (RFC 9113 §10.5).
//!
//! Each kind has its own count, since each has its own innocent cause and its own attack; the limits
//! and their reasons are [`super::config::Budgets`]. Useful behaviour earns back what may
//! happen innocently, so that only a peer that does little else runs out.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::clock::Tick;
use super::config::Budgets;
use super::error::ConnectionError;

type Charged = Result<(), ConnectionError>;

/// The cost of a reset that came after its request was answered in part: content was read and sent for
/// it. One in the same write as its request caused the response's head and no more, and costs 1.
/// Neither kind costs anything behind another reset without a request between them: who leaves a page
/// resets all that is under way at once, a hundred images as well, and leaves the next one a moment
/// later. The page itself was answered and has earned that back. It and its leaving can come in one
/// write too, where we were late to read.
const LATER_RESET: u32 = 3;

/// Refused streams, as a multiple of the concurrency that we allow. Before it acknowledged our SETTINGS
/// a client cannot know better; and requests for the next page may overtake the resets of what was left
/// of the last one, as Chromium's do. Neither need try a thousand times.
const REFUSALS: u32 = 10;

/// The nuisance that a connection's peer has caused.
#[derive(Debug, Default)]
pub struct Budget {
    /// Requests that the peer reset, weighted, less those that were answered.
    resets: u32,
    latest: Latest,
    provoked: u16,
    /// Refused streams, less those that were answered or reset by the peer, which made room.
    refused: u16,
    useless: u16,
    settings: u16,
    pings: u16,
    small_frames: u16,
    /// The second that `settings` and `pings` count.
    second: u32,
    ignored_bytes: u32,
    /// DATA that streams which we reset may still have had on the way.
    late_bytes: u32,
}

/// The peer's last act, of requesting and resetting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Latest {
    #[default]
    Request,
    Reset,
}

/// The time between a request and its reset by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// In one batch of input with it.
    Hasty,
    /// Later, but before much of the response had been sent.
    Early,
}

impl Budget {
    /// The peer reset a request of its own before much of the response had been sent
    /// (CVE-2023-44487).
    pub fn reset_by_peer(&mut self, limits: &Budgets, haste: Haste) -> Charged {
        self.refused = self.refused.saturating_sub(1);
        let latest = std::mem::replace(&mut self.latest, Latest::Reset);
        self.resets = self.resets.saturating_add(match (haste, latest) {
            (Haste::Hasty, Latest::Request) => 1,
            (Haste::Early, Latest::Request) => LATER_RESET,
            (_, Latest::Reset) => 0,
        });
        calm_if(self.resets > limits.peer_resets, "too many requests reset")
    }

    /// A response was sent to its end.
    pub fn answered(&mut self) {
        self.resets = self.resets.saturating_sub(LATER_RESET);
        self.refused = self.refused.saturating_sub(1);
    }

    /// The peer caused a stream error (CVE-2025-8671).
    pub fn stream_error(&mut self, limits: &Budgets) -> Charged {
        self.provoked = self.provoked.saturating_add(1);
        let exceeded = u32::from(self.provoked) > limits.provoked_resets;
        calm_if(exceeded, "too many stream errors")
    }

    /// A stream was refused for want of room.
    pub fn refusal(&mut self, max_concurrent_streams: u32) -> Charged {
        self.refused = self.refused.saturating_add(1);
        let limit = Budget::refusals(max_concurrent_streams);
        calm_if(u32::from(self.refused) > limit, "too many refused streams")
    }

    /// A SETTINGS frame came (CVE-2019-9515).
    pub fn settings(&mut self, limits: &Budgets, entries: usize, now: Tick) -> Charged {
        calm_if(
            entries > limits.settings_entries,
            "too many settings in a frame",
        )?;
        self.begin_second(now);
        self.settings = self.settings.saturating_add(1);
        let exceeded = u32::from(self.settings) > limits.settings_per_second;
        calm_if(exceeded, "too many SETTINGS")
    }

    /// A PING came (CVE-2019-9512).
    pub fn ping(&mut self, limits: &Budgets, now: Tick) -> Charged {
        self.begin_second(now);
        self.pings = self.pings.saturating_add(1);
        let exceeded = u32::from(self.pings) > limits.pings_per_second;
        calm_if(exceeded, "too many PINGs")
    }

    fn begin_second(&mut self, now: Tick) {
        if self.second != now.second() {
            self.second = now.second();
            self.settings = 0;
            self.pings = 0;
        }
    }

    /// A frame without use came (CVE-2019-9518).
    pub fn useless_frame(&mut self, limits: &Budgets) -> Charged {
        self.useless = self.useless.saturating_add(1);
        let exceeded = u32::from(self.useless) > limits.useless_frames;
        calm_if(exceeded, "too many frames without use")
    }

    /// A frame with content came.
    pub fn useful_frame(&mut self) {
        self.useless = self.useless.saturating_sub(1);
    }

    /// Bytes came that mean nothing to us: of extensions, or of streams that are closed.
    pub fn ignored(&mut self, limits: &Budgets, bytes: usize) -> Charged {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.ignored_bytes = self.ignored_bytes.saturating_add(bytes);
        let exceeded = self.ignored_bytes > limits.ignored_bytes;
        calm_if(exceeded, "too many ignored bytes")
    }

    /// DATA came on a stream that is closed. What its window allowed when we reset it may have been on
    /// the way; the rest is charged.
    pub fn late_data(&mut self, limits: &Budgets, bytes: usize) -> Charged {
        let len = u32::try_from(bytes).unwrap_or(u32::MAX);
        let uncovered = len.saturating_sub(self.late_bytes);
        self.late_bytes = self.late_bytes.saturating_sub(len);
        if uncovered == 0 {
            return Ok(());
        }
        self.ignored(limits, uncovered as usize)
    }

    /// We reset a stream on which the peer could still send this much.
    pub fn expect_late_data(&mut self, window: u32) {
        self.late_bytes = self.late_bytes.saturating_add(window);
    }

    /// A request came: the peer is here for something.
    pub fn request(&mut self) {
        self.latest = Latest::Request;
        self.ignored_bytes = 0;
    }

    /// A final response came to a request of ours: the peer is here for something.
    pub fn response(&mut self) {
        self.ignored_bytes = 0;
    }

    /// Says that a DATA frame smaller than it should be may be sent (CVE-2019-9511).
    pub fn allows_small_frame(&self, limits: &Budgets) -> bool {
        u32::from(self.small_frames) < limits.small_data_frames
    }

    /// Time has passed: as many small frames may be sent again.
    pub fn forgive_small_frames(&mut self) {
        self.small_frames = 0;
    }

    /// A DATA frame was sent that is not the last of its stream.
    pub fn data_frame(&mut self, small: bool) {
        self.small_frames = if small {
            self.small_frames.saturating_add(1)
        } else {
            self.small_frames.saturating_sub(1)
        };
    }
}

/// The nuisance that a peer may still cause before ENHANCE_YOUR_CALM, of each kind; see
/// [`Budgets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetsLeft {
    /// Requests that it resets, weighted.
    pub peer_resets: u32,
    /// Stream errors that it causes.
    pub provoked_resets: u32,
    /// Streams beyond our SETTINGS_MAX_CONCURRENT_STREAMS.
    pub refused_streams: u32,
    /// Frames without use.
    pub useless_frames: u32,
    /// SETTINGS, in the second in which the last SETTINGS or PING came.
    pub settings: u32,
    /// PINGs, in that second.
    pub pings: u32,
    /// DATA frames smaller than they should be, of ours: no error, but they have to wait.
    pub small_data_frames: u32,
    /// Bytes that mean nothing to us.
    pub ignored_bytes: u32,
    /// DATA on streams that we reset, which may have been on the way.
    pub late_bytes: u32,
}

impl Budget {
    /// The most streams that are refused.
    pub fn refusals(max_concurrent_streams: u32) -> u32 {
        max_concurrent_streams.saturating_mul(REFUSALS)
    }

    /// The part of each limit that is left.
    pub fn left(&self, limits: &Budgets, max_concurrent_streams: u32) -> BudgetsLeft {
        let refusals = Budget::refusals(max_concurrent_streams);
        let less = |limit: u32, spent: u16| limit.saturating_sub(spent.into());
        BudgetsLeft {
            peer_resets: limits.peer_resets.saturating_sub(self.resets),
            provoked_resets: less(limits.provoked_resets, self.provoked),
            refused_streams: less(refusals, self.refused),
            useless_frames: less(limits.useless_frames, self.useless),
            settings: less(limits.settings_per_second, self.settings),
            pings: less(limits.pings_per_second, self.pings),
            small_data_frames: less(limits.small_data_frames, self.small_frames),
            ignored_bytes: limits.ignored_bytes.saturating_sub(self.ignored_bytes),
            late_bytes: self.late_bytes,
        }
    }
}

fn calm_if(exceeded: bool, reason: &'static str) -> Charged {
    if exceeded {
        return Err(ConnectionError::calm(reason));
    }
    Ok(())
}
