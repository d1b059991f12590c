//! Losses of upstream connections, and the answers that clients get for them.

use std::io;

use crate::content::is_descriptor_limit;
use crate::exchange::Failure;
use crate::h1::ResponseError;

/// The reason for which a connection is closed, as far as it concerns its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpstreamLoss {
    /// None: the call has its whole answer.
    None,
    /// The server cannot be reached.
    Unreachable(io::ErrorKind),
    /// The server's certificate is not for it, not valid, or not issued by a trusted authority.
    Untrusted,
    /// TLS with the server fails otherwise, or it does not agree on the protocol.
    NoTls,
    /// There is no descriptor for a socket.
    NoDescriptor,
    /// It had been idle, and ended before a byte of the response: the server may have closed it before it
    /// saw the request.
    Stale,
    /// The server has ended a new connection without a byte.
    NoResponse,
    /// The server says that it did nothing with the request, or nothing of it was sent.
    Refused,
    /// The server has given the request's stream up.
    Reset,
    /// The server breaks a rule of HTTP/2.
    Protocol,
    /// The response is wrong, late or not whole.
    Response(ResponseError),
    /// The socket failed within the response.
    Broken,
    /// The server takes no more of the request.
    Stalled,
    /// The request cannot be said in the protocol.
    Unsendable,
    /// The server's SETTINGS do not allow tunnels (RFC 8441 §3).
    NoTunnel,
}

impl UpstreamLoss {
    /// The reasons as they are counted.
    pub(super) const REASONS: [&str; 11] = [
        "unreachable",
        "timeout",
        "tls",
        "descriptor",
        "closed",
        "refused",
        "reset",
        "protocol",
        "response",
        "broken",
        "request",
    ];

    /// The reason as it is counted: one of [`UpstreamLoss::REASONS`], or none.
    pub(super) fn reason(self) -> &'static str {
        match self {
            UpstreamLoss::None => "",
            UpstreamLoss::Unreachable(io::ErrorKind::TimedOut)
            | UpstreamLoss::Stalled
            | UpstreamLoss::Response(
                ResponseError::ResponseTimeout | ResponseError::ContentTimeout,
            ) => "timeout",
            UpstreamLoss::Unreachable(_) => "unreachable",
            UpstreamLoss::Untrusted | UpstreamLoss::NoTls => "tls",
            UpstreamLoss::NoDescriptor => "descriptor",
            UpstreamLoss::Stale | UpstreamLoss::NoResponse => "closed",
            UpstreamLoss::Refused => "refused",
            UpstreamLoss::Reset => "reset",
            UpstreamLoss::Protocol => "protocol",
            UpstreamLoss::Response(_) => "response",
            UpstreamLoss::Broken => "broken",
            UpstreamLoss::Unsendable | UpstreamLoss::NoTunnel => "request",
        }
    }

    /// The loss of a connection that could not be dialled.
    pub(super) fn of_dial(error: &io::Error) -> UpstreamLoss {
        if is_descriptor_limit(error) {
            return UpstreamLoss::NoDescriptor;
        }
        UpstreamLoss::Unreachable(error.kind())
    }

    /// The answer to the client.
    pub(super) fn failure(self) -> Failure {
        let (status, reason) = match self {
            UpstreamLoss::None => (502, "the upstream gave no answer"),
            UpstreamLoss::Unreachable(io::ErrorKind::TimedOut) => {
                (504, "the upstream cannot be reached in time")
            }
            UpstreamLoss::Unreachable(io::ErrorKind::ConnectionRefused) => {
                (502, "the upstream refuses connections")
            }
            UpstreamLoss::Unreachable(_) => (502, "the upstream cannot be reached"),
            UpstreamLoss::Untrusted => (502, "the upstream's certificate is not trusted"),
            UpstreamLoss::NoTls => (502, "TLS with the upstream fails"),
            UpstreamLoss::NoDescriptor => (503, "no descriptor is left for an upstream connection"),
            UpstreamLoss::Stale | UpstreamLoss::NoResponse => {
                (502, "the upstream ended the connection without a response")
            }
            UpstreamLoss::Refused => (503, "the upstream refuses the request"),
            UpstreamLoss::Reset => (502, "the upstream has reset the stream"),
            UpstreamLoss::Protocol => (502, "the upstream breaks a rule of HTTP/2"),
            UpstreamLoss::Response(error) => (error.status(), error.reason()),
            UpstreamLoss::Broken => (502, "the connection to the upstream broke"),
            UpstreamLoss::Stalled => (504, "the upstream takes no more of the request"),
            UpstreamLoss::Unsendable => (400, "the request cannot be passed on"),
            UpstreamLoss::NoTunnel => (501, "the upstream's SETTINGS allow no tunnels"),
        };
        Failure::upstream(status, reason)
    }

    /// True if other calls would meet it too: the server is then spared.
    pub(super) fn is_of_server(self) -> bool {
        matches!(
            self,
            UpstreamLoss::Unreachable(_)
                | UpstreamLoss::Untrusted
                | UpstreamLoss::NoTls
                | UpstreamLoss::NoResponse
        )
    }
}
