//! One connection's turn, what it wants next, and what becomes of the tables when it is gone.
//!
//! A panic in a turn is caught here. The connection, whatever state it is in, is only dropped after it,
//! and what turns share is made anew, so nothing half changed is used any more.

use super::{Accepting, EventLoop};
#[cfg(debug_assertions)]
use crate::exchange::Wake;
use crate::panics::{self, Panic};
#[cfg(debug_assertions)]
use crate::server::connection::Prospect;
use crate::server::connection::{Connection, Wish};
use crate::server::ledger::Standing;
use crate::server::lent::Lent;
use crate::server::listener_role::ListenerRole;
use crate::server::slots::Weight;
use crate::server::turn::{REQUEST_EFFORT, Turn};
use crate::world::{FileReads, Outside, Token, World};
use std::time::{Duration, Instant};

/// Effort in bytes beyond which a turn is heavy: a page with its style, or sixteen requests.
const HEAVY: usize = 32 << 10;

/// The end of a connection's turn.
struct Outcome {
    wish: Wish,
    is_handshaking: bool,
    deadline: Option<Instant>,
    memory: usize,
    standing: Standing,
}

impl<W: World + 'static> EventLoop<W> {
    /// Gives a connection of the queue a turn.
    pub(super) fn take_queued(&mut self, token: Option<Token>) {
        if let Some(token) = token {
            self.connections.unqueue(token);
            if self.scrapers > 0 && !self.has_observed(token) {
                self.enqueue(token);
                return;
            }
            self.with(token, Connection::take_turn);
        }
    }

    /// Gives a connection a turn and sees to what it wants next. A panic in it ends this connection
    /// and no other.
    pub(super) fn give_turn(
        &mut self,
        token: Token,
        act: impl FnOnce(
            &mut Connection<W::Socket, W::Files>,
            &mut Outside<W::Socket, W::Files>,
            &mut Turn<'_, W::Files>,
        ) -> Wish,
    ) {
        #[cfg(feature = "panel")]
        if self.scrapers > 0 {
            self.observe_for(token);
        }
        let weight = self.connections.weight(token);
        let Some(connection) = self.connections.value(token) else {
            return;
        };
        let limits = &self.services.limits;
        // One that turns out to want much goes on behind those that do not.
        let file_effort = match weight {
            Weight::Heavy => limits.turn_file_effort,
            Weight::Light | Weight::Unknown => HEAVY,
        };
        let most_requests = match weight {
            Weight::Light | Weight::Unknown if self.effort.is_begun() => HEAVY / REQUEST_EFFORT,
            _ => limits.turn_requests,
        };
        let ledger = &self.ledger;
        let piece = ledger.piece(limits.least_output_bytes, limits.output_bytes);
        let (world, services, lent) = (&mut self.world, &mut self.services, &mut self.lent);
        let mut turn = Turn::new(token, services, lent, piece, file_effort);
        turn.most_requests = most_requests;
        let was_handshaking = connection.is_handshaking();
        let outcome = panics::catch(|| {
            let wish = act(connection, world, &mut turn);
            Outcome {
                wish,
                is_handshaking: wish != Wish::Closed && connection.is_handshaking(),
                deadline: connection.next_deadline(&turn.services.timeouts),
                memory: connection.memory(),
                standing: connection.standing(),
            }
        });
        turn.charge_time(|| world.now());
        let (effort, moved) = (turn.effort, turn.moved);
        // A turn that moves nothing, or is the last, takes its time too.
        self.effort
            .charge(effort.max(REQUEST_EFFORT), || world.now());
        #[cfg(debug_assertions)]
        let on_files = file_effort - turn.file_effort;
        let is_handshaking = matches!(&outcome, Ok(outcome) if outcome.is_handshaking);
        if was_handshaking && !is_handshaking {
            self.handshaking -= 1;
        }
        let mut outcome = match outcome {
            Ok(outcome) => outcome,
            Err(panic) => return self.crash(token, &panic),
        };
        if outcome.wish == Wish::Closed {
            return self.forget(token);
        }
        if outcome.wish == Wish::Introduced {
            if !self.introduce(token) {
                return self.give_turn(token, Connection::close);
            }
            outcome.wish = Wish::Again;
        }
        #[cfg(debug_assertions)]
        self.assert_progress(token, &outcome, on_files);
        self.deadlines.set(token.index, outcome.deadline);
        match effort {
            // Nothing was done: it was registered, or found nothing.
            0 => {}
            1..=HEAVY => self.connections.note_light(token),
            _ => self.connections.note_heavy(token),
        }
        let Outcome {
            wish,
            memory,
            standing,
            ..
        } = outcome;
        let now = self.services.now;
        self.ledger.enter(token.index, memory, standing, moved, now);
        if wish == Wish::Again {
            self.enqueue(token);
        }
    }

    /// Asserts that the turn, with this effort on files, has made progress, or that the connection will have
    /// another one. No panic of it is caught here: it is ours, and not the peer's.
    #[cfg(debug_assertions)]
    fn assert_progress(&mut self, token: Token, outcome: &Outcome, on_files: usize) {
        let of_it = |wake: &Wake| wake.place.connection == token;
        let prospect = Prospect {
            is_queued: self.connections.is_queued(token),
            has_wake: self.services.means.wakes.has_retry(token) || self.wakes.iter().any(of_it),
            deadline: outcome.deadline,
        };
        if let Some(connection) = self.connections.value(token) {
            connection.count_work(on_files);
            connection.assert_progress(outcome.wish, prospect, &self.services);
        }
    }

    /// Takes the answers of the helper process: requests that wait for them go on.
    pub(super) fn take_help(&mut self) {
        while let Some(answer) = self.services.routes.reads().take_answer() {
            match self.services.means.wakes.take_helped(answer.id) {
                Some(wake) => {
                    self.services.disk_waits.count_answer(answer.outcome);
                    self.wakes.push_back(wake);
                }
                None => {
                    if let Err(panic) = panics::catch(|| self.services.routes.handle_help(answer)) {
                        self.recover();
                        self.services.report_panic("hashing", &panic);
                    }
                }
            }
        }
    }

    /// Does a slice of the work that no connection waits for, once a turn. No connection is charged with it.
    pub(super) fn work_behind(&mut self) {
        if self.services.routes.next_work().is_none() {
            return;
        }
        if let Err(panic) = panics::catch(|| self.services.routes.work()) {
            self.recover();
            self.services.report_panic("hashing", &panic);
        }
        if self.services.routes.reads().help_timeout() == Some(Duration::ZERO) {
            self.take_help();
        }
    }

    /// Makes anew what a turn that panicked may have left half done: what was lent to its connection, and
    /// what it may have been about to change.
    pub(super) fn recover(&mut self) {
        self.lent = Lent::new();
        self.services.recover();
    }

    /// A connection's turn has panicked: the connection goes, and what it may have left half done in
    /// what all share is made anew.
    fn crash(&mut self, token: Token, panic: &Panic) {
        self.recover();
        if let Some(connection) = self.connections.value(token) {
            let peer = connection.peer();
            connection.reset_within_content(&mut self.world);
            self.services.report_panic(peer, panic);
        }
        self.forget(token);
    }

    /// Enters in the ledger what a connection holds and does now, and has moved.
    pub(super) fn account(&mut self, token: Token, moved: usize) {
        let Some(connection) = self.connections.value(token) else {
            return;
        };
        let was_handshaking = connection.is_handshaking();
        // A handler is asked for what it holds.
        match panics::catch(|| (connection.memory(), connection.standing())) {
            Ok((memory, standing)) => {
                let ledger = &mut self.ledger;
                ledger.enter(token.index, memory, standing, moved, self.services.now);
            }
            Err(panic) => {
                self.handshaking -= usize::from(was_handshaking);
                self.crash(token, &panic);
            }
        }
    }

    /// A connection was closed.
    fn forget(&mut self, token: Token) {
        self.deadlines.set(token.index, None);
        self.ledger.clear(token.index);
        if let Some(connection) = self.connections.value(token) {
            log::debug!("{} #{}: closed", connection.peer(), token.serial);
            if connection.is_counted() {
                self.addresses.leave(connection.peer());
            }
            self.scrapers -= usize::from(connection.role() != ListenerRole::Public);
        }
        let connection = self.connections.remove(token);
        if let Err(panic) = panics::catch(|| drop(connection)) {
            self.recover();
            self.services.report_panic("a closed connection", &panic);
        }
        self.accepting = Accepting::Open;
        debug_assert!(self.handshaking == 0 || self.connections.count() > 0);
    }
}
