//! Limits that fired, and the peers concerned: counted by kind, and written to the log in lines that
//! are rate limited themselves.
//!
//! A connection that ends in the ordinary course of things, such as one that was idle for its time, met
//! no limit and is not logged here.

use crate::h1;
use crate::h2::{ConnectionError, ErrorCode};
use crate::panics::Panic;
use crate::telemetry::metrics::exposition::{Exposition, FamilyKind};
use std::fmt::{Display, Write};
use std::time::{Duration, Instant};

/// The least time between two lines of a kind: one line a second shows what goes on, and is too little
/// to fill a disk.
const INTERVAL: Duration = Duration::from_secs(1);

/// Kind of a bound that a peer met, so that it was closed, cut or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The server has as many connections as it may.
    Connections,
    /// One address has as many connections as it may.
    ConnectionsPerAddress,
    /// No descriptor is left for another connection.
    Descriptors,
    /// All connections together hold too much.
    Memory,
    /// The first request did not come in time.
    FirstRequestTime,
    /// Output was not taken, or content not sent, fast enough.
    Stall,
    /// A header section did not come in time.
    HeaderTime,
    /// A header section was too large.
    HeaderSize,
    /// A request body was too large.
    BodySize,
    /// SETTINGS were not acknowledged in time.
    SettingsTime,
    /// As many TLS handshakes are under way as may be.
    Handshakes,
    /// The TLS handshake was not done in time.
    HandshakeTime,
    /// A connection has as many streams open as it may.
    Streams,
    /// A handler took too long.
    HandlerTime,
    /// No limit, but counted and logged like one: an upstream gave no response, or not the rest of it.
    Upstream,
    /// One of the budgets of [`crate::h2::Budgets`] was used up.
    Calm,
    /// No limit, but counted and logged like one: a bug of ours ended the connection.
    InternalError,
    /// No limit, but counted like one: TLS failed, for what the peer sent or what it refused to accept.
    /// Each failure is logged by itself, for an operator who looks for it.
    Tls,
    /// No limit, but counted and logged like one: a connection by a listener behind balancers came from
    /// somewhere else, or without a valid PROXY header.
    ProxyHeader,
    /// No limit, but counted and logged like one: a trusted proxy's word on a client is malformed.
    ForwardedField,
}

impl Limit {
    const ALL: [Limit; 20] = [
        Limit::Connections,
        Limit::ConnectionsPerAddress,
        Limit::Descriptors,
        Limit::Memory,
        Limit::FirstRequestTime,
        Limit::Stall,
        Limit::HeaderTime,
        Limit::HeaderSize,
        Limit::BodySize,
        Limit::SettingsTime,
        Limit::Handshakes,
        Limit::HandshakeTime,
        Limit::Streams,
        Limit::HandlerTime,
        Limit::Upstream,
        Limit::Calm,
        Limit::InternalError,
        Limit::Tls,
        Limit::ProxyHeader,
        Limit::ForwardedField,
    ];

    /// The name of the limit in lines and counts: the option that sets it, if there is one.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Connections => "max-connections",
            Limit::ConnectionsPerAddress => "max-per-address",
            Limit::Descriptors => "descriptors",
            Limit::Memory => "memory-limit",
            Limit::FirstRequestTime => "preface-timeout",
            Limit::Stall => "stall-timeout",
            Limit::HeaderTime => "header-timeout",
            Limit::HeaderSize => "max-header-list-size",
            Limit::BodySize => "max-request-body",
            Limit::SettingsTime => "settings-timeout",
            Limit::Handshakes => "handshakes",
            Limit::HandshakeTime => "handshake-timeout",
            Limit::Streams => "max-concurrent-streams",
            Limit::HandlerTime => "handler-timeout",
            Limit::Upstream => "upstream",
            Limit::Calm => "calm",
            Limit::InternalError => "internal-error",
            Limit::Tls => "tls-failures",
            Limit::ProxyHeader => "proxy-header",
            Limit::ForwardedField => "forwarded-field",
        }
    }

    /// The limit behind the error that ended an HTTP/2 connection, if there was a limit.
    pub fn of_h2(error: &ConnectionError) -> Option<Limit> {
        match error.code {
            _ if *error == ConnectionError::LATE_PREFACE => Some(Limit::FirstRequestTime),
            _ if *error == ConnectionError::LATE_FIELD_BLOCK => Some(Limit::HeaderTime),
            ErrorCode::ENHANCE_YOUR_CALM => Some(Limit::Calm),
            ErrorCode::SETTINGS_TIMEOUT => Some(Limit::SettingsTime),
            _ => None,
        }
    }

    /// The limit behind the error that ended an HTTP/1.1 connection, if there was a limit.
    pub fn of_h1(error: h1::Error) -> Option<Limit> {
        use h1::Error::{
            BodyTimeout, ChunkExtensions, HeadTimeout, HeadTooLarge, RequestLineTooLong,
            TooManyFields,
        };
        match error {
            HeadTimeout => Some(Limit::HeaderTime),
            BodyTimeout => Some(Limit::Stall),
            HeadTooLarge | RequestLineTooLong | TooManyFields | ChunkExtensions => {
                Some(Limit::HeaderSize)
            }
            _ => None,
        }
    }
}

/// The counts of all kinds, and the time of the last line of each.
#[derive(Default)]
pub struct LimitLog {
    counts: [LimitCount; Limit::ALL.len()],
}

#[derive(Default)]
struct LimitCount {
    total: u64,
    /// Number of times that the limit fired since the last line.
    left_out: u64,
    told: Option<Instant>,
}

impl LimitLog {
    /// Counts a limit that fired for the peer `whom`, and logs it if a line is due.
    pub fn report(&mut self, limit: Limit, whom: impl Display, what: &str, now: Instant) {
        let Some(left_out) = self.count(limit, now) else {
            return;
        };
        let name = limit.name();
        match left_out {
            0 => log::info!("limit: {name} {whom}: {what}"),
            _ => log::info!("limit: {name} {whom}: {what}; {left_out} more since the last line"),
        }
    }

    /// Counts a panic that ended the connection of the peer `whom`, and logs it if a line is due.
    pub fn report_panic(&mut self, whom: impl Display, panic: &Panic, now: Instant) {
        if let Some(left_out) = self.count(Limit::InternalError, now) {
            log::error!(
                "{whom}: closed by an internal error, please report it: {panic}; \
                 {left_out} more since the last line"
            );
        }
    }

    /// Counts a limit that other code logs.
    pub fn add(&mut self, limit: Limit) {
        if let Some(count) = self.counts.get_mut(limit as usize) {
            count.total += 1;
        }
    }

    /// Number of times that a limit has fired.
    pub fn total(&self, limit: Limit) -> u64 {
        self.counts
            .get(limit as usize)
            .map_or(0, |count| count.total)
    }

    /// Counts a limit. If a line is due, returns the number of lines that were left out before it.
    fn count(&mut self, limit: Limit, now: Instant) -> Option<u64> {
        let count = self.counts.get_mut(limit as usize)?;
        count.total += 1;
        let due = |told| now.saturating_duration_since(told) >= INTERVAL;
        if !count.told.is_none_or(due) {
            count.left_out += 1;
            return None;
        }
        count.told = Some(now);
        Some(std::mem::take(&mut count.left_out))
    }

    /// Writes the number of times that each limit fired.
    pub fn write(&self, text: &mut Exposition) {
        text.family(
            FamilyKind::Counter,
            "calmd_limits_fired",
            "Limits that fired, by the names that they have in the log.",
        );
        for limit in Limit::ALL {
            text.add(&[("limit", limit.name())], self.total(limit));
        }
    }

    /// Names and counts of the limits that fired.
    #[cfg(feature = "panel")]
    pub fn fired(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = Limit::ALL.into_iter();
        let counts = all.map(|limit| (limit.name(), self.total(limit)));
        counts.filter(|(_, count)| *count > 0)
    }

    /// Logs the number of times that each limit fired, at the end of the server.
    pub fn finish(&self) {
        if let Some(totals) = self.totals() {
            log::info!("limits that fired:{totals}");
        }
    }

    /// Name and count of each kind that fired, if any did.
    fn totals(&self) -> Option<String> {
        let mut totals = String::new();
        for limit in Limit::ALL {
            let total = self.total(limit);
            if total > 0 {
                // Writing to memory cannot fail.
                let _ = write!(totals, " {} {total}", limit.name());
            }
        }
        (!totals.is_empty()).then_some(totals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h2;
    use crate::h2::frame::PREFACE;
    use crate::http::Fields;
    use std::sync::Arc;

    #[test]
    fn a_kind_is_told_once_a_second_with_what_was_left_out() {
        let start = Instant::now();
        let mut log = LimitLog::default();
        assert_eq!(log.count(Limit::Calm, start), Some(0));
        for _ in 0..5 {
            assert_eq!(log.count(Limit::Calm, start + INTERVAL / 2), None);
        }
        assert_eq!(
            log.count(Limit::Stall, start + INTERVAL / 2),
            Some(0),
            "another kind"
        );
        assert_eq!(log.count(Limit::Calm, start + INTERVAL), Some(5));
        assert_eq!(log.count(Limit::Calm, start + INTERVAL * 2), Some(0));
    }

    #[test]
    fn the_totals_name_what_fired_and_nothing_else() {
        let mut log = LimitLog::default();
        assert_eq!(log.totals(), None);
        log.count(Limit::Stall, Instant::now());
        log.count(Limit::Calm, Instant::now());
        log.count(Limit::Calm, Instant::now());
        assert_eq!(log.totals().as_deref(), Some(" stall-timeout 1 calm 2"));
    }

    #[test]
    fn a_late_preface_and_a_late_field_block_of_http2_count_under_the_options_that_set_their_times()
    {
        let settings_and_acknowledgement = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];
        let open_headers = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];
        let begun = [&PREFACE[..], &settings_and_acknowledgement, &open_headers].concat();
        for (input, limit) in [
            (&PREFACE[..5], Limit::FirstRequestTime),
            (&begun[..], Limit::HeaderTime),
        ] {
            let start = Instant::now();
            let mut server = h2::Connection::server(Arc::new(h2::Config::default()), start);
            let (mut input, mut fields) = (input, Fields::new());
            while server
                .receive(&mut input, &mut fields, start)
                .unwrap()
                .is_some()
            {}
            let later = start + Duration::from_secs(11);
            let error = server.handle_timeout(later).unwrap_err();
            assert_eq!(Limit::of_h2(&error), Some(limit), "{error}");
        }
    }

    #[test]
    fn every_kind_has_a_count_and_a_name_of_its_own() {
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, index);
            let same = |other: &&Limit| other.name() == limit.name();
            assert_eq!(Limit::ALL.iter().filter(same).count(), 1);
        }
    }
}
