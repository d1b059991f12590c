//! The request that looks at connections, which only the event loop knows.

use std::cell::RefCell;
use std::rc::Rc;

use super::answer::{JSON, PanelReply, Sending};
use super::order::{OrderContent, OrderOutcome, PanelOrder};
use super::state::SharedState;
use crate::exchange::{Desk, Exchange, Failure, Room, Step, Until};
use crate::inspect::Look;
use crate::world::Files;

/// A request that looks at connections.
pub(super) struct LookExchange {
    state: SharedState,
    stage: LookStage,
}

enum LookStage {
    Asked(Option<Look>),
    Waiting(Rc<PanelOrder>),
    Sending(Sending),
}

impl LookExchange {
    /// A request for this look.
    pub(super) fn new(state: SharedState, look: Look) -> Self {
        LookExchange {
            state,
            stage: LookStage::Asked(Some(look)),
        }
    }

    /// The answer to an outcome.
    fn reply(&self, outcome: OrderOutcome) -> PanelReply {
        let reply = match outcome {
            OrderOutcome::Json(text) => PanelReply::new(200, JSON, text.into_bytes().into()),
            OrderOutcome::Refused(status, why) => PanelReply::error(status, why),
            OrderOutcome::Done(_) | OrderOutcome::Watched(_) => {
                PanelReply::error(500, "an answer to another question")
            }
        };
        self.state.borrow_mut().hold(reply)
    }
}

impl<F: Files> Exchange<F> for LookExchange {
    fn poll(&mut self, _: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        if let LookStage::Asked(look) = &mut self.stage
            && let Some(look) = look.take()
        {
            let content = OrderContent::Look(RefCell::new(look));
            let order = PanelOrder::new(content, desk.waker());
            self.state.borrow_mut().orders.push_back(order.clone());
            self.stage = LookStage::Waiting(order);
        }
        if let LookStage::Waiting(order) = &self.stage {
            let Some(outcome) = order.take_outcome() else {
                order.await_turn();
                return Ok(Step::Wait(Until::Woken));
            };
            let reply = self.reply(outcome);
            self.stage = LookStage::Sending(Sending::Head(reply));
        }
        let LookStage::Sending(sending) = &mut self.stage else {
            return Ok(Step::Wait(Until::Woken));
        };
        Ok(sending.step())
    }
}
