//! Looks into connections, in slices that are short beside the turns of other connections.

use std::time::Duration;

use super::EventLoop;
use crate::inspect::{ConnectionList, Look, LookReply, Watch, WatchForm};
use crate::panics;
use crate::server::connection::Connection;
use crate::world::World;

/// Time of one slice of a look at all connections: no longer than a turn of one of them.
const SLICE: Duration = Duration::from_micros(200);

/// Connections, or free slots, between two looks at the clock, which are 5 µs.
const BETWEEN_LOOKS: u32 = 32;

impl<W: World + 'static> EventLoop<W> {
    /// Goes on with a look at connections. Handlers may be asked for something, and a panic of theirs ends
    /// the look.
    pub fn look(&mut self, look: &mut Look) -> LookReply {
        match panics::catch(|| self.look_on(look)) {
            Ok(reply) => reply,
            Err(panic) => {
                self.services
                    .report_panic("a look into connections", &panic);
                LookReply::Gone
            }
        }
    }

    /// Begins to watch the connection of this number. Its round trip is measured. `None` if there is no such
    /// connection, or it has too many watches.
    pub fn watch(&mut self, id: u32, form: WatchForm) -> Option<Watch> {
        let token = self.connections.named(id)?;
        let connection = self.connections.value(token)?;
        let (watch, tap) = Watch::begin(id, self.world.now(), form);
        let is_told = connection.watch(tap, &self.services);
        self.give_turn(token, Connection::measure_round_trip);
        is_told.then_some(watch)
    }

    fn look_on(&self, look: &mut Look) -> LookReply {
        match look {
            Look::List(listing) => self.list(listing),
            Look::One(id) => {
                let token = self.connections.named(*id);
                let found = token.and_then(|token| self.connections.at(token.index));
                let Some((token, connection)) = found else {
                    return LookReply::Gone;
                };
                let held = self.ledger.held(token.index);
                let summary = connection.summary(*id, held, self.services.now);
                let whole = connection.whole(summary, &self.services.http2.budgets);
                LookReply::Json(whole.json())
            }
        }
    }

    /// Looks at the next connections of a list, for a slice of time.
    fn list(&self, listing: &mut ConnectionList) -> LookReply {
        let end = self.world.now() + SLICE;
        while listing.next < self.connections.end() {
            for index in listing.next..listing.next + BETWEEN_LOOKS {
                let Some((token, connection)) = self.connections.at(index) else {
                    continue;
                };
                if listing.lets_pass(connection.peer(), connection.host()) {
                    let held = self.ledger.held(index);
                    listing.add(connection.summary(token.serial, held, self.services.now));
                }
            }
            listing.next += BETWEEN_LOOKS;
            if self.world.now() >= end && listing.next < self.connections.end() {
                return LookReply::Unfinished;
            }
        }
        LookReply::Json(listing.finish())
    }
}
