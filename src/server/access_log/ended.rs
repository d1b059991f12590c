//! Requests that have ended and whose lines wait for the kernel to take the last bytes.

use super::Entry;

/// Lines that wait with a connection: more than the responses that a piece of output holds, but for
/// empty ones, and as much as a peer that reads nothing may make us hold. What comes beyond is logged at
/// once.
const MOST_UNSENT: usize = 32;

/// A request that has ended.
pub struct Ended {
    /// The line as far as it is known.
    pub entry: Box<Entry>,
    /// The status of the response, or 0 where there was none.
    pub status: u16,
    /// Bytes of its content.
    pub body_bytes: u64,
    /// Why it was refused or cut short, if it was.
    pub reason: Option<&'static str>,
}

/// The requests of a connection that have ended while its socket took no more.
#[derive(Default)]
#[expect(
    clippy::box_collection,
    reason = "every connection has one, and nearly all of them none"
)]
pub struct Unsent(Option<Box<Vec<Ended>>>);

impl Unsent {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The memory behind it.
    pub fn memory(&self) -> usize {
        let of = |ended: &Ended| size_of::<Ended>() + ended.entry.memory();
        let all = self.0.as_ref().map(|all| all.iter().map(of).sum::<usize>());
        all.unwrap_or(0)
    }

    /// Adds one, or gives it back if there are too many.
    pub(super) fn push(&mut self, ended: Ended) -> Result<(), Ended> {
        let all = self.0.get_or_insert_default();
        if all.len() >= MOST_UNSENT {
            return Err(ended);
        }
        all.push(ended);
        Ok(())
    }

    /// Takes all of them.
    pub(super) fn take(&mut self) -> Vec<Ended> {
        self.0.take().map(|all| *all).unwrap_or_default()
    }
}
