//! A look into connections, for an operator who asks: the list of them, one of them whole, as JSON, and the
//! frames of one as they come.
//!
//! A [`Look`] is a question. The event loop answers it bit by bit, so that no other connection waits for it
//! longer than for a turn: it goes through a few hundred connections, and through the next ones in its next
//! turn. Only the first of the list by its column are kept meanwhile.
//!
//! ```text
//!  request of the panel ─▶ Look::parse ─▶ event loop: a slice of 200 µs ─┬─▶ LookReply::Unfinished ─▶ again
//!                                                                        └─▶ LookReply::Json
//! ```
//!
//! The names of the members of [`ConnectionSummary`] and [`ConnectionWhole`] are those of the JSON objects. They
//! stay as they are; new ones may be added.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod listing;
mod look;
mod peer_trace;
mod summary;
mod tap;
mod whole;

pub use listing::{Column, ConnectionList, ListOrder};
pub use look::{Look, LookReply};
pub use peer_trace::{PeerTrace, TraceConfig};
pub use summary::ConnectionSummary;
pub use tap::{Feed, Tap, Watch, WatchForm};
pub use whole::{
    BudgetShare, ConnectionWhole, H2Whole, HpackTable, HpackTables, RequestWhole, SettingsOfBoth,
    SideSettings, StreamWhole, TlsFacts, WindowPair,
};

/// An object as JSON. None here can fail: all members have names, and no map has other keys.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
