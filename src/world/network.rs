//! Networks of addresses, and sets of peers by their addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::Peer;

/// The addresses that begin with the same bits, written `10.0.0.0/8`; one address is a network of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    /// The first address.
    first: IpAddr,
    /// Number of bits that all addresses begin with.
    bits: u8,
}

impl AddressBlock {
    /// True if the address, plain or mapped into IPv6, is one of the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                v4_prefix(address, self.bits) == first.to_bits()
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                v6_prefix(address, self.bits) == first.to_bits()
            }
            _ => false,
        }
    }
}

/// The first `bits` of an address, with zeros behind them.
fn v4_prefix(address: Ipv4Addr, bits: u8) -> u32 {
    let behind = u32::BITS - u32::from(bits);
    address.to_bits() & u32::MAX.checked_shl(behind).unwrap_or(0)
}

/// The first `bits` of an address, with zeros behind them.
fn v6_prefix(address: Ipv6Addr, bits: u8) -> u128 {
    let behind = u128::BITS - u32::from(bits);
    address.to_bits() & u128::MAX.checked_shl(behind).unwrap_or(0)
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl FromStr for AddressBlock {
    type Err = String;

    /// The error says what would be right.
    fn from_str(text: &str) -> Result<AddressBlock, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let wrong = || {
            format!(
                "'{text}' is no network, write an address such as 192.0.2.1 or a network such as 10.0.0.0/8"
            )
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().map_err(|_| wrong())?,
        };
        if bits > most {
            return Err(format!(
                "'{text}' has more bits than its address, which has {most}"
            ));
        }
        // Peers over IPv4 are never told as mapped addresses.
        let (address, bits) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(mapped)) if bits >= 96 => (IpAddr::V4(mapped), bits - 96),
            _ => (address, bits),
        };
        let first = match address {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(v4_prefix(address, bits))),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(v6_prefix(address, bits))),
        };
        if first != address {
            return Err(format!(
                "'{text}' has bits behind its first {bits}, write {first}/{bits}"
            ));
        }
        Ok(AddressBlock { first, bits })
    }
}

/// A set of peers: networks, and every process on this machine that connects over a Unix socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerSet(Vec<PeerPattern>);

/// Peers of a [`PeerSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerPattern {
    AddressBlock(AddressBlock),
    Unix,
}

impl PeerSet {
    /// True if no peer is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if the peer is in the set.
    pub fn contains(&self, peer: Peer) -> bool {
        self.0.iter().any(|pattern| match (pattern, peer) {
            (PeerPattern::Unix, Peer::Unix) => true,
            (PeerPattern::AddressBlock(network), Peer::Ip(address)) => network.contains(address),
            _ => false,
        })
    }

    /// True if peers over a Unix socket are in the set.
    pub fn has_unix(&self) -> bool {
        self.0.contains(&PeerPattern::Unix)
    }

    /// True if peers with addresses are in the set.
    pub fn has_networks(&self) -> bool {
        let is_network = |pattern: &PeerPattern| matches!(pattern, PeerPattern::AddressBlock(_));
        self.0.iter().any(is_network)
    }

    /// Adds peers, written as a network, an address, or `unix`. The error says what would be right.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        self.0.push(match text {
            "unix" => PeerPattern::Unix,
            _ => PeerPattern::AddressBlock(text.parse()?),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network: AddressBlock = network.parse().unwrap();
        network.contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_with_its_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "255.1.2.3", "2001:db8::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.1.1.1"),
            ("::ffff:10.0.0.0/104", "10.1.1.1", "11.1.1.1"),
        ] {
            assert!(contains(network, inside), "{network} {inside}");
            assert!(!contains(network, outside), "{network} {outside}");
        }
    }

    #[test]
    fn a_wrong_network_is_told_what_would_be_right() {
        for (text, part) in [
            ("", "write an address"),
            ("example.org", "write an address"),
            ("10.0.0.0/", "write an address"),
            ("10.0.0.0/8/8", "write an address"),
            ("10.0.0.0/-1", "write an address"),
            ("10.0.0.0/33", "more bits than its address, which has 32"),
            ("::/129", "which has 128"),
            ("10.0.0.1/8", "write 10.0.0.0/8"),
            ("2001:db8::1/32", "write 2001:db8::/32"),
        ] {
            let error = text.parse::<AddressBlock>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(
            "::ffff:10.0.0.0/104"
                .parse::<AddressBlock>()
                .unwrap()
                .to_string(),
            "10.0.0.0/8"
        );
    }

    #[test]
    fn a_set_of_peers_tells_unix_sockets_from_networks() {
        let mut peers = PeerSet::default();
        assert!(peers.is_empty() && !peers.contains(Peer::Unix));
        peers.add("10.0.0.0/8").unwrap();
        assert!(peers.contains(Peer::Ip("10.1.2.3".parse().unwrap())));
        assert!(!peers.contains(Peer::Unix) && !peers.has_unix() && peers.has_networks());
        peers.add("unix").unwrap();
        assert!(peers.contains(Peer::Unix) && peers.has_unix());
        assert!(peers.add("Unix").is_err());
    }
}
