//! Requests that have ended, and whose lines wait until the kernel has taken the last bytes.

use super::entry::Entry;

/// The most lines that wait with a connection: more than the responses that a piece of output holds,
/// except for empty ones, and little enough for a peer that reads nothing. Further requests are logged
/// at once.
const MOST_UNSENT: usize = 32;

/// A request that has ended.
pub struct Ended {
    /// The known part of the line.
    pub entry: Box<Entry>,
    /// The status of the response, or 0 where there was none.
    pub status: u16,
    /// Number of bytes of its content.
    pub body_bytes: u64,
    /// Reason why it was refused or cut short, if it was.
    pub reason: Option<&'static str>,
}

/// The end of a connection's output that will never be sent. It begins within the content of a response.
#[derive(Clone, Copy)]
pub struct LostOutput {
    /// Its length. Heads are not told apart from content, which they are short beside.
    pub bytes: u64,
    /// Reason why it cannot be sent.
    pub reason: &'static str,
}

impl LostOutput {
    /// Takes what is lost away from the bytes of a response's content, and passes on to the response
    /// before it. Returns the reason if anything was.
    pub fn take_from(&mut self, body_bytes: &mut u64) -> Option<&'static str> {
        let missing = self.bytes.min(*body_bytes);
        self.bytes -= missing;
        *body_bytes -= missing;
        (missing > 0).then_some(self.reason)
    }
}

/// The requests of a connection that have ended while its socket took no more.
#[derive(Default)]
#[expect(
    clippy::box_collection,
    reason = "every connection has one, and nearly all of them none"
)]
pub struct Unsent(Option<Box<Vec<Ended>>>);

impl Unsent {
    /// True if no request waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The memory behind the list, in bytes.
    pub fn memory(&self) -> usize {
        let of = |ended: &Ended| size_of::<Ended>() + ended.entry.memory();
        let all = self.0.as_ref().map(|all| all.iter().map(of).sum::<usize>());
        all.unwrap_or(0)
    }

    /// All requests, the first first.
    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Ended> {
        self.0.iter_mut().flat_map(|all| all.iter_mut())
    }

    /// Adds a request, or returns it if too many wait.
    pub(super) fn push(&mut self, ended: Ended) -> Result<(), Ended> {
        let all = self.0.get_or_insert_default();
        if all.len() >= MOST_UNSENT {
            return Err(ended);
        }
        all.push(ended);
        Ok(())
    }

    /// Takes all requests.
    pub(super) fn take(&mut self) -> Vec<Ended> {
        self.0.take().map(|all| *all).unwrap_or_default()
    }
}
