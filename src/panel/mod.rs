//! The panel: a page for the operator's browser and the JSON behind it, on listeners of its own.
//!
//! ```text
//!  request ─▶ guard ─▶ files of the page, login ──────────────▶ Response, or an exchange
//!             │            │ session
//!             │ 421, 403   ▼                order            event loop
//!             ▼         /api/…: exchange ──────────▶ queue ──────────────▶ does it, or looks it up
//!                          ▲                                                  │
//!                          └────────────────── waker ◀──── outcome ◀──────────┘
//! ```
//!
//! Everything that comes by a panel's listener is for [`Panel::accept`], and no site sees it. A request touches
//! nothing of the event loop: its exchange puts an [`PanelOrder`] in a queue, and the event loop carries the orders
//! out before the next turn of a panel's connection. So only the panel's own connections pay for it.
//!
//! # What keeps strangers out
//!
//! A page elsewhere in the operator's browser can send requests here, and by a name of its own it can even
//! read the answers. So the host must be one of the panel's names, the origin must be the panel itself, a
//! browser must not say that the request comes from another site, a session's cookie goes with requests of
//! the panel's own pages only, GET changes nothing, and every POST carries a token that other pages cannot
//! read.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod acting;
mod action;
mod answer;
mod config;
mod content;
mod events;
mod following;
mod guard;
mod history;
mod login;
mod logs;
mod looking;
mod order;
mod page;
mod router;
mod session;
mod state;
mod token;
mod tracing;
mod users;

pub use action::Action;
pub use config::{Config, PanelMistake, PanelRights, is_public};
pub use history::{CLASSES, History, Totals};
pub use order::{OrderContent, OrderOutcome, PanelOrder};
pub use router::Panel;
pub use state::Door;
pub use token::OneTimeToken;
pub use users::read_users;
