//! The watch over a connection's progress, in debug builds: a loop without progress stops everybody.
//!
//! A connection counts here the bytes that it moves. At the end of a turn its state is compared with the
//! one at the end of the turn before; `connection::progress` asserts what follows. Release builds count
//! nothing, and a [`ProgressWatch`] has no size in them.

/// Turns in a row that may want another one at once and move nothing: a newcomer's first turn only registers
/// its socket, and of several deadlines that have passed a turn may deal with one.
#[cfg(debug_assertions)]
const MOST_FRUITLESS: u32 = 1;

/// The progress of one connection.
#[derive(Default)]
pub struct ProgressWatch {
    #[cfg(debug_assertions)]
    bytes: u64,
    #[cfg(debug_assertions)]
    last: (Mark, u64),
    #[cfg(debug_assertions)]
    fruitless: u32,
    #[cfg(debug_assertions)]
    cause: TurnCause,
}

/// The cause of a turn.
#[cfg(debug_assertions)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum TurnCause {
    /// Anything but a deadline.
    #[default]
    Other,
    /// A deadline that has passed.
    Deadline,
}

/// State of a connection that changes with each step of its life.
#[cfg(debug_assertions)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// The name of the phase.
    pub phase: &'static str,
    /// The name of the protocol.
    pub protocol: &'static str,
    /// True if the end of the input was read.
    pub has_ended: bool,
}

#[cfg(not(debug_assertions))]
const _: () = assert!(size_of::<ProgressWatch>() == 0);

impl ProgressWatch {
    /// Counts bytes that were read, parsed, made or written, and a read that a signal has interrupted as
    /// one: the kernel asks for another try, and no peer can make it.
    #[inline]
    pub fn count(&mut self, bytes: usize) {
        #[cfg(debug_assertions)]
        {
            self.bytes += bytes as u64;
        }
        #[cfg(not(debug_assertions))]
        let _ = bytes;
    }
}

#[cfg(debug_assertions)]
impl ProgressWatch {
    /// Notes that the turn deals with a deadline.
    pub fn begin_deadline(&mut self) {
        self.cause = TurnCause::Deadline;
    }

    /// The cause of the turn that ends.
    pub fn take_cause(&mut self) -> TurnCause {
        std::mem::take(&mut self.cause)
    }

    /// Notes the end of a turn that another one follows at once. False after too many that moved nothing.
    pub fn goes_on(&mut self, mark: Mark) -> bool {
        let mark = (mark, self.bytes);
        self.fruitless = if mark == self.last {
            self.fruitless + 1
        } else {
            0
        };
        self.last = mark;
        self.fruitless <= MOST_FRUITLESS
    }

    /// Notes the end of a turn behind which the connection sleeps.
    pub fn sleeps(&mut self) {
        self.fruitless = 0;
    }
}
