//! The request that has an action carried out.

use std::rc::Rc;

use serde::Serialize;

use super::action::Action;
use super::answer::{PanelReply, Sending};
use super::content::Content;
use super::order::{OrderContent, OrderOutcome, PanelOrder};
use super::state::SharedState;
use crate::exchange::{Desk, Exchange, Failure, Part, Room, Step, Until};
use crate::world::Files;

/// The answer to an action that was carried out.
#[derive(Serialize)]
struct Done<'a> {
    done: &'a str,
}

/// A request that has an action carried out.
pub(super) struct ActionExchange {
    state: SharedState,
    /// The user and its address, for the log.
    who: String,
    stage: ActionStage,
}

enum ActionStage {
    Reading(Content),
    Waiting(Rc<PanelOrder>),
    Sending(Sending),
}

impl ActionExchange {
    /// An action of `who`, whose text is still to come.
    pub(super) fn new(state: SharedState, who: String) -> Self {
        ActionExchange {
            state,
            who,
            stage: ActionStage::Reading(Content::new()),
        }
    }

    /// The stage behind a text that is there.
    fn begin(&self, text: &[u8], desk: &mut Desk<'_>) -> ActionStage {
        match Action::parse(text) {
            Ok(action) => {
                log::info!("panel: {}: {action}", self.who);
                let order = PanelOrder::new(OrderContent::Action(action), desk.waker());
                self.state.borrow_mut().orders.push_back(order.clone());
                ActionStage::Waiting(order)
            }
            Err(problem) => ActionStage::Sending(Sending::Head(PanelReply::error(400, &problem))),
        }
    }
}

impl<F: Files> Exchange<F> for ActionExchange {
    fn receive(&mut self, part: Part<'_>, _: &mut Desk<'_>) {
        if let ActionStage::Reading(content) = &mut self.stage {
            content.receive(&part);
        }
    }

    /// Its own bound is lower, and answers as the panel does.
    fn content_limit(&self) -> Option<u64> {
        Some(u64::MAX)
    }

    fn poll(&mut self, _: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        if let ActionStage::Reading(content) = &self.stage {
            self.stage = match content {
                Content::Open(_) => return Ok(Step::Wait(Until::Request)),
                Content::Complete(text) => self.begin(text, desk),
                Content::TooLarge => {
                    ActionStage::Sending(Sending::Head(PanelReply::error(413, "too long")))
                }
            };
        }
        if let ActionStage::Waiting(order) = &self.stage {
            let reply = match order.take_outcome() {
                None => {
                    order.await_turn();
                    return Ok(Step::Wait(Until::Woken));
                }
                Some(OrderOutcome::Done(done)) => PanelReply::json(200, &Done { done: &done }),
                Some(OrderOutcome::Refused(status, why)) => PanelReply::error(status, why),
                Some(OrderOutcome::Json(_) | OrderOutcome::Watched(_)) => {
                    PanelReply::error(500, "an answer to another question")
                }
            };
            self.stage = ActionStage::Sending(Sending::Head(reply));
        }
        let ActionStage::Sending(sending) = &mut self.stage else {
            return Ok(Step::Wait(Until::Woken));
        };
        Ok(sending.step())
    }
}
