//! The head of a request on its way to an upstream.

use std::rc::Rc;

use crate::h1::BodyLength;
use crate::http::Fields;

/// A request's head as it is sent to an upstream.
#[derive(Clone, Debug)]
pub(crate) struct CallHead {
    /// The fields, pseudo-header fields first.
    pub(crate) fields: Rc<Fields>,
    /// The length of the content behind it.
    pub(crate) length: BodyLength,
    /// The repetitions that the request's method allows.
    pub(crate) repeats: Repeats,
}

impl CallHead {
    /// True if a tunnel is asked for (RFC 8441 §4).
    pub(crate) fn is_tunnel(&self) -> bool {
        self.fields.method() == Some(b"CONNECT")
    }
}

/// The repetitions of a request that its sender cannot notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// An idempotent method: as often as need be (RFC 9110 §9.2.2).
    Allowed,
    /// Another method: none once a byte was sent, unless the upstream says that it did nothing with it
    /// (RFC 9113 §8.7).
    IfRefused,
}
