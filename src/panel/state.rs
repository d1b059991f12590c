//! The state of a panel, which its requests share.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::answer::PanelReply;
use super::config::PanelRights;
use super::guard::Guard;
use super::history::History;
use super::order::PanelOrder;
use super::session::{Secret, Sessions};
use super::token::OneTimeToken;
use crate::rules::{AddressBuckets, LoginQueue, Users};
use crate::telemetry::recent_lines::RecentRequests;
use crate::world::Peer;

/// Logins of one address in a row before it has to wait, and one more in each six seconds: more than a
/// person needs, and 14,400 guesses a day.
const MOST_ATTEMPTS: f64 = 10.0;
const ATTEMPTS_PER_SECOND: f64 = 1.0 / 6.0;

/// The most answers with JSON that may be waiting for their readers. More are refused, because a reader that
/// takes none would make us hold them all.
const MOST_TEXTS: usize = 64;

/// The most streams of events at a time: a few operators with a few tabs each.
const MOST_STREAMS: usize = 16;

/// The way in.
pub enum Door {
    /// Users with passwords, which the queue has verified.
    Users(Arc<Users>, Rc<RefCell<LoginQueue>>),
    /// A token.
    Token(OneTimeToken),
}

/// The state that all requests of a panel share.
pub(super) type SharedState = Rc<RefCell<PanelState>>;

/// Everything that a panel remembers.
pub(super) struct PanelState {
    pub(super) door: Door,
    pub(super) guard: Guard,
    pub(super) sessions: Sessions,
    pub(super) rights: PanelRights,
    attempts: AddressBuckets,
    /// Orders that the event loop has not seen yet: at most one for each open request.
    pub(super) orders: VecDeque<Rc<PanelOrder>>,
    /// The last ten minutes.
    pub(super) history: History,
    /// The present, as JSON.
    pub(super) overview: serde_json::Value,
    /// The last lines of the access log.
    pub(super) requests: Rc<RecentRequests>,
    /// Answers with JSON that may be waiting for their readers.
    texts: Vec<Weak<[u8]>>,
    /// Shared by the streams of events, which are counted by that.
    streams: Rc<()>,
}

/// A session as its page knows it.
#[derive(Serialize)]
pub(super) struct SessionText<'a> {
    pub(super) user: &'a str,
    /// The token that each POST carries.
    pub(super) token: &'a str,
    pub(super) read_only: bool,
}

impl PanelState {
    pub(super) fn new(
        door: Door,
        guard: Guard,
        suffix: &Secret,
        rights: PanelRights,
        requests: Rc<RecentRequests>,
    ) -> Self {
        PanelState {
            door,
            guard,
            sessions: Sessions::new(suffix),
            rights,
            attempts: AddressBuckets::new(ATTEMPTS_PER_SECOND, MOST_ATTEMPTS),
            orders: VecDeque::new(),
            history: History::default(),
            overview: serde_json::Value::Null,
            requests,
            texts: Vec::new(),
            streams: Rc::default(),
        }
    }

    /// Takes an attempt to log in, or tells the time until the next.
    pub(super) fn attempt(&mut self, peer: Peer, now: Instant) -> Result<(), Duration> {
        self.attempts.take(address_of(peer), now)
    }

    /// Gives an attempt back, because it was right.
    pub(super) fn forgive(&mut self, peer: Peer, now: Instant) {
        self.attempts.give_back(address_of(peer), now);
    }

    /// The answer, if not too many are unread.
    pub(super) fn hold(&mut self, reply: PanelReply) -> PanelReply {
        self.texts.retain(|text| text.strong_count() > 0);
        if self.texts.len() >= MOST_TEXTS {
            return PanelReply::error(503, "too many answers are waiting to be read");
        }
        self.texts.push(reply.text());
        reply
    }

    /// A place for one more stream of events, if there is one.
    pub(super) fn stream_place(&self) -> Option<Rc<()>> {
        (Rc::strong_count(&self.streams) <= MOST_STREAMS).then(|| self.streams.clone())
    }

    /// A session as its page knows it.
    pub(super) fn session_text<'a>(&self, user: &'a str, token: &'a str) -> SessionText<'a> {
        SessionText {
            user,
            token,
            read_only: self.rights == PanelRights::Look,
        }
    }
}

/// The address that attempts are counted for. All peers of Unix sockets are one, which no host has.
fn address_of(peer: Peer) -> IpAddr {
    match peer {
        Peer::Ip(address) => address,
        Peer::Unix => Ipv4Addr::UNSPECIFIED.into(),
    }
}
