//! The header of the PROXY protocol, with which a balancer introduces the client whose connection it hands on.
//!
//! ```text
//!  Direct                             no header is expected: the peer is the client
//!  Awaited ── a header ──▶ Client     the header has told the client, and the scheme it came by
//!     │  └─── a header ──▶ Own        the balancer's own connection, or a client that it cannot tell
//!     └── time, end, anything else ──▶ closed
//! ```
//!
//! Nothing else is taken before the header, not even a TLS handshake. What comes behind it, in the bytes of
//! one read, is kept for the next turn.

use super::{Connection, Left, Wish};
use crate::http::Scheme;
use crate::link::ProxyHeader;
use crate::server::lent::Buffers;
use crate::server::limit_log::Limit;
use crate::server::services::Services;
use crate::server::turn::Turn;
use crate::tls::records::room_behind;
use crate::world::{Files, Outside};
use std::io;

/// The origin of what is known of a connection's client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Introduction {
    /// The socket: no balancer is in front.
    Direct,
    /// A PROXY header, which is incomplete.
    Awaited,
    /// A PROXY header that tells of no client: the connection is the balancer's own, or so it seems.
    Own,
    /// A PROXY header that tells the client, which is counted under its address from then on.
    Client,
}

impl<K, F: Files> Connection<K, F> {
    /// Takes no byte before a PROXY header, which has the time of a TLS handshake.
    pub fn await_introduction(&mut self, services: &Services<F>) {
        self.introduction = Introduction::Awaited;
        self.reopen(services.now + services.timeouts.handshake);
    }

    /// True if the connection is counted under the address of its peer. A balancer's own are not: it is the
    /// operator's, and has as many as it needs.
    pub fn is_counted(&self) -> bool {
        matches!(
            self.introduction,
            Introduction::Direct | Introduction::Client
        )
    }

    /// Gives the client's address up for that of the balancer, because it was not counted after all.
    pub fn disown(&mut self) {
        self.introduction = Introduction::Own;
    }

    /// The scheme that the client used: over TLS to the balancer, or to this server.
    pub(super) fn client_scheme(&self) -> Scheme {
        match self.introduced_scheme {
            Some(scheme) => scheme,
            None if self.link.is_secure() => Scheme::Https,
            None => Scheme::Http,
        }
    }

    /// One turn of a connection whose PROXY header is incomplete. An error is the socket's, and final.
    pub(super) fn take_introduction(
        &mut self,
        buffers: &mut Buffers,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<Wish> {
        let kept = std::mem::take(&mut self.kept);
        let mut len = kept.len();
        let budget = turn.services.limits.turn_read_bytes;
        let room = room_behind(&kept, &mut buffers.read, budget);
        if self.link.has_input() {
            len += self.receive(room, world, turn)?;
        }
        turn.effort += len;
        let bytes = buffers.read.get(..len).unwrap_or_default();
        let header = match ProxyHeader::parse(bytes) {
            Ok(Some(header)) => header,
            Ok(None) => {
                self.kept = bytes.to_vec();
                return Ok(if self.link.has_input() {
                    Wish::Again
                } else {
                    Wish::Wait
                });
            }
            Err(error) => {
                let services = &mut *turn.services;
                services.report(Limit::ProxyHeader, self.peer, error.reason());
                return Ok(self.close(world, turn));
            }
        };
        log::debug!("{}: {header:?}", turn.name(self.peer));
        let behind = bytes.get(header.len..).unwrap_or_default().to_vec();
        self.introduced_scheme = header.scheme;
        self.introduction = match header.client {
            Some(peer) => {
                self.peer = peer;
                Introduction::Client
            }
            None => Introduction::Own,
        };
        let timeouts = &turn.services.timeouts;
        self.reopen(
            turn.services.now
                + if self.link.is_secure() {
                    timeouts.handshake
                } else {
                    timeouts.preface
                },
        );
        self.keep_behind(behind, buffers, world, turn)?;
        Ok(Wish::Introduced)
    }

    /// Keeps what came behind the header for the next turn, as the protocol's input.
    fn keep_behind(
        &mut self,
        behind: Vec<u8>,
        buffers: &mut Buffers,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<()> {
        self.left = Left::Whole;
        if !self.link.is_secure() {
            self.kept = behind;
            return Ok(());
        }
        let Buffers {
            read, plain, wire, ..
        } = buffers;
        let len = behind.len();
        self.link.room(read, len).copy_from_slice(&behind);
        plain.clear();
        if len > 0 {
            self.open_records(read, len, plain, wire, world, turn)?;
            self.flush_records(wire, world, turn)?;
        }
        self.kept = plain.clone();
        Ok(())
    }
}
