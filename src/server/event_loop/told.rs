//! Polls that cannot tell of everything at once, and when all of it was told.

use super::READY;
use crate::world::Extent;

/// Part of what is ready that the polls have told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// All of it, or all that was ready when the first of several polls left some over.
    Everything,
    /// Not before so many further polls.
    Part { polls: usize },
}

impl Told {
    /// The state after one more poll. Events that a poll leaves over are told before later ones, so the
    /// rest comes to an end although there is always more.
    pub(super) fn after(self, extent: Extent, connections: usize) -> Told {
        match (extent, self) {
            (Extent::Whole, _) | (_, Told::Part { polls: 0 | 1 }) => Told::Everything,
            (Extent::Partial, Told::Part { polls }) => Told::Part { polls: polls - 1 },
            (Extent::Partial, Told::Everything) => Told::Part {
                polls: connections / READY + 1,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_was_ready_is_told_after_as_many_polls_as_it_fills() {
        let mut told = Told::Everything;
        let mut polls = 0;
        loop {
            told = told.after(Extent::Partial, 3 * READY + 1);
            polls += 1;
            if told == Told::Everything {
                break;
            }
        }
        assert_eq!(polls, 5, "four that are full, and the rest");
    }

    #[test]
    fn a_poll_with_room_to_spare_tells_everything() {
        let full = Told::Everything.after(Extent::Partial, 20_000);
        assert!(full != Told::Everything);
        assert!(full.after(Extent::Whole, 20_000) == Told::Everything);
    }
}
