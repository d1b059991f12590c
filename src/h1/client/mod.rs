//! The client's role, strict enough to stand behind a proxy: whatever two implementations are known to
//! read in two ways is an error, because a response that is read wrongly is given to the wrong user.
//!
//! # The order of calls
//!
//! 1. [`ClientConnection::lend_output`], then [`ClientConnection::send_request`] and, unless its length is
//!    [`BodyLength::None`](super::BodyLength::None),
//!    [`begin_data`](ClientConnection::begin_data) and [`commit`](ClientConnection::commit) until the
//!    last commit says `end`, or [`send_trailers`](ClientConnection::send_trailers).
//!    [`ClientConnection::take_output`], and send it.
//! 2. [`ClientConnection::receive`] until it returns `None`, whenever there is input. What is left of
//!    the input is kept by the caller.
//! 3. Where the server ends its side: [`ClientConnection::finish_input`], and `receive` once more.
//! 4. When [`ClientConnection::is_idle`], the next request. When [`ClientConnection::wants_close`],
//!    close.
//!
//! There is one request at a time: pipelining gains nothing over a few connections, and a response that
//! is out of step would be taken for the answer to another request.
//!
//! # States
//!
//! ```text
//!           send_request               both halves done, kept alive
//!  ┌─ Idle ─────────────▶ OpenRequest ────────────────────────────▶ Idle
//!  │                         │  │
//!  │ error, end, timeout     │  └─ 101, or 2xx to CONNECT ─▶ Tunnel
//!  └────────▶ Closed ◀───────┘
//!
//!  content of the request                  reply
//!   Sending ─────── end ─────▶ Done         Head ◀─┐ informational (1xx)
//!    │                                       │ └───┘
//!    │ abandon_content, or a final           ├─ no content ───────────────────▶ Done
//!    │ status instead of 100                 ├─▶ Body ───── its own end ───────▶
//!    ▼                                       └─▶ UntilClose ─ finish_input ────▶
//!   Abandoned (closes after the response)
//! ```

mod config;
mod connection;
mod deadline;
mod error;
mod event;
mod head;
mod receive;
mod request;
mod request_head;
#[cfg(feature = "proxy")]
mod request_lines;
mod state;
#[cfg(test)]
mod tests;

pub use config::ClientConfig;
pub use connection::ClientConnection;
pub use error::{ResponseError, Unsendable};
pub use event::ResponseEvent;
#[cfg(feature = "proxy")]
pub(crate) use event::SharedResponse;
pub use head::LastResponse;
#[cfg(feature = "proxy")]
pub(crate) use request_lines::RequestLines;
