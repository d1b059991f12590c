//! The beginning of an answer, whatever the protocol: the handlers are asked, and their refusals are told.

use super::limit_log::Limit;
use super::listener_role::ListenerRole;
use super::services::Services;
use super::turn::Turn;
use crate::exchange::{
    ActiveRequest, AlarmOwner, Answer, ClientClaim, ContentBounds, ContentHold, Desk, Exchange,
    Failure, FieldChange, FieldChanges, KeptRequest, LoginOutcome, Reception, Replaced, Request,
    RequestKey, RequestPlace, Response,
};
use crate::http::{Fields, Scheme};
use crate::routes::RuledArrival;
use crate::telemetry::access_log::Entry;
use crate::world::{Files, Peer};
use std::rc::Rc;

/// A request that has arrived.
pub(super) struct Arrived<'a> {
    /// Its head.
    pub fields: &'a Fields,
    /// Its sender.
    pub peer: Peer,
    /// The version as it is logged.
    pub version: &'static str,
    /// Its name within the connection.
    pub(super) key: RequestKey,
    /// The word that its client keeps its content back for.
    pub(super) expectation: ContentHold,
    /// Bytes of its content that may be held while its protocol lets the client send more.
    pub hold: usize,
    /// The status with which its protocol refuses it.
    pub refusal: Option<u16>,
}

/// A request that is being answered.
pub(super) enum Accepted<F: Files> {
    /// With a response. The request's content is of no use.
    Response(Response<F>, Option<Box<Entry>>),
    /// By an exchange.
    Exchange(ActiveRequest<F>),
}

impl<F: Files> Turn<'_, F> {
    /// Has a handler answer a request.
    pub(super) fn accept(&mut self, arrived: &Arrived<'_>) -> Accepted<F> {
        self.count_request();
        self.answers_alike = false;
        if let Some(accepted) = self.own_answer(arrived) {
            return accepted;
        }
        let client = self.client_of(arrived.fields, arrived.peer);
        let id = self.services.identify(arrived.fields, arrived.peer);
        let entry = self.log_entry(client, id.as_deref(), arrived.version, arrived.fields);
        self.answer(arrived, (client, id.as_deref()), None, entry)
    }

    /// Has the handlers asked again for a request that was kept, and gives the answer what came of it.
    pub(super) fn accept_again(
        &mut self,
        kept: &KeptRequest,
        peer: Peer,
        key: RequestKey,
        admission: LoginOutcome,
        entry: Option<Box<Entry>>,
    ) -> Accepted<F> {
        let arrived = Arrived {
            fields: &kept.fields,
            peer,
            version: kept.version,
            key,
            expectation: kept.expectation,
            hold: kept.hold,
            refusal: None,
        };
        let client = self.client_of(&kept.fields, peer);
        let mut active = match self.answer(
            &arrived,
            (client, kept.id.as_deref()),
            Some(admission),
            entry,
        ) {
            Accepted::Exchange(active) => active,
            response => return response,
        };
        let (most, means) = (
            self.services.limits.request_body_bytes,
            &self.services.means,
        );
        if active.receive(&kept.data, most, means).is_err() {
            let (response, entry) = self.services.refuse_content(active, peer);
            return Accepted::Response(response, entry);
        }
        if let Some(trailers) = &kept.trailers {
            active.receive_trailers(trailers, means);
        }
        if kept.arrival == Reception::Complete {
            active.finish_request(means);
        }
        Accepted::Exchange(active)
    }

    fn answer(
        &mut self,
        arrived: &Arrived<'_>,
        (client, id): (ClientClaim<'_>, Option<&str>),
        admission: Option<LoginOutcome>,
        mut entry: Option<Box<Entry>>,
    ) -> Accepted<F> {
        let request = Request {
            version: arrived.version,
            id,
            ..Request::of(arrived.fields, client)
        };
        let place = RequestPlace {
            connection: self.token,
            request: arrived.key,
        };
        let mut alarm = AlarmOwner::default();
        let mut changes = None;
        let at = (place, &mut alarm);
        let answer = self.ask(arrived, &request, admission, at, &mut changes);
        if let Some(entry) = &mut entry {
            entry.set_host(self.services.routes.asked_series());
        }
        let mut response = match answer {
            // An interim status would leave the client waiting for another response.
            Answer::Response(response) if !(200..1000).contains(&response.status) => {
                log::warn!(
                    "{}: {} is no status of a response",
                    arrived.peer,
                    response.status
                );
                self.services.routes.error(500)
            }
            Answer::Response(response) => response,
            Answer::NotMine => self.services.routes.error(404),
            Answer::Exchange(exchange) => {
                return self.begin(exchange, arrived, &request, (place, alarm), changes, entry);
            }
        };
        if let Some(changes) = changes {
            changes.apply(&mut response.fields);
        }
        Accepted::Response(response.to(request.method), entry)
    }

    /// Asks the rules of the host and the handlers. `changes` are those of the fields of the answer's head.
    fn ask(
        &mut self,
        arrived: &Arrived<'_>,
        request: &Request<'_>,
        admission: Option<LoginOutcome>,
        (place, alarm): (RequestPlace, &mut AlarmOwner),
        changes: &mut Option<Rc<FieldChanges>>,
    ) -> Answer<F> {
        let refusal = match arrived.refusal {
            None if self.is_misdirected(arrived.fields) => Some(421),
            refusal => refusal,
        };
        let routes = &mut self.services.routes;
        let mut desk = Desk::new(&self.services.means, place, alarm);
        let answer = match refusal {
            _ if routes.has_rules() => {
                let arrival = RuledArrival {
                    scheme: request.scheme,
                    refusal,
                    admission,
                };
                routes.accept_ruled(request, &arrival, &mut desk, changes)
            }
            Some(status) => Answer::Response(routes.error(status)),
            None => {
                let answer = routes.accept(request, &mut desk);
                self.answers_alike = routes.answers_alike() && self.services.tells_requests_alike();
                answer
            }
        };
        self.charge_files();
        self.add_own_fields(request, changes);
        answer
    }

    /// Adds the field that only answers over TLS have, where a trusted proxy ends the client's TLS; where this
    /// server does, each head has it anyway. Adds the request's identifier where responses have it.
    fn add_own_fields(&self, request: &Request<'_>, changes: &mut Option<Rc<FieldChanges>>) {
        let ends_elsewhere = (request.scheme, self.client_scheme) == (Scheme::Https, Scheme::Http);
        if !ends_elsewhere && self.services.request_ids.is_none() {
            return;
        }
        let mut own = Vec::new();
        if ends_elsewhere && let Some(field) = self.services.routes.secure_field() {
            own.push(FieldChange::Add(field.name.into(), field.value.into()));
        }
        if let (Some(ids), Some(id)) = (&self.services.request_ids, request.id) {
            own.extend(ids.change(id));
        }
        if !own.is_empty() {
            let none = || Rc::new(FieldChanges::new(request.scheme));
            Rc::make_mut(changes.get_or_insert_with(none)).push(own.into());
        }
    }

    /// Begins an exchange, unless the request announces too much content for it.
    pub(super) fn begin(
        &mut self,
        exchange: Box<dyn Exchange<F>>,
        arrived: &Arrived<'_>,
        request: &Request<'_>,
        at: (RequestPlace, AlarmOwner),
        changes: Option<Rc<FieldChanges>>,
        entry: Option<Box<Entry>>,
    ) -> Accepted<F> {
        let active = ActiveRequest::exchange(
            exchange,
            request,
            arrived.expectation,
            at,
            ContentBounds {
                most: self.services.limits.request_body_bytes,
                hold: arrived.hold,
            },
            self.services.now,
            entry,
        );
        let mut active = active.of_host(self.services.routes.asked());
        active.change_head(changes);
        if active.announces_too_much(arrived.fields) {
            let (response, entry) = self.services.refuse_content(active, arrived.peer);
            return Accepted::Response(response, entry);
        }
        Accepted::Exchange(active)
    }

    /// The answer to a request that no host sees and no access log tells of: a health check, and
    /// everything on a listener for metrics or of the panel.
    fn own_answer(&mut self, arrived: &Arrived<'_>) -> Option<Accepted<F>> {
        let response = match (self.role, arrived.refusal) {
            (ListenerRole::Metrics, Some(status)) => Some(self.services.routes.error(status)),
            (ListenerRole::Metrics, None) => Some(self.services.answer_scraper(arrived.fields)),
            #[cfg(feature = "panel")]
            (ListenerRole::Panel, _) => return Some(self.accept_panel(arrived)),
            (ListenerRole::Public, Some(_)) => None,
            (ListenerRole::Public, None) if self.services.health.is_off() => None,
            (ListenerRole::Public, None) => self.services.check_health(arrived.fields),
        };
        response.map(|response| Accepted::Response(response, self.services.entry_of_nobody()))
    }
}

impl<F: Files> Services<F> {
    /// The response to a request whose content is larger than its handler or the server takes.
    pub(super) fn refuse_content(
        &mut self,
        active: ActiveRequest<F>,
        peer: Peer,
    ) -> (Response<F>, Option<Box<Entry>>) {
        self.report(Limit::BodySize, peer, TOO_LARGE);
        let replaced = active.replace(None, &self.means);
        self.answer_instead(replaced, 413)
    }

    /// The response to a request whose exchange has failed before its head.
    pub(super) fn answer_failure(
        &mut self,
        active: ActiveRequest<F>,
        failure: &Failure,
        peer: Peer,
    ) -> (Response<F>, Option<Box<Entry>>) {
        if failure.is_late() {
            self.report(Limit::HandlerTime, peer, failure.reason());
        } else if failure.is_of_upstream() {
            self.report(Limit::Upstream, peer, failure.reason());
        } else {
            log::warn!("{peer}: no response could be made: {failure}");
        }
        let replaced = active.replace(Some(failure.reason()), &self.means);
        self.answer_instead(replaced, failure.status())
    }

    /// The page of an error in the place of an exchange's response.
    fn answer_instead(
        &mut self,
        replaced: Replaced,
        status: u16,
    ) -> (Response<F>, Option<Box<Entry>>) {
        let mut response = self.routes.error(status);
        if let Some(changes) = replaced.changes {
            changes.apply(&mut response.fields);
        }
        (response.to(replaced.method), replaced.entry)
    }

    /// Tells that a response to `peer` could not be completed. A peer that does not read can cause the
    /// loss of memory that others need as often as it likes: that is told as a limit.
    pub(super) fn report_cut(&mut self, peer: Peer, failure: &Failure) {
        if failure.is_displaced() {
            self.report(Limit::Memory, peer, "a listing was not read");
        } else if failure.is_late() {
            self.report(Limit::HandlerTime, peer, failure.reason());
        } else if failure.is_of_upstream() {
            self.report(Limit::Upstream, peer, failure.reason());
        } else {
            log::warn!("{peer}: a response was cut short: {failure}");
        }
    }
}

/// The reason for which a request's content is not taken.
pub(super) const TOO_LARGE: &str = "request body too large";
