//! The reverse proxy: a handler that forwards requests to an upstream, and its responses to the client.
//!
//! ```text
//!  request ─▶ ProxyHandler ─▶ ProxyExchange ─ call ─▶ server::upstream ─▶ a pooled connection
//!                 │ request_head: a new head, field by field      │
//!  response ◀─────┴────────── response_head ◀─────────────────────┘
//! ```
//!
//! Heads are generated, never copied: the core has parsed the request, this room says which of its fields go
//! on and adds its own, and the core of the other side writes them. So an upstream cannot see another
//! request than the server has seen, and the client's words about its own address are not passed on.
//!
//! Content is passed on as it comes, in both directions, with the backpressure of [`exchange`](crate::exchange).
//! Connections, their choice and their deadlines are left to `server::upstream`; names are resolved when the
//! program starts.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod forwarded;
mod handler;
mod path;
mod request_head;
mod response_head;
mod rule;
mod scheme;
mod secure;
mod websocket;

pub use handler::ProxyHandler;
pub use rule::{DialAddress, ProxyRule, Upstream, UpstreamAddress, UpstreamServer, group};
pub use scheme::{UpstreamScheme, UpstreamVersion};
pub use secure::{UpstreamTls, UpstreamTrust};
