//! The turn of one connection: the services that it uses, what it is lent, and the account of its work.

use super::ledger::PROGRESS_BYTES;
use super::lent::{Buffers, Lent};
use super::listener_role::ListenerRole;
use super::peer_name::PeerName;
use super::services::Services;
use crate::exchange::{ClientClaim, RequestKey, RequestPlace};
use crate::http::{Field, Fields, Scheme};
use crate::link::Splices;
use crate::telemetry::access_log::{Arrival, Ended, Entry};
use crate::tls::Names;
use crate::world::{FileReads, Files, Peer, Token};
use std::time::{Duration, Instant};

/// Worth of the work on a request, in bytes that are moved: it takes some 1.5 µs, and so do 2 KiB
/// through the socket.
pub const REQUEST_EFFORT: usize = 2 << 10;

/// Work of so much time, in bytes that are moved: as [`REQUEST_EFFORT`], 2 KiB take 1.5 µs.
pub(super) fn worth(took: Duration) -> usize {
    let bytes = took.as_nanos() * REQUEST_EFFORT as u128 / 1_500;
    // Other efforts are added to it.
    usize::try_from(bytes)
        .unwrap_or(usize::MAX)
        .min(usize::MAX / 4)
}

/// The turn of one connection. No socket belongs to it: who reads or writes has the world besides.
pub struct Turn<'t, F: Files> {
    /// The services, which all connections share.
    pub(super) services: &'t mut Services<F>,
    /// The buffers, which are lent to one connection after another; none while they are in use.
    pub(super) buffers: Option<&'t mut Buffers>,
    /// Content between the bytes of the output that is being made.
    pub(super) splices: &'t mut Splices<F>,
    /// The connection whose turn it is.
    pub(super) token: Token,
    /// The size of a piece of output: less than [`super::Limits::output_bytes`] where memory is short.
    pub(super) piece: usize,
    /// The length of the output up to which content may be put behind heads: 0 where output waits for the socket.
    pub(super) content_end: usize,
    /// Work on files that may still be done in this turn, in bytes of effort.
    pub(super) file_effort: usize,
    /// Requests that the connection may make in this turn.
    pub(super) most_requests: usize,
    /// Requests that it may still make.
    pub(super) requests: usize,
    /// Content that the connection has moved in its turn, either way, and what a slow reader took of
    /// what waited for it, in bytes; see [`super::ledger::PROGRESS_BYTES`].
    pub(super) moved: usize,
    /// Content of requests that has come in this turn, in bytes.
    pub(super) content: usize,
    /// Effort of the turn so far: bytes in and out, and what the work on requests is worth in
    /// bytes.
    pub(super) effort: usize,
    /// The beginning, by the machine's clock, of a turn that may take longer than its bytes say.
    measured_from: Option<Instant>,
    /// The scheme of the connection, which decides how content gets into its output.
    pub(super) scheme: Scheme,
    /// The version of TLS for the access log, if there are both.
    pub(super) tls: Option<&'static str>,
    /// The subject of the client's certificate for the access log, if there are both.
    pub(super) client: Option<String>,
    /// The scheme that the client used, of which a balancer may have told.
    pub(super) client_scheme: Scheme,
    /// The role of the listener that the connection came by.
    pub(super) role: ListenerRole,
    /// The names that the connection's requests may be for.
    pub(super) names: Names,
    /// True if an equal request in this turn gets the answer of the last one: a site alone gave it, which does not
    /// change in a turn.
    pub(super) answers_alike: bool,
    /// True if more input of the same read follows, which may have more content of the same requests.
    pub(super) is_followed: bool,
}

impl<'t, F: Files> Turn<'t, F> {
    /// The beginning of a turn, in which output is made in pieces of `piece` bytes, and `file_effort` may
    /// be spent on files.
    pub(super) fn new(
        token: Token,
        services: &'t mut Services<F>,
        lent: &'t mut Lent<F>,
        piece: usize,
        file_effort: usize,
    ) -> Self {
        let Lent { buffers, splices } = lent;
        Turn {
            most_requests: services.limits.turn_requests,
            services,
            buffers: Some(buffers),
            splices,
            token,
            piece,
            content_end: 0,
            file_effort,
            requests: 0,
            moved: 0,
            content: 0,
            effort: 0,
            measured_from: None,
            scheme: Scheme::Http,
            tls: None,
            client: None,
            client_scheme: Scheme::Http,
            role: ListenerRole::Public,
            names: Names::Any,
            answers_alike: false,
            is_followed: false,
        }
    }

    /// Has a request of the connection polled again once a disk has had its time, or the helper process
    /// has brought the bytes that it needs.
    pub(super) fn await_disk(&mut self, request: RequestKey) {
        let place = RequestPlace {
            connection: self.token,
            request,
        };
        let now = self.services.now;
        match self.services.routes.reads().take_needed() {
            Some(task) => self.services.means.wakes.await_help(place, task),
            None => {
                self.services.disk_waits.retried += 1;
                self.services.means.wakes.retry(place, now);
            }
        }
    }

    /// Has a request of the connection polled again in another turn, for the next part of its work.
    pub(super) fn await_another(&mut self, request: RequestKey) {
        let connection = self.token;
        let wakes = &mut self.services.means.wakes;
        wakes.go_on(RequestPlace {
            connection,
            request,
        });
    }

    /// Charges the turn with the work on files so far: opening and reading them takes time, however
    /// few bytes are sent for it.
    pub(super) fn charge_files(&mut self) {
        let handlers = self.services.means.effort.take();
        let effort = self.services.routes.take_effort() + handlers;
        self.effort += effort;
        self.file_effort = self.file_effort.saturating_sub(effort);
    }

    /// True if the connection's work on files has to go on in another turn.
    pub(super) fn is_out_of_file_effort(&mut self) -> bool {
        self.charge_files();
        self.file_effort == 0
    }

    /// Has the time of the turn measured from here on, because its bytes may tell too little of it.
    /// `clock` reads the machine's clock.
    pub(super) fn measure(&mut self, clock: impl FnOnce() -> Instant) {
        if self.measured_from.is_none() {
            self.measured_from = Some(clock());
        }
    }

    /// Charges the turn with the time that it took, where that was measured and is more than its bytes
    /// are worth.
    pub(super) fn charge_time(&mut self, clock: impl FnOnce() -> Instant) {
        if let Some(begin) = self.measured_from.take() {
            let took = clock().saturating_duration_since(begin);
            self.effort = self.effort.max(worth(took));
        }
    }

    /// The name of the connection in the log, where this is its peer.
    pub(super) fn name(&self, peer: Peer) -> PeerName {
        PeerName {
            peer,
            id: self.token.serial,
        }
    }

    /// Counts a request that is to be answered.
    pub(super) fn count_request(&mut self) {
        self.moved += PROGRESS_BYTES;
        self.requests = self.requests.saturating_sub(1);
        self.services.requests += 1;
    }

    /// True if the connection may make another request in this turn.
    pub(super) fn may_request(&self) -> bool {
        self.requests > 0 && self.file_effort > 0
    }

    /// True if the request is for another server: a client may use a connection for other names than it asked for
    /// (RFC 9113 §9.1.1), but none that we do not have (RFC 9110 §15.5.20), nor one that wants a certificate which
    /// the client was not asked for.
    pub(super) fn is_misdirected(&mut self, request: &Fields) -> bool {
        match (self.names, &mut self.services.tls, request.authority()) {
            (Names::Any, Some(tls), authority) if tls.wants_clients() => {
                tls.requires_client(authority.unwrap_or_default())
            }
            (Names::Any, ..) => false,
            (names, Some(tls), Some(authority)) => !tls.covers(names, authority),
            _ => false,
        }
    }

    /// The fields at the end of every response's head: `date`, and what only TLS may carry.
    pub(super) fn last_fields(&self) -> impl Iterator<Item = Field<'_>> {
        let secure = match self.client_scheme {
            Scheme::Http => None,
            Scheme::Https => self.services.routes.secure_field(),
        };
        std::iter::once(self.services.date()).chain(secure)
    }

    /// The client of a request of `peer`.
    pub(super) fn client_of<'a>(&mut self, fields: &'a Fields, peer: Peer) -> ClientClaim<'a> {
        self.services.client_of(fields, peer, self.client_scheme)
    }

    /// True if the request has an entry in the log, where there is one.
    fn is_told(&self) -> bool {
        self.services.requests >= self.services.told_from
    }

    /// The beginning of a request's line in the log, if there is a log.
    pub(super) fn log_entry(
        &mut self,
        client: ClientClaim<'_>,
        id: Option<&str>,
        version: &'static str,
        fields: &Fields,
    ) -> Option<Box<Entry>> {
        if !self.is_told() {
            return None;
        }
        let Services {
            log,
            told_from,
            requests,
            began,
            wall,
            ..
        } = self.services;
        let Some(log) = log else {
            *told_from = u64::MAX;
            return None;
        };
        *told_from = log.next_told(*requests);
        Some(log.entry(&Arrival {
            peer: match client.peer {
                Peer::Ip(address) => Some(address),
                Peer::Unix => None,
            },
            scheme: client.scheme.as_str(),
            version,
            tls: self.tls,
            client: self.client.as_deref(),
            id,
            fields,
            at: *began,
            wall: *wall,
        }))
    }

    /// Logs a request that is refused before anybody is asked for an answer: `status` is that of the
    /// response, with so many bytes of content, or 0 where there is none.
    pub(super) fn log_refusal(
        &mut self,
        peer: Peer,
        version: &'static str,
        fields: &Fields,
        reason: &'static str,
        (status, body_bytes): (u16, u64),
    ) {
        self.log_at_once(
            peer,
            version,
            fields,
            (0, Some(reason)),
            (status, body_bytes),
        );
    }

    /// Logs a request that got the answer of the one before it once more: its status, and so many bytes of content.
    pub(super) fn log_repeated(
        &mut self,
        peer: Peer,
        version: &'static str,
        fields: &Fields,
        sent: (u16, u64),
    ) {
        if self.is_told() {
            let series = self.services.routes.asked_series();
            self.log_at_once(peer, version, fields, (series, None), sent);
        } else if let Some(log) = &mut self.services.log {
            log.count_untold(sent.0);
        }
    }

    fn log_at_once(
        &mut self,
        peer: Peer,
        version: &'static str,
        fields: &Fields,
        (series, reason): (u16, Option<&'static str>),
        (status, body_bytes): (u16, u64),
    ) {
        let client = self.client_of(fields, peer);
        let entry = self.log_entry(client, None, version, fields);
        match (&mut self.services.log, entry) {
            (Some(log), Some(mut entry)) => {
                entry.set_host(series);
                log.end(Ended {
                    entry,
                    status,
                    body_bytes,
                    reason,
                });
            }
            (Some(log), None) => log.count_untold(status),
            (None, _) => {}
        }
    }
}
