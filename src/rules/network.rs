//! Networks of addresses, in the form of `10.0.0.0/8`.

use std::net::IpAddr;

use crate::world::Peer;

/// The addresses that a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Addresses of IPv4 that begin with these bits.
    V4 {
        /// The first address.
        first: u32,
        /// The number of bits.
        bits: u32,
    },
    /// Addresses of IPv6 that begin with these bits.
    V6 {
        /// The first address.
        first: u128,
        /// The number of bits.
        bits: u32,
    },
    /// Clients of a Unix socket, which have no address.
    Unix,
}

impl Network {
    /// Reads an address, an address with a number of bits, or `unix`.
    pub fn parse(text: &str) -> Result<Network, String> {
        if text == "unix" {
            return Ok(Network::Unix);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| {
            format!("'{text}' is no network; write 10.0.0.0/8, 2001:db8::/32, an address or unix")
        })?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits.map(str::parse) {
            None => longest,
            Some(Ok(bits)) if bits <= longest => bits,
            Some(_) => return Err(format!("behind the slash stand 0 to {longest} bits")),
        };
        let network = match address {
            IpAddr::V4(address) => Network::V4 {
                first: address.to_bits(),
                bits,
            },
            IpAddr::V6(address) => Network::V6 {
                first: address.to_bits(),
                bits,
            },
        };
        if !network.has_zeros() {
            return Err(format!(
                "'{text}' has bits behind the first {bits}; leave them zero"
            ));
        }
        Ok(network)
    }

    /// True if no bit is set behind those that count.
    fn has_zeros(self) -> bool {
        match self {
            Network::V4 { first, bits } => first.checked_shl(bits).unwrap_or(0) == 0,
            Network::V6 { first, bits } => first.checked_shl(bits).unwrap_or(0) == 0,
            Network::Unix => true,
        }
    }

    /// True for a peer of the network. An IPv4 address that came over an IPv6 socket is one of IPv4.
    pub fn contains(self, peer: Peer) -> bool {
        let address = match peer {
            Peer::Unix => return self == Network::Unix,
            Peer::Ip(address) => address.to_canonical(),
        };
        match (self, address) {
            (Network::V4 { first, bits }, IpAddr::V4(address)) => {
                (first ^ address.to_bits())
                    .checked_shr(32 - bits)
                    .unwrap_or(0)
                    == 0
            }
            (Network::V6 { first, bits }, IpAddr::V6(address)) => {
                (first ^ address.to_bits())
                    .checked_shr(128 - bits)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_the_addresses_that_begin_as_they_do() {
        for (network, peer, is_in) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "2001:db8::1", false),
            ("127.0.0.2", "127.0.0.2", true),
            ("127.0.0.2", "127.0.0.3", false),
            ("192.168.1.128/25", "192.168.1.127", false),
            ("192.168.1.128/25", "192.168.1.200", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("::1", "::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("unix", "1.2.3.4", false),
        ] {
            let found = Network::parse(network)
                .unwrap()
                .contains(Peer::Ip(peer.parse().unwrap()));
            assert_eq!(found, is_in, "{network} {peer}");
        }
        assert!(Network::parse("unix").unwrap().contains(Peer::Unix));
        assert!(!Network::parse("::/0").unwrap().contains(Peer::Unix));
    }

    #[test]
    fn a_wrong_network_is_told_with_the_mend() {
        for (text, said) in [
            (
                "10.0.0",
                "'10.0.0' is no network; write 10.0.0.0/8, 2001:db8::/32, an address or unix",
            ),
            ("10.0.0.0/33", "behind the slash stand 0 to 32 bits"),
            ("::/x", "behind the slash stand 0 to 128 bits"),
            (
                "10.0.0.1/8",
                "'10.0.0.1/8' has bits behind the first 8; leave them zero",
            ),
        ] {
            assert_eq!(Network::parse(text).unwrap_err(), said);
        }
    }
}
