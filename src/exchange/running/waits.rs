//! The waits of an exchange: for its request, for a time, for others, and behind the end of its response.

use std::time::{Duration, Instant};

use super::{LONGEST_WAIT, ResponseSide, Running, SHORTEST_WAIT, Wait};
use crate::exchange::dialogue::Until;
use crate::exchange::failure::Failure;
use crate::exchange::kept::Reception;
use crate::world::Files;

impl<F: Files> Running<F> {
    /// The response has ended: true if the request goes on, and a part of it or a wake is waited for.
    pub(in crate::exchange) fn outlasts_response(&mut self, now: Instant) -> bool {
        let goes_on = self.exchange.is_tunnel();
        if goes_on {
            self.side = ResponseSide::Ended;
            self.wait = Wait::Other { poll: None };
            self.end = Some(now + LONGEST_WAIT);
        }
        goes_on
    }

    /// True if the response has ended and its request went on.
    pub(in crate::exchange) fn has_ended(&self) -> bool {
        self.side == ResponseSide::Ended
    }

    /// Notes a wait of at most `most`. A wait that goes on keeps its first end, and fails after it.
    ///
    /// The protocol keeps the peer's time where more of the request can come. An exchange that holds much
    /// content may have shut the window with it, and then the time is its own.
    pub(super) fn wait_for(
        &mut self,
        until: Until,
        most: Duration,
        now: Instant,
    ) -> Result<(), Failure> {
        let is_open = self.arrival == Reception::Open;
        self.wait = match until {
            Until::Request if is_open && self.exchange.held() < self.hold => Wait::Peer,
            Until::Request | Until::Disk | Until::Woken => Wait::Other { poll: None },
            Until::Time(time) => Wait::Other {
                poll: Some(time.max(now + SHORTEST_WAIT)),
            },
            Until::Pace(time) => {
                self.end = None;
                Wait::Paced {
                    poll: time.max(now + SHORTEST_WAIT),
                }
            }
        };
        if self.waits_for_other() {
            self.end.get_or_insert(now + most.min(LONGEST_WAIT));
        }
        if self.is_late(now) {
            return Err(Failure::late());
        }
        Ok(())
    }
}
