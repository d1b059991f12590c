//! Orders of requests to the event loop, which alone knows the connections.

use std::cell::RefCell;
use std::rc::Rc;

use super::action::Action;
use crate::exchange::Waker;
use crate::inspect::{Look, Watch, WatchForm};

/// The content of an order.
#[derive(Debug)]
pub enum OrderContent {
    /// Something to do.
    Action(Action),
    /// A look at connections, which may take several turns.
    Look(RefCell<Look>),
    /// To watch the connection of this number, in this form.
    Watch(u32, WatchForm),
}

/// The event loop's answer to an order.
pub enum OrderOutcome {
    /// It was carried out, as this sentence tells.
    Done(String),
    /// The answer to a look, as JSON.
    Json(String),
    /// The connection is watched from now on.
    Watched(Box<Watch>),
    /// It could not be carried out: the status of the answer, and the reason.
    Refused(u16, &'static str),
}

/// An order, which its request waits for.
pub struct PanelOrder {
    /// The content.
    pub wanted: OrderContent,
    outcome: RefCell<Option<OrderOutcome>>,
    waker: Waker,
}

impl PanelOrder {
    /// An order of the request that this waker wakes.
    pub(super) fn new(wanted: OrderContent, waker: Waker) -> Rc<Self> {
        Rc::new(PanelOrder {
            wanted,
            outcome: RefCell::default(),
            waker,
        })
    }

    /// The request is given another turn, before which the event loop carries orders out.
    pub fn await_turn(&self) {
        self.waker.wake();
    }

    /// Gives the request its answer.
    pub fn finish(&self, outcome: OrderOutcome) {
        self.outcome.replace(Some(outcome));
        self.waker.wake();
    }

    /// The answer, if it is there.
    pub(super) fn take_outcome(&self) -> Option<OrderOutcome> {
        self.outcome.take()
    }
}
