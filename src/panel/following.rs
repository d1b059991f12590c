//! One connection in a stream of events: its state, and its frames as they come.

use std::cell::RefCell;
use std::rc::Rc;

use super::order::{OrderContent, OrderOutcome, PanelOrder};
use crate::exchange::Waker;
use crate::inspect::{Feed, Look, Watch, WatchForm};

/// A connection that a stream of events follows.
pub(super) struct ConnectionFollower {
    id: u32,
    watch: WatchStage,
    /// The look that the event loop was asked for last.
    look: Option<Rc<PanelOrder>>,
}

enum WatchStage {
    /// The event loop was not asked yet.
    New,
    /// It was asked.
    Asked(Rc<PanelOrder>),
    Watching(Box<Watch>),
    /// There is no such connection any more.
    Gone,
}

impl ConnectionFollower {
    /// A follower of the connection of this number.
    pub(super) fn new(id: u32) -> Self {
        ConnectionFollower {
            id,
            watch: WatchStage::New,
            look: None,
        }
    }

    /// Appends the events that there are, and asks the event loop for the next state: the orders for it.
    pub(super) fn tell(&mut self, out: &mut String, waker: Waker) -> Vec<Rc<PanelOrder>> {
        let mut orders = Vec::new();
        match &mut self.watch {
            WatchStage::New => {
                let order = PanelOrder::new(
                    OrderContent::Watch(self.id, WatchForm::EventStream),
                    waker.clone(),
                );
                orders.push(order.clone());
                self.watch = WatchStage::Asked(order);
            }
            WatchStage::Asked(order) => match order.take_outcome() {
                None => {}
                Some(OrderOutcome::Watched(watch)) => self.watch = WatchStage::Watching(watch),
                Some(_) => self.end(out),
            },
            WatchStage::Watching(watch) => {
                watch.poll(out);
                if watch.is_over() {
                    self.end(out);
                }
            }
            WatchStage::Gone => return orders,
        }
        match self.look.as_ref().map(|look| look.take_outcome()) {
            Some(None) => return orders,
            Some(Some(OrderOutcome::Json(text))) => {
                out.push_str("event: connection\ndata: ");
                out.push_str(&text);
                out.push_str("\n\n");
            }
            Some(Some(_)) | None => {}
        }
        let look = OrderContent::Look(RefCell::new(Look::One(self.id)));
        let order = PanelOrder::new(look, waker);
        orders.push(order.clone());
        self.look = Some(order);
        orders
    }

    fn end(&mut self, out: &mut String) {
        self.watch = WatchStage::Gone;
        out.push_str("event: gone\ndata: {}\n\n");
    }
}
