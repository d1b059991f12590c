//! A client's end of a connection: bytes in and out at the client's pace, with or without TLS.

use super::{Farewell, Tie};
use crate::raw_tls::RawPeer;
use crate::sim::network::{LinkId, Received};
use crate::sim::outside::{Outside, Room};
use crate::sim::rng::Rng;
use crate::sim::{CLEARTEXT, TLS};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, ContentType};

/// Size of the buffers of good clients' sockets, at least, as a number of bits.
pub const LEAST_BITS: usize = 14;

/// Pace of a client's reads and writes.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// All bytes at once.
    Brisk,
    /// A number of bytes each way at a time, with a pause between.
    Slow { bytes: usize, pause: Duration },
}

impl Pace {
    /// A pace for which the server does not close a connection.
    pub fn bearable(rng: &mut Rng) -> Pace {
        match rng.below(3) {
            0 => Pace::Slow {
                bytes: rng.between(400, 8000),
                pause: Duration::from_micros(rng.between(100, 20_000) as u64),
            },
            _ => Pace::Brisk,
        }
    }
}

/// State of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Open,
    /// The server has closed its direction, and all bytes were read.
    Ended,
    /// The connection was reset.
    Reset,
}

/// Layer below HTTP that a client speaks.
#[derive(Clone, Debug)]
pub enum Security {
    Cleartext,
    /// TLS, with a protocol by ALPN.
    Tls(Arc<ClientConfig>),
    /// None, though the server expects TLS.
    Missing,
}

impl Security {
    /// TLS for a client of the protocol `alpn`.
    pub fn tls(outside: &Outside, alpn: &[u8]) -> Security {
        let mut config = ClientConfig::clone(&outside.trust);
        config.alpn_protocols = vec![alpn.to_vec()];
        Security::Tls(Arc::new(config))
    }

    /// TLS whose keys the client may extract, for [`Wire::break_in`].
    pub fn breakable(outside: &Outside, alpn: &[u8]) -> Security {
        let mut config = ClientConfig::clone(&outside.trust);
        config.alpn_protocols = vec![alpn.to_vec()];
        config.enable_secret_extraction = true;
        Security::Tls(Arc::new(config))
    }

    /// TLS or cleartext, at random, for a client of the protocol `alpn`.
    pub fn random(outside: &mut Outside, alpn: &[u8]) -> Security {
        if outside.rng.chance(300) {
            Security::tls(outside, alpn)
        } else {
            Security::Cleartext
        }
    }
}

/// A client's end of a connection.
pub struct Wire {
    pub link: LinkId,
    /// Received bytes that were not processed.
    pub inbox: Vec<u8>,
    /// Bytes that are to be sent.
    pub outbox: Vec<u8>,
    /// The TLS session, and its records that are to be sent.
    session: Option<(Box<ClientConnection>, Vec<u8>)>,
    pace: Pace,
    /// Number of bytes that are sent one by one at first.
    trickle: usize,
    next: Option<Duration>,
}

impl Wire {
    /// A new connection with buffers of at least `least_bits` bits; none if the server does not listen.
    pub fn connect(
        outside: &mut Outside,
        security: &Security,
        pace: Pace,
        least_bits: usize,
    ) -> Option<Wire> {
        let (listener, session) = match security {
            Security::Cleartext => (CLEARTEXT, None),
            Security::Missing => (TLS, None),
            Security::Tls(config) => {
                let name = ServerName::try_from("sim").expect("a name");
                let mut session = ClientConnection::new(config.clone(), name).expect("a session");
                session.set_buffer_limit(None);
                (TLS, Some((Box::new(session), Vec::new())))
            }
        };
        let link = outside.network.connect(listener, least_bits)?;
        let rng = &mut outside.rng;
        let trickle = if rng.chance(100) { rng.below(200) } else { 0 };
        let (inbox, outbox, next) = (Vec::new(), Vec::new(), None);
        Some(Wire {
            link,
            inbox,
            outbox,
            session,
            pace,
            trickle,
            next,
        })
    }

    /// Moves bytes both ways, as fast as the pace allows.
    pub fn pump(&mut self, outside: &mut Outside) -> Standing {
        let network = &mut outside.network;
        if self.next.is_some_and(|next| next > network.now) {
            return Standing::Open;
        }
        self.next = None;
        let (most, pause) = match self.pace {
            Pace::Brisk => (usize::MAX, Duration::ZERO),
            Pace::Slow { bytes, pause } => (bytes, pause),
        };
        let most_out = if self.trickle > 0 { 1 } else { most };
        let link = self.link;
        let out = self.seal();
        let len = out.len().min(most_out);
        let sent = network.client_send(link, &out[..len]);
        self.sent(sent);
        let mut came = Vec::new();
        network.client_receive(self.link, &mut came, most);
        let standing = match network.client_receive(self.link, &mut came, 0) {
            Received::End => Standing::Ended,
            Received::Reset => Standing::Reset,
            Received::Bytes(_) | Received::Nothing => Standing::Open,
        };
        if self.trickle > 0 && sent > 0 {
            self.trickle -= 1;
            self.next = Some(network.now + Duration::from_millis(3));
        }
        let moved = sent > 0 || !came.is_empty();
        if moved && pause > Duration::ZERO {
            self.next = Some(network.now + pause);
        }
        self.open(&came);
        standing
    }

    /// Moves bytes to the server, and back only those of the handshake.
    pub fn push(&mut self, outside: &mut Outside) -> Standing {
        if let Some((session, _)) = &self.session
            && session.is_handshaking()
        {
            return self.pump(outside);
        }
        let link = self.link;
        let sent = outside.network.client_send(link, self.seal());
        self.sent(sent);
        Standing::Open
    }

    /// Goes on without the TLS session after its handshake, and sends `records` instead, sealed one by
    /// one. The configuration has to allow that.
    pub fn break_in(&mut self, records: &[(ContentType, Vec<u8>)]) {
        let Some((session, _)) = self.session.take() else {
            return;
        };
        let suite = session.negotiated_cipher_suite().expect("a suite");
        let secrets = session.dangerous_extract_secrets().expect("allowed");
        let mut peer = RawPeer::new(suite, secrets.tx);
        for (kind, content) in records {
            self.outbox.extend(peer.seal(*kind, content));
        }
    }

    /// The bytes that go over the network next.
    fn seal(&mut self) -> &[u8] {
        let Some((session, sealed)) = &mut self.session else {
            return &self.outbox;
        };
        session
            .writer()
            .write_all(&self.outbox)
            .expect("the session buffers");
        self.outbox.clear();
        while session.wants_write() {
            session
                .write_tls(sealed)
                .expect("a vector takes everything");
        }
        sealed
    }

    fn sent(&mut self, len: usize) {
        match &mut self.session {
            Some((_, sealed)) => sealed.drain(..len),
            None => self.outbox.drain(..len),
        };
    }

    /// Processes bytes that came over the network.
    fn open(&mut self, mut came: &[u8]) {
        let Some((session, _)) = &mut self.session else {
            self.inbox.extend_from_slice(came);
            return;
        };
        while !came.is_empty() {
            session.read_tls(&mut came).expect("the session has room");
            let state = session
                .process_new_packets()
                .expect("records as they should be");
            let start = self.inbox.len();
            self.inbox
                .resize(start + state.plaintext_bytes_to_read(), 0);
            let read = session.reader().read_exact(&mut self.inbox[start..]);
            read.expect("what was announced");
        }
    }

    /// Asserts that close_notify came (RFC 8446 §6.1). Without it a truncation would go unnoticed.
    pub fn expect_close_notify(&mut self, outside: &Outside) {
        let shed = outside.room_since(outside.network.now) > Room::Ample;
        let excused = self.is_harmed(outside) || outside.is_stopping() || shed;
        let Some((session, _)) = &mut self.session else {
            return;
        };
        let state = session
            .process_new_packets()
            .expect("records as they should be");
        let told = state.peer_has_closed() || session.is_handshaking() || excused;
        assert!(
            told,
            "the server ends TLS without close_notify on link {}",
            self.link
        );
    }

    /// True if content that ends with the connection is whole, which ended in this way: only close_notify tells the end
    /// within TLS (RFC 9112 §9.8), and a reset is none.
    pub fn ends_content(&mut self, standing: Standing) -> bool {
        match &mut self.session {
            Some((session, _)) => {
                let state = session.process_new_packets();
                state.expect("records as they should be").peer_has_closed()
            }
            None => standing == Standing::Ended,
        }
    }

    /// Says farewell, mostly with close_notify first if there is TLS.
    pub fn part(&mut self, farewell: &mut Farewell, outside: &mut Outside) -> Tie {
        let ends = matches!(farewell, Farewell::Close | Farewell::HalfClose);
        if let Some((session, _)) = &mut self.session
            && ends
            && outside.rng.chance(700)
        {
            session.send_close_notify();
            let link = self.link;
            outside.network.client_send(link, self.seal());
        }
        farewell.say(outside, self.link)
    }

    /// Time at which the pace allows to move more.
    pub fn next_wake(&self) -> Option<Duration> {
        self.next
    }

    /// True if all bytes were given to the network.
    pub fn is_flushed(&self) -> bool {
        // During the handshake, the session still holds the bytes that it was given.
        let is_sealed = |(session, sealed): &(Box<ClientConnection>, Vec<u8>)| {
            sealed.is_empty() && !session.wants_write() && !session.is_handshaking()
        };
        self.outbox.is_empty() && self.session.as_ref().is_none_or(is_sealed)
    }

    /// True if the world ended the connection.
    pub fn is_harmed(&self, outside: &Outside) -> bool {
        outside.network.is_harmed(self.link)
    }
}
