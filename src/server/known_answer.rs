//! The answer to the last request of HTTP/1.1, for equal ones on any connection.

use crate::exchange::HostKey;
use crate::h1::SharedHead;
use crate::site::AnswerTrust;
use std::rc::Rc;

/// An answer that a site alone gave, as it is sent once more.
pub(super) struct KnownAnswer {
    /// The number of the request's head.
    pub(super) request: u64,
    pub(super) status: u16,
    pub(super) head: SharedHead,
    pub(super) content: Rc<[u8]>,
    /// The second of its date.
    pub(super) date: u32,
    /// The host that gave it.
    pub(super) host: HostKey,
    /// The trust in the files that were looked at for it.
    pub(super) trust: AnswerTrust,
    /// True if the content is of a file, whose uses the cache counts.
    pub(super) is_of_file: bool,
}
