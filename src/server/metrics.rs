//! Metrics of the shell: counts besides those of requests, and figures that are looked up when somebody asks.
//!
//! Counts are plain numbers that the places concerned add to, where there is a listener for metrics at
//! all. [`Gauges`] are looked up by the event loop before it serves such a listener's connection.

mod frames;
mod gauges;
mod tls;
mod turns;

use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::telemetry::metrics::ProcessFigures;
use crate::telemetry::metrics::exposition::{Exposition, FamilyKind};
use crate::world::HelpOutcome;
pub(super) use frames::FrameCounts;
pub use gauges::{ConnectionStage, Gauges};
pub(super) use tls::TlsCounts;
pub(super) use turns::TurnCounts;

/// Bytes through sockets. They are counted always, since adding is cheaper than to look whether to add.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Traffic {
    /// Writes both numbers.
    pub(super) fn write(self, text: &mut Exposition) {
        text.family(
            FamilyKind::Counter,
            "calmd_network_bytes",
            "Bytes through sockets, those of TLS among them.",
        );
        text.add(&[("direction", "received")], self.received);
        text.add(&[("direction", "sent")], self.sent);
    }
}

/// Waits of responses for a disk. They are counted always, as bytes are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DiskWaits {
    /// Those for bytes that the helper process ends.
    pub(super) helped: u64,
    /// Those for names that the helper process ends.
    pub(super) named: u64,
    /// Those that end with another try.
    pub(super) retried: u64,
}

impl DiskWaits {
    /// Counts a wait that ends with an answer of the helper process.
    pub(super) fn count_answer(&mut self, outcome: HelpOutcome) {
        match outcome {
            HelpOutcome::Opened | HelpOutcome::NotOpened(_) | HelpOutcome::LookedUp => {
                self.named += 1;
            }
            HelpOutcome::Read | HelpOutcome::Hashed(_) | HelpOutcome::Failed => self.helped += 1,
        }
    }

    /// Writes the numbers.
    pub(super) fn write(self, text: &mut Exposition) {
        text.family(
            FamilyKind::Counter,
            "calmd_disk_waits",
            "Waits of responses for a disk, by their end: the helper process, or another try.",
        );
        text.add(&[("by", "helper")], self.helped);
        text.add(&[("by", "retry")], self.retried);
        // Each name that was not asked for before is such a wait, and most need no disk, so these waits are counted
        // by themselves.
        text.single(
            FamilyKind::Counter,
            "calmd_name_waits",
            "Waits of requests for files that the helper process opens, or finds missing.",
            self.named,
        );
    }
}

/// The most answers with metrics that are kept for readers who take their time: 64 are some 2 MiB.
const MOST_TEXTS: usize = 64;

/// A look at all connections that is under way.
#[derive(Default)]
pub(super) struct GaugeWalk {
    /// The counts so far.
    pub(super) gauges: Gauges,
    /// The slot that is looked at next.
    pub(super) next: u32,
}

/// Everything that is counted for a listener for metrics, except requests.
pub struct Metrics {
    process: ProcessFigures,
    /// TLS handshakes.
    pub(super) tls: TlsCounts,
    /// Turns of the loop.
    pub(super) turns: TurnCounts,
    /// Frames of HTTP/2.
    pub(super) frames: Arc<FrameCounts>,
    /// Connections that were accepted.
    pub(super) accepted: u64,
    /// Answers that may still be on their way.
    texts: Vec<Weak<[u8]>>,
    /// Connections and memory, as the loop found them last.
    pub(super) gauges: Gauges,
    /// The look that is under way.
    pub(super) walk: Option<Box<GaugeWalk>>,
    #[cfg(feature = "panel")]
    state: CountingState,
}

/// The state of counts that each frame and turn would add to. Without a panel they are always on.
#[cfg(feature = "panel")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CountingState {
    /// They were not asked for yet.
    Resting,
    /// They are counted on new connections. Older connections have to be told.
    Beginning,
    /// They are counted.
    On,
}

impl Metrics {
    /// Nothing counted so far.
    pub fn new(process: ProcessFigures) -> Self {
        Metrics {
            process,
            tls: TlsCounts::default(),
            turns: TurnCounts::default(),
            frames: Arc::default(),
            accepted: 0,
            texts: Vec::new(),
            gauges: Gauges::default(),
            walk: None,
            #[cfg(feature = "panel")]
            state: CountingState::On,
        }
    }

    /// True if frames and turns are counted.
    pub(super) fn is_counting(&self) -> bool {
        #[cfg(feature = "panel")]
        if self.state == CountingState::Resting {
            return false;
        }
        true
    }

    /// Counts nothing that each frame and turn would add to, until metrics are asked for.
    #[cfg(feature = "panel")]
    pub fn resting(mut self) -> Self {
        self.state = CountingState::Resting;
        self
    }

    /// Begins to count, because metrics are asked for.
    #[cfg(feature = "panel")]
    pub(super) fn begin_counting(&mut self) {
        if self.state == CountingState::Resting {
            self.state = CountingState::Beginning;
            // Connections are told by the next look at all of them.
            (self.walk, self.gauges.looked) = (None, None);
        }
    }

    /// True if connections that were there before are to have their frames counted.
    #[cfg(feature = "panel")]
    pub(super) fn is_beginning(&self) -> bool {
        self.state == CountingState::Beginning
    }

    /// All connections have their frames counted.
    #[cfg(feature = "panel")]
    pub(super) fn end_beginning(&mut self) {
        if self.state == CountingState::Beginning {
            self.state = CountingState::On;
        }
    }

    /// Memory of the process, in bytes.
    #[cfg(feature = "panel")]
    pub(super) fn resident(&self) -> Option<u64> {
        self.process.resident()
    }

    /// Notes an answer that is about to be sent; false if too many are unread.
    pub(super) fn hold(&mut self, text: &Rc<[u8]>) -> bool {
        self.texts.retain(|text| text.strong_count() > 0);
        let has_room = self.texts.len() < MOST_TEXTS;
        if has_room {
            self.texts.push(Rc::downgrade(text));
        }
        has_room
    }

    /// Writes all of it.
    pub(super) fn write(&self, text: &mut Exposition) {
        text.family(
            FamilyKind::Gauge,
            "calmd_build_info",
            "The version that runs.",
        );
        text.add(&[("version", env!("CARGO_PKG_VERSION"))], 1_u64);
        text.single(
            FamilyKind::Counter,
            "calmd_connections_accepted",
            "Connections that were accepted, without those of this listener.",
            self.accepted,
        );
        self.gauges.write(text);
        self.tls.write(text);
        self.frames.write(text);
        self.turns.write(text);
        self.process.write(text);
    }
}
