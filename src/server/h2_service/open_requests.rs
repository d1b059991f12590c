//! The requests that are open on a connection, and what is remembered for the next one.
//!
//! They share one box, which an idle connection gives back: ten thousand of them then hold a pointer each.

use crate::exchange::ActiveRequest;
use crate::h2::StreamKey;
use crate::http::Fields;
use crate::server::batch::BatchedHead;
use crate::world::Files;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

/// The open requests of a connection.
pub(super) struct OpenRequests<F: Files>(Option<Box<Tables<F>>>);

struct Tables<F: Files> {
    /// By the index of the stream's key.
    active: Vec<Option<ActiveRequest<F>>>,
    /// Streams whose exchanges are polled behind the input: those that can go on, and new ones whose
    /// clients wait for 100 before they send content.
    pending: Vec<StreamKey>,
    /// Requests that came with others, whose answers took all of their turn.
    postponed: VecDeque<(BatchedHead, Fields)>,
    /// The earliest time that an exchange waits for, or an earlier one.
    due: Option<Instant>,
    /// The memory behind `active`, but for what their handlers hold of requests.
    held: usize,
    last_head: Option<SentHead>,
}

/// The source of the last response head.
#[derive(PartialEq, Eq)]
pub(super) struct SentHead {
    /// The fields, told from others by where they are.
    pub(super) fields: SharedFields,
    /// The tick of the date among them.
    pub(super) date: u32,
    /// The status.
    pub(super) status: u16,
}

/// Fields that are told from others by where they are.
pub(super) struct SharedFields(pub(super) Rc<Fields>);

impl PartialEq for SharedFields {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SharedFields {}

impl<F: Files> Default for OpenRequests<F> {
    fn default() -> Self {
        OpenRequests(None)
    }
}

impl<F: Files> OpenRequests<F> {
    fn tables(&mut self) -> &mut Tables<F> {
        self.0.get_or_insert_with(|| {
            Box::new(Tables {
                active: Vec::new(),
                pending: Vec::new(),
                postponed: VecDeque::new(),
                due: None,
                held: 0,
                last_head: None,
            })
        })
    }

    /// The request on a stream.
    pub(super) fn get(&self, stream: StreamKey) -> Option<&ActiveRequest<F>> {
        self.0.as_deref()?.active.get(stream.index())?.as_ref()
    }

    /// The request on a stream.
    pub(super) fn get_mut(&mut self, stream: StreamKey) -> Option<&mut ActiveRequest<F>> {
        let tables = self.0.as_deref_mut()?;
        tables.active.get_mut(stream.index())?.as_mut()
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &ActiveRequest<F>> {
        let tables = self.0.as_deref().into_iter();
        tables.flat_map(|tables| tables.active.iter().flatten())
    }

    /// All of them, in no order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ActiveRequest<F>> {
        let tables = self.0.as_deref_mut().into_iter();
        tables.flat_map(|tables| tables.active.iter_mut().flatten())
    }

    /// Opens one on a stream.
    pub(super) fn insert(&mut self, stream: StreamKey, active: ActiveRequest<F>) {
        let tables = self.tables();
        let index = stream.index();
        if index >= tables.active.len() {
            tables.active.resize_with(index + 1, || None);
        }
        tables.held += active.memory();
        if let Some(place) = tables.active.get_mut(index) {
            *place = Some(active);
        }
    }

    /// Takes the one on a stream out.
    pub(super) fn take(&mut self, stream: StreamKey) -> Option<ActiveRequest<F>> {
        let tables = self.0.as_deref_mut()?;
        let active = tables.active.get_mut(stream.index())?.take()?;
        tables.held -= active.memory();
        Some(active)
    }

    /// Takes all out.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = ActiveRequest<F>> + use<F> {
        let tables = self.0.take();
        let active = tables.map(|tables| tables.active).unwrap_or_default();
        active.into_iter().flatten()
    }

    /// Has a stream polled behind the input, once.
    pub(super) fn push_pending(&mut self, stream: StreamKey) {
        let pending = &mut self.tables().pending;
        if !pending.contains(&stream) {
            pending.push(stream);
        }
    }

    /// True if a stream is to be polled.
    pub(super) fn has_pending(&self) -> bool {
        let tables = self.0.as_deref();
        tables.is_some_and(|tables| !tables.pending.is_empty())
    }

    /// The streams that are to be polled, once.
    pub(super) fn take_pending(&mut self) -> Vec<StreamKey> {
        let tables = self.0.as_deref_mut();
        tables.map_or(Vec::new(), |tables| std::mem::take(&mut tables.pending))
    }

    /// Has a request answered in the next turn.
    pub(super) fn postpone(&mut self, head: BatchedHead, fields: Fields) {
        self.tables().postponed.push_back((head, fields));
    }

    /// True if a request is to be answered in the next turn.
    pub(super) fn has_postponed(&self) -> bool {
        let tables = self.0.as_deref();
        tables.is_some_and(|tables| !tables.postponed.is_empty())
    }

    /// The request that is to be answered next, of those that were postponed.
    pub(super) fn take_postponed(&mut self) -> Option<(BatchedHead, Fields)> {
        self.0.as_deref_mut()?.postponed.pop_front()
    }

    /// The earliest time that an exchange waits for, or an earlier one.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.as_deref()?.due
    }

    /// An exchange waits for this time, if for any.
    pub(super) fn note_due(&mut self, due: Option<Instant>) {
        if due.is_some() {
            let tables = self.tables();
            tables.due = tables.due.into_iter().chain(due).min();
        }
    }

    /// Forgets the time, which is found out anew.
    pub(super) fn forget_due(&mut self) {
        if let Some(tables) = self.0.as_deref_mut() {
            tables.due = None;
        }
    }

    /// True if the last head that was sent was of this source.
    pub(super) fn repeats(&self, head: &SentHead) -> bool {
        let last = self
            .0
            .as_deref()
            .and_then(|tables| tables.last_head.as_ref());
        last == Some(head)
    }

    /// Remembers the source of the head that was sent.
    pub(super) fn remember_head(&mut self, head: SentHead) {
        self.tables().last_head = Some(head);
    }

    /// Forgets it, because another head follows.
    pub(super) fn forget_head(&mut self) {
        if let Some(tables) = self.0.as_deref_mut() {
            tables.last_head = None;
        }
    }

    /// The memory of all of it.
    pub(super) fn memory(&self) -> usize {
        self.0.as_deref().map_or(0, |tables| {
            size_of_val(tables)
                + tables.active.capacity() * size_of::<Option<ActiveRequest<F>>>()
                + tables.pending.capacity() * size_of::<StreamKey>()
                + tables.held
                + tables.postponed.iter().map(postponed_memory).sum::<usize>()
        })
    }

    /// Gives the memory back, where no request is open.
    pub(super) fn shrink(&mut self) {
        debug_assert_eq!(self.iter().count(), 0, "an idle connection has none");
        self.0 = None;
    }
}

fn postponed_memory((_, fields): &(BatchedHead, Fields)) -> usize {
    size_of::<(BatchedHead, Fields)>() + fields.heap()
}
