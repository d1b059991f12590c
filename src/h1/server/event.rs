//! Events of the server's role.

use crate::http::Fields;

/// Event that [`Connection::receive`](super::Connection::receive) found in its input.
#[derive(Debug)]
pub enum Event<'e> {
    /// A request's head. One final response is due for it.
    Request {
        /// `:method`, `:scheme`, `:authority` and `:path` in front, then the fields in lowercase
        /// without those that concern the connection alone (RFC 9110 §7.6.1).
        fields: &'e Fields,
        /// True if no body follows.
        end_stream: bool,
        /// True if the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
        expects_continue: bool,
        /// The client offers to go on with HTTP/2 (RFC 7540 §3.2); taken up with
        /// [`Connection::switch_protocols`](super::Connection::switch_protocols), else ignored.
        upgrade: Option<H2cUpgrade<'e>>,
    },
    /// A part of the request's body, without its chunk framing.
    Data {
        /// The bytes; empty only together with `end_stream`.
        data: &'e [u8],
        /// True if the body ends here, without trailers.
        end_stream: bool,
    },
    /// The body has ended with a trailer section (RFC 9112 §7.1.2).
    Trailers {
        /// The trailer fields in lowercase, without any that frames or routes a message.
        fields: &'e Fields,
    },
}

/// An offer to go on with HTTP/2 in cleartext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct H2cUpgrade<'e> {
    /// The value of `HTTP2-Settings`: the payload of a SETTINGS frame in base64url (RFC 7540 §3.2.1).
    pub settings: &'e [u8],
}
