//! The queue of calls that have something for their connections, and the account of what all calls hold.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::Call;
use super::head::CallHead;
use super::made::{HeadMaker, MadeHead, Repetition};
use super::spare::SpareMemory;
use crate::exchange::queue::Queue;
use crate::exchange::response::Head;
use crate::http::{Fields, Scheme};
use crate::world::Peer;

/// Calls whose exchanges have something for their upstream connections.
#[derive(Clone)]
pub(crate) struct Calls(Rc<CallQueue>);

/// The state that all clones share.
struct CallQueue {
    waiting: RefCell<Queue<Call>>,
    /// Bytes that all calls hold.
    held: Cell<usize>,
    /// Memory of the buffers that responses were read into, and are sent from.
    lent: Rc<Cell<usize>>,
    spare: RefCell<SpareMemory>,
    request: RefCell<MadeHead<CallOrigin, CallHead>>,
    response: RefCell<MadeHead<HeadMaker, Head>>,
}

/// The circumstances of a request, on which the head depends that its upstream gets: its handler, and what that tells
/// of the client.
type CallOrigin = (HeadMaker, Peer, Scheme, &'static str);

impl Calls {
    /// No calls.
    pub(crate) fn new() -> Self {
        Calls(Rc::new(CallQueue {
            waiting: RefCell::new(Queue::new()),
            held: Cell::new(0),
            lent: Rc::default(),
            spare: RefCell::default(),
            request: RefCell::default(),
            response: RefCell::default(),
        }))
    }

    /// True if no call has anything to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.waiting.borrow().is_empty()
    }

    /// Number of calls that have something to do.
    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting.borrow().len()
    }

    /// Takes the next call.
    pub(crate) fn take(&self) -> Option<Call> {
        let call = self.0.waiting.borrow_mut().pop_front()?;
        call.leave_queue();
        Some(call)
    }

    /// Bytes of responses that exchanges have not taken, and of requests that are kept to be sent once more, of
    /// all calls. Content that no connection has taken is counted with its client.
    pub(crate) fn held(&self) -> usize {
        self.0.held.get() + self.0.lent.get()
    }

    /// Memory of the buffers that are lent, in bytes.
    pub(crate) fn lent_bytes(&self) -> usize {
        self.0.lent.get()
    }

    /// Adds a call behind the others.
    pub(super) fn add(&self, call: Call) {
        self.0.waiting.borrow_mut().push_back(call);
    }

    /// Counts what a call holds now, which held `before`.
    pub(super) fn count(&self, before: usize, now: usize) {
        self.0.held.set(self.0.held.get() + now - before);
    }

    /// A head that nobody else holds, to be filled anew.
    pub(crate) fn spare_head(&self) -> Rc<Fields> {
        self.0.spare.borrow_mut().take_head()
    }

    /// Has a head used again once its message is over.
    pub(crate) fn keep_head(&self, head: &Rc<Fields>) {
        self.0.spare.borrow_mut().keep_head(head);
    }

    /// The head of a request with these fields: that of the last one, if both are equal and of one origin, or one that
    /// `make` makes in the memory of another, which nobody else holds. One without an origin is made each time.
    pub(crate) fn request_head(
        &self,
        origin: Option<CallOrigin>,
        from: &Fields,
        make: impl FnOnce(Rc<Fields>) -> CallHead,
    ) -> CallHead {
        let mut last = self.0.request.borrow_mut();
        let repetition = match &origin {
            Some(origin) => last.compare(origin, from),
            None => Repetition::First,
        };
        if let Repetition::Further(head) = repetition {
            return head;
        }
        let head = make(self.spare_head());
        if let Repetition::Second = repetition {
            last.keep(head.clone());
        }
        head
    }

    /// Has the memory of a request's head used again, unless it is kept for the next one.
    pub(super) fn give_back(&self, head: &Rc<Fields>) {
        let last = self.0.request.borrow();
        if !last
            .kept()
            .is_some_and(|kept| Rc::ptr_eq(&kept.fields, head))
        {
            self.keep_head(head);
        }
    }

    /// The head of a response with these fields: that of the last one, if both are equal, or one that `make` makes in
    /// their place.
    pub(crate) fn response_head(
        &self,
        maker: &HeadMaker,
        from: Rc<Fields>,
        make: impl FnOnce(Rc<Fields>) -> Head,
    ) -> Head {
        let mut last = self.0.response.borrow_mut();
        if let Some(head) = last.of_place(maker, &from) {
            return head;
        }
        let repetition = last.compare(maker, &from);
        if let Repetition::Further(head) = repetition {
            if Rc::strong_count(&from) == 1 {
                self.keep_head(&from);
            } else {
                // The connection had it before, and may have it again.
                last.note_place(from);
            }
            return head;
        }
        let head = make(self.own_head(from));
        match repetition {
            Repetition::Second => last.keep(head.clone()),
            Repetition::First | Repetition::Further(_) => self.keep_head(&head.fields),
        }
        head
    }

    /// This head, or a copy of one that others have.
    fn own_head(&self, head: Rc<Fields>) -> Rc<Fields> {
        if Rc::strong_count(&head) == 1 {
            return head;
        }
        let mut own = self.spare_head();
        Rc::make_mut(&mut own).copy_from(&head);
        own
    }

    /// True if this is the head of a response that is kept for the next one.
    pub(crate) fn keeps_response(&self, head: &Rc<Fields>) -> bool {
        let last = self.0.response.borrow();
        last.kept()
            .is_some_and(|kept| Rc::ptr_eq(&kept.fields, head))
    }

    /// Gives back the memory that is kept for the next calls.
    pub(crate) fn forget_spare(&self) {
        self.0.spare.take();
        self.0.request.take();
        self.0.response.take();
    }

    /// An empty buffer for content.
    pub(super) fn spare_content(&self) -> VecDeque<u8> {
        self.0.spare.borrow_mut().take_content()
    }

    /// Has a buffer of content used again.
    pub(super) fn keep_content(&self, content: VecDeque<u8>) {
        self.0.spare.borrow_mut().keep_content(content);
    }

    /// The account of the buffers that are lent.
    pub(super) fn lent(&self) -> &Rc<Cell<usize>> {
        &self.0.lent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_others_have_is_not_changed_for_a_client() {
        let (calls, maker) = (Calls::new(), HeadMaker::default());
        for name in ["a", "trailer"] {
            let from: Rc<Fields> = Rc::new([(name, "b")].into_iter().collect());
            let mut kept = Vec::new();
            for _ in 0..4 {
                let head = calls.response_head(&maker, from.clone(), |mut fields| {
                    Rc::make_mut(&mut fields).push(b"via", b"1.1 calmd");
                    Head {
                        fields,
                        ..Head::empty(200)
                    }
                });
                let names: Vec<_> = head.fields.iter().map(|field| field.name).collect();
                assert_eq!(names, [name.as_bytes(), b"via"]);
                assert_eq!(from.len(), 1);
                kept.push(calls.keeps_response(&head.fields));
            }
            let is_fit = name == "a";
            assert_eq!(kept, [false, is_fit, is_fit, is_fit], "{name}");
        }
    }
}
