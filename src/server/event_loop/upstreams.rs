//! Upstream connections within the loop's turns: their readiness, their share of a turn, their deadlines.

use super::EventLoop;
use crate::server::services::Services;
use crate::server::upstream::{Served, UpstreamTable};
use crate::world::{Files, Token, World};
use std::time::Duration;

/// The table of upstream connections, if there are upstreams.
pub(super) fn table<K, F: Files>(services: &mut Services<F>) -> Option<Box<UpstreamTable<K, F>>> {
    let (upstreams, limits) = &mut services.upstreams;
    if upstreams.is_empty() {
        return None;
    }
    let upstreams = std::mem::take(upstreams);
    let calls = services.means.calls.clone();
    let supply = services.routes.supply();
    let table = UpstreamTable::new(upstreams, limits.clone(), calls, supply, services.now);
    Some(Box::new(table))
}

impl<W: World + 'static> EventLoop<W> {
    /// Notes the readiness of a socket that was dialled.
    pub(super) fn note_upstream(&mut self, token: Token, readable: bool, read_closed: bool) {
        if let (Some(upstreams), Some(token)) = (&mut self.upstreams, token.dialled()) {
            upstreams.ready(token, readable, read_closed);
        }
    }

    /// Time until an upstream connection has something to do.
    pub(super) fn until_upstreams(&self) -> Option<Duration> {
        let upstreams = self.upstreams.as_ref()?;
        upstreams.until_next(self.services.now)
    }

    /// Enters what upstream connections hold.
    pub(super) fn account_upstreams(&mut self) {
        if let Some(upstreams) = &self.upstreams {
            self.ledger.set_beside(upstreams.held());
        }
    }

    /// Closes upstream connections that carry nothing while memory is short: no client notices.
    pub(super) fn spare_upstreams(&mut self) {
        if let Some(upstreams) = &mut self.upstreams
            && self.ledger.is_tight()
        {
            upstreams.close_unused();
            self.account_upstreams();
        }
    }

    /// Gives upstream connections their share of the turn. Clients send long content as soon as it comes.
    pub(super) fn serve_upstreams(&mut self) {
        let end = self.effort.share_end();
        let quick_end = self.effort.share_from_here();
        while self.serve_upstreams_until(end) == Served::Lent && self.effort.is_before(quick_end) {
            self.deliver_wakes();
        }
    }

    fn serve_upstreams_until(&mut self, end: usize) -> Served {
        let Some(upstreams) = &mut self.upstreams else {
            return Served::All;
        };
        let now = self.services.now;
        let buffers = &mut self.lent.buffers;
        let served = upstreams.serve(&mut self.world, buffers, now, &mut self.effort, end);
        for panic in upstreams.take_panics() {
            self.recover();
            self.services.report_panic("an upstream connection", &panic);
        }
        self.account_upstreams();
        served
    }
}
