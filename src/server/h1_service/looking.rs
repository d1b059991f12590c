//! HTTP/1.1 on a connection, as those see it who look into the connection.

use super::H1Service;
#[cfg(feature = "panel")]
use crate::inspect::RequestWhole;
use crate::server::obstacle::Obstacle;
use crate::world::Files;

impl<F: Files> H1Service<F> {
    /// The obstacle to the open response; `is_full` says that the socket takes no more.
    pub(in crate::server) fn obstacle(&self, is_full: bool) -> Option<Obstacle> {
        let active = self.active.as_ref()?;
        Obstacle::of(active).or(is_full.then_some(Obstacle::Socket))
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
