//! Requests that repeat the last one that was received, on any connection. What a site alone answers depends on the
//! request and on files, so an equal one gets the bytes of that answer, as long as the files are trusted that were
//! looked at for it, and within the second of its date.

use super::H1Service;
use crate::exchange::Response;
use crate::http::{Fields, Scheme};
use crate::link::CLEAR;
use crate::server::known_answer::KnownAnswer;
use crate::server::listener_role::ListenerRole;
use crate::server::trace;
use crate::server::turn::Turn;
use crate::world::Files;

impl<F: Files> H1Service<F> {
    /// Sends the answer that is known to the request of this number. False where it is answered as any other.
    pub(super) fn answer_again(
        &mut self,
        request: u64,
        fields: &Fields,
        turn: &mut Turn<'_, F>,
    ) -> bool {
        if !is_plain(turn) || trace::is_on() || !self.taps.is_empty() {
            return false;
        }
        let Some(known) = turn.services.known_answer.take() else {
            return false;
        };
        let version = self.core.version().as_str();
        let is_sent = known.request == request
            && is_true(&known, turn)
            && self.core.send_whole(&known.head, &known.content);
        if is_sent {
            turn.count_request();
            turn.moved += known.content.len();
            if known.is_of_file {
                turn.services.routes.count_hit();
            }
            let sent = (known.status, known.content.len() as u64);
            turn.log_repeated(self.peer, version, fields, sent);
        }
        turn.services.known_answer = Some(known);
        is_sent
    }

    /// Remembers the answer to the request of this number, if equal requests get it as well, and its content is short
    /// and at hand.
    pub(super) fn learn_answer(request: u64, response: &Response<F>, turn: &mut Turn<'_, F>) {
        if !is_plain(turn) || !turn.answers_alike {
            return;
        }
        let Some(trust) = turn.services.routes.trust() else {
            return;
        };
        // Longer content is not copied into the output.
        let len = response.body.len().unwrap_or_default();
        if !(1..CLEAR.memory).contains(&len) {
            return;
        }
        let Some(whole) = response.body.whole_in_memory() else {
            return;
        };
        let is_of_file = whole.file.is_some();
        // Other content is made for each answer but for these, and a failure may have passed a moment later.
        if response.status >= 500 || !is_of_file && !matches!(response.status, 301 | 404) {
            return;
        }
        let former = turn.services.known_answer.take();
        let mut head = former.map(|former| former.head).unwrap_or_default();
        let fields = response.fields.iter().chain(turn.last_fields());
        let timeout = turn.services.http1.keep_alive_timeout;
        head.set(response.status, fields, len, timeout.as_secs());
        let services = &mut *turn.services;
        services.known_answer = Some(Box::new(KnownAnswer {
            request,
            status: response.status,
            head,
            content: whole.content,
            date: services.date_tick(),
            host: services.routes.asked(),
            trust,
            is_of_file,
        }));
    }
}

/// True if an answer is what its request would be answered now.
fn is_true<F: Files>(known: &KnownAnswer, turn: &mut Turn<'_, F>) -> bool {
    let services = &mut *turn.services;
    let (date, now) = (services.date_tick(), services.means.world_now);
    services.routes.turn_to(known.host);
    known.date == date
        && services.routes.answers_alike()
        && services.routes.trusts(known.trust, now)
}

/// True if answers go to anybody and have no fields that only TLS may carry.
fn is_plain<F: Files>(turn: &Turn<'_, F>) -> bool {
    turn.role == ListenerRole::Public
        && turn.scheme == Scheme::Http
        && turn.client_scheme == Scheme::Http
}
