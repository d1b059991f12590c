//! HTTP/1.1 on a connection, as those see it who look into the connection.

use super::H1Service;
use crate::h2::Direction;
use crate::http::Field;
#[cfg(feature = "panel")]
use crate::inspect::RequestWhole;
use crate::server::obstacle::Obstacle;
use crate::server::peer_name::PeerName;
#[cfg(feature = "panel")]
use crate::server::taps::Taps;
use crate::server::trace;
use crate::world::Files;

impl<F: Files> H1Service<F> {
    /// The obstacle to the open response; `is_full` says that the socket takes no more.
    pub(in crate::server) fn obstacle(&self, is_full: bool) -> Option<Obstacle> {
        let active = self.active.as_ref()?;
        Obstacle::of(active).or(is_full.then_some(Obstacle::Socket))
    }

    /// The name of the connection in the log.
    pub(super) fn name(&self) -> PeerName {
        PeerName {
            peer: self.peer,
            id: self.id,
        }
    }

    /// Shows the head of a message to those who want to see it: the log at its lowest level, and taps.
    pub(super) fn show_head<'f>(
        &self,
        direction: Direction,
        line: &str,
        fields: impl Iterator<Item = Field<'f>> + Clone,
    ) {
        if trace::is_on() {
            trace::head(self.name(), direction, line, fields.clone());
        }
        self.taps.show_head(direction, line, fields);
    }

    /// Shows heads to these taps.
    #[cfg(feature = "panel")]
    pub(in crate::server) fn tap(&mut self, taps: &Taps) {
        self.taps = taps.clone();
    }

    /// The open request.
    #[cfg(feature = "panel")]
    pub(in crate::server) fn whole(&self, is_full: bool) -> Option<RequestWhole> {
        let active = self.active.as_ref()?;
        let (received, sent) = active.moved();
        Some(RequestWhole {
            queued: active.remaining(),
            sent,
            received,
            blocked_by: self.obstacle(is_full).map(Obstacle::name),
        })
    }
}
