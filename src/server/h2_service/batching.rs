//! Input to events: requests that came together are read before the first of them is answered, but for those that
//! repeat another.

use super::H2Service;
use super::repeating::RepeatedAnswer;
use crate::h2::Event;
use crate::http::{Expected, Fields};
use crate::server::batch::{Batch, Batched, BatchedHead};
use crate::server::fault::Fault;
use crate::server::turn::Turn;
use crate::world::Files;

impl<F: Files> H2Service<F> {
    /// Takes what it can of `input` and answers, while the output is under `limit` bytes.
    pub fn receive(
        &mut self,
        input: &mut &[u8],
        batch: &mut Batch,
        limit: usize,
        turn: &mut Turn<'_, F>,
    ) -> Result<(), Fault> {
        while turn.may_request()
            && let Some((head, fields)) = self.open.take_postponed()
        {
            self.answer_one(head, &fields, turn);
        }
        while self.core.output().len() < limit && turn.may_request() {
            let Some((batched, free)) = batch.split() else {
                break;
            };
            match self.core.receive(input, free, turn.services.now) {
                Ok(Some(Event::Request {
                    stream,
                    end_stream,
                    expected,
                    ..
                })) => {
                    let head = BatchedHead {
                        stream,
                        end_stream,
                        expected,
                        is_followed: end_stream && self.core.is_repeated(input),
                    };
                    let place = batched.count();
                    let is_full = batched.push(head, turn.requests);
                    // Content may follow, which only an answer takes.
                    if is_full || head.is_followed || !end_stream {
                        let answer = self.answer(batch.all(), turn);
                        if let (Some(answer), Some(fields)) = (answer, batch.section(place)) {
                            self.answer_repeated(input, &answer, fields, limit, turn);
                        }
                    }
                }
                Ok(Some(event)) => {
                    self.answer(batched, turn);
                    self.handle(event, turn);
                }
                Ok(None) => {
                    self.answer(batched, turn);
                    break;
                }
                Err(error) => {
                    for (_, fields) in batched.take() {
                        self.refuse(fields, error.reason, turn);
                    }
                    return Err(self.fail(error, turn.services));
                }
            }
        }
        self.answer(batch.all(), turn);
        if !turn.is_followed && self.open.has_pending() {
            self.poll_pending(turn);
        }
        Ok(())
    }

    /// Answers requests that came together: those for which the turn has no time left, in the next one. Gives the
    /// answer of the last one if equal requests follow that get it as well.
    fn answer(
        &mut self,
        batched: Batched<'_>,
        turn: &mut Turn<'_, F>,
    ) -> Option<RepeatedAnswer<F>> {
        let mut answer = None;
        for (head, fields) in batched.take() {
            if turn.may_request() {
                answer = self.answer_one(head, fields, turn);
            } else {
                self.open.postpone(head, fields.clone());
                answer = None;
            }
        }
        answer
    }

    fn answer_one(
        &mut self,
        mut head: BatchedHead,
        fields: &Fields,
        turn: &mut Turn<'_, F>,
    ) -> Option<RepeatedAnswer<F>> {
        if !self.core.contains(head.stream) {
            self.refuse(fields, "reset before it was answered", turn);
            return None;
        }
        if head.expected == Expected::Continue && head.end_stream {
            head.expected = Expected::Nothing;
        }
        self.request(head, fields, turn)
    }

    /// Counts and logs a request that was refused or reset before it was answered.
    pub(super) fn refuse(&mut self, fields: &Fields, reason: &'static str, turn: &mut Turn<'_, F>) {
        self.requests = self.requests.wrapping_add(1);
        turn.requests = turn.requests.saturating_sub(1);
        turn.log_refusal(self.peer, "HTTP/2.0", fields, reason, (0, 0));
    }
}
