//! The memory of stream identifiers (RFC 9113 §5.1.1): the highest, and how the latest ended.
//!
//! A closed stream keeps no state but this: two bits for each of the last 64 of the client's streams
//! decide how a late frame is answered. Of older ones nothing is known, and their late frames are
//! ignored, which §5.1 allows for every closed stream.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

/// The way in which a stream came to be closed, as far as late frames are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Nobody used it: a higher identifier came first, which closed it (§5.1.1).
    Skipped,
    /// The peer had ended its half: nothing may follow but WINDOW_UPDATE, PRIORITY and RST_STREAM.
    Ended,
    /// The peer reset it: nothing may follow but PRIORITY.
    ResetByPeer,
    /// We reset it while the peer's half was open: what it had already sent may follow, and is
    /// ignored.
    ResetByUs,
}

/// Number of streams that are remembered.
const REMEMBERED: u32 = 64;
const PER_WORD: u32 = 16;

/// The streams that one side opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ids {
    highest: u32,
    /// Two bits a stream, in a ring indexed by the identifier. Words of four bytes fit behind `highest`
    /// without a gap.
    closings: [u32; (REMEMBERED / PER_WORD) as usize],
}

#[expect(
    clippy::indexing_slicing,
    reason = "a place is within the ring, whatever the identifier"
)]
impl Ids {
    /// The highest identifier that was used; 0 before the first.
    pub fn highest(&self) -> u32 {
        self.highest
    }

    /// A new identifier is used, higher than all before it; all between are skipped.
    pub fn open(&mut self, id: u32) {
        debug_assert!(id > self.highest);
        let new = id.saturating_sub(self.highest).div_ceil(2);
        if new > REMEMBERED {
            self.closings = [0; _];
        } else {
            // The same place in the ring was that of a stream 128 identifiers lower.
            let mut skipped = id;
            for _ in 0..new {
                self.set(skipped, Closing::Skipped);
                skipped = skipped.saturating_sub(2);
            }
        }
        self.highest = id;
    }

    /// A stream has ended.
    pub fn close(&mut self, id: u32, closing: Closing) {
        if self.remembers(id) {
            self.set(id, closing);
        }
    }

    /// The way in which a stream that has ended, or was never used, came to be closed; `None` is long ago.
    pub fn closing(&self, id: u32) -> Option<Closing> {
        if !self.remembers(id) {
            return None;
        }
        let (word, shift) = Self::place(id);
        Some(match self.closings[word] >> shift & 0b11 {
            0 => Closing::Skipped,
            1 => Closing::Ended,
            2 => Closing::ResetByPeer,
            _ => Closing::ResetByUs,
        })
    }

    fn remembers(&self, id: u32) -> bool {
        self.highest
            .checked_sub(id)
            .is_some_and(|back| back / 2 < REMEMBERED)
    }

    fn set(&mut self, id: u32, closing: Closing) {
        let (word, shift) = Self::place(id);
        let bits = match closing {
            Closing::Skipped => 0,
            Closing::Ended => 1,
            Closing::ResetByPeer => 2,
            Closing::ResetByUs => 3,
        };
        self.closings[word] = self.closings[word] & !(0b11 << shift) | bits << shift;
    }

    /// The word and the bit of a stream's place in the ring; the two sides' identifiers are odd and
    /// even, so the lowest bit says nothing.
    fn place(id: u32) -> (usize, u32) {
        let position = id / 2 % REMEMBERED;
        ((position / PER_WORD) as usize, (position % PER_WORD) << 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_64_streams_are_remembered() {
        let mut ids = Ids::default();
        for id in (1..400).step_by(2) {
            ids.open(id);
            let closing = [Closing::Ended, Closing::ResetByPeer, Closing::ResetByUs];
            ids.close(id, closing[id as usize % 3]);
        }
        assert_eq!(ids.highest(), 399);
        assert_eq!(ids.closing(399), Some(Closing::Ended));
        assert_eq!(ids.closing(397), Some(Closing::ResetByPeer));
        assert_eq!(ids.closing(395), Some(Closing::ResetByUs));
        assert_eq!(ids.closing(273), Some(Closing::Ended));
        assert_eq!(ids.closing(271), None);
        assert_eq!(ids.closing(401), None);
    }

    #[test]
    fn skipped_streams_are_closed_whatever_was_in_their_place() {
        let mut ids = Ids::default();
        for id in (1..=127).step_by(2) {
            ids.open(id);
            ids.close(id, Closing::ResetByUs);
        }
        ids.open(141);
        assert_eq!(ids.closing(139), Some(Closing::Skipped));
        assert_eq!(ids.closing(129), Some(Closing::Skipped));
        assert_eq!(ids.closing(127), Some(Closing::ResetByUs));
        ids.open(1001);
        assert_eq!(ids.closing(999), Some(Closing::Skipped));
        assert_eq!(ids.closing(875), Some(Closing::Skipped));
    }
}
