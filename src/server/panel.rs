//! Requests by a listener of the panel.

use super::answering::{Accepted, Arrived};
use super::health::path_of;
use super::turn::Turn;
use crate::exchange::{AlarmOwner, Answer, Desk, Request, RequestPlace};
use crate::http::Fields;
use crate::world::Files;

impl<F: Files> Turn<'_, F> {
    /// Has the panel answer a request, which no site sees and no access log tells of.
    pub(super) fn accept_panel(&mut self, arrived: &Arrived<'_>) -> Accepted<F> {
        let request = Request {
            version: arrived.version,
            ..Request::new(arrived.fields, arrived.peer)
        };
        let entry = self.services.entry_of_nobody();
        let Some(panel) = self.services.panel.take() else {
            return Accepted::Response(self.services.routes.error(404), entry);
        };
        let place = RequestPlace {
            connection: self.token,
            request: arrived.key,
        };
        let mut alarm = AlarmOwner::default();
        let answer = if arrived.refusal.is_none() && is_probe(arrived.fields) {
            let services = &mut self.services;
            let answer = || services.answer_scraper(arrived.fields);
            Answer::Response(panel.probe(arrived.fields, self.client_scheme, answer))
        } else {
            let desk = Desk::new(&self.services.means, place, &mut alarm);
            panel.accept(&request, arrived.refusal, self.client_scheme, &desk)
        };
        self.services.panel = Some(panel);
        self.services.follow_readers();
        match answer {
            Answer::Response(response) => Accepted::Response(response.to(request.method), entry),
            Answer::NotMine => Accepted::Response(self.services.routes.error(404), entry),
            Answer::Exchange(exchange) => {
                self.begin(exchange, arrived, &request, (place, alarm), None, entry)
            }
        }
    }
}

/// True for a request of the paths that a listener for metrics has.
fn is_probe(fields: &Fields) -> bool {
    let path = path_of(fields.path().unwrap_or_default());
    matches!(path, b"/metrics" | b"/healthz" | b"/readyz")
}
