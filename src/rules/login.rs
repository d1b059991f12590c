//! Basic authentication (RFC 7617): credentials of a request, those that were verified before, and the queue
//! of those that another process verifies.
//!
//! ```text
//!  request ─▶ credentials ─▶ remembered? ─▶ its answer
//!                                │ no
//!                                ▼            one at a time
//!                            LoginQueue ─────────────────────▶ PasswordHelper
//!                                │ full: 503, too often: 429         │
//!  401, or its answer ◀─ gate ◀──┴──── waker ◀──── outcome ◀─────────┘
//! ```

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Visit;
use super::buckets::AddressBuckets;
use super::path_glob::PathGlob;
use super::users::Users;
use crate::exchange::{Desk, Exchange, Failure, LoginOutcome, Part, Room, Step, Until, Waker};
use crate::helper::LONGEST_PASSWORD;
use crate::http::Fields;
use crate::world::{Files, PasswordHelper, PasswordOutcome, Peer};

/// The most requests that wait for their passwords. At 100 ms each the last waits for some 6 s.
const MOST_WAITING: usize = 64;

/// Time for which a verified password is remembered. A user that is deleted from the file is out with the
/// next reload, whatever this says.
const LIFETIME: Duration = Duration::from_secs(600);

/// The most verified credentials that are remembered: 1,024 of 64 bytes are 64 KiB.
const MOST_REMEMBERED: usize = 1024;

/// Wrong passwords of one address in a row before it has to wait, and one more in each three seconds: more
/// than a person types, and 29,000 guesses a day.
const MOST_ATTEMPTS: f64 = 20.0;
const ATTEMPTS_PER_SECOND: f64 = 1.0 / 3.0;

/// A rule that lets users in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRule {
    /// The paths that need a login.
    pub path: PathGlob,
    /// The users who are let in.
    pub users: Arc<Users>,
    /// The name that browsers show.
    pub realm: String,
}

/// A keyed hash of credentials, which tells nothing of them.
type LoginKey = (u64, u64);

/// Credentials that were verified, and those that wait for it.
#[derive(Debug)]
pub struct LoginQueue {
    helper: Box<dyn PasswordHelper>,
    keys: (RandomState, RandomState),
    remembered: HashMap<LoginKey, Instant>,
    /// The remembered keys, the oldest first.
    order: VecDeque<LoginKey>,
    attempts: AddressBuckets,
    waiting: VecDeque<Rc<LoginTicket>>,
    current: Option<Rc<LoginTicket>>,
}

/// A password that is to be verified.
#[derive(Debug)]
pub struct LoginTicket {
    hash: Box<str>,
    password: Box<[u8]>,
    key: LoginKey,
    /// The user is not there: no password is right.
    is_decoy: bool,
    peer: Peer,
    outcome: Cell<Option<LoginOutcome>>,
    is_gone: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A user's name and password, as somebody claims them.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The name of the user.
    pub name: &'a [u8],
    /// The password.
    pub password: &'a [u8],
}

/// The outcome of a look at credentials.
#[derive(Debug)]
pub enum LoginAttempt {
    /// They were verified before.
    Known,
    /// There are none, or they cannot be right.
    Refused,
    /// They are being verified.
    Waits(Rc<LoginTicket>),
    /// Too many wait.
    Busy,
    /// Too many were wrong; the time until the next.
    TooMany(Duration),
}

impl LoginQueue {
    /// A queue in front of this process.
    pub fn new(helper: Box<dyn PasswordHelper>) -> Self {
        LoginQueue {
            helper,
            keys: (RandomState::new(), RandomState::new()),
            remembered: HashMap::new(),
            order: VecDeque::new(),
            attempts: AddressBuckets::new(ATTEMPTS_PER_SECOND, MOST_ATTEMPTS),
            waiting: VecDeque::new(),
            current: None,
        }
    }

    /// Looks at the credentials of a request.
    pub(super) fn check(
        &mut self,
        users: &Users,
        visit: &Visit<'_>,
        admission: Option<LoginOutcome>,
        now: Instant,
    ) -> LoginAttempt {
        let Some((name, password)) = credentials(visit.request.fields) else {
            return LoginAttempt::Refused;
        };
        let credentials = Credentials {
            name: &name,
            password: &password,
        };
        self.look_at(users, &credentials, visit.request.peer, admission, now)
    }

    /// Has credentials verified that came by other ways than `Authorization`.
    #[cfg(feature = "panel")]
    pub fn verify(
        &mut self,
        users: &Users,
        credentials: &Credentials<'_>,
        peer: Peer,
        now: Instant,
    ) -> LoginAttempt {
        self.look_at(users, credentials, peer, None, now)
    }

    /// Looks at credentials, of which the outcome may be there.
    fn look_at(
        &mut self,
        users: &Users,
        credentials: &Credentials<'_>,
        peer: Peer,
        admission: Option<LoginOutcome>,
        now: Instant,
    ) -> LoginAttempt {
        let Credentials { name, password } = *credentials;
        if password.len() > LONGEST_PASSWORD {
            return LoginAttempt::Refused;
        }
        let (hash, is_decoy) = match users.hash(name) {
            Ok(hash) => (hash, false),
            Err(decoy) => (decoy, true),
        };
        let key = (
            self.keys.0.hash_one((hash, name, password)),
            self.keys.1.hash_one((hash, name, password)),
        );
        if self.remembered.get(&key).is_some_and(|until| *until > now) && !is_decoy {
            return LoginAttempt::Known;
        }
        match admission {
            Some(LoginOutcome::Refused) => return LoginAttempt::Refused,
            Some(LoginOutcome::Unknown) => return LoginAttempt::Busy,
            Some(LoginOutcome::Granted) | None => {}
        }
        if self.waiting.len() >= MOST_WAITING {
            return LoginAttempt::Busy;
        }
        if let Peer::Ip(address) = peer
            && let Err(wait) = self.attempts.take(address, now)
        {
            return LoginAttempt::TooMany(wait);
        }
        let ticket = Rc::new(LoginTicket {
            hash: hash.into(),
            password: password.into(),
            key,
            is_decoy,
            peer,
            outcome: Cell::new(None),
            is_gone: Cell::new(false),
            waker: RefCell::new(None),
        });
        self.waiting.push_back(ticket.clone());
        self.ask_next();
        LoginAttempt::Waits(ticket)
    }

    /// Takes the outcome of the password that is being verified, if there is one, and goes on to the next.
    pub fn take_outcomes(&mut self, now: Instant) {
        while let Some(outcome) = self.helper.take_outcome() {
            if let Some(ticket) = self.current.take() {
                self.finish(&ticket, outcome, now);
            }
            self.ask_next();
        }
    }

    fn ask_next(&mut self) {
        while self.current.is_none()
            && let Some(ticket) = self.waiting.pop_front()
        {
            if ticket.is_gone.get() {
                continue;
            }
            if self.helper.verify(&ticket.hash, &ticket.password) {
                self.current = Some(ticket);
            } else {
                ticket.settle(LoginOutcome::Unknown);
            }
        }
    }

    fn finish(&mut self, ticket: &LoginTicket, outcome: PasswordOutcome, now: Instant) {
        let admission = match outcome {
            PasswordOutcome::Right if ticket.is_decoy => LoginOutcome::Refused,
            PasswordOutcome::Right => LoginOutcome::Granted,
            PasswordOutcome::Wrong => LoginOutcome::Refused,
            PasswordOutcome::Failed => LoginOutcome::Unknown,
        };
        if admission != LoginOutcome::Refused
            && let Peer::Ip(address) = ticket.peer
        {
            self.attempts.give_back(address, now);
        }
        if admission == LoginOutcome::Granted {
            self.remember(ticket.key, now);
        }
        ticket.settle(admission);
    }

    fn remember(&mut self, key: LoginKey, now: Instant) {
        if self.remembered.insert(key, now + LIFETIME).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > MOST_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.remembered.remove(&oldest);
        }
    }
}

impl LoginTicket {
    fn settle(&self, admission: LoginOutcome) {
        self.outcome.set(Some(admission));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The outcome, if it is there.
    #[cfg(feature = "panel")]
    pub fn outcome(&self) -> Option<LoginOutcome> {
        self.outcome.get()
    }

    /// Has the request of this waker polled again once the outcome is there.
    #[cfg(feature = "panel")]
    pub fn wake_by(&self, waker: Waker) {
        self.waker.replace(Some(waker));
    }

    /// The password need not be verified any more.
    #[cfg(feature = "panel")]
    pub fn give_up(&self) {
        self.is_gone.set(true);
    }

    /// An exchange that waits for the outcome, and then has the request asked for again.
    pub fn gate<F: Files>(self: Rc<Self>, desk: &mut Desk<'_>) -> Box<dyn Exchange<F>> {
        self.waker.replace(Some(desk.waker()));
        Box::new(LoginGate(self))
    }
}

/// A request whose password is being verified.
struct LoginGate(Rc<LoginTicket>);

impl<F: Files> Exchange<F> for LoginGate {
    fn receive(&mut self, part: Part<'_>, _: &mut Desk<'_>) {
        if let Part::Gone = part {
            self.0.is_gone.set(true);
        }
    }

    /// As much as the connection's window lets come: the handler behind the gate has a limit of its own.
    fn content_limit(&self) -> Option<u64> {
        Some(u64::MAX)
    }

    fn asks_again(&self) -> bool {
        true
    }

    fn poll(&mut self, _: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        Ok(match self.0.outcome.get() {
            Some(admission) => Step::AskAgain(admission),
            None => Step::Wait(Until::Woken),
        })
    }
}

/// The user and the password of `Authorization: Basic` (RFC 7617 §2).
fn credentials(fields: &Fields) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = fields.value("authorization")?;
    let (scheme, token) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(token.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (name, password) = decoded.split_at(colon);
    Some((name.into(), password.get(1..)?.into()))
}

#[cfg(test)]
mod tests;
