//! The time of day for rustls: in years that its dates can show, and without a panic before 1970.

use crate::world::os::wall_clock;
use rustls::pki_types::UnixTime;
use rustls::server::ProducesTickets;
use rustls::time_provider::TimeProvider;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// The clock of all TLS sessions.
#[derive(Debug)]
pub struct TlsClock;

impl TimeProvider for TlsClock {
    fn current_time(&self) -> Option<UnixTime> {
        let since = wall_clock().duration_since(UNIX_EPOCH);
        Some(UnixTime::since_unix_epoch(since.unwrap_or_default()))
    }
}

type Make = fn() -> Result<Arc<dyn ProducesTickets>, rustls::Error>;

/// Session tickets by rustls, which panics if the clock stands before 1970. While it does, no tickets
/// are made and every handshake is a full one.
pub(super) struct Tickets {
    now: fn() -> SystemTime,
    make: Make,
    made: OnceLock<Option<Arc<dyn ProducesTickets>>>,
}

impl Tickets {
    /// Tickets by the clock `now`. `make` makes their keys when they are needed for the first time.
    pub(super) fn new(now: fn() -> SystemTime, make: Make) -> Tickets {
        Tickets {
            now,
            make,
            made: OnceLock::new(),
        }
    }

    fn usable(&self) -> Option<&dyn ProducesTickets> {
        if (self.now)() < UNIX_EPOCH {
            return None;
        }
        // Without random numbers there are no tickets.
        let made = self.made.get_or_init(|| (self.make)().ok());
        made.as_deref()
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.usable().is_some_and(ProducesTickets::enabled)
    }

    fn lifetime(&self) -> u32 {
        self.usable().map_or(0, ProducesTickets::lifetime)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.usable()?.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.usable()?.decrypt(cipher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn made() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
        crate::tls::crypto::Ticketer::new()
    }

    #[test]
    fn before_1970_there_are_no_tickets_and_no_panic() {
        let tickets = Tickets::new(|| UNIX_EPOCH - Duration::from_secs(1), made);
        assert!(!tickets.enabled());
        assert_eq!(tickets.encrypt(b"state"), None);
        assert_eq!(tickets.decrypt(b"ticket"), None);
        assert_eq!(tickets.lifetime(), 0);
        let tickets = Tickets::new(SystemTime::now, made);
        let ticket = tickets.encrypt(b"state").expect("a ticket");
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
        assert!(tickets.enabled() && tickets.lifetime() > 0);
    }
}
