//! Number of connections of each address, limited so that no address takes the places of all others.
//!
//! A client that has one IPv6 address usually has a whole /64, so a /64 counts as one address. Peers
//! over a Unix socket or a loopback address are on this machine and belong to the operator: a proxy in
//! front of the server, or a load test. They are not counted. The table has an entry for each address
//! that has a connection, and no other.

use crate::world::Peer;
use std::collections::HashMap;
use std::net::IpAddr;

/// Number of addresses for which room is kept. Room beyond it, which a crowd needed, is given back
/// after the crowd.
const ROOM: usize = 64;

/// An address or network whose connections are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum AddressGroup {
    /// An IPv4 address.
    V4([u8; 4]),
    /// The network part of IPv6 addresses.
    V6([u8; 8]),
}

/// The number of connections of each address. The peers choose their addresses, so the hash must be
/// keyed at random, as the standard library's is.
pub struct AddressCounts {
    counts: HashMap<AddressGroup, u32>,
    /// The most connections of one address; 0 is no limit.
    limit: u32,
}

impl AddressCounts {
    /// A table without connections.
    pub fn new(limit: u32) -> Self {
        AddressCounts {
            counts: HashMap::new(),
            limit,
        }
    }

    /// Counts one more connection of a peer. Returns false, and counts nothing, if its address has as
    /// many as it may.
    pub fn enter(&mut self, peer: Peer) -> bool {
        let Some(host) = self.host(peer) else {
            return true;
        };
        let count = self.counts.entry(host).or_default();
        let room = *count < self.limit;
        *count += u32::from(room);
        room
    }

    /// Uncounts a connection that has ended.
    pub fn leave(&mut self, peer: Peer) {
        let Some(host) = self.host(peer) else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&host);
                if self.counts.len() < self.counts.capacity() / 4 {
                    self.counts.shrink_to(ROOM.max(self.counts.len() * 2));
                }
            }
        }
    }

    /// The number of connections that a peer's address has.
    #[cfg(test)]
    pub fn count(&self, peer: Peer) -> u32 {
        let host = self.host(peer);
        host.and_then(|host| self.counts.get(&host))
            .copied()
            .unwrap_or(0)
    }

    /// The address or network that a peer is counted under, if it is counted.
    fn host(&self, peer: Peer) -> Option<AddressGroup> {
        match peer {
            _ if self.limit == 0 => None,
            Peer::Unix => None,
            Peer::Ip(address) if address.is_loopback() => None,
            Peer::Ip(IpAddr::V4(address)) => Some(AddressGroup::V4(address.octets())),
            Peer::Ip(IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Some(AddressGroup::V6([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::Ip(address.parse().expect("an address"))
    }

    #[test]
    fn an_address_has_as_many_connections_as_it_may_and_one_more_when_one_is_gone() {
        let mut addresses = AddressCounts::new(2);
        let (one, other) = (peer("192.0.2.1"), peer("192.0.2.2"));
        assert!(addresses.enter(one) && addresses.enter(one));
        assert!(!addresses.enter(one));
        assert!(addresses.enter(other));
        addresses.leave(one);
        assert!(addresses.enter(one));
        assert!(!addresses.enter(one));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let mut addresses = AddressCounts::new(1);
        assert!(addresses.enter(peer("2001:db8:0:1::1")));
        assert!(!addresses.enter(peer("2001:db8:0:1:ffff::2")));
        assert!(addresses.enter(peer("2001:db8:0:2::1")));
    }

    #[test]
    fn who_is_on_this_machine_is_not_counted_nor_anybody_without_a_limit() {
        let mut addresses = AddressCounts::new(1);
        for own in [
            Peer::Unix,
            peer("127.0.0.1"),
            peer("127.8.8.8"),
            peer("::1"),
        ] {
            assert!(addresses.enter(own) && addresses.enter(own));
            addresses.leave(own);
        }
        let mut unlimited = AddressCounts::new(0);
        assert!(unlimited.enter(peer("192.0.2.1")) && unlimited.enter(peer("192.0.2.1")));
        assert!(addresses.counts.is_empty() && unlimited.counts.is_empty());
    }

    #[test]
    fn addresses_without_connections_take_no_memory() {
        let mut addresses = AddressCounts::new(8);
        let peers: Vec<Peer> = (0..5_000u32)
            .map(|number| Peer::Ip(IpAddr::from((0x0a00_0000 + number).to_be_bytes())))
            .collect();
        for &peer in &peers {
            assert!(addresses.enter(peer));
        }
        for &peer in &peers {
            addresses.leave(peer);
        }
        assert!(addresses.counts.is_empty());
        assert!(addresses.counts.capacity() <= 4 * ROOM);
    }
}
