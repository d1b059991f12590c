//! Requests that repeat the one before them in the same input. What a site alone answers depends on the request and on
//! the files as they are in this turn, so they get the answer of that one, and nobody is asked again.

use super::H2Service;
use super::content::SHORT;
use super::open_requests::{SentHead, SharedFields};
use crate::content::ResidentContent;
use crate::exchange::Response;
use crate::h2::frame::HEADER_LEN;
use crate::http::Fields;
use crate::server::turn::Turn;
use crate::world::Files;

/// The answer to a request, for equal ones that follow it in the same input.
pub(super) struct RepeatedAnswer<F: Files> {
    head: SentHead,
    /// The content, if it has any.
    content: Option<ResidentContent<F>>,
}

impl<F: Files> RepeatedAnswer<F> {
    /// The answer, if equal requests get it as well, and its content is short and at hand.
    pub(super) fn of(response: &Response<F>, turn: &Turn<'_, F>) -> Option<Self> {
        // A failure may have passed a moment later.
        if !turn.answers_alike || response.status >= 500 {
            return None;
        }
        let content = match response.body.len()? {
            0 => None,
            len if len > SHORT => return None,
            _ => Some(response.body.whole_in_memory()?),
        };
        Some(RepeatedAnswer {
            head: SentHead {
                fields: SharedFields(response.fields.clone()),
                date: turn.services.date_tick(),
                status: response.status,
            },
            content,
        })
    }
}

impl<F: Files> H2Service<F> {
    /// Answers the requests at the front of `input` that repeat the last one, of these fields, with its answer, while
    /// the output is under `limit` bytes.
    pub(super) fn answer_repeated(
        &mut self,
        input: &mut &[u8],
        answer: &RepeatedAnswer<F>,
        fields: &Fields,
        limit: usize,
        turn: &mut Turn<'_, F>,
    ) {
        if !self.open.repeats(&answer.head) {
            return;
        }
        let status = answer.head.status;
        let whole = answer.content.as_ref();
        let content = whole.map_or(&[][..], |whole| &whole.content);
        let file = whole.and_then(|whole| whole.file.as_ref());
        let limit = match content.len() {
            0 => limit,
            _ => (turn.content_end + 1).saturating_sub(HEADER_LEN + SHORT as usize),
        };
        let is_known = file.is_some() || status == 304;
        while turn.may_request()
            && self.core.output().len() < limit
            && self.core.answer_repeated(input, content)
        {
            self.requests = self.requests.wrapping_add(1);
            turn.count_request();
            turn.moved += content.len();
            if is_known {
                turn.services.routes.count_hit();
            }
            if let Some(file) = file {
                file.count_use();
            }
            let sent = (status, content.len() as u64);
            turn.log_repeated(self.peer, "HTTP/2.0", fields, sent);
        }
    }
}
