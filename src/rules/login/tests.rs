//! The queue of passwords, with a helper that the test plays.

use super::*;
use crate::exchange::Request;
use crate::http::Scheme;
use std::path::Path;

/// A hash, and the password that was to be compared with it.
type AskedHash = (String, Vec<u8>);

#[derive(Clone, Debug, Default)]
struct Played {
    asked: Rc<RefCell<Vec<AskedHash>>>,
    outcomes: Rc<RefCell<VecDeque<PasswordOutcome>>>,
}

impl PasswordHelper for Played {
    fn verify(&mut self, hash: &str, password: &[u8]) -> bool {
        self.asked.borrow_mut().push((hash.into(), password.into()));
        true
    }

    fn take_outcome(&mut self) -> Option<PasswordOutcome> {
        self.outcomes.borrow_mut().pop_front()
    }
}

const HASH: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

struct Desktop {
    queue: LoginQueue,
    helper: Played,
    users: Users,
    now: Instant,
}

impl Desktop {
    fn new() -> Self {
        let helper = Played::default();
        Desktop {
            queue: LoginQueue::new(Box::new(helper.clone())),
            helper,
            users: Users::parse(Path::new("f"), format!("a:{HASH}\n").as_bytes()).unwrap(),
            now: Instant::now(),
        }
    }

    fn check(&mut self, authorization: &str, peer: &str) -> LoginAttempt {
        let fields: Fields = [(":path", "/"), ("authorization", authorization)]
            .into_iter()
            .collect();
        let peer = Peer::Ip(peer.parse().unwrap());
        let visit = Visit {
            request: &Request::new(&fields, peer),
            path: b"/",
            scheme: Scheme::Https,
        };
        self.queue.check(&self.users, &visit, None, self.now)
    }

    fn basic(&mut self, credentials: &str) -> LoginAttempt {
        self.check(
            &format!("Basic {}", STANDARD.encode(credentials)),
            "10.0.0.1",
        )
    }

    fn tell(&mut self, outcome: PasswordOutcome) {
        self.helper.outcomes.borrow_mut().push_back(outcome);
        self.queue.take_outcomes(self.now);
    }
}

fn ticket(login: LoginAttempt) -> Rc<LoginTicket> {
    match login {
        LoginAttempt::Waits(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_password_is_verified_once_and_then_remembered_for_its_time() {
    let mut desk = Desktop::new();
    let first = ticket(desk.basic("a:secret"));
    assert_eq!(
        *desk.helper.asked.borrow(),
        [(HASH.to_owned(), b"secret".to_vec())]
    );
    desk.tell(PasswordOutcome::Right);
    assert_eq!(first.outcome.get(), Some(LoginOutcome::Granted));
    assert!(matches!(desk.basic("a:secret"), LoginAttempt::Known));
    assert!(matches!(desk.basic("a:Secret"), LoginAttempt::Waits(_)));
    desk.tell(PasswordOutcome::Wrong);
    desk.now += LIFETIME;
    assert!(matches!(desk.basic("a:secret"), LoginAttempt::Waits(_)));
}

#[test]
fn nobody_who_is_not_in_the_file_is_let_in_and_the_time_is_the_same() {
    let mut desk = Desktop::new();
    let stranger = ticket(desk.basic("b:secret"));
    // The same hash is asked for, and even a right one lets nobody in.
    assert_eq!(
        *desk.helper.asked.borrow(),
        [(HASH.to_owned(), b"secret".to_vec())]
    );
    desk.tell(PasswordOutcome::Right);
    assert_eq!(stranger.outcome.get(), Some(LoginOutcome::Refused));
    assert!(matches!(desk.basic("b:secret"), LoginAttempt::Waits(_)));
}

#[test]
fn credentials_that_are_none_are_refused_at_once() {
    let mut desk = Desktop::new();
    for value in [
        "",
        "Basic",
        "Basic ",
        "Bearer YTpi",
        "Basic !!",
        "Basic YQ==",
        "basic",
    ] {
        assert!(
            matches!(desk.check(value, "10.0.0.1"), LoginAttempt::Refused),
            "{value}"
        );
    }
    let long = format!("a:{}", "x".repeat(LONGEST_PASSWORD + 1));
    assert!(matches!(desk.basic(&long), LoginAttempt::Refused));
    assert!(matches!(
        desk.check("bAsIc  YTpi ", "10.0.0.1"),
        LoginAttempt::Waits(_)
    ));
    assert_eq!(desk.helper.asked.borrow().len(), 1);
}

#[test]
fn one_password_is_verified_at_a_time_and_the_queue_has_an_end() {
    let mut desk = Desktop::new();
    let mut tickets = Vec::new();
    for n in 0..=MOST_WAITING {
        let peer = format!("10.0.{n}.1");
        let value = format!("Basic {}", STANDARD.encode(format!("a:{n}")));
        tickets.push(ticket(desk.check(&value, &peer)));
    }
    assert!(matches!(
        desk.check("Basic YTpi", "10.1.0.1"),
        LoginAttempt::Busy
    ));
    assert_eq!(desk.helper.asked.borrow().len(), 1);
    desk.tell(PasswordOutcome::Failed);
    assert_eq!(tickets[0].outcome.get(), Some(LoginOutcome::Unknown));
    assert_eq!(desk.helper.asked.borrow().len(), 2);
    // A client that has gone is passed over.
    tickets[2].is_gone.set(true);
    desk.tell(PasswordOutcome::Wrong);
    assert_eq!(desk.helper.asked.borrow().last().unwrap().1, b"3");
}

#[test]
fn an_address_that_guesses_has_to_wait_and_others_need_not() {
    let mut desk = Desktop::new();
    for n in 0..MOST_ATTEMPTS as u32 {
        drop(ticket(desk.basic(&format!("a:{n}"))));
        desk.tell(PasswordOutcome::Wrong);
    }
    let LoginAttempt::TooMany(wait) = desk.basic("a:more") else {
        panic!("it may guess on");
    };
    assert!(wait <= Duration::from_secs(3));
    assert!(matches!(
        desk.check("Basic YTpi", "10.0.0.2"),
        LoginAttempt::Waits(_)
    ));
    desk.tell(PasswordOutcome::Wrong);
    desk.now += Duration::from_secs(3);
    drop(ticket(desk.basic("a:secret")));
    desk.tell(PasswordOutcome::Right);
    // A right one does not count.
    assert!(matches!(desk.basic("a:other"), LoginAttempt::Waits(_)));
}

#[test]
fn what_is_remembered_has_a_bound() {
    let mut desk = Desktop::new();
    for n in 0..2 * MOST_REMEMBERED as u64 {
        desk.queue.remember((n, n), desk.now);
    }
    assert_eq!(desk.queue.remembered.len(), MOST_REMEMBERED);
    assert_eq!(desk.queue.order.len(), MOST_REMEMBERED);
}
