//! Events of the client's role.

use crate::h1::message::Version;
use crate::http::Fields;
#[cfg(feature = "proxy")]
use std::rc::Rc;

/// Event that [`ClientConnection::receive`](super::ClientConnection::receive) found in its input.
///
/// `fields` hold `:status` in front, then the fields in lowercase without those that concern the
/// connection alone: the known ones, and those that `Connection` names (RFC 9110 §7.6.1).
#[derive(Debug)]
pub enum ResponseEvent<'e> {
    /// An informational response (1xx): the final one is still to come.
    Informational {
        /// The head.
        fields: &'e Fields,
    },
    /// The head of the final response.
    Response {
        /// The head. Behind 1xx and 204 there is no `content-length`; to HEAD and with 304 it is the
        /// length that GET would have got (RFC 9110 §8.6).
        fields: &'e Fields,
        /// The version that the server speaks.
        version: Version,
        /// True if no content follows.
        end_stream: bool,
    },
    /// A part of the content, without its chunk framing.
    Data {
        /// The bytes; empty only together with `end_stream`.
        data: &'e [u8],
        /// True if the content ends here, without trailers.
        end_stream: bool,
    },
    /// The content has ended with a trailer section (RFC 9112 §7.1.2).
    Trailers {
        /// The trailer fields in lowercase, without any that frames or routes a message.
        fields: &'e Fields,
    },
    /// The connection belongs to another protocol from here on: 101 as the answer to `Upgrade`, or 2xx
    /// as the answer to CONNECT. The rest of the input, all that follows, and the output belong to it.
    /// There is no `content-length`.
    Switched {
        /// The head, of 101 with its `upgrade`.
        fields: &'e Fields,
    },
}

/// The head of a final response whose fields others have too.
#[cfg(feature = "proxy")]
pub(crate) struct SharedResponse {
    /// The head.
    pub(crate) fields: Rc<Fields>,
    /// The version that the server speaks.
    pub(crate) version: Version,
    /// True if no content follows.
    pub(crate) end_stream: bool,
}
