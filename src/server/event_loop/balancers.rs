//! Listeners behind balancers: their connections begin with a PROXY header, and are counted under the address
//! that it tells.

use super::EventLoop;
use crate::server::connection::Connection;
use crate::server::limit_log::Limit;
use crate::world::{Peer, PeerSet, Token, World};

impl<W: World + 'static> EventLoop<W> {
    /// Takes connections by the listener of this number from these balancers alone, and none without a PROXY header.
    /// With an empty set, the listener takes connections from all peers.
    pub fn set_balancers(&mut self, listener: usize, balancers: PeerSet) {
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.balancers = balancers;
        }
    }

    /// Counts a newcomer by a listener under its address, or has it introduced first; false if it has to go.
    pub(super) fn let_in(
        &mut self,
        listener: usize,
        newcomer: &mut Connection<W::Socket, W::Files>,
    ) -> bool {
        let peer = newcomer.peer();
        let listener = self.listeners.get(listener);
        match listener.map(|listener| &listener.balancers) {
            Some(balancers) if !balancers.is_empty() => {
                if !balancers.contains(peer) {
                    let what = "not among the balancers of the listener (proxy=), closed";
                    self.services.report(Limit::ProxyHeader, peer, what);
                    return false;
                }
                newcomer.await_introduction(&self.services);
                true
            }
            _ => self.count(peer),
        }
    }

    /// Counts a connection under the address that its header told; false if it has to go.
    pub(super) fn introduce(&mut self, token: Token) -> bool {
        let Some(connection) = self.connections.value(token) else {
            return true;
        };
        if !connection.is_counted() {
            return true;
        }
        let peer = connection.peer();
        #[cfg(feature = "panel")]
        let is_blocked = self.is_blocked(peer);
        #[cfg(not(feature = "panel"))]
        let is_blocked = false;
        if !is_blocked && self.count(peer) {
            return true;
        }
        if let Some(connection) = self.connections.value(token) {
            connection.disown();
        }
        false
    }

    /// Counts one more connection of a peer; false if its address has as many as it may.
    fn count(&mut self, peer: Peer) -> bool {
        let has_room = self.addresses.enter(peer);
        if !has_room {
            let limit = Limit::ConnectionsPerAddress;
            self.services
                .report(limit, peer, "too many connections, refused");
        }
        has_room
    }
}
